"""The repository behind an app: opened by the first look of a process, never before a fork, and then followed.

before each request, and every second      another file at the name: it is opened, and a line in the log says so
                                           none, or one that cannot be served: a line, and every request hears it
"""

import contextlib
import logging
import threading
import time
import weakref
from pathlib import Path
from typing import Final, Protocol

from xferzone.errors import XferzoneError
from xferzone.store import Store
from xferzone.store.database import CACHE_SIZE
from xferzone.store.pool import MAX_IDLE

AGAIN_S: Final = 60.0  # seconds until the log says again why the repository cannot be served

_log = logging.getLogger(__name__)


class Follows(Protocol):
    """What looks by itself at whether names still lead where they did."""

    def look(self) -> None:
        """Do so; called every second."""


_all: "weakref.WeakSet[Follows]" = weakref.WeakSet()


class Repository:
    """One file, shared by the threads of a worker."""

    def __init__(
        self,
        repository: Path | Store,
        cache: int = CACHE_SIZE,
        most_idle: int = MAX_IDLE,
        *,
        follows: bool = True,
    ) -> None:
        """A store that is given stays the caller's to close, and has its own cache.

        Args:
            cache: bytes of expanded contents that another one keeps.
            most_idle: connections of each kind that another one keeps open while nobody uses them.
            follows: it looks by itself whether its name leads elsewhere, and logs why it cannot be served; else the
                caller does both.
        """
        self.path = repository if isinstance(repository, Path) else repository.path
        self._lock = threading.Lock()
        self._opened = None if isinstance(repository, Path) else repository
        self._cache = cache
        self._most_idle = most_idle
        self._told = ""  # why it could not be served, in the log, and when
        self._told_at = 0.0  # monotonic seconds
        self._follows = follows
        if follows:
            follow(self)

    def store(self) -> Store:
        """The store, opened on first use. If it cannot be opened, the next request tries again.

        Raises:
            XferzoneError: there is no repository, or it cannot be served.
        """
        with self._lock:
            try:
                if self._opened is None:
                    self._opened = Store.open(self.path, self._most_idle).with_cache(self._cache)
                elif self._opened.follow():
                    _log.warning("repository=%s outcome=reopened why='another file was put there'", self.path)
            except XferzoneError as exc:
                self._tell(str(exc))
                raise
            self._told = ""
            return self._opened

    def look(self) -> None:
        """Open the repository, or follow its name, though nobody asks.

        A file of another project that comes later is then refused, as DNS refuses it: HTTP and DNS never have two.
        """
        with contextlib.suppress(XferzoneError):  # the log has it
            self.store()

    def close(self) -> None:
        """Let go of the file; the next request opens it again."""
        with self._lock:
            if self._opened is not None:
                self._opened.let_go()
                self._opened = None

    def rest(self) -> None:
        """Let go of the contents that are kept in memory."""
        opened = self._opened
        if opened is not None:
            opened.forget()

    def looked(self) -> tuple[int, int]:
        """How many contents this process has found in its cache, and how many not."""
        opened = self._opened
        return (0, 0) if opened is None else opened.looked

    def _tell(self, why: str) -> None:
        now = time.monotonic()
        if not self._follows:
            return
        if why != self._told or now >= self._told_at + AGAIN_S:
            _log.error("repository=%s outcome=not-served why=%r", self.path, why)
            self._told, self._told_at = why, now


def follow(each: Follows) -> None:
    """Have it look from now on, for as long as anybody else knows it."""
    _all.add(each)


def look() -> None:
    """Let go of files that have lost their names, in all apps of this process; to be called every second."""
    for each in list(_all):
        each.look()
