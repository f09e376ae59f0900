"""A reply while it grows: what goes first, what replaces all before it, what a client must have read earlier.

    message ...   notices; first, since a stock client reads nothing after an error
    cookie TEXT   what the client is to send back; before errors, too
    cards         in the order they were put in, counted against the budget
    error ...     refusals that stop nothing; last

`fail` ends a round: the cards so far are dropped and the error stands in their place, as stock does.
Source: Fossil 2.21, src/xfer.c page_xfer(): cgi_reset_content() before each error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xferzone.cards import Card, Error, Message
from xferzone.hashing import ArtifactId
from xferzone.sync.server.budget import Budget

_LINE = 200  # bytes, more than the line of a file or cfile card has
MAX_ERRORS = 20  # cards; a client shows only the first


class Files(NamedTuple):
    """How many unversioned files a request has brought that were new, taken, and asked for."""

    received: int = 0
    sent: int = 0
    asked: int = 0


class Rows(NamedTuple):
    """How many rows of synced tables a request has brought that were new, and taken."""

    received: int = 0
    sent: int = 0


NO_FILES = Files()
NO_ROWS = Rows()


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back for one request, and what to remember of it.

    Fields:
        pieces: card text, in order.
        as_clone: its artifacts are compressed already: it travels as it is.
        in_zstd: it is packed whole, for a peer of our own kind.
        kind: what was asked: clone, pull, push, sync, or other.
        outcome: what came of it: ok; error, an error card is in it; refused, and nothing of the request was kept;
            busy; failed, through no fault of the sender.
        why: the error that is all of the reply, else empty.
        cards: how many were processed.
        received, sent: artifacts.
        files: unversioned files.
        rows: of synced tables.
        login: the sender that the request names.
        damaged: artifacts that should be in it and cannot be read here.
        passwords: names of files of saved passwords that pushed check-ins hold.
        crowded_out: how many deltas that waited for their source had to go, since too many came.
    """

    pieces: Sequence[bytes]
    kind: str
    outcome: str
    login: str = "nobody"
    cards: int = 0
    received: int = 0
    sent: int = 0
    files: Files = NO_FILES
    rows: Rows = NO_ROWS
    as_clone: bool = False
    in_zstd: bool = False
    why: str = ""
    damaged: Sequence[ArtifactId] = ()
    passwords: Sequence[str] = ()
    crowded_out: int = 0

    @property
    def text(self) -> bytes:
        """Card text."""
        return b"".join(self.pieces)


def failure(outcome: str, text: str) -> Reply:
    """A reply that is one error card."""
    return Reply(Error(text).pieces(), "other", outcome, why=text)


class Draft:
    """The cards of a reply, and how much of the budget they leave."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.most = budget.bytes  # that it may come to
        self._deadline = budget.deadline()
        self._cards: list[bytes] = []
        self._size = 0
        self._notices: list[Card] = []
        self.cookie: Card | None = None  # for the sender to keep
        self._errors: dict[str, None] = {}  # in order, each text once
        self.failed = False
        self.spoilt = False  # an error stands among the cards

    def add(self, card: Card) -> None:
        pieces = card.pieces()
        self._cards.extend(pieces)
        self._size += sum(map(len, pieces))

    def notice(self, text: str) -> None:
        """Tell the people at the other end; one notice of a text is enough."""
        card = Message(text)
        if card not in self._notices:
            self._notices.append(card)

    def complain(self, text: str) -> None:
        """Refuse something without ending the round."""
        if len(self._errors) < MAX_ERRORS:
            self._errors[text] = None

    def restart(self, *cards: Card) -> None:
        """Drop the cards so far and begin again with these, the last of them an error."""
        self._cards.clear()
        self._size = 0
        self.spoilt = True
        for card in cards:
            self.add(card)

    def fail(self, *cards: Card) -> None:
        """`restart`, and end the round."""
        self.restart(*cards)
        self.failed = True

    def widen(self, times: int) -> None:
        """Let it become so many times as large as the budget has it."""
        self.most = self.budget.bytes * times

    def left(self) -> int:
        """Bytes that may still be added before the next artifact; 0 when that or the time is used up."""
        if self.budget.clock() >= self._deadline:
            return 0
        return max(0, self.most - self._size)

    def takes(self, payload: bytes) -> bool:
        """Whether an artifact that is not the first may be added with this payload."""
        return self.budget.overshoots or len(payload) + _LINE <= self.left()

    @property
    def outcome(self) -> str:
        return "error" if self.spoilt or self._errors else "ok"

    def pieces(self) -> Sequence[bytes]:
        """All of it, in order."""
        notices = [card.encode() for card in self._notices]
        errors = [Error(text).encode() for text in self._errors]
        cookies = [] if self.cookie is None else [self.cookie.encode()]
        return [*notices, *cookies, *self._cards, *errors]
