"""The agent: DNS over TCP, transfers, and whatever is signed.

    connection    (length 2, message) ... in both directions, any number; answers in the order of the questions
    ends          the peer closes; IDLE seconds without a whole message, or without the peer taking an answer;
                  a message that deserves no answer; a newer connection needs the slot
    TERM, INT     finished answers go out, then all connections end
    WINCH         another agent accepts on the same sockets: accept nothing more, end when all connections have
                  ended, after RETIRE seconds at most

With MAX_CONNECTIONS open, or as many as the process may have descriptors, or MAX_PER_CLIENT by one client, the one that
has been silent longest gives its slot to the new one, before any that is sent an answer, such as a transfer. A client
is an IPv4 address or an IPv6 /64.

The supervisor runs it; by itself it is  python -m xferzone.dnsd.agent --repository FILE --listen ADDRESS...

Source: RFC 7766 6.2 (pipelining, idle connections), 8 (framing).
"""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Final

from xferzone import descriptors, ready
from xferzone.config import Address
from xferzone.counters import Counters, Role
from xferzone.dnsd.exchanges import Exchanges
from xferzone.dnsd.following import LiveZones, ServedZones
from xferzone.dnsd.foreseen import Foreseen
from xferzone.dnsd.handover import Handover
from xferzone.dnsd.listen import BACKLOG, tcp_socket
from xferzone.dnsd.notify import Notifier
from xferzone.dnsd.opening import open_zones
from xferzone.dnsd.program import arguments, run
from xferzone.dnsd.querylog import QueryLog
from xferzone.dnsd.requests import Client, Requests
from xferzone.dnsd.service import Service
from xferzone.dnsd.tally import Tally
from xferzone.dnsd.terms import PLAIN, Terms
from xferzone.nameserver.respond import respond

IDLE: Final = 10.0  # seconds; Knot's tcp-idle-timeout
FAREWELL: Final = 1.0  # seconds
LEAVING: Final = 1.0  # seconds; a question that was on its way has come by then
RETIRE: Final = 60.0  # seconds for transfers under way; a secondary asks again
HANDOVER: Final = 10  # turns of the event loop; from accept(2) to Agent.talk takes four
MAX_CONNECTIONS: Final = 512  # at once; half of the descriptors that a process commonly may have
MAX_PER_CLIENT: Final = 128
RECEIVED: Final = (
    32 * 1024
)  # bytes of a connection's questions that wait in the kernel, which takes twice as many
READ: Final = (
    16 * 1024
)  # bytes of them that we hold, twice as many and what came last; a message may be longer
TAKEN: Final = 16  # datagrams that answerers left to us, between two turns of others
FOR_ITSELF: Final = 32  # descriptors of the process beside connections; 16 were seen
TOLD_EACH_S: Final = 60.0  # seconds until the log says again that there is no descriptor left
_PROTOCOLS: Final = ("tcp", "udp")
_NO_DESCRIPTOR: Final = (
    "socket.accept() out of system resource"  # asyncio's words; it tries again after a second
)

_log = logging.getLogger(__name__)


def main(
    repository: Path,
    sockets: Sequence[socket.socket],
    terms: Terms = PLAIN,
    counters: Counters | None = None,
    handover: Handover | None = None,
) -> None:
    """Answer on listening sockets and on `terms` until SIGTERM, SIGINT or SIGWINCH.

    What is asked and answered is counted in `counters`; `handover` has what answerers leave to the agent.

    Raises:
        XferzoneError: the repository cannot be read.
    """
    with contextlib.closing(open_zones(repository, terms, decides=True)) as zones:
        asyncio.run(_serve(Agent(zones, counters), sockets, handover))


def _alone(repository: Path, listen: Sequence[Address]) -> None:
    with contextlib.closing(open_zones(repository)) as zones:
        asyncio.run(_serve(Agent(zones), [tcp_socket(address) for address in listen]))


async def _serve(agent: "Agent", sockets: Sequence[socket.socket], handover: Handover | None = None) -> None:
    loop = asyncio.get_running_loop()
    if handover is not None:
        loop.add_reader(handover.agent, agent.take, handover)
    loop.set_exception_handler(_Complaints())
    stop, retire = asyncio.Event(), asyncio.Event()

    def end() -> None:
        stop.set()
        retire.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGWINCH, retire.set)
    servers = await listening(agent, sockets)
    following = asyncio.create_task(agent.follow(sockets))
    pulse = ready.Pulse()
    while not retire.is_set():
        agent.beat()
        pulse.beat()  # the process before this one goes now: this one has been counted
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ready.BEAT_S):
                await retire.wait()
    agent.retire()
    following.cancel()  # another agent goes on, or the next start does
    if handover is not None:
        loop.remove_reader(handover.agent)
    # asyncio drops a connection that was accepted just before its server is closed: accept nothing more, let the
    # event loop hand over what was accepted, and close at the end.
    for each in sockets:
        loop.remove_reader(each.fileno())
    await _leave(agent, stop)
    for server in servers:
        server.close()
    await agent.end()
    await asyncio.wait([following], timeout=FAREWELL)


async def listening(agent: "Agent", sockets: Sequence[socket.socket]) -> list[asyncio.Server]:
    """Have the agent talk to whoever connects to these sockets, which listen already."""
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)  # of each connection to it
    # asyncio calls listen() again, with a backlog of its own unless it is given one.
    return [
        await asyncio.start_server(agent.talk, sock=each, backlog=BACKLOG, limit=READ) for each in sockets
    ]


async def _leave(agent: "Agent", stop: asyncio.Event) -> None:
    """Let connections end by themselves, until it is time or `stop` is set."""
    for _ in range(HANDOVER):
        await asyncio.sleep(0.01)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RETIRE):
            while agent.is_busy and not stop.is_set():
                await asyncio.sleep(0.01)


class Agent:
    """The connections of a process."""

    def __init__(self, zones: LiveZones, counters: Counters | None = None) -> None:
        self._zones = zones
        self._offers = zones.terms.options.offers()
        self._service: Service[Client] = Service(zones, self._respond)
        self._tallies = {each: Tally(counters, Role.AGENT, each, zones) for each in _PROTOCOLS}
        self._query_logs = {each: QueryLog(zones.terms.options.log_each, each, zones) for each in _PROTOCOLS}
        exchanges = {
            each: Exchanges(self._tallies[each], self._query_logs[each], zones) for each in _PROTOCOLS
        }
        self._requests = Requests(zones, self._service, exchanges)
        own = FOR_ITSELF + zones.files
        self._most = min(MAX_CONNECTIONS, max(1, descriptors.allowed(own + MAX_CONNECTIONS) - own))
        if self._most < MAX_CONNECTIONS:
            _log.warning(
                "dns agent outcome=bounded connections=%d why='too few open files are allowed (ulimit -n)'",
                self._most,
            )
        self._open: dict[asyncio.StreamWriter, bytes] = {}  # with its client; the one silent longest first
        # Connections that a message is awaited from, and those of them from which it has begun to come.
        self._reading: dict[asyncio.StreamWriter, asyncio.Timeout] = {}
        self._begun: set[asyncio.StreamWriter] = set()
        # When the last message begins to be read, by the loop's clock; None: there is no end.
        self._until: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether any connection is open."""
        return bool(self._open)

    def beat(self) -> None:
        """To be called every second."""
        self._service.refresh()  # for the count of zones, where nobody asks
        self._service.tell_doubts()
        tally = self._tallies["tcp"]
        tally.beat(len(self._zones))
        tally.routed(self._zones.routed)
        for log in self._query_logs.values():
            log.tick()

    async def follow(self, sockets: Sequence[socket.socket]) -> None:
        """Tell targets of changes, and foresee what they ask for, until it is cancelled.

        `sockets` listen on what targets know us by.
        """
        own = [Address(*each.getsockname()[:2]) for each in sockets]
        running: dict[ServedZones, list[asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                there = self._zones.by_repository()
                for gone in [zones for zones in running if zones not in there]:
                    for task in running.pop(gone):
                        task.cancel()
                for zones in there:
                    if zones not in running:
                        running[zones] = [tasks.create_task(each) for each in self._followers(zones, own)]
                await asyncio.sleep(ready.BEAT_S)

    def _followers(
        self, zones: ServedZones, own: Sequence[Address]
    ) -> Iterator[Coroutine[object, object, None]]:
        if Notifier.is_wanted(zones):
            yield Notifier(zones, own).run()
        if Foreseen.is_wanted(zones):
            yield Foreseen(zones, self._requests.transfers, self._service.complain).run()

    def take(self, handover: Handover) -> None:
        """Answer what answerers have handed over, a few at a time: the event loop comes back for more."""
        for _ in range(TAKEN):
            handed = handover.take()
            if handed is None:
                return
            with handed.bound, contextlib.suppress(OSError):
                answer = self._requests.datagram(handed.message, handed.client)
                if answer is not None:
                    handed.bound.sendto(answer, handed.peer)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on one connection until it ends."""
        address = _address(writer)
        client = _client(address)
        self._make_room(client)
        self._open[writer] = client
        try:
            with contextlib.suppress(EOFError, _Leaving):
                while await self._answer_one(reader, writer, address):
                    self._open[writer] = self._open.pop(writer, client)
            # Earlier answers go out first, if the peer takes them.
            writer.close()
            async with asyncio.timeout(IDLE):
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.CancelledError):
            # The peer says nothing or takes nothing; or we are ending, and asyncio.streams of Python 3.11 would log the
            # cancellation.
            pass
        finally:
            writer.transport.abort()
            self._open.pop(writer, None)
            # Whoever has not looked at the error of a connection is reported, if asyncio's protocol is collected later.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    def retire(self) -> None:
        """Another agent answers from now on: let connections end."""
        self._until = asyncio.get_running_loop().time() + LEAVING
        self._requests.retire()
        for writer, reading in self._reading.items():
            if writer not in self._begun:
                reading.reschedule(min(self._until, reading.when() or self._until))

    async def end(self) -> None:
        """Close all connections, once finished answers have gone out or FAREWELL seconds have passed."""
        for writer in self._open:
            writer.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._open:
                    await asyncio.sleep(0.01)

    def _respond(self, message: bytes, client: Client) -> bytes | None:
        self._offers.now = int(time.time())
        self._offers.free()
        is_tcp = client.protocol == "tcp"
        return respond(message, self._zones, client.address, tcp=is_tcp, offers=self._offers)

    async def _message(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The next message that comes. Raises _Leaving: we are retired, and none is read any more."""
        end, now = self._until, asyncio.get_running_loop().time()
        if end is not None and now >= end:
            raise _Leaving
        try:
            async with asyncio.timeout_at(now + IDLE if end is None else end) as reading:
                self._reading[writer] = reading
                size = int.from_bytes(await reader.readexactly(2))
                self._begun.add(writer)
                reading.reschedule(now + IDLE)  # what has begun may take its time
                return await reader.readexactly(size)
        except TimeoutError:
            if self._until is not None:
                raise _Leaving from None
            raise
        finally:
            self._reading.pop(writer, None)
            self._begun.discard(writer)

    async def _answer_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: bytes
    ) -> bool:
        """Answer one message; whether to go on."""
        message = await self._message(reader, writer)

        async def send(answer: bytes) -> None:
            writer.write(len(answer).to_bytes(2) + answer)
            async with asyncio.timeout(IDLE):
                await writer.drain()
            await asyncio.sleep(0)  # the turn of the others, when one sends or is sent many at once

        return await self._requests.answer(message, address, send)

    def _make_room(self, client: bytes) -> None:
        own = [writer for writer, whose in self._open.items() if whose == client]
        if len(own) >= MAX_PER_CLIENT:
            self._drop_one_of(own)
        elif len(self._open) >= self._most:
            self._drop_one_of(list(self._open))

    def _drop_one_of(self, writers: Sequence[asyncio.StreamWriter]) -> None:
        """The first that a message is awaited from: else connections that say nothing would end every transfer."""
        self._drop(next((writer for writer in writers if writer in self._reading), writers[0]))

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        del self._open[writer]
        writer.transport.abort()


class _Leaving(Exception):
    """Nothing more is read from a connection, since another agent answers now."""


class _Complaints:
    """asyncio's complaints: where no descriptor is left one line a minute, not a traceback for each connection."""

    def __init__(self) -> None:
        self._told_at = -TOLD_EACH_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if context.get("message") != _NO_DESCRIPTOR:
            loop.default_exception_handler(context)
        elif loop.time() - self._told_at >= TOLD_EACH_S:
            self._told_at = loop.time()
            _log.warning("dns agent outcome=bounded why='no open file is left (ulimit -n)'")


def _address(writer: asyncio.StreamWriter) -> bytes:
    """The address of the other end, 4 or 16 octets; none if that has gone already."""
    peer = writer.get_extra_info("peername")
    return ipaddress.ip_address(peer[0]).packed if peer else b""


def _client(address: bytes) -> bytes:
    """The client that an address counts as."""
    return address[:8]


if __name__ == "__main__":
    sys.exit(run(_alone, arguments("answer DNS questions by TCP")))
