"""Outgoing artifacts: those of a clone in order of position, or a single one as a delta of the version before.

clone_batch(position)  ->  artifacts from there on, each whole or as the delta that it is kept as  ->  next position
as_delta(artifact)     ->  a delta against the older version, made anew
"""

from dataclasses import dataclass

from xferzone import delta
from xferzone.errors import CorruptArtifact
from xferzone.hashing import ArtifactId
from xferzone.store import chains
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Sendable:
    """An artifact as a clone sends it: its content of `size` bytes as `payload`, or a delta against `source`."""

    id: ArtifactId
    size: int
    source: ArtifactId | None
    payload: bytes


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


def as_delta(reader: Reader, artifact: ArtifactId) -> tuple[ArtifactId, bytes] | None:
    """A source and the delta against it, where sending that saves bytes; None: send the artifact whole.

    The source is the version before: a peer that asks for a version mostly has that. Stock's rule is followed: the
    content has over 100 bytes, the delta at most 51 fewer. Source: Fossil 2.21, src/xfer.c send_delta_parent().
    """
    row = reader.db.execute(
        """SELECT old.rid, old.hash FROM blob AS new JOIN blob AS old ON old.source = new.rid
           WHERE new.hash = ? AND new.size > 100 ORDER BY old.rid DESC LIMIT 1""",
        (bytes.fromhex(artifact),),
    ).fetchone()
    if row is None:
        return None
    content = reader.content(artifact)
    made = delta.create(chains.content(reader.db, reader.cache, row[0]), content, most=len(content) - 51)
    return None if made is None else (id_of(row[1]), made)


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
        batch.append(Sendable(id_of(raw), size, id_of(source) if source else None, payload))
        budget -= len(payload)
    return Batch(batch, 0, False, damaged)
