"""Private artifacts: kept for those who may sync them, and for nobody else.

    came as private                    ─> the table `private`, whole; not linked, so it is no version of a zone, no tag,
                                          no member of a cluster, and nothing is a delta of it
    its content comes publicly, too    ─> a blob like any other; the private row goes (Writer.put_all)

Whatever reads blobs cannot come upon a private artifact, and costs nothing for that. Positions from FIRST on are those
of private artifacts in a clone: row numbers of blobs stay below it.

Source: Fossil 2.21, src/content.c content_put_ex(), content_make_public(), which keep private artifacts among the
others and mark them.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound, PeerError
from xferzone.hashing import ArtifactId, is_named
from xferzone.store import frames, shunned
from xferzone.store.chains import MAX_ARTIFACT, id_of
from xferzone.store.phantoms import Expecting
from xferzone.store.reader import Reader
from xferzone.store.sql import selected

MAX_KEPT: Final = (
    50_000  # private artifacts; all of them are named in each reply to whoever syncs them, as by stock
)
FIRST: Final = 2**30  # positions of a clone; stock reads them as numbers up to 2^31 - 1


def is_any(reader: Reader) -> bool:
    """Whether there is a private artifact."""
    return reader.db.execute("SELECT 1 FROM private LIMIT 1").fetchone() is not None


def ids(reader: Reader) -> Iterator[ArtifactId]:
    """All of them, in order of arrival."""
    for (raw,) in reader.db.execute("SELECT hash FROM private ORDER BY rid"):
        yield id_of(raw)


def present(reader: Reader, artifacts: Iterable[ArtifactId]) -> set[ArtifactId]:
    """Those that are private here."""
    raws = [bytes.fromhex(each) for each in artifacts] if is_any(reader) else []
    return {id_of(raw) for (raw,) in selected(reader.db, "SELECT hash FROM private WHERE hash IN (?)", raws)}


def largest(reader: Reader, artifacts: Iterable[ArtifactId]) -> int:
    """Bytes of the largest of those that are private here; 0: none is."""
    raws = [bytes.fromhex(each) for each in artifacts] if is_any(reader) else []
    rows = selected(reader.db, "SELECT max(size) FROM private WHERE hash IN (?)", raws)
    return max((size or 0 for (size,) in rows), default=0)


def content(reader: Reader, artifact: ArtifactId) -> bytes:
    """The private artifact's bytes, verified.

    Raises:
        NotFound: it is not private here.
        CorruptArtifact: it is damaged.
    """
    query = "SELECT CAST(content AS BLOB) FROM private WHERE hash = ?"
    row = reader.db.execute(query, (bytes.fromhex(artifact),)).fetchone()
    if row is None:
        raise NotFound(f"no private artifact {artifact} is here")
    try:
        found = frames.expand(row[0], MAX_ARTIFACT)
    except ValueError as exc:
        raise CorruptArtifact(artifact, str(exc)) from exc
    if not is_named(artifact, found):
        raise CorruptArtifact(artifact, "its content does not hash to its name")
    return found


def after(reader: Reader, position: int) -> tuple[int, ArtifactId, int] | None:
    """The first private artifact from position `position` on: its position, name and size. None: there is none."""
    query = "SELECT rid, hash, CAST(size AS INTEGER) FROM private WHERE rid >= ? ORDER BY rid LIMIT 1"
    row = reader.db.execute(query, (max(position - FIRST, 0),)).fetchone()
    return None if row is None else (FIRST + row[0], id_of(row[1]), row[2])


def put(writer: Expecting, artifact: ArtifactId, found: bytes) -> bool:
    """Keep a private artifact, unless it is here publicly, or shunned; whether it is new.

    Raises:
        CorruptArtifact: its content does not hash to its name.
        PeerError: it is over MAX_ARTIFACT bytes, or there are MAX_KEPT already.
    """
    if len(found) > MAX_ARTIFACT:
        raise PeerError(f"artifact {artifact} has {len(found)} bytes; at most {MAX_ARTIFACT} are allowed")
    if not is_named(artifact, found):
        raise CorruptArtifact(artifact, "the content that came does not hash to its name")
    if writer.has(artifact) or present(writer, [artifact]) or shunned.among(writer, [artifact]):
        return False
    (count,) = writer.db.execute("SELECT count(*) FROM private").fetchone()
    if count >= MAX_KEPT:
        raise PeerError(f"over {MAX_KEPT} private artifacts: publish some, or keep them elsewhere")
    query = "INSERT INTO private (hash, size, content) VALUES (?, ?, ?)"
    writer.db.execute(query, (bytes.fromhex(artifact), len(found), frames.compress(found)))
    return True


def forget(writer: Expecting, artifacts: Collection[ArtifactId]) -> None:
    """Drop those of `artifacts`, which are public now."""
    gone = [(bytes.fromhex(each),) for each in present(writer, artifacts)]
    writer.db.executemany("DELETE FROM private WHERE hash = ?", gone)
