"""Replies, card by card: private artifacts are passed over, and lines that bring nothing come to an end.

A line costs time even if it means nothing, and a server could send a million of them in each of a thousand rounds.
"""

from collections.abc import Iterable, Iterator
from typing import IO, Final

from xferzone.cards import Card, CFile, File, Lines, Private, parse_cards
from xferzone.errors import PeerError

MAX_LINES: Final = 4_000_000  # of one session, beside LINES_EACH for each artifact that came; ours
LINES_EACH: Final = 20  # an artifact is announced, asked for and sent, some more than once


class Reading:
    """What one session reads."""

    def __init__(self) -> None:
        self._lines = 0  # of the replies that were read to their end
        self._artifacts = 0

    def cards(self, text: bytes | IO[bytes]) -> Iterator[Card]:
        """The cards of a reply, but for private artifacts, which are not kept here.

        Raises:
            PeerError: the reply breaks the protocol, or all of them have too many lines for what they brought.
        """
        lines = Lines()
        for card in _public(parse_cards(text, lines)):
            self._artifacts += isinstance(card, File | CFile)
            yield card
        self._lines += lines.count
        if self._lines > MAX_LINES + LINES_EACH * self._artifacts:
            raise PeerError(f"the server sends {self._lines} lines that bring {self._artifacts} artifacts")


def _public(cards: Iterable[Card]) -> Iterator[Card]:
    is_private = False
    for card in cards:
        if isinstance(card, Private):
            is_private = True
        elif is_private and isinstance(card, File | CFile):
            is_private = False
        else:
            yield card
