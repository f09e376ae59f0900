"""Lines of check-ins: what one leads back to, asked of many at once.

    first-parent line    a check-in, its first parent, that one's first parent, ...
    ancestors            the same by all parents

A line ends at what a ref stands on or has passed (place 1) where only what is new matters: all before is known to
be whole.
"""

from collections.abc import Iterable, Iterator, Sequence

from xferzone.hashing import ArtifactId
from xferzone.store import schema
from xferzone.store.chains import id_of
from xferzone.store.reader import Placed, Reader
from xferzone.store.writer import Writer

_BATCH = 500  # ids bound in one statement; SQLite's oldest limit is 999

_ANCESTORS = """{name}(rid) AS (SELECT rid FROM blob WHERE hash = ?
                UNION SELECT parent FROM {name} JOIN parent ON child = {name}.rid)"""


def broken(reader: Reader, tips: Iterable[ArtifactId]) -> set[ArtifactId]:
    """Those of `tips` that are not here, or that lack something, or whose first-parent line does."""
    wanted = set(tips)
    here = reader.present(wanted)
    bad = wanted - here
    for batch in _batches(sorted(here)):
        marks = ",".join("?" * len(batch))
        query = f"""WITH RECURSIVE line(rid) AS (SELECT rid FROM blob WHERE hash IN ({marks}) UNION
                    SELECT parent FROM line LEFT JOIN checkin USING (rid)
                    JOIN parent ON child = line.rid AND position = 0 WHERE place IS NOT 1)
                    SELECT 1 FROM line WHERE {_LACKING} LIMIT 1"""  # noqa: S608 only question marks are put in
        if reader.db.execute(query, [bytes.fromhex(tip) for tip in batch]).fetchone() is not None:
            bad.update(tip for tip in batch if _is_broken(reader, tip))
    return bad


_LACKING = """(NOT EXISTS (SELECT 1 FROM checkin WHERE checkin.rid = line.rid)
               OR EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = line.rid))"""


def _is_broken(reader: Reader, tip: ArtifactId) -> bool:
    query = f"""WITH RECURSIVE line(rid) AS (SELECT rid FROM blob WHERE hash = ? UNION
                SELECT parent FROM line JOIN parent ON child = line.rid AND position = 0)
                SELECT 1 FROM line WHERE {_LACKING} LIMIT 1"""  # noqa: S608 nothing but our own text
    return reader.db.execute(query, (bytes.fromhex(tip),)).fetchone() is not None


def leads_to(reader: Reader, tip: ArtifactId, at: ArtifactId) -> bool:
    """Whether `at` is on the first-parent line of `tip`, or is `tip`."""
    query = """WITH RECURSIVE line(rid) AS (SELECT rid FROM blob WHERE hash = ? UNION ALL
               SELECT parent FROM line JOIN parent ON child = line.rid AND position = 0 WHERE line.rid <> ?)
               SELECT 1 FROM line WHERE rid = ?"""
    rid = reader.rid(at)
    return reader.db.execute(query, (bytes.fromhex(tip), rid, rid)).fetchone() is not None


def beyond(reader: Reader, tip: ArtifactId, base: ArtifactId | None) -> list[ArtifactId]:
    """The ancestors of `tip`, itself included, that are none of `base` (None: all), by date, oldest first."""
    query = f"""WITH RECURSIVE {_ANCESTORS.format(name="up")}, {_ANCESTORS.format(name="known")}
                SELECT hash FROM checkin JOIN blob USING (rid)
                WHERE rid IN (SELECT rid FROM up) AND rid NOT IN (SELECT rid FROM known) ORDER BY date_ms, rid"""  # noqa: S608 nothing but our own text
    rows = reader.db.execute(query, (bytes.fromhex(tip), bytes.fromhex(base or "")))
    return [id_of(raw) for (raw,) in rows]


def passed_leaves(reader: Reader) -> list[Placed]:
    """Check-ins that refs have passed, that no ref stands on, and that have no child on their branch."""
    query = """SELECT hash FROM checkin AS leaf JOIN blob USING (rid)
               WHERE place = 1 AND rid NOT IN (SELECT checkin FROM ref) AND NOT EXISTS (
                   SELECT 1 FROM parent JOIN checkin ON checkin.rid = child
                   WHERE parent = leaf.rid AND checkin.branch IS leaf.branch)"""
    found = [reader.placed(id_of(raw)) for (raw,) in reader.db.execute(query).fetchall()]
    return [placed for placed in found if placed is not None]


def is_passed(reader: Reader, checkin: ArtifactId) -> bool:
    """Whether a ref has the check-in among its ancestors, or stands on it."""
    query = """WITH RECURSIVE down(rid, place) AS (
                   SELECT rid, place FROM checkin JOIN blob USING (rid) WHERE hash = ?
                   UNION SELECT checkin.rid, checkin.place FROM down JOIN parent ON parent = down.rid
                   JOIN checkin ON checkin.rid = child WHERE down.place <> 1)
               SELECT 1 FROM down WHERE place = 1"""
    return reader.db.execute(query, (bytes.fromhex(checkin),)).fetchone() is not None


def settle(writer: Writer, tips: Iterable[ArtifactId]) -> None:
    """Note that refs stand on `tips`: they and all their ancestors are published."""
    for batch in _batches(list(tips)):
        marks = ",".join("?" * len(batch))
        passed = f"""WITH RECURSIVE up(rid) AS (SELECT rid FROM blob WHERE hash IN ({marks}) UNION
                     SELECT checkin.rid FROM up JOIN parent ON child = up.rid JOIN checkin ON checkin.rid = parent
                     WHERE place <> 1) SELECT rid FROM up"""  # noqa: S608 only question marks are put in
        bound = [bytes.fromhex(tip) for tip in batch]
        writer.db.execute(f"DELETE FROM invalid WHERE rid IN ({passed})", bound)  # noqa: S608 as above
        writer.db.execute(f"UPDATE checkin SET place = 1 WHERE rid IN ({passed})", bound)  # noqa: S608 as above


def let_go(writer: Writer, checkins: Iterable[ArtifactId]) -> None:
    """Note that `checkins` are published no more, but those that some ref still has among its ancestors."""
    query = """WITH RECURSIVE up(rid) AS (SELECT checkin FROM ref
               UNION SELECT parent FROM up JOIN parent ON child = up.rid)
               UPDATE checkin SET place = ? WHERE rid = (SELECT rid FROM blob WHERE hash = ?)
               AND rid NOT IN (SELECT rid FROM up)"""
    writer.db.executemany(query, [(schema.ELSEWHERE, bytes.fromhex(checkin)) for checkin in checkins])


def set_aside(writer: Writer) -> None:
    """Settle as not published all complete check-ins that are not settled."""
    writer.db.execute(
        """UPDATE checkin SET place = 3 WHERE place = 0 AND branch IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid)"""
    )


def reopen(writer: Writer, branches: Iterable[str]) -> None:
    """Let publishing look again at what of `branches` was settled as not published."""
    query = "UPDATE checkin SET place = 0 WHERE place = 3 AND branch = ?"
    writer.db.executemany(query, [(branch,) for branch in branches])


def unsent(reader: Reader) -> list[Placed]:
    """Check-ins made here that were not pushed and that no ref has passed, in order of arrival."""
    query = (
        "SELECT hash FROM unsent JOIN checkin USING (rid) JOIN blob USING (rid) WHERE place <> 1 ORDER BY rid"
    )
    found = [reader.placed(id_of(raw)) for (raw,) in reader.db.execute(query).fetchall()]
    return [placed for placed in found if placed is not None]


def are_unsent(reader: Reader, checkins: Iterable[ArtifactId]) -> bool:
    """Whether all of them were made here and have not been pushed."""
    query = "SELECT 1 FROM unsent JOIN blob USING (rid) WHERE hash = ?"
    return all(reader.db.execute(query, (bytes.fromhex(checkin),)).fetchone() for checkin in checkins)


def off_their_branch(reader: Reader) -> list[tuple[str, ArtifactId]]:
    """Branches whose ref stands on a check-in that is on another branch now, with it, by branch."""
    query = """SELECT ref.branch, hash FROM ref JOIN checkin ON rid = ref.checkin JOIN blob USING (rid)
               WHERE checkin.branch <> ref.branch ORDER BY ref.branch"""
    return [(branch, id_of(raw)) for branch, raw in reader.db.execute(query)]


def last_on(reader: Reader, tip: ArtifactId, branch: str) -> ArtifactId | None:
    """The first check-in down the first-parent line of `tip` that is on `branch`; None: none is."""
    query = """WITH RECURSIVE line(rid, depth) AS (SELECT rid, 0 FROM blob WHERE hash = ? UNION ALL
               SELECT parent, depth + 1 FROM line JOIN parent ON child = line.rid AND position = 0)
               SELECT hash FROM line JOIN checkin USING (rid) JOIN blob USING (rid) WHERE branch = ?
               ORDER BY depth LIMIT 1"""
    row = reader.db.execute(query, (bytes.fromhex(tip), branch)).fetchone()
    return None if row is None else id_of(row[0])


def of_branch(reader: Reader, branch: str) -> Iterator[ArtifactId]:
    """Check-ins of `branch` that are complete, newest first by date."""
    query = """SELECT hash FROM checkin JOIN blob USING (rid) WHERE branch = ?
               AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid)
               ORDER BY date_ms DESC, rid DESC"""
    for (raw,) in reader.db.execute(query, (branch,)):
        yield id_of(raw)


def _batches(ids: Sequence[ArtifactId]) -> Iterator[Sequence[ArtifactId]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]
