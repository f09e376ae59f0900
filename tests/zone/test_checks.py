"""What is wrong with whole zones: each row of docs/zone-checks.md, and the invalid zones of the Ferret data set."""

import dns.name
import pytest

from xferzone.zone import checks
from xferzone.zonefile import text
from xferzone.zonefile.record import Record

ORIGIN = dns.name.from_text("example.com.")

SOUND = "$TTL 300\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"
DS = "DS 1 8 2 " + "00" * 32


def faults_of(content: str, origin: dns.name.Name = ORIGIN) -> tuple[list[str], list[str]]:
    errors, warnings = checks.faults(text.read(content.encode(), origin), origin)
    return list(map(str, errors)), list(map(str, warnings))


def test_a_sound_zone_has_no_faults() -> None:
    assert faults_of(SOUND) == ([], [])


ERRORS = [
    ("$TTL 5\n@ NS a.net.\n", ["the zone's apex example.com. has no SOA record"]),
    ("@ 5 SOA a b 1 2 3 4 5\n", ["the zone's apex example.com. has no NS record"]),
    ("w 5 A 1.1.1.1\n", ["has no SOA record", "has no NS record"]),
    ("", ["has no SOA record", "has no NS record"]),
    (SOUND + "@ SOA ns1 host 2 2 3 4 5\n", ["line 5: example.com. has 2 SOA records, one is allowed"]),
    (
        SOUND + "x SOA ns1 host 1 2 3 4 5\n",
        ["line 5: x.example.com. has an SOA record, which belongs to the zone's"],
    ),
    (
        SOUND + "a CNAME b\na A 1.1.1.1\nb A 1.1.1.1\n",
        ["line 6: a.example.com. has a CNAME record and A: a CNAME"],
    ),
    (SOUND + "a A 1.1.1.1\na CNAME b\nb A 1.1.1.1\n", ["line 5: a.example.com. has a CNAME record and A"]),
    (
        SOUND + "a CNAME b\na KEY 0 3 8 AQAB\nb A 1.1.1.1\n",
        ["line 6: a.example.com. has a CNAME record and KEY"],
    ),
    (SOUND + "a CNAME b\na DNAME c\n", ["has a CNAME record and DNAME"]),
    (
        SOUND + "@ CNAME b\n",
        [
            "line 5: example.com. has SOA and NS, as every apex, and a CNAME stands alone: use A/AAAA or HTTPS 0 b."
        ],
    ),
    (SOUND + "a CNAME b\na CNAME c\n", ["line 6: a.example.com. has 2 CNAME records, one is allowed"]),
    (
        SOUND + "a DNAME b\na DNAME c\na DNAME d\n",
        ["line 6: a.example.com. has 3 DNAME records, one is allowed"],
    ),
    (SOUND + "*.a CNAME b\n*.a TXT x\n", ["*.a.example.com. has a CNAME record and TXT"]),
]


@pytest.mark.parametrize(("content", "wanted"), ERRORS)
def test_errors(content: str, wanted: list[str]) -> None:
    errors, _ = faults_of(content)
    assert len(errors) == len(wanted)
    assert all(reason in error for error, reason in zip(errors, wanted, strict=True))


ACCEPTED = [
    "@ SOA ns1 host 1 2 3 4 5\n",  # as a transfer repeats it
    "a A 1.1.1.1\na A 1.1.1.1\n",
    "a CNAME ns1\nA CNAME NS1\n",
    "a CNAME a\n",
    "*.a CNAME ns1\n",
    "@ DNAME b.net.\n".replace("@", "d"),
    "a DNAME b.net.\na A 1.1.1.1\na MX 0 .\n",
    "a NS ns1\na DS 1 8 2 " + "00" * 32 + "\na A 1.1.1.1\n",
    "@ DNSKEY 257 3 13 AAAA\n@ CDS 1 13 2 " + "00" * 32 + "\n",
    "a NS ns.a\nns.a A 1.1.1.1\nx.y.a AAAA ::1\n",
    "a NS b.net.\na NS ns1\n",
    "a NS ns.b\nb NS ns.b\nns.b A 1.1.1.1\n",
    "a NS ns.b\nb NS ns1\n",  # below another delegation: its own zone knows
    "a MX 0 .\n_x._tcp.a SRV 0 0 0 .\n",
    "a MX 5 x.b\nb NS ns1\n",
    "a MX 5 mail.net.\n",
    "a MX 5 x\n*  A 1.1.1.1\n",
    "a MX 5 x.y.b\n*.b  A 1.1.1.1\n",
    f"a {DS}\n",
]


@pytest.mark.parametrize("content", ACCEPTED)
def test_what_is_nothing_to_speak_of(content: str) -> None:
    assert faults_of(SOUND + content) == ([], [])


SIGNED = (
    "the zone is signed: its DNSSEC records are kept but not answered yet, and a DS in the zone above makes it bogus "
    "for validating resolvers"
)


@pytest.mark.parametrize(
    "content",
    [
        "a CNAME b.net.\na NSEC b CNAME NSEC RRSIG\na RRSIG CNAME 8 3 5 1 1 1 @ AA==\n",
        "a NS ns1\na DS 1 8 2 " + "00" * 32 + "\na NSEC b NS DS\na A 1.1.1.1\n",
        "@ NSEC3PARAM 1 0 0 -\n",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A\n",
        "a 5 A 1.1.1.1\na 5 RRSIG A 8 3 5 1 1 1 @ AA==\na 7 TXT x\na 7 RRSIG TXT 8 3 5 1 1 1 @ AA==\n",
    ],
)
def test_a_signed_zone_is_told_what_its_records_do_not_do(content: str) -> None:
    assert faults_of(SOUND + content) == ([], [SIGNED])


def test_the_ttls_of_signatures_are_their_own() -> None:
    signatures = (
        "a 5 RRSIG A 8 3 5 1 1 1 @ AA==\na 3 RRSIG A 8 3 5 1 1 2 @ AA==\na 9 RRSIG TXT 8 3 5 1 1 1 @ AA==\n"
    )
    assert faults_of(SOUND + signatures) == (
        [],
        [SIGNED, "line 6: the TTLs of a.example.com. RRSIG A differ: the lowest, 3, is taken for all"],
    )
    assert faults_of(SOUND + "a 5 A 1.1.1.1\na 3 RRSIG A 8 3 5 1 1 1 @ AA==\n") == (
        [],
        [
            SIGNED,
            "line 6: a.example.com. RRSIG of A has TTL 3 and the records that it covers 5: both should be equal",
        ],
    )


WARNINGS = [
    (
        "a 5 A 1.1.1.1\na 7 A 1.1.1.2\n",
        "line 5: the TTLs of a.example.com. A differ: the lowest, 5, is taken for all",
    ),
    (
        "a 9 A 1.1.1.1\na 7 A 1.1.1.1\n",
        "line 6: the TTLs of a.example.com. A differ: the lowest, 7, is taken for all",
    ),
    (f"@ {DS}\n", "line 5: example.com. DS belongs to the zone above, not here: BIND refuses the zone"),
    ("*.a NS ns1\n", "line 5: *.a.example.com. NS is at a wildcard and delegates nothing: BIND refuses it"),
    (
        "x.* A 1.1.1.1\n",
        "line 5: x.*.example.com. A has a * that stands for no other name: it must be the whole first label",
    ),
    ("* DNAME b.net.\n", "line 5: *.example.com. DNAME is at a wildcard, which RFC 4592 4.4 advises against"),
    (
        "a DNAME b.net.\na NS ns1\n",
        "line 5: a.example.com. DNAME is hidden by the NS beside it: Knot refuses the zone",
    ),
    (
        "a DNAME b\nx.a A 1.1.1.1\n",
        "line 6: x.a.example.com. A is below the DNAME at a.example.com. and never shown",
    ),
    (
        "a DNAME b\ny.x.a NS c.\n",
        "line 6: y.x.a.example.com. NS is below the DNAME at a.example.com. and never shown",
    ),
    (
        "a NS ns1\nx.a TXT x\n",
        "line 6: x.a.example.com. TXT is below the NS at a.example.com. and never shown",
    ),
    (
        "a NS ns1\nx.a NS ns1\n",
        "line 6: x.a.example.com. NS is below the NS at a.example.com. and never shown",
    ),
    ("a NS ns1\na TXT x\n", "line 6: a.example.com. TXT is at a delegation and never shown"),
    ("@ NS ns2\n", "line 5: example.com. NS leads to ns2.example.com., which has no address in the zone"),
    ("@ NS @\n", "line 5: example.com. NS leads to example.com., which has no address in the zone"),
    (
        "a NS ns.a\n",
        "line 5: a.example.com. NS leads to ns.a.example.com., which needs an address here, as glue",
    ),
    ("a NS a\n", "line 5: a.example.com. NS leads to a.example.com., which needs an address here, as glue"),
    ("a NS nope\n", "line 5: a.example.com. NS leads to nope.example.com., which has no address in the zone"),
    ("a NS n\nn CNAME ns1\n", "line 5: a.example.com. NS leads to n.example.com., which is a CNAME"),
    (
        "a NS x.d\nd DNAME b.net.\n",
        "line 5: a.example.com. NS leads to x.d.example.com., which a DNAME makes an alias",
    ),
    (
        "a MX 1 nope\n",
        "line 5: a.example.com. MX leads to nope.example.com., which has no address in the zone",
    ),
    (
        "a MX 1 NOPE.Example.COM.\n",
        "line 5: a.example.com. MX leads to nope.example.com., which has no address",
    ),
    ("a MX 1 n\nn CNAME ns1\n", "line 5: a.example.com. MX leads to n.example.com., which is a CNAME"),
    ("a MX 1 n\nn TXT x\n", "line 5: a.example.com. MX leads to n.example.com., which has no address"),
    (
        "a MX 1 n\nx.n A 1.1.1.1\n* A 1.1.1.1\n",
        "line 5: a.example.com. MX leads to n.example.com., which has no",
    ),
    (
        "a MX 1 y.n\nx.n A 1.1.1.1\n* A 1.1.1.1\n",
        "line 5: a.example.com. MX leads to y.n.example.com., which has no",
    ),
    ("a MX 1 x\n* CNAME ns1\n", "line 5: a.example.com. MX leads to x.example.com., which is a CNAME"),
    (
        "_x._tcp SRV 1 1 1 nope\n",
        "line 5: _x._tcp.example.com. SRV leads to nope.example.com., which has no address",
    ),
    (
        "_x._tcp SRV 1 1 1 n\nn CNAME ns1\n",
        "line 5: _x._tcp.example.com. SRV leads to n.example.com., which is a",
    ),
]


@pytest.mark.parametrize(("content", "wanted"), WARNINGS)
def test_warnings(content: str, wanted: str) -> None:
    errors, warnings = faults_of(SOUND + content)
    assert errors == []
    assert len(warnings) == 1
    assert wanted in warnings[0]


def test_the_apex_may_have_a_dname() -> None:
    apex = "@ 5 SOA a.net. b 1 2 3 4 5\n@ 5 NS a.net.\n@ 5 DNAME b.net.\n"
    assert faults_of(apex) == ([], [])
    _, warnings = faults_of(apex + "x 5 A 1.1.1.1\n")
    assert [warning.strip() for warning in warnings] == [
        "line 4: x.example.com. A is below the DNAME at example.com. and never shown"
    ]


def test_an_rrset_fits_into_a_message() -> None:
    full = [Record(b"a", 5, 16, b"\xff" + b"%05d" % number + b"x" * 250) for number in range(250)]
    apex = text.read(SOUND.encode(), ORIGIN)
    size = 12 + len("\1a\7example\3com\0") + 4 + 11 + sum(12 + len(record.rdata) for record in full[:244])
    rest = checks.MAX_MESSAGE - size - 12
    last = Record(b"a", 5, 16, bytes((rest - 1,)) + b"y" * (rest - 1))
    assert checks.faults([*apex, *full[:244], last], ORIGIN)[0] == []
    (error,) = checks.faults([*apex, *full[:245]], ORIGIN)[0]
    assert error.reason.startswith("a.example.com. TXT makes messages of 65")
    # Equal records count once, and other types apart.
    more = [Record(b"a", 5, 65280, record.rdata) for record in full[:200]]
    assert checks.faults([*apex, *full[:244], *full[:100], *more], ORIGIN)[0] == []


def test_an_owner_has_a_bound_of_text() -> None:
    apex = text.read(SOUND.encode(), ORIGIN)
    octets = [Record(b"a", 5, 65280 + kind, b"%02d" % kind + b"\0" * 60_000) for kind in range(9)]
    (error,) = checks.faults([*apex, *octets], ORIGIN)[0]
    assert error.reason.startswith("a.example.com. has 1080")
    assert checks.faults([*apex, *octets[:8]], ORIGIN)[0] == []
    comments = Record(b"a", 5, 1, b"\1\1\1\1", (b";" * 999_950,))
    assert checks.faults([*apex, comments], ORIGIN)[0] == []
    (error,) = checks.faults([*apex, comments._replace(above=(b";" * 1_000_000,))], ORIGIN)[0]
    assert "bytes of text" in error.reason


def test_errors_are_in_the_order_of_the_text_and_warnings_are_bounded() -> None:
    errors, _ = faults_of(SOUND + "b CNAME x\na CNAME x\nc CNAME x\nb TXT x\na TXT x\nc TXT x\n")
    assert [error.strip().partition(":")[0] for error in errors] == ["line 8", "line 9", "line 10"]
    _, warnings = faults_of(SOUND + "".join(f"a{number} MX 1 nope\n" for number in range(130)))
    assert len(warnings) == checks.MAX_WARNINGS + 1
    assert warnings[-1] == "30 more warnings"


@pytest.mark.parametrize(
    ("soa", "said"),
    [
        ("ns1.example.net hostmaster.example.net.", ["ns1.example.net.example.com."]),
        ("ns1.example.com h.example.com", ["ns1.example.com.example.com.", "h.example.com.example.com."]),
        ("ns1.example.net. admin.mail.example", ["admin.mail.example.example.com."]),
        ("ns1 hostmaster", []),
        ("ns1.prod.dc hostmaster.prod.dc.x", []),
        ("ns1.example.com. first\\.last.example.com.", []),
    ],
)
def test_a_final_dot_that_the_soa_seems_to_lack_is_warned_of(soa: str, said: list[str]) -> None:
    records = "@ NS ns.example.net.\nns1.prod.dc A 192.0.2.1\nprod.dc.x MX 1 mx.example.net.\n"
    errors, warnings = faults_of(f"$TTL 5\n@ SOA {soa} 1 2 3 4 5\n{records}")
    assert errors == []
    assert [warning.strip() for warning in warnings] == [
        f"line 2: example.com. SOA names {name}: is a final dot missing? write {name.removesuffix('example.com.')}"
        for name in said
    ]


def test_a_part_of_a_zone_is_judged_by_what_its_owners_show() -> None:
    part = text.read(
        b"$TTL 5\na MX 1 nope\nb NS ns\nx.b TXT x\nc CNAME d\nc TXT x\nd 7 A 1.1.1.1\nd A 1.1.1.2\n", ORIGIN
    )
    errors, warnings = checks.faults(part, ORIGIN, has_apex=False)
    assert [fault.line for fault in errors] == [6]
    assert [fault.line for fault in warnings] == [8]


def test_the_root_zone() -> None:
    apex = "@ 5 SOA a.nic b 1 2 3 4 5\n@ 5 NS a.nic\na.nic 5 A 1.1.1.1\n"
    errors, warnings = faults_of(apex + "com 5 NS x.com\nnet 5 NS nope\n_x 5 SRV 1 1 1 .\n", dns.name.root)
    assert errors == []
    assert [warning.strip() for warning in warnings] == [
        "line 4: com. NS leads to x.com., which needs an address here, as glue",
        "line 5: net. NS leads to nope., which has no address in the zone",
    ]


def test_a_line_that_stock_takes_for_binary_is_warned_of() -> None:
    strings = " ".join(['"' + "x" * 255 + '"'] * 120)
    fits = f"a 60 TXT {strings} ;"
    fits += "c" * (checks.MAX_LINE - len(fits))
    assert faults_of(f"{SOUND}{fits}\n{fits[1:]}\n; {'d' * 31_998}\nb 60 A 192.0.2.1\n")[1] == []
    warnings = faults_of(
        f"{SOUND}{fits}c\n; {'d' * 32_000}\nb 60 A 192.0.2.1\nc 60 TYPE65280 \\# 16000 {'00' * 16_000}\n"
        f"d 60 NSEC e {' '.join(f'TYPE{number}' for number in range(1000, 5000))}\n"
    )[1]
    behind, above, hex_, bitmap = (warning for warning in warnings if "has a line" in warning)
    assert "a.example.com. TXT has a line of 32,001 bytes: fossil does not merge a file with" in behind
    assert "b.example.com. A has a line of 32,002 bytes" in above
    assert "c.example.com. TYPE65280 has a line of 32," in hex_
    assert "d.example.com. NSEC has a line of 3" in bitmap
