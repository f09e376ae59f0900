"""A small HTTP server for programs that serve a repository beside other work.

Each connection carries one request and has a thread. On the open internet run gunicorn (`xferzone serve`) behind a
proxy instead: this server bounds neither the number of connections nor how slowly a client may send.
"""

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from xferzone import exchange
from xferzone.exchange import Terms
from xferzone.store import Store
from xferzone.web.app import create_app
from xferzone.web.waiting import ENDING
from xferzone.web.xfer import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_LOOK_S: Final = 0.1  # seconds between two looks at whether to stop


def _nothing(_port: int) -> None:
    return


# many: an embedder names each of those that it gives
def serve_http(
    address: tuple[str, int],
    store: Store,
    stop: threading.Event,
    terms: Terms | None = None,
    *,
    answer: Answer = exchange.answer,
    ready: Callable[[int], None] = _nothing,
) -> None:
    """Serve `store` at host and port until `stop` is set; then answer what is under way, and return.

    Args:
        address: an IPv4 or IPv6 address or a name, and a port; port 0 takes any that is free.
        terms, answer: as in web.app.create_app.
        ready: called with the port once connections are accepted.

    Raises:
        OSError: cannot bind the address.
    """
    serve_app(address, create_app(store, terms, answer), stop, ready)


def serve_app(
    address: tuple[str, int],
    app: "WSGIApplication",
    stop: threading.Event,
    ready: Callable[[int], None] = _nothing,
) -> None:
    """Like `serve_http`, for any WSGI app: one that mounts ours beside routes of its own."""
    with _Server(address) as server:
        server.set_app(app)
        server.timeout = _LOOK_S
        ready(server.server_port)
        while not stop.is_set():
            server.handle_request()
        server.hang_up_idle()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = False  # with the next line: leaving the block waits for the requests under way
    block_on_close = True

    def __init__(self, address: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._lock = threading.Lock()
        self._idle: set[socket.socket] = set()
        self._is_stopping = False
        self.ending = threading.Event()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind. The library's own asks DNS for the host's name, which may be what this program is to answer."""
        TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()

    @contextmanager
    def idling(self, connection: socket.socket) -> Iterator[None]:
        """While nothing has come in on `connection`, the server may end it."""
        with self._lock:
            self._idle.add(connection)
            if self._is_stopping:
                _hang_up(connection)
        try:
            yield
        finally:
            with self._lock:
                self._idle.discard(connection)

    def hang_up_idle(self) -> None:
        """End the connections on which nothing has come in, now and from now on: stopping waits for all others.

        Requests that wait for news are answered.
        """
        self.ending.set()
        with self._lock:
            self._is_stopping = True
            for connection in self._idle:
                _hang_up(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that leaves or is too slow; of a bug, what the library says."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # it only prints the address


class _Handler(WSGIRequestHandler):
    timeout = 60  # seconds that a read may take

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        with self.server.idling(self.connection):
            self.connection.recv(1, socket.MSG_PEEK)
        super().handle()

    def get_environ(self) -> "WSGIEnvironment":
        assert isinstance(self.server, _Server)
        # The target as it came: the library changes it. Other servers have it under this name, too.
        target = self.requestline.split()[1]
        return {**super().get_environ(), "REQUEST_URI": target, ENDING: self.server.ending}

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the observer sees each request."""


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # the client has left
        connection.shutdown(socket.SHUT_RD)
