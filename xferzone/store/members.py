"""Clusters, kept by the rows of their members: 1 or 2 octets a member instead of the 33 that its name takes in zstd.

    content    "M " and the name of each member, in ascending order, then the Z card (artifacts/cluster.py)
    kept       MARK; then the rows of the members, in ascending order, each as its distance from the one before

A distance is written in groups of 7 bits, the lowest first; of all but the last of its octets the highest bit is set. A
row with content keeps it, and its number, for ever, unless it is shunned: what names it is kept as text before that.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from xferzone.artifacts import Cluster
from xferzone.hashing import ArtifactId, is_named
from xferzone.store.sql import selected

MARK: Final = b"\x09"  # no zstd frame begins so: a reserved bit is set, RFC 8878 3.1.1.1.1
MOST: Final = 8  # percent of its content that it takes so; else it is kept as text
_LINE: Final = 43  # bytes of a member, at least
_LAST: Final = (1 << 63) - 1  # SQLite has no larger row numbers

#: Of the rows of blob and large that hold such a cluster.
HELD: Final = f"""length(coalesce(nullif(blob.content, x''), large.content)) * 100 <= {MOST} * size AND
    substr(CAST(coalesce(nullif(blob.content, x''), large.content) AS BLOB), 1, 1) = x'{MARK.hex()}'"""


def by_rows(
    db: sqlite3.Connection, name: ArtifactId, cluster: Cluster, new: Mapping[ArtifactId, int]
) -> bytes | None:
    """The cluster as above. None: a member has no content here, or text would do as well.

    `new`: rows of artifacts that are about to be stored.
    """
    content = cluster.encode()
    if not is_named(name, content):
        return None
    others = [bytes.fromhex(each) for each in cluster.members if each not in new]
    query = "SELECT hash, rid FROM blob WHERE content IS NOT NULL AND hash IN (?)"
    here = dict(selected(db, query, others)) if others else {}
    if len(here) < len(others):
        return None
    own = (new[each] for each in cluster.members if each in new)
    kept = MARK + _written(sorted([*here.values(), *own]))
    return kept if len(kept) * 100 <= MOST * len(content) else None


def content(db: sqlite3.Connection, kept: bytes, limit: int) -> bytes:
    """The cluster's text. Raises ValueError: it is damaged, or has over `limit` bytes."""
    rows = list(_numbers(kept))
    if len(rows) * _LINE > limit:
        raise ValueError(f"a cluster of {len(rows)} members")
    raws = [raw for (raw,) in selected(db, "SELECT CAST(hash AS BLOB) FROM blob WHERE rid IN (?)", rows)]
    if not raws or len(raws) < len(rows):
        raise ValueError(
            f"a cluster of rows {rows[:1]} and {len(rows) - 1} others, of which {len(raws)} are here"
        )
    text = Cluster(tuple(ArtifactId(raw.hex()) for raw in raws)).encode()
    if len(text) > limit:
        raise ValueError(f"a cluster of {len(text)} bytes")
    return text


def naming(db: sqlite3.Connection, rows: Collection[int]) -> Iterable[int]:
    """The rows of clusters that are kept so and have one of these `rows` for a member."""
    query = f"""SELECT rid, CAST(coalesce(nullif(blob.content, x''), large.content) AS BLOB)
                FROM blob LEFT JOIN large USING (rid) WHERE {HELD}"""  # noqa: S608 our own text
    wanted = frozenset(rows)
    return [rid for rid, kept in db.execute(query).fetchall() if not wanted.isdisjoint(_numbers(kept))]


def _written(rows: Iterable[int]) -> bytes:
    made, before = bytearray(), 0
    for row in rows:
        left, before = row - before, row
        while left > 127:
            made.append(left & 127 | 128)
            left >>= 7
        made.append(left)
    return bytes(made)


def _numbers(kept: bytes) -> Iterator[int]:
    """The rows; of what is damaged others, but none that SQLite could not compare."""
    at = value = shift = 0
    for octet in kept[len(MARK) :]:
        value |= (octet & 127) << shift
        if octet & 128:
            shift += 7
            continue
        at += value
        value = shift = 0
        if at > _LAST:
            return
        yield at
