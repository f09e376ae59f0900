"""Who goes next: the known before strangers, the small before the large, the old before the new."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.live import within
from xferzone.errors import Busy
from xferzone.exchange.slots import Guest, Slots

KNOWN, STRANGER = True, False


class Line:
    """Guests that wait for `slots`, and the order in which they went."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._threads: list[threading.Thread] = []
        self.went: list[str] = []
        self.refused: list[str] = []

    def join(self, name: str, is_known: bool, size: int = 0) -> Guest:
        """A guest in the line, once it waits or has gone."""
        guest = Guest()
        guest.is_known = is_known
        thread = threading.Thread(target=self._go, args=(name, guest, size))
        self._threads.append(thread)
        thread.start()
        assert within(10, lambda: guest.is_waiting or not thread.is_alive())
        return guest

    def _go(self, name: str, guest: Guest, size: int) -> None:
        try:
            with self._slots.turn(guest, size):
                self.went.append(name)
        except Busy:
            self.refused.append(name)

    def order(self) -> list[str]:
        for thread in self._threads:
            thread.join(10)
        return self.went


def one_inside(slots: Slots, then: Callable[[], object]) -> None:
    with slots.turn(Guest()):
        then()


def test_nobody_waits_behind_a_stranger_and_the_small_go_before_the_large() -> None:
    slots = Slots(1)
    line = Line(slots)

    def come() -> None:
        line.join("stranger", STRANGER)
        line.join("large", KNOWN, 60_000_000)
        line.join("first", KNOWN, 1_000)
        line.join("second", KNOWN, 600)  # of the same kind

    one_inside(slots, come)
    assert line.order() == ["first", "second", "large", "stranger"]


def test_who_has_waited_long_goes_before_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xferzone.exchange.slots.AGED_S", 0.01)
    slots = Slots(1)
    line = Line(slots)

    def come() -> None:
        line.join("large", KNOWN, 60_000_000)
        time.sleep(0.02)
        line.join("small", KNOWN, 1)

    one_inside(slots, come)
    assert line.order() == ["large", "small"]


def test_strangers_leave_slots_free() -> None:
    slots = Slots(2, 1)
    line = Line(slots)

    def come() -> None:
        line.join("stranger", STRANGER)
        line.join("known", KNOWN)
        assert within(10, lambda: line.went == ["known"])

    one_inside(slots, come)  # a stranger
    assert line.order() == ["known", "stranger"]


def test_who_gives_way_leaves_the_line_at_once_and_so_does_whose_time_is_over() -> None:
    slots = Slots(1)
    line = Line(slots)

    def come() -> None:
        guest = line.join("gives way", STRANGER)
        line.join("stays", STRANGER)
        guest.give_way()
        assert within(10, lambda: line.refused == ["gives way"])
        with pytest.raises(Busy), slots.turn(Guest(), patience_s=0.01):
            pass

    one_inside(slots, come)
    assert line.order() == ["stays"]
    with slots.turn(Guest(), patience_s=0):
        pass


def test_whoever_is_interrupted_while_it_waits_leaves_no_gap_in_the_line() -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    slots = Slots(1)
    stopped = Guest()
    stopped.signal = Interrupted()
    with slots.turn(Guest()), pytest.raises(KeyboardInterrupt), slots.turn(stopped):
        pass
    with slots.turn(Guest(), patience_s=0):  # it does not stand before anybody
        pass
