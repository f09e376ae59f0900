r"""Cards of synced tables, which only peers of our own kind exchange; extension.py has the pragma that begins it.

    xtable NAME MTIME HASH DIGEST SIZE \n  the definition: SIZE bytes with nothing behind them; 0: it is left out
    xlist NAME KEY                         server: all rows up to KEY were told; "-": to the end
                                           client: tell those behind KEY
    xhave NAME KEY MTIME HASH              server only: what the row is; HASH "-": deleted then
    xwant NAME KEY                         client only
    xrow NAME KEY MTIME OWNER SIZE \n      its content: SIZE bytes with nothing behind them
    xdelete NAME KEY MTIME OWNER SIZE \n   the same of a deleted row, of which the key is left

NAME    of a table: an ASCII letter, then letters, digits, _ and -, at most 64 in all
MTIME   milliseconds since 1970
HASH    SHA3-256 of the definition, of the row's content
DIGEST  64 hex digits, of all that the table holds (store/tables.py)
KEY     64 hex digits, the hash of the row's key values (tables/definition.py)
OWNER   the login of whose the row is, escaped, as the server says. "-": a client says nothing of it, or nobody
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from xferzone import escape
from xferzone.cards.base import MAX_MTIME, Card, Cursor, Parser, expect, line, parse_integer, text

_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_-]{0,63}")
_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_NONE: Final = b"-"
MAX_OWNER: Final = 1_000  # bytes, escaped; ours, logins are short
MAX_PAYLOAD: Final = 65_536  # bytes of a definition or a row


@dataclass(frozen=True, slots=True)
class XTable(Card):
    """The sender has a table; `definition` is its text as the sender has it, empty: it is not told."""

    operator: ClassVar[bytes] = b"xtable"
    name: str
    mtime: int
    hash: str
    digest: str
    definition: bytes = b""

    def encode(self) -> bytes:
        head = line(self.operator, self.name, self.mtime, self.hash, self.digest, len(self.definition))
        return head + self.definition

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 5)
        mtime = parse_integer(args[1], MAX_MTIME)
        payload = cursor.take(parse_integer(args[4], MAX_PAYLOAD))
        return cls(_name(args[0]), mtime, _hash(args[2]), _hash(args[3]), payload)


@dataclass(frozen=True, slots=True)
class XList(Card):
    """Of a table: all up to the row `key` was told, or is known; None: to the end."""

    operator: ClassVar[bytes] = b"xlist"
    name: str
    key: str | None

    def encode(self) -> bytes:
        return line(self.operator, self.name, self.key or _NONE)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 2)
        return cls(_name(args[0]), _told_hash(args[1]))


@dataclass(frozen=True, slots=True)
class XHave(Card):
    """The sender has a row since `mtime`; `hash` None: that is when it was deleted."""

    operator: ClassVar[bytes] = b"xhave"
    name: str
    key: str
    mtime: int
    hash: str | None

    def encode(self) -> bytes:
        return line(self.operator, self.name, self.key, self.mtime, self.hash or _NONE)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 4)
        return cls(_name(args[0]), _hash(args[1]), parse_integer(args[2], MAX_MTIME), _told_hash(args[3]))


@dataclass(frozen=True, slots=True)
class XWant(Card):
    """The sender wants a row."""

    operator: ClassVar[bytes] = b"xwant"
    name: str
    key: str

    def encode(self) -> bytes:
        return line(self.operator, self.name, self.key)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 2)
        return cls(_name(args[0]), _hash(args[1]))


@dataclass(frozen=True, slots=True)
class XRow(Card):
    """A row as of `mtime`; `owner` empty: the sender does not say. Nothing of `content` is verified here."""

    operator: ClassVar[bytes] = b"xrow"
    name: str
    key: str
    mtime: int
    owner: str
    content: bytes

    def encode(self) -> bytes:
        owner = escape.encode(self.owner) if self.owner else _NONE
        return line(self.operator, self.name, self.key, self.mtime, owner, len(self.content)) + self.content

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 5)
        owner = "" if args[3] == _NONE else _owner(args[3])
        content = cursor.take(parse_integer(args[4], MAX_PAYLOAD))
        return cls(_name(args[0]), _hash(args[1]), parse_integer(args[2], MAX_MTIME), owner, content)


@dataclass(frozen=True, slots=True)
class XDelete(XRow):
    """A row that was deleted at `mtime`; `content` is its key."""

    operator: ClassVar[bytes] = b"xdelete"


KINDS: Final[tuple[type[XTable | XList | XHave | XWant | XRow], ...]] = (
    XTable,
    XList,
    XHave,
    XWant,
    XRow,
    XDelete,
)
#: One row a card of this family; cards/__init__.py joins the families.
PARSERS: Mapping[bytes, Parser] = {card.operator: card.parse for card in KINDS}
#: What stores something, where the sender may.
WRITING: Final = (b"xrow ", b"xdelete ", b"xtable ")


def _name(token: bytes) -> str:
    if not _NAME.fullmatch(token):
        raise ValueError(f"{token[:80]!r} is not the name of a table")
    return token.decode("ascii")


def _hash(token: bytes) -> str:
    if not _HASH.fullmatch(token):
        raise ValueError(f"{token[:80]!r} is not a hash of 64 digits")
    return token.decode("ascii")


def _told_hash(token: bytes) -> str | None:
    return None if token == _NONE else _hash(token)


def _owner(token: bytes) -> str:
    if len(token) > MAX_OWNER:
        raise ValueError(f"a login of {len(token)} bytes, over {MAX_OWNER}")
    owner = text(escape.decode(token))
    owner.encode("utf-8")  # UnicodeEncodeError is a ValueError: SQLite holds none such
    return owner
