r"""Cards that name or carry artifacts.

    igot ID ?1?                           I hold it (1: but it is private)
    gimme ID                              send it to me
    private                               the file or cfile that follows is private
    file ID ?SOURCE? SIZE \n              its content, or a delta from SOURCE
    cfile ID ?SOURCE? USIZE CSIZE \n      the same, packed as stock stores it

Stock writes nothing between a file payload and the next card, and a line feed after a cfile payload that does not end
in one. `encode` does exactly the same; the parser needs neither.

Source: Fossil 2.21, www/sync.wiki sections 3.3, 3.6, 3.7; src/xfer.c xfer_accept_file(),
xfer_accept_compressed_file(), send_file(), send_compressed_file(). Checked against tests/vectors/rounds.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from xferzone.cards.base import Card, Cursor, Parser, expect, parse_integer
from xferzone.hashing import ArtifactId, parse_artifact_id

#: A run of the plainest igot lines. Bounded, so that a long run is still read lazily. Not possessive: before Python
#: 3.11.5 (Debian 12 has 3.11.2) a possessive group with alternatives matches half an alternative, gh-106052.
_IGOTS = re.compile(rb"(?:igot (?:[0-9a-f]{64}|[0-9a-f]{40})\n){1,500}")


@dataclass(frozen=True, slots=True)
class IGot(Card):
    """The sender holds `artifact`; if `private`, it is sent only to those who may sync private artifacts."""

    operator: ClassVar[bytes] = b"igot"
    artifact: ArtifactId
    private: bool = False

    def encode(self) -> bytes:
        return b"igot %s%s\n" % (self.artifact.encode("ascii"), b" 1" if self.private else b"")

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        # As in stock any flag but "1" means public, and further tokens are ignored: hence no expect().
        if not args:
            raise ValueError("no artifact id")
        return cls(parse_artifact_id(args[0]), private=args[1:2] == [b"1"])


@dataclass(frozen=True, slots=True)
class Gimme(Card):
    """The sender wants `artifact`."""

    operator: ClassVar[bytes] = b"gimme"
    artifact: ArtifactId

    def encode(self) -> bytes:
        return b"gimme %s\n" % self.artifact.encode("ascii")

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 1)
        return cls(parse_artifact_id(args[0]))


@dataclass(frozen=True, slots=True)
class Private(Card):
    """The file or cfile card that follows at once carries a private artifact."""

    operator: ClassVar[bytes] = b"private"

    def encode(self) -> bytes:
        return b"private\n"

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class File(Card):
    """The content of `artifact`, uncompressed.

    With a `source`, `payload` is the delta that makes `artifact` of it. The source may come later, or not at all.
    Nothing is verified here.
    """

    operator: ClassVar[bytes] = b"file"
    artifact: ArtifactId
    payload: bytes
    source: ArtifactId | None = None

    def encode(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Sequence[bytes]:
        return b"file %s %d\n" % (_ids(self.artifact, self.source), len(self.payload)), self.payload

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 2, 3)
        artifact, source = _parse_ids(args[:-1])
        return cls(artifact, cursor.take(parse_integer(args[-1])), source)


@dataclass(frozen=True, slots=True)
class CFile(Card):
    """The content of `artifact` as stock stores it, sent in clone version 3; cards.body.unpack() opens `payload`.

    `size` is the length in bytes of the artifact, even if `payload` holds a delta. Nobody checks it, so a wrong one
    does no harm.
    """

    operator: ClassVar[bytes] = b"cfile"
    artifact: ArtifactId
    size: int
    payload: bytes
    source: ArtifactId | None = None

    def encode(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Sequence[bytes]:
        end = b"" if self.payload.endswith(b"\n") else b"\n"
        ids = _ids(self.artifact, self.source)
        return b"cfile %s %d %d\n" % (ids, self.size, len(self.payload)), self.payload, end

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 3, 4)
        artifact, source = _parse_ids(args[:-2])
        size, stored = map(parse_integer, args[-2:])
        return cls(artifact, size, cursor.take(stored), source)


#: One row a card of this family; cards/__init__.py joins the families.
PARSERS: Mapping[bytes, Parser] = {card.operator: card.parse for card in (IGot, Gimme, Private, File, CFile)}


def igots(cursor: Cursor) -> Sequence[IGot]:
    """The igot cards in a row at the cursor, which moves behind them. Announcements consist of little else.

    Plain ones of public artifacts only, and a bounded number; the caller reads the rest one by one.
    """
    return list(map(IGot, map(ArtifactId, cursor.run(_IGOTS).decode("ascii").split()[1::2])))


def _ids(artifact: ArtifactId, source: ArtifactId | None) -> bytes:
    return (artifact if source is None else f"{artifact} {source}").encode("ascii")


def _parse_ids(tokens: Sequence[bytes]) -> tuple[ArtifactId, ArtifactId | None]:
    artifact, *rest = map(parse_artifact_id, tokens)
    return artifact, rest[0] if rest else None
