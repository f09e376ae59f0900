"""A small HTTP server for programs that serve a repository beside other work.

For the open internet put gunicorn (`xferzone serve`) behind a proxy instead: this one has no bound on slow clients.
"""

import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from xferzone import exchange
from xferzone.exchange import Terms
from xferzone.store import Store
from xferzone.web.app import create_app
from xferzone.web.xfer import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_LOOK_S: Final = 0.1  # seconds between two looks at whether to stop


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = False  # requests under way are answered before the server ends
    block_on_close = True


class _Handler(WSGIRequestHandler):
    timeout = 60  # seconds that a read may take

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the observer sees each request."""


# many: an embedder names each of those that it gives
def serve_http(
    address: tuple[str, int],
    store: Store,
    stop: threading.Event,
    terms: Terms | None = None,
    *,
    answer: Answer = exchange.answer,
    ready: Callable[[int], None] = lambda _port: None,
) -> None:
    """Serve `store` at host and port until `stop` is set; then answer what is under way, and return.

    Args:
        address: port 0: any free one.
        terms, answer: as of web.app.create_app.
        ready: called with the port once connections are taken.

    Raises:
        OSError: the address cannot be bound.
    """
    serve_app(address, create_app(store, terms, answer), stop, ready)


def serve_app(
    address: tuple[str, int],
    app: "WSGIApplication",
    stop: threading.Event,
    ready: Callable[[int], None] = lambda _port: None,
) -> None:
    """`serve_http` of any WSGI app, for one that mounts ours beside routes of its own."""
    with make_server(*address, app, _Server, _Handler) as server:
        server.timeout = _LOOK_S
        ready(server.server_port)
        while not stop.is_set():
            server.handle_request()
