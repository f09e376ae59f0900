"""The repository behind an app: opened by the first request of a process, never before a fork."""

import threading
from pathlib import Path

from xferzone.errors import NotFound
from xferzone.store import Store


class Repository:
    """One file, shared by the threads of a worker."""

    def __init__(self, repository: Path | Store) -> None:
        """A store that is given stays the caller's to close."""
        self.path = repository if isinstance(repository, Path) else repository.path
        self._lock = threading.Lock()
        self._opened = None if isinstance(repository, Path) else repository

    def store(self) -> Store:
        """The store, opened on first use. If it cannot be opened, the next request tries again.

        Raises:
            XferzoneError: there is no repository, or this release cannot read it.
        """
        if not self.path.is_file():
            # Connections that are open would go on reading a file that has no name any more.
            raise NotFound(f"no repository at {self.path}")
        with self._lock:
            if self._opened is None:
                self._opened = Store.open(self.path)
            return self._opened
