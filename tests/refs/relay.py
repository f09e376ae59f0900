"""A relay before a server, which damages what the server says.

    with Relay(port) as relay:          http://127.0.0.1:{relay.port}
        relay.cut = 40                  each new connection ends after so many octets of the server
        relay.step = 1                  they come so many at a time
        relay.is_mute = True            they do not come at all, from now on
        relay.drops = True              instead of them the connection ends
        relay.before = look             called with each part that a client sends, before the server gets it
        relay.lingers = True            the server does not learn that a client has left

What else a connection suffers is decided when the server says something first; `hang_up` ends all that there are.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.live import PATIENCE_S

_STEP = 65_536


class Relay:
    """Fields:
    connections: how many were made.
    """

    def __init__(self, server_port: int) -> None:
        self.cut: int | None = None
        self.step = _STEP
        self.is_mute = False
        self.drops = False
        self.lingers = False
        self.before: Callable[[bytes], object] = lambda _octets: None
        self.connections = 0
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._server_port)) as server,
        ):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ends += [client, server]
            there = threading.Thread(target=self._ask, args=(client, server), daemon=True)
            there.start()
            self._tell(server, client)
            client.shutdown(socket.SHUT_RDWR)
            there.join(PATIENCE_S)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := client.recv(_STEP):
                self.before(octets)
                server.sendall(octets)
            if not self.lingers:
                server.shutdown(socket.SHUT_WR)

    def _tell(self, server: socket.socket, client: socket.socket) -> None:
        octets = server.recv(_STEP)
        left, step = self.cut, self.step
        while octets and not self.drops and (left is None or left > 0):
            octets = octets[:left]
            left = None if left is None else left - len(octets)
            for at in range(0, 0 if self.is_mute else len(octets), step):
                client.sendall(octets[at : at + step])
            octets = server.recv(_STEP) if left is None or left > 0 else b""
