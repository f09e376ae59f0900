"""Delta chains: how an old version is kept as the way back from a newer one.

    v1 <- v2 <- v3          arrows point from a delta's source to what it makes; v3 is stored whole
    stack(v3) = 2           the most deltas that lie on it: reading v1 applies two

The newest version of a file stays whole, so a tip is one read. The version before it becomes a delta against it when
the newer one is linked, or when a long push is over (rechaining.py), in whatever order they arrive. A version whose
chain would be longer than MAX_STACK deltas stays whole instead, which bounds every read. Nothing here trusts the table:
a chain is followed for at most MAX_STACK steps.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

from xferzone import delta
from xferzone.errors import CorruptArtifact, MalformedDelta, NotFound
from xferzone.hashing import ArtifactId, is_named
from xferzone.store import frames
from xferzone.store.cache import ContentCache
from xferzone.store.sql import selected

MAX_ARTIFACT = 64 * 1024 * 1024  # bytes; docs/architecture.md, Bounds
MAX_STACK = 100  # deltas; a whole copy every hundred versions costs a 100 kB zone 0.3 kB a version
WORTH = 2  # a delta is kept if it is at most 1/WORTH of the content
_LARGE = 400  # bytes of a frame; larger ones have rows of their own (store/schema.py)
_BOUND = 262_144  # bytes of a frame that is given to SQLite as a parameter
_AHEAD = """SELECT rid, hash, CAST(size AS INTEGER), CAST(content AS BLOB), CAST(source AS INTEGER)
            FROM blob WHERE content IS NOT NULL AND hash IN (?)"""
#: Damage may leave a value of another type. It is read as the type that it should have; the result does not hash.
_ROW = """SELECT CAST(hash AS BLOB), CAST(size AS INTEGER), CAST(content AS BLOB), CAST(source AS INTEGER)
          FROM blob WHERE rid = ?"""


def id_of(raw: bytes) -> ArtifactId:
    """The id whose digest is `raw`, as the blob table keeps it."""
    return ArtifactId(raw.hex())


def content(db: sqlite3.Connection, cache: ContentCache, rid: int) -> bytes:
    """The artifact's content, verified against its name, as every artifact on the way to it is.

    Raises:
        NotFound: a phantom, or no such row.
        CorruptArtifact: it, or an artifact that its chain needs, cannot be read back.
    """
    chain, found = _chain(db, cache, rid)
    for at, artifact, size, own in reversed(chain):
        stored = own or large(db, at)  # read only now: a hundred large frames at once would be too much
        found = _expanded(db, artifact, size, stored, found)
        cache.put(artifact, found)
        cache.vouch(at, crc32(stored))
    assert found is not None
    return found


def alone(db: sqlite3.Connection, cache: ContentCache, rid: int) -> bytes:
    """The same content, verified too, where nobody is going to ask for what its chain makes on the way to it.

    That is neither verified nor kept: to hash each of a hundred versions costs four times what their deltas do. Raises
    as `content`.
    """
    chain, found = _chain(db, cache, rid)
    try:
        for at, _, size, own in reversed(chain):
            found = _made(db, size, own or large(db, at), found)
    except (ValueError, MalformedDelta):
        found = None
    if found is None or (chain and not is_named(chain[0][1], found)):
        return content(db, cache, rid)  # which artifact it is that is damaged
    return found


def read_ahead(
    db: sqlite3.Connection, cache: ContentCache, artifacts: Sequence[ArtifactId], limit: int
) -> None:
    """Have these in the cache, verified, as far as they come to at most `limit` bytes and to few statements.

    They are given in the order in which they are going to be read, each newer than the next: an older version of a file
    is a delta of the one before. What is missing or damaged is passed over: who reads it is told.
    """
    wanted = [each for each in artifacts if cache.get(each) is None]
    query = _AHEAD  # rows by their raw names
    rows = {row[1]: row for row in selected(db, query, [bytes.fromhex(each) for each in wanted])}
    made: dict[int, bytes] = {}  # the last one alone: versions may be large
    for artifact in wanted:
        row = rows.get(bytes.fromhex(artifact))
        if row is None or row[2] is None or row[2] > limit:
            continue
        rid, _, size, own, source = row
        limit -= size
        try:
            if source is not None and source not in made:
                found = content(db, cache, rid)
            else:
                stored = own or large(db, rid)
                found = _expanded(db, artifact, size, stored, None if source is None else made[source])
                cache.put(artifact, found)
                cache.vouch(rid, crc32(stored))
        except (NotFound, CorruptArtifact):
            continue
        made = {rid: found}


def _chain(
    db: sqlite3.Connection, cache: ContentCache, rid: int
) -> tuple[list[tuple[int, ArtifactId, int, bytes]], bytes | None]:
    """The rows from `rid` to one that is stored whole, or whose source is in the cache; that source's content."""
    chain: list[tuple[int, ArtifactId, int, bytes]] = []
    at: int | None = rid
    while at is not None:
        row = db.execute(_ROW, (at,)).fetchone()
        artifact = ArtifactId("") if row is None else id_of(row[0])
        if row is None or row[2] is None:
            if not chain:
                raise NotFound(f"artifact {artifact or rid} is not here")
            raise CorruptArtifact(chain[-1][1], f"the source of its delta, {artifact or at}, is not here")
        found = cache.get(artifact)
        if found is not None:
            return chain, found
        if len(chain) > MAX_STACK:
            raise CorruptArtifact(chain[0][1], f"its chain of deltas is longer than {MAX_STACK}, or a loop")
        chain.append((at, artifact, row[1], row[2]))
        at = row[3]
    return chain, None


def sound_delta(db: sqlite3.Connection, cache: ContentCache, rid: int, stored: bytes) -> bytes:
    """The delta that row `rid` keeps in the frame `stored`, after a check that it makes its artifact.

    A process applies it once; later it only compares the frame's checksum. A clone takes versions oldest first, each at
    the end of a chain: to read every version anew would apply each delta many times.

    Raises:
        CorruptArtifact: as `content` does.
    """
    checksum = crc32(stored)
    if not cache.is_sound(rid, checksum):
        raw, size, _, source = db.execute(_ROW, (rid,)).fetchone()
        try:
            found = content(db, cache, source)
        except NotFound as exc:
            raise CorruptArtifact(id_of(raw), f"the source of its delta, row {source}, is not here") from exc
        # Cached: of versions that arrived newest first, each is the source of the next.
        cache.put(id_of(raw), _expanded(db, id_of(raw), size, stored, found))
        cache.vouch(rid, checksum)
    return frames.expand(stored, MAX_ARTIFACT, db)


def large(db: sqlite3.Connection, rid: int) -> bytes:
    """The frame of a row whose own content is empty. Empty if it is lost: no frame is empty."""
    try:
        # A query would make SQLite hold a copy of its own.
        with db.blobopen("large", "content", rid, readonly=True) as frame:
            return frame.read()
    except sqlite3.OperationalError:
        return b""  # no such row, or it does not hold a blob


class Row(NamedTuple):
    """A row of the blob table. A large `frame` goes to the table `large`."""

    rid: int
    raw: bytes
    size: int
    frame: bytes
    source: int | None
    stack: int


def stored(db: sqlite3.Connection, rid: int) -> bytes:
    """The frame of row `rid`, which has one. Empty if it is lost."""
    (own,) = db.execute("SELECT CAST(content AS BLOB) FROM blob WHERE rid = ?", (rid,)).fetchone()
    return own or large(db, rid)


def insert(db: sqlite3.Connection, rows: Collection[Row]) -> None:
    """Store artifacts that have no rows yet."""
    query = "INSERT INTO blob (rid, hash, size, content, source, stack) VALUES (?, ?, ?, ?, ?, ?)"
    db.executemany(query, [(*row[:3], _own(row.frame), *row[4:]) for row in rows])
    _insert_outside(db, rows)


def rewrite(db: sqlite3.Connection, rows: Collection[Row]) -> None:
    """Store other frames of artifacts that have rows."""
    query = "UPDATE blob SET content = ?, source = ?, stack = ? WHERE rid = ?"
    db.executemany(query, [(_own(row.frame), row.source, row.stack, row.rid) for row in rows])
    db.executemany("DELETE FROM large WHERE rid = ?", [(row.rid,) for row in rows])
    _insert_outside(db, rows)


def keep(db: sqlite3.Connection, rid: int, frame: bytes, source: int | None) -> None:
    """Store row `rid` as a frame of its content, or of a delta against row `source`."""
    db.execute("UPDATE blob SET content = ?, source = ? WHERE rid = ?", (_own(frame), source, rid))
    db.execute("DELETE FROM large WHERE rid = ?", (rid,))
    if len(frame) > _LARGE:
        _insert_large(db, rid, frame)


def _own(frame: bytes) -> bytes:
    """What the blob table itself keeps of it."""
    return frame if len(frame) <= _LARGE else b""


def _insert_outside(db: sqlite3.Connection, rows: Iterable[Row]) -> None:
    outside = [(row.rid, row.frame) for row in rows if len(row.frame) > _LARGE]
    db.executemany("INSERT INTO large VALUES (?, ?)", [each for each in outside if len(each[1]) <= _BOUND])
    for rid, frame in outside:
        if len(frame) > _BOUND:
            _insert_large(db, rid, frame)


def _insert_large(db: sqlite3.Connection, rid: int, frame: bytes) -> None:
    # As a parameter the frame would be in memory three times.
    db.execute("INSERT INTO large VALUES (?, zeroblob(?))", (rid, len(frame)))
    with db.blobopen("large", "content", rid) as row:
        row.write(frame)


def _expanded(
    db: sqlite3.Connection, artifact: ArtifactId, size: int, stored: bytes, source: bytes | None
) -> bytes:
    try:
        made = _made(db, size, stored, source)
    except (ValueError, MalformedDelta) as exc:
        raise CorruptArtifact(artifact, str(exc)) from exc
    if not is_named(artifact, made):
        raise CorruptArtifact(artifact, "its content does not hash to its name")
    return made


def _made(db: sqlite3.Connection, size: int, stored: bytes, source: bytes | None) -> bytes:
    """What a frame makes, of its source where it is a delta's. Raises ValueError or MalformedDelta if it is damaged."""
    expanded = frames.expand(stored, MAX_ARTIFACT, db)
    return expanded if source is None else delta.apply(source, expanded, limit=size)


def raise_stacks(db: sqlite3.Connection, rid: int, height: int) -> None:
    """Record that at least `height` deltas lie on row `rid`, and one more on each row up its chain."""
    for above, (at, stack) in enumerate(_stacks(db, rid).items()):
        if stack < height + above:
            db.execute("UPDATE blob SET stack = ? WHERE rid = ?", (height + above, at))


def restack(db: sqlite3.Connection, rid: int) -> None:
    """Count again how many deltas lie on row `rid`, which is whole."""
    query = "UPDATE blob SET stack = (SELECT coalesce(max(stack) + 1, 0) FROM blob WHERE source = ?1) WHERE rid = ?1"
    db.execute(query, (rid,))


def restack_all(db: sqlite3.Connection) -> None:
    """Count again how many deltas lie on each row."""
    sources: dict[int, int] = dict(db.execute("SELECT rid, source FROM blob WHERE source IS NOT NULL"))
    stacks: dict[int, int] = {}
    for end in sources.keys() - set(sources.values()):
        at = end
        for height in range(1, MAX_STACK + 2):  # damage may have made a loop
            at = sources.get(at, 0)
            if stacks.get(at, 0) >= height:
                break
            stacks[at] = height
    rows = db.execute("SELECT rid, stack FROM blob").fetchall()
    wrong = [(stacks.get(rid, 0), rid) for rid, stack in rows if stack != stacks.get(rid, 0)]
    db.executemany("UPDATE blob SET stack = ? WHERE rid = ?", wrong)


def depth(db: sqlite3.Connection, rid: int) -> int:
    """How many deltas lead to row `rid` from a whole row; MAX_STACK if its chain cannot be followed."""
    stacks = _stacks(db, rid)
    return len(stacks) - 1 if stacks else MAX_STACK


def _stacks(db: sqlite3.Connection, rid: int) -> dict[int, int]:
    """The rows from `rid` up to the whole row that ends its chain, with their stacks; empty if one is not here."""
    found: dict[int, int] = {}
    at: int | None = rid
    while at is not None and at not in found:
        row = db.execute("SELECT content IS NULL, source, stack FROM blob WHERE rid = ?", (at,)).fetchone()
        if row is None or row[0] or len(found) > MAX_STACK:
            return {}
        found[at] = row[2]
        at = row[1]
    return found
