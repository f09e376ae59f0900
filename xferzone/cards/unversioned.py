r"""Cards of unversioned files: files without a history, of which the newest wins.

    uvigot NAME MTIME HASH SIZE           server only; HASH "-" and SIZE 0: deleted then
    uvgimme NAME                          client only
    uvfile NAME MTIME HASH SIZE FLAGS \n  its content: SIZE bytes with nothing behind them

    FLAGS   1: deleted, HASH is "-"       4: only MTIME has changed        with either no payload follows

NAME is not escaped: a relative path in UTF-8 without blank, backslash, empty component, "." or "..", of characters
up to U+FFFF that are neither surrogates nor noncharacters nor for private use.
Source: Fossil 2.21, www/sync.wiki section 3.5; src/xfer.c xfer_accept_unversioned_file(), send_unversioned_file();
src/file.c file_is_simple_pathname().
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from xferzone.cards.base import MAX_MTIME, Card, Cursor, Parser, expect, line, parse_integer
from xferzone.hashing import ArtifactId, parse_artifact_id

DELETED = 1
NO_CONTENT = 4

_FORBIDDEN = re.compile(
    r"(?:\A|/)\.{0,2}(?:/|\Z)|[\0 \t\n\v\f\r\\\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U00010000-\U0010ffff]"
)


@dataclass(frozen=True, slots=True)
class UVIGot(Card):
    """The sender holds `name` since `mtime`, seconds since 1970; `artifact` None: that is when it was deleted."""

    operator: ClassVar[bytes] = b"uvigot"
    name: str
    mtime: int
    artifact: ArtifactId | None
    size: int

    def encode(self) -> bytes:
        return line(self.operator, self.name, self.mtime, self.artifact or "-", self.size)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 4)
        name, mtime, artifact, size = args
        mtime_s = parse_integer(mtime, MAX_MTIME)
        return cls(_parse_name(name), mtime_s, _parse_hash(artifact), parse_integer(size))


@dataclass(frozen=True, slots=True)
class UVGimme(Card):
    """The sender wants the content of `name`."""

    operator: ClassVar[bytes] = b"uvgimme"
    name: str

    def encode(self) -> bytes:
        return line(self.operator, self.name)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 1)
        return cls(_parse_name(args[0]))


@dataclass(frozen=True, slots=True)
class UVFile(Card):
    """The state of `name` as of `mtime`, seconds since 1970.

    `payload` is its content of `size` bytes. If a bit of `flags` says that none follows, it is empty whatever `size`
    claims. `artifact` names the content; None: deleted. Nothing is verified here.
    """

    operator: ClassVar[bytes] = b"uvfile"
    name: str
    mtime: int
    artifact: ArtifactId | None
    size: int
    flags: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        if len(self.payload) != (0 if self.flags & (DELETED | NO_CONTENT) else self.size):
            raise ValueError(f"a payload of {len(self.payload)} bytes, announced as {self.size}")
        head = line(self.operator, self.name, self.mtime, self.artifact or "-", self.size, self.flags)
        return head + self.payload

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 5)
        name, mtime, artifact = _parse_name(args[0]), parse_integer(args[1], MAX_MTIME), _parse_hash(args[2])
        size, flags = map(parse_integer, args[3:])
        payload = b"" if flags & (DELETED | NO_CONTENT) else cursor.take(size)
        return cls(name, mtime, artifact, size, flags, payload)


#: One row a card of this family; cards/__init__.py joins the families.
PARSERS: Mapping[bytes, Parser] = {card.operator: card.parse for card in (UVIGot, UVGimme, UVFile)}


def check_name(name: str) -> None:
    """Raise ValueError where a card cannot carry `name`, or stock would not take it."""
    name.encode("utf-8")  # UnicodeEncodeError is a ValueError
    if _FORBIDDEN.search(name):
        raise ValueError(f"{name[:80]!r} is not the name of an unversioned file")


def _parse_name(token: bytes) -> str:
    name = token.decode("utf-8")  # UnicodeDecodeError is a ValueError
    check_name(name)
    return name


def _parse_hash(token: bytes) -> ArtifactId | None:
    return None if token == b"-" else parse_artifact_id(token)
