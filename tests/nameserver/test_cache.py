"""The fast path says byte for byte what the slow one says, for any question, zone, and change between."""

import random

import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nameserver import differential
from tests.nameserver.made import question, serve, view_of, view_of_records, zones_of
from tests.nameserver.test_answer import DIGEST, many, random_records
from tests.nameserver.test_respond import ZONE, damaged, sound
from tests.nameserver.test_wire import ONE_OPT, READ, UNREADABLE, WWW, opt
from tests.nameserver.test_wire import message as message_of
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.generations import FREED, Generations
from xferzone.nameserver.respond import respond
from xferzone.nameserver.view import View
from xferzone.nameserver.zones import Zones

ANY_IN = b"\0\xff\0\1"  # the direct way leaves it to the slow path


def message(
    question: bytes = WWW + ANY_IN,
    more: bytes = b"",
    *,
    flags: int = 0x0100,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
) -> bytes:
    return message_of(question, more, flags=flags, counts=counts)


def view() -> View:
    return view_of(ZONE, "example.test.")


class Counted(Zones):
    """Counts how often a view is looked for: not for an answer that was remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def find(self, name: bytes, rdtype: int) -> View | None:
        self.looks += 1
        return super().find(name, rdtype)


def counted() -> tuple[Counted, Responder]:
    zones = Counted()
    serve(zones, view())
    return zones, Responder(zones)


SAME = {
    "id": message().replace(b"\x47\x11", b"\x08\x15", 1),
    "case": message(b"\3wWw\7ExamplE\4tESt\0" + ANY_IN),
    "AD and CD": message(flags=0x0130),
    "RA and AA": message(flags=0x0580),
}
SAME_OPT = {
    "cookie": opt(options=b"\0\x0a\0\x08abcdefgh"),
    "two options": opt(options=b"\0\3\0\0\0\x0a\0\x08abcdefgh"),
    "larger": opt(65535),
    "the same": opt(),
    "extended rcode": b"\0\0\x29\x04\xd0\7\0\0\0\0\0",
}
OTHER = {
    "RD": message(flags=0),
    "type": message(WWW + b"\0\x2b\0\1"),
    "name": message(b"\2ns\7example\4test\0" + ANY_IN),
    "OPT": message(more=opt(), counts=ONE_OPT),
    "small OPT": message(more=opt(512), counts=ONE_OPT),
    "DO": message(more=opt(flags=0x8000), counts=ONE_OPT),
}
NEVER = {
    "class": message(WWW + b"\0\1\0\3"),
    "TC": message(flags=0x0300),
    "Z": message(flags=0x0140),
    "opcode": message(flags=0x2100),
    "version": message(more=opt(version=1), counts=ONE_OPT),
    "bits": message(more=opt(flags=0x4000), counts=ONE_OPT),
    "low bits": message(more=opt(flags=0x8001), counts=ONE_OPT),
    "zero in a label": message(b"\3a\0b\7example\4test\0" + ANY_IN),
    "no such zone": message(b"\1x\0" + ANY_IN),
    "ds at an apex without a parent": message(b"\7example\4test\0\0\x2b\0\1"),
}


@pytest.mark.parametrize("other", SAME.values(), ids=SAME)
def test_questions_that_share_an_answer(other: bytes) -> None:
    zones, responder = counted()
    responder.respond(message())
    assert responder.respond(other) == respond(other, zones, tcp=False)
    assert zones.looks == 2  # the first, and that of `respond`


@pytest.mark.parametrize("other", SAME_OPT.values(), ids=SAME_OPT)
def test_options_and_sizes_share_an_answer(other: bytes) -> None:
    zones, responder = counted()
    responder.respond(message(more=opt(), counts=ONE_OPT))
    asked = message(more=other, counts=ONE_OPT)
    assert responder.respond(asked) == respond(asked, zones, tcp=False)
    assert zones.looks == 2


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_questions_that_have_answers_of_their_own(other: bytes) -> None:
    zones, responder = counted()
    responder.respond(message())
    assert responder.respond(other) == respond(other, zones, tcp=False)
    assert zones.looks == 3


@pytest.mark.parametrize("asked", NEVER.values(), ids=NEVER)
def test_what_is_never_remembered(asked: bytes) -> None:
    zones, responder = counted()
    responder.respond(asked)
    before = zones.looks
    responder.respond(asked)
    assert zones.looks == 2 * before


def test_an_answer_dies_with_its_view() -> None:
    zones, responder = counted()
    before = responder.respond(message())
    serve(zones, view_of(ZONE.replace("192.0.2.80", "192.0.2.99"), "example.test."))
    after = responder.respond(message())
    assert before != after
    assert after == respond(message(), zones, tcp=False)


def test_a_new_zone_below_takes_its_names_at_once() -> None:
    zones, responder = counted()
    asked = question("a.sub.example.test.", "A")
    assert responder.respond(asked) == responder.respond(asked)
    below = view_of("@ 9 SOA ns h 1 2 3 4 5\n@ 9 NS ns\na 9 A 192.0.2.7\n", "sub.example.test.")
    serve(zones, below)
    assert responder.respond(asked) == respond(asked, zones_of(below), tcp=False)
    zones.remove(below.origin)
    assert responder.respond(asked) == respond(asked, zones, tcp=False)
    assert b"\xc0\0\2\7" not in (responder.respond(asked) or b"")


def test_ds_moves_to_a_new_zone_above() -> None:
    zones, responder = counted()
    asked = question("example.test.", "DS")
    responder.respond(asked)
    serve(
        zones,
        view_of(
            f"@ 9 SOA ns h 1 2 3 4 5\n@ 9 NS ns\nexample 9 NS ns\nexample 9 DS 1 8 1 {DIGEST}\n", "test."
        ),
    )
    assert responder.respond(asked) == respond(asked, zones, tcp=False)
    assert b"\0\x2b\0\1\0\0\0\x09" in (responder.respond(asked) or b"")


def test_two_names_that_end_at_a_zero_octet_alike_are_not_taken_for_each_other() -> None:
    """A label holds what looks like the end of the question, and an OPT record with all the rest as an option."""
    zones, responder = counted()
    rest = 14 + 4 + 11  # the zone's name, type and class, the OPT that is really there
    for code in (b"\0\1", b"\0\2"):
        option = code + rest.to_bytes(2)
        hidden = b"ab\0\0\1\0\1" + b"\0\0\x29\x04\xd0\0\0\0\0" + (rest + 4).to_bytes(2) + option
        name = bytes((len(hidden),)) + hidden + b"\7example\4test\0"
        asked = message(name + ANY_IN, opt(), counts=ONE_OPT)
        for _ in range(2):
            assert responder.respond(asked) == respond(asked, zones, tcp=False)


def test_an_answer_that_fits_one_size_is_not_given_for_another() -> None:
    zones = zones_of(view_of(ZONE + many('big 60 TXT "{:0100}"', 6), "example.test."))
    responder = Responder(zones)
    sizes = (0, 511, 512, 700, 800, 1231, 1232, 1233, 65535)
    for size in (*sizes, *reversed(sizes)):
        asked = question("big.example.test.", "TXT", size=size)
        answer = responder.respond(asked)
        assert answer == respond(asked, zones, tcp=False)
        assert answer is not None
        assert bool(answer[2] & 2) == (size < 800)


def test_the_direct_way_says_what_the_slow_one_says() -> None:
    counts = differential.compare(random.Random("test"), 5_000)
    assert min(counts[kind] for kind in ("positive", "NODATA", "NXDOMAIN", "referral")) > 50


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("www.example.test.", "A"),
        ("example.test.", "NS"),
        ("nope.example.test.", "A"),
        ("www.example.test.", "LOC"),
        ("a.sub.example.test.", "A"),
        ("alias.example.test.", "A"),
    ],
)
def test_what_is_asked_most_goes_the_direct_way(name: str, rdtype: str) -> None:
    zones, responder = counted()
    responder.respond(question("example.test.", "SOA"))
    for size in (0, 512, 1232, 4096):
        responder.respond(question(name, rdtype, size=size))
    assert zones.looks == 1


def test_a_direct_answer_is_kept_when_it_is_asked_for_again() -> None:
    zones, responder = counted()
    asked = question("www.example.test.", "A")
    responder.respond(question("example.test.", "SOA"))  # the slow path opens the view
    made = []
    for _ in range(5):
        responder.respond(asked)
        made.append(responder.made)
    assert made == [2, 3, 3, 3, 3]
    serve(zones, view_of(ZONE.replace("192.0.2.80", "192.0.2.99"), "example.test."))
    assert responder.respond(asked) == respond(asked, zones, tcp=False)
    for _ in range(3):
        responder.respond(question("nope.example.test.", "A"))
    assert responder.made == 7


@settings(max_examples=300)
@given(st.lists(sound | damaged(), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_fast_path_equals_the_slow_one(asked: list[bytes], chance: random.Random) -> None:
    zones = zones_of(view())
    responder = Responder(zones)
    again = [*asked, *asked, *asked]
    chance.shuffle(again)
    for wire in again:
        assert responder.respond(wire) == respond(wire, zones, tcp=False)
        responder.free()


@settings(max_examples=150)
@given(st.data())
def test_the_fast_path_equals_the_slow_one_while_zones_change(data: st.DataObject) -> None:
    """Zones that contain each other come, go and change between questions about names in all of them."""
    origins = [
        dns.name.from_text(name)
        for name in ("test.", "example.test.", "a.example.test.", "b.a.example.test.")
    ]
    zones = Zones()
    responder = Responder(zones, own_size=3000, other_size=2000)
    asked = data.draw(
        st.lists(st.tuples(_names, st.sampled_from(["A", "NS", "DS", "TXT", "SOA"])), min_size=1, max_size=6)
    )
    for _ in range(data.draw(st.integers(1, 6))):
        origin = data.draw(st.sampled_from(origins))
        if data.draw(st.booleans()):
            serve(
                zones,
                view_of_records(data.draw(random_records()), origin, serial=data.draw(st.integers(0, 9))),
            )
        else:
            zones.remove(origin.to_wire() or b"")
        for name, rdtype in asked * 2:
            wire = question(name, rdtype, size=data.draw(st.sampled_from([0, 512, 1232])))
            assert responder.respond(wire) == respond(wire, zones, tcp=False)


_names = st.lists(st.sampled_from(["a", "b", "c", "*", "A"]), max_size=4).map(
    lambda labels: ".".join([*labels, "example.test."])
)


@pytest.mark.parametrize("wire", [row[1] for row in READ + UNREADABLE])
def test_rows_of_messages_by_the_fast_path(wire: bytes) -> None:
    zones = zones_of(view())
    responder = Responder(zones)
    for _ in range(3):
        assert responder.respond(wire) == respond(wire, zones, tcp=False)


def test_invented_names_do_not_push_out_those_of_the_zone() -> None:
    zones = Counted()
    serve(zones, view())
    responder = Responder(zones, own_size=10_000, other_size=10_000)
    responder.respond(message())
    for number in range(200):
        responder.respond(question(f"n{number}.example.test.", "A"))
        responder.free()
    before = zones.looks
    responder.respond(message())
    assert zones.looks == before


# -- generations


def test_what_is_asked_for_stays_and_what_is_not_goes() -> None:
    kept: Generations[int] = Generations(100)
    for number in range(100):
        if (value := kept.young.get(0)) is None and (value := kept.old.get(0)) is not None:
            kept.put(0, value, 10)
        kept.put(number, number, 10)
    assert 0 in {**kept.old, **kept.young}
    assert 50 not in {**kept.old, **kept.young}


@given(st.lists(st.integers(1, 50), max_size=300))
def test_the_bound_in_bytes_holds(sizes: list[int]) -> None:
    kept: Generations[int] = Generations(400)
    for number, size in enumerate(sizes):
        kept.put(number, size, size)
        assert sum(kept.young.values()) <= 200
        assert sum(kept.old.values()) <= 250  # half of the bound, and the last one put


def test_what_retired_is_freed_bit_by_bit() -> None:
    kept: Generations[int] = Generations(2000)
    for number in range(2500):
        kept.put(number, number, 1)
    held = len(kept)
    kept.free()
    assert len(kept) == held - FREED
    for _ in range(100):
        kept.free()
    assert len(kept) == len(kept.young) + len(kept.old)
