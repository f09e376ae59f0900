"""Connections to one SQLite file, and the transactions on them. An idle connection waits for the next user.

    transaction   BEGIN or BEGIN IMMEDIATE ─> the block ─> COMMIT, or ROLLBACK on an exception
    connection    no transaction: for what must stand outside of one

A connection serves one thread at a time. Connections are made when they are needed, so a fork before the first use is
safe; after it a child must open the file anew.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

BUSY_TIMEOUT = 30  # seconds that a writer waits for the one before it
MAX_IDLE = 8  # connections of a pool that are kept open while nobody uses them; web runs 8 threads


class Pool:
    """The connections of one kind: `begin` is "BEGIN", for readers, or "BEGIN IMMEDIATE", for the one writer.

    `wal_limit`: bytes to which a WAL is cut when it starts again; for writers.
    """

    def __init__(self, path: Path, begin: str, wal_limit: int = 0) -> None:
        self._uri = f"file:{quote(str(path.absolute()))}?mode=rw"
        self._begin, self._wal_limit = begin, wal_limit
        self._idle: list[sqlite3.Connection] = []

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that no one else uses until the block ends."""
        try:
            db = self._idle.pop()
        except IndexError:
            db = self.connect()
        try:
            yield db
        finally:
            self._take_back(db)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed if the block ends well, else rolled back."""
        with self.connection() as db:
            db.execute(self._begin)
            yield db
            db.execute("COMMIT")

    def connect(self) -> sqlite3.Connection:
        """A new connection, in autocommit mode: the kind of each transaction is ours to choose."""
        db = sqlite3.connect(
            self._uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        db.execute("PRAGMA synchronous=FULL")
        if self._begin == "BEGIN":
            db.execute("PRAGMA query_only=ON")
        else:
            db.execute(f"PRAGMA journal_size_limit={self._wal_limit}")
        return db

    def close(self) -> None:
        """Close what is idle; the others are closed when they come back, or serve on if the pool is used again."""
        while self._idle:
            self._idle.pop().close()

    def _take_back(self, db: sqlite3.Connection) -> None:
        """Keep the connection for the next user, outside any transaction; SQLite may have ended it by itself."""
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except BaseException:
            db.close()
            raise
        if len(self._idle) < MAX_IDLE:
            self._idle.append(db)
        else:
            db.close()
