"""Check-ins that publishing has not settled for good: incomplete ones, and those recorded invalid."""

from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Waiting:
    """A check-in on a branch, and why it waits."""

    id: ArtifactId
    branch: str
    reason: str


def check_ins(reader: Reader) -> list[Waiting]:
    """All of them, in order of arrival."""
    rows = reader.db.execute(
        """SELECT hash, branch, coalesce(reason, 'it waits for ' || (SELECT count(*) FROM awaited
                  WHERE awaited.checkin = checkin.rid) || ' artifacts that have not come')
           FROM checkin JOIN blob USING (rid) LEFT JOIN invalid USING (rid)
           WHERE place IN (0, 2) AND branch IS NOT NULL ORDER BY rid"""
    )
    return [Waiting(id_of(raw), branch, reason) for raw, branch, reason in rows]
