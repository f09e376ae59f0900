"""A new repository file of stock's: what it derives is left to `fossil rebuild`, which it asks for by itself."""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from xferzone.cards.rows import NULL, Row, value
from xferzone.hashing import ArtifactId
from xferzone.store.accounts import User
from xferzone.store.newfile import new_file
from xferzone.store.remedies import explained
from xferzone.store.stock import layout
from xferzone.store.unversioned import Unversioned

_RECEIVED: Final = 1  # the one row of rcvfrom: all came together
_JULIAN_1970: Final = 2440587.5  # days
_DAY_MS: Final = 86_400_000


class StockFile:
    """The file that is being made."""

    def __init__(self, db: sqlite3.Connection, now_ms: int) -> None:
        self._db = db
        self._now_s = now_ms // 1000
        self._now_julian = _JULIAN_1970 + now_ms / _DAY_MS

    def lay_out(self, settings: Mapping[str, str], users: Iterable[User]) -> None:
        """Make the tables, with these settings and accounts, the first of which brought everything."""
        db = self._db
        for statement in layout.TABLES:
            db.execute(statement)
        db.execute(f"PRAGMA application_id={layout.APPLICATION_ID}")
        rows = [(name, value, self._now_s) for name, value in settings.items()]
        db.executemany("INSERT INTO config VALUES (?, ?, ?)", rows)
        db.executemany(
            "INSERT INTO user (login, pw, cap, info, mtime) VALUES (?, ?, ?, '', ?)",
            [(user.login, user.secret, user.caps, self._now_s) for user in users],
        )
        db.execute("INSERT INTO rcvfrom VALUES (?, 1, ?, NULL, NULL)", (_RECEIVED, self._now_julian))

    def put_row(self, row: Row) -> None:
        """Store a row of configuration; of an account that was laid out, what beside its rights is known."""
        fields = {each: value(literal) for each, literal in row.fields.items() if literal != NULL}
        if row.table == "user":
            fields.pop("cap", None)
            sets = "".join(f", {each} = ?" for each in fields)
            query = f"UPDATE user SET mtime = ?{sets} WHERE login = ?"  # noqa: S608 our own names
            self._db.execute(query, (row.mtime, *fields.values(), row.key))
            return
        names = ", ".join((layout.KEYS[row.table], "mtime", *fields))
        places = ", ".join("?" for _ in (row.key, row.mtime, *fields))
        query = f"INSERT OR IGNORE INTO {row.table} ({names}) VALUES ({places})"  # noqa: S608 our own names
        self._db.execute(query, (row.key, row.mtime, *fields.values()))

    def put(self, rid: int, artifact: ArtifactId, size: int, payload: bytes, source: int | None) -> None:
        """Store an artifact of `size` bytes: its content, or its delta against the one in row `source`."""
        row = (rid, _RECEIVED, size, artifact, _packed(payload))
        self._db.execute("INSERT INTO blob VALUES (?, ?, ?, ?, ?)", row)
        if source is not None:
            self._db.execute("INSERT INTO delta VALUES (?, ?)", (rid, source))

    def shun(self, artifact: ArtifactId, time_ms: int, comment: str) -> None:
        """Shun a name, which is not here."""
        self._db.execute("INSERT INTO shun VALUES (?, ?, ?)", (artifact, time_ms // 1000, comment or None))

    def put_file(self, state: Unversioned, content: bytes | None) -> None:
        """Store an unversioned file. `content` None: it is deleted."""
        stored = None if content is None else _packed(content)
        row = (
            state.name,
            _RECEIVED,
            state.mtime,
            state.artifact,
            state.size,
            int(stored is not None),
            stored,
        )
        query = """INSERT INTO unversioned (name, rcvid, mtime, hash, sz, encoding, content)
                   VALUES (?, ?, ?, ?, ?, ?, ?)"""
        self._db.execute(query, row)


def _packed(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + zlib.compress(content)


@contextmanager
def making(path: Path, now_ms: int) -> Iterator[StockFile]:
    """A new file. It is at `path` when the block has ended well; otherwise nothing is left.

    Raises:
        Exists: something is at `path` already.
        NotFound: its directory is not there.
        XferzoneError: the disk is full, or the directory cannot be written.
    """
    with new_file(path, "written", "give another name") as made, closing(sqlite3.connect(made)) as db:
        db.isolation_level = None
        # Nobody else has the file, and after a crash it is made anew: what counts is that it is whole at the end.
        db.execute("PRAGMA journal_mode=OFF")
        with explained(path, "written"):
            db.execute("BEGIN")
            yield StockFile(db, now_ms)
            db.execute("COMMIT")
