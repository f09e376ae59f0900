"""Cards that servers write for people.

    message TEXT        printed as `Server says: TEXT`
    error TEXT          printed as `Error: TEXT`; a client drops the rest of the reply

TEXT is one escaped token. A few errors of stock are escaped as in a URL instead (`wrong+hash+on+received+artifact`);
they are printed as they come.
Source: Fossil 2.21, www/sync.wiki sections 3.12, 3.13; src/xfer.c client_sync().
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from xferzone import escape
from xferzone.cards.base import Card, Cursor, Parser, escaped, expect, line


@dataclass(frozen=True, slots=True)
class Message(Card):
    """Something to print; `text` is not empty."""

    operator: ClassVar[bytes] = b"message"
    text: str

    def encode(self) -> bytes:
        return line(self.operator, escaped(self.text))

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 1)
        return cls(escape.decode_text(args[0]))


@dataclass(frozen=True, slots=True)
class Error(Card):
    """Why the request was refused; `text` is not empty."""

    operator: ClassVar[bytes] = b"error"
    text: str

    def encode(self) -> bytes:
        return line(self.operator, escaped(self.text))

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 1)
        return cls(escape.decode_text(args[0]))


#: One row a card of this family; cards/__init__.py joins the families.
PARSERS: Mapping[bytes, Parser] = {card.operator: card.parse for card in (Message, Error)}
