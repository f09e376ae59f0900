"""How long a client can hold a thread: with a step of its body or its reply, or with the head of its request.

    with PATIENCE.over(socket, seconds): ...       a client that takes longer loses its connection
    PATIENCE.enforce()                             called every second or so by the worker's own loop

A step is some kilobytes, so that a slow client passes and an endless one does not. A timeout of the socket would not
do: it begins again with every octet.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

STEP: Final = 131_072  # bytes of a body or reply that make a step
STEP_S: Final = 30.0  # seconds for a step: 4 kB/s; Apache's mod_reqtimeout asks for 0.5 kB/s
HEAD_S: Final = 20.0  # seconds for the head of a request; mod_reqtimeout's default


class Patience:
    """The connections that are waited for, safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[socket.socket, float] = {}  # by time.monotonic()

    def begin(self, connection: socket.socket, seconds: float) -> None:
        with self._lock:
            self._ends[connection] = time.monotonic() + seconds

    def end(self, connection: socket.socket) -> None:
        with self._lock:
            self._ends.pop(connection, None)

    @contextlib.contextmanager
    def over(self, connection: socket.socket | None, seconds: float) -> Iterator[None]:
        """Bound the waiting in the block. None: the server does not tell its connections, and nothing is bounded."""
        if connection is None:
            yield
            return
        self.begin(connection, seconds)
        try:
            yield
        finally:
            self.end(connection)

    def enforce(self) -> None:
        """End the connections whose time is over: a reader then finds the end, a writer gets an error."""
        now = time.monotonic()
        with self._lock:
            late = [connection for connection, end in self._ends.items() if end < now]
            for connection in late:
                del self._ends[connection]
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


PATIENCE: Final = Patience()  # of this process
