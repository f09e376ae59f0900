"""Who goes next: a number of slots, and a line before them in which nobody waits behind a stranger.

    first      whoever is known, that is whose login holds; then strangers, in at most some of the slots
    then       the smaller kind before the larger, each kind twice the size of the one before
    then       the oldest; and first of all of its sort who has waited for AGED_S

A guest that is told to give way leaves the line with Busy. So does one whose time is over.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from xferzone.errors import Busy

PATIENCE_S: Final = 120.0  # seconds that one waits
AGED_S: Final = 10.0  # seconds after which no smaller one goes first


class Guest:
    """Who takes a turn: one request, from its first octet until its reply is sent."""

    def __init__(self) -> None:
        self.is_known = False  # its login holds
        self.is_waiting = False  # in a line
        self.gives_way = False
        self.signal = threading.Event()  # set when there may be something new for one who waits

    def know(self) -> None:
        """Note that its login holds."""
        self.is_known = True

    def away(self) -> contextlib.AbstractContextManager[None]:
        """Leave what it has to others while it waits for the network. Raises Busy where it does not get that back."""
        return contextlib.nullcontext()

    def give_way(self) -> None:
        """Have it leave the line where it waits, and the next one at once."""
        self.gives_way = True
        self.signal.set()


@dataclass(eq=False, slots=True)
class _Waiting:
    guest: Guest
    kind: int
    since: float = field(default_factory=time.monotonic)
    is_let_in: bool = False


class Slots:
    """`slots` that guests take, of which strangers have at most `for_strangers` (None: all); safe for threads."""

    def __init__(self, slots: int, for_strangers: int | None = None) -> None:
        self._free = slots
        self._free_for_strangers = slots if for_strangers is None else for_strangers
        self._lock = threading.Lock()
        self._line: list[_Waiting] = []  # in order of arrival

    @contextlib.contextmanager
    def turn(self, guest: Guest, size: int = 0, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """A slot, for something of that size in bytes. Raises Busy after `patience_s`, or where it gives way."""
        is_known = guest.is_known
        self._wait(_Waiting(guest, size.bit_length()), patience_s)
        try:
            yield
        finally:
            with self._lock:
                self._leave(is_known=is_known)

    def _leave(self, *, is_known: bool) -> None:
        self._free += 1
        self._free_for_strangers += not is_known
        self._let_in()

    def _wait(self, waiting: _Waiting, patience_s: float) -> None:
        with self._lock:
            self._line.append(waiting)
            self._let_in()
        guest = waiting.guest
        guest.is_waiting = not waiting.is_let_in
        try:
            while not waiting.is_let_in:
                in_time = guest.signal.wait(waiting.since + patience_s - time.monotonic())
                guest.signal.clear()
                with self._lock:
                    if not waiting.is_let_in and (guest.gives_way or not in_time):
                        self._line.remove(waiting)
                        raise Busy("others take too long")
        except BaseException:
            with self._lock:
                if waiting in self._line:
                    self._line.remove(waiting)
                elif waiting.is_let_in:
                    self._leave(is_known=guest.is_known)
            raise
        finally:
            guest.is_waiting = False

    def _let_in(self) -> None:
        while (waiting := self._next()) is not None:
            self._line.remove(waiting)
            self._free -= 1
            self._free_for_strangers -= not waiting.guest.is_known
            waiting.is_let_in = True
            waiting.guest.signal.set()

    def _next(self) -> _Waiting | None:
        if self._free <= 0:
            return None
        sort = [waiting for waiting in self._line if waiting.guest.is_known]
        if not sort and self._free_for_strangers > 0:
            sort = [waiting for waiting in self._line if not waiting.guest.is_known]
        if not sort or time.monotonic() - sort[0].since > AGED_S:
            return sort[0] if sort else None
        return min(sort, key=lambda waiting: (waiting.kind, waiting.since))
