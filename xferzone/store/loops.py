"""Check-ins that would be their own ancestors: content cannot say so, a damaged table can.

A hash cannot be part of what it is the hash of, so walks along parents and children end. In a damaged table they may
not: a transaction that has walked far looks for a loop, and walks on if there is none.
"""

import sqlite3
from typing import Final

FAR: Final = 100_000  # steps of one transaction before the first look; a second or two


def first(db: sqlite3.Connection) -> int | None:
    """The row of a check-in that leads back to itself by its parents. None: all lines end."""
    parents: dict[int, list[int]] = {}
    heirs: dict[int, int] = {}  # how many children are left of a check-in
    for child, parent in db.execute("SELECT child, parent FROM parent"):
        parents.setdefault(child, []).append(parent)
        heirs[parent] = heirs.get(parent, 0) + 1
    ends = [child for child in parents if child not in heirs]
    for end in ends:  # it grows
        for parent in parents.pop(end, ()):
            heirs[parent] -= 1
            if not heirs[parent]:
                ends.append(parent)
    return min(parents, default=None)
