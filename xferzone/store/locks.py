"""Check-in locks: who is about to commit on a leaf, so that a second committer hears of it before the work is done.

    free       nobody asked for the check-in, or who did was given it LOCK_MS ago, or it has a child on its branch now
    locked     by one client; the same one may ask again, others are told who holds it and since when

A lock keeps no push out: it warns whoever asks. What is expired goes when the next one is asked for.
Source: Fossil 2.21, src/xfer.c page_xfer(), "pragma ci-lock" and "pragma ci-unlock".
"""

from typing import Final, NamedTuple

from xferzone.hashing import ArtifactId
from xferzone.store.writer import Writer

LOCK_MS: Final = 60_000  # how long a lock holds; Fossil's setting lock-timeout


class Holder(NamedTuple):
    """Whose a lock is, and since when, in milliseconds since 1970."""

    login: str
    since_ms: int


def lock(writer: Writer, checkin: ArtifactId, client: str, login: str, now_ms: int) -> Holder | None:
    """Give `client` of `login` the lock of a check-in, if that is a leaf. Returns whose it is, where another has it."""
    writer.db.execute(
        """DELETE FROM checkin_lock WHERE at NOT BETWEEN ? AND ? OR EXISTS (
               SELECT 1 FROM parent JOIN checkin ON checkin.rid = parent.child
               WHERE parent.parent = checkin_lock.rid
               AND checkin.branch IS (SELECT branch FROM checkin WHERE rid = checkin_lock.rid))""",
        (now_ms - LOCK_MS, now_ms + LOCK_MS),
    )
    rid = writer.rid(checkin)
    if rid is None or not writer.is_checkin(checkin):
        return None
    row = writer.db.execute("SELECT client, login, at FROM checkin_lock WHERE rid = ?", (rid,)).fetchone()
    if row is not None and row[0] != client:
        return Holder(*row[1:])
    writer.db.execute("INSERT OR REPLACE INTO checkin_lock VALUES (?, ?, ?, ?)", (rid, client, login, now_ms))
    return None


def unlock(writer: Writer, client: str, login: str) -> None:
    """Free what `client` of `login` has locked."""
    writer.db.execute("DELETE FROM checkin_lock WHERE client = ? AND login = ?", (client, login))
