"""The bodies of batches and pulls, made from the store in short transactions, piece by piece.

    kept as a delta of what is sent, too         that delta, as it lies (most versions of most files)
    older versions may be used, one is known     a delta of the newest that is not sent
    else                                         whole

No transaction is open while a piece waits for the network, so whoever reads slowly keeps nobody's log from being cut.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.replicate import batch
from xferzone.replicate.batch import Why
from xferzone.store import Reader, Store, outgoing, turns, versions
from xferzone.store.outgoing import Kept

MAX_BODY: Final = 64 * 1024 * 1024  # bytes of a body, expanded, besides its last artifact; ours
_PIECE: Final = 256 * 1024  # bytes made in one transaction, and in memory
_LOOKED_UP: Final = 500  # artifacts looked up in one statement
_SMALLEST: Final = 100  # bytes; smaller content goes whole
_MAX_BACK: Final = 1_000  # versions followed to one that the client has


@dataclass(frozen=True, slots=True)
class Sending:
    """What a body has.

    Fields:
        names: of what is sent, in order.
        older: of some of them, the version before.
        is_named: each record has its name, as in a pull.
        more: of a pull, the cursor of the next page.
    """

    names: Sequence[ArtifactId]
    older: Mapping[ArtifactId, ArtifactId] = field(default_factory=dict)
    is_named: bool = False
    more: str = ""


def body(store: Store, sending: Sending) -> Generator[bytes, None, None]:
    """The body in pieces. Raises as Store.reader does; what is damaged or gone is said in the body."""
    yield from _Body(store, sending).pieces()


class _Body:
    def __init__(self, store: Store, sending: Sending) -> None:
        self._store = store
        self._sending = sending
        self._places = {name: at for at, name in enumerate(sending.names)}
        self._left = MAX_BODY

    def pieces(self) -> Generator[bytes, None, None]:
        yield batch.MAGIC
        at = 0
        while at < len(self._sending.names):
            made: list[bytes] = []
            with self._store.reader() as reader:
                at = self._make(reader, at, made)
            piece = b"".join(made)
            self._left -= len(piece)
            yield piece
        yield batch.end(self._sending.more)

    def _make(self, reader: Reader, at: int, made: list[bytes]) -> int:
        """Append the records from `at` on, as many as a piece has; where the next one begins."""
        began, size = turns.clock(), 0
        while size < _PIECE and turns.clock() - began < turns.LONG_S:
            names = self._sending.names[at : at + _LOOKED_UP]
            if not names:
                break
            rows = outgoing.kept(reader, names)
            for name in names:
                record = self._record(reader, name, rows.get(name), self._left - size)
                made.append(record)
                size += len(record)
                at += 1
                if size >= _PIECE or turns.clock() - began >= turns.LONG_S:
                    break
        return at

    def _record(self, reader: Reader, name: ArtifactId, row: Kept | None, left: int) -> bytes:
        own = batch.named(name) if self._sending.is_named else b""
        if row is None:
            return batch.unsent(Why.ABSENT, own)
        if left <= 0:
            return batch.unsent(Why.LATER, own)
        try:
            return self._present(reader, name, row, own)
        except NotFound:
            return batch.unsent(Why.ABSENT, own)
        except CorruptArtifact:
            return batch.unsent(Why.DAMAGED, own)

    def _present(self, reader: Reader, name: ArtifactId, row: Kept, own: bytes) -> bytes:
        source = row.source
        if source is not None and (there := self._places.get(source)) is not None:
            delta = outgoing.as_kept(reader, row)
            if self._sending.is_named:
                return batch.far(source, delta, own)
            return batch.near(there - self._places[name], delta)
        if row.size > _SMALLEST and (before := self._before(name)) is not None:
            made = self._delta(reader, name, before)
            if made is not None:
                return batch.far(before, made, own)
        return batch.whole(reader.content(name), own)

    def _before(self, name: ArtifactId) -> ArtifactId | None:
        """The newest version before this one that is not sent. None: none is known."""
        at: ArtifactId | None = self._sending.older.get(name)
        for _ in range(_MAX_BACK):
            if at is None or at not in self._places:
                return at
            at = self._sending.older.get(at)
        return None

    def _delta(self, reader: Reader, name: ArtifactId, source: ArtifactId) -> bytes | None:
        """None: the source is not here or damaged, or a delta of it would save nothing."""
        try:
            return versions.as_delta(reader, name, source)
        except (NotFound, CorruptArtifact):
            return None  # of the artifact itself it is told when it goes whole


def older_of(reader: Reader, names: Collection[ArtifactId]) -> dict[ArtifactId, ArtifactId]:
    """The versions before those of `names` that are check-ins, or are named by one of these; of first parents."""
    found: dict[ArtifactId, ArtifactId] = {}
    for name in names:
        if not reader.is_checkin(name):
            continue
        try:
            checkin = reader.checkin(name)
            if not checkin.parents:
                continue
            found[name] = checkin.parents[0]
            was, own = reader.files(checkin.parents[0]), reader.files(name)
        except (NotFound, CorruptArtifact):
            continue
        found |= {new: was[path] for path, new in own.items() if was.get(path, new) != new}
    return found
