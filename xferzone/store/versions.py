"""The order in which versions travel: each after the version before it, as a delta of that.

    ordered(v3 v1 v2)  ->  v1, after v0    v2, after v1    v3, after v2

    before v1    of a check-in, its first parent
                 of a file, the version that is kept as a delta of it (chains.py)
                 of a file that has none, since v0 is whole, or a delta of another one, or chains wait to be
                 turned round (rechaining.py), what a check-in says that came at about the same time

Whoever asks for v1 to v3 has v0 in most cases, and else asks for it next. Peers ask in the order of hashes: as asked,
most versions would come before their source, and go whole.
Source: Fossil 2.21, src/xfer.c send_delta_parent(), which sends such deltas in any order.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

from xferzone import delta
from xferzone.artifacts import replaced
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.rechaining import noted

MAX_LINE: Final = 1_000  # versions that one is put behind; ours: a whole one in a thousand costs little

_SMALLEST: Final = 100  # bytes; smaller content goes whole; as stock
_SAVING: Final = 51  # bytes that a delta saves at least; as stock
_WORTH_SEARCHING: Final = 1_000  # bytes; for less no check-ins are read
MAX_NEAR: Final = 50  # check-ins before it, and behind it, that are looked at for one file
MAX_CARDS: Final = 1_000  # files of these, together
#: A file mostly comes just before the check-in that names it.
_NEAR: Final = tuple(
    f"SELECT hash FROM checkin JOIN blob USING (rid) WHERE rid {way} LIMIT ?"  # noqa: S608 our own words
    for way in ("> ? ORDER BY rid", "< ? ORDER BY rid DESC")
)


def ordered(reader: Reader, wanted: Collection[ArtifactId]) -> Iterator[tuple[ArtifactId, ArtifactId | None]]:
    """Each of `wanted` with the version before it, if there is one; where that is wanted, too, it comes earlier."""
    are_chained = not noted(reader, 1)
    met: set[ArtifactId] = set()
    for artifact in wanted:
        line: list[tuple[ArtifactId, ArtifactId | None]] = []
        at: ArtifactId | None = artifact
        while at is not None and at in wanted and at not in met and len(line) < MAX_LINE:
            met.add(at)
            older = _before(reader, at, are_chained=are_chained)
            line.append((at, older))
            at = older
        yield from reversed(line)


def _before(reader: Reader, artifact: ArtifactId, *, are_chained: bool) -> ArtifactId | None:
    """The version before this one, which is here; None: none is known, or a delta of it would save nothing."""
    row = reader.db.execute(
        """SELECT new.rid, new.size, old.hash FROM blob AS new
           LEFT JOIN checkin ON checkin.rid = new.rid
           LEFT JOIN blob AS old ON old.content IS NOT NULL AND old.rid = CASE
               WHEN checkin.rid IS NOT NULL THEN (SELECT parent FROM parent WHERE child = new.rid AND position = 0)
               WHEN ? THEN (SELECT max(rid) FROM blob WHERE source = new.rid) END
           WHERE new.hash = ? AND new.size > ? AND new.content IS NOT NULL""",
        (are_chained, bytes.fromhex(artifact), _SMALLEST),
    ).fetchone()
    if row is None:
        return None
    rid, size, found = row
    if found is not None:
        return id_of(found)
    older = _replaced(reader, artifact, rid) if size >= _WORTH_SEARCHING else None
    return older if older is not None and _may_follow(reader, rid, older, are_chained) else None


def _replaced(reader: Reader, artifact: ArtifactId, rid: int) -> ArtifactId | None:
    """What the artifact in row `rid` replaced, by a check-in that came at about the same time."""
    cards = 0
    for near in _NEAR:
        for (raw,) in reader.db.execute(near, (rid, MAX_NEAR)):
            with suppress(NotFound, CorruptArtifact):
                newer = reader.checkin(id_of(raw))
                cards += len(newer.files)
                if newer.parents and any(card.id == artifact for card in newer.files):
                    for old, new in replaced(reader.checkin(newer.parents[0]), newer):
                        if new == artifact:
                            return old
            if cards > MAX_CARDS:
                return None
    return None


def _may_follow(reader: Reader, rid: int, older: ArtifactId, are_chained: bool) -> bool:
    """Whether row `rid` may be sent as a delta of `older`, to a peer that perhaps asks for either alone.

    Content comes back in time: were each sent as a delta of the other, the peer would wait for both for ever. So the
    older has come earlier, and is not above the other in a chain, where it is sent as a delta of what is below.
    """
    query = """WITH RECURSIVE above (rid) AS (
                   SELECT source FROM blob WHERE rid = ? AND ?
                   UNION SELECT source FROM blob JOIN above USING (rid) WHERE source IS NOT NULL)
               SELECT 1 FROM blob WHERE hash = ? AND content IS NOT NULL AND rid < ?
               AND rid NOT IN (SELECT rid FROM above WHERE rid IS NOT NULL)"""
    return reader.db.execute(query, (rid, are_chained, bytes.fromhex(older), rid)).fetchone() is not None


def as_delta(reader: Reader, artifact: ArtifactId, source: ArtifactId) -> bytes | None:
    """The delta that makes the artifact of `source`, both here; None: it saves too little.

    Raises:
        CorruptArtifact: one of them cannot be read back.
    """
    content = reader.content(artifact)
    return delta.create(reader.content(source), content, most=len(content) - _SAVING)
