"""Damaged artifacts, and their replacement by what a remote has.

    v1 <- v2 <- v3      v3 is damaged: none of them can be read
    v1 <- v2 <- v3'     v3' arrived, whole: all can

Nothing else changes: the row stays, and so does all that was derived from it when it could be read.
"""

from xferzone.errors import CorruptArtifact
from xferzone.hashing import ArtifactId, is_named
from xferzone.store import chains, frames
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer


def damaged(reader: Reader) -> list[ArtifactId]:
    """The artifacts that must be replaced so that all can be read, by row. Reads every artifact."""
    rows = reader.db.execute(
        """SELECT rid, hash, size FROM blob
           WHERE content IS NOT NULL AND typeof(hash) = 'blob' AND length(hash) IN (20, 32) ORDER BY rid"""
    ).fetchall()
    found: dict[ArtifactId, None] = {}
    for rid, raw, size in rows:
        try:
            is_sound = len(chains.content(reader.db, reader.cache, rid)) == size
        except CorruptArtifact as exc:
            found[ArtifactId(exc.artifact)] = None
        else:
            if not is_sound:
                found[chains.id_of(raw)] = None
    return list(found)


def replace(writer: Writer, artifact: ArtifactId, content: bytes) -> None:
    """Store the artifact again, whole, as this content.

    Raises:
        CorruptArtifact: it does not hash to the artifact's name. Nothing was changed.
    """
    if not is_named(artifact, content):
        raise CorruptArtifact(artifact, "the content that came for it does not hash to its name")
    rid = writer.rid(artifact)
    assert rid is not None, "only what is here is replaced"
    chains.keep(writer.db, rid, frames.compress(content), None)
    chains.restack(writer.db, rid)
    writer.db.execute("UPDATE blob SET size = ? WHERE rid = ?", (len(content), rid))
