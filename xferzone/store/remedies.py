"""Remedies: errors of SQLite about the file or the disk, in our words and with what mends them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xferzone.errors import Busy, XferzoneError

_MAY_WRITE = ": you need permission to write to the file and to its directory"
_REMEDIES = {
    sqlite3.SQLITE_CANTOPEN: _MAY_WRITE,
    sqlite3.SQLITE_READONLY: _MAY_WRITE,
    sqlite3.SQLITE_FULL: ": make room",
    sqlite3.SQLITE_IOERR: ": is the disk full, or failing?",
    sqlite3.SQLITE_CORRUPT: "; restore a copy, or `xferzone clone` from a remote into a new file",
    sqlite3.SQLITE_NOTADB: "; restore it from a backup",
}


@contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn errors of SQLite into ours: `path` cannot be `what` ("read", "written"), the reason, and the remedy.

    Raises:
        Busy: another process keeps the file locked.
        XferzoneError: anything else.
    """
    try:
        yield
    except sqlite3.DatabaseError as exc:
        found = code(exc)
        if found in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy(f"{path} is being written by another process: try again") from exc
        raise XferzoneError(f"{path} cannot be {what}: {exc}{_REMEDIES.get(found, '')}") from exc


def code(exc: sqlite3.Error) -> int:
    """SQLite's primary result code, the low byte of the extended one; 0: it has no code."""
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF
