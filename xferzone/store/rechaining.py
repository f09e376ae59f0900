"""Rechaining: what check-ins replace becomes deltas of the newer versions, in whatever order all of it arrived.

    a check-in arrives         each file that it replaces, and that a child of it replaces: an older and a newer version
    more of them are to come   the check-in is noted; all are rechained at once, branch by branch, when they are here

Until then what arrived as a delta of an older version is kept as that, which is as sound and as small, but takes longer
to read and to send. The notes are in the database: whichever process comes next goes on.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from xferzone.artifacts import CheckIn, replaced
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store.chains import id_of
from xferzone.store.phantoms import Expecting
from xferzone.store.reader import Reader
from xferzone.store.sql import selected
from xferzone.store.turning import Turning

LOOKED_UP: Final = 100  # check-ins whose pairs are looked up together
AT_ONCE: Final = 500  # check-ins that are taken off the notes together
_SOUGHT: Final = 20_000  # of the notes that are put in order together


class _Step(NamedTuple):
    """A check-in and its first parent, both here."""

    date_ms: int
    rid: int
    child: ArtifactId
    parent: ArtifactId


class Known(NamedTuple):
    """What is known of artifacts without a look at their rows.

    Fields:
        sources: of those that are deltas.
        small: those that are chained to nothing (turning.py:SMALLEST).
        pairs: by row of a check-in, what it replaces, and by what.
    """

    sources: Mapping[ArtifactId, ArtifactId]
    small: Collection[ArtifactId]
    pairs: Mapping[int, Sequence[tuple[ArtifactId, ArtifactId]]]

    def is_done(self, older: ArtifactId, newer: ArtifactId) -> bool:
        """Whether nothing is left to be chained there."""
        return self.sources.get(older) == newer or older in self.small or newer in self.small


_NOTHING: Final = Known({}, (), {})


def never() -> bool:
    return False


def take_up(writer: Expecting, checkins: Collection[int], known: Known) -> None:
    """Rechain what these check-ins, which have just come, replace, and what their children replace of them; or note it
    for `rechain_noted`, where the writer is told to rechain later.
    """
    steps = {*checkins, *_children(writer.db, checkins)}
    steps -= {rid for rid, pairs in known.pairs.items() if all(known.is_done(*pair) for pair in pairs)}
    if writer.rechains_later:
        writer.db.executemany("INSERT OR IGNORE INTO unchained VALUES (?)", [(rid,) for rid in steps])
        writer.fault("store.rechaining-noted", 0.05)
    else:
        _rechain(writer, steps, known, never)


def noted(reader: Reader, most: int) -> int:
    """How many check-ins are noted; no more than `most` are counted."""
    query = "SELECT count(*) FROM (SELECT 1 FROM unchained LIMIT ?)"
    (count,) = reader.db.execute(query, (most,)).fetchone()
    return int(count)


def rechain_noted(writer: Expecting, is_over: Callable[[], bool] = never) -> bool:
    """Rechain for the check-ins that are noted, branch by branch, at least for one, until `is_over`.

    Returns whether none is left.
    """
    db = writer.db
    query = """SELECT rid FROM (SELECT rid FROM unchained ORDER BY rid LIMIT ?) LEFT JOIN checkin USING (rid)
               ORDER BY branch, date_ms, rid"""
    rids = iter([rid for (rid,) in db.execute(query, (_SOUGHT,))])
    while group := list(islice(rids, AT_ONCE)):
        left = _rechain(writer, group, _NOTHING, is_over)
        writer.fault("store.rechained", 0.1)
        db.executemany("DELETE FROM unchained WHERE rid = ?", [(rid,) for rid in group if rid not in left])
        db.executemany("INSERT OR IGNORE INTO unchained VALUES (?)", [(rid,) for rid in left])
        if left or is_over():
            break
    return not noted(writer, 1)


def _rechain(
    writer: Expecting,
    steps: Collection[int],
    known: Known,
    is_over: Callable[[], bool],
) -> set[int]:
    """Store what these check-ins replace as deltas of what they replace it with. Returns those that are left.

    A newer version that was a delta of the older is whole afterwards, and may become a delta of what replaced it in
    turn. So this goes on towards the tips.
    """
    turning = Turning(writer)
    order: dict[int, int] = {}  # of the check-ins done
    followed: set[int] = set()  # a loop of parents, which only damage makes, ends
    while steps:
        turned: list[int] = []
        found = _steps(writer.db, steps)
        for number, (step, pairs) in enumerate(_unchained(writer, turning, found, known)):
            if order and is_over():
                turning.write()
                return {each.rid for each in found[number:]} | set(_children(writer.db, turned))
            for older, newer in pairs:
                if turning.chain(older, newer):
                    turned.append(step.rid)
            order[step.rid] = len(order)
        children = _children(writer.db, turned)
        steps = {
            child
            for child, parent in children.items()
            if order.get(child, -1) < order[parent] and child not in followed
        }
        followed |= steps
    writer.fault("store.chains-turned", 0.02)
    turning.write()
    return set()


def _unchained(
    writer: Expecting, turning: Turning, steps: Sequence[_Step], known: Known
) -> Iterator[tuple[_Step, list[tuple[ArtifactId, ArtifactId]]]]:
    """Each step with the pairs of it that are not known to be chained, looked up some at a time."""
    for start in range(0, len(steps), LOOKED_UP):
        some = [
            (step, [(old, new) for old, new in _pairs(writer, step) if not known.is_done(old, new)])
            for step in steps[start : start + LOOKED_UP]
        ]
        turning.look_up([artifact for _, pairs in some for pair in pairs for artifact in pair])
        yield from some


def _children(db: sqlite3.Connection, checkins: Collection[int]) -> dict[int, int]:
    """The check-ins that have one of these as their first parent, and which."""
    return dict(
        selected(db, "SELECT child, parent FROM parent WHERE position = 0 AND parent IN (?)", checkins)
    )


def _steps(db: sqlite3.Connection, checkins: Collection[int]) -> list[_Step]:
    """The check-ins by date, but for those whose first parent is not here."""
    query = """SELECT date_ms, child, own.hash, older.hash FROM parent JOIN checkin ON checkin.rid = child
               JOIN blob AS own ON own.rid = child JOIN blob AS older ON older.rid = parent
               WHERE position = 0 AND older.content IS NOT NULL AND child IN (?)"""
    steps = [
        _Step(date_ms, rid, id_of(own), id_of(older))
        for date_ms, rid, own, older in selected(db, query, checkins)
    ]
    return sorted(steps)


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
