"""Who brought an artifact that came in a push, and by which door; kept here, and told to nobody but fellows of a group.

    it came whole, or as a delta whose source was here      whoever sent it
    it waited aside for its source                          whoever sent the delta, not whoever brought the source

Not derived: no artifact says it, so `rebuild` leaves it as it is.
"""

from collections.abc import Iterable
from typing import NamedTuple

from xferzone.hashing import ArtifactId
from xferzone.store import pushes
from xferzone.store.chains import id_of
from xferzone.store.pushes import Push
from xferzone.store.reader import Reader
from xferzone.store.sql import selected
from xferzone.store.writer import Writer


class Bringer(NamedTuple):
    """The login of whoever brought an artifact, and the door by which it came (refs/occasion.py)."""

    login: str
    door: str


def note(writer: Writer, artifacts: Iterable[ArtifactId], bringer: Bringer, push: int | None = None) -> None:
    """Remember who brought `artifacts`, which were not here before; what was refused is passed over.

    Who sent a delta before that was kept aside, and now sends no more, has not brought it.
    """
    query = """SELECT rid FROM blob WHERE hash IN (?)
               AND (content IS NOT NULL OR EXISTS (SELECT 1 FROM aside WHERE aside.rid = blob.rid))"""
    rids = [rid for (rid,) in selected(writer.db, query, [bytes.fromhex(each) for each in artifacts])]
    query = "INSERT OR REPLACE INTO brought VALUES (?, ?, ?, ?)"
    writer.db.executemany(query, [(rid, *bringer, push) for rid in rids])
    if rids and push is not None:
        pushes.reach(writer, push, min(rids))


def by(reader: Reader, artifact: ArtifactId) -> Bringer | None:
    """Who brought the artifact. None: it was made here, came by a pull, or before schema 0005."""
    query = "SELECT login, door FROM brought JOIN blob USING (rid) WHERE hash = ?"
    row = reader.db.execute(query, (bytes.fromhex(artifact),)).fetchone()
    return None if row is None else Bringer(*row)


def settled(reader: Reader, push: Push, most: int) -> list[ArtifactId]:
    """The last check-ins, `most` of them, that the push has brought and that are settled, the last one first.

    With those of which its sender was told and has not heard: they bear its number negated.
    """
    query = f"""SELECT hash FROM brought JOIN blob USING (rid) JOIN checkin USING (rid)
                WHERE brought.rid >= ? AND push IN (?, -?) AND {pushes.SETTLED}
                ORDER BY brought.rid DESC LIMIT ?"""  # noqa: S608 a constant of pushes.py, no input
    bound = (push.first, push.number, push.number, most)
    return [id_of(raw) for (raw,) in reader.db.execute(query, bound)]


def unplaced_branches(reader: Reader, login: str) -> set[str]:
    """The branches on which something is to be settled (places.py) that `login` has brought, or nobody who is known."""
    query = """SELECT DISTINCT branch FROM checkin LEFT JOIN brought USING (rid)
               WHERE place = 0 AND branch IS NOT NULL AND (login = ? OR login IS NULL)"""
    return {branch for (branch,) in reader.db.execute(query, (login,))}


def all_of(reader: Reader, artifacts: Iterable[ArtifactId]) -> dict[ArtifactId, Bringer]:
    """Who brought each of these of which that is known."""
    query = "SELECT hash, login, door FROM brought JOIN blob USING (rid) WHERE hash IN (?)"
    rows = selected(reader.db, query, [bytes.fromhex(each) for each in artifacts])
    return {id_of(raw): Bringer(login, door) for raw, login, door in rows}
