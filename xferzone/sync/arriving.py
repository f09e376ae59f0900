"""Artifacts of replies on their way into the store: opened, gathered, and what is wrong blamed on the server.

All of a large reply may not fit into memory: what is gathered is stored whenever it is much. Of a clone more than one
reply is gathered, since what comes before an artifact that it names is written twice.
"""

from collections.abc import Iterable
from typing import Final

from xferzone import artifacts
from xferzone.cards import CFile, File
from xferzone.cards.body import unpack
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.store import Writer
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Helper, Noter, Received

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

    def take(self, writer: Writer, cards: Iterable[File | CFile]) -> None:
        """Open what the cards of a reply carry, and store it as soon as it is much.

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

    def store(self, writer: Writer) -> None:
        """Store what was taken and is not stored yet. Raises PeerError as `take` does."""
        batch, self._gathered, self._size = self._gathered, [], 0
        try:
            writer.put_all(batch, self._noter, self._helper)
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
