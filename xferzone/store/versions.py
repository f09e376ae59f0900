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

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from xferzone import delta
from xferzone.artifacts import replaced
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import chains
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.rechaining import noted
from xferzone.store.sql import selected
from xferzone.store.turning import ASTRAY

MAX_LINE: Final = 1_000  # versions that one is put behind; ours: a whole one in a thousand costs little
MAX_NEAR: Final = 250  # check-ins looked at before a file, and behind it; ours, some 20 ms the first time
MAX_CARDS: Final = 1_000  # files of these, together
MAX_FOLLOWED: Final = 5_000  # versions followed to see whether they lead in a circle; ours, some 0.1 s

_SMALLEST: Final = 100  # bytes; smaller content goes whole; as stock
_SAVING: Final = 51  # bytes that a delta saves at least; as stock
_WORTH_SEARCHING: Final = 1_000  # bytes; for less no check-ins are read
#: A file mostly comes just before the check-in that names it.
_NEAR: Final = tuple(
    f"SELECT hash FROM checkin JOIN blob USING (rid) WHERE rid {way} LIMIT ?"  # noqa: S608 our own words
    for way in ("> ? ORDER BY rid", "< ? ORDER BY rid DESC")
)


def ordered(reader: Reader, wanted: Collection[ArtifactId]) -> Iterator[tuple[ArtifactId, ArtifactId | None]]:
    """Each of `wanted` with the version before it, if there is one; where that is wanted, too, it comes earlier."""
    versions = _Versions(reader, wanted)
    met: set[ArtifactId] = set()
    for artifact in wanted:
        line: list[tuple[ArtifactId, ArtifactId | None]] = []
        at: ArtifactId | None = artifact
        while at is not None and at in wanted and at not in met and len(line) < MAX_LINE:
            met.add(at)
            older = versions.before(at)
            line.append((at, older))
            at = older
        yield from reversed(line)


class _Found(NamedTuple):
    """The version before the one in row `rid`. `is_named`: check-ins alone tell it."""

    rid: int
    older: ArtifactId | None
    is_named: bool


class _Versions:
    """The version before each, looked up once."""

    def __init__(self, reader: Reader, wanted: Collection[ArtifactId]) -> None:
        self._reader = reader
        self._wanted = wanted
        self._found: dict[ArtifactId, _Found] = {}
        self._replaced: dict[ArtifactId, ArtifactId] | None = (
            None  # by check-ins that are wanted, newer -> older
        )

    def before(self, artifact: ArtifactId) -> ArtifactId | None:
        """The version before this one, which is here; None: none is known, or a delta of it would save nothing."""
        found = self._find(artifact)
        if found.older is None or (found.is_named and not self._may_follow(artifact, found.rid, found.older)):
            return None
        return found.older

    def _find(self, artifact: ArtifactId) -> _Found:
        """What tables or check-ins say, though it may lead in a circle."""
        if artifact not in self._found:
            rid, size, older = self._linked(artifact)
            is_named = older is None and size >= _WORTH_SEARCHING
            self._found[artifact] = _Found(rid, self._named(artifact, rid) if is_named else older, is_named)
        return self._found[artifact]

    def _linked(self, artifact: ArtifactId) -> tuple[int, int, ArtifactId | None]:
        """Row, size (0: there is nothing to look for), and the version before as far as tables tell."""
        row = self._reader.db.execute(
            """SELECT new.rid, new.size, old.hash FROM blob AS new
               LEFT JOIN checkin ON checkin.rid = new.rid
               LEFT JOIN blob AS old ON old.content IS NOT NULL AND old.rid = CASE
                   WHEN checkin.rid IS NOT NULL THEN
                       (SELECT parent FROM parent WHERE child = new.rid AND position = 0)
                   WHEN NOT EXISTS (SELECT 1 FROM unchained) THEN
                       (SELECT max(rid) FROM blob WHERE source = new.rid) END
               WHERE new.hash = ? AND new.size > ? AND new.content IS NOT NULL""",
            (bytes.fromhex(artifact), _SMALLEST),
        ).fetchone()
        return (0, 0, None) if row is None else (row[0], row[1], None if row[2] is None else id_of(row[2]))

    def _named(self, artifact: ArtifactId, rid: int) -> ArtifactId | None:
        """What a check-in that is wanted, or came at about the same time, replaced by the artifact in row `rid`."""
        if self._replaced is None:
            some = [bytes.fromhex(each) for each in islice(self._wanted, MAX_LINE)]
            query = "SELECT hash FROM checkin JOIN blob USING (rid) WHERE hash IN (?)"
            self._replaced = dict(self._pairs(selected(self._reader.db, query, some)))
        if artifact in self._replaced:
            return self._replaced[artifact]
        for query in _NEAR:
            near = self._reader.db.execute(query, (rid, MAX_NEAR))
            for newer, older in self._pairs(near, artifact):
                if newer == artifact:
                    return older
        return None

    def _pairs(
        self, checkins: Iterable[tuple[bytes]], naming: ArtifactId | None = None
    ) -> Iterator[tuple[ArtifactId, ArtifactId]]:
        """Newer and older version of each file that these replace; of those that name `naming`, if it is given."""
        cards = 0
        for (raw,) in checkins:
            with suppress(NotFound, CorruptArtifact):
                newer = self._reader.checkin(id_of(raw))
                cards += len(newer.files)
                if newer.parents and (naming is None or any(card.id == naming for card in newer.files)):
                    for old, new in replaced(self._reader.checkin(newer.parents[0]), newer):
                        yield new, old
            if cards > MAX_CARDS:
                return

    def _may_follow(self, artifact: ArtifactId, rid: int, older: ArtifactId) -> bool:
        """Whether it may be sent as a delta of `older`, to a peer that perhaps asks for either alone.

        Content comes back in time: were each sent as a delta of the other, by whatever detours, the peer would wait
        for both for ever.
        """
        place = self._reader.rid(older)
        if place is None or not self._reader.has(older):
            return False
        if noted(self._reader, 1):
            return place < rid
        at: ArtifactId | None = older
        for _ in range(MAX_FOLLOWED):
            at = None if at is None else self._find(at).older
            if at is None:
                return True
            if at == artifact:
                return False
        return False


def as_delta(reader: Reader, artifact: ArtifactId, source: ArtifactId) -> bytes | None:
    """The delta that makes the artifact of `source`, both here; None: it saves too little.

    Raises:
        CorruptArtifact: one of them cannot be read back.
    """
    content = reader.content(artifact)
    most = len(content) - _SAVING
    back = _kept(reader, source, artifact)
    if back is not None:
        way = delta.reverse(content, back, most=min(most, ASTRAY * len(back)))
        if way is not None:
            return way
    return delta.create(reader.content(source), content, most=most)


def _kept(reader: Reader, artifact: ArtifactId, source: ArtifactId) -> bytes | None:
    """The delta that is kept of the artifact, if it is one of `source`, seen to be sound. Raises CorruptArtifact."""
    row = reader.db.execute(
        """SELECT made.rid, CAST(made.content AS BLOB) FROM blob AS made JOIN blob AS of ON of.rid = made.source
           WHERE made.content IS NOT NULL AND made.hash = ? AND of.hash = ?""",
        (bytes.fromhex(artifact), bytes.fromhex(source)),
    ).fetchone()
    if row is None:
        return None
    rid, own = row
    return chains.sound_delta(reader.db, reader.cache, rid, own or chains.large(reader.db, rid))
