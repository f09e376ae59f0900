"""A network that damages: a proxy before a server of HTTP that harms what crosses it, by chance that a seed decides.

    flipped     a bit of the request or of the reply, its head included
    cut         the request or the reply ends early
    delayed     it comes up to a second later
    repeated    the request reaches the server twice; the second reply is given
    reordered   two parts of the octets change places
    stale       the reply to an earlier request for the same path is given

with DamagingProxy(server_port, seed, rate) as proxy:
    ... http://127.0.0.1:{proxy.port}/ ...
    proxy.rate = 0.0                                    the network is sound from now on

Each request has a connection of its own to the server. Of a request or reply `rate` says how often it is harmed.
"""

import contextlib
import random
import socket
import socketserver
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Final, Self

from tests.robust.mutations import cut, flipped

MOST_DELAY_S: Final = 1.0
_PATIENCE_S: Final = 60.0  # for the server or the client to go on
_MOST_HEAD: Final = 65_536  # bytes
_STEP: Final = 65_536  # bytes
_HARMS: Final = ("flipped", "cut", "delayed", "reordered")
_OF_REQUESTS: Final = (*_HARMS, "repeated")
_OF_REPLIES: Final = (*_HARMS, "stale")


class DamagingProxy(socketserver.ThreadingTCPServer):
    """See above.

    Fields:
        rate: how often a request is harmed, and a reply; 0 to 1.
        counts: how often each harm was done; "requests" counts all, "bytes" what crossed, both ways.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, server_port: int, seed: int, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_port = server_port
        self.rate = rate
        self.counts: Counter[str] = Counter()
        self.port: int = self.server_address[1]
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._replies: dict[bytes, bytes] = {}  # the last one to each request line

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def harmed(self, octets: bytes, harms: tuple[str, ...]) -> tuple[str, bytes]:
        """Which harm is done to these octets, and what it makes of them; "" : none."""
        with self._lock:
            if self._chance.random() >= self.rate or not octets:
                return "", octets
            harm = self._chance.choice(harms)
            self.counts[harm] += 1
            match harm:
                case "flipped":
                    octets = flipped(self._chance, octets)
                case "cut":
                    octets = cut(self._chance, octets)
                case "reordered":
                    a, b, c = sorted(self._chance.randrange(len(octets) + 1) for _ in range(3))
                    octets = octets[:a] + octets[b:c] + octets[a:b] + octets[c:]
                case "delayed":
                    delay_s = self._chance.random() * MOST_DELAY_S
        if harm == "delayed":
            time.sleep(delay_s)
        return harm, octets

    def stale(self, line: bytes, reply: bytes) -> bytes:
        """The reply to the request before with this line; it takes the place of that."""
        with self._lock:
            return self._replies.setdefault(line, reply)

    def remember(self, line: bytes, reply: bytes) -> None:
        with self._lock:
            self._replies[line] = reply

    def passed(self, request: bytes) -> bytes:
        """What the server replies; as much as comes before it hangs up."""
        parts: list[bytes] = []
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server_port), timeout=_PATIENCE_S) as server,
        ):
            server.sendall(request)
            # A request that was cut must end for the server, too.
            server.shutdown(socket.SHUT_WR)
            while octets := server.recv(_STEP):
                parts.append(octets)
        return b"".join(parts)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no matter."""


class _Handler(socketserver.BaseRequestHandler):
    server: DamagingProxy

    def handle(self) -> None:
        proxy = self.server
        self.request.settimeout(_PATIENCE_S)
        request = self._read()
        if not request:
            return
        proxy.counts["requests"] += 1
        line = request.partition(b"\r\n")[0]
        harm, harmed = proxy.harmed(request, _OF_REQUESTS)
        if harm == "repeated":
            proxy.passed(request)
        reply = proxy.passed(harmed)
        harm, sent = proxy.harmed(reply, _OF_REPLIES)
        if harm == "stale":
            sent = proxy.stale(line, reply)
        elif reply:
            proxy.remember(line, reply)
        proxy.counts["bytes"] += len(request) + len(sent)
        self.request.sendall(sent)

    def _read(self) -> bytes:
        """A request, told to be the only one of its connection; empty: the client hung up before its end."""
        octets = b""
        while b"\r\n\r\n" not in octets:
            came = self.request.recv(_STEP)
            octets += came
            if not came or len(octets) > _MOST_HEAD:
                return b""
        head, _, body = octets.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        size = sum(
            int(each.partition(b":")[2]) for each in lines if each.lower().startswith(b"content-length:")
        )
        while len(body) < size:
            came = self.request.recv(_STEP)
            if not came:
                return b""
            body += came
        kept = [each for each in lines if not each.lower().startswith((b"connection:", b"expect:"))]
        return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body
