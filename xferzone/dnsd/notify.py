"""NOTIFY out: targets are told of each move of a served branch.

    a zone's branch moved, or at start a serial that a target has not acknowledged
        ─> a duty for each of its targets: the addresses of its NS records but our own; those of `also_tells`
        ─> told at once ──> acknowledged: done
                            no answer in time, or an error: again after 1, 2, 4, ... seconds, TRIES times in all
        moved meanwhile: the newest serial is told when the one in flight is answered or given up, and that waits no
                         longer for its answer than a first one: a target that was away hears it at once when it is back

To one target at most RATE go a second, new moves before repetitions. What was acknowledged is written down every
SAVE_S, so a start tells nobody what they know. A zone that was not compiled is looked at again when something was
committed, one that could not be read always, both at most every AGAIN_S. A clone sends none, nor is one sent for a zone
that is pinned by `at` (law 5, law 7).

Source: RFC 1996 3.5 to 3.8 (the answer section has the SOA, a hint), 4.7.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import logging
import secrets
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xferzone.config import Address
from xferzone.dnsd import hosts
from xferzone.dnsd.access import is_pinned
from xferzone.dnsd.following import ServedZones
from xferzone.dnsd.listen import places
from xferzone.dnsd.terms import Target
from xferzone.nameserver.tsig import Signer
from xferzone.nameserver.view import View
from xferzone.refs.served import State
from xferzone.store import acknowledged, schema
from xferzone.zone import index
from xferzone.zonefile.names import wire_name
from xferzone.zonefile.rdtypes import NS, SOA

POLL_S: Final = 0.05  # seconds between two looks at the repository
LONGEST_POLL_S: Final = 5.0  # while it cannot be read
AGAIN_S: Final = 1.0  # seconds between two looks at zones that could not be told of
PLANNED: Final = 100  # zones looked at in one turn of the event loop; some 10 ms
MAX_TOLD: Final = 20  # faults in the log until all is well again
RATE: Final = 100  # messages a second to one target; ours, knotd takes up thousands
TRIES: Final = 8  # some two minutes in all; a secondary's refresh does the rest
FIRST_S: Final = 1.0  # seconds that the first answer is waited for; each time twice as long
SAVE_S: Final = 5.0  # seconds between two writes of what was acknowledged
MAX_FLYING: Final = 30_000  # messages that are not answered yet: ids have 16 bits
PORT: Final = 53
_FLAGS: Final = 0x2400  # NOTIFY, AA
_HEADER: Final = struct.Struct(">HHHHHH")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Duty:
    """What one target is to be told of one zone."""

    zone: str
    target: Target
    serial: int
    tries: int = 0
    told: int = 0  # the serial in flight; 0: none, or given up
    id: int = -1  # of the message in flight
    departed: float = 0.0  # when that went, in seconds of the event loop's clock
    signer: Signer | None = None
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Lane:
    """The way to one target."""

    new: deque[_Duty] = field(default_factory=deque)
    again: deque[_Duty] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None  # None: the next may go at once


class Notifier(asyncio.DatagramProtocol):
    """Tells the targets of all zones. `own`: the addresses that answer here; they are not told."""

    def __init__(self, zones: ServedZones, own: Sequence[Address]) -> None:
        self._zones = zones
        self._own = places(own)
        # Targets know us by the address that they ask; from loopback one reaches nobody else.
        named = (
            each for each in own if not ipaddress.ip_address(each.host).is_loopback and not each.is_wildcard
        )
        self._from = {each.family: each.host for each in reversed(list(named))}
        self._loop = asyncio.get_running_loop()
        self._ways: dict[socket.AddressFamily, asyncio.DatagramTransport] = {}
        self._opening = asyncio.Lock()  # of a way: two would open two, and one be lost
        self._lanes: dict[Address, _Lane] = {}
        self._duties: dict[tuple[str, str], _Duty] = {}
        self._flying: dict[int, _Duty] = {}  # by message id
        self._known: dict[tuple[str, str], int] = {}
        self._unsaved: dict[tuple[str, str], int] = {}
        self._seen: tuple[object, int] = (None, 0)  # version of the repository, number of the last move
        self._file = -1
        self._due: dict[str, None] = {}  # zones to be looked at, in this order
        self._uncompiled: set[str] = set()
        self._failed: set[str] = set()
        self._is_stale = False  # something was committed since `_uncompiled` were looked at
        self._again_at = 0.0
        self._complaints: set[str] = set()
        self._hosts = hosts.Hosts()
        self._save_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @staticmethod
    def is_wanted(zones: ServedZones) -> bool:
        """Whether anybody is to be told of anything."""
        return any(terms.tells_ns or terms.also_tells for _, terms in zones.terms.zones)

    async def run(self) -> None:
        """Follow the repository until it is cancelled."""
        pause = POLL_S
        try:
            while True:
                try:
                    self._look()
                    await self._plan_due()
                    pause = POLL_S * self._zones.rarely
                except Exception as exc:  # noqa: BLE001 - a database has many ways to fail; the next look comes
                    self._complain(f"why='{exc}'")
                    pause = min(2 * pause, LONGEST_POLL_S)
                if self._unsaved and time.monotonic() >= self._save_at:
                    await self._save()
                await asyncio.sleep(pause)
        finally:
            for way in self._ways.values():
                way.close()
            timers = [duty.timer for duty in self._duties.values()] + [
                lane.timer for lane in self._lanes.values()
            ]
            for timer in filter(None, timers):
                timer.cancel()
            await asyncio.shield(self._save())

    def _complain(self, what: str) -> None:
        """Say once that somebody is told late, or not at all."""
        if what not in self._complaints and len(self._complaints) < MAX_TOLD:
            self._complaints.add(what)
            _log.warning("dns notify outcome=waits %s", what)

    # -- what has moved

    def _look(self) -> None:
        repository = self._zones.repository
        version = repository.version()
        if version != self._seen[0]:
            if version.file != self._file:
                with self._zones.store.reader() as reader:
                    self._known = acknowledged.of_all(reader)
                self._file, self._seen = version.file, (None, 0)
            newest, moved = repository.moved(self._seen[1])
            for branch in moved:
                if branch.branch == self._zones.terms.of(branch.zone).branch:
                    self._due[branch.zone] = None
            self._seen, self._is_stale = (version, newest), True
        if time.monotonic() >= self._again_at and (self._failed or (self._uncompiled and self._is_stale)):
            self._due |= dict.fromkeys(self._failed | self._uncompiled)
            self._is_stale, self._again_at = False, time.monotonic() + AGAIN_S
        if not (self._failed or self._due):
            self._complaints.clear()

    async def _plan_due(self) -> None:
        if not self._due:
            return
        if self._zones.repository.role() == schema.CLONE:
            self._due.clear()
            return
        self._zones.refresh(now=True)
        while self._due:
            for zone in list(itertools.islice(self._due, PLANNED)):
                del self._due[zone]
                self._failed.discard(zone)
                try:
                    self._plan(zone)
                except Exception as exc:  # noqa: BLE001 - one zone must not keep the others from being told
                    self._failed.add(zone)
                    self._complain(f"zone={zone} why='{exc}'")
            await asyncio.sleep(0)

    def _plan(self, zone: str) -> None:
        """Make duties of where a zone stands now."""
        terms = self._zones.terms.of(zone)
        tip = self._zones.tip(zone)
        self._uncompiled.discard(zone)
        if tip is None or is_pinned(self._zones.terms, zone) or not self._zones.terms.serves(zone):
            for key in [key for key in self._duties if key[0] == zone]:
                self._landed(self._duties.pop(key))
            return
        if not terms.tells_ns and not terms.also_tells:
            return
        if tip.state is State.DEFERRED:
            self._uncompiled.add(zone)
            return
        for target in terms.also_tells:
            self._want(zone, target, tip.serial)
        if terms.tells_ns:
            self._tell_hosts(zone, tip.serial)

    def _tell_hosts(self, zone: str, serial: int) -> None:
        view = self._view(zone)
        if view is None:
            return
        found = index.rrset(view.apex, NS)
        for host in () if found is None else found.rdatas():
            found_here = hosts.addresses(host, view)
            if found_here is None:
                task = self._loop.create_task(self._tell_host(zone, host, serial))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            for address in found_here or ():
                self._want(zone, Target(Address(address, PORT)), serial)

    async def _tell_host(self, zone: str, host: bytes, serial: int) -> None:
        """Tell a host of another zone."""
        for address in await self._hosts.addresses(host, zone):
            self._want(zone, Target(Address(address, PORT)), serial)

    # -- duties

    def _want(self, zone: str, target: Target, serial: int) -> None:
        key = zone, str(target.address)
        if target.address in self._own or self._known.get(key) == serial:
            return
        duty = self._duties.get(key)
        if duty is None:
            duty = self._duties[key] = _Duty(zone, target, serial)
        elif duty.serial == serial:
            return
        duty.serial, duty.tries = serial, 0
        if not duty.told:
            self._enqueue(duty)
            return
        if duty.timer is not None:
            duty.timer.cancel()
        left = max(0.0, duty.departed + FIRST_S - self._loop.time())
        duty.timer = self._loop.call_later(left, self._missed, duty, "no answer")

    def _enqueue(self, duty: _Duty) -> None:
        if duty.timer is not None:
            duty.timer.cancel()
            duty.timer = None
        lane = self._lanes.setdefault(duty.target.address, _Lane())
        (lane.again if duty.tries else lane.new).append(duty)
        if lane.timer is None:
            self._next(lane)

    def _next(self, lane: _Lane) -> None:
        """Tell the next that is still due, and the one after it in 1/RATE seconds."""
        lane.timer = None
        if len(self._flying) >= MAX_FLYING:
            lane.timer = self._loop.call_later(FIRST_S, self._next, lane)
            return
        while lane.new or lane.again:
            duty = (lane.new or lane.again).popleft()
            if not duty.told and self._duties.get((duty.zone, str(duty.target.address))) is duty:
                self._depart(duty)
                task = self._loop.create_task(self._tell(duty))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                lane.timer = self._loop.call_later(1 / RATE, self._next, lane)
                return

    def _depart(self, duty: _Duty) -> None:
        """Count it among those in flight."""
        duty.told, duty.tries = duty.serial, duty.tries + 1
        duty.departed = self._loop.time()
        duty.id = secrets.randbelow(65536)
        while duty.id in self._flying:
            duty.id = (duty.id + 1) % 65536
        self._flying[duty.id] = duty
        duty.timer = self._loop.call_later(FIRST_S * 2 ** (duty.tries - 1), self._missed, duty, "no answer")

    async def _tell(self, duty: _Duty) -> None:
        try:
            message = self._message(duty)
            way = await self._way(duty.target.address.family)
            way.sendto(message, (duty.target.address.host, duty.target.address.port))
        except Exception as exc:  # noqa: BLE001 - sockets and a database have many ways to fail
            if self._flying.get(duty.id) is duty:
                self._missed(duty, str(exc), wait=True)

    def _message(self, duty: _Duty) -> bytes:
        name = wire_name(duty.zone)
        question = name + SOA.to_bytes(2) + b"\0\1"
        view = self._view(duty.zone)
        records = b"" if view is None else view.soa.records
        message = _HEADER.pack(duty.id, _FLAGS, 1, bool(records), 0, 0) + question + records
        duty.signer = None if duty.target.key is None else Signer(duty.target.key)
        return message if duty.signer is None else duty.signer.sign(message, int(time.time()))

    def _view(self, zone: str) -> View | None:
        name = wire_name(zone)
        return self._zones.find(name, SOA) if self._zones.has(name) else None

    async def _way(self, family: socket.AddressFamily) -> asyncio.DatagramTransport:
        async with self._opening:
            if family not in self._ways:
                host = self._from.get(family)
                way, _ = await self._loop.create_datagram_endpoint(
                    lambda: self, None if host is None else (host, 0), family=family
                )
                self._ways[family] = way
            return self._ways[family]

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        """An answer, or anything else that came to where we send from."""
        duty = self._flying.get(int.from_bytes(data[:2])) if len(data) >= 12 else None
        if duty is None or addr[:2] != (duty.target.address.host, duty.target.address.port):
            return
        if not data[2] & 0x80 or (data[2] >> 3 & 15) != 4:
            return
        if duty.signer is not None and not duty.signer.accepts(data, int(time.time())):
            return  # whoever it is from; the time runs out, and it is told so
        if data[3] & 15:
            self._missed(duty, f"rcode {data[3] & 15}", wait=True)
            return
        self._landed(duty)
        key = duty.zone, str(duty.target.address)
        self._known[key] = self._unsaved[key] = duty.told
        _log.info("dns notify outcome=acknowledged zone=%s target=%s serial=%d", *key, duty.told)
        is_newest = duty.told == duty.serial
        duty.told = 0
        if is_newest:
            del self._duties[key]
        else:
            duty.tries = 0
            self._enqueue(duty)

    def error_received(self, exc: Exception) -> None:
        """A target that cannot be reached: its time runs out."""

    def _missed(self, duty: _Duty, why: str, *, wait: bool = False) -> None:
        """Try again; `wait`: after the time that an answer would have been waited for."""
        self._landed(duty)
        if wait:
            duty.timer = self._loop.call_later(FIRST_S * 2 ** (duty.tries - 1), self._missed_again, duty, why)
        else:
            self._missed_again(duty, why)

    def _missed_again(self, duty: _Duty, why: str) -> None:
        is_newest = duty.told == duty.serial
        duty.told, duty.timer = 0, None
        if is_newest and duty.tries >= TRIES:
            del self._duties[duty.zone, str(duty.target.address)]
            _log.warning(
                "dns notify outcome=failed zone=%s target=%s serial=%d tries=%d why='%s'",
                duty.zone,
                duty.target.address,
                duty.serial,
                duty.tries,
                why,
            )
            return
        if not is_newest:
            duty.tries = 0
        self._enqueue(duty)

    def _landed(self, duty: _Duty) -> None:
        if (
            self._flying.get(duty.id) is duty
        ):  # one that was answered with an error waits, and others may have its id
            del self._flying[duty.id]
        if duty.timer is not None:
            duty.timer.cancel()
            duty.timer = None

    async def _save(self) -> None:
        """Write down what was acknowledged; where nothing can be written, it is known until the end of the process."""
        serials, self._unsaved = self._unsaved, {}
        self._save_at = time.monotonic() + SAVE_S
        if serials:
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self._put, serials)

    def _put(self, serials: Mapping[tuple[str, str], int]) -> None:
        with self._zones.store.writer() as writer:
            acknowledged.put(writer, serials)
