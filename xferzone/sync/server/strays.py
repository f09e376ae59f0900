"""Lines that are not cards, and cards that only servers write: answered as by stock.

Source: Fossil 2.21, src/xfer.c page_xfer().
"""

from typing import Final

from xferzone.cards import Card, Error
from xferzone.errors import PeerError
from xferzone.sync.server.reply import Draft

MAX_UNKNOWN: Final = 1_000  # lines of one request that are not cards; stock's clients send none
MAX_SHOWN: Final = 1_000  # bytes of a line that is not a card, shown to its sender


class Strays:
    """Those of one request."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._came = 0

    def refuse(self, card: Card) -> None:
        """Begin the reply again with an error that shows the line. Raises PeerError: there are too many."""
        self._came += 1
        if self._came > MAX_UNKNOWN:
            raise PeerError(f"over {MAX_UNKNOWN} lines that are not cards")
        shown = card.encode()[:MAX_SHOWN].decode("utf-8", "surrogateescape")
        self._draft.restart(Error(f"bad command: {shown}"))
