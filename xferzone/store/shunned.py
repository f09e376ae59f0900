"""Shunned artifacts: names whose content is not kept here, not taken from anybody, and not asked for.

    shunned while here     what is kept as a delta of it is kept otherwise, then its content goes: the row is a phantom
    comes again            left out (Writer.put_all); `put` of our own refuses
    named by others        a phantom that nobody is asked for

So it can be on no road to others. Whether it may go is decided by repository/shunning.py.
Source: Fossil 2.21, src/shun.c shun_artifacts().
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from xferzone import delta
from xferzone.errors import CorruptArtifact
from xferzone.hashing import ArtifactId
from xferzone.store import chains, frames, members, schema
from xferzone.store.chains import WORTH, id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import selected

if TYPE_CHECKING:
    from xferzone.store.writer import Writer  # which asks `among`

_LARGEST: Final = 16 * 2**20  # bytes of versions between which a delta is made; as everywhere (turning.py)


class Shunned(NamedTuple):
    """A name that was shunned, when, in milliseconds since 1970, and why; empty: nobody said."""

    id: ArtifactId
    time_ms: int
    comment: str


def listed(reader: Reader) -> list[Shunned]:
    """All of them, the latest last."""
    rows = reader.db.execute("SELECT hash, time_ms, comment FROM shun ORDER BY time_ms, hash")
    return [Shunned(id_of(raw), time_ms, comment) for raw, time_ms, comment in rows]


def among(reader: Reader, artifacts: Iterable[ArtifactId]) -> set[ArtifactId]:
    """Those that are shunned."""
    if reader.db.execute("SELECT 1 FROM shun LIMIT 1").fetchone() is None:
        return set()
    raws = [bytes.fromhex(each) for each in artifacts]
    return {id_of(raw) for (raw,) in selected(reader.db, "SELECT hash FROM shun WHERE hash IN (?)", raws)}


def children(reader: Reader, checkin: ArtifactId) -> list[ArtifactId]:
    """The check-ins here that name it as a parent."""
    query = """SELECT child.hash FROM blob JOIN parent ON parent.parent = blob.rid
               JOIN blob AS child ON child.rid = parent.child WHERE blob.hash = ? ORDER BY child.rid"""
    return [id_of(raw) for (raw,) in reader.db.execute(query, (bytes.fromhex(checkin),))]


def published(reader: Reader) -> list[ArtifactId]:
    """Every check-in that a ref has passed, in order of arrival."""
    query = f"SELECT hash FROM checkin JOIN blob USING (rid) WHERE place = {schema.PUBLISHED} ORDER BY rid"  # noqa: S608 our own number
    return [id_of(raw) for (raw,) in reader.db.execute(query)]


def add(writer: "Writer", artifacts: Collection[ArtifactId], time_ms: int, comment: str) -> None:
    """Shun these. Their content goes; what the others say has to be linked again after it.

    Raises:
        CorruptArtifact: one cannot be read, and another is kept as a delta of it.
    """
    writer.db.execute("PRAGMA secure_delete=ON")  # what is dropped is overwritten
    raws = [bytes.fromhex(each) for each in artifacts]
    rids = [rid for (rid,) in selected(writer.db, "SELECT rid FROM blob WHERE hash IN (?)", raws)]
    for cluster in members.naming(
        writer.db, rids
    ):  # a row without content gets another number when that comes again
        with suppress(CorruptArtifact):  # which `check` tells
            text = chains.content(writer.db, writer.cache, cluster)
            chains.keep(writer.db, cluster, frames.compress(text), None)
    for raw in raws:
        row = writer.db.execute("SELECT rid, source FROM blob WHERE hash = ?", (raw,)).fetchone()
        if row is not None:
            _drop(writer, *row)
        writer.db.execute("INSERT OR IGNORE INTO shun VALUES (?, ?, ?)", (raw, time_ms, comment))
    writer.db.executemany("DELETE FROM private WHERE hash = ?", [(raw,) for raw in raws])


def remove(writer: "Writer", artifacts: Iterable[ArtifactId]) -> None:
    """Take these from whoever brings them from now on."""
    writer.db.executemany("DELETE FROM shun WHERE hash = ?", [(bytes.fromhex(each),) for each in artifacts])


def _drop(writer: "Writer", rid: int, source: int | None) -> None:
    db = writer.db
    for (child,) in db.execute("SELECT rid FROM blob WHERE source = ?", (rid,)).fetchall():
        content = chains.content(db, writer.cache, child)
        made = None
        if source is not None and len(content) <= _LARGEST:
            made = delta.create(chains.content(db, writer.cache, source), content, most=len(content) // WORTH)
        frame = frames.compress(content if made is None else made)
        chains.keep(db, child, frame, None if made is None else source)
    db.execute("UPDATE blob SET content = NULL, source = NULL, size = -1, stack = 0 WHERE rid = ?", (rid,))
    for table in ("large", "aside", "brought", "unsent"):
        db.execute(f"DELETE FROM {table} WHERE rid = ?", (rid,))  # noqa: S608 our own names
