"""Zones given away: AXFR, and the answers to IXFR.

    question ─> its turn ─> the served tip
        AXFR    its frames are copied, statement by statement
        IXFR    of its serial or ahead of it: the SOA alone
                its version is on the line, and at most half of the zone has changed since: SOA, old SOA, what went,
                SOA, what came, SOA (condensed.py, in a thread; or foreseen.py had it compared before)
                else as AXFR
    ─> messages of 16 kB, one after the other, each a turn of the event loop

What is sent is one version, whatever is committed meanwhile: a compiled index is the same bytes for ever under its
number, and all of a version are copied before the first goes out. If one has gone, the zone has moved on twice, and the
copy goes on for the new tip with what it has. Transfers of one version share their copies.

Source: RFC 5936 2.2, RFC 1995 2 and 4.
"""

import asyncio
import logging
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import dns.name

from xferzone.dnsd import access, condensed
from xferzone.dnsd.access import Refusals
from xferzone.dnsd.condensed import Changes
from xferzone.dnsd.following import LiveZones
from xferzone.dnsd.signing import Asked
from xferzone.errors import NotFound, NotReady, XferzoneError
from xferzone.nameserver import stream
from xferzone.nameserver import wire as dns_wire
from xferzone.nameserver.edns import extended_error
from xferzone.nameserver.generations import Generations
from xferzone.nameserver.wire import Query
from xferzone.refs import line
from xferzone.refs.served import ServedZone, State, expanded
from xferzone.store import Store
from xferzone.zone import index
from xferzone.zone.index import Index, Row, RRset
from xferzone.zone.serial import is_ahead
from xferzone.zonefile.names import zone_id
from xferzone.zonefile.rdtypes import AXFR, IXFR, SOA

MAX_TRANSFERS: Final = 8  # at once; BIND's transfers-out is 10
MAX_PER_CLIENT: Final = 4
LONGEST_S: Final = 7_200.0  # seconds of one; BIND's max-transfer-time-out
PATIENCE: Final = 30.0  # seconds that one waits for its turn
MAX_PASSES: Final = 100  # of copying, while the zone moves on
REMEMBERED: Final = 1_000  # zones of which it is known what was given away last
KEPT_SIZE: Final = 32 * 1024 * 1024  # bytes of differences that are kept for who asks next
_OVERHEAD: Final = 500  # bytes of one beside its records
_STEP: Final = 16  # frames copied in one turn of the event loop, some 2 ms
_IN: Final = 1
_NOT_READY: Final = extended_error(14)

#: Sends one message of an answer; it is signed on the way.
Send = Callable[[bytes], Awaitable[None]]

_log = logging.getLogger(__name__)


class _Frame:
    """A compiled index as it is kept in the repository."""

    __slots__ = ("__weakref__", "content")

    def __init__(self, content: bytes) -> None:
        self.content = content


class _Version(NamedTuple):
    """A zone's version, copied."""

    tip: ServedZone
    frames: Sequence[_Frame]


class Transfers:
    """The transfers of a process."""

    def __init__(self, zones: LiveZones, refusals: Refusals) -> None:
        self._zones = zones
        self._refusals = refusals
        self.is_retired = False  # those under way go on, and no other begins
        self._turn = asyncio.Semaphore(MAX_TRANSFERS)
        self._busy: Counter[bytes] = Counter()  # transfers by client
        self._freed = asyncio.Condition()
        self._kept: Generations[tuple[Changes | None]] = Generations(KEPT_SIZE)
        self._given: dict[str, int] = {}  # serials that were given away last, by zone; the latest at the end
        self._soas: dict[str, tuple[ServedZone, RRset]] = {}  # of each zone asked for, the last
        # One thread: more would take turns with the event loop, and be no sooner done.
        self._comparing = asyncio.Lock()
        self._making: dict[bytes, asyncio.Future[Changes | None]] = {}
        self._frames: WeakValueDictionary[tuple[str, int], _Frame] = WeakValueDictionary()

    def concerns(self, query: Query | None) -> bool:
        """Whether the question is one for a transfer of a zone that is served."""
        return (
            query is not None
            and query.fault == dns_wire.NOERROR
            and query.opcode == 0
            and query.rdclass == _IN
            and query.rdtype in (AXFR, IXFR)
            and self._zones.has(query.name)
        )

    def may(self, asked: Asked, client: bytes) -> bool:
        """Whether the client of that address may have what it asks for; if not, the log is told."""
        assert asked.query is not None
        zone = zone_of(asked.query.name)
        rule = access.refusal(
            self._zones.terms, zone, self._zones.of(zone).repository.role(), client, asked.key
        )
        if rule:
            what = "ixfr" if asked.query.rdtype == IXFR else "axfr"
            self._refusals.tell(what, client, asked.key, zone, rule)
        return not rule

    async def answer(self, asked: Asked, client: bytes, send: Send) -> None:
        """Send the transfer that the client asks for, and may have.

        Raises:
            NotAnyMore: another agent does, on other terms perhaps; nothing was sent.
            OSError, TimeoutError: by `send`.
        """
        query = asked.query
        assert query is not None
        try:
            async with self._turn_of(client[:8]):
                if self.is_retired:
                    raise NotAnyMore
                await self._send(asked, query, client, send)
        except _NoTurn:
            rule = f"at most {MAX_PER_CLIENT} transfers of a client, {MAX_TRANSFERS} in all"
            self._refusals.tell("transfer", client, asked.key, zone_of(query.name), rule)
            await send(dns_wire.error(query, dns_wire.REFUSED))

    def last_given(self, zone: str) -> int | None:
        """The serial of the version of that zone that was given away last, as far as it is remembered."""
        return self._given.get(zone)

    async def foresee(self, zone: str) -> None:
        """Find out what an IXFR of the zone that is likely to come will hold.

        Raises:
            NotFound, NotReady: as `_copied`.
            Exception: of any kind that the database has.
        """
        tip, before = self._tip(zone), self._given.get(zone)
        self._soa(tip)
        if before is None:
            before = await asyncio.to_thread(_serial_before, self._zones.of(zone).store, tip)
        if before is not None and is_ahead(tip.serial, before):
            await self._changes(zone, before, tip)

    async def _send(self, asked: Asked, query: Query, client: bytes, send: Send) -> None:
        zone, began = zone_of(query.name), time.monotonic()
        try:
            form, serial, rows = await self._wanted(asked, query, zone)
        except NotReady:
            await send(dns_wire.error(query, dns_wire.SERVFAIL, _NOT_READY))
            return
        except NotFound:  # it was removed meanwhile
            await send(dns_wire.error(query, dns_wire.NOTAUTH))
            return
        except (ValueError, IndexError, struct.error):
            await send(dns_wire.error(query, dns_wire.FORMERR))
            return
        reserved = 0 if asked.signer is None else asked.signer.room
        size, outcome = 0, "outcome=ended "  # before it was whole
        try:
            async with asyncio.timeout(LONGEST_S):
                for message in stream.messages(query, rows, reserved):
                    await send(message)
                    size += len(message)
            outcome = ""
        finally:
            _log.info(
                "dns transfer %sform=%s zone=%s client=%s key=%s serial=%d bytes=%d seconds=%.3f",
                outcome,
                form,
                zone,
                access.shown_client(client),
                access.shown_name(asked.key) if asked.key else "none",
                serial,
                size,
                time.monotonic() - began,
            )
        self._given.pop(zone, None)
        self._given[zone] = serial
        if len(self._given) > REMEMBERED:
            del self._given[next(iter(self._given))]

    async def _wanted(self, asked: Asked, query: Query, zone: str) -> tuple[str, int, Iterable[Row]]:
        """The form of the answer, the served serial, and what is to be sent. Raises as `asked_serial` and `_copied`."""
        tip = self._tip(zone)
        if query.rdtype == IXFR:
            before = stream.asked_serial(asked.message)
            soa = self._soa(tip)
            if not is_ahead(tip.serial, before):
                return "soa", tip.serial, [(b"", *soa)]
            found = await self._changes(zone, before, tip)
            if found is not None:
                return "ixfr", tip.serial, _condensed(soa, before, found)
        version = await self._copied(zone)
        return "axfr", version.tip.serial, _whole(version, self._soa(version.tip))

    def _tip(self, zone: str) -> ServedZone:
        """Raises as `_copied`."""
        tip = self._zones.tip(zone)
        if tip is None:
            raise NotFound(f"zone {zone} is not served any longer")
        if tip.state is State.DEFERRED:
            raise NotReady(f"zone {zone} is not compiled")
        return tip

    def _soa(self, tip: ServedZone) -> RRset:
        """The SOA of a version, as it is served."""
        kept = self._soas.get(tip.branch.zone)
        if kept is not None and kept[0] == tip:
            return kept[1]
        first = Index(expanded(self._frame(tip.branch.zone, tip.numbers[0]).content))
        text = index.rrset(first.find(b"") or index.EMPTY, SOA)
        if text is None:
            raise XferzoneError("the compiled files of a zone hold no SOA: run `xferzone rebuild`")
        soa = stream.soa(tip.serial, text)
        self._soas[tip.branch.zone] = tip, soa
        return soa

    async def _changes(self, zone: str, before: int, tip: ServedZone) -> Changes | None:
        """What came since the serial `before`, once for all who ask meanwhile. None: the whole zone is to be sent."""
        key = struct.pack(">L", before) + bytes.fromhex(tip.checkin) + zone.encode()
        kept = self._kept.young.get(key) or self._kept.old.get(key)
        if kept is not None:
            return kept[0]
        making = self._making.get(key)
        if making is None:
            making = asyncio.ensure_future(self._compare(zone, before, tip))
            self._making[key] = making
            making.add_done_callback(lambda _: self._making.pop(key))
        found = await asyncio.shield(making)
        if self._kept.young.get(key) is None:
            self._kept.put(key, (found,), (0 if found is None else found.size) + _OVERHEAD)
            self._kept.free()
        return found

    async def _compare(self, zone: str, before: int, tip: ServedZone) -> Changes | None:
        async with self._comparing:
            return await asyncio.to_thread(_compared, self._zones.of(zone).store, zone, before, tip)

    async def _copied(self, zone: str) -> _Version:
        """The version that is served of a zone.

        Raises:
            NotFound: nothing is. NotReady: it is not compiled.
        """
        kept: dict[int, _Frame] = {}
        for _ in range(MAX_PASSES):
            tip = self._tip(zone)
            try:
                for at, number in enumerate(tip.numbers):
                    kept[number] = self._frame(zone, number)
                    if at % _STEP == _STEP - 1:
                        await asyncio.sleep(0)
            except NotFound:  # it moved on
                continue
            return _Version(tip, [kept[number] for number in tip.numbers])
        raise XferzoneError(f"zone {zone} has moved on whenever it was copied")

    def _frame(self, zone: str, number: int) -> _Frame:
        zones = self._zones.of(zone)
        key = zones.name, number
        found = self._frames.get(key)
        if found is None:
            found = self._frames[key] = _Frame(zones.repository.frame(number))
        return found

    @asynccontextmanager
    async def _turn_of(self, client: bytes) -> AsyncIterator[None]:
        """One of the client's turns, then one of all. Raises _NoTurn after PATIENCE seconds."""
        try:
            async with asyncio.timeout(PATIENCE):
                async with self._freed:
                    await self._freed.wait_for(lambda: self._busy[client] < MAX_PER_CLIENT)
                    self._busy[client] += 1
        except TimeoutError:
            raise _NoTurn from None
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._turn.acquire()
            except TimeoutError:
                raise _NoTurn from None
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._busy[client] -= 1
            if not self._busy[client]:
                del self._busy[client]
            async with self._freed:
                self._freed.notify_all()


class NotAnyMore(Exception):
    """This process begins no transfer any more."""


class _NoTurn(Exception):
    """There was no turn in time."""


@lru_cache(maxsize=1_000)
def zone_of(name: bytes) -> str:
    """The id of the zone of that name, which is served."""
    return zone_id(dns.name.from_wire(name, 0)[0])


def _compared(store: Store, zone: str, before: int, tip: ServedZone) -> Changes | None:
    with store.reader(in_parts=True) as reader:
        found = condensed.changes(reader, zone, before, tip)
        is_much = found is not None and 2 * found.records > condensed.records_of(reader, tip)
        return None if is_much else found


def _serial_before(store: Store, tip: ServedZone) -> int | None:
    with store.reader() as reader:
        return line.serial_before(reader, tip.branch.zone, tip.checkin)


def _condensed(soa: RRset, before: int, found: Changes) -> Iterator[Row]:
    yield b"", *soa
    yield b"", *stream.soa(before, found.soa or soa)
    yield from found.gone
    yield b"", *soa
    yield from found.come
    yield b"", *soa


def _whole(version: _Version, soa: RRset) -> Iterator[Row]:
    """The zone between its SOA and its SOA."""
    yield b"", *soa
    for frame in version.frames:
        for row in Index(expanded(frame.content)).rows():
            if row[1] != SOA:
                yield row
    yield b"", *soa
