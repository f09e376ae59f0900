"""What people mistype: each kind is warned of with its remedy, and the files that others sent in are read right."""

from pathlib import Path

import dns.name
import pytest

from xferzone.errors import UsageError, ZoneInvalid
from xferzone.zone import changes, checks, slips
from xferzone.zonefile import names, text

CASES = Path(__file__).parents[1] / "data" / "cases"
ORIGIN = dns.name.from_text("example.com.")
SOUND = "$TTL 300\n@ SOA ns1.example.net. host.example.net. 1 2 3 4 5\n@ NS ns1.example.net.\n"


def warned(content: str, origin: str = "example.com.") -> list[str]:
    """The warnings of a sound zone with these lines more, which begin in line 4."""
    name = dns.name.from_text(origin)
    errors, warnings = checks.faults(text.read((SOUND + content).encode(), name), name)
    assert errors == []
    return list(map(str, warnings))


WARNED = [
    ("www.example.com A 192.0.2.1", "is the owner of records: is a final dot missing? write www.example.com."),
    ("mail.example.org TXT x", "is a final dot missing? write mail.example.org."),
    ("1.2.0.192.in-addr.arpa PTR a.net.", "is a final dot missing? write 1.2.0.192.in-addr.arpa."),
    ("a CNAME www.example.com", "CNAME names www.example.com.example.com.: is a final dot missing?"),
    ("a CNAME www.google.com", "write www.google.com."),
    ("a DNAME x.example.info", "write x.example.info."),
    ("a PTR host.example.net", "write host.example.net."),
    ("a AFSDB 1 db.example.net", "write db.example.net."),
    ("a NAPTR 1 1 \"\" \"\" \"\" sip.example.net", "write sip.example.net."),
    ("a HTTPS 1 web.example.net alpn=h2", "write web.example.net."),
    ("a SVCB 0 web.Example.Net", "write web.example.net."),
    ("a RP host.example.net .", "write host.example.net."),
    ("a KX 1 kx.example.org", "write kx.example.org."),
    ("a CNAME 192.0.2.1.", "give a host the record A 192.0.2.1, and write its name here"),
    ("a CNAME 192.0.2.1", "leads to the address 192.0.2.1 as if it were a name"),
    ("a CNAME 2001:db8::1.", "the record AAAA 2001:db8::1"),
    ("a CNAME https://www.example.net/.", "and only a host can be named here: write www.example.net."),
    ("a CNAME http://www.example.net/path", "leads to a URL or a port, and only a host can be named here"),
    ("a CNAME app.example.net:8080.", "write app.example.net."),
    ("a MX 5 smtp://mail.example.net:25.", "write mail.example.net."),
    ("a SRV 1 1 1 192.0.2.1.", "leads to the address 192.0.2.1"),
    ("a HTTPS 1 2001:db8::1.", "leads to the address 2001:db8::1"),
    ("a DNAME 192.0.2.1.", "DNAME leads to the address 192.0.2.1"),
    ("a AFSDB 1 192.0.2.1.", "AFSDB leads to the address 192.0.2.1"),
    ("a KX 1 2001:db8::1.", "KX leads to the address 2001:db8::1"),
    ('a NAPTR 1 1 "" "" "" 192.0.2.1.', "NAPTR leads to the address 192.0.2.1"),
    ("a CNAME http://x.example.net", "and only a host can be named here: write x.example.net."),
    ("a CNAME app.example.net:25", "and only a host can be named here: write app.example.net."),
    ("my_host A 192.0.2.1", "A has a host name with an underscore, which some programs refuse: write my-host"),
    ("my_host AAAA ::1\nmy_host AAAA ::2", "AAAA has a host name with an underscore"),
    ("#www A 192.0.2.1", "a name that begins with #: comments begin with ;"),
    ("//www A 192.0.2.1", "a name that begins with //: comments begin with ;"),
    ("_dmarc TXT v=DMARC1; p=none", 'ends at ";", which begins a comment: write it in quotes, "v=DMARC1; p=none"'),
    (
        "s TXT v=spf1 mx -all",
        'TXT is not read as SPF: its strings are joined without blanks: write it in quotes, "v=spf1 mx -all"',
    ),
    ('s TXT "v=spf1" "mx -all"', 'write it in quotes, "v=spf1 mx -all"'),
    (
        "@ CAA 0 issue ca.example; validationmethods=dns-01",
        'CAA ends at ";", which begins a comment: write it in quotes, "ca.example; validationmethods=dns-01"',
    ),
    ("u URI 1 1 http://x.example/a;b=c", 'URI ends at ";", which begins a comment: write it in quotes, "http'),
    ("k._domainkey TXT v=DKIM1;k=rsa; p=abc", 'write it in quotes, "v=DKIM1;k=rsa; p=abc"'),
    ('a TXT "\u201chello\u201d"', 'holds a curly quote (U+201C): write ", if that was meant'),
    ('a TXT "a\u00a0b"', "holds a no-break blank (U+00A0): write a blank"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), WARNED)
def test_a_slip_is_warned_of_with_its_remedy(line: str, said: str) -> None:
    (warning,) = warned(line)
    assert warning.strip().startswith("line 4: ")
    assert said in warning


NOTHING = [
    "info A 192.0.2.1\nnet A 192.0.2.2\nx CNAME info\n",
    "a CNAME www.example.net.\nb MX 1 mail.example.org.\n",
    "www.prod A 192.0.2.1\nx CNAME www.prod\n",
    "_dmarc TXT \"v=DMARC1; p=none\"\n_dmarc.x TXT v=DMARC1 ; see https://example.net\n",
    "_sip._tcp SRV 1 1 1 sip.example.net.\n_443._tcp TLSA 3 1 1 aa\nk._domainkey CNAME k.example.net.\n",
    "gc._msdcs A 192.0.2.1\n*._x A 192.0.2.1\n",
    "1 CNAME 1.0/25\n1.0/25 PTR a.example.net.\n",
    'a TXT "caf\u00e9"\n',
    '@ CAA 0 issue "ca.example; validationmethods=dns-01" ; as agreed\nn NAPTR 1 1 "u" "sip" "!^.*$!sip:a@b.net!" .\n',
    'a TXT "v=spf1 mx" " -all"\nb TXT v=spf1 " mx -all"\nc TXT v=spf1\nd TXT words of a text\n',
    "a CNAME 4.3.2.1.in-addr.arpa.\n",
]  # fmt: skip


@pytest.mark.parametrize("lines", NOTHING)
def test_what_only_looks_like_a_slip_is_left_alone(lines: str) -> None:
    assert warned(lines) == []


def test_one_kind_of_slip_leaves_room_for_the_others() -> None:
    said = warned(
        "".join(f"a{number}.example.com A 192.0.2.1\n" for number in range(90)) + "m CNAME 192.0.2.1.\n"
    )
    assert len(said) == slips.MAX_OF_A_KIND + 1
    assert "(and 70 more like it)" in said[slips.MAX_OF_A_KIND - 1]
    assert "the address 192.0.2.1" in said[-1]


def test_in_the_root_and_in_a_zone_of_one_label() -> None:
    in_the_root = warned("www.com A 192.0.2.1\nx CNAME www.example.net\n", ".")
    assert not any("a final dot" in said for said in in_the_root)
    assert warned("www.example A 192.0.2.1\nexample A 192.0.2.1\nx CNAME example\n", "lan.") == []
    said = warned("www.lan A 192.0.2.1\nx CNAME lan\n", "lan.")
    assert [each.rpartition(" ")[2] for each in said] == ["www.lan.", "lan."]
    (told,) = warned("lan A 192.0.2.1\n", "lan.")
    assert "lan.lan. is the owner of records: is a final dot missing? write lan." in told


def test_an_at_sign_in_a_mailbox() -> None:
    content = "$TTL 5\n@ SOA ns1.example.net. {} 1 2 3 4 5\n@ NS ns1.example.net.\n"
    with pytest.raises(
        ZoneInvalid, match=r"a mailbox has a dot in place of the @: write host\.example\.net\."
    ):
        text.read(content.format("host@example.net").encode(), ORIGIN)
    with pytest.raises(ZoneInvalid, match=r"write first\\\.last\.example\.net\."):
        text.read(content.format("first.last@example.net.").encode(), ORIGIN)
    _, warnings = checks.faults(text.read(content.format("host\\@example.net.").encode(), ORIGIN), ORIGIN)
    assert "has an @ in its mailbox, where a dot stands for it: write host.example.net." in str(warnings[0])


REFUSED = [
    ("b\u00fccher A 192.0.2.1", "an international name has its xn-- form here"),
    ("b\u00fccher A 192.0.2.1", "write xn--bcher-kva"),
    ("a CNAME www.stra\u00dfe.example.", "write www.xn--strae-oqa.example."),
    ("a TXT \u201chello\u201d", 'a curly quote (U+201C): write "'),
    ("a A 192.0.2.1\u00a0", "a no-break blank (U+00A0): write a blank"),
    ("a\u00a0A 192.0.2.1", "a no-break blank (U+00A0): write a blank"),
    ("a\u2013b A 192.0.2.1", "a dash (U+2013): write -"),
    ("a [AGE:3600000] 300 A 192.0.2.1", "a time stamp of Windows DNS: delete it in every line"),
    ("a 300 [AGE:3600000] A 192.0.2.1", "a time stamp of Windows DNS"),
    ("@ WINS L1 C900 ( 10.0.0.1 )", "Windows DNS's own, a lookup in WINS: leave the line out"),
    ("@ 300 ALIAS app.example.net.", "use A/AAAA, or HTTPS 0 TARGET"),
    (
        "a LUA A \"ifportup(443, {'192.0.2.1'})\"",
        "PowerDNS's own, a program: write the records that it answers",
    ),
    ("@ 300 AWS ALIAS A x.example.net. Z1 false", "an alias of Route 53 tools"),
    ("# a comment", "a comment begins with ; and not with #"),
    ("// a comment", "a comment begins with ; and not with //"),
    ("  # a comment", "a comment begins with ; and not with #"),
    ("a A 192.0.2.1 # the web server", "a comment begins with ; and not with #"),
    ("a A 192.0.2.1 // the web server", "a comment begins with ; and not with //"),
    ("$TTL 60 # a minute", "a comment begins with ; and not with #"),
    ("/* all of it */", "a comment begins with ; and not with /*"),
]


@pytest.mark.parametrize(("line", "said"), REFUSED)
def test_what_is_not_zone_text_is_refused_by_its_name(line: str, said: str) -> None:
    with pytest.raises(ZoneInvalid) as refused:
        text.read((SOUND + line + "\n").encode(), ORIGIN)
    (fault,) = refused.value.faults
    assert fault.line == 4
    assert said in fault.reason


def test_windows_letters_are_named_too() -> None:
    with pytest.raises(ZoneInvalid, match=r"a curly quote \(U\+201C\)"):
        text.read(SOUND.encode() + b"a TXT \x93hello\x94\n", ORIGIN)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "it is UTF-16, as Notepad and PowerShell save it"),
        ("utf-16-le", "it is UTF-16, as Notepad and PowerShell save it"),
        ("utf-16-be", "it is UTF-16, as Notepad and PowerShell save it"),
        ("utf-32", "it is UTF-32: save it as UTF-8"),
        ("utf-32-le", "it is UTF-32: save it as UTF-8"),
        ("utf-32-be", "it is UTF-32: save it as UTF-8"),
    ],
)
def test_utf_16_and_utf_32_are_named(encoding: str, name: str) -> None:
    with pytest.raises(ZoneInvalid, match=name):
        text.read(SOUND.encode(encoding), ORIGIN)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["b\u00fccher.example.com", "A", "192.0.2.1"], "write xn--bcher-kva.example.com"),
        (["a.example.com", "CNAME", "www.b\u00fccher.example"], "write www.xn--bcher-kva.example"),
        (["a.example.com", "A", "192.0.2.1\u00a0"], "a no-break blank (U+00A0)"),
        (["a.example.com", "CAA", "0", "issue", "\u201cca.example\u201d"], "a curly quote (U+201C)"),
        (["a.example.com", "ALIAS", "b.example.net."], "use A/AAAA, or HTTPS 0 TARGET"),
    ],
)
def test_a_command_line_is_told_the_same(words: list[str], said: str) -> None:
    with pytest.raises((UsageError, ZoneInvalid)) as refused:
        changes.parse_change("set", words)
    assert said in str(refused.value)


def test_the_octal_star_of_route_53_is_warned_of() -> None:
    _, warnings = checks.check("example.com", (SOUND + "\\052 A 192.0.2.1\n\\052.x TXT x\n").encode(), "f")
    assert [said.partition(": ")[0] for said in warnings] == ["f line 4", "f line 5"]
    assert "\\052 is the digit 4 in zone text: write *" in warnings[0]


def test_curly_quotes_set_as_a_text_are_warned_of() -> None:
    change = changes.parse_change("set", ["a.example.com", "TXT", "\u201chello", "world\u201d"])
    (rdata,) = change.rdatas
    (said,) = warned(f"a TXT \\# {len(rdata)} {rdata.hex()}\n")
    assert "holds a curly quote (U+201C)" in said


# Files that were sent in: file, zone, and what is said in its order: warnings if it is taken, else faults.
SENT_IN = [row.split("\t") for row in (CASES / "said.tsv").read_text().splitlines()]
FILES = sorted({(file, zone) for file, zone, _ in SENT_IN})
REFUSED_FILES = ("02", "03", "09", "10", "11")


@pytest.mark.parametrize(("file", "zone"), FILES)
def test_the_files_that_were_sent_in(file: str, zone: str) -> None:
    said = [wanted for own, _, wanted in SENT_IN if own == file]
    content = (CASES / f"{file}.zone").read_bytes()
    if file[:2] in REFUSED_FILES:
        with pytest.raises(ZoneInvalid) as refused:
            checks.check(zone, content, "f")
        told = [str(fault) for fault in refused.value.faults]
    else:
        told = checks.check(zone, content, "f")[1]
    assert len(told) == len(said)
    assert all(wanted in found for wanted, found in zip(said, told, strict=True))


def test_the_records_of_the_files_that_are_taken() -> None:
    def lines(file: str) -> list[str]:
        origin = names.zone_name("example.com")
        content = (CASES / f"{file}.zone").read_bytes()
        return [text.line(record, origin).decode() for record in text.read(content, origin)]

    assert [line.split()[1] for line in lines("04-no-ttl-inheritance")] == ["172800"] * 3 + ["86400"] * 2
    assert [line.split()[1] for line in lines("01-rrsig-ttl")[2:]] == ["86400", "86400", "300", "300"]
    assert lines("15-unquoted-semicolon")[2] == '_dmarc 300 TXT "v=DMARC1"'
