"""Replies, card by card: lines that bring nothing come to an end.

A line costs time even if it means nothing, and a server could send a million of them in each of a thousand rounds.
"""

from collections.abc import Collection, Iterator
from typing import IO, Final

from xferzone.cards import Card, CFile, File, Lines, parse_cards
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId

# An artifact is announced, asked for and sent, some more than once, and a ref or a message may go with it.
MAX_BESIDE: Final = (
    256 * 1024 * 1024
)  # bytes that are no artifact's, in one session, beside EACH for each; ours
EACH: Final = 4_096  # bytes
LINE: Final = 64  # bytes that a line counts for beside its own


class Reading:
    """What one session reads."""

    def __init__(self) -> None:
        self._beside = 0  # bytes of all replies that are no artifact's
        self._artifacts = 0

    def cards(self, text: bytes | IO[bytes], seen: Collection[ArtifactId]) -> Iterator[Card]:
        """The cards of a reply; `seen`: what came before.

        Raises:
            PeerError: the reply breaks the protocol, or the replies so far are too long for what they brought.
        """
        lines = Lines()
        for card in parse_cards(text, lines):
            if isinstance(card, File | CFile) and card.artifact not in seen:
                self._artifacts += 1
                self._beside -= len(card.payload)
            yield card
        self._beside += LINE * lines.count + (len(text) if isinstance(text, bytes) else text.tell())
        if self._beside > MAX_BESIDE + EACH * self._artifacts:
            raise PeerError(f"the server sends {self._beside} bytes beside {self._artifacts} artifacts")

    def allow(self, size: int) -> None:
        """So many bytes beside artifacts were of use."""
        self._beside -= size
