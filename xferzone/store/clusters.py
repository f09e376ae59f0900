"""Which artifacts are clusters. No table says so: each process looks once at the rows that may hold one.

    a cluster          M ID, one line a member: hex digits of hashes, which no compression makes smaller than half
    a row that may     stored whole, no check-in, its frame at least 45 % of its content; or by rows (members.py)

What was found is remembered beside the cache of contents, up to the last row that was looked at. Rows are never used
twice, so what comes later is in later ones. A cluster whose members are chosen to be alike may be passed over.
"""

from typing import Final

from xferzone import artifacts
from xferzone.artifacts import MAX_STRUCTURAL, Cluster
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store.cache import Looked
from xferzone.store.chains import id_of
from xferzone.store.members import HELD
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

MAX_LOOKED: Final = (
    5_000  # rows that are read in one transaction, some 0.1 s; the next one goes on behind them
)
_SMALLEST: Final = 78  # bytes: one member named by SHA1, and the Z card
_FRAME: Final = (
    45  # percent of its content that a cluster's frame has at least; 20 bytes of 43 are hash, or 32 of 67
)
_QUERY: Final = f"""SELECT rid, hash FROM blob LEFT JOIN large USING (rid)
    WHERE rid > ? AND source IS NULL AND blob.content IS NOT NULL AND size BETWEEN {_SMALLEST} AND {MAX_STRUCTURAL}
    AND ((length(blob.content) + coalesce(length(large.content), 0)) * 100 >= {_FRAME} * size OR {HELD})
    AND rid NOT IN (SELECT rid FROM checkin) ORDER BY rid LIMIT {MAX_LOOKED}"""  # noqa: S608 our own text


def clusters(reader: Reader) -> tuple[ArtifactId, ...]:
    """The clusters here, in order of arrival; some may be missing until later calls have looked at all rows."""
    before = reader.cache.clusters
    rows = reader.db.execute(_QUERY, (before.row,)).fetchall()
    found = [artifact for _, raw in rows if _is_cluster(reader, artifact := id_of(raw))]
    now = Looked(rows[-1][0] if rows else before.row, (*before.ids, *found))
    if not isinstance(reader, Writer):  # what is written may not stay
        reader.cache.clusters = now
    return now.ids


def _is_cluster(reader: Reader, artifact: ArtifactId) -> bool:
    try:
        return isinstance(artifacts.parse(reader.content(artifact)), Cluster)
    except (CorruptArtifact, NotFound):
        return False  # which is told where it matters
