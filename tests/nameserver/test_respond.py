"""Any message gets the right answer, or none: never an exception, never too long, never to somebody else."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nameserver.made import question, said, view_of, zones_of
from tests.nameserver.test_wire import A_IN, ONE_OPT, READ, UNREADABLE, WWW, message, opt, tsig
from xferzone.errors import NotFound, NotReady, XferzoneError
from xferzone.nameserver import wire
from xferzone.nameserver.respond import failure, respond
from xferzone.nameserver.wire import parse

ZONE = """
@ 3600 SOA ns host 7 3600 600 86400 300
@ 3600 NS ns
@ 3600 TXT "apex"
ns 3600 A 192.0.2.1
www 300 A 192.0.2.80
www 300 AAAA 2001:db8::80
www 300 TXT "much longer than the address"
alias 300 CNAME www
dn 300 DNAME target.example.test.
sub 300 NS ns.sub
ns.sub 300 A 192.0.2.53
*.wild 300 MX 5 www
"""
ZONES = zones_of(view_of(ZONE, "example.test."))


def rcode(answer: bytes | None) -> str:
    assert answer is not None
    return dns.rcode.to_text(dns.message.from_wire(answer).rcode())


@pytest.mark.parametrize("wire_", [row[1] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
def test_what_cannot_be_read_is_answered_formerr(wire_: bytes) -> None:
    assert rcode(respond(wire_, ZONES, tcp=False)) == "FORMERR"


@pytest.mark.parametrize(
    "wire_", [row[1] for row in READ if WWW in row[1]], ids=[row[0] for row in READ if WWW in row[1]]
)
def test_what_can_be_read_is_answered(wire_: bytes) -> None:
    assert said(respond(wire_, ZONES, tcp=False)).answer == {"www.example.test. 300 in a 192.0.2.80"}


@pytest.mark.parametrize("opcode", range(16))
def test_opcodes(opcode: int) -> None:
    answer = respond(message(flags=opcode << 11), ZONES, tcp=False)
    assert answer is not None
    expected = {0: "NOERROR", 4: "NOTAUTH", 5: "FORMERR"}.get(opcode, "NOTIMP")
    assert dns.rcode.to_text(dns.rcode.Rcode(answer[3] & 15)) == expected
    assert (answer[2] >> 3) & 15 == opcode
    assert int.from_bytes(answer[4:6]) == (0 if expected == "NOTIMP" else 1)


@pytest.mark.parametrize("opcode", ["NOTIFY", "UPDATE"])
@pytest.mark.parametrize(
    ("zone", "rdclass", "expected"),
    [
        ("example.test.", 1, "REFUSED"),
        ("www.example.test.", 1, "NOTAUTH"),
        ("test.", 1, "NOTAUTH"),
        ("example.test.", 3, "NOTAUTH"),
    ],
)
def test_nobody_may_notify_or_update(opcode: str, zone: str, rdclass: int, expected: str) -> None:
    name = dns.name.from_text(zone).to_wire() or b""
    asked = message(
        name + struct.pack(">HH", 6, rdclass), flags=dns.opcode.to_flags(dns.opcode.from_text(opcode))
    )
    answer = respond(asked, ZONES, tcp=False)
    assert answer is not None
    assert dns.rcode.to_text(dns.rcode.Rcode(answer[3] & 15)) == expected


@pytest.mark.parametrize("opcode", [1, 2, 3, 6, 15])
def test_an_unknown_opcode_is_not_implemented_however_its_message_looks(opcode: int) -> None:
    answer = respond(message(b"\3ww", flags=opcode << 11), ZONES, tcp=False)
    assert answer is not None
    assert answer[3] & 15 == wire.NOTIMP


@pytest.mark.parametrize("opcode", [0, 3, 4])
def test_a_newer_version_of_edns_is_bad_with_any_opcode(opcode: int) -> None:
    asked = message(more=opt(version=1), flags=opcode << 11, counts=ONE_OPT)
    assert rcode(respond(asked, ZONES, tcp=False)) == "BADVERS"


@pytest.mark.parametrize("tcp", [False, True])
def test_a_signed_question_is_told_that_its_key_is_unknown(tcp: bool) -> None:
    answer = respond(message(more=tsig(), counts=ONE_OPT), ZONES, tcp=tcp)
    assert answer is not None
    assert answer[3] & 15 == wire.NOTAUTH
    assert answer.endswith(struct.pack(">HHHHH", 300, 0, 0x0815, 17, 0))


@pytest.mark.parametrize("rdclass", [0, 2, 3, 4, 254, 255, 1000])
def test_classes_other_than_in_are_refused(rdclass: int) -> None:
    asked = message(WWW + struct.pack(">HH", 1, rdclass))
    assert rcode(respond(asked, ZONES, tcp=False)) == "REFUSED"


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("rdtype", ["AXFR", "IXFR"])
@pytest.mark.parametrize(
    ("zone", "expected"),
    [("example.test.", "REFUSED"), ("www.example.test.", "NOTAUTH"), ("test.", "NOTAUTH")],
)
def test_nobody_may_transfer(zone: str, expected: str, rdtype: str, tcp: bool) -> None:
    expected = "NOTIMP" if rdtype == "AXFR" and not tcp else expected
    assert rcode(respond(question(zone, rdtype), ZONES, tcp=tcp)) == expected


@pytest.mark.parametrize("name", [".", "test.", "other.test.", "xexample.test.", "example.test.x."])
def test_a_name_in_no_served_zone_is_refused(name: str) -> None:
    answer = said(respond(question(name, "A"), ZONES, tcp=False))
    assert (answer.rcode, answer.authoritative, answer.authority) == ("REFUSED", False, frozenset())


def test_version_1_of_edns_is_bad_whatever_is_asked() -> None:
    for name in (WWW, b"\1x\0"):
        assert (
            rcode(respond(message(name + A_IN, opt(version=1), counts=ONE_OPT), ZONES, tcp=False))
            == "BADVERS"
        )


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("www.example.test.", {"www.example.test. 300 in a 192.0.2.80"}),
        ("alias.example.test.", {"alias.example.test. 300 in cname www.example.test."}),
        ("example.test.", {"example.test. 3600 in ns ns.example.test."}),
        ("x.wild.example.test.", {"x.wild.example.test. 300 in mx 5 www.example.test."}),
        ("wild.example.test.", set()),
        ("sub.example.test.", set()),
    ],
)
def test_any_gets_one_rrset(name: str, answer: set[str], tcp: bool) -> None:
    assert said(respond(question(name, "ANY"), ZONES, tcp=tcp)).answer == answer


@pytest.mark.parametrize("rdtype", [0, 41, 128, 249, 250, 253, 254, 65280, 65535])
def test_a_type_that_nothing_can_have_is_not_there(rdtype: int) -> None:
    asked = message(WWW + struct.pack(">HH", rdtype, 1))
    answer = said(respond(asked, ZONES, tcp=False))
    assert (answer.rcode, answer.answer, len(answer.authority)) == ("NOERROR", frozenset(), 1)


def test_no_answer_is_no_answer_twice() -> None:
    first = respond(message(), ZONES, tcp=False)
    assert first is not None
    assert respond(first, ZONES, tcp=False) is None


def test_the_spelling_of_the_question_goes_back_and_nothing_else_depends_on_it() -> None:
    plain = respond(message(), ZONES, tcp=False)
    spelled = respond(message(b"\3WWW\7eXample\4TEST\0" + A_IN), ZONES, tcp=False)
    assert plain is not None
    assert spelled is not None
    assert spelled[12:].startswith(b"\3WWW\7eXample\4TEST\0")
    assert spelled[12 + len(WWW) :] == plain[12 + len(WWW) :]


def test_the_root_can_be_served() -> None:
    zones = zones_of(view_of("@ 9 SOA ns h 1 2 3 4 5\n@ 9 NS ns\nns 9 A 192.0.2.1\ncom 9 NS ns\n", "."))
    assert said(respond(question(".", "NS"), zones, tcp=False)).answer == {". 9 in ns ns."}
    assert said(respond(question("ns.", "A"), zones, tcp=False)).answer == {"ns. 9 in a 192.0.2.1"}
    assert said(respond(question("nope.", "A"), zones, tcp=False)).rcode == "NXDOMAIN"
    assert said(respond(question("x.com.", "A"), zones, tcp=False)).authority == {"com. 9 in ns ns."}


@pytest.mark.parametrize("wire_", [row[1] for row in READ + UNREADABLE])
def test_a_failure_is_a_failure_for_any_message(wire_: bytes) -> None:
    answer = failure(wire_, XferzoneError("as a test has it"))
    assert answer is not None
    assert (answer[:2], answer[3] & 15) == (wire_[:2], wire.SERVFAIL)


names = st.lists(
    st.sampled_from(
        [b"example", b"test", b"www", b"WWW", b"alias", b"dn", b"sub", b"wild", b"a", b"x" * 63, b"\0", b"*"]
    ),
    max_size=5,
).map(lambda labels: b"".join(bytes((len(label),)) + label for label in labels))
sound = st.builds(
    lambda name, zone, rdtype, flags, edns: message(
        name + (b"\7example\4test\0" if zone else b"\0") + struct.pack(">HH", rdtype, 1),
        edns,
        flags=flags & 0x7FFF,
        counts=(1, 0, 0, 1 if edns else 0),
    ),
    names,
    st.booleans(),
    st.sampled_from([1, 2, 5, 6, 15, 16, 28, 39, 43, 255, 251, 252]) | st.integers(0, 65535),
    st.sampled_from([0, 0x0100]) | st.integers(0, 65535),
    st.just(b"")
    | st.builds(lambda size, flags: opt(size, flags=flags), st.integers(0, 65535), st.integers(0, 65535)),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    wire_ = bytearray(draw(sound))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(wire_) - 1))
        match draw(st.sampled_from(["change", "cut", "add"])):
            case "change":
                wire_[place] = draw(st.integers(0, 255))
            case "cut":
                del wire_[place : place + draw(st.integers(1, 4))]
            case _:
                wire_[place:place] = draw(st.binary(min_size=1, max_size=8))
        if not wire_:
            break
    return bytes(wire_)


@settings(max_examples=500)
@given(
    sound | damaged() | st.binary(max_size=80) | st.binary(max_size=60).map(lambda more: message(b"", more))
)
def test_any_datagram_gets_an_answer_that_fits_it_or_none(wire_: bytes) -> None:
    query = parse(wire_)
    for tcp in (False, True):
        answer = respond(wire_, ZONES, tcp=tcp)
        assert (answer is None) == (len(wire_) < 12 or wire_[2] >= 0x80)
        if answer is None or query is None:
            continue
        assert answer[:2] == wire_[:2]
        assert answer[2] & 0xF8 == 0x80 | wire_[2] & 0x78
        assert len(answer) <= (65535 if tcp else wire.size_offered(query))
        echoed = query.question if query.opcode in (0, 4, 5) else b""
        assert answer[12:].startswith(echoed)
        assert int.from_bytes(answer[4:6]) in (0, 1)
        if query.opcode == 0 and query.rdclass != 0:
            decoded = dns.message.from_wire(answer)
            assert (decoded.edns >= 0) == (query.edns is not None)


@settings(max_examples=200)
@given(sound)
def test_dnspython_and_we_read_the_same_question(wire_: bytes) -> None:
    query = parse(wire_)
    assert query is not None
    if query.opcode == dns.opcode.QUERY and query.fault == wire.NOERROR:
        (asked,) = dns.message.from_wire(wire_).question
        assert (query.name, query.rdtype) == (asked.name.canonicalize().to_wire(), asked.rdtype)


def extended(answer: bytes | None) -> list[tuple[int, str | None]]:
    """The extended errors of an answer."""
    assert answer is not None
    options = dns.message.from_wire(answer).options
    return [(option.code, option.text) for option in options if isinstance(option, dns.edns.EDEOption)]


@pytest.mark.parametrize("tcp", [False, True])
def test_a_name_that_is_not_served_here_gets_a_reason(tcp: bool) -> None:
    asked = respond(question("www.elsewhere.", "A"), ZONES, tcp=tcp)
    assert (rcode(asked), extended(asked)) == ("REFUSED", [(20, "no zone here contains the name")])
    plain = respond(question("www.elsewhere.", "A", size=0), ZONES, tcp=tcp)
    assert (rcode(plain), extended(plain)) == ("REFUSED", [])
    assert extended(respond(question("example.test.", "AXFR"), ZONES, tcp=True)) == []
    assert extended(respond(question("www.example.test.", "A"), ZONES, tcp=tcp)) == []


@pytest.mark.parametrize(
    ("reason", "said_"),
    [
        (NotReady("zone example.test could not be compiled"), (14, "the zone is not compiled yet")),
        (NotFound("index 7 is gone"), (0, "the zone cannot be read")),
        (OSError("/var/lib/zones.xferzone"), (0, "the zone cannot be read")),
    ],
)
def test_a_failure_says_why_and_names_no_file(reason: Exception, said_: tuple[int, str | None]) -> None:
    answer = failure(question("www.example.test.", "A"), reason)
    assert (rcode(answer), extended(answer)) == ("SERVFAIL", [said_])
    assert extended(failure(question("www.example.test.", "A", size=0), reason)) == []
