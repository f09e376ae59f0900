"""A batch of messages: which of them are answered at once, and that the others are left.

That the octets are those of the slow path is differential.py's.
"""

import pytest

from tests.nameserver.made import question, serve, view_of, zones_of
from tests.nameserver.test_wire import message, opt
from xferzone.errors import XferzoneError
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.offers import RENEWED, Offers
from xferzone.nameserver.respond import respond
from xferzone.nameserver.zones import Zones

ZONE = r"""
@ 300 SOA ns.invalid. host.invalid. 1 2 3 4 300
@ 300 NS ns
ns 300 A 192.0.2.1
www 300 A 192.0.2.2
www 300 AAAA 2001:db8::2
odd\000name 300 A 192.0.2.3
alias 300 CNAME www
mail 300 MX 1 www
sub 300 NS ns.sub
ns.sub 300 A 192.0.2.4
a.b 300 A 192.0.2.5
big 300 TXT {big}
""".format(big=" ".join(f'"{"x" * 250}"' for _ in range(2)))
SUB = "@ 300 SOA ns.invalid. host.invalid. 1 2 3 4 300\n@ 300 NS ns.invalid.\nwww 300 A 192.0.2.9\n"
WWW = b"\3www\7example\4test\0"
A_IN = b"\0\1\0\1"
WITH_OPT = (1, 0, 0, 1)
LEFT = b"left"


def answers(responder: Responder, *wires: bytes) -> list[bytes | None]:
    """With the ids; LEFT instead of those that are left."""
    found = responder.answers([wire[2:] for wire in wires], lambda _slot: LEFT)
    return [
        answer if answer is None or answer is LEFT else wire[:2] + answer
        for wire, answer in zip(wires, found, strict=True)
    ]


@pytest.fixture
def zones() -> Zones:
    made = zones_of(view_of(ZONE, "example.test.", parts=4))
    respond(question("example.test.", "SOA"), made, tcp=False)  # it opens the view
    return made


AT_ONCE = {
    "plain": question("www.example.test.", "A", size=0),
    "EDNS": question("www.example.test.", "A"),
    "DO": question("www.example.test.", "A", dnssec_ok=True),
    "odd case": message(b"\3wWw\7exAMple\4TesT\0" + A_IN),
    "two labels": question("a.b.example.test.", "A"),
    "a zero octet in a label": message(b"\x08odd\0name\7example\4test\0" + A_IN),
    "no such name": question("nowhere.example.test.", "A", size=0),
    "no such name, with EDNS": question("nowhere.example.test.", "TXT"),
    "a cookie": message(WWW + A_IN, opt(options=b"\0\x0a\0\x08abcdefgh"), counts=WITH_OPT),
}
LATER = {
    "another type first": question("www.example.test.", "AAAA"),
    "the apex": question("example.test.", "A"),
    "an alias": question("alias.example.test.", "A"),
    "hosts beside it": question("mail.example.test.", "MX"),
    "a delegation": question("sub.example.test.", "A"),
    "glue": question("ns.sub.example.test.", "A"),
    "below a delegation": question("x.sub.example.test.", "A"),
    "an empty non-terminal": question("b.example.test.", "A"),
    "no such name, two labels": question("x.y.example.test.", "A"),
    "too long": question("big.example.test.", "TXT", size=0),
    "another zone": question("www.invalid.", "A"),
    "ANY": question("www.example.test.", "ANY"),
    "DS": question("www.example.test.", "DS"),
    "class CHAOS": message(WWW + b"\0\1\0\3"),
    "version 1": message(WWW + A_IN, opt(version=1), counts=WITH_OPT),
    "a malformed cookie": message(WWW + A_IN, opt(options=b"\0\x0a\0\x07abcdefg"), counts=WITH_OPT),
    "a name in a name": message(b"\1a\0\3www\7example\4test\0" + A_IN),
    "the root before a name": message(b"\0\3www\7example\4test\0" + A_IN),
    "a pointer's length": message(b"\xc0" + b"x" * 0xC0 + b"\7example\4test\0" + A_IN),
    "a long label": message(b"\x40" + b"x" * 0x40 + b"\7example\4test\0" + A_IN),
    "a long name": message(4 * (b"\x3b" + b"x" * 0x3B) + b"\7example\4test\0" + A_IN),
    "one octet": b"x",
    "nothing": b"",
}


@pytest.mark.parametrize("asked", AT_ONCE.values(), ids=AT_ONCE)
def test_what_is_answered_at_once(zones: Zones, asked: bytes) -> None:
    offers = Offers(secrets=[b"secret of cookies"[:16]])
    assert answers(Responder(zones, offers=offers), asked) == [
        respond(asked, zones, tcp=False, offers=offers)
    ]


@pytest.mark.parametrize("asked", LATER.values(), ids=LATER)
def test_what_is_left(zones: Zones, asked: bytes) -> None:
    assert answers(Responder(zones, offers=Offers(secrets=[bytes(16)])), asked) == [LEFT]


def test_each_message_of_a_batch_gets_its_own(zones: Zones) -> None:
    offers = Offers(secrets=[bytes(16)])
    responder = Responder(zones, offers=offers)
    batch = [*AT_ONCE.values(), *LATER.values()]
    expected = [respond(wire, zones, tcp=False, offers=offers) for wire in AT_ONCE.values()]
    for _ in range(3):
        assert answers(responder, *batch) == expected + [LEFT] * len(LATER)


def test_an_answer_is_kept_when_it_is_asked_for_again(zones: Zones) -> None:
    responder = Responder(zones)
    asked = AT_ONCE["EDNS"]
    for made in (1, 2, 2, 2):
        assert answers(responder, asked) == [respond(asked, zones, tcp=False)]
        assert responder.made == made


@pytest.mark.parametrize("name", [b"\3wWw", b"\5ALIAS"], ids=["at once", "left"])
def test_what_is_spelled_oddly_is_not_kept(zones: Zones, name: bytes) -> None:
    responder = Responder(zones)
    for made in range(1, 5):
        wire = message(name + b"\7example\4test\0" + A_IN)
        responder.answers([wire[2:]], lambda _slot, wire=wire: responder.respond(wire))  # type: ignore[misc]
        assert responder.made == made


def test_names_that_do_not_exist_are_not_kept(zones: Zones) -> None:
    responder = Responder(zones)
    for made in range(1, 5):
        answers(responder, AT_ONCE["no such name"])
        assert responder.made == made


def test_a_new_view_is_answered_from(zones: Zones) -> None:
    responder = Responder(zones)
    asked = AT_ONCE["plain"]
    for _ in range(3):
        answers(responder, asked)
    serve(zones, view_of(ZONE.replace("192.0.2.2", "192.0.2.77"), "example.test."))
    assert answers(responder, asked) == [LEFT]  # it is not open yet
    expected = respond(asked, zones, tcp=False)
    assert answers(responder, asked) == [expected]
    assert expected is not None
    assert b"\xc0\x00\x02\x4d" in expected


def test_a_zone_below_takes_its_names_and_gives_them_back(zones: Zones) -> None:
    responder = Responder(zones)
    asked = [question("a.b.example.test.", "A"), question("www.example.test.", "A")]
    assert LEFT not in answers(responder, *asked)
    serve(zones, view_of(SUB, "b.example.test."))
    for wire in asked:
        respond(wire, zones, tcp=False)
    assert answers(responder, *asked) == [respond(asked[0], zones, tcp=False), LEFT]
    zones.remove(b"\1b\7example\4test\0")
    respond(asked[0], zones, tcp=False)
    assert answers(responder, *asked) == [respond(wire, zones, tcp=False) for wire in asked]


def test_a_zone_with_a_wildcard_for_all_names_has_none_that_do_not_exist() -> None:
    zones = zones_of(view_of(ZONE + "* 300 TXT any\n", "example.test."))
    respond(question("example.test.", "SOA"), zones, tcp=False)
    assert answers(Responder(zones), AT_ONCE["no such name"], AT_ONCE["plain"]) == [
        LEFT,
        respond(AT_ONCE["plain"], zones, tcp=False),
    ]


def test_a_part_that_cannot_be_read_is_left_to_whoever_tells_of_it(zones: Zones) -> None:
    view = zones.find(b"\7example\4test\0", 6)
    assert view is not None

    def unreadable(_number: int) -> None:
        raise XferzoneError("it is gone")

    view.forget()
    view._opened = unreadable  # type: ignore[assignment]  # a disk that failed
    assert answers(Responder(zones), AT_ONCE["plain"]) == [LEFT]


def test_a_cookie_is_renewed_when_its_time_has_come(zones: Zones) -> None:
    offers = Offers(secrets=[b"secret of cookies"[:16]])
    responder = Responder(zones, offers=offers)
    asked = AT_ONCE["a cookie"]
    found = []
    for offers.now in (1_000, 1_000 + RENEWED, 1_000 + RENEWED + 1):
        said = answers(responder, asked)
        assert said == [respond(asked, zones, tcp=False, offers=offers)]
        found += said
    assert found[0] == found[1] != found[2]


def test_a_cookie_is_for_the_client_that_brought_it(zones: Zones) -> None:
    offers = Offers(secrets=[b"secret of cookies"[:16]])
    responder = Responder(zones, offers=offers)
    asked = AT_ONCE["a cookie"]
    for client in (b"\xc0\0\2\1", b"\xc0\0\2\2") * 2:
        responder.client_of = lambda _slot, client=client: client  # type: ignore[misc]  # bound in the loop
        assert answers(responder, asked) == [respond(asked, zones, client, tcp=False, offers=offers)]
