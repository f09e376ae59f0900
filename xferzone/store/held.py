"""The file that a repository's name leads to, held by one process: which one it is, and how it may be opened.

    name ──> device, inode, one link      one stat(2), 2 us; later again: is it still this file?
    beside it, where a link to it leads:
      FILE-wal       SQLite's write-ahead log
      FILE-wal.of    of which file that is (walnote.py)

    may be written to       as usual; readers refuse to write
    may not, with a log     read only; nothing is made beside it that its owner could not open
    may not, without a log  frozen: the file alone is read. A change of it ends this, and what was read meanwhile is
    disk full               not believed

SQLite knows a file by its name. Two names of one file would have two logs; a name that leads to another file has a log
that is not the other one's. Source: sqlite.org, "How To Corrupt An SQLite Database File", 2.4 to 2.6; wal.html, 4.
"""

import contextlib
import os
import sqlite3
import time
import weakref
from pathlib import Path
from typing import Final
from urllib.parse import quote

from xferzone.errors import Busy, NotFound, Replaced, XferzoneError
from xferzone.store import leftovers, walnote
from xferzone.store.remedies import code
from xferzone.store.walnote import Identity

_LINK_TRIES: Final = 10  # a new repository has two names for a moment, until its hidden one is removed
_LINK_PAUSE_S: Final = 0.02
_FOLD_MS: Final = 500  # milliseconds that emptying a log waits for those who read it
#: What SQLite says where it cannot make or fill the files beside a database.
_CANNOT_MAKE: Final = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)


class HeldFile:
    """The file that `path` leads to now.

    Raises:
        NotFound: no file is there.
        XferzoneError: it has a second name, or a log lies beside it that belongs to another file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.identity = identity(path)
        self._real = Path(os.path.realpath(path))
        self._frozen: tuple[int, int] | None = None  # what the file was when it was first opened alone
        self._is_aside = False  # what was open when another file took the name is not what others write to
        self._may_write = all(
            os.access(each, os.W_OK, effective_ids=True) for each in (self._real, self._real.parent)
        )
        note = walnote.claim(self._real, self.identity, may_write=self._may_write)
        # Also when the object goes without `release`: the note is a bare descriptor, which nothing else closes.
        self._release = weakref.finalize(self, walnote.release, self._real, note)
        self._release.atexit = False

    def connect(self, *, writes: bool, timeout: float) -> sqlite3.Connection:
        """A connection to it, in autocommit mode; `timeout` in seconds.

        Raises:
            Replaced: the name leads to another file by now.
            sqlite3.Error: it cannot be opened.
        """
        db = self._opened(writes=writes, timeout=timeout)
        if not self._is_at_name():
            db.close()
            raise Replaced(f"{self._path} was replaced while it was opened: try again")
        return db

    def is_current(self) -> bool:
        """Whether the name leads to it, and nothing has changed what is read without locks."""
        return not self._is_aside and self._is_at_name() and not self._has_thawed()

    def check(self, done: str) -> None:
        """Raise Replaced unless the name leads to it, and no other does; `done` says what became of the change."""
        found = _stat(self._path)
        if found is None:
            raise Replaced(f"{self._path} was moved or removed while it was written: {done}")
        if (found.st_dev, found.st_ino) != self.identity:
            raise Replaced(f"{self._path} was replaced while it was written: {done}")
        if found.st_nlink != 1:
            raise Replaced(f"{self._path} has got a second name (hard link) while it was written: {done}")

    def check_steady(self) -> None:
        """Raise Busy if what was read without locks may have been changed meanwhile."""
        if self._has_thawed():
            raise Busy(f"{self._path} was written while it was read: try again")

    def log_size(self) -> int:
        """Bytes of its write-ahead log."""
        return _size(walnote.log_of(self._real))

    def fold(self, db: sqlite3.Connection) -> None:
        """Before the last connections close: if the file has lost its name, move its log into it, and empty the log.

        SQLite does so for files that have not (src/pager.c, databaseIsUnmoved()). The file is whole then, wherever it
        is now, and its log is in nobody's way.
        """
        if not self._is_at_name():
            with contextlib.suppress(sqlite3.Error):  # others may do it, and if not, the log stays
                db.execute(f"PRAGMA busy_timeout={_FOLD_MS}")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def release(self) -> None:
        """To be called when all connections are closed."""
        self._release()

    def step_aside(self, db: sqlite3.Connection) -> None:
        """Let another file have the name, and its log: what is open here can be read on, without the log.

        The file is whole once the log was folded in, and `db` looks for no other log, since it has one open. When it is
        closed it removes none, since the file has lost its name (src/pager.c, databaseIsUnmoved()).
        """
        self.fold(db)
        self._is_aside = True
        self._release()

    def _opened(self, *, writes: bool, timeout: float) -> sqlite3.Connection:
        if writes or self._may_write:
            try:
                return self._tried("mode=rw", timeout)
            except sqlite3.OperationalError as exc:
                if writes or code(exc) not in _CANNOT_MAKE or self.log_size():
                    raise
        elif walnote.log_of(self._real).exists():
            try:
                # SQLite makes a log even for a reader, so only where there is one; the index beside it is not made.
                return self._tried("mode=ro&readonly_shm=1", timeout)
            except sqlite3.OperationalError as exc:
                if code(exc) not in _CANNOT_MAKE or self.log_size():
                    raise
        if self._frozen is None:
            self._frozen = self._stamp()
        return self._tried("mode=ro&immutable=1", timeout)

    def _tried(self, how: str, timeout: float) -> sqlite3.Connection:
        """A connection that has read once."""
        uri = f"file:{quote(str(self._real))}?{how}"
        db = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _is_at_name(self) -> bool:
        found = _stat(self._path)
        return found is not None and (found.st_dev, found.st_ino) == self.identity and found.st_nlink == 1

    def _has_thawed(self) -> bool:
        return self._frozen is not None and (self._stamp() != self._frozen or self.log_size() > 0)

    def _stamp(self) -> tuple[int, int]:
        found = _stat(self._real)
        return (0, 0) if found is None else (found.st_mtime_ns, found.st_size)


def identity(path: Path) -> Identity:
    """Which file `path` leads to.

    Raises:
        NotFound: none.
        XferzoneError: it has a second name.
    """
    for tries in range(1, _LINK_TRIES + 1):
        found = _stat(path)
        if found is None or not path.is_file():
            raise NotFound(
                f"no repository at {path}: make one with `xferzone -R {path} init`, copy one with "
                f"`xferzone clone URL {path}`, or name yours with -R"
            )
        if found.st_nlink == 1:
            return Identity(found.st_dev, found.st_ino)
        leftovers.sweep(path.resolve().parent)  # a killed `clone` or `backup` may have left the other name
        if tries < _LINK_TRIES:
            time.sleep(_LINK_PAUSE_S)
    raise XferzoneError(
        f"{path} has more than one name (hard links). SQLite would keep a write-ahead log for each, which damages it: "
        "remove the others, or make a copy with `xferzone backup`. A symbolic link does no harm"
    )


def _stat(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - a third of the time of Path.stat, before every commit
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise XferzoneError(f"{path} cannot be reached: {exc.strerror}") from exc


def _size(path: Path) -> int:
    found = _stat(path)
    return 0 if found is None else found.st_size
