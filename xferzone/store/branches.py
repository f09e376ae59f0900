"""The branch of each check-in, handed down along first parents in whatever order check-ins arrive.

It is the value of the newest `branch` tag set directly on the check-in, else what its first parent hands down: nothing
after a `+` (which does not propagate) or a `-`. Source: Fossil 2.21, src/tag.c tag_propagate().

    wave     new check-ins, and those whose branch tag has changed; each after its parent
    next     the children of those; then, where these change, all that inherits from them; until none are left
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from xferzone.store import schema
from xferzone.store.sql import COUNTS_FIRST, selected


class New(NamedTuple):
    """What the manifest of a new check-in says: its date, and which zones it may hold files of (store/zoned.py)."""

    date_ms: int
    zones: int


#: Check-ins and all that inherits from them: a line may be long, and is settled at once.
_INHERITING = """WITH RECURSIVE heir(rid) AS (
                     SELECT rid FROM checkin WHERE rid IN (?)
                     UNION SELECT child FROM heir JOIN parent ON parent.parent = heir.rid AND position = 0
                     WHERE NOT EXISTS (SELECT 1 FROM tag WHERE target = child AND name = 'branch'))
                 SELECT rid FROM heir"""


def hand_down(db: sqlite3.Connection, new: Mapping[int, New], tagged: Collection[int]) -> set[int]:
    """Record the check-ins `new`, by row, with their branches, and update every check-in that inherits from them.

    `tagged` are artifacts whose branch tag may have changed. Parents and tags must be in their tables already. Returns
    those that are on another branch now, and `new`.
    """
    wave: Collection[int] = {*new, *tagged}
    is_known, all_changed = False, set[int]()
    while wave:
        changed = _settle(db, wave, new)
        all_changed.update(changed)
        new = {}
        children = selected(db, "SELECT child FROM parent WHERE position = 0 AND parent IN (?)", changed)
        heirs = {child for (child,) in children} - set(wave)
        # The children of what is new have mostly its branch: all that follows is looked at once they change.
        wave = {rid for (rid,) in selected(db, _INHERITING, heirs)} if is_known else heirs
        is_known = True
    return all_changed


def _settle(db: sqlite3.Connection, wave: Collection[int], new: Mapping[int, New]) -> list[int]:
    """Set the branches of the check-ins of one wave; returns those whose branch has changed."""
    query = "SELECT child, parent FROM parent WHERE position = 0 AND child IN (?)"
    parents: dict[int, int] = dict(selected(db, query, wave))
    around = {*wave, *parents.values()}
    stood = {
        rid: (branch, place)
        for rid, branch, place in selected(
            db, "SELECT rid, branch, place FROM checkin WHERE rid IN (?)", around
        )
    }
    stood |= dict.fromkeys(new, (None, schema.UNPLACED))
    branches = {rid: branch for rid, (branch, _) in stood.items()}
    tags = _branch_tags(db, around)
    for rid in _parents_first(wave, parents):
        if rid in stood:
            branches[rid] = _branch(rid, parents.get(rid), branches, tags)
    changed = [rid for rid in wave if rid in stood and branches[rid] != stood[rid][0]]
    db.executemany(
        "INSERT INTO checkin (rid, date_ms, branch, zones) VALUES (?, ?, ?, ?)",
        [(rid, each.date_ms, branches[rid], each.zones) for rid, each in new.items()],
    )
    moved = [rid for rid in changed if rid not in new]
    # A check-in that moved to another branch is settled again; where a ref stands does not change (law 4).
    kept = (schema.PUBLISHED, schema.WAITING)
    places = {rid: stood[rid][1] if stood[rid][1] in kept else schema.UNPLACED for rid in moved}
    query = "UPDATE checkin SET branch = ?, place = ? WHERE rid = ?"
    db.executemany(query, [(branches[rid], places[rid], rid) for rid in moved])
    db.executemany("DELETE FROM invalid WHERE rid = ?", [(rid,) for rid in moved])
    return [*moved, *new]


def _branch(
    rid: int,
    parent: int | None,
    branches: Mapping[int, str | None],
    tags: Mapping[int, tuple[str, str | None]],
) -> str | None:
    own = tags.get(rid)
    if own is not None:
        return None if own[0] == "-" else own[1]
    handed = None if parent is None else branches.get(parent)
    if handed is None or parent is None or tags.get(parent, ("",))[0] == "+":
        return None
    return handed


def _branch_tags(db: sqlite3.Connection, rids: Collection[int]) -> dict[int, tuple[str, str | None]]:
    """Prefix and value of each artifact's own branch tag, of those that have one."""
    rows = selected(
        db,
        f"SELECT target, prefix, value FROM tag WHERE name = 'branch' AND target IN (?) ORDER BY {COUNTS_FIRST}",  # noqa: S608 our own text
        rids,
    )
    return {target: (prefix, value) for target, prefix, value in reversed(rows)}


def _parents_first(wave: Collection[int], parents: Mapping[int, int]) -> Iterator[int]:
    """The rows of `wave`, each after its first parent if that is one of them."""
    done: set[int] = set()
    for start in wave:
        line = []
        at: int | None = start
        while at is not None and at in wave and at not in done:
            done.add(at)
            line.append(at)
            at = parents.get(at)
        yield from reversed(line)
