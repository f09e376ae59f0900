"""The agent: DNS over TCP, the one process that owns it.

    connection    (length 2, message) ... either way, as many as wanted; answers in the order of the questions
    ends          the peer closes; IDLE seconds without a whole message, or without the peer taking an answer;
                  a message that deserves no answer; the place is needed

With MAX_CONNECTIONS open, or MAX_PER_CLIENT by one client, the one that has been silent longest gives its place to
the new one. A client is an IPv4 address or an IPv6 /64.

It runs as  python -m xferzone.dnsd.agent --repository FILE --listen ADDRESS...  under the supervisor.

Source: RFC 7766 6.2 (pipelining, idle connections), 8 (framing).
"""

import asyncio
import contextlib
import ipaddress
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xferzone import ready
from xferzone.dnsd.following import ServedZones, open_zones
from xferzone.dnsd.listen import BACKLOG, Address, tcp_socket
from xferzone.dnsd.program import arguments, run
from xferzone.dnsd.service import Service
from xferzone.nameserver.respond import respond

IDLE: Final = 10.0  # seconds; Knot's tcp-idle-timeout
FAREWELL: Final = 1.0  # seconds
MAX_CONNECTIONS: Final = 512  # at once; half of the descriptors that a process commonly may have
MAX_PER_CLIENT: Final = 128


def main(repository: Path, listen: Sequence[Address]) -> None:
    """Answer until SIGTERM or SIGINT.

    Raises:
        XferzoneError: the repository or an address cannot be had.
    """
    with contextlib.closing(open_zones(repository)) as zones:
        asyncio.run(_serve(Agent(zones), listen))


async def _serve(agent: "Agent", listen: Sequence[Address]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # asyncio listens once more, with a backlog of its own if it is told none.
    servers = [
        await asyncio.start_server(agent.talk, sock=tcp_socket(address), backlog=BACKLOG)
        for address in listen
    ]
    pulse = ready.Pulse()
    while not stop.is_set():
        pulse.beat()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ready.BEAT_S):
                await stop.wait()
    for server in servers:
        server.close()
    await agent.end()


class Agent:
    """The connections of a process."""

    def __init__(self, zones: ServedZones) -> None:
        self._service = Service(zones, lambda message: respond(message, zones, tcp=True))
        self._open: dict[asyncio.StreamWriter, str] = {}  # with its client; the one silent longest first

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on one connection until it ends."""
        client = _client(writer)
        self._make_room(client)
        self._open[writer] = client
        try:
            while await self._answer_one(reader, writer):
                self._open[writer] = self._open.pop(writer, client)
            # What was answered before goes out first, if the peer takes it.
            writer.close()
            async with asyncio.timeout(IDLE):
                await writer.wait_closed()
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            # The peer has gone, says nothing or takes nothing; or we are ending, and asyncio.streams would log
            # the cancelling (3.11).
            pass
        finally:
            writer.transport.abort()
            self._open.pop(writer, None)

    async def end(self) -> None:
        """Close all connections, once what was answered has gone out or FAREWELL seconds have passed."""
        for writer in self._open:
            writer.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._open:
                    await asyncio.sleep(0.01)

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one message; whether to go on."""
        async with asyncio.timeout(IDLE):
            size = int.from_bytes(await reader.readexactly(2))
            message = await reader.readexactly(size)
        self._service.refresh()
        answer = self._service.respond(message)
        if answer is None:
            return False
        writer.write(len(answer).to_bytes(2) + answer)
        async with asyncio.timeout(IDLE):
            await writer.drain()
        await asyncio.sleep(0)  # the others, too, when one has sent many at once
        return True

    def _make_room(self, client: str) -> None:
        own = [writer for writer, whose in self._open.items() if whose == client]
        if len(own) >= MAX_PER_CLIENT:
            self._drop(own[0])
        elif len(self._open) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._open)))

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        del self._open[writer]
        writer.transport.abort()


def _client(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    if not peer:  # gone already
        return ""
    host = ipaddress.ip_address(peer[0])
    return str(host) if host.version == 4 else str(ipaddress.ip_network((host, 64), strict=False))


if __name__ == "__main__":
    sys.exit(run(main, arguments("answer DNS questions by TCP")))
