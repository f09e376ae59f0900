"""The bodies of batches and pulls, made from the store in short transactions, piece by piece.

    kept as a delta of what is sent, too         that delta, as it lies (most versions of most files)
    of a pull, an older version is known         a delta of the newest that is not sent
    else                                         whole

No transaction is open while a piece waits for the network, so whoever reads slowly keeps nobody's log from being cut.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Final

from xferzone import artifacts
from xferzone.artifacts import CheckIn, Cluster, Control
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.faults import Faults, fails
from xferzone.hashing import ArtifactId
from xferzone.replicate import batch
from xferzone.replicate.batch import Why
from xferzone.replicate.messages import MAX_PAGE
from xferzone.replicate.walking import Bounds, Page, Walking
from xferzone.store import Reader, Store, outgoing, turns, versions
from xferzone.store.outgoing import Kept

MAX_BODY: Final = 64 * 1024 * 1024  # bytes of a body, expanded, besides its last artifact; ours
STEP: Final = Bounds(ids=1_000)  # of a pull, walked before these are sent; some 30 ms
_PIECE: Final = 256 * 1024  # bytes made in one transaction, and in memory
_LOOKED_UP: Final = 500  # artifacts looked up in one statement
_SMALLEST: Final = 100  # bytes; smaller content goes whole
_MAX_BACK: Final = 1_000  # versions followed to one that the client has


def kind(content: bytes) -> str:
    """What an artifact is to those who walk."""
    match artifacts.parse(content):
        case CheckIn():
            return "checkin"
        case Control():
            return "control"
        case Cluster():
            return "cluster"
    return "blob"


def batched(
    store: Store, names: Sequence[ArtifactId], faults: Faults | None = None
) -> Generator[bytes, None, None]:
    """The body of a batch, in pieces; it needs nothing but itself.

    Raises as Store.reader does; what is damaged or gone is said in the body.
    """
    yield batch.MAGIC
    yield from Body(store, is_named=False, faults=faults).records(names, {})
    if not fails(faults, "walk.server-cuts-batch", 0.05):
        yield batch.end()


def pulled(
    store: Store, walking: Walking, first: Page, faults: Faults | None = None
) -> Generator[bytes, None, None]:
    """The body of a pull, in pieces, from the page `first` of a walk on. Raises as `batched` does.

    What follows is walked as it is sent, so the first octets come soon, and what was sent is at the client.
    """
    yield batch.MAGIC
    body, page, count = Body(store, is_named=True, faults=faults), first, 0
    while True:
        yield from body.records(list(page.missing), page.older)
        count += len(page.missing)
        if fails(faults, "walk.server-cuts-pull", 0.05):
            return
        if (
            not page.more
            or fails(faults, "walk.server-ends-pull", 0.1)
            or count >= MAX_PAGE
            or body.left <= 0
        ):
            break
        with store.reader(in_parts=True) as reader:
            page = walking.page(reader, STEP)
    yield batch.end(page.more)


class Body:
    """A body being made; `left`: the bytes that it may still have."""

    def __init__(self, store: Store, *, is_named: bool, faults: Faults | None) -> None:
        """`is_named`: each record has its name, as in a pull."""
        self._store = store
        self._is_named = is_named
        self._places: dict[ArtifactId, int] = {}
        self._older: Mapping[ArtifactId, ArtifactId] = {}
        self.left = 1 if fails(faults, "walk.server-sends-little", 0.05) else MAX_BODY

    def records(
        self, names: Sequence[ArtifactId], older: Mapping[ArtifactId, ArtifactId]
    ) -> Generator[bytes, None, None]:
        """The records of these, in pieces. `older`: of some, the version before, which the client has or is sent."""
        self._places = {name: at for at, name in enumerate(names)}
        self._older = older
        at = 0
        while at < len(names):
            made: list[bytes] = []
            with self._store.reader() as reader:
                at = self._make(reader, names, at, made)
            piece = b"".join(made)
            self.left -= len(piece)
            yield piece

    def _make(self, reader: Reader, names: Sequence[ArtifactId], at: int, made: list[bytes]) -> int:
        """Append the records from `at` on, as many as a piece has; where the next one begins."""
        began, size = turns.clock(), 0
        while size < _PIECE and turns.clock() - began < turns.LONG_S:
            some = names[at : at + _LOOKED_UP]
            if not some:
                break
            rows = outgoing.kept(reader, some)
            for name in some:
                record = self._record(reader, name, rows.get(name), self.left - size)
                made.append(record)
                size += len(record)
                at += 1
                if size >= _PIECE or turns.clock() - began >= turns.LONG_S:
                    break
        return at

    def _record(self, reader: Reader, name: ArtifactId, row: Kept | None, left: int) -> bytes:
        own = batch.named(name) if self._is_named else b""
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
            if self._is_named:
                return batch.far(source, delta, own)
            return batch.near(there - self._places[name], delta)
        if row.size > _SMALLEST and (before := self._before(name)) is not None:
            made = self._delta(reader, name, before)
            if made is not None:
                return batch.far(before, made, own)
        return batch.whole(reader.content(name), own)

    def _before(self, name: ArtifactId) -> ArtifactId | None:
        """The newest version before this one that is not sent. None: none is known."""
        at: ArtifactId | None = self._older.get(name)
        for _ in range(_MAX_BACK):
            if at is None or at not in self._places:
                return at
            at = self._older.get(at)
        return None

    def _delta(self, reader: Reader, name: ArtifactId, source: ArtifactId) -> bytes | None:
        """None: the source is not here or damaged, or a delta of it would save nothing."""
        try:
            return versions.as_delta(reader, name, source)
        except (NotFound, CorruptArtifact):
            return None  # of the artifact itself it is told when it goes whole
