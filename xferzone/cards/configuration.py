r"""Cards of the project's configuration.

    reqconfig /AREA                       client only: all project skin css shun ticket user email ...
    config /TABLE SIZE \n                 SIZE bytes of it and one line feed: config user shun reportfmt ...

A stock receiver skips one byte after a config payload, so `encode` always writes the line feed. Our parser takes the
payload alone and reads the line feed as a blank line.
Source: Fossil 2.21, www/sync.wiki section 3.8; src/xfer.c page_xfer(), src/configure.c configure_receive().
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from xferzone.cards.base import Card, Cursor, Parser, expect, line, parse_integer, text


@dataclass(frozen=True, slots=True)
class ReqConfig(Card):
    """The sender wants the configuration of `area`, which begins with a slash."""

    operator: ClassVar[bytes] = b"reqconfig"
    area: str

    def encode(self) -> bytes:
        return line(self.operator, self.area)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 1)
        return cls(text(args[0]))


@dataclass(frozen=True, slots=True)
class Config(Card):
    """One row of `table`, which begins with a slash; `payload` is a list of SQL literals and is not parsed."""

    operator: ClassVar[bytes] = b"config"
    table: str
    payload: bytes

    def encode(self) -> bytes:
        return line(self.operator, self.table, len(self.payload)) + self.payload + b"\n"

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 2)
        return cls(text(args[0]), cursor.take(parse_integer(args[1])))


#: One row a card of this family; cards/__init__.py joins the families.
PARSERS: Mapping[bytes, Parser] = {card.operator: card.parse for card in (ReqConfig, Config)}
