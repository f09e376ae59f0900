"""The repository file: how it is made and opened, and the two kinds of transaction on it.

    Store.making ─> a hidden file, migrations, a link to its name    nobody ever sees it half made
    Store.open   ─> application id, schema revision ─> migrations, if the file is older
    store.reader()   BEGIN              one snapshot, read only
    store.writer()   BEGIN IMMEDIATE    the one writer; COMMIT at the end, ROLLBACK on an exception
        in_parts                       a long one is committed where the work can be cut, and others write (turns.py)
        before COMMIT and after it     does the name lead to this file (held.py)? If not, nothing is acknowledged

SQLite runs in WAL mode: readers never wait. synchronous=FULL, because a commit acknowledges other people's work. SQLite
starts a WAL again from its beginning only at a write while nobody reads in it, which may never happen; past MAX_WAL we
make it happen.
"""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Self

from xferzone import migrations
from xferzone.errors import Busy, NoRoom, UsageError
from xferzone.faults import Faults, fails, fault
from xferzone.store import pool, schema
from xferzone.store.cache import ContentCache
from xferzone.store.newfile import new_file
from xferzone.store.opened import MAX_WAL, Followed, Opened
from xferzone.store.reader import Part, Reader
from xferzone.store.remedies import explained
from xferzone.store.turns import Turns
from xferzone.store.walnote import set_mark
from xferzone.store.writer import Writer

_WAL_PATIENCE_S = 0.5  # seconds that a writer then waits for readers, after its commit; others may write
_WAL_TRY = 50  # milliseconds of one attempt
CACHE_SIZE = 32 * 1024 * 1024  # bytes of expanded contents that a process keeps


class Store:
    """One repository file, open in one process.

    Fields:
        turns: knows how long its writers took.
        faults: what may go wrong in its transactions (faults.py); None: nothing does by itself.
    """

    def __init__(self, path: Path, most_idle: int = pool.MAX_IDLE) -> None:
        """`most_idle`: connections of each kind that are kept open while nobody uses them."""
        self.path = path
        self._cache = ContentCache(CACHE_SIZE)
        self._name = Followed(path, most_idle)
        self._cached = self._name.opened  # whose contents the cache has
        self.turns = Turns()
        self.faults: Faults | None = None
        self._told: Mapping[str, str] = {}
        self._wal_bound = MAX_WAL

    @classmethod
    def create(cls, path: Path, project_code: str | None = None) -> Self:
        """A new, empty repository; `project_code` is 40 lower-case hex digits, random when None.

        Raises:
            UsageError: a bad code.
            Exists: something is at `path` already.
            NotFound: its directory is not there.
            XferzoneError: the disk is full, or the directory cannot be written.
        """
        code = secrets.token_hex(20) if project_code is None else project_code
        if len(code) != 40 or set(code) - set("0123456789abcdef"):
            raise UsageError(
                f"project code {code!r}: give 40 lower-case hex digits, or leave it out for a random one"
            )
        with cls.making(path) as store, store.writer() as writer:
            writer.set_setting("project-code", code)
        return cls(path)

    @classmethod
    @contextmanager
    def making(cls, path: Path) -> Iterator[Self]:
        """A new repository without a project code. It is at `path` once the block has ended well; else nothing is left.

        Raises:
            Exists: something is at `path` already.
            NotFound: its directory is not there.
            XferzoneError: the disk is full, or the directory cannot be written.
        """
        with new_file(path, "made", "give another name with -R") as made, cls(made) as store:
            store.path = path  # for messages
            store.turns = Turns(rest_s=0)  # nobody else knows the file
            store._lay_out()
            yield store
            store.write_out()
            fault(store.faults, "store.before-link", 0.1)

    @classmethod
    def open(cls, path: Path, most_idle: int = pool.MAX_IDLE) -> Self:
        """The repository at `path`, its schema brought up to this release if it is older; `most_idle` as above.

        Raises:
            NotFound: there is no such file.
            XferzoneError: it is not a repository of ours, or a newer release has written it.
        """
        store = cls(path, most_idle)
        try:
            store._name.check()
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def reader(self, *, in_parts: bool = False) -> Iterator[Reader]:
        """A read-only snapshot, from the first read to the end of the block.

        `in_parts`: what is read shows later moments as well, so that the log can be cut back meanwhile.
        """
        opened = self._current()
        if fails(self.faults, "store.read-locked", 0.02):
            raise Busy(f"{self.path} was written while it was read: try again")
        with explained(self.path, "read"), opened.steady(), opened.reading.transaction() as db:
            reader = Reader(db, self._cache, Part(lambda: _renew(db)) if in_parts else None)
            reader.faults, reader.told = self.faults, self._told
            yield reader

    @contextmanager
    def writer(self, *, in_parts: bool = False, when_told: bool = False) -> Iterator[Writer]:
        """The one write transaction.

        `in_parts`: a long one is several, each of which stays whatever becomes of the next; `when_told`: only where
        `let_go` is called.

        Raises:
            Busy: another thread or process kept it for over pool.BUSY_TIMEOUT seconds.
            Replaced: the name no longer leads to the file that was opened, or that has another name besides.
            NoRoom: the disk is full.
        """
        self._take_turn()
        try:
            opened = self._current()
            with explained(self.path, "written"), opened.writing.transaction(_in_place(opened)) as db:
                self.turns.begin()
                part = Part(lambda: self._next_part(opened, db), when_told=when_told) if in_parts else None
                writer = Writer(db, self._cache, part)
                writer.faults = self.faults
                yield writer
                self._about_to_commit()
            fault(self.faults, "store.after-commit", 0.1)
            opened.file.check("the change is lost with it: make it again")
        finally:
            self.turns.leave()
        self._shorten_wal(opened)

    def _about_to_commit(self) -> None:
        if fails(self.faults, "store.disk-full", 0.05):
            raise NoRoom(f"{self.path} cannot be written: its disk is full: make room, and try again")
        fault(self.faults, "store.before-commit", 0.1)

    def _take_turn(self) -> None:
        if fails(self.faults, "store.locked", 0.03) or not self.turns.take(pool.BUSY_TIMEOUT):
            raise Busy(f"{self.path} is being written by another thread: try again")

    def _next_part(self, opened: Opened, db: sqlite3.Connection) -> None:
        _in_place(opened)()
        self._about_to_commit()
        db.execute("COMMIT")
        fault(self.faults, "store.part-committed", 0.2)
        opened.file.check("the change is lost with it: make it again")
        self.turns.leave()
        self._shorten_wal(opened)
        self._take_turn()
        db.execute("BEGIN IMMEDIATE")
        self.turns.begin()

    def follow(self) -> bool:
        """Open what the name leads to, if that is another file now; whether it is.

        Raises:
            NotFound: no file is there.
            XferzoneError: it is not a sound repository of the same project. The next call tries again.
        """
        before = self._cached
        return self._current() is not before

    def check_in_place(self) -> None:
        """Raise Replaced unless the name leads to the file that is open: to be asked before work is acknowledged."""
        self._name.opened.file.check("the change is lost with it: make it again")

    def back_up(self, path: Path) -> None:
        """Copy one moment of the repository to the new file `path`, while others read and write it.

        The copy begins an epoch: if it is served in place of this one, it lacks the moves made since.

        Raises:
            Exists: something is at `path` already.
            NotFound: its directory is not there.
            XferzoneError: the disk is full, or the directory cannot be written.
        """
        with (
            new_file(path, "written", "give another name") as made,
            closing(sqlite3.connect(made)) as copy,
            self._current().reading.connection() as db,
        ):
            db.backup(copy)
            copy.execute("UPDATE setting SET value = ? WHERE name = 'epoch'", (new_epoch(),))
            set_mark(copy)
            copy.commit()
            # The copy is in WAL mode like the original, and only the file itself is linked to its name.
            copy.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @property
    def looked(self) -> tuple[int, int]:
        """How many contents were found in the cache, and how many not."""
        return self._cache.hits, self._cache.misses

    def forget(self) -> None:
        """Let go of the contents in the cache."""
        self._cache.clear()

    def with_cache(self, limit: int | None) -> Self:
        """The same repository with a cache of its own of `limit` bytes (None: no cache). It closes with this one."""
        if limit == self._cache.limit:
            return self
        other = copy(self)
        other._cache = ContentCache(limit or 0)
        return other

    def with_faults(self, faults: Faults | None) -> Self:
        """The same repository, in whose transactions these may happen (None: those that may happen here).

        It closes with this one.
        """
        if faults is None or faults is self.faults:
            return self
        other = copy(self)
        other.faults = faults
        return other

    def telling(self, settings: Mapping[str, str]) -> Self:
        """The same repository, whose readers tell these settings otherwise than it keeps them. It closes with it."""
        other = copy(self)
        other._told = settings
        return other

    def let_go(self) -> None:
        """Close it; if the file has lost its name, what its log has is moved into it, and is in nobody's way."""
        self._name.opened.let_go()

    def close(self) -> None:
        self._name.opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _lay_out(self) -> None:
        with self._name.opened.writing.connection() as db:
            # Not inside a transaction. The file remembers it.
            db.execute("PRAGMA journal_mode=WAL")
        with self._name.opened.writing.transaction() as db:
            newest_schema(db)
            settings = {
                "server-code": secrets.token_hex(20),
                "role": schema.PRIMARY,
                "epoch": new_epoch(),
            }
            db.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
            db.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
            set_mark(db)

    @contextmanager
    def placed_at_last(self) -> Iterator[None]:
        """Of a new file: check-ins are indexed by their places when the block has ended well.

        Nearly all are unplaced at first and published then: their entries would come and go, and leave empty pages.
        """
        with self._name.opened.writing.transaction() as db:
            for name, _ in _indexes_by_place(db):
                db.execute(f"DROP INDEX {name}")
        yield
        with closing(sqlite3.connect(":memory:")) as new:
            newest_schema(new)
            indexes = _indexes_by_place(new)
        with self._name.opened.writing.transaction() as db:
            for _, statement in indexes:
                db.execute(statement)

    def vacuum(self) -> None:
        """Write the file anew, without empty pages, and empty its log. Rows keep their numbers; a kill changes nothing.

        Raises:
            Busy: somebody reads or writes it.
            NoRoom: the disk is full: twice the size of the file is needed for a moment.
        """
        opened = self._current()
        with explained(self.path, "written"), opened.writing.connection() as db:
            db.execute("VACUUM")
            self.write_out()
        opened.file.check("nothing was changed")

    def write_out(self) -> None:
        """Move everything from the WAL into the file: only that is linked, and closing would not report a full disk.

        Raises:
            NoRoom: the disk is full.
            XferzoneError: the file cannot be written.
        """
        with explained(self.path, "written"), self._name.opened.writing.connection() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _shorten_wal(self, opened: Opened) -> None:
        """After a commit: move a large WAL into the file, and start it again if its readers end soon."""
        size = opened.file.log_size()
        if size < self._wal_bound:
            return
        is_kept, end = True, time.monotonic() + _WAL_PATIENCE_S
        with opened.writing.connection() as db:
            # Many short attempts: those within one long busy timeout may coincide with readers every time.
            db.execute(f"PRAGMA busy_timeout={_WAL_TRY}")
            with suppress(sqlite3.OperationalError):  # such as a full disk: the commit stands
                # Most of it is moved while others write; after a long reader, such as a backup, that may be much.
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                while is_kept and time.monotonic() < end:
                    (is_kept, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            db.execute(f"PRAGMA busy_timeout={pool.BUSY_TIMEOUT * 1000}")
        self._wal_bound = size + MAX_WAL if is_kept else MAX_WAL

    def _current(self) -> Opened:
        """What is at the name. Raises as `follow`."""
        opened = self._name.current()
        if opened is not self._cached:
            self._cache, self._cached = (
                ContentCache(self._cache.limit),
                opened,
            )  # rows have other numbers there
        return opened


def _renew(db: sqlite3.Connection) -> None:
    db.execute("COMMIT")
    db.execute("BEGIN")


def _in_place(opened: Opened) -> Callable[[], None]:
    return lambda: opened.file.check("nothing was stored: try again")


def _indexes_by_place(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """The indexes of check-ins that name places, with what makes them."""
    query = "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'checkin' AND sql LIKE '% WHERE place %'"
    return db.execute(query).fetchall()


def new_epoch() -> str:
    """A name for one life of a repository, within which its moves are numbered (refs/local.py)."""
    return secrets.token_hex(8)


def newest_schema(db: sqlite3.Connection) -> None:
    """Lay out an empty database with the schema of this release."""
    for statement in migrations.statements():
        db.execute(statement)
