"""Check-ins that wait are held (place WAITING), so that nobody looks at them before they can be decided upon.

    held        something that the check-in names has not come (table awaited), or its first parent is held, or that is
                no check-in and the branch has no ref, so that it cannot even be moved to a fork
    released    none of it is so any more: what is held behind it goes with it

Each is looked at when it comes and when it is released, however long it waits.
"""

import sqlite3
from collections.abc import Collection
from typing import Final

from xferzone.store.sql import batches, selected

_LACKS: Final = "EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = own.rid)"
_FOLLOWS: Final = """EXISTS (SELECT 1 FROM parent JOIN checkin AS first ON first.rid = parent.parent
                             WHERE child = own.rid AND position = 0 AND first.place = 4)"""
#: That its first parent is here and is not a check-in.
ORPHAN: Final = """EXISTS (SELECT 1 FROM parent JOIN blob ON blob.rid = parent.parent
                           WHERE child = own.rid AND position = 0 AND content IS NOT NULL
                           AND parent.parent NOT IN (SELECT rid FROM checkin))"""
STRAY: Final = f"{ORPHAN} AND NOT EXISTS (SELECT 1 FROM ref WHERE ref.branch = own.branch)"  # noqa: S608 our own text
_HELD: Final = f"""WITH RECURSIVE held(rid) AS (
        SELECT rid FROM checkin AS own WHERE place = 0 AND rid IN (?) AND ({_LACKS} OR {_FOLLOWS} OR {STRAY})
        UNION SELECT child FROM held JOIN parent ON parent.parent = held.rid AND position = 0
        JOIN checkin ON checkin.rid = child AND place = 0) SELECT rid FROM held"""  # noqa: S608 our own text, as below
_FREE: Final = f"""WITH RECURSIVE free(rid) AS (
        SELECT rid FROM checkin AS own WHERE place = 4 AND rid IN (?) AND NOT ({_LACKS} OR {_FOLLOWS} OR {STRAY})
        UNION SELECT own.rid FROM free JOIN parent ON parent.parent = free.rid AND position = 0
        JOIN checkin AS own ON own.rid = child AND place = 4 AND NOT {_LACKS} AND NOT ({STRAY})) SELECT rid FROM free"""  # noqa: S608


def hold(db: sqlite3.Connection, checkins: Collection[int]) -> None:
    """Hold those of these unplaced check-ins, by row, that wait, and what follows them."""
    for query, rows in batches(_HELD, checkins):
        db.execute(f"UPDATE checkin SET place = 4 WHERE rid IN ({query})", rows)  # noqa: S608


def release(db: sqlite3.Connection, checkins: Collection[int]) -> bool:
    """Release those of these check-ins, by row, that wait no longer, and what was held behind them; whether any was."""
    count = 0
    for query, rows in batches(_FREE, checkins):
        count += db.execute(f"UPDATE checkin SET place = 0 WHERE rid IN ({query})", rows).rowcount  # noqa: S608
    return count > 0


def release_on(db: sqlite3.Connection, branch: str) -> bool:
    """The same of all on a branch, which has just got a ref."""
    held = db.execute("SELECT rid FROM checkin WHERE place = 4 AND branch = ?", (branch,)).fetchall()
    return release(db, [rid for (rid,) in held])


def release_after(db: sqlite3.Connection, placed: Collection[int]) -> None:
    """The same of what follows these, which were held themselves and are settled now."""
    children = selected(db, "SELECT child FROM parent WHERE position = 0 AND parent IN (?)", placed)
    release(db, [child for (child,) in children])
