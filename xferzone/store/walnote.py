"""Whose write-ahead log lies beside a database: SQLite replays any that has the right name.

    FILE-wal.of     VERSION DEVICE INODE BOOT MARK     in one line
                    written before a log is made; removed by the last process that closes the database

    no log                         nothing to lose: the note is written anew
    a log without a note           another program made it: it is taken, and noted
    a log whose note fits          ours
    a log whose note does not fit  refused: another file was put in the place of the one whose log it is. An empty log
                                   that nobody has open is removed instead

MARK is the database's user_version, a random number of each new repository and each copy: a backup that `cp` wrote over
the file has its inode, and another mark. Device numbers may change when a machine starts again: of a note from before,
only inode and mark count. Who has the database open has flock(2) LOCK_SH on the note, so that nobody removes it from
under somebody who is about to make a log.
"""

import contextlib
import fcntl
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from xferzone.errors import XferzoneError

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")  # proc(5)
_NO_MARK: Final = "0"  # of repositories from before there were marks; these fit by their inode
_WORDS: Final = 5  # of a note
_MAX_NOTE: Final = 200  # bytes
_TRIES: Final = 100  # a note is removed and made again between two steps of ours


class Identity(NamedTuple):
    """What makes a file itself, as long as somebody has it open."""

    device: int
    inode: int


class ForeignLog(XferzoneError):
    """The log beside a database belongs to another file; the message says what can be done."""


def log_of(real: Path) -> Path:
    """The write-ahead log of the database `real`, which is no symbolic link."""
    return real.with_name(f"{real.name}-wal")


def index_of(real: Path) -> Path:
    """The index of that log, which processes share."""
    return real.with_name(f"{real.name}-shm")


def note_of(real: Path) -> Path:
    """The note of whose log it is."""
    return real.with_name(f"{real.name}-wal.of")


def set_mark(db: sqlite3.Connection) -> None:
    """Give a database that is new, or a copy, a mark of its own."""
    db.execute(f"PRAGMA user_version={1 + secrets.randbelow(2**31 - 1)}")


def claim(real: Path, identity: Identity, *, may_write: bool) -> int:
    """Note that a log beside `real`, the file `identity`, is its own; a descriptor for `release`, -1: nothing to do.

    Raises:
        ForeignLog: a log lies there that is not.
    """
    # Whoever makes a log has noted it before, so look for the log first.
    has_log = log_of(real).exists()
    held = _held(real) if may_write else -1
    try:
        noted = _read(real)
        if not has_log or not noted:
            if held >= 0 and not _fits(noted, real, identity):
                _write(held, real, identity)
        elif not _fits(noted, real, identity) and not _cleared(held, real, identity):
            raise ForeignLog(_refusal(real))
    except BaseException:
        _close(held)
        raise
    return held


def _cleared(held: int, real: Path, identity: Identity) -> bool:
    """Whether the log of another file was empty, nobody had it open, and so it was removed."""
    if held < 0 or log_of(real).stat().st_size:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(held, fcntl.LOCK_SH)
        return False
    # Alone: nobody else who asks for the note is about to make a log here.
    is_empty = log_of(real).exists() and not log_of(real).stat().st_size
    if is_empty and _is_at_name(real, held) and not _fits(_read(real), real, identity):
        log_of(real).unlink()
        index_of(real).unlink(missing_ok=True)
        _write(held, real, identity)
    fcntl.flock(held, fcntl.LOCK_SH)
    return is_empty and _fits(_read(real), real, identity)


def accept(real: Path, identity: Identity) -> None:
    """Note that the log that lies there belongs to the file, whatever was noted. Raises OSError."""
    held = _held(real)
    if held < 0:
        raise PermissionError(1, "its note cannot be written", str(note_of(real)))
    _write(held, real, identity)
    _close(held)


def is_foreign(real: Path, identity: Identity) -> bool:
    """Whether a log lies beside the file that is noted as another one's."""
    noted = _read(real)
    return log_of(real).exists() and bool(noted) and not _fits(noted, real, identity)


def release(real: Path, held: int) -> None:
    """Let go of what `claim` gave; the last one removes the note, if no log is left."""
    if held < 0:
        return
    try:
        with contextlib.suppress(OSError):
            if not log_of(real).exists():
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not log_of(real).exists() and _is_at_name(real, held):
                    note_of(real).unlink()
    finally:
        _close(held)


def _held(real: Path) -> int:
    """The note, made if it is missing, with a shared lock; -1: it cannot be made here."""
    note = note_of(real)
    for _ in range(_TRIES):
        try:
            held = os.open(note, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return -1
        with contextlib.suppress(OSError):  # another user's: he may read it already
            os.fchmod(held, os.stat(real).st_mode & 0o777)  # noqa: PTH116 - as elsewhere here
        fcntl.flock(held, fcntl.LOCK_SH)
        if _is_at_name(real, held):
            return held
        os.close(held)
    return -1


def _is_at_name(real: Path, held: int) -> bool:
    try:
        return os.path.samestat(os.fstat(held), note_of(real).stat())
    except OSError:
        return False


def _read(real: Path) -> list[str]:
    """The words of the note; none: it is missing, or not written yet."""
    try:
        return note_of(real).read_bytes()[:_MAX_NOTE].decode("ascii", "replace").split()
    except OSError:
        return []


def _write(held: int, real: Path, identity: Identity) -> None:
    line = f"1 {identity.device} {identity.inode} {_boot()} {_mark(real)}".ljust(_MAX_NOTE - 1) + "\n"
    with contextlib.suppress(OSError):  # a full disk: SQLite cannot make a log there either
        os.pwrite(held, line.encode(), 0)


def _fits(noted: list[str], real: Path, identity: Identity) -> bool:
    if noted[:1] != ["1"] or len(noted) < _WORDS:
        return False
    _, device, inode, boot, mark = noted[:_WORDS]
    is_same = inode == str(identity.inode) and (boot != _boot() or device == str(identity.device))
    return is_same and mark in (_NO_MARK, _mark(real))


def _mark(real: Path) -> str:
    """The database's mark, read without its log; _NO_MARK: it has none, or is not a database.

    Read by SQLite alone: to close the file in any other way would drop the locks that this process has on it.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(real))}?mode=ro&immutable=1", uri=True)) as db:
            # A checkpoint that a full disk cut short leaves a file that looks damaged without its log.
            db.execute("PRAGMA writable_schema=ON")
            (mark,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error:
        return _NO_MARK
    return str(mark)


def _boot() -> str:
    """The name of this run of the machine; "-": the system has no such thing."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return "-"


def _close(held: int) -> None:
    if held >= 0:
        os.close(held)


def _refusal(real: Path) -> str:
    return (
        f"{log_of(real)} is the write-ahead log of another file, in whose place {real.name} was put; with it SQLite "
        f"would damage {real.name}: nothing was read. A server that still runs lets go of it within 2 s. Otherwise, if "
        f"you put a backup there: `xferzone -R {real} restore {real}`. If you copied the file and its log together: "
        f"`xferzone -R {real} repair --accept-wal`"
    )
