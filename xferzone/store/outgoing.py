"""Artifacts as they are sent.

clone_batch(position)  ->  artifacts from there on, each whole or as the delta that it is kept as  ->  next position
every()                ->  all of them, one after the other
private_batch(...)     ->  the same of private ones, each whole: their positions begin at private.FIRST
kept(names)            ->  how each is kept; as_kept() reads its delta
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from xferzone.errors import CorruptArtifact
from xferzone.hashing import ArtifactId
from xferzone.store import chains, private
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import selected

_KEPT: Final = """SELECT blob.rid, CAST(blob.hash AS BLOB), CAST(blob.size AS INTEGER), CAST(source.hash AS BLOB),
    CAST(blob.content AS BLOB) FROM blob LEFT JOIN blob AS source ON source.rid = blob.source
    WHERE blob.content IS NOT NULL AND blob.hash IN (?)"""


@dataclass(frozen=True, slots=True)
class Sendable:
    """An artifact as a clone sends it: its content of `size` bytes as `payload`, or a delta against `source`."""

    position: int
    id: ArtifactId
    size: int
    source: ArtifactId | None
    payload: bytes
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Artifacts of a clone, in order of position.

    Fields:
        position: of the first that is not among them; 0 when all have been passed.
        too_large: that first one is larger than was asked for.
        damaged: those left out because they cannot be read.
    """

    sendables: list[Sendable]
    position: int
    too_large: bool
    damaged: list[ArtifactId]


def clone_batch(reader: Reader, position: int, budget: int, largest: int = chains.MAX_ARTIFACT) -> Batch:
    """Artifacts from `position` on, oldest first, up to the first of over `largest` bytes.

    At most `budget` bytes of payload, but always one artifact if any is left, so that a small budget still moves. A
    damaged artifact is left out: the clone goes on without it, and `check` names it.
    """
    rows = reader.db.execute(
        """SELECT blob.rid, CAST(blob.hash AS BLOB), CAST(blob.size AS INTEGER), CAST(blob.content AS BLOB),
                  CAST(source.hash AS BLOB)
           FROM blob LEFT JOIN blob AS source ON source.rid = blob.source
           WHERE blob.rid >= ? AND blob.content IS NOT NULL ORDER BY blob.rid""",
        (position,),
    )
    batch: list[Sendable] = []
    damaged: list[ArtifactId] = []
    for rid, raw, size, stored, source in rows:
        if not 0 <= size <= chains.MAX_ARTIFACT:
            damaged.append(id_of(raw))
            continue
        if size > largest or (budget <= 0 and batch):
            return Batch(batch, rid, size > largest, damaged)
        # Its source has been sent, or will be: no position is passed over.
        try:
            if source is not None:
                payload = chains.sound_delta(
                    reader.db, reader.cache, rid, stored or chains.large(reader.db, rid)
                )
            else:
                payload = reader.content(id_of(raw))
        except CorruptArtifact:
            damaged.append(id_of(raw))
            continue
        batch.append(Sendable(rid, id_of(raw), size, id_of(source) if source else None, payload))
        budget -= len(payload)
    return Batch(batch, 0, False, damaged)


class Row(NamedTuple):
    """An artifact as it is kept: its content of `size` bytes as `payload`, or a delta against that in row `source`."""

    position: int
    id: ArtifactId
    size: int
    source: int | None
    payload: bytes


def every(reader: Reader) -> Iterator[Row]:
    """Every artifact, in order of position, verified.

    Raises:
        CorruptArtifact: one cannot be read.
    """
    rows = reader.db.execute(
        """SELECT rid, CAST(hash AS BLOB), CAST(size AS INTEGER), CAST(content AS BLOB), CAST(source AS INTEGER)
           FROM blob WHERE content IS NOT NULL ORDER BY rid"""
    )
    for rid, raw, size, frame, source in rows:
        if source is None:
            payload = reader.content(id_of(raw))
        else:
            payload = chains.sound_delta(reader.db, reader.cache, rid, frame or chains.large(reader.db, rid))
        yield Row(rid, id_of(raw), size, source, payload)


def private_batch(reader: Reader, position: int, budget: int, largest: int = chains.MAX_ARTIFACT) -> Batch:
    """The same of private artifacts, from `position` on, which is at least private.FIRST."""
    batch: list[Sendable] = []
    damaged: list[ArtifactId] = []
    while (found := private.after(reader, position)) is not None:
        position, artifact, size = found
        if size > largest or (budget <= 0 and batch):
            return Batch(batch, position, size > largest, damaged)
        try:
            content = private.content(reader, artifact)
        except CorruptArtifact:
            damaged.append(artifact)
        else:
            batch.append(Sendable(position, artifact, size, None, content, is_private=True))
            budget -= len(content)
        position += 1
    return Batch(batch, 0, False, damaged)


def since(reader: Reader, row: int, limit: int) -> list[tuple[int, ArtifactId]]:
    """The first `limit` artifacts behind `row`, with their rows, in order of arrival."""
    query = "SELECT rid, hash FROM blob WHERE rid > ? AND content IS NOT NULL ORDER BY rid LIMIT ?"
    return [(rid, id_of(raw)) for rid, raw in reader.db.execute(query, (row, limit))]


def newest(reader: Reader) -> tuple[int, ArtifactId] | None:
    """The artifact that came last, behind its row. None: there is none."""
    query = "SELECT rid, hash FROM blob WHERE content IS NOT NULL ORDER BY rid DESC LIMIT 1"
    row = reader.db.execute(query).fetchone()
    return None if row is None else (row[0], id_of(row[1]))


def is_at(reader: Reader, row: int, artifact: ArtifactId) -> bool:
    """Whether that row holds that artifact: in an older file, or another one, it does not."""
    query = "SELECT 1 FROM blob WHERE rid = ? AND hash = ? AND content IS NOT NULL"
    return reader.db.execute(query, (row, bytes.fromhex(artifact))).fetchone() is not None


class Kept(NamedTuple):
    """How an artifact that is here is kept: its row, the bytes of its content, the source of its delta, if any."""

    rid: int
    size: int
    source: ArtifactId | None
    frame: bytes


def kept(reader: Reader, artifacts: Collection[ArtifactId]) -> dict[ArtifactId, Kept]:
    """How those are kept that are here."""
    rows = selected(reader.db, _KEPT, [bytes.fromhex(each) for each in artifacts])
    return {
        id_of(raw): Kept(rid, size, id_of(source) if source else None, frame)
        for rid, raw, size, source, frame in rows
    }


def as_kept(reader: Reader, row: Kept) -> bytes:
    """The delta that an artifact is kept as, which has a source. Raises CorruptArtifact."""
    return chains.sound_delta(reader.db, reader.cache, row.rid, row.frame or chains.large(reader.db, row.rid))
