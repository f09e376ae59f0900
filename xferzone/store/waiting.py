"""Check-ins that wait: publishing cannot place them until something comes, and what that is.

    lacks      an artifact that it names has not come: its first parent, another one, a file
    orphan     its first parent is here, and is not a check-in
    behind     its first parent waits

A branch is handed down along first parents, so what waits for one may have no branch yet.
"""

from dataclasses import dataclass
from typing import Final

from xferzone.hashing import ArtifactId
from xferzone.store import schema
from xferzone.store.behind import ORPHAN
from xferzone.store.chains import id_of
from xferzone.store.pushes import Push
from xferzone.store.reader import Reader

MAX_WAITING: Final = 10_000  # check-ins that are looked at; ours

_LACKS: Final = "EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = own.rid)"
#: Whether the phantom `blob` may be on its way: a cluster names it, or a delta that has come is made of it.
_HOPED: Final = """(blob.rid NOT IN (SELECT rid FROM unclustered) OR blob.rid IN (SELECT rid FROM aside)
    OR blob.rid IN (SELECT source FROM aside))"""
#: Whether whoever pushed `own` has to do something. Files are not looked at: a client that has a check-in has them.
#: Asked of one check-in after the other: a push may have brought a hundred thousand, of which none waits.
_HOPELESS: Final = f"""EXISTS (SELECT 1 FROM brought WHERE brought.rid = own.rid AND push = ?2)
    AND NOT EXISTS (SELECT 1 FROM awaited JOIN blob ON blob.rid = wanted
                    WHERE awaited.checkin = own.rid AND {_HOPED})
    AND (NOT {_LACKS} OR EXISTS (SELECT 1 FROM awaited JOIN parent ON child = own.rid AND parent = wanted
                                  WHERE awaited.checkin = own.rid))"""  # noqa: S608 our own text, as all here
#: Whether `own` came behind what waited before, with which its sender was told of that.
_BEHIND_OLDER: Final = f"""NOT {_LACKS} AND EXISTS (SELECT 1 FROM brought WHERE brought.rid = own.rid AND push = ?2)
    AND EXISTS (SELECT 1 FROM parent WHERE child = own.rid AND position = 0 AND parent.parent <= ?1)"""  # noqa: S608 as above
#: Complete check-ins that may follow an orphan. In a clone or a mirror, what is complete is settled.
_OPEN: Final = {True: "place = 0", False: "place IN (0, 3)"}
_WAITS: Final = """WITH RECURSIVE waits(rid) AS (
        SELECT rid FROM checkin AS own WHERE place = 4 AND {later} AND ({lacks} OR {orphan}) AND {those}
        UNION SELECT rid FROM checkin AS own WHERE {open} AND {later} AND {orphan} AND {those}
        UNION SELECT rid FROM checkin AS own WHERE place = 4 AND {later} AND {older}
        UNION SELECT child FROM waits JOIN parent ON parent = waits.rid AND position = 0
        JOIN checkin ON checkin.rid = child WHERE ({open} OR place = 4) AND child > {from_row})
    SELECT named.hash, branch, zones,
           (SELECT hash FROM parent JOIN blob ON blob.rid = parent.parent WHERE child = own.rid AND position = 0),
           (SELECT hash FROM awaited JOIN blob ON blob.rid = wanted
            LEFT JOIN parent ON parent.parent = wanted AND child = own.rid AND position = 0
            WHERE awaited.checkin = own.rid ORDER BY position IS NULL, wanted LIMIT 1),
           NOT ({lacks} OR {orphan})
    FROM waits JOIN checkin AS own USING (rid) JOIN blob AS named ON named.rid = own.rid
    ORDER BY own.rid LIMIT {most}"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A check-in that waits.

    Fields:
        branch: None: it is not known yet.
        zones: which zones it may hold files of (zoned.py).
        parent: its first one; None: it has none.
        lacks: an artifact that it names and that has not come, the first parent before others; None: there is none.
        is_behind: it lacks nothing itself: its parent waits.
    """

    id: ArtifactId
    branch: str | None
    zones: int
    parent: ArtifactId | None
    lacks: ArtifactId | None
    is_behind: bool


def waiting(reader: Reader, *, since: int = 0) -> list[Waiting]:
    """At most MAX_WAITING check-ins that wait, in order of arrival.

    Args:
        since: only what has come into later rows (`Reader.last_row`), and what waits behind that.
    """
    return _found(reader, (since,), those="1", older="0", from_row="0")


def brought_in_vain(reader: Reader, push: Push) -> list[Waiting]:
    """Those that the push has brought, but for what waits for something that is on its way.

    Of what waited before, and waits behind these now, none is looked at.
    """
    return _found(reader, (push.row, push.number), those=_HOPELESS, older=_BEHIND_OLDER, from_row="?1")


def _found(
    reader: Reader, bound: tuple[int] | tuple[int, int], *, those: str, older: str, from_row: str
) -> list[Waiting]:
    query = _WAITS.format(
        open=_OPEN[reader.role in schema.DECIDING],
        # Without the +, SQLite would walk all check-ins instead of the few that wait.
        later="own.rid > ?1" if bound[0] else "+own.rid > ?1",
        lacks=_LACKS,
        orphan=ORPHAN,
        those=those,
        older=older,
        from_row=from_row,
        most=MAX_WAITING,
    )
    rows = reader.db.execute(query, bound)
    return [
        Waiting(id_of(raw), branch, zones, parent and id_of(parent), lacks and id_of(lacks), bool(is_behind))
        for raw, branch, zones, parent, lacks, is_behind in rows
    ]


def may_come(reader: Reader, since: int) -> bool:
    """Whether a phantom in a row after `since` may be on its way, although nobody has announced it."""
    query = f"SELECT 1 FROM blob WHERE content IS NULL AND rid > ? AND {_HOPED} LIMIT 1"  # noqa: S608 our own text
    return reader.db.execute(query, (since,)).fetchone() is not None
