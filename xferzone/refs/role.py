"""The role of a repository, and what its group serves, as a supervisor sees them.

It must keep nothing open, since its children are forked from it.

stat of FILE and FILE-wal, about every second ── the same as before ──> both are, too
                                              └─ another ──> two rows are read, by a connection that is closed at once
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from xferzone.errors import XferzoneError
from xferzone.refs.served import Served

_Seen: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class Role:
    """A repository's role.

    Fields:
        current: as of the last look; empty: it could not be read yet.
        serving: the setting of what its group serves (serving.py), as of then; empty: there is none.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._seen: _Seen = ()
        self.current = self.serving = ""

    def look(self) -> bool:
        """Whether it is another one than at the last look."""
        real = os.path.realpath(self._repository)
        seen = _state(real), _state(f"{real}-wal")
        if seen == self._seen:
            return False
        try:
            with closing(Served(self._repository)) as served:
                found, rules = served.role(), served.serving()
        except (XferzoneError, OSError, sqlite3.Error):
            return False  # those who answer say what is wrong; the next look comes
        before, self.current, self._seen = self.current, found, seen
        self.serving = rules
        return found != before


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
