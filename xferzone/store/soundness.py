"""May the file that has taken a repository's name be followed in the place of the one before?

    the tables         all that the reader needs are there
    quick_check        SQLite's, of the whole file; of one over MAX_LOOKED, of the tables that name what is served

What was refused is refused again without a look, until the file or its log changes.
"""

import os
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Final, TypeAlias

from xferzone.errors import XferzoneError
from xferzone.store import walnote
from xferzone.store.remedies import explained

MAX_LOOKED: Final = 1 << 30  # bytes of a file that is read through; that takes 0.8 s of CPU in each process
_NAMING: Final = ("setting", "ref", "publication")
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"
_REMEDY: Final = "`xferzone restore FILE` puts a backup in its place"

#: What tells a file from another one, and from itself before a change.
Stamp: TypeAlias = tuple[tuple[int, ...], ...]


def tables() -> frozenset[str]:
    """Those of this release's schema."""
    # Imported here: few processes see their file replaced.
    from xferzone.store.database import newest_schema

    with closing(sqlite3.connect(":memory:")) as db:
        newest_schema(db)
        return frozenset(str(name) for (name,) in db.execute(_TABLES))


class Soundness:
    """Of what is at `path`, for one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused: Stamp = ()
        self._why = ""

    def check(self, db: sqlite3.Connection, tables: Collection[str], stamp: Stamp) -> None:
        """See that a file which has come can be followed. `db` is open on it, and in no transaction.

        Args:
            stamp: the file's, from before `db` was opened. A later one could be that of a sound file which has come
                meanwhile, and would be refused for ever.

        Raises:
            XferzoneError: it is damaged, or lacks one of these tables; names the file and the remedy.
        """
        if stamp != self._refused:
            self._why = ""
            try:
                self._look(db, tables)
            except XferzoneError as exc:
                self._refused, self._why = stamp, str(exc)
        if self._why:
            raise XferzoneError(self._why)

    def stamp(self) -> Stamp:
        """That of the file which is at the name now."""
        real = Path(os.path.realpath(self._path))
        return tuple(_changed(each) for each in (real, walnote.log_of(real)))

    def _look(self, db: sqlite3.Connection, tables: Collection[str]) -> None:
        with explained(self._path, "followed"):
            found = {name for (name,) in db.execute(_TABLES)}
            if lacking := sorted(set(tables) - found):
                raise XferzoneError(
                    f"{self._path} was replaced by a file without table {lacking[0]}: {_REMEDY}"
                )
            is_short = self._path.stat().st_size <= MAX_LOOKED
            for words in ("quick_check(1)",) if is_short else map("quick_check({})".format, _NAMING):
                (line,) = db.execute(f"PRAGMA {words}").fetchone()
                if line != "ok":
                    fault = str(line).rpartition("\n")[2]  # the first line says in which database
                    raise XferzoneError(f"{self._path} was replaced by a damaged file: {fault}: {_REMEDY}")


def _changed(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    if not found.st_size:  # a log that a reader has made says nothing
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
