"""Connections to one SQLite file, and the transactions on them. An idle connection waits for the next user.

    transaction   BEGIN or BEGIN IMMEDIATE ─> the block ─> COMMIT, or ROLLBACK on an exception
    connection    no transaction: for what must stand outside of one

A connection serves one thread at a time. Connections are made when they are needed, so a fork before the first use is
safe; after it a child must open the file anew.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BUSY_TIMEOUT = 30  # seconds that a writer waits for the one before it
MAX_IDLE = 8  # connections of a pool that are kept open while nobody uses them; web runs 8 threads


class Pool:
    """The connections of one kind: `begin` is "BEGIN", for readers, or "BEGIN IMMEDIATE", for the one writer.

    `connect` makes a new one, in autocommit mode: the kind of each transaction is ours to choose.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], begin: str, most_idle: int = MAX_IDLE
    ) -> None:
        """`most_idle`: as MAX_IDLE is."""
        self.connect = connect
        self._begin = begin
        self._most_idle = most_idle
        self._idle: list[sqlite3.Connection] = []
        self._is_closed = False

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
    def transaction(self, check: Callable[[], None] | None = None) -> Iterator[sqlite3.Connection]:
        """A transaction: committed if the block ends well and `check` then raises nothing, else rolled back."""
        with self.connection() as db:
            db.execute(self._begin)
            yield db
            if check is not None:
                check()
            db.execute("COMMIT")

    def idle(self) -> sqlite3.Connection | None:
        """A connection that nobody uses at the moment, and that stays in the pool; None: there is none."""
        return self._idle[-1] if self._idle else None

    def close(self) -> None:
        """Close what is idle; the others are closed when they come back."""
        self._is_closed = True
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
        if len(self._idle) < self._most_idle and not self._is_closed:
            self._idle.append(db)
        else:
            db.close()
