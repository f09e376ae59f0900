"""Who brought an artifact that came in a push, and by which door; kept here only, never sent."""

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
    """Remember who brought `artifacts`; those that are not here, or whose bringer is known, are passed over."""
    query = "INSERT OR IGNORE INTO brought SELECT rid, ?, ? FROM blob WHERE hash = ? AND content IS NOT NULL"
    writer.db.executemany(query, [(*bringer, bytes.fromhex(artifact)) for artifact in artifacts])


def by(reader: Reader, artifact: ArtifactId) -> Bringer | None:
    """Who brought the artifact. None: it was made here, came by a pull, or before schema 0005."""
    query = "SELECT login, door FROM brought JOIN blob USING (rid) WHERE hash = ?"
    row = reader.db.execute(query, (bytes.fromhex(artifact),)).fetchone()
    return None if row is None else Bringer(*row)
