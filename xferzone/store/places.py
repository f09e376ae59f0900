"""Places: where publishing has put each check-in.

    place        meaning                                            moves to
    UNPLACED     complete, as all that it follows, not settled yet  any other
    WAITING      it, or what it follows, is not complete            UNPLACED, once it is (behind.py)
    PUBLISHED    a ref stands on it, or on a descendant             ELSEWHERE, when a clone's ref leaves it
    INVALID      on a zone's branch and found invalid; has a reason PUBLISHED, when its zone is mended
    ELSEWHERE    not on a zone's branch, and no ref passed it       UNPLACED, when publishing begins anew

A place tells what a check-in is on its own branch. So what the ref of another branch passes stays UNPLACED, WAITING or
INVALID until its own is decided upon; then it is PUBLISHED, and never ELSEWHERE (leave).

What is invalid on a branch that has a ref follows it by first parents, with nothing between that is not invalid or
unplaced; so in a primary nobody has to follow a line of it. Where the ref moves on, or a tag is set on one, it is
unplaced again (loosen, link.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from xferzone.hashing import ArtifactId
from xferzone.store import ancestry, behind, schema, zoned
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import batches, selected
from xferzone.store.writer import Writer

#: What a Placed is made of, of the tables checkin and blob.
_COLUMNS: Final = "rid, hash, date_ms, branch, place, zones"
#: Of a branch that may be a zone's, without a ref: what is not settled as somebody's or nobody's, as an index has it.
_OPEN_ZONED: Final = "place IN (0, 2, 4) AND zones <> 0"


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
    found = _selected(reader, "FROM checkin JOIN blob USING (rid) WHERE hash = ?", bytes.fromhex(artifact))
    return found[0] if found else None


def first_parents(reader: Reader, tip: ArtifactId, limit: int) -> list[Placed]:
    """What `placed` tells of a check-in and of its first parents, newest first, at most `limit` in all.

    One whose parent is not here is the last. Fewer than `limit`: the line ends with the last of them.
    """
    # Without ORDER BY, and joined in this order, it comes in the order in which it is found.
    before = """WITH RECURSIVE line(rid, depth) AS (
                    SELECT rid, 1 FROM blob WHERE hash = ?
                    UNION ALL
                    SELECT parent.parent, depth + 1 FROM line JOIN parent ON child = line.rid AND position = 0
                    WHERE depth < ?)"""
    source = "FROM line CROSS JOIN checkin USING (rid) CROSS JOIN blob USING (rid)"
    return _selected(reader, source, bytes.fromhex(tip), limit, before=before)


def unplaced(reader: Reader) -> list[Placed]:
    """Complete check-ins that publishing has not settled, in order of arrival."""
    return _selected(
        reader, "FROM checkin JOIN blob USING (rid) WHERE place = 0 AND branch IS NOT NULL ORDER BY rid"
    )


def branches_by_arrival(reader: Reader) -> list[str]:
    """The branches of complete check-ins that publishing has not settled, that of the last one to arrive last."""
    query = (
        "SELECT branch FROM checkin WHERE place = 0 AND branch IS NOT NULL GROUP BY branch ORDER BY max(rid)"
    )
    return [branch for (branch,) in reader.db.execute(query)]


def unplaced_branches(reader: Reader) -> list[str]:
    """The branches on which something is to be settled."""
    query = "SELECT DISTINCT branch FROM checkin WHERE place = 0 AND branch IS NOT NULL"
    return [branch for (branch,) in reader.db.execute(query)]


def unplaced_on(reader: Reader, branch: str) -> list[Placed]:
    """Complete check-ins of the branch that publishing has not settled, in order of arrival."""
    source = "FROM checkin JOIN blob USING (rid) WHERE place = 0 AND branch = ? ORDER BY rid"
    return _selected(reader, source, branch)


def that_may_hold(reader: Reader, branch: str, zone: str) -> Iterator[Placed]:
    """The branch's check-ins that may hold files of the zone of that id, newest first."""
    source = (
        "FROM checkin JOIN blob USING (rid) WHERE branch = ? AND zones & ? ORDER BY date_ms DESC, rid DESC"
    )
    return iter(_selected(reader, source, branch, zoned.bit(zone)))


def invalid(reader: Reader, branch: str) -> list[Placed]:
    """The branch's check-ins that are recorded invalid, in order of arrival."""
    source = "FROM checkin JOIN blob USING (rid) WHERE place = 2 AND branch = ? ORDER BY rid"
    return _selected(reader, source, branch)


def invalid_last_first(reader: Reader, branch: str) -> Iterator[Placed]:
    """The same, the last to arrive first; no more are read than are asked for."""
    query = f"""SELECT {_COLUMNS} FROM checkin JOIN blob USING (rid)
                WHERE place = 2 AND branch = ? ORDER BY rid DESC"""  # noqa: S608 our own text
    for row in reader.db.execute(query, (branch,)):
        yield from _placed(reader, [row])


def not_passed(reader: Reader, tip: ArtifactId) -> list[Placed]:
    """`tip` and its ancestors by all parents, as far as no ref has passed them, in order of arrival."""
    before = """WITH RECURSIVE up(rid) AS (
                    SELECT rid FROM checkin JOIN blob USING (rid) WHERE hash = ? AND place <> 1
                    UNION SELECT checkin.rid FROM up JOIN parent ON child = up.rid
                    JOIN checkin ON checkin.rid = parent.parent WHERE place <> 1)"""
    source = "FROM up JOIN checkin USING (rid) JOIN blob USING (rid) ORDER BY rid"
    return _selected(reader, source, bytes.fromhex(tip), before=before)


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
           WHERE place IN (0, 2, 4) AND branch IS NOT NULL ORDER BY rid"""
    )
    return [Unsettled(id_of(raw), branch, reason) for raw, branch, reason in rows]


def passed_leaves(reader: Reader) -> list[Placed]:
    """Check-ins that refs have passed, that no ref stands on, and that have no child on their branch."""
    source = """FROM checkin AS leaf JOIN blob USING (rid)
                WHERE place = 1 AND rid NOT IN (SELECT checkin FROM ref) AND NOT EXISTS (
                    SELECT 1 FROM parent JOIN checkin ON checkin.rid = child
                    WHERE parent = leaf.rid AND checkin.branch IS leaf.branch)"""
    return _selected(reader, source)


def place(writer: Writer, artifact: ArtifactId, place: int) -> None:
    """Settle where a check-in stands; what made it invalid is forgotten."""
    raw = bytes.fromhex(artifact)
    query = "UPDATE checkin SET place = ? WHERE rid = (SELECT rid FROM blob WHERE hash = ?)"
    writer.db.execute(query, (place, raw))
    writer.db.execute("DELETE FROM invalid WHERE rid = (SELECT rid FROM blob WHERE hash = ?)", (raw,))


def place_all(writer: Writer, checkins: Iterable[Placed], place: int) -> None:
    """`place` of many."""
    checkins = list(checkins)
    rows = [checkin.row for checkin in checkins]
    writer.db.executemany("UPDATE checkin SET place = ? WHERE rid = ?", [(place, row) for row in rows])
    writer.db.executemany("DELETE FROM invalid WHERE rid = ?", [(row,) for row in rows])
    behind.release_after(writer.db, [checkin.row for checkin in checkins if checkin.place == schema.WAITING])


def leave(writer: Writer, checkins: Iterable[Placed]) -> None:
    """Settle check-ins as not published on their own branches; what a ref of another one has passed is published."""
    checkins = list(checkins)
    place_all(writer, checkins, schema.ELSEWHERE)
    _keep_passed(writer, [checkin.row for checkin in checkins])


def _keep_passed(writer: Writer, left: Sequence[int]) -> None:
    passed = ancestry.passed(writer, left)
    writer.db.executemany("UPDATE checkin SET place = 1 WHERE rid = ?", [(rid,) for rid in passed])


def reconsider(writer: Writer, checkins: Iterable[Placed]) -> None:
    """Let publishing decide about these anew."""
    checkins = list(checkins)
    place_all(writer, checkins, schema.UNPLACED)
    behind.hold(writer.db, [checkin.row for checkin in checkins])


def loosen(writer: Writer, branch: str, passed: Iterable[int] | None) -> list[Placed]:
    """Unplace what is invalid on the branch and does not follow its ref any more; what follows that is not looked at.

    `passed`: the rows that the ref has left behind it; None: all rows, as it had none or is not known to have.
    """
    loose = """place = 2 AND branch = ? AND NOT EXISTS (
                   SELECT 1 FROM parent JOIN checkin AS first ON first.rid = parent.parent
                   WHERE child = checkin.rid AND position = 0 AND (
                       first.place IN (0, 2) AND first.branch IS checkin.branch
                       OR EXISTS (SELECT 1 FROM ref WHERE ref.checkin = first.rid AND ref.branch = checkin.branch)))"""
    if passed is None:
        rows = writer.db.execute(f"SELECT rid FROM checkin WHERE {loose}", (branch,)).fetchall()  # noqa: S608 our own text
    else:
        children = f"""SELECT checkin.rid FROM parent JOIN checkin ON checkin.rid = parent.child
                       WHERE {loose} AND position = 0 AND parent.parent IN (?)"""  # noqa: S608 as above
        rows = selected(writer.db, children, list(passed), branch)
    found = _by_rows(writer, [rid for (rid,) in rows])
    place_all(writer, found, schema.UNPLACED)
    return [replace(checkin, place=schema.UNPLACED) for checkin in found]


def record_invalid(writer: Writer, artifact: ArtifactId, reason: str) -> None:
    """Settle a check-in as invalid, and say why."""
    place(writer, artifact, schema.INVALID)
    writer.db.execute("INSERT OR REPLACE INTO invalid VALUES (?, ?)", (writer.rid(artifact), reason))


def release_on(writer: Writer, branch: str) -> bool:
    """Let publishing look at what was held on a branch since that had no ref; whether there was any."""
    return behind.release_on(writer.db, branch)


def settle(writer: Writer, tips: Iterable[ArtifactId]) -> None:
    """Note that refs stand on `tips`: they and all their ancestors are published."""
    passed = """WITH RECURSIVE up(rid) AS (SELECT rid FROM blob WHERE hash IN (?) UNION
                SELECT checkin.rid FROM up JOIN parent ON child = up.rid JOIN checkin ON checkin.rid = parent
                WHERE place <> 1) SELECT rid FROM up"""
    writer.unpassed.clear()
    db = writer.db
    for query, raws in batches(passed, [bytes.fromhex(tip) for tip in tips]):
        # One walk: of a clone's tips it finds all check-ins.
        found = db.execute(f"SELECT rid, place FROM checkin WHERE rid IN ({query})", raws).fetchall()  # noqa: S608 our own text
        rows = [(rid,) for rid, _ in found]
        if db.execute("SELECT 1 FROM invalid LIMIT 1").fetchone() is not None:
            db.executemany("DELETE FROM invalid WHERE rid = ?", rows)
        db.executemany("UPDATE checkin SET place = 1 WHERE rid = ?", rows)
        behind.release_after(db, [rid for rid, place in found if place == schema.WAITING])


def let_go(writer: Writer, checkins: Iterable[ArtifactId]) -> None:
    """Note that `checkins` are no longer published, except those that some ref still has among its ancestors."""
    query = """WITH RECURSIVE up(rid) AS (SELECT checkin FROM ref
               UNION SELECT parent FROM up JOIN parent ON child = up.rid)
               UPDATE checkin SET place = ? WHERE rid = (SELECT rid FROM blob WHERE hash = ?)
               AND rid NOT IN (SELECT rid FROM up)"""
    writer.db.executemany(query, [(schema.ELSEWHERE, bytes.fromhex(checkin)) for checkin in checkins])


def leave_unpublished(writer: Writer, branches: Iterable[str] | None = None) -> None:
    """`leave` every complete check-in of `branches` (None: of all) that is not settled."""
    query = "UPDATE checkin SET place = 3 WHERE place = 0 AND branch IS NOT NULL{} RETURNING rid"
    if branches is None:
        rows = writer.db.execute(query.format("")).fetchall()
    else:
        on = query.format(" AND branch = ?")
        rows = [row for branch in branches for row in writer.db.execute(on, (branch,)).fetchall()]
    _keep_passed(writer, [rid for (rid,) in rows])


def leave_foreign(writer: Writer) -> None:
    """`leave` the complete check-ins of branches that hold no zone file and have no ref, without reading any of them.

    A fork is left to publishing, which tells of it.
    """
    foreign = f"""SELECT branch FROM checkin AS own
                  WHERE place = 0 AND branch IS NOT NULL AND instr(branch, '-fork-') = 0
                  AND NOT EXISTS (SELECT 1 FROM checkin WHERE checkin.branch = own.branch AND {_OPEN_ZONED})
                  AND NOT EXISTS (SELECT 1 FROM ref WHERE ref.branch = own.branch)"""  # noqa: S608 our own text
    query = f"UPDATE checkin SET place = 3 WHERE place = 0 AND branch IN ({foreign}) RETURNING rid"  # noqa: S608 as above
    _keep_passed(writer, [rid for (rid,) in writer.db.execute(query).fetchall()])


def reopen(writer: Writer, branches: Iterable[str]) -> None:
    """Let publishing look again at the check-ins of `branches` that were settled as not published."""
    for branch in branches:
        query = "UPDATE checkin SET place = 0 WHERE place = 3 AND branch = ? RETURNING rid"
        behind.hold(writer.db, [rid for (rid,) in writer.db.execute(query, (branch,)).fetchall()])


_Row: TypeAlias = tuple[int, bytes, int, str | None, int, int]


def _selected(reader: Reader, source: str, *bound: str | bytes | int, before: str = "") -> list[Placed]:
    """The check-ins that a query finds; it begins with `before`, and goes on with `source` after its columns."""
    return _placed(reader, reader.db.execute(f"{before} SELECT {_COLUMNS} {source}", bound).fetchall())


def _by_rows(reader: Reader, rows: Sequence[int]) -> list[Placed]:
    query = f"SELECT {_COLUMNS} FROM checkin JOIN blob USING (rid) WHERE rid IN (?)"  # noqa: S608 our own text
    return _placed(reader, sorted(selected(reader.db, query, rows)))


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
