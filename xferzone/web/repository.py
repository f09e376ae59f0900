"""The repository behind an app: opened by the first request of a process, never before a fork, and then followed.

before each request, and every second      another file at the name: it is opened, and a line in the log says so
                                           none, or one that cannot be served: a line, and every request hears it
"""

import contextlib
import logging
import threading
import time
import weakref
from pathlib import Path
from typing import Final

from xferzone.errors import XferzoneError
from xferzone.store import Store

AGAIN_S: Final = 60.0  # seconds until the log says again why the repository cannot be served

_log = logging.getLogger(__name__)
_all: "weakref.WeakSet[Repository]" = weakref.WeakSet()


class Repository:
    """One file, shared by the threads of a worker."""

    def __init__(self, repository: Path | Store) -> None:
        """A store that is given stays the caller's to close."""
        self.path = repository if isinstance(repository, Path) else repository.path
        self._lock = threading.Lock()
        self._opened = None if isinstance(repository, Path) else repository
        self._told = ""  # why it could not be served, in the log, and when
        self._told_at = 0.0  # monotonic seconds
        _all.add(self)

    def store(self) -> Store:
        """The store, opened on first use. If it cannot be opened, the next request tries again.

        Raises:
            XferzoneError: there is no repository, or it cannot be served.
        """
        with self._lock:
            try:
                if self._opened is None:
                    self._opened = Store.open(self.path)
                elif self._opened.follow():
                    _log.warning("repository=%s outcome=reopened why='another file was put there'", self.path)
            except XferzoneError as exc:
                self._tell(str(exc))
                raise
            self._told = ""
            return self._opened

    def look(self) -> None:
        """Follow the name, if the repository is open, though nobody asks."""
        if self._opened is not None:
            with contextlib.suppress(XferzoneError):  # the log has it
                self.store()

    def _tell(self, why: str) -> None:
        now = time.monotonic()
        if why != self._told or now >= self._told_at + AGAIN_S:
            _log.error("repository=%s outcome=not-served why=%r", self.path, why)
            self._told, self._told_at = why, now


def look() -> None:
    """Let go of files that have lost their names, in all apps of this process; to be called every second."""
    for each in list(_all):
        each.look()
