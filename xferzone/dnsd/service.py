"""What keeps a server answering whatever a message holds and whatever happens to the repository.

repository busy, damaged, gone    the views as they are go on answering
another file in its place         its zones are served, and that is said; if it cannot be read, as above
an answer cannot be made          look at the repository again, try again, then SERVFAIL
something is wrong                said in the log, at most once in QUIET seconds, and the same again after AGAIN
"""

import logging
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from xferzone.dnsd.following import LiveZones
from xferzone.nameserver.respond import failure

QUIET: Final = 1.0  # seconds between two complaints
AGAIN: Final = 60.0  # seconds until a complaint is repeated

_log = logging.getLogger(__name__)


#: Who asks, as the process has it: the slot of a datagram, or the address of a connection's other end.
_Client = TypeVar("_Client")


class Service(Generic[_Client]):
    """Answers of a process that never raise."""

    def __init__(self, zones: LiveZones, respond: Callable[[bytes, _Client], bytes | None]) -> None:
        self._zones = zones
        self._respond = respond
        self._untold = 0  # complaints since the last one that was logged
        self._last = ""  # the last complaint that was logged, and when
        self._said = -AGAIN  # monotonic seconds
        self._file = zones.file

    def refresh(self) -> None:
        """Follow the repository, unless that was done a moment ago.

        To be called before each batch is answered, and every second.
        """
        try:
            self._follow()
        except Exception as exc:  # noqa: BLE001 - a database has many ways to fail, and none may end us
            self.complain("the repository cannot be read, the last good zones are served", exc)

    def tell_doubts(self) -> None:
        """Say in the log what is not served as it was chosen; to be called every second by one process."""
        try:
            for doubt in self._zones.doubts():
                _log.warning("%s", doubt)
        except Exception as exc:  # noqa: BLE001 - as above
            self.complain("a zone cannot be compared with its canary", exc)

    def respond(self, message: bytes, client: _Client) -> bytes | None:
        """The answer to a message; None: there is none."""
        try:
            return self._respond(message, client)
        except Exception:  # noqa: BLE001 - one message must not end the service for all; `failed` reports it
            return self.failed(message, client)

    def failed(self, message: bytes, client: _Client) -> bytes | None:
        """The answer to a message for which none could be made."""
        try:
            # A zone that has moved on twice since we looked has taken its old parts along.
            self._follow(now=True)
            return self._respond(message, client)
        except Exception as exc:  # noqa: BLE001 - one message must not end the service for all
            self.complain("a question was answered SERVFAIL", exc)
            return failure(message, exc)

    def _follow(self, *, now: bool = False) -> None:
        self._zones.refresh(now=now)
        if self._zones.file != self._file:
            self._file = self._zones.file
            _log.warning("the repository was replaced: the zones of the new file are served")

    def complain(self, what: str, exc: Exception) -> None:
        """Say in the log what went wrong, unless that was just said."""
        now, complaint = time.monotonic(), f"{what}: {type(exc).__name__}: {exc}"
        if now < self._said + (AGAIN if complaint == self._last else QUIET):
            self._untold += 1
            return
        more = f" (and {self._untold} times more before)" if self._untold else ""
        _log.error("%s%s", complaint, more)
        self._untold, self._said, self._last = 0, now, complaint
