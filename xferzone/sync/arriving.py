"""Artifacts of replies on their way into the store: opened, gathered, and what is wrong blamed on the server.

All of a large reply may not fit into memory: what is gathered is stored whenever it is much. Of a clone more than one
reply is gathered, since what comes before an artifact that it names is written twice.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Final

from xferzone import artifacts
from xferzone.cards import CFile, File
from xferzone.cards.body import unpack
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.hashing import ArtifactId
from xferzone.store import Writer
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Early, Helper, Noter, Received, verify_early

MAX_EXPANDED: Final = (
    1024 * 1024 * 1024
)  # bytes of one reply's artifacts; stock's budget is 5 MB of them packed
_AT_ONCE: Final = 32 * 1024 * 1024  # bytes of expanded artifacts that are stored together
_TOGETHER: Final = 50_000  # artifacts
_PARSED: Final = 4  # times its size that an artifact of names takes when it is parsed


class Arriving:
    """Artifacts that came and are not stored yet."""

    def __init__(self, noter: Noter | None, helper: Helper | None) -> None:
        """`noter` is shown what is stored, `helper` may help to verify it."""
        self._noter = noter
        self._helper = helper
        self._gathered: list[Received] = []
        self._size = 0
        self._early: dict[ArtifactId, Early] = {}

    def take(self, writer: Writer, cards: Iterable[File | CFile], *, has_time: bool = False) -> None:
        """Open what the cards of a reply carry, and store it as soon as it is much.

        `has_time`: the next reply is on its way; what can be verified before it comes is.

        Raises:
            PeerError: an artifact is not what its name says, or all of them are too much.
        """
        total = 0
        for card in cards:
            self._gathered.append(Received(card.artifact, card.source, payload(card)))
            opened = self._gathered[-1].payload
            self._size += len(opened) * (_PARSED if artifacts.may_be_structural(opened) else 1)
            total += len(opened)
            if total > MAX_EXPANDED:
                raise PeerError(f"the server sends over {MAX_EXPANDED} bytes of artifacts in one reply")
            if self._size >= _AT_ONCE or len(self._gathered) >= _TOGETHER:
                self.store(writer)
        if has_time:
            with self._blaming(self._gathered):
                left = [each for each in self._gathered if each.artifact not in self._early]
                self._early |= verify_early(left, None if self._noter is None else self._noter.note)

    def here(self, writer: Writer, came: Set[ArtifactId], *, is_all: bool) -> Set[ArtifactId]:
        """Those of `came` that are here. `is_all`: the file was new, and nothing else has come to it."""
        if is_all and writer.last_row() == len(came) and not writer.has_phantoms:
            return came
        return writer.present(came)

    def store(self, writer: Writer) -> None:
        """Store what was taken and is not stored yet. Raises PeerError as `take` does."""
        batch, self._gathered, self._size = self._gathered, [], 0
        early, self._early = self._early, {}
        with self._blaming(batch):
            writer.put_all(batch, self._noter, self._helper, early=early)

    @contextmanager
    def _blaming(self, batch: Sequence[Received]) -> Iterator[None]:
        try:
            yield
        except MalformedDelta as exc:
            raise PeerError(f"the server sends a malformed delta: {exc}") from exc
        except CorruptArtifact as exc:
            if all(exc.artifact != each.artifact for each in batch):
                raise  # it is one of ours, a delta's source
            raise PeerError(f"the server sends an artifact that is not what its name says: {exc}") from exc


def payload(card: File | CFile) -> bytes:
    """The card's payload, expanded. Raises PeerError: it is too large, or damaged."""
    if isinstance(card, File):
        return card.payload
    try:
        return unpack(card.payload, limit=MAX_ARTIFACT)
    except PeerError as exc:
        raise PeerError(f"the server sends artifact {card.artifact}, which is too large: {exc}") from exc
    except ValueError as exc:
        raise PeerError(f"the server sends artifact {card.artifact} damaged: {exc}") from exc
