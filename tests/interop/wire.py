"""What client and server say to each other, read off the wire.

with listening_in(place) as (own_place, heard):     an HTTP server before the one at `place`
    fossil sync http://own_place/
    heard.requests, heard.replies                   the card text of each body, in order
"""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from xferzone.cards.body import decode_body

_MOST = 100_000_000  # bytes of a body


@dataclass(frozen=True, slots=True)
class Heard:
    """Card text of every request and reply so far."""

    requests: list[bytes] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)

    def igots(self) -> tuple[int, int]:
        """How many igot lines went to the server, and came from it."""
        there, back = (
            sum(body.count(b"\nigot ") + body.startswith(b"igot ") for body in bodies)
            for bodies in (self.requests, self.replies)
        )
        return there, back


@contextlib.contextmanager
def listening_in(
    place: str, is_lost: Callable[[bytes], bool] = lambda _text: False
) -> Iterator[tuple[str, Heard]]:
    """A server that passes everything on to the one at `place`, host and port; its own place.

    `is_lost`: whether nobody hears of the reply to a request with this card text.
    """
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind = self.headers["Content-Type"]
            heard.requests.append(decode_body(kind, body, limit=_MOST))
            line = http.client.HTTPConnection(place, timeout=60)
            with contextlib.closing(line):
                line.request("POST", self.path, body, {"Content-Type": kind})
                reply = line.getresponse()
                answer = reply.read()
            kind = reply.headers["Content-Type"]
            heard.replies.append(decode_body(kind, answer, limit=_MOST))
            if is_lost(heard.requests[-1]):
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()
