"""Rechaining: what check-ins replace becomes deltas of the newer versions, in whatever order all of it arrived.

    a check-in arrives         each file that it replaces, and that a child of it replaces: an older and a newer version
    more of them is to come    the check-in is noted; all are rechained at once, branch by branch, when they are here

Until then what arrived as a delta of an older version is kept as that, which is as sound and as small, but takes longer
to read and to send. The notes are in the database: whichever process comes next goes on.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from xferzone.artifacts import CheckIn, replaced
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store.chains import id_of
from xferzone.store.phantoms import Expecting
from xferzone.store.reader import Reader
from xferzone.store.sql import selected
from xferzone.store.turning import Turning

AT_ONCE: Final = 500  # check-ins that are taken off the notes together
_SOUGHT: Final = 20_000  # of the notes that are put in order together


class _Step(NamedTuple):
    """A check-in and its first parent, both here."""

    date_ms: int
    rid: int
    child: ArtifactId
    parent: ArtifactId


def never() -> bool:
    return False


def note(writer: Expecting, checkins: Collection[int]) -> None:
    """Leave the check-ins in these rows to `rechain_noted`."""
    writer.db.executemany("INSERT OR IGNORE INTO unchained VALUES (?)", [(rid,) for rid in checkins])


def noted(reader: Reader, most: int) -> int:
    """How many check-ins are noted; no more than `most` are counted."""
    query = "SELECT count(*) FROM (SELECT 1 FROM unchained LIMIT ?)"
    (count,) = reader.db.execute(query, (most,)).fetchone()
    return int(count)


def rechain_noted(writer: Expecting, is_over: Callable[[], bool] = never) -> bool:
    """Rechain for the check-ins that are noted, branch by branch, until `is_over`. Returns whether none is left."""
    db = writer.db
    query = """SELECT rid FROM (SELECT rid FROM unchained ORDER BY rid LIMIT ?) LEFT JOIN checkin USING (rid)
               ORDER BY branch, date_ms, rid"""
    rids = iter([rid for (rid,) in db.execute(query, (_SOUGHT,))])
    while group := list(islice(rids, AT_ONCE)):
        if not rechain(writer, group, is_over=is_over):
            return False
        db.executemany("DELETE FROM unchained WHERE rid = ?", [(rid,) for rid in group])
        if is_over():
            break
    return not noted(writer, 1)


def rechain(
    writer: Expecting,
    touched: Collection[int],
    sources: Mapping[ArtifactId, ArtifactId] | None = None,
    is_over: Callable[[], bool] = never,
) -> bool:
    """Store what these check-ins replace, and what their children replace of them, as deltas of the newer version.

    A newer version that was a delta of the older is whole afterwards, and may become a delta of what replaced it in
    turn. So this goes on towards the tips. Returns whether it came to the end before `is_over`; another call goes on.

    Args:
        sources: of artifacts that are known to be deltas.
    """
    known = sources or {}
    seen: set[int] = set()
    turning = Turning(writer)
    while touched:
        seen.update(touched)
        turned: set[int] = set()
        for step in _steps(writer.db, touched):
            for older, newer in _pairs(writer, step):
                if known.get(older) != newer and turning.chain(older, newer):
                    turned.add(step.rid)
            if is_over():
                turning.write()
                return False
        touched = turned - seen
    turning.write()
    return True


def _steps(db: sqlite3.Connection, touched: Collection[int]) -> list[_Step]:
    """The check-ins `touched` and their children, by date; whose first parent is not here is left out."""
    query = """SELECT date_ms, child, own.hash, older.hash FROM parent JOIN checkin ON checkin.rid = child
               JOIN blob AS own ON own.rid = child JOIN blob AS older ON older.rid = parent
               WHERE position = 0 AND older.content IS NOT NULL AND child IN (?)"""
    rows = selected(db, query, touched) + selected(db, query.replace("child IN", "parent IN"), touched)
    steps = {rid: _Step(date_ms, rid, id_of(own), id_of(older)) for date_ms, rid, own, older in rows}
    return sorted(steps.values(), key=itemgetter(0))


def _pairs(writer: Expecting, step: _Step) -> Iterator[tuple[ArtifactId, ArtifactId]]:
    """The older and newer versions of the files that the step replaces, and of the manifest."""
    older, newer = _manifest(writer, step.parent), _manifest(writer, step.child)
    if older is not None and newer is not None:
        yield from replaced(older, newer)
        yield step.parent, step.child


def _manifest(writer: Expecting, artifact: ArtifactId) -> CheckIn | None:
    """The check-in; None: it cannot be read, or is not a check-in."""
    with suppress(NotFound, CorruptArtifact):
        return writer.checkin(artifact)
    return None
