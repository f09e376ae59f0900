"""A server that answers honestly until a test says what it answers instead.

attack(round_, honest) ─> octets under their content type; `round_` counts from 1, `honest()` is the true reply's text
"""

import functools
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from xferzone.cards.body import COMPRESSED, UNCOMPRESSED, decode_body, pack
from xferzone.web.app import create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LARGE = 2**40

Honest = Callable[[], bytes]
Attack = Callable[[int, Honest], tuple[str, bytes]]


class Attacker:
    """A WSGI app. `requests`: card texts that came since `attack` was set last."""

    def __init__(self, repository: Path) -> None:
        self._app: WSGIApplication = create_app(repository)
        self._attack: Attack | None = None
        self.requests: list[bytes] = []

    def begin(self, attack: Attack | None) -> None:
        """Answer by `attack` from now on; None: honestly."""
        self._attack, self.requests = attack, []

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        environ.pop("HTTP_ACCEPT_ENCODING", None)  # attacks change card text
        octets = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.requests.append(decode_body(environ["CONTENT_TYPE"], octets, limit=_LARGE))
        if self._attack is None:
            environ["wsgi.input"] = io.BytesIO(octets)
            return self._app(environ, start)
        content_type, answer = self._attack(len(self.requests), lambda: self._honest(environ, octets))
        start("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(answer)))])
        return [answer]

    def _honest(self, environ: "WSGIEnvironment", octets: bytes) -> bytes:
        environ["wsgi.input"] = io.BytesIO(octets)
        types = []

        def start(
            _status: str, headers: list[tuple[str, str]], _exc: object = None
        ) -> Callable[[bytes], object]:
            types.append(next(value for name, value in headers if name.lower() == "content-type"))
            return lambda _octets: None

        pieces = self._app(environ, start)
        reply = b"".join(pieces)
        if hasattr(pieces, "close"):
            pieces.close()
        return decode_body(types[0], reply, limit=_LARGE)


def text(*parts: bytes) -> Attack:
    """The card text `parts` in round 1, 2, ..., the last for ever."""
    return lambda round_, _honest: (UNCOMPRESSED, parts[min(round_, len(parts)) - 1])


def octets(body: bytes, content_type: str = COMPRESSED) -> Attack:
    """This body, always."""
    return lambda _round, _honest: (content_type, body)


def large(made: Callable[[], Attack]) -> Attack:
    """The same attack, made once it begins: every worker reads the rows that few of them run."""
    ready = functools.cache(made)
    return lambda round_, honest: ready()(round_, honest)


def changed(change: Callable[[bytes], bytes]) -> Attack:
    """The honest text, changed."""
    return lambda _round, honest: (COMPRESSED, pack(change(honest()), level=1))
