"""Messages: what is read from a question, and what the bytes of an answer are."""

import struct

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import pytest
from dns.rdtypes.ANY.TSIG import TSIG
from hypothesis import given
from hypothesis import strategies as st

from xferzone.nameserver import wire
from xferzone.nameserver.edns import Edns
from xferzone.nameserver.wire import Answer, Query, parse, render
from xferzone.zone.index import RRset, made_rrset

WWW = b"\3www\7example\4test\0"
A_IN = b"\0\1\0\1"


def message(
    question: bytes = WWW + A_IN,
    more: bytes = b"",
    *,
    flags: int = 0x0100,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
) -> bytes:
    return struct.pack(">HHHHHH", 0x4711, flags, *counts) + question + more


def opt(
    size: int = 1232, *, version: int = 0, flags: int = 0, options: bytes = b"", owner: bytes = b"\0"
) -> bytes:
    return owner + struct.pack(">HHBBHH", 41, size, 0, version, flags, len(options)) + options


def record(owner: bytes = WWW, rdtype: int = 1, rdata: bytes = b"abcd") -> bytes:
    return owner + struct.pack(">HHLH", rdtype, 1, 0, len(rdata)) + rdata


def tsig(key: bytes = b"\3key\0", *, rdclass: int = 255, mac: bytes = b"m" * 32, more: bytes = b"") -> bytes:
    rdata = b"\x0bhmac-sha256\0" + (1_800_000_000).to_bytes(6) + struct.pack(">HH", 300, len(mac)) + mac
    rdata += struct.pack(">HHH", 0x0815, 0, len(more)) + more
    return key + struct.pack(">HHLH", 250, rdclass, 0, len(rdata)) + rdata


ONE_OPT = (1, 0, 0, 1)
LONGEST = b"".join(bytes((size,)) + b"x" * size for size in (63, 63, 63, 61)) + b"\0"
TOO_LONG = b"".join(bytes((size,)) + b"x" * size for size in (63, 63, 63, 62)) + b"\0"

READ = [
    ("plain", message(), None, False),
    ("opt", message(more=opt(4096), counts=ONE_OPT), Edns(4096, False), False),
    ("do", message(more=opt(flags=0x8000), counts=ONE_OPT), Edns(1232, True), False),
    ("other bits", message(more=opt(flags=0x7FFF), counts=ONE_OPT), Edns(1232, False), False),
    (
        "options",
        message(more=opt(options=b"\0\3\0\0\0\x0a\0\x08abcdefgh"), counts=ONE_OPT),
        Edns(1232, False, b"\0\3\0\0\0\x0a\0\x08abcdefgh"),
        False,
    ),
    ("a record before", message(more=record() + opt(), counts=(1, 0, 0, 2)), Edns(1232, False), False),
    (
        "a record behind",
        message(more=opt() + record(b"\xc0\x0c"), counts=(1, 0, 0, 2)),
        Edns(1232, False),
        False,
    ),
    ("an answer", message(more=record(), counts=(1, 1, 0, 0)), None, False),
    ("an authority", message(more=record(), counts=(1, 0, 1, 0)), None, False),
    ("longest name", message(LONGEST + A_IN), None, False),
    ("the root", message(b"\0" + A_IN), None, False),
    ("zero in a label", message(b"\3a\0b\0" + A_IN), None, False),
    ("something behind", message(more=b"x"), None, False),
    ("something behind opt", message(more=opt() + b"x", counts=ONE_OPT), Edns(1232, False), False),
]

#: What cannot be read, and whether the question still can.
UNREADABLE = [
    ("header only", message(b""), False),
    ("no question announced", message(counts=(0, 0, 0, 0)), False),
    ("no question", message(b"", counts=(0, 0, 0, 0)), False),
    ("two questions", message(WWW + A_IN + WWW + A_IN, counts=(2, 0, 0, 0)), False),
    ("two announced", message(counts=(2, 0, 0, 0)), False),
    ("65535 announced", message(counts=(65535, 65535, 65535, 65535)), False),
    ("name cut", message(b"\3ww"), False),
    ("no root label", message(b"\3www"), False),
    ("no type", message(WWW), False),
    ("no class", message(WWW + b"\0\1"), False),
    ("half a class", message(WWW + b"\0\1\0"), False),
    ("pointer to itself", message(b"\xc0\x0c" + A_IN), False),
    ("pointer into the header", message(b"\3www\xc0\4" + A_IN), False),
    ("pointer forward", message(b"\xc0\x12" + A_IN + WWW), False),
    ("label of 64", message(b"\x40" + b"x" * 64 + b"\0" + A_IN), False),
    ("extended label", message(b"\x41\1\0" + A_IN), False),
    ("name of 256", message(TOO_LONG + A_IN), False),
    ("missing record", message(counts=ONE_OPT), True),
    ("record cut", message(more=record()[:-1], counts=ONE_OPT), True),
    ("record without rdlength", message(more=WWW + A_IN, counts=ONE_OPT), True),
    ("two opts", message(more=opt() + opt(), counts=(1, 0, 0, 2)), True),
    ("opt among answers", message(more=opt(), counts=(1, 1, 0, 0)), True),
    ("opt not at the root", message(more=opt(owner=b"\1a\0"), counts=ONE_OPT), True),
    ("opt at a pointer to the root", message(more=opt(owner=b"\xc0\x1c"), counts=ONE_OPT), True),
    ("option cut", message(more=opt(options=b"\0\3\0\5abc"), counts=ONE_OPT), True),
    ("tsig among answers", message(more=tsig(), counts=(1, 1, 0, 0)), True),
    ("tsig of class IN", message(more=tsig(rdclass=1), counts=ONE_OPT), True),
    ("tsig before opt", message(more=tsig() + opt(), counts=(1, 0, 0, 2)), True),
    ("tsig twice", message(more=tsig() + tsig(), counts=(1, 0, 0, 2)), True),
    ("tsig cut", message(more=tsig()[:-1], counts=ONE_OPT), True),
    ("tsig of two octets", message(more=record(b"\3key\0", 250, b"ab"), counts=ONE_OPT), True),
    ("tsig at a pointer to itself", message(more=tsig(b"\xc0\x22"), counts=ONE_OPT), True),
    ("tsig at a pointer in a circle", message(more=tsig(b"\1x\xc0\x22"), counts=ONE_OPT), True),
    ("option without size", message(more=opt(options=b"\0\3\0"), counts=ONE_OPT), True),
]


@pytest.mark.parametrize(("wire_", "edns", "fault"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_what_can_be_read(wire_: bytes, edns: Edns | None, fault: bool) -> None:
    query = parse(wire_)
    assert query is not None
    assert (query.edns, query.fault != wire.NOERROR) == (edns, fault)
    assert wire_.startswith(query.question, 12)
    assert query.question.endswith(A_IN)
    assert (query.id, query.rdtype, query.rdclass) == (b"\x47\x11", 1, 1)


@pytest.mark.parametrize(
    ("wire_", "asked"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_cannot_be_read_is_a_format_error(wire_: bytes, asked: bool) -> None:
    query = parse(wire_)
    assert query is not None
    assert query.fault == wire.FORMERR
    assert query.question == (WWW + A_IN if asked else b"")


@pytest.mark.parametrize("key", [b"\3key\0", b"\3key\xc0\x10", b"\xc0\x0c", b"\0"])
@pytest.mark.parametrize("more", [b"", opt()])
def test_nobody_has_a_key_that_we_know(key: bytes, more: bytes) -> None:
    query = parse(message(more=more + tsig(key, more=b"other"), counts=(1, 0, 0, 2 if more else 1)))
    assert query is not None
    assert query.fault == wire.NOTAUTH
    answer = wire.error(query, wire.NOTAUTH)
    assert answer[:2] == b"\x47\x11"
    assert int.from_bytes(answer[10:12]) == (2 if more else 1)
    name = {b"\3key\0": "key.", b"\3key\xc0\x10": "key.example.test.", b"\0": "."}.get(
        key, "www.example.test."
    )
    at = len(answer) - len(answer.split(WWW + A_IN, 1)[1]) + (11 if more else 0)
    owner, size = dns.name.from_wire(answer, at)
    rdata = dns.rdata.from_wire("ANY", "TSIG", answer, at + size + 10, len(answer) - at - size - 10)
    assert owner == dns.name.from_text(name)
    assert isinstance(rdata, TSIG)
    assert (rdata.algorithm.to_text(), rdata.time_signed, rdata.fudge) == ("hmac-sha256.", 1_800_000_000, 300)
    assert (rdata.mac, rdata.original_id, rdata.error, rdata.other) == (b"", 0x0815, dns.rcode.BADKEY, b"")


def test_a_tsig_that_leaves_no_room_is_answered_without_one() -> None:
    query = parse(message(LONGEST + A_IN, tsig(LONGEST), counts=ONE_OPT))
    assert query is not None
    assert (query.fault, query.tsig) == (wire.NOTAUTH, b"")


@pytest.mark.parametrize("wire_", [b"", b"x", message()[:11], message(flags=0x8100), message(flags=0xFFFF)])
def test_what_deserves_no_answer(wire_: bytes) -> None:
    assert parse(wire_) is None


def test_a_name_is_read_in_lower_case_and_the_question_kept_as_it_came() -> None:
    query = parse(message(b"\3WwW\7EXAMPLE\4tesT\0" + A_IN))
    assert query is not None
    assert (query.name, query.question) == (WWW, b"\3WwW\7EXAMPLE\4tesT\0" + A_IN)


def test_a_newer_version_of_edns_is_told_ours() -> None:
    query = parse(message(more=opt(version=1, flags=0x8000), counts=ONE_OPT))
    assert query is not None
    assert query.fault == wire.BADVERS
    answer = dns.message.from_wire(wire.error(query, query.fault))
    assert (answer.rcode(), answer.edns, answer.ednsflags & 0xFFFF, answer.payload) == (16, 0, 0x8000, 1232)


@pytest.mark.parametrize(
    ("size", "limit"),
    [(0, 512), (511, 512), (512, 512), (1231, 512), (1232, 1232), (4096, 1232), (65535, 1232)],
)
def test_an_answer_has_one_of_two_sizes(size: int, limit: int) -> None:
    query = parse(message(more=opt(size), counts=ONE_OPT))
    assert query is not None
    assert wire.size_limit(query) == limit


def test_without_edns_an_answer_has_512_bytes() -> None:
    query = parse(message())
    assert query is not None
    assert wire.size_limit(query) == 512


@pytest.mark.parametrize(
    ("flags", "answered"),
    [
        (0x0000, 0x8000),
        (0x0100, 0x8100),  # RD goes back
        (0x7AFF, 0xF800),  # the opcode, too; AA, TC, RA, Z, AD, CD and the rcode do not
        (0x0110, 0x8100),  # CD neither: RFC 4035 3.1.6, and NSD
    ],
)
def test_flags_of_an_answer(flags: int, answered: int) -> None:
    query = parse(message(flags=flags))
    assert query is not None
    assert struct.unpack_from(">H", wire.error(query, wire.NOERROR), 2) == (answered,)


def asked(name: bytes = WWW, *, edns: bool = False) -> Query:
    more = opt() if edns else b""
    query = parse(message(name + A_IN, more, counts=(1, 0, 0, int(edns))))
    assert query is not None
    return query


def a_records(number: int) -> RRset:
    return made_rrset(1, 60, [struct.pack(">L", place) for place in range(number)])


def test_the_bytes_of_an_answer() -> None:
    answer = Answer()
    answer.answer.append((WWW, a_records(1)))
    answer.additional.append((b"\2ns\7example\4test\0", a_records(1)))
    assert render(asked(edns=True), answer, 512) == (
        b"\x47\x11\x85\x00\0\1\0\1\0\0\0\2"
        b"\3www\7example\4test\0\0\1\0\1"
        b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\0\0\0\0"
        b"\2ns\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\0\0\0\0"
        b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
    )


def test_names_in_rdata_are_compressed_where_rfc_1035_allows_it() -> None:
    answer = Answer()
    answer.answer.append(
        (WWW, made_rrset(15, 60, [b"\0\5\4mail\7example\4test\0", b"\0\7\4mail\7example\4test\0"]))
    )
    answer.answer.append((WWW, made_rrset(33, 60, [b"\0\1\0\2\0\3\4mail\7example\4test\0"])))
    written = render(asked(), answer, 512)
    assert written.count(b"\4mail") == 2  # in the first MX, and in SRV
    assert written.endswith(b"\4mail\7example\4test\0")
    decoded = dns.message.from_wire(written)
    assert [rdata.to_text() for rrset in decoded.answer for rdata in rrset] == [
        "5 mail.example.test.",
        "7 mail.example.test.",
        "1 2 3 mail.example.test.",
    ]


def test_both_names_of_a_soa_are_compressed() -> None:
    rdata = b"\2ns\7example\4test\0\4host\2ns\7example\4test\0" + bytes(20)
    answer = Answer()
    answer.authority.append((b"\7example\4test\0", made_rrset(6, 60, [rdata])))
    written = render(asked(), answer, 512)
    assert written.endswith(b"\xc0\x10\0\6\0\1\0\0\0\x3c\0\x20\2ns\xc0\x10\4host\xc0\x2e" + bytes(20))
    (soa,) = dns.message.from_wire(written).authority[0]
    assert soa.to_wire() == rdata


def test_a_name_beyond_the_reach_of_pointers_is_written_out() -> None:
    hosts = [b"\x05h%04d\7faraway\4test\0" % number for number in range(2000)]
    answer = Answer()
    answer.answer.append((WWW, made_rrset(2, 60, hosts)))
    answer.additional.extend((host, a_records(1)) for host in hosts[-3:])
    decoded = dns.message.from_wire(render(asked(), answer, 65535))
    assert [rdata.to_text() for rdata in decoded.answer[0]] == [
        f"h{place:04}.faraway.test." for place in range(2000)
    ]
    assert len(decoded.additional) == 3


@pytest.mark.parametrize("edns", [False, True])
def test_what_fits_exactly_is_sent_and_one_byte_less_room_truncates(edns: bool) -> None:
    answer = Answer()
    answer.answer.append((WWW, a_records(20)))
    query = asked(edns=edns)
    whole = render(query, answer, 65535)
    assert render(query, answer, len(whole)) == whole
    cut = dns.message.from_wire(render(query, answer, len(whole) - 1))
    assert "TC" in dns.flags.to_text(cut.flags)
    assert cut.answer == []
    assert cut.edns == (0 if edns else -1)


def test_whole_rrsets_before_the_one_that_does_not_fit_are_kept() -> None:
    answer = Answer()
    answer.answer = [
        (WWW, made_rrset(5, 60, [b"\3big\7example\4test\0"])),
        (b"\3big\7example\4test\0", a_records(40)),
    ]
    answer.authority.append((WWW, a_records(1)))
    cut = dns.message.from_wire(render(asked(), answer, 512))
    assert (len(cut.answer), len(cut.authority), "TC" in dns.flags.to_text(cut.flags)) == (1, 0, True)


def test_additional_records_are_left_out_without_a_word() -> None:
    answer = Answer()
    answer.answer.append((WWW, a_records(20)))
    answer.additional = [(WWW, a_records(5)), (b"\2ns\0", a_records(20))]
    cut = dns.message.from_wire(render(asked(), answer, 512))
    assert (len(cut.answer[0]), len(cut.additional), "TC" in dns.flags.to_text(cut.flags)) == (20, 1, False)


def test_glue_that_does_not_fit_truncates() -> None:
    answer = Answer()
    answer.authoritative = False
    answer.authority.append((WWW, made_rrset(2, 60, [b"\2n1\0"])))
    answer.glue = [(b"\2n1\0", a_records(5)), (b"\2n2\0", a_records(40))]
    answer.additional.append((b"\2n3\0", a_records(1)))
    cut = dns.message.from_wire(render(asked(), answer, 512))
    assert (len(cut.authority), len(cut.additional), "TC" in dns.flags.to_text(cut.flags)) == (1, 1, True)


def test_an_rrset_of_100_000_records_only_truncates() -> None:
    answer = Answer()
    answer.answer.append((WWW, a_records(100_000)))
    assert len(render(asked(), answer, 65535)) < 50


@given(st.lists(st.lists(st.sampled_from([b"a", b"b", b"www", b"\0", b"\xff"]), max_size=4), max_size=12))
def test_any_names_survive_compression(names: list[list[bytes]]) -> None:
    hosts = [dns.name.Name([*labels, b""]) for labels in names]
    rdatas = [b"\0\1" + b"".join(bytes((len(label),)) + label for label in host.labels) for host in hosts]
    answer = Answer()
    answer.answer = [(rdata[2:], made_rrset(15, 60, [rdata])) for rdata in rdatas]
    decoded = dns.message.from_wire(render(asked(), answer, 65535))
    assert {(rrset.name, rdata.to_wire()) for rrset in decoded.answer for rdata in rrset} == {
        (host, rdata) for host, rdata in zip(hosts, rdatas, strict=True)
    }
