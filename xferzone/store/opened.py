"""The file behind a repository's name, as one process has it open, and the change to another one that took the name.

    Opened     one file: connections that read, connections that write; made at first use
    Followed   a name: before each transaction, does it still lead to the file that is open?
                   no ─> its connections are closed, and what is there now is opened, if it is a sound repository of
                         the same project. If not, that is told each time, and tried again

Copies of a store share one Followed.
"""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from xferzone.errors import NewerSchema, XferzoneError
from xferzone.store import pool, schema
from xferzone.store.held import HeldFile
from xferzone.store.pool import Pool
from xferzone.store.remedies import code, explained
from xferzone.store.soundness import Soundness, tables

MAX_WAL: Final = (
    16 * 1024 * 1024
)  # bytes of the WAL from which we shorten it; as many more after each attempt that failed


_REVISION: Final = re.compile("(?!0000)[0-9]{4}")


class Opened:
    """The file that `path` leads to when the first connection is made."""

    def __init__(self, path: Path, most_idle: int = pool.MAX_IDLE) -> None:
        self._path = path
        self._file: HeldFile | None = None  # None: nothing was connected yet
        self._is_closed = False
        self._lock = threading.Lock()
        self.reading = Pool(self._connect_reading, "BEGIN", most_idle)
        self.writing = Pool(self._connect_writing, "BEGIN IMMEDIATE", most_idle)

    @property
    def file(self) -> HeldFile:
        """The file, held from the first connection or this call on. Raises as HeldFile does."""
        with self._lock:
            if self._file is None:
                self._file = HeldFile(self._path)
            return self._file

    def is_current(self) -> bool:
        """Whether connections lead to what is at the name; as long as none was made, they will."""
        return not self._is_closed if self._file is None else self._file.is_current()

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Turn what comes of reading a file without locks, while somebody writes to it, into Busy."""
        try:
            yield
        except sqlite3.DatabaseError:
            if self._file is not None:
                self._file.check_steady()
            raise
        if self._file is not None:
            self._file.check_steady()

    def let_go(self) -> None:
        """`close`, of a file that may have lost its name."""
        db = self.writing.idle() or self.reading.idle()
        if self._file is not None and db is not None:
            self._file.fold(db)
        self.close()

    def close(self) -> None:
        self._is_closed = True
        self.reading.close()
        self.writing.close()
        with self._lock:
            if self._file is not None:
                self._file.release()
                self._file = None

    def _connect_reading(self) -> sqlite3.Connection:
        db = self.file.connect(writes=False, timeout=pool.BUSY_TIMEOUT)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA query_only=ON")
        return db

    def _connect_writing(self) -> sqlite3.Connection:
        db = self.file.connect(writes=True, timeout=pool.BUSY_TIMEOUT)
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA journal_size_limit={MAX_WAL}")
        return db


class Followed:
    """What the name `path` leads to; of each kind, `most_idle` connections are kept open while nobody uses them."""

    def __init__(self, path: Path, most_idle: int = pool.MAX_IDLE) -> None:
        self._path = path
        self._most_idle = most_idle
        self._lock = threading.Lock()
        self._project: str | None = None  # of the repository that was opened; None: it was not looked at
        self._soundness = Soundness(path)
        self.opened = Opened(path, most_idle)

    def current(self) -> Opened:
        """The file that is at the name now. Raises as `check`."""
        if not self.opened.is_current():
            with self._lock:
                if not self.opened.is_current():  # another thread may have been here
                    self._change()
        return self.opened

    def check(self) -> None:
        """See that a repository is there, of this release's schema; an older one is migrated.

        Raises:
            NotFound: there is no such file.
            XferzoneError: it is not a repository of ours, nor of the project that was open before; or a newer release
                has written it.
        """
        self._check(self.opened)

    def _change(self) -> None:
        self.opened.let_go()
        stamp = self._soundness.stamp()
        fresh = Opened(self._path, self._most_idle)
        try:
            self._check(fresh)
            with fresh.reading.connection() as db:
                self._soundness.check(db, tables(), stamp)
        except BaseException:
            fresh.close()
            raise
        self.opened = fresh

    def _check(self, opened: Opened) -> None:
        revision, project = self._found(opened)
        if self._project not in (None, project):
            raise XferzoneError(f"{self._path} was replaced by a repository of another project")
        if not _REVISION.fullmatch(revision):
            raise XferzoneError(
                f"{self._path} has the schema number {revision[:40]!r}, which no release writes: "
                "`xferzone restore FILE` puts a backup in its place"
            )
        if revision > schema.HEAD:
            raise NewerSchema(
                f"{self._path} has schema {revision}, written by a newer xferzone than this one, which knows "
                f"{schema.HEAD}: use the release that wrote it"
            )
        if revision < schema.HEAD:
            # Imported here: Alembic and SQLAlchemy take 0.4 s, and a repository needs them once in a release.
            from xferzone.store.migrating import migrate

            with explained(self._path, "brought up to this release's schema"):
                migrate(opened.writing.connect)
        self._project = project

    def _found(self, opened: Opened) -> tuple[str, str | None]:
        """The schema's revision and the project code; None: a clone that is being made has none yet."""
        foreign = f"{self._path} is not an xferzone repository: name yours with -R"
        if self._project is not None:
            foreign = f"{self._path} was replaced by a file that is not an xferzone repository"
        with explained(self._path, "opened"):
            try:
                with opened.reading.transaction() as db:
                    (application_id,) = db.execute("PRAGMA application_id").fetchone()
                    if application_id != schema.APPLICATION_ID:
                        raise XferzoneError(foreign)
                    (revision,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
                    project = db.execute("SELECT value FROM setting WHERE name = 'project-code'").fetchone()
            except sqlite3.DatabaseError as exc:
                if code(exc) in (
                    sqlite3.SQLITE_NOTADB,
                    sqlite3.SQLITE_ERROR,
                ):  # not a database, or no such table
                    raise XferzoneError(f"{foreign} ({exc})") from exc
                raise
            except TypeError as exc:
                raise XferzoneError(f"{foreign} (its schema has no revision)") from exc
        return str(revision), None if project is None else str(project[0])
