"""What a server says of itself: NSID, cookies and CHAOS names, the same from the cache and without it."""

import random
import struct
from collections.abc import Sequence

import dns.edns
import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nameserver.made import view_of, zones_of
from tests.nameserver.test_answer import many
from tests.nameserver.test_respond import ZONE
from tests.nameserver.test_wire import A_IN, ONE_OPT, message, opt
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.cookies import Cookies
from xferzone.nameserver.edns import option
from xferzone.nameserver.offers import MEMORY, NEW_MEMORY, RENEWED, Offers
from xferzone.nameserver.respond import respond

SECRET = bytes(range(16))
CLIENT = b"\xc0\0\2\7"
NSID = option(3, b"")
FIRST = option(10, b"12345678")
ZONES = zones_of(view_of(ZONE + many('big 60 TXT "{:0100}"', 10), "example.test."))


def offers(now: int = 1_700_000_000) -> Offers:
    made = Offers(b"ns1", "1.0", "ns1.example", [SECRET])
    made.now = now
    return made


def asked(options: bytes, name: bytes = b"\3www\7example\4test\0" + A_IN, size: int = 1232) -> bytes:
    return message(name, opt(size, options=options), counts=ONE_OPT)


def answered(wire: bytes, *, tcp: bool = False) -> dns.message.Message:
    answer = respond(wire, ZONES, CLIENT, tcp=tcp, offers=offers())
    assert answer is not None
    return dns.message.from_wire(answer)


def option_of(answer: dns.message.Message, code: int) -> bytes | None:
    return next((each.to_wire() for each in answer.options if each.otype == code), None)


def cookie() -> bytes:
    """An option with a cookie that is valid."""
    found = option_of(answered(asked(FIRST)), 10)
    assert found is not None
    return option(10, found)


def test_nsid_and_cookies_are_said_to_those_who_ask() -> None:
    assert answered(asked(b"")).options == ()
    assert option_of(answered(asked(NSID)), 3) == b"ns1"
    both = answered(asked(NSID + FIRST))
    assert option_of(both, 3) == b"ns1"
    assert (option_of(both, 10) or b"")[:8] == b"12345678"


@pytest.mark.parametrize("tcp", [False, True])
def test_a_valid_cookie_is_given_back(tcp: bool) -> None:
    answer = answered(asked(cookie()), tcp=tcp)
    assert answer.answer
    assert option(10, option_of(answer, 10) or b"") == cookie()


def test_of_two_cookies_the_first_counts() -> None:
    assert option(10, option_of(answered(asked(cookie() + FIRST)), 10) or b"") == cookie()


@pytest.mark.parametrize("size", [0, 7, 9, 15, 41])
def test_a_malformed_cookie_is_a_fault_of_the_message(size: int) -> None:
    answer = answered(asked(option(10, bytes(size))))
    assert (answer.rcode(), answer.answer, answer.edns, answer.options) == (dns.rcode.FORMERR, [], 0, ())


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (asked(FIRST, b"\1x\0" + A_IN), dns.rcode.REFUSED),
        (asked(FIRST, b"\1x\7example\4test\0" + A_IN), dns.rcode.NXDOMAIN),
        (message(more=opt(options=FIRST), flags=0x1000, counts=ONE_OPT), dns.rcode.NOTIMP),
    ],
)
def test_errors_have_cookies_too(wire: bytes, rcode: int) -> None:
    answer = answered(wire)
    assert answer.rcode() == rcode
    assert len(option_of(answer, 10) or b"") == 24


def test_a_version_that_we_do_not_know_may_mean_something_else_by_its_options() -> None:
    answer = answered(message(more=opt(options=FIRST, version=1), counts=ONE_OPT))
    assert (answer.rcode(), answer.options) == (dns.rcode.BADVERS, ())


@pytest.mark.parametrize(
    ("options", "rcode"),
    [
        (FIRST, dns.rcode.NOERROR),
        (option(10, bytes(24)), dns.rcode.BADCOOKIE),
        (NSID, dns.rcode.FORMERR),
        (option(10, b"short"), dns.rcode.FORMERR),
    ],
)
def test_a_message_without_a_question_may_ask_for_a_cookie(options: bytes, rcode: int) -> None:
    answer = answered(message(b"", opt(options=options), counts=(0, 0, 0, 1)))
    assert answer.rcode() == rcode
    assert (option_of(answer, 10) is not None) == (rcode != dns.rcode.FORMERR)


def test_a_message_without_a_question_confirms_a_cookie() -> None:
    answer = answered(message(b"", opt(options=cookie()), counts=(0, 0, 0, 1)))
    assert (answer.rcode(), option(10, option_of(answer, 10) or b"")) == (dns.rcode.NOERROR, cookie())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("version.bind", "1.0"),
        ("VERSION.server", "1.0"),
        ("hostname.bind", "ns1.example"),
        ("id.server", "ns1.example"),
        ("authors.bind", None),
    ],
)
@pytest.mark.parametrize("rdtype", ["TXT", "ANY", "A"])
def test_class_chaos(name: str, rdtype: str, text: str | None) -> None:
    wire = dns.message.make_query(name, rdtype, "CH").to_wire()
    answer = answered(wire)
    told = [rdata.to_text() for rrset in answer.answer for rdata in rrset]
    assert told == ([] if text is None or rdtype == "A" else [f'"{text}"'])
    assert answer.rcode() == (dns.rcode.NOERROR if told else dns.rcode.REFUSED)
    silent = respond(wire, ZONES, CLIENT, tcp=False)
    assert silent is not None
    assert silent[3] & 15 == dns.rcode.REFUSED


def test_an_answer_with_options_is_not_longer_than_what_was_offered() -> None:
    for size in range(512, 1240, 3):
        wire = asked(NSID + FIRST, b"\3big\7example\4test\0" + struct.pack(">HH", 16, 1), size)
        answer = respond(wire, ZONES, CLIENT, tcp=False, offers=offers())
        assert answer is not None
        assert len(answer) <= size
        assert dns.message.from_wire(answer).options


_options = st.lists(
    st.sampled_from(
        [NSID, FIRST, cookie(), option(10, b"bad"), option(10, bytes(24)), option(65001, b"xyz")]
    ),
    max_size=3,
).map(b"".join)
_names = st.sampled_from([b"\3www", b"\3WwW", b"\3big", b"\2no", b"\5alias", b"\1a\2dn"])


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(_options, _names, st.sampled_from([1, 16]), st.integers(500, 1240)), min_size=1, max_size=8
    ),
    st.randoms(use_true_random=False),
)
def test_the_fast_path_equals_the_slow_one(
    drawn: Sequence[tuple[bytes, bytes, int, int]], chance: random.Random
) -> None:
    ours = offers()
    responder = Responder(ZONES, offers=ours)
    responder.client_of = lambda slot: bytes((192, 0, 2, slot))
    wires = [
        asked(options, name + b"\7example\4test\0" + struct.pack(">HH", rdtype, 1), size)
        for options, name, rdtype, size in drawn
    ]
    again = wires * 3
    chance.shuffle(again)
    for wire in again:
        slot = chance.choice([7, 8])
        expected = respond(wire, ZONES, bytes((192, 0, 2, slot)), tcp=False, offers=offers())
        assert responder.respond(wire, slot) == expected
        responder.free()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4_000)), max_size=60))
def test_what_is_remembered_of_a_cookie_is_still_true(come: Sequence[tuple[int, int]]) -> None:
    """Clients that come again at any time get what a server without a memory says, or what it said a moment ago."""
    ours, now, shown = offers(), 1_700_000_000, dict[int, bytes]()
    for number, later in come:
        now += later
        client, showing = bytes((10, 0, 0, number)), shown.get(number, FIRST)
        ours.now, ours.is_proven = now, False
        told = ours.told(showing, client)
        fresh = Cookies([SECRET]).judged(showing[4:], client, now)
        assert fresh is not None
        assert ours.is_proven == fresh.is_valid
        if told.options != fresh.option:
            again = Cookies([SECRET]).judged(told.options[4:], client, now)
            assert again is not None
            assert (again.is_valid, again.option) == (True, told.options)
        shown[number] = told.options
        ours.free()


def test_what_is_remembered_is_bounded() -> None:
    ours = offers()
    for number in range(30_000):
        client = number.to_bytes(4)
        ours.told(ours.told(FIRST, client).options, client)
        ours.free()
    assert len(ours._remembered) * 400 < MEMORY
    assert len(ours._new) * 400 < NEW_MEMORY


def test_clients_without_a_cookie_of_ours_get_the_same_for_a_while_and_prove_nothing() -> None:
    ours = offers()
    ours.now = 1_700_000_000
    first = ours.told(FIRST, b"\x0a\0\0\1")
    ours.now += RENEWED
    assert ours.told(FIRST, b"\x0a\0\0\1") == first
    assert ours.told(FIRST, b"\x0a\0\0\2") != first
    assert not ours.is_proven
    ours.now += 1
    assert ours.told(FIRST, b"\x0a\0\0\1") != first
