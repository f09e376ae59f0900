"""Places: strangers give way to each other, the slowest of the greediest address first, and keep nobody out."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.test_counters import Beside
from xferzone import metrics
from xferzone.counters import Counters
from xferzone.errors import Busy
from xferzone.web import limits
from xferzone.web.limits import MAX_HELD, MAX_OF_ADDRESS, MAX_REQUESTS, MAX_STRANGERS, Places, Visitor

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE_S", 0.0)
    monkeypatch.setattr(limits, "WAIT_S", 0.05)


@pytest.fixture
def counters() -> Counters:
    return Counters(metrics.SIZE)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def entered(stack: contextlib.ExitStack, places: Places, address: str, moved: int = 0) -> Visitor:
    visitor = stack.enter_context(places.place(address))
    visitor.moved = moved
    return visitor


def test_the_slowest_of_the_address_that_has_most_gives_way(
    counters: Counters, stack: contextlib.ExitStack
) -> None:
    places = Places(counters)
    few = [entered(stack, places, "192.0.2.1") for _ in range(MAX_STRANGERS // 2 - 1)]
    many = [
        entered(stack, places, "192.0.2.2", 10**9 * (number + 1)) for number in range(MAX_STRANGERS // 2 + 1)
    ]
    entered(stack, places, "192.0.2.3")
    assert not any(visitor.gives_way for visitor in few)
    assert [visitor.gives_way for visitor in many] == [True] + [False] * (len(many) - 1)
    with pytest.raises(Busy):
        many[0].check()


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),  # an IPv6 client has a /64
        ("", "", "192.0.2.2"),  # of a UNIX socket
    ],
)
def test_an_address_has_a_bound_of_its_own(
    counters: Counters, stack: contextlib.ExitStack, address: str, same: str, other: str
) -> None:
    places = Places(counters)
    theirs = [entered(stack, places, address) for _ in range(MAX_OF_ADDRESS)]
    entered(stack, places, other)
    assert not any(visitor.gives_way for visitor in theirs)
    entered(stack, places, same)
    assert sum(visitor.gives_way for visitor in theirs) == 1


def test_who_has_logged_in_or_is_being_answered_stays_and_a_newcomer_hears_busy(
    counters: Counters, stack: contextlib.ExitStack
) -> None:
    places = Places(counters)
    known = [entered(stack, places, "192.0.2.1") for _ in range(MAX_OF_ADDRESS)]
    for visitor in known:
        visitor.know()
    answered = [entered(stack, places, "192.0.2.1") for _ in range(MAX_REQUESTS - MAX_OF_ADDRESS)]
    for visitor in answered:
        visitor.received()
    with pytest.raises(Busy, match="too many requests"), places.place("192.0.2.9"):
        pass
    answered[0].is_waiting = True  # for its turn
    entered(stack, places, "192.0.2.9")
    assert [visitor.gives_way for visitor in (*known, *answered)].count(True) == 1
    assert answered[0].gives_way


def test_where_all_have_logged_in_who_reads_slowly_gives_way(
    counters: Counters, stack: contextlib.ExitStack
) -> None:
    places = Places(counters)
    known = []
    for number in range(MAX_REQUESTS):
        known.append(entered(stack, places, "192.0.2.1"))
        known[-1].know()
        known[-1].received()
        if number < 2:
            known[-1].sends(5 * MIB)
    known[0].moved = 10**12
    entered(stack, places, "192.0.2.1")
    assert [at for at, visitor in enumerate(known) if visitor.gives_way] == [1]


def test_a_newcomer_waits_for_a_moment(
    counters: Counters, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WAIT_S", 30.0)
    places = Places(counters, threads=8)
    inside = contextlib.ExitStack()
    for _ in range(MAX_OF_ADDRESS // 8):
        entered(inside, places, "192.0.2.1").received()
    threading.Timer(0.1, inside.close).start()
    entered(stack, places, "192.0.2.1")


def test_whoever_gives_way_while_it_sends_reads_the_end_and_can_still_answer(
    counters: Counters, stack: contextlib.ExitStack
) -> None:
    places = Places(counters)
    ours, theirs = map(stack.enter_context, socket.socketpair())
    slow = stack.enter_context(places.place("192.0.2.1", ours))
    slow.give_way()
    assert ours.recv(1) == b""
    ours.sendall(b"busy")
    assert theirs.recv(10) == b"busy"


def test_bytes_of_strangers_are_bounded_and_the_slowest_makes_room(
    counters: Counters, stack: contextlib.ExitStack
) -> None:
    places = Places(counters)
    slow, fast = entered(stack, places, "192.0.2.1", 1), entered(stack, places, "192.0.2.2", 10**12)
    slow.hold(MAX_HELD // 2)
    fast.hold(MAX_HELD // 2)
    fast.hold(1)
    assert (slow.gives_way, fast.gives_way) == (True, False)
    fast.know()
    other = entered(stack, places, "192.0.2.3")
    other.hold(MAX_HELD)  # who has logged in does not count
    with pytest.raises(Busy), Beside(lambda: counters.hold(MIB)):  # another process does
        other.hold(MIB)
    entered(stack, places, "192.0.2.4").hold(MAX_HELD)  # but not when it has ended


def test_a_large_body_waits_until_there_is_room_and_slow_ones_give_way(
    counters: Counters, stack: contextlib.ExitStack
) -> None:
    places = Places(counters)
    inside = contextlib.ExitStack()
    fast = entered(inside, places, "192.0.2.1")
    fast.reserve(40 * MIB)
    fast.moved = 10**12
    threading.Timer(0.1, inside.close).start()
    second = entered(stack, places, "192.0.2.2")
    second.reserve(40 * MIB)
    assert not fast.gives_way
    second.moved = 1
    entered(stack, places, "192.0.2.3").reserve(MAX_HELD)
    assert second.gives_way
