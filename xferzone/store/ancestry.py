"""Ancestry: what check-ins lead back to, asked of many at once.

    first-parent line    a check-in, its first parent, that one's first parent, ...
    ancestors            the same by all parents

Where only what is new matters, a line ends at what a ref stands on or has passed (place 1): all before that is known
to be complete. No line has more check-ins than there are rows: a damaged table may lead in a circle (loops.py).
"""

from collections.abc import Collection, Iterable, Iterator

from xferzone.hashing import ArtifactId
from xferzone.store import schema
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import batches, selected
from xferzone.store.writer import Writer

_ANCESTORS = """{name}(rid) AS (SELECT rid FROM blob WHERE hash = ?
                UNION SELECT parent FROM {name} JOIN parent ON child = {name}.rid)"""


def broken(reader: Reader, tips: Iterable[ArtifactId]) -> set[ArtifactId]:
    """Those of `tips` that are not here or not complete, or whose first-parent line is not."""
    wanted = set(tips)
    here = reader.present(wanted)
    bad = wanted - here
    lines = f"""WITH RECURSIVE line(rid) AS (SELECT rid FROM blob WHERE hash IN (?) UNION
                SELECT parent FROM line LEFT JOIN checkin USING (rid)
                JOIN parent ON child = line.rid AND position = 0 WHERE place IS NOT 1)
                SELECT 1 FROM line WHERE {_LACKING} LIMIT 1"""  # noqa: S608 our own text
    for query, raws in batches(lines, [bytes.fromhex(tip) for tip in sorted(here)]):
        if reader.db.execute(query, raws).fetchone() is not None:
            bad.update(tip for tip in map(id_of, raws) if _is_broken(reader, tip))
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
               SELECT parent FROM line JOIN parent ON child = line.rid AND position = 0 WHERE line.rid <> ?
               LIMIT (SELECT max(rid) FROM checkin))
               SELECT 1 FROM line WHERE rid = ?"""
    rid = reader.rid(at)
    return reader.db.execute(query, (bytes.fromhex(tip), rid, rid)).fetchone() is not None


def beyond(reader: Reader, tip: ArtifactId, base: ArtifactId | None) -> list[ArtifactId]:
    """The ancestors of `tip`, itself included, that are not ancestors of `base` (None: all), oldest date first."""
    query = f"""WITH RECURSIVE {_ANCESTORS.format(name="up")}, {_ANCESTORS.format(name="known")}
                SELECT hash FROM checkin JOIN blob USING (rid)
                WHERE rid IN (SELECT rid FROM up) AND rid NOT IN (SELECT rid FROM known) ORDER BY date_ms, rid"""  # noqa: S608 nothing but our own text
    rows = reader.db.execute(query, (bytes.fromhex(tip), bytes.fromhex(base or "")))
    return [id_of(raw) for (raw,) in rows]


class Passed:
    """Whether refs have check-ins among their ancestors, or stand on them. Asked of many, each is looked at once.

    It holds for one transaction, as long as no ref moves in it.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._not: set[int] = (
            set()
        )  # rows of check-ins that no ref has passed, nor anything that follows them

    def has(self, checkin: ArtifactId) -> bool:
        rid = self._reader.rid(checkin)
        if rid is None or rid in self._not:
            return False
        own = "SELECT rid, place FROM checkin WHERE rid IN (?)"
        following = """SELECT checkin.rid, place FROM parent JOIN checkin ON checkin.rid = child
                       WHERE parent.parent IN (?)"""
        seen: set[int] = set()
        found = selected(self._reader.db, own, [rid])
        while found:
            if any(place == schema.PUBLISHED for _, place in found):
                return True
            wave = {row for row, _ in found} - seen - self._not
            seen |= wave
            found = selected(self._reader.db, following, wave)
        self._not |= seen
        return False


def passed(writer: Writer, rows: Collection[int]) -> set[int]:
    """Those of many check-ins, by row, that refs have passed, whatever their places are.

    What is known not to be passed is not followed again in a transaction: of a line that goes to as many branches as it
    has check-ins, each is asked about alone.
    """
    following = """SELECT parent.parent, checkin.rid, place FROM parent JOIN checkin ON checkin.rid = child
                   WHERE parent.parent IN (?)"""
    found: set[int] = set()
    before: dict[int, list[int]] = {}  # parents among what no ref is known to have passed
    wave = seen = set(rows) - writer.unpassed
    while wave:
        edges = selected(writer.db, following, wave)
        found |= {parent for parent, _, place in edges if place == schema.PUBLISHED}
        for parent, child, _ in edges:
            before.setdefault(child, []).append(parent)
        wave = {child for _, child, place in edges if place != schema.PUBLISHED} - seen - writer.unpassed
        seen = seen | wave
    todo = list(found)
    while todo:
        new = set(before.get(todo.pop(), ())) - found
        found |= new
        todo.extend(new)
    writer.unpassed |= seen - found
    return found.intersection(rows)


def children(reader: Reader, artifact: ArtifactId) -> list[ArtifactId]:
    """The check-ins whose first parent it is, in order of arrival."""
    reader.step()
    rows = reader.db.execute(
        """SELECT child.hash FROM parent JOIN blob AS own ON own.rid = parent.parent
           JOIN blob AS child ON child.rid = parent.child WHERE own.hash = ? AND position = 0 ORDER BY child.rid""",
        (bytes.fromhex(artifact),),
    )
    return [id_of(raw) for (raw,) in rows]


def coming_from(reader: Reader, checkin: ArtifactId) -> list[ArtifactId]:
    """The check-ins that no ref has passed and that have `checkin` among their ancestors, with none between that a ref
    has passed; in order of arrival."""
    query = """WITH RECURSIVE down(rid) AS (
                   SELECT rid FROM blob WHERE hash = ?
                   UNION SELECT checkin.rid FROM down JOIN parent ON parent.parent = down.rid
                   JOIN checkin ON checkin.rid = child WHERE place <> 1)
               SELECT hash FROM down JOIN blob USING (rid) ORDER BY rid"""
    rows = reader.db.execute(query, (bytes.fromhex(checkin),))
    return [each for each in (id_of(raw) for (raw,) in rows) if each != checkin]


def has_child(reader: Reader, artifact: ArtifactId, branch: str) -> bool:
    """Whether a check-in on `branch` names it as a parent, the first or another."""
    query = """SELECT 1 FROM parent JOIN blob ON blob.rid = parent.parent
               JOIN checkin ON checkin.rid = parent.child WHERE hash = ? AND checkin.branch = ? LIMIT 1"""
    return reader.db.execute(query, (bytes.fromhex(artifact), branch)).fetchone() is not None


def off_their_branch(reader: Reader) -> list[tuple[str, ArtifactId]]:
    """The branches whose ref stands on a check-in that is now on another branch, each with that check-in, by branch."""
    query = """SELECT ref.branch, hash FROM ref JOIN checkin ON rid = ref.checkin JOIN blob USING (rid)
               WHERE checkin.branch <> ref.branch ORDER BY ref.branch"""
    return [(branch, id_of(raw)) for branch, raw in reader.db.execute(query)]


def last_on(reader: Reader, tip: ArtifactId, branch: str) -> ArtifactId | None:
    """The first check-in down the first-parent line of `tip` that is on `branch`; None: no check-in there is."""
    query = """WITH RECURSIVE line(rid, depth) AS (SELECT rid, 0 FROM blob WHERE hash = ? UNION ALL
               SELECT parent, depth + 1 FROM line JOIN parent ON child = line.rid AND position = 0
               LIMIT (SELECT max(rid) FROM checkin))
               SELECT hash FROM line JOIN checkin USING (rid) JOIN blob USING (rid) WHERE branch = ?
               ORDER BY depth LIMIT 1"""
    row = reader.db.execute(query, (bytes.fromhex(tip), branch)).fetchone()
    return None if row is None else id_of(row[0])


def of_branch(reader: Reader, branch: str) -> Iterator[ArtifactId]:
    """The complete check-ins of `branch`, newest date first."""
    query = """SELECT hash FROM checkin JOIN blob USING (rid) WHERE branch = ?
               AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid)
               ORDER BY date_ms DESC, rid DESC"""
    for (raw,) in reader.db.execute(query, (branch,)):
        yield id_of(raw)
