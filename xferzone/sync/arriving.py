"""Artifacts of a reply on their way into the store: opened, some at a time, and what is wrong blamed on the server."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from xferzone.cards import CFile, File
from xferzone.cards.body import unframe
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.hashing import ArtifactId
from xferzone.store import Writer
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Aside, Received, Witness

MAX_EXPANDED: Final = (
    1024 * 1024 * 1024
)  # bytes of one reply's artifacts; stock's budget is 5 MB of them packed
_AT_ONCE: Final = 32 * 1024 * 1024  # bytes of expanded artifacts that are stored together
_TOGETHER: Final = 50_000  # artifacts
_HELD_BACK: Final = 32 * 1024 * 1024  # bytes of packed artifacts that wait in memory for a next reply


def held_back(
    writer: Writer, cards: Sequence[File | CFile]
) -> tuple[Sequence[File | CFile], Sequence[File | CFile]]:
    """The cards that can be stored now, and the deltas whose source a next reply of a clone will bring.

    Kept aside in the store these would be written down, read and verified once more.
    """
    names = {card.artifact for card in cards}
    sources = {card.source for card in cards if card.source is not None} - names
    missing = sources - writer.present(sources)
    hanging: dict[ArtifactId, list[File | CFile]] = {}
    for card in cards if missing else ():
        if card.source is not None:
            hanging.setdefault(card.source, []).append(card)
    waiting: dict[ArtifactId, File | CFile] = {}
    left = list(missing)
    while left:
        for card in hanging.pop(left.pop(), ()):
            waiting[card.artifact] = card
            left.append(card.artifact)
    if sum(len(card.payload) for card in waiting.values()) > _HELD_BACK:
        return cards, ()
    return [card for card in cards if card.artifact not in waiting], list(waiting.values())


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
        batch.append(Received(card.artifact, card.source, _payload(card)))
        size += len(batch[-1].payload)
        total += len(batch[-1].payload)
        if total > MAX_EXPANDED:
            raise PeerError(f"the server sends over {MAX_EXPANDED} bytes of artifacts in one reply")
        if size >= _AT_ONCE or len(batch) >= _TOGETHER:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _payload(card: File | CFile) -> bytes:
    if isinstance(card, File):
        return card.payload
    try:
        return unframe(card.payload, limit=MAX_ARTIFACT)
    except PeerError as exc:
        raise PeerError(f"the server sends artifact {card.artifact}, which is too large: {exc}") from exc
    except ValueError as exc:
        raise PeerError(f"the server sends artifact {card.artifact} damaged: {exc}") from exc
