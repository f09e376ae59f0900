"""Whether a repository is empty: a mirror whose first pull has not ended, or a clone that was begun (begun.py).

    made                     no project code, nothing known of the remote's moves            empty
    the first pull goes on   artifacts come; refs move in parts, none of them compiled       empty
    it has ended             the remote's moves are remembered, and zones are compiled       as any other

Nothing is answered from an empty mirror: neither DNS nor the walk nor xfer. A remote that numbers no moves, as stock's,
leaves only the zones to see it by. A zone that cannot be compiled here keeps no other one back.
"""

import sqlite3
from typing import Final

from xferzone.errors import NotReady
from xferzone.store import schema

PART: Final = "clone-part"  # the setting of a clone that was begun
WHOLE: Final = "whole"  # its value once all has come
_DEFERRED = b"\xff" * 8  # the indexes of a ref whose zone is still to be compiled (refs/served.py)
_EMPTY = """SELECT coalesce((SELECT url FROM remote WHERE name = 'origin'), '') FROM setting
            WHERE name = 'role' AND value = ?2 AND NOT EXISTS (SELECT 1 FROM ref WHERE indexes NOT IN (?1, x''))
            AND (NOT EXISTS (SELECT 1 FROM remote_epoch) OR EXISTS (SELECT 1 FROM ref WHERE indexes = ?1))"""


def emptiness(db: sqlite3.Connection) -> str:
    """Why nothing can be answered from the repository, with the remedy. Empty: it can."""
    if (
        db.execute("SELECT 1 FROM setting WHERE name = ? AND value <> ?", (PART, WHOLE)).fetchone()
        is not None
    ):
        return "this clone has not ended: `xferzone clone --resume URL FILE` goes on with it"
    found = db.execute(_EMPTY, (_DEFERRED, schema.MIRROR)).fetchone()
    if found is None:
        return ""
    source = f" from {found[0]}" if found[0] else ""
    return (
        f"this mirror is empty: its first pull{source} has not ended. `xferzone pull` shows what is in the way, "
        "`xferzone status` how far it is"
    )


def check_not_empty(db: sqlite3.Connection) -> None:
    """Raise NotReady if nothing can be answered from the repository."""
    if why := emptiness(db):
        raise NotReady(why)
