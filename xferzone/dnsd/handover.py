"""What answerers hand to the agent, since they sign nothing: messages signed by a key of ours, and IXFR.

    answerer    message ─> port 2, scope 4, address, message; and the socket that it came to  ─> pair
    agent       pair ─> the answer, sent from that very socket to whoever asked

The answerer is done when it has written: the answer goes out by the descriptor that travels along (SCM_RIGHTS), so that
it comes from where it is expected. What the pair has no room for is lost, as any datagram may be. Rate limiting comes
before: no network has more handed over than it may have answers of one kind. And an answerer hands over at most PACE
messages a second, so that a flood from forged networks that names a key costs the agent a bounded share.

The agent counts and logs what it answers; the answerer does so with what it has not handed over.

Source: unix(7).
"""

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from xferzone.dnsd.datagrams import ROOM, Datagrams
from xferzone.nameserver.wire import NOERROR, NOTAUTH, Query
from xferzone.nameserver.zones import Zones
from xferzone.zone.compression import name_end
from xferzone.zonefile.rdtypes import IXFR

PACE: Final = 500  # messages a second of one answerer; ours: 500 MACs take some 10 ms
_HEAD: Final = struct.Struct(">HIB")  # port, scope, octets of the address


class Handed(NamedTuple):
    """A message, where it came from, and the socket that it came to, which the receiver closes."""

    message: bytes
    client: bytes
    peer: tuple[str, int] | tuple[str, int, int, int]
    bound: socket.socket


class Handover:
    """The pair, made before the processes that share it."""

    def __init__(self) -> None:
        self._answerers, self.agent = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._answerers.setblocking(False)
        self.agent.setblocking(False)

    def __del__(self) -> None:
        self._answerers.close()
        self.agent.close()

    def give(self, incoming: Datagrams, slot: int, message: bytes) -> None:
        """Hand over the message of that slot."""
        client = incoming.client(slot)
        port, scope = incoming.port(slot)
        head = _HEAD.pack(port, scope, len(client)) + client
        with contextlib.suppress(OSError):  # no room, or no agent: the client asks again
            socket.send_fds(self._answerers, [head + message], [incoming.fileno()])

    def take(self) -> Handed | None:
        """A message that waits. None: none does."""
        try:
            came, fds, _, _ = socket.recv_fds(self.agent, ROOM + 64, 1)
        except BlockingIOError:
            return None
        if not fds:  # no descriptor is left here: the client asks again
            return None
        bound = socket.socket(fileno=fds[0])
        port, scope, size = _HEAD.unpack_from(came)
        client = came[_HEAD.size : _HEAD.size + size]
        host = socket.inet_ntop(bound.family, client)
        peer = (host, port) if bound.family == socket.AF_INET else (host, port, 0, scope)
        return Handed(came[_HEAD.size + size :], client, peer, bound)


class Giving:
    """Which messages an answerer hands over."""

    def __init__(self, pair: Handover, zones: Zones, keys: Mapping[bytes, object]) -> None:
        self._pair, self._zones, self._keys = pair, zones, keys
        self._second, self._left = 0, PACE
        self._incoming: Datagrams | None = None
        self._taken = -1  # slot of the message that was handed over last, of this batch
        #: Whether too much comes from whoever asks in a slot.
        self.is_too_much: Callable[[Query, int], bool] = lambda _query, _slot: False
        self._is_trial = False

    def begin(self, incoming: Datagrams) -> None:
        """Hand over messages of this batch from now on."""
        self._incoming, self._taken = incoming, -1

    @contextlib.contextmanager
    def trial(self) -> Iterator[None]:
        """Until its end nothing is handed over, and `has` says what would be."""
        self._is_trial = True
        try:
            yield
        finally:
            self._is_trial = False

    def has(self, slot: int) -> bool:
        """Whether the message in that slot, the last that was answered, is the agent's now."""
        return slot == self._taken

    def takes(self, query: Query, slot: int, message: bytes) -> bool:
        """Whether the agent answers the message in that slot; it has it then, unless there were too many."""
        if not self._concerns(query) or self._incoming is None:
            return False
        if self._is_trial:
            self._taken = slot
            return True
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._left = second, PACE
        if self.is_too_much(query, slot):
            return True
        self._left -= 1
        if self._left >= 0:
            self._pair.give(self._incoming, slot, message)
            self._taken = slot
        return True

    def _concerns(self, query: Query) -> bool:
        if query.fault == NOTAUTH:  # that is: signed
            return bool(query.tsig) and query.tsig[: name_end(query.tsig, 0)].lower() in self._keys
        return (
            query.rdtype == IXFR
            and query.fault == NOERROR
            and not query.opcode
            and self._zones.has(query.name)
        )
