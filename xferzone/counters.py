"""Numbers in memory that a server's processes share: each one writes its own slot, whoever is asked reads all.

    header    told + 1                 0: nobody has said what was told last
              answerers                that should be there, with an agent beside them; 0: no DNS
    slot 0    pid, beat, role, zones, held   of the process that holds it; held: bytes, as web/limits.py counts them
              a cell for each counter
    slot 1    ...                      SLOTS of them
    names     size 1, octets 255       of zones, in the order in which somebody first counted one; NAMES of them

The memory is made before any fork. A process takes the first free slot when it first writes, and holds a record lock
on it for as long as it lives. It counts on from what is there, so that sums do not fall when processes come and go.

A cell is 8 bytes and has one writer, a process, whose threads take turns. Readers need no lock: they may see a moment
between two cells, never half of one.

Source: fcntl(2), advisory record locking: a lock ends with its process; memfd_create(2).
"""

import fcntl
import mmap
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Final

SLOTS: Final = (
    1_100  # 256 HTTP workers, 256 answerers and an agent (config.py), twice during a reload, and some more
)
NAMES: Final = 100  # zones that are counted by name; ours: as many series
FRESH_S: Final = 3.0  # seconds that the last beat of a process that works may be ago
_WIDTH: Final = 8  # bytes of a cell

_NAME_ROOM: Final = 256  # bytes

_TOLD, _EXPECTED, _HEADER = range(3)
_PID, _BEAT, _ROLE, _ZONES, _BYTES, _OWN = range(6)


class Role(IntEnum):
    """What a process of DNS does."""

    ANSWERER = 1
    AGENT = 2


class Counters:
    """`size` counters, in memory that is shared with every process forked later."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._row = _OWN + size
        octets = _WIDTH * (_HEADER + SLOTS * self._row)
        self._file = _unnamed()
        weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, octets + NAMES * _NAME_ROOM)
        memory = memoryview(mmap.mmap(self._file, octets + NAMES * _NAME_ROOM))
        self._cells = memory[:octets].cast("Q")
        self._names = memory[octets:]
        self._pid = 0  # of the process that holds `_slot`
        self._slot = self._cells[:0]
        self._lock = threading.Lock()

    def cells(self) -> memoryview:
        """The counters of this process, for one thread alone to write; the cells of `add` are the same."""
        return self._held()[_OWN:]

    def add(self, numbers: Mapping[int, int]) -> None:
        """Add to the counters of this process; any thread may."""
        with self._lock:
            cells = self._held()[_OWN:]
            for at, number in numbers.items():
                cells[at] += number

    def sums(self) -> list[int]:
        """Each counter, over all processes that there are and were."""
        totals = [0] * self._size
        for slot in self._used():
            for at, number in enumerate(slot[_OWN:]):
                if number:
                    totals[at] += number
        return totals

    def names(self) -> list[str]:
        """The names that `place` has been asked for, in order of their places."""
        found = []
        for start in range(0, len(self._names), _NAME_ROOM):
            size = self._names[start]
            if not size:
                break
            found.append(str(self._names[start + 1 : start + 1 + size], "ascii"))
        return found

    def place(self, name: str) -> int | None:
        """The place of a name of at most 255 octets, the same in every process; None: NAMES others have theirs."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, SLOTS + 1)
        try:
            names = self.names()
            if name in names:
                return names.index(name)
            if len(names) == NAMES:
                return None
            start, octets = len(names) * _NAME_ROOM, name.encode("ascii")
            self._names[start + 1 : start + 1 + len(octets)] = octets
            self._names[start] = len(octets)
            return len(names)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, SLOTS + 1)

    def beat(self, role: Role, zones: int) -> None:
        """Let others know that this process works, and how many zones it answers for."""
        slot = self._held()
        slot[_ROLE], slot[_ZONES], slot[_BEAT] = role, zones, _now_ms()

    def hold(self, size: int) -> None:
        """Let others know how many bytes of strangers this process holds."""
        self._held()[_BYTES] = size

    def held_elsewhere(self) -> int:
        """How many bytes of strangers the other processes hold, those that live."""
        return sum(
            slot[_BYTES]
            for number, slot in enumerate(self._used())
            if slot[_BYTES] and slot[_PID] != os.getpid() and self._is_held(number)
        )

    @property
    def expected(self) -> int:
        """How many answerers there should be, with an agent beside them; 0: there is no DNS here."""
        return self._cells[_EXPECTED]

    @expected.setter
    def expected(self, answerers: int) -> None:
        self._cells[_EXPECTED] = answerers

    def missing(self) -> str:
        """What DNS lacks to answer, in words; empty: nothing."""
        roles = [slot[_ROLE] for slot in self._working()]
        wanted = {Role.ANSWERER: self.expected, Role.AGENT: min(self.expected, 1)}
        return ", ".join(
            f"{roles.count(role)} of {count} {role.name.lower()}{'s' if count > 1 else ''} working"
            for role, count in wanted.items()
            if roles.count(role) < count
        )

    def zones(self) -> int | None:
        """How many zones DNS answers for; None: no process of it works."""
        return max((slot[_ZONES] for slot in self._working()), default=None)

    @contextmanager
    def telling(self) -> Iterator[bool]:
        """Whether this process alone may read and set `told` until the block ends; another one may have begun."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, SLOTS)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, SLOTS)

    @property
    def told(self) -> int | None:
        """The number that was told last; None: none yet."""
        return self._cells[_TOLD] - 1 if self._cells[_TOLD] else None

    @told.setter
    def told(self, number: int) -> None:
        self._cells[_TOLD] = number + 1

    def _held(self) -> memoryview:
        if self._pid != os.getpid():
            self._pid, self._slot = os.getpid(), self._taken()
            self._slot[_PID], self._slot[_BYTES] = self._pid, 0
        return self._slot

    def _taken(self) -> memoryview:
        for number in range(SLOTS - 1):
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
                return self._at(number)
        return self._at(SLOTS - 1)  # no process should come here; if many do, they lose a count now and then

    def _working(self) -> list[memoryview]:
        """The slots of processes of DNS that live and have beaten a moment ago."""
        oldest = _now_ms() - 1000 * FRESH_S
        return [
            slot
            for number, slot in enumerate(self._used())
            if slot[_BEAT] >= oldest and (slot[_PID] == os.getpid() or self._is_held(number))
        ]

    def _is_held(self, number: int) -> bool:
        """Whether another process holds that slot."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, number)
        except OSError:
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return False

    def _used(self) -> Iterator[memoryview]:
        """The slots that were ever taken: they are taken in order."""
        for number in range(SLOTS):
            slot = self._at(number)
            if not slot[_PID]:
                return
            yield slot

    def _at(self, number: int) -> memoryview:
        start = _HEADER + number * self._row
        return self._cells[start : start + self._row]


def _now_ms() -> int:
    """A clock that all processes of the machine share."""
    return time.monotonic_ns() // 1_000_000


def _unnamed() -> int:
    """The descriptor of an empty file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("xferzone-counters")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
