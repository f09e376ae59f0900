"""Places for the sync requests of a process: pages are always answered, and no stranger keeps others out.

    a request comes     it takes a place; it is a stranger until its login holds
    no place is free    the slowest stranger of the address with the most places gives way, and hears "busy". A request
                        that is being answered is spared, and while there is room to wait, one that came a moment ago
                        if none can give way, the newcomer waits for a moment, then hears "busy" itself
    of one repository   as many are here as one among several may have: one of them gives way, as above
    all have logged in  one whose client reads the reply more slowly than KNOWN_SPEED gives way
    too many bytes      the slowest stranger that holds any gives way, from whatever address
    a large body        waits until there is room for all of it; the longer it waits, the faster must the others be that
                        are in its way

The slowest moves the fewest octets a second, in or out; of those that move none, the one that came first. An address is
an IPv4 address or an IPv6 /64, as web/forwarded.py knows it. Bytes are those of bodies and replies that lie in files or
will, of the strangers of all processes of the server together.
"""

import contextlib
import ipaddress
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from xferzone.counters import Counters
from xferzone.errors import Busy
from xferzone.exchange.room import IN_MEMORY, SMALL
from xferzone.exchange.slots import Guest
from xferzone.sync.server.guessing import Brake
from xferzone.web.deadlines import PATIENCE, STEP_S

MAX_REQUESTS: Final = 48  # sync requests in one process that has THREADS threads; with fewer, as many fewer
MAX_STRANGERS: Final = 40  # of them, strangers
MAX_OF_ADDRESS: Final = 32  # of these, from one address
MAX_OF_REPOSITORY: Final = 32  # requests for one, where the process serves many
MAX_CROWD_OF_REPOSITORY: Final = 36  # the same with newcomers that wait for a place
MAX_CROWD: Final = 56  # requests in their places and newcomers that wait for one
THREADS: Final = 64  # config.Http's default; those that are not in the crowd answer pages
#: Bytes of strangers in files, of all processes of the server; one body may have as many.
MAX_HELD: Final = 64 * 1024 * 1024
#: Bytes of these that are left to bodies that are not large; so many more where one body has them all.
FOR_SMALL: Final = 6 * 1024 * 1024
GRACE_S: Final = 0.5  # seconds in which a stranger need not give way
WAIT_S: Final = 2.0  # seconds that a newcomer waits
#: Bytes a second: a client that has logged in and reads more slowly gives way where all places are taken.
KNOWN_SPEED: Final = 16_384
LARGE_WAIT_S: Final = 100.0  # seconds that a large body waits for room
#: Bytes a second that are asked of those for whom a large body waits: at first; twice as many after each DOUBLING_S.
MIN_SPEED: Final = 4_096
MOST_SPEED: Final = 524_288  # bytes a second; no more than these are asked
DOUBLING_S: Final = 2.5  # seconds
_LOOK_S: Final = 0.05  # seconds between two looks at who has become slow


class _Phase(Enum):
    RECEIVING = auto()
    ANSWERED = auto()
    SENDING = auto()


class Visitor(Guest):
    """One sync request in its place."""

    def __init__(
        self, places: "Places", address: str, connection: socket.socket | None, repository: str = ""
    ) -> None:
        """`repository`: its name, where the process serves many."""
        super().__init__()
        self.address = address
        self.repository = repository
        self.phase = _Phase.RECEIVING
        self.began = time.monotonic()  # of the phase
        self.moved = 0  # bytes, in the phase
        self.held = 0  # bytes in files
        self._places = places
        self._connection = connection

    def know(self) -> None:
        super().know()
        self._places.let_off(self)

    def hold(self, size: int) -> None:
        """Note that so many bytes more go to a file. Raises Busy where it has to give way."""
        self._places.hold(self, size, gives_way=True)
        self.check()

    def reserve(self, size: int) -> None:
        """Wait until there is room for so many bytes more. Raises Busy where there is none in time."""
        self.is_waiting = True
        if self._connection is not None:
            PATIENCE.end(self._connection)  # the client is not the slow one
        try:
            self._places.reserve(self, size)
        finally:
            self.is_waiting = False
        self.began, self.moved = time.monotonic(), 0
        if self._connection is not None:
            PATIENCE.begin(self._connection, STEP_S)
        self.check()

    def received(self) -> None:
        """Note that all of the body has come."""
        self.phase = _Phase.ANSWERED

    def sends(self, size: int) -> None:
        """Note that the body is gone, and that a reply of so many bytes is on its way."""
        self._places.hold(self, (size if size > IN_MEMORY else 0) - self.held, gives_way=False)
        self.began, self.moved, self.phase = time.monotonic(), 0, _Phase.SENDING

    def check(self) -> None:
        """Raise Busy where it has to give way."""
        if self.gives_way:
            raise Busy("the slowest request gives way")

    def give_way(self) -> None:
        super().give_way()
        if self._connection is not None and self.phase is not _Phase.ANSWERED:
            # A client that still sends hears why: only its side of the connection ends.
            how = socket.SHUT_RD if self.phase is _Phase.RECEIVING else socket.SHUT_RDWR
            with contextlib.suppress(OSError):
                self._connection.shutdown(how)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Leave the place to others until the block ends, and then wait for one as a newcomer does.

        Raises Busy where none gets free in time.
        """
        self._places.leave(self)
        try:
            yield
        finally:
            self._places.enter(self)

    def speed(self) -> float:
        """Bytes a second; infinite while it waits for a turn or is being answered."""
        if self.phase is _Phase.ANSWERED or self.is_waiting:
            return float("inf")
        return self.moved / max(time.monotonic() - self.began, 1e-6)

    def may_go(self, *, soon: bool = False) -> bool:
        """Whether it can be told to give way; `soon`: even if it came a moment ago."""
        if self.gives_way or not (soon or time.monotonic() - self.began >= GRACE_S):
            return False
        if self.is_known:
            return self.phase is _Phase.SENDING and self.speed() < KNOWN_SPEED
        return self.phase is not _Phase.ANSWERED or self.is_waiting


class Places:
    """The places of one process, safe for threads.

    Fields:
        brake: what slows those who guess passwords, at all doors of the process.
    """

    def __init__(self, counters: Counters, threads: int = THREADS) -> None:
        """`threads`: how many the process has for requests of any kind."""
        self.changed = threading.Condition()
        self.brake = Brake()
        self._counters = counters
        self._share = min(1.0, threads / THREADS)
        self._here: dict[Visitor, None] = {}  # in order of arrival
        self._waiting: Counter[str] = Counter()  # newcomers, by repository
        self._held = 0  # bytes, of strangers

    @contextlib.contextmanager
    def place(
        self, address: str, connection: socket.socket | None = None, repository: str = ""
    ) -> Iterator[Visitor]:
        """A place for a request from that address, until the block ends. Raises Busy where none gets free in time.

        `repository`: the name of that which it is for, where the process serves many.
        """
        visitor = Visitor(self, _group(address), connection, repository)
        self.enter(visitor)
        try:
            yield visitor
        finally:
            self.leave(visitor)

    def enter(self, visitor: Visitor) -> None:
        """Give it a place. Raises Busy as `place`."""
        with self.changed:
            self._enter(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Take its place back, if it has one."""
        with self.changed:
            self._leave(visitor)

    def hold(self, visitor: Visitor, size: int, *, gives_way: bool) -> None:
        """Count so many bytes more in files, and have strangers give way until all have room; this one, if it may."""
        with self.changed:
            if visitor.is_known or visitor not in self._here:
                return
            visitor.held += size
            self._count(size)
            while self._held + (elsewhere := self._counters.held_elsewhere()) > MAX_HELD:
                others = [each for each in self._here if each.held and each.may_go(soon=True)]
                if visitor in others and not (gives_way and (elsewhere or len(others) > 1)):
                    others.remove(visitor)
                if not others:
                    return  # one that is larger than all may have
                self._send_away(min(others, key=Visitor.speed))

    def reserve(self, visitor: Visitor, size: int) -> None:
        """Count so many bytes more once there is room for them, and have slow strangers make some."""
        began = time.monotonic()
        with self.changed:
            while not _fits(size, self._held + self._counters.held_elsewhere()):
                waited = time.monotonic() - began
                if visitor.gives_way or waited > LARGE_WAIT_S:
                    raise Busy("others with large requests take too long")
                demanded = min(MIN_SPEED * 2 ** (waited / DOUBLING_S), MOST_SPEED)
                others = [each for each in self._here if each.held and each is not visitor and each.may_go()]
                slow = [each for each in others if each.speed() < demanded]
                if slow:
                    self._send_away(min(slow, key=Visitor.speed))
                else:
                    self.changed.wait(_LOOK_S)
            visitor.held += size
            self._count(size)

    def let_off(self, visitor: Visitor) -> None:
        """Stop counting the bytes of one that has logged in."""
        with self.changed:
            self._count(-visitor.held)
            visitor.held = 0
            self.changed.notify_all()

    def _enter(self, visitor: Visitor) -> None:
        end = time.monotonic() + WAIT_S
        while among := self._in_the_way(visitor):
            crowded = self._is_crowded(visitor.repository) or time.monotonic() > end
            slow = [each for each in among if each.may_go(soon=crowded)]
            if slow:
                self._send_away(_slowest([each for each in slow if not each.is_known] or slow))
            elif crowded:
                raise Busy("too many requests at once")
            else:
                self._waiting[visitor.repository] += 1
                self.changed.wait(_LOOK_S)
                self._waiting[visitor.repository] -= 1
        visitor.began = time.monotonic()
        self._here[visitor] = None

    def _is_crowded(self, repository: str) -> bool:
        """Whether no more newcomers may wait for a place."""
        if repository:
            own = len(self._of(repository)) + self._waiting[repository]
            if own >= self._scaled(MAX_CROWD_OF_REPOSITORY):
                return True
        return len(self._here) + self._waiting.total() >= self._scaled(MAX_CROWD)

    def _of(self, repository: str) -> list[Visitor]:
        return [each for each in self._here if each.repository == repository]

    def _in_the_way(self, newcomer: Visitor) -> list[Visitor]:
        """Who has the places that a newcomer would need; empty: one is free."""
        if newcomer.repository and len(own := self._of(newcomer.repository)) >= self._scaled(
            MAX_OF_REPOSITORY
        ):
            return own
        address = newcomer.address
        strangers = [each for each in self._here if not each.is_known]
        same = [each for each in strangers if each.address == address]
        if len(same) >= self._scaled(MAX_OF_ADDRESS):
            return same
        if len(strangers) >= self._scaled(MAX_STRANGERS):
            return strangers
        return list(self._here) if len(self._here) >= self._scaled(MAX_REQUESTS) else []

    def _scaled(self, places: int) -> int:
        return max(1, int(places * self._share))

    def _send_away(self, visitor: Visitor) -> None:
        self._leave(visitor)
        visitor.give_way()

    def _leave(self, visitor: Visitor) -> None:
        if visitor in self._here:
            del self._here[visitor]
            self._count(-visitor.held)
            visitor.held = 0
            self.changed.notify_all()

    def _count(self, size: int) -> None:
        self._held += size
        self._counters.hold(self._held)


def _fits(size: int, held: int) -> bool:
    """Whether a body of `size` bytes may come where so many are held."""
    if size <= SMALL:
        return held + size <= MAX_HELD + FOR_SMALL
    return held + size <= MAX_HELD - FOR_SMALL or held <= FOR_SMALL


def _slowest(visitors: list[Visitor]) -> Visitor:
    """The slowest of the address that has the most."""
    counts = Counter(each.address for each in visitors)
    most = max(counts.values())
    return min((each for each in visitors if counts[each.address] == most), key=Visitor.speed)


def _group(address: str) -> str:
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return address  # of a UNIX socket: none
    return str(ipaddress.ip_network((host, 64), strict=False)) if host.version == 6 else str(host)
