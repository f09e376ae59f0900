"""Unsent: what was made here and has not been pushed to the primary yet. A primary and a member have no such
thing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import places, schema
from xferzone.store.chains import id_of
from xferzone.store.places import Placed
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Unsent:
    """How many check-ins of a branch are unsent, and how many unsent artifacts tag any check-in of it."""

    branch: str
    checkins: int
    tags: int


def put_own(writer: Writer, content: bytes) -> ArtifactId:
    """Store what is made here. A clone remembers that it is to be pushed."""
    name = artifact_id(content)
    if not writer.has(name):
        writer.put(content, name)
        if writer.role not in schema.DECIDING:
            writer.db.execute("INSERT OR IGNORE INTO unsent VALUES (?)", (writer.rid(name),))
    return name


def add(writer: Writer, artifacts: Iterable[ArtifactId]) -> None:
    """Note that these, which are here, are to be pushed."""
    query = "INSERT OR IGNORE INTO unsent SELECT rid FROM blob WHERE hash = ? AND content IS NOT NULL"
    writer.db.executemany(query, [(bytes.fromhex(artifact),) for artifact in artifacts])


def artifacts(reader: Reader) -> list[ArtifactId]:
    """Every artifact that is unsent, oldest first."""
    query = "SELECT hash FROM unsent JOIN blob USING (rid) ORDER BY rid"
    return [id_of(raw) for (raw,) in reader.db.execute(query)]


def checkins(reader: Reader) -> list[Placed]:
    """The check-ins that are unsent and that no ref has passed, in order of arrival."""
    query = (
        "SELECT hash FROM unsent JOIN checkin USING (rid) JOIN blob USING (rid) WHERE place <> 1 ORDER BY rid"
    )
    found = [places.placed(reader, id_of(raw)) for (raw,) in reader.db.execute(query).fetchall()]
    return [placed for placed in found if placed is not None]


def by_branch(reader: Reader) -> list[Unsent]:
    """What is unsent of each branch, by name. The zone files that the check-ins name are not counted."""
    query = """SELECT branch, sum(rid IN (SELECT rid FROM checkin)), sum(rid NOT IN (SELECT rid FROM checkin)) FROM (
                   SELECT rid, branch FROM unsent JOIN checkin USING (rid)
                   UNION SELECT unsent.rid, branch FROM unsent JOIN tag ON source = unsent.rid
                         JOIN checkin ON checkin.rid = target)
               WHERE branch IS NOT NULL GROUP BY branch ORDER BY branch"""
    return [Unsent(*row) for row in reader.db.execute(query)]


def are_unsent(reader: Reader, checkins: Iterable[ArtifactId]) -> bool:
    """Whether all of them are unsent."""
    query = "SELECT 1 FROM unsent JOIN blob USING (rid) WHERE hash = ?"
    return all(reader.db.execute(query, (bytes.fromhex(checkin),)).fetchone() for checkin in checkins)


def forget(writer: Writer, pushed: Iterable[ArtifactId]) -> None:
    """Note that these have been pushed."""
    query = "DELETE FROM unsent WHERE rid = (SELECT rid FROM blob WHERE hash = ?)"
    writer.db.executemany(query, [(bytes.fromhex(artifact),) for artifact in pushed])
