"""Places: where publishing has put each check-in.

    place        meaning                                            moves to
    UNPLACED     complete or not, and not settled yet               any other, once it is complete
    PUBLISHED    a ref stands on it, or on a descendant             ELSEWHERE, when a clone's ref leaves it
    INVALID      on a zone's branch and found invalid; has a reason PUBLISHED, when its zone is mended
    ELSEWHERE    not on a zone's branch, or not what a ref passed   UNPLACED, when publishing begins anew

A check-in waits while an artifact that it names has not come.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from xferzone.hashing import ArtifactId
from xferzone.store import schema, zoned
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import batches, selected
from xferzone.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Placed:
    """A check-in that is linked: its place (store/schema.py), its branch, its parents, which zones it may hold.

    `row` tells the order of arrival; two repositories count differently.
    """

    id: ArtifactId
    date_ms: int
    branch: str | None
    place: int
    parents: tuple[ArtifactId, ...]
    zones: int
    row: int = field(compare=False)

    def may_hold(self, zone: str) -> bool:
        """Whether its manifest has to be asked for files of that zone; False: it has none."""
        return bool(self.zones & zoned.bit(zone))


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A check-in on a branch that is not published, and why."""

    id: ArtifactId
    branch: str
    reason: str


def placed(reader: Reader, artifact: ArtifactId) -> Placed | None:
    """What linking made of a check-in; None: it is not here, or is not a check-in."""
    reader.step()
    row = reader.db.execute(
        "SELECT rid, hash, date_ms, branch, place, zones FROM checkin JOIN blob USING (rid) WHERE hash = ?",
        (bytes.fromhex(artifact),),
    ).fetchone()
    return None if row is None else _placed(reader, [row])[0]


#: Check-ins that are not settled and follow, by first parents, one of these that is not complete.
_BEHIND: Final = """behind(rid) AS (
    SELECT child FROM checkin AS stuck JOIN parent ON parent = stuck.rid AND position = 0
    JOIN checkin ON checkin.rid = child AND checkin.place = 0
    WHERE stuck.place = 0 AND EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = stuck.rid)
    UNION SELECT child FROM behind JOIN parent ON parent = behind.rid AND position = 0
    JOIN checkin ON checkin.rid = child AND checkin.place = 0)"""


def unplaced(reader: Reader) -> list[Placed]:
    """Complete check-ins that publishing has not settled, in order of arrival."""
    rows = reader.db.execute(
        """SELECT rid, hash, date_ms, branch, place, zones FROM checkin JOIN blob USING (rid)
           WHERE place = 0 AND branch IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid) ORDER BY rid"""
    ).fetchall()
    return _placed(reader, rows)


def branches_by_arrival(reader: Reader) -> list[str]:
    """The branches of complete check-ins that publishing has not settled, that of the last one to arrive last."""
    query = f"""WITH RECURSIVE {_BEHIND}
                SELECT branch FROM checkin
                WHERE place = 0 AND branch IS NOT NULL AND rid NOT IN (SELECT rid FROM behind)
                AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid)
                GROUP BY branch ORDER BY max(rid)"""  # noqa: S608 our own text
    return [branch for (branch,) in reader.db.execute(query)]


def behind(reader: Reader) -> frozenset[int]:
    """The rows of check-ins that wait since what is before them on their first parents' line is not complete.

    Publishing would look at each of them in vain, with every push, for as long as what is missing does not come.
    """
    query = f"WITH RECURSIVE {_BEHIND} SELECT rid FROM behind"  # noqa: S608 our own text
    return frozenset(rid for (rid,) in reader.db.execute(query))


def unplaced_branches(reader: Reader) -> list[str]:
    """The branches on which something waits for publishing, complete or not."""
    query = "SELECT DISTINCT branch FROM checkin WHERE place = 0 AND branch IS NOT NULL"
    return [branch for (branch,) in reader.db.execute(query)]


def unplaced_on(reader: Reader, branch: str) -> list[Placed]:
    """Complete check-ins of the branch that publishing has not settled, in order of arrival."""
    rows = reader.db.execute(
        """SELECT rid, hash, date_ms, branch, place, zones FROM checkin JOIN blob USING (rid)
           WHERE place = 0 AND branch = ?
           AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid) ORDER BY rid""",
        (branch,),
    ).fetchall()
    return _placed(reader, rows)


def that_may_hold(reader: Reader, branch: str, zone: str) -> Iterator[Placed]:
    """The branch's check-ins that may hold files of the zone of that id, newest first."""
    rows = reader.db.execute(
        """SELECT rid, hash, date_ms, branch, place, zones FROM checkin JOIN blob USING (rid)
           WHERE branch = ? AND zones & ? ORDER BY date_ms DESC, rid DESC""",
        (branch, zoned.bit(zone)),
    ).fetchall()
    return iter(_placed(reader, rows))


def invalid(reader: Reader, branch: str) -> list[Placed]:
    """The branch's check-ins that are recorded invalid, in order of arrival."""
    rows = reader.db.execute(
        """SELECT rid, hash, date_ms, branch, place, zones FROM checkin JOIN blob USING (rid)
           WHERE place = 2 AND branch = ? ORDER BY rid""",
        (branch,),
    ).fetchall()
    return _placed(reader, rows)


def not_passed(reader: Reader, tip: ArtifactId) -> list[Placed]:
    """`tip` and its ancestors by all parents, as far as no ref has passed them, in order of arrival."""
    rows = reader.db.execute(
        """WITH RECURSIVE up(rid) AS (
               SELECT rid FROM checkin JOIN blob USING (rid) WHERE hash = ? AND place <> 1
               UNION SELECT checkin.rid FROM up JOIN parent ON child = up.rid
               JOIN checkin ON checkin.rid = parent.parent WHERE place <> 1)
           SELECT rid, hash, date_ms, branch, place, zones
           FROM up JOIN checkin USING (rid) JOIN blob USING (rid) ORDER BY rid""",
        (bytes.fromhex(tip),),
    ).fetchall()
    return _placed(reader, rows)


def invalid_reason(reader: Reader, artifact: ArtifactId) -> str | None:
    """Why publishing found the check-in invalid; None: it did not."""
    query = "SELECT reason FROM invalid JOIN blob USING (rid) WHERE hash = ?"
    row = reader.db.execute(query, (bytes.fromhex(artifact),)).fetchone()
    return None if row is None else str(row[0])


def unsettled(reader: Reader) -> list[Unsettled]:
    """The check-ins of a branch that are invalid, wait (waiting.py) or are still to be placed, in order of arrival."""
    rows = reader.db.execute(
        """SELECT hash, branch, coalesce(reason, 'it is not decided upon yet')
           FROM checkin JOIN blob USING (rid) LEFT JOIN invalid USING (rid)
           WHERE place IN (0, 2) AND branch IS NOT NULL ORDER BY rid"""
    )
    return [Unsettled(id_of(raw), branch, reason) for raw, branch, reason in rows]


def passed_leaves(reader: Reader) -> list[Placed]:
    """Check-ins that refs have passed, that no ref stands on, and that have no child on their branch."""
    query = """SELECT rid, hash, date_ms, branch, place, zones FROM checkin AS leaf JOIN blob USING (rid)
               WHERE place = 1 AND rid NOT IN (SELECT checkin FROM ref) AND NOT EXISTS (
                   SELECT 1 FROM parent JOIN checkin ON checkin.rid = child
                   WHERE parent = leaf.rid AND checkin.branch IS leaf.branch)"""
    return _placed(reader, reader.db.execute(query).fetchall())


def place(writer: Writer, artifact: ArtifactId, place: int) -> None:
    """Settle where a check-in stands; what made it invalid is forgotten."""
    raw = bytes.fromhex(artifact)
    query = "UPDATE checkin SET place = ? WHERE rid = (SELECT rid FROM blob WHERE hash = ?)"
    writer.db.execute(query, (place, raw))
    writer.db.execute("DELETE FROM invalid WHERE rid = (SELECT rid FROM blob WHERE hash = ?)", (raw,))


def place_all(writer: Writer, checkins: Iterable[Placed], place: int) -> None:
    """`place` of many."""
    rows = [checkin.row for checkin in checkins]
    writer.db.executemany("UPDATE checkin SET place = ? WHERE rid = ?", [(place, row) for row in rows])
    writer.db.executemany("DELETE FROM invalid WHERE rid = ?", [(row,) for row in rows])


def record_invalid(writer: Writer, artifact: ArtifactId, reason: str) -> None:
    """Settle a check-in as invalid, and say why."""
    place(writer, artifact, schema.INVALID)
    writer.db.execute("INSERT OR REPLACE INTO invalid VALUES (?, ?)", (writer.rid(artifact), reason))


def settle(writer: Writer, tips: Iterable[ArtifactId]) -> None:
    """Note that refs stand on `tips`: they and all their ancestors are published."""
    passed = """WITH RECURSIVE up(rid) AS (SELECT rid FROM blob WHERE hash IN (?) UNION
                SELECT checkin.rid FROM up JOIN parent ON child = up.rid JOIN checkin ON checkin.rid = parent
                WHERE place <> 1) SELECT rid FROM up"""
    for query, raws in batches(passed, [bytes.fromhex(tip) for tip in tips]):
        writer.db.execute(f"DELETE FROM invalid WHERE rid IN ({query})", raws)  # noqa: S608 our own text
        writer.db.execute(f"UPDATE checkin SET place = 1 WHERE rid IN ({query})", raws)  # noqa: S608 as above


def let_go(writer: Writer, checkins: Iterable[ArtifactId]) -> None:
    """Note that `checkins` are no longer published, except those that some ref still has among its ancestors."""
    query = """WITH RECURSIVE up(rid) AS (SELECT checkin FROM ref
               UNION SELECT parent FROM up JOIN parent ON child = up.rid)
               UPDATE checkin SET place = ? WHERE rid = (SELECT rid FROM blob WHERE hash = ?)
               AND rid NOT IN (SELECT rid FROM up)"""
    writer.db.executemany(query, [(schema.ELSEWHERE, bytes.fromhex(checkin)) for checkin in checkins])


def leave_unpublished(writer: Writer, branches: Iterable[str] | None = None) -> None:
    """Settle every complete check-in of `branches` (None: of all) that is not settled as not published."""
    query = """UPDATE checkin SET place = 3 WHERE place = 0 AND branch IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid)"""
    if branches is None:
        writer.db.execute(query)
    else:
        writer.db.executemany(f"{query} AND branch = ?", [(branch,) for branch in branches])


def leave_foreign(writer: Writer) -> None:
    """Settle the complete check-ins of branches that hold no zone file and have no ref, without a look at any of them.

    A fork is left to publishing, which tells of it.
    """
    writer.db.execute(
        """UPDATE checkin SET place = 3 WHERE place = 0 AND zones = 0 AND branch IS NOT NULL
           AND instr(branch, '-fork-') = 0
           AND branch NOT IN (SELECT branch FROM checkin
                              WHERE place IN (0, 2) AND zones <> 0 AND branch IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM ref WHERE ref.branch = checkin.branch)
           AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid)"""
    )


def reopen(writer: Writer, branches: Iterable[str]) -> None:
    """Let publishing look again at the check-ins of `branches` that were settled as not published."""
    query = "UPDATE checkin SET place = 0 WHERE place = 3 AND branch = ?"
    writer.db.executemany(query, [(branch,) for branch in branches])


_Row: TypeAlias = tuple[int, bytes, int, str | None, int, int]


def _placed(reader: Reader, rows: Sequence[_Row]) -> list[Placed]:
    query = (
        "SELECT child, position, hash FROM parent JOIN blob ON blob.rid = parent.parent WHERE child IN (?)"
    )
    parents: dict[int, list[ArtifactId]] = {}
    for child, _, raw in sorted(selected(reader.db, query, [row[0] for row in rows])):
        parents.setdefault(child, []).append(id_of(raw))
    return [
        Placed(id_of(raw), date_ms, branch, place, tuple(parents.get(rid, ())), zones, rid)
        for rid, raw, date_ms, branch, place, zones in rows
    ]
