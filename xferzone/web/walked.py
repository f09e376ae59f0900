"""One request of the walk on HTTP, from its head to the last octet of its reply: the log's line, counters, the sending.

    walk kind=batch outcome=ok status=200 user=m2 bytes_in=80 bytes_out=254 ms=2.6 remote=127.0.0.1

INFO where it brought artifacts in bulk or was refused, else DEBUG: mirrors poll every few seconds, and their first
request is refused with 401.
"""

import contextlib
import logging
import re
import socket
import time
from collections.abc import Generator
from types import TracebackType
from typing import Final, Self

import falcon

from xferzone import metrics
from xferzone.counters import Counters
from xferzone.observer.log import shown
from xferzone.web.deadlines import PATIENCE, STEP, STEP_S
from xferzone.web.limits import Visitor

_KIND: Final = re.compile(
    r"/v0/(?:(refs|auth|copies|unversioned|tables)|objects/(walk|pull|batch)|(objects)/[0-9a-f]+)(?:\?|$)"
)
_BULK: Final = ("pull", "batch", "copies", "unversioned", "tables")

_log = logging.getLogger(__name__)


class Walked:
    """What is counted and logged when it ends, as a context manager does."""

    def __init__(self, target: str, remote: str, counters: Counters) -> None:
        named = _KIND.match(target)
        self.kind = (named[1] or named[2] or "object") if named else metrics.OTHER
        self.remote = remote
        self.login = ""  # of whom it is known to be
        self.bytes_in = self.bytes_out = 0
        self.status = 500  # until there is a reply
        self.is_whole = True
        self._counters = counters
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, falcon.HTTPError):
            self.status = error.status_code
        self._counters.add(
            {
                metrics.WALKS.cell(self.kind, self._outcome()): 1,
                metrics.WALK_BYTES.cell("in"): self.bytes_in,
                metrics.WALK_BYTES.cell("out"): self.bytes_out,
            }
        )
        is_told = self.kind in _BULK or self.status >= 400 or not self.is_whole
        _log.log(
            logging.INFO if is_told and self.status not in (401, 429) else logging.DEBUG,
            "walk kind=%s outcome=%s status=%d user=%s bytes_in=%d bytes_out=%d ms=%.1f%s",
            self.kind,
            self._outcome(),
            self.status,
            shown(self.login),
            self.bytes_in,
            self.bytes_out,
            1000 * (time.monotonic() - self._began),
            f" remote={self.remote}" if self.remote else "",
        )

    def _outcome(self) -> str:
        if self.status in (429, 503):
            return "busy"
        if self.status >= 400:
            return "failed" if self.status >= 500 else "refused"
        return "ok" if self.is_whole else "cut"


class Sending:
    """A reply's octets in steps, each of which the client must take in time."""

    def __init__(
        self,
        octets: Generator[bytes, None, None],
        walked: Walked,
        visitor: Visitor,
        connection: socket.socket | None,
        held: contextlib.ExitStack,
    ) -> None:
        """`held` is let go when the sending ends, however it does."""
        self._octets = octets
        self._walked = walked
        self._visitor = visitor
        self._connection = connection
        self._held = held
        self._rest = memoryview(b"")
        self._of_step = 0  # bytes until the next one begins
        walked.is_whole = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        while not self._rest:
            piece = next(self._octets, None)
            if piece is None:
                self._walked.is_whole = True
                raise StopIteration
            self._rest = memoryview(piece)
        step, self._rest = self._rest[:STEP].tobytes(), self._rest[STEP:]
        if self._of_step <= 0:
            self._of_step = STEP
            # Over all of a long reply a reader who stopped would look fast: megabytes lie in the buffers of sockets.
            self._visitor.began, self._visitor.moved = time.monotonic(), 0
            if self._connection is not None:
                PATIENCE.begin(self._connection, STEP_S)
        self._of_step -= len(step)
        self._walked.bytes_out += len(step)
        self._visitor.moved += len(step)
        return step

    def close(self) -> None:
        """The server calls it, however the sending ended."""
        if self._connection is not None:
            PATIENCE.end(self._connection)
        self._held.close()
