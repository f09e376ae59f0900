"""Artifacts of a walk on their way into the store, in transactions of less than half a second.

records ─> gathered ─> Writer.put_all, as many as were stored in STEP_S last time
an artifact that is not what its name says is found by halving; all others of its transaction are stored
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from xferzone.env import Env
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.exchange.mirror.fetching import Record
from xferzone.faults import Faults, fault
from xferzone.hashing import ArtifactId
from xferzone.replicate.batch import Unsent
from xferzone.store import Store
from xferzone.store.incoming import Helper, Noter, Received

STEP_S: Final = 0.4  # seconds of a transaction; others wait, and from half a second on we would rest after it
FEWEST: Final = 200  # artifacts in a transaction, whatever they take
MOST: Final = 4_000
AT_ONCE: Final = 8 * 1024 * 1024  # bytes of them
MAX_ABSENT: Final = 500_000  # artifacts that were named, or came as deltas without their sources; ours
MAX_DAMAGED: Final = 100  # artifacts of one pull that are not what their names say; ours


class Taking:
    """What one pull stores.

    Fields:
        new: artifacts that are here now and were not before; those kept aside for their sources included.
        named: all that was named, and is perhaps not here.
        damaged: what came and is not what its name says, with the reason.
        later: what the server left for another request.
        helper: may help to verify.
        stored: is called after each transaction.
    """

    def __init__(self, store: Store, env: Env, noter: Noter, faults: Faults | None) -> None:
        self.new = 0
        self.named: set[ArtifactId] = set()
        self.damaged: dict[ArtifactId, str] = {}
        self.later: set[ArtifactId] = set()
        self.helper: Helper | None = None
        self.stored: Callable[[], None] = lambda: None
        self._store = store
        self._env = env
        self._noter = noter
        self._faults = faults
        self._gathered: list[Received] = []
        self._size = 0
        self._together = 5 * FEWEST

    def take(self, records: Iterable[Record]) -> None:
        """Gather these, and store what has become much.

        Raises:
            PeerError: it is too much at a time, or too much of it is damaged.
        """
        for record in records:
            self.named.add(record.artifact)
            if isinstance(record, Unsent):
                self.later.add(record.artifact)
                continue
            self._gathered.append(record)
            self._size += len(record.payload)
            if self._size >= AT_ONCE or len(self._gathered) >= self._together:
                self.flush()

    def flush(self) -> None:
        """Store what was gathered. Raises as `take` does."""
        batch, self._gathered, self._size = self._gathered, [], 0
        if not batch:
            return
        began = self._env.monotonic()
        self._put(batch)
        took = self._env.monotonic() - began
        wanted = int(len(batch) * STEP_S / took) if took > 0 else MOST
        self._together = max(FEWEST, min(wanted, 2 * self._together, MOST))
        if len(self.named) > MAX_ABSENT:
            self.named = self.absent()
        if len(self.named) > MAX_ABSENT // 2:
            raise PeerError(
                f"over {MAX_ABSENT // 2} artifacts were named, and did not come or came without a source"
            )

    def _put(self, batch: Sequence[Received]) -> None:
        fault(self._faults, "follower.before-batch", 0.02)
        try:
            with self._store.writer() as writer:
                self.new += writer.put_all(batch, self._noter, self.helper)
                fault(self._faults, "follower.before-commit-of-batch", 0.02)
        except (CorruptArtifact, MalformedDelta) as exc:
            self._put_halves(batch, exc)
        else:
            fault(self._faults, "follower.after-batch", 0.02)
            self.stored()

    def _put_halves(self, batch: Sequence[Received], exc: CorruptArtifact | MalformedDelta) -> None:
        if isinstance(exc, CorruptArtifact) and all(exc.artifact != each.artifact for each in batch):
            raise exc  # it is one of ours, a delta's source
        if len(batch) > 1:
            middle = len(batch) // 2
            self._put(batch[:middle])
            self._put(batch[middle:])
            return
        self.damaged[batch[0].artifact] = str(exc)
        if len(self.damaged) > MAX_DAMAGED:
            raise PeerError(f"over {MAX_DAMAGED} artifacts came damaged: {exc}") from exc

    def absent(self) -> set[ArtifactId]:
        """What was named and is not here, after all was stored."""
        with self._store.reader(in_parts=True) as reader:
            return self.named - reader.present_in_parts(self.named)
