"""Receiving and sending datagrams, many in one system call where the system can.

    slot s     ROOM bytes of `area`    the message; the answer is written over it
               a sockaddr of `names`   whom it came from, and so goes to
               incoming[s]             mmsghdr: that name, that room           recvmmsg fills slots 0 ... n-1
               outgoing[s]             mmsghdr: that name, the answer's size   sendmmsg sends runs of answered slots

The memory is laid out once; what changes in a batch is n sizes. Slicing an mmap gives bytes at once, which a
bytearray does not. A socket's batch costs two calls, and an answer 0.3 microseconds of Python beside what makes it.
An id stays where it is. Slots begin STRIDE bytes apart: at a distance of 4,096 their first lines would take turns in
the few places that a processor's first cache has for such addresses.

An answer that cannot be sent (no route, source port 0, a filter) is dropped: UDP promises nothing.

Source: recvmmsg(2), sendmmsg(2), struct mmsghdr of Linux.
"""

import contextlib
import ctypes
import errno
import logging
import mmap
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from xferzone.nameserver.rate import PREFIXES

SLOTS: Final = 64  # datagrams in a batch
ROOM: Final = (
    4096  # bytes of a message; the rest of a longer one is lost; FORMERR if its counts announced that
)

STRIDE: Final = ROOM + 192  # bytes; ours

_ID: Final = 2  # octets
_BEGINS: Final = range(_ID, SLOTS * STRIDE, STRIDE)  # where messages begin that have no ids
_NAME_ROOM: Final = 28  # bytes of a sockaddr_in6, the longest we meet
_NAME_SIZES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
_ADDRESSES: Final = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}  # in it: where they begin, and bytes

_log = logging.getLogger(__name__)

#: What answers a message in a slot; `Datagrams.client` has the address of whoever sent it.
Respond = Callable[[bytes, int], bytes | None]


class Datagrams(Protocol):
    """A bound UDP socket."""

    def receive(self) -> int:
        """How many messages came, at most SLOTS, without waiting."""

    def message(self, number: int) -> bytes:
        """The message of that number, from 0, of those received; until they are answered."""

    def client(self, number: int) -> bytes:
        """The address of whoever sent that message, 4 or 16 octets."""

    def port(self, number: int) -> tuple[int, int]:
        """Its port, and the scope of a link-local address; 0: none."""

    def fileno(self) -> int:
        """The socket's descriptor."""

    def networks(self) -> list[bytes]:
        """Of each message received, the first octets of that address, as many as rate limiting looks at."""

    def answer(self, respond: Respond, failed: Respond) -> None:
        """Send what `respond` makes of each message received; what `failed` makes of it if that raises."""

    def messages(self) -> list[bytes]:
        """The messages received, all without their ids; until they are answered."""

    def send(self, answers: Sequence[bytes | None]) -> None:
        """Send the answer to each message received, all without their ids; None: there is none."""


def datagrams(bound: socket.socket) -> Datagrams:
    """The best way that this system has."""
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(libc, "recvmmsg") and hasattr(libc, "sendmmsg"):
        return Batches(bound, libc)
    return Singles(bound)


def _saved(failed: Respond, message: bytes, slot: int) -> bytes | None:
    """What `failed` makes of a message; None if it raises, too: one message must not end the service for all."""
    try:
        return failed(message, slot)
    except Exception as exc:  # noqa: BLE001 - as above
        _log.debug("a message is not answered: %s: %s", type(exc).__name__, exc)
        return None


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("vector", ctypes.c_void_p),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr: a message, and how much of it was received or sent."""

    _fields_ = (("header", _Header), ("size", ctypes.c_uint))


class Batches:
    """With recvmmsg and sendmmsg."""

    def __init__(self, bound: socket.socket, libc: ctypes.CDLL) -> None:
        self._fd = bound.fileno()
        self._area = mmap.mmap(-1, SLOTS * STRIDE)
        self._names = mmap.mmap(-1, SLOTS * _NAME_ROOM)
        area = ctypes.addressof(ctypes.c_char.from_buffer(self._area))
        self._in_vectors = (_IoVec * SLOTS)(*(_IoVec(area + slot * STRIDE, ROOM) for slot in range(SLOTS)))
        self._out_vectors = (_IoVec * SLOTS)(*(_IoVec(area + slot * STRIDE, 0) for slot in range(SLOTS)))
        name_size = _NAME_SIZES[socket.AddressFamily(bound.family)]
        self._address_at, self._address_size = _ADDRESSES[socket.AddressFamily(bound.family)]
        self._incoming = self._messages(self._in_vectors, name_size)
        self._outgoing = self._messages(self._out_vectors, name_size)
        # Views of the numbers that change, as flat arrays: an attribute of a Structure costs five times as much.
        self._came = memoryview(self._incoming).cast("B").cast("I")[_Message.size.offset // 4 :: _WORDS]
        self._sizes = memoryview(self._out_vectors).cast("B").cast("P")[1::2]
        self._recvmmsg, self._sendmmsg = libc.recvmmsg, libc.sendmmsg
        for call, more in ((self._recvmmsg, [ctypes.c_void_p]), (self._sendmmsg, [])):
            call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, *more]
        self._in_at = ctypes.addressof(self._incoming)
        self._out_at = ctypes.addressof(self._outgoing)
        self._received = 0
        self._prefixes: dict[
            int, struct.Struct
        ] = {}  # of so many messages: each address as far as it is looked at

    def receive(self) -> int:
        self._received = max(0, self._recvmmsg(self._fd, self._in_at, SLOTS, socket.MSG_DONTWAIT, None))
        return self._received

    def message(self, number: int) -> bytes:
        return self._area[number * STRIDE : number * STRIDE + self._came[number]]

    def client(self, number: int) -> bytes:
        at = number * _NAME_ROOM + self._address_at
        return self._names[at : at + self._address_size]

    def port(self, number: int) -> tuple[int, int]:
        name = self._names[number * _NAME_ROOM : (number + 1) * _NAME_ROOM]
        return int.from_bytes(name[2:4]), int.from_bytes(
            name[24:], sys.byteorder
        ) if self._address_size == 16 else 0

    def fileno(self) -> int:
        return self._fd

    def networks(self) -> list[bytes]:
        read = self._prefixes.get(self._received)
        if read is None:
            size = PREFIXES[self._address_size]
            one = f"{self._address_at}x{size}s{_NAME_ROOM - self._address_at - size}x"
            read = self._prefixes[self._received] = struct.Struct(one * self._received)
        return list(read.unpack_from(self._names))

    def answer(self, respond: Respond, failed: Respond) -> None:
        area, came, sizes = self._area, self._came, self._sizes
        begin = 0  # of the run of answered slots
        at = 0
        for slot in range(self._received):
            message = area[at : at + came[slot]]
            try:
                answer = respond(message, slot)
            except Exception:  # noqa: BLE001 - whatever it is, the loop goes on; `failed` reports it
                answer = _saved(failed, message, slot)
            if answer is None:
                self._send(begin, slot)
                begin = slot + 1
            else:
                size = len(answer)
                area[at : at + size] = answer
                sizes[slot] = size
            at += STRIDE
        self._send(begin, self._received)

    def messages(self) -> list[bytes]:
        area, came = self._area, self._came[: self._received].tolist()
        return [area[at : at + size - _ID] for at, size in zip(_BEGINS, came, strict=False)]

    def send(self, answers: Sequence[bytes | None]) -> None:
        area, sizes = self._area, self._sizes
        begin = slot = 0  # of the run of answered slots
        for slot, (at, answer) in enumerate(zip(_BEGINS, answers, strict=False)):
            if answer is None:
                self._send(begin, slot)
                begin = slot + 1
            else:
                size = len(answer)
                area[at : at + size] = answer
                sizes[slot] = size + _ID
        self._send(begin, len(answers))

    def _send(self, begin: int, end: int) -> None:
        while begin < end:
            at = self._out_at + begin * ctypes.sizeof(_Message)
            sent = self._sendmmsg(self._fd, at, end - begin, 0)
            if sent < 0 and ctypes.get_errno() == errno.EINTR:
                continue
            begin += max(1, sent)  # the first could not be sent: go on after it

    def _messages(self, vectors: "ctypes.Array[_IoVec]", name_size: int) -> "ctypes.Array[_Message]":
        names = ctypes.addressof(ctypes.c_char.from_buffer(self._names))
        vector = ctypes.addressof(vectors)
        made = (_Message * SLOTS)()
        for slot, message in enumerate(made):
            message.header.name, message.header.name_size = names + slot * _NAME_ROOM, name_size
            message.header.vector, message.header.vectors = vector + slot * ctypes.sizeof(_IoVec), 1
        return made


_WORDS: Final = ctypes.sizeof(_Message) // 4


class Singles:
    """With recvfrom and sendto."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._received: list[tuple[bytes, tuple[object, ...]]] = []

    def receive(self) -> int:
        self._received = []
        with contextlib.suppress(OSError):
            while len(self._received) < SLOTS:
                self._received.append(self._socket.recvfrom(ROOM, socket.MSG_DONTWAIT))
        return len(self._received)

    def message(self, number: int) -> bytes:
        return self._received[number][0]

    def client(self, number: int) -> bytes:
        host = str(self._received[number][1][0]).partition("%")[0]
        return socket.inet_pton(self._socket.family, host)

    def port(self, number: int) -> tuple[int, int]:
        _, port, *more = self._received[number][1]
        assert isinstance(port, int)
        return port, more[1] if more and isinstance(more[1], int) else 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def networks(self) -> list[bytes]:
        addresses = map(self.client, range(len(self._received)))
        return [address[: PREFIXES[len(address)]] for address in addresses]

    def answer(self, respond: Respond, failed: Respond) -> None:
        for number, (message, name) in enumerate(self._received):
            try:
                answer = respond(message, number)
            except Exception:  # noqa: BLE001 - whatever it is, the loop goes on; `failed` reports it
                answer = _saved(failed, message, number)
            if answer is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendto(answer, name)

    def messages(self) -> list[bytes]:
        return [message[_ID:] for message, _name in self._received]

    def send(self, answers: Sequence[bytes | None]) -> None:
        for (message, name), answer in zip(self._received, answers, strict=True):
            if answer is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendto(message[:_ID] + answer, name)
