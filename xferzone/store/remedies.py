"""Remedies: errors of SQLite about the file or the disk, in our words and with what mends them."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xferzone.errors import Busy, NoRoom, ReadOnly, XferzoneError

_MAY_WRITE = ": you need permission to write to the file and to its directory"
_MAYBE_FULL = (
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
)  # what SQLite says when an index of its log has no room
_ROOM = 64 * 1024  # bytes; such an index has 32 KiB
_REMEDIES = {
    sqlite3.SQLITE_IOERR: ": is the disk full, or failing?",
    sqlite3.SQLITE_CORRUPT: ": `xferzone restore FILE` puts a backup in its place; or `xferzone clone` from a remote "
    "into a new file",
    sqlite3.SQLITE_NOTADB: ": `xferzone restore FILE` puts a backup in its place",
    sqlite3.SQLITE_ERROR: ": `xferzone check` says what is damaged",
}


@contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn errors of SQLite into ours: `path` cannot be `what` ("read", "written"), the reason, and the remedy.

    Raises:
        Busy: another process keeps the file locked.
        NoRoom: the disk is full.
        ReadOnly: the file, or its directory, may not be written to.
        XferzoneError: anything else.
    """
    try:
        yield
    except sqlite3.DatabaseError as exc:
        found = code(exc)
        if found in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy(f"{path} is being written by another process: try again") from exc
        if found == sqlite3.SQLITE_FULL or (found in _MAYBE_FULL and _is_full(path)):
            raise NoRoom(f"{path} cannot be {what}: its disk is full: make room, and try again") from exc
        if found in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise ReadOnly(f"{path} cannot be {what}: {exc}{_MAY_WRITE}") from exc
        raise XferzoneError(f"{path} cannot be {what}: {exc}{_REMEDIES.get(found, '')}") from exc


def _is_full(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ROOM and not found.f_flag & os.ST_RDONLY


def code(exc: sqlite3.Error) -> int:
    """SQLite's primary result code, the low byte of the extended one; 0: it has no code."""
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF
