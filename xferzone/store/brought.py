"""Who brought an artifact that came in a push, and by which door; kept here only, never sent.

    it came whole, or as a delta whose source was here      whoever sent it
    it waited aside for its source                          whoever sent the delta, not whoever brought the source

Not derived: no artifact says it, so `rebuild` leaves it as it is.
"""

from collections.abc import Iterable
from typing import NamedTuple

from xferzone.hashing import ArtifactId
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer


class Bringer(NamedTuple):
    """The login of whoever brought an artifact, and the door by which it came (refs/occasion.py)."""

    login: str
    door: str


def note(writer: Writer, artifacts: Iterable[ArtifactId], bringer: Bringer) -> None:
    """Remember who brought `artifacts`, which were not here before; what was refused is passed over.

    Who sent a delta before that was kept aside, and now sends no more, has not brought it.
    """
    query = """INSERT OR REPLACE INTO brought SELECT rid, ?, ? FROM blob WHERE hash = ?
               AND (content IS NOT NULL OR EXISTS (SELECT 1 FROM aside WHERE aside.rid = blob.rid))"""
    writer.db.executemany(query, [(*bringer, bytes.fromhex(artifact)) for artifact in artifacts])


def by(reader: Reader, artifact: ArtifactId) -> Bringer | None:
    """Who brought the artifact. None: it was made here, came by a pull, or before schema 0005."""
    query = "SELECT login, door FROM brought JOIN blob USING (rid) WHERE hash = ?"
    row = reader.db.execute(query, (bytes.fromhex(artifact),)).fetchone()
    return None if row is None else Bringer(*row)
