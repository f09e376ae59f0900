"""Artifacts of a reply on their way into the store: opened, some at a time, and what is wrong blamed on the server."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from xferzone.cards import CFile, File
from xferzone.cards.body import unframe
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.store import Writer
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Aside, Received, Witness

MAX_EXPANDED: Final = (
    1024 * 1024 * 1024
)  # bytes of one reply's artifacts; stock's budget is 5 MB of them packed
_AT_ONCE: Final = 32 * 1024 * 1024  # bytes of expanded artifacts that are stored together
_TOGETHER: Final = 50_000  # artifacts


def store_cards(
    writer: Writer, cards: Iterable[File | CFile], witness: Witness | None, aside: Aside | None
) -> None:
    """Store what the cards carry; `witness` is shown it, `aside` may help to verify it.

    Raises:
        PeerError: an artifact is not what its name says, or all of them are too much.
    """
    for batch in _batches(cards):
        _put(writer, batch, witness, aside)


def _put(writer: Writer, batch: Sequence[Received], witness: Witness | None, aside: Aside | None) -> None:
    try:
        writer.put_all(batch, witness, aside)
    except MalformedDelta as exc:
        raise PeerError(f"the server sends a delta that is none: {exc}") from exc
    except CorruptArtifact as exc:
        if all(exc.artifact != each.artifact for each in batch):
            raise  # it is one of ours, a delta's source
        raise PeerError(f"the server sends an artifact that is not what its name says: {exc}") from exc


def _batches(cards: Iterable[File | CFile]) -> Iterator[list[Received]]:
    """The artifacts of the cards, expanded, some at a time: all of a large reply may not fit into memory."""
    batch: list[Received] = []
    size = total = 0
    for card in cards:
        batch.append(Received(card.artifact, card.source, payload(card)))
        size += len(batch[-1].payload)
        total += len(batch[-1].payload)
        if total > MAX_EXPANDED:
            raise PeerError(f"the server sends over {MAX_EXPANDED} bytes of artifacts in one reply")
        if size >= _AT_ONCE or len(batch) >= _TOGETHER:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def payload(card: File | CFile) -> bytes:
    """The card's payload, expanded. Raises PeerError: it is too large, or damaged."""
    if isinstance(card, File):
        return card.payload
    try:
        return unframe(card.payload, limit=MAX_ARTIFACT)
    except PeerError as exc:
        raise PeerError(f"the server sends artifact {card.artifact}, which is too large: {exc}") from exc
    except ValueError as exc:
        raise PeerError(f"the server sends artifact {card.artifact} damaged: {exc}") from exc
