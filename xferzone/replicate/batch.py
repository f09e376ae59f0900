r"""The bodies of /v0/objects/batch and /v0/objects/pull: many artifacts in one stream. Both ends.

    body      "xferzone-batch 1\n" record* end
    record    KIND [NAME] rest         in the order asked for; of a pull oldest first, each with its NAME
    end       "z" MORE                 MORE, of a pull: the cursor of the next page; empty: there is none

    KIND  what has come                    rest
    "w"   the content, whole               SIZE content
    "d"   a delta of another record        OFFSET SIZE delta, in a batch only
    "e"   a delta of a named artifact      SOURCE SIZE delta
    "a"   nothing: it is not here
    "x"   nothing: it is damaged here
    "n"   nothing: not this time, ask again

    NAME, SOURCE     40 or 64 hex digits and LF
    SIZE             bytes that follow: a number
    OFFSET           from this record to that of its source, behind it or before it, counted in records: a number, of
                     which the lowest bit says before (1) or behind (0), and the others how far
    MORE             octets up to LF, and LF
    number           7 bits an octet, the low ones first; the highest bit of an octet says that another one follows

A delta is one of Fossil's. Its source is in the same body, unless the client said that it has the versions before what
it asks for. Nothing may follow the end; a body without one was cut.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, parse_artifact_id
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Received

CONTENT_TYPE: Final = "application/x-xferzone-batch"
MAGIC: Final = b"xferzone-batch 1\n"
_MAX_CURSOR: Final = 200  # octets of a cursor
_MAX_NUMBER: Final = 5  # octets of a number
_LONGEST_NAME: Final = 64

_WHOLE, _NEAR, _FAR, _END = b"wdez"
_BEFORE: Final = 1  # the lowest bit of an offset


class Why(Enum):
    """Why an artifact did not come."""

    ABSENT = "a"
    DAMAGED = "x"
    LATER = "n"


@dataclass(frozen=True, slots=True)
class Unsent:
    """An artifact that did not come."""

    artifact: ArtifactId
    why: Why


# -- making one


def number(value: int) -> bytes:
    """A number of the body."""
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def whole(content: bytes, name: bytes = b"") -> bytes:
    """The record of a whole artifact. `name`: `named`, in a pull."""
    return b"w" + name + number(len(content)) + content


def near(offset: int, delta: bytes) -> bytes:
    """The record of a delta of the artifact that is `offset` records behind this one; less than 0: before it."""
    there = -offset << 1 | _BEFORE if offset < 0 else offset << 1
    return b"d" + number(there) + number(len(delta)) + delta


def far(source: ArtifactId, delta: bytes, name: bytes = b"") -> bytes:
    """The record of a delta of an artifact that the client has, or that is named in the same pull."""
    return b"e" + name + named(source) + number(len(delta)) + delta


def unsent(why: Why, name: bytes = b"") -> bytes:
    """The record of an artifact that does not come."""
    return why.value.encode("ascii") + name


def named(artifact: ArtifactId) -> bytes:
    """A name in the body."""
    return artifact.encode("ascii") + b"\n"


def end(more: str = "") -> bytes:
    """The end of a body."""
    return b"z" + more.encode("ascii") + b"\n"


# -- reading one


class Arriving:
    """A body as it comes, expanded already.

    Fields:
        more: of a pull, the cursor of the next page, once all was read; empty: there is none.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._octets = b""
        self._at = 0
        self.more = ""

    def records(self, names: Sequence[ArtifactId]) -> Iterator[Received | Unsent]:
        """What came for a batch's request of these names, in that order.

        Contents are not verified yet: Writer.put_all does. A delta's source may come later.

        Raises:
            PeerError: the body is cut or malformed.
        """
        self._begin()
        for at, name in enumerate(names):
            yield self._record(self._kind(), name, at, names)
        if self._kind() != _END:
            raise PeerError("the batch has more records than were asked for")
        self._finish()

    def pulled(self) -> Iterator[Received | Unsent]:
        """What a pull brought, oldest first. A delta's source may come later. Raises as `records` does."""
        self._begin()
        while (kind := self._kind()) != _END:
            name = self._name()
            if kind == _NEAR:
                raise PeerError("a pull with a source that is not named")
            yield self._record(kind, name, 0, ())
        self._finish()

    def _record(self, kind: int, name: ArtifactId, at: int, names: Sequence[ArtifactId]) -> Received | Unsent:
        match kind:
            case 0x77:  # "w"
                return Received(name, None, self._payload())
            case 0x64:  # "d"
                return Received(name, self._of(at + self._offset(), at, names), self._payload())
            case 0x65:  # "e"
                return Received(name, self._name(), self._payload())
        try:
            return Unsent(name, Why(chr(kind)))
        except ValueError as exc:
            raise PeerError(f"a batch with a record of kind {kind}, which does not exist") from exc

    def _of(self, there: int, at: int, names: Sequence[ArtifactId]) -> ArtifactId:
        if not 0 <= there < len(names) or there == at:
            raise PeerError("a batch with a delta of a record that does not exist")
        return names[there]

    def _begin(self) -> None:
        if self._take(len(MAGIC)) != MAGIC:
            raise PeerError("what came is not a batch of artifacts")

    def _finish(self) -> None:
        text = bytearray()
        while (octet := self._take(1)) != b"\n":
            text += octet
            if len(text) > _MAX_CURSOR:
                raise PeerError(f"a batch with a cursor of over {_MAX_CURSOR} octets")
        try:
            self.more = text.decode("ascii")
        except UnicodeDecodeError as exc:
            raise PeerError("a batch with a cursor that is not of ASCII") from exc
        if self._at < len(self._octets) or any(self._pieces):
            raise PeerError("a batch that goes on behind its end")

    def _kind(self) -> int:
        return self._take(1)[0]

    def _name(self) -> ArtifactId:
        digits = self._take(41)
        if digits[-1:] != b"\n":
            digits += self._take(_LONGEST_NAME - 40)
        try:
            if digits[-1:] != b"\n":
                raise ValueError("no line end")
            return parse_artifact_id(digits[:-1])
        except ValueError as exc:
            raise PeerError("a batch with a name that is not a hash") from exc

    def _offset(self) -> int:
        there = self._number()
        return -(there >> 1) if there & _BEFORE else there >> 1

    def _payload(self) -> bytes:
        size = self._number()
        if size > MAX_ARTIFACT:
            raise PeerError(f"a batch with a record of {size} bytes; at most {MAX_ARTIFACT} are allowed")
        return self._take(size)

    def _number(self) -> int:
        value = 0
        for place in range(_MAX_NUMBER):
            octet = self._kind()
            value |= (octet & 0x7F) << 7 * place
            if octet < 0x80:
                return value
        raise PeerError(f"a batch with a number of over {_MAX_NUMBER} octets")

    def _take(self, size: int) -> bytes:
        """The next `size` octets."""
        end_ = self._at + size
        if end_ > len(self._octets):
            self._refill(size)
            end_ = self._at + size
        taken = self._octets[self._at : end_]
        self._at = end_
        return taken

    def _refill(self, size: int) -> None:
        parts = [self._octets[self._at :]]
        have = len(parts[0])
        while have < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise PeerError("a batch that was cut: its end did not come")
            parts.append(piece)
            have += len(piece)
        self._octets, self._at = b"".join(parts), 0
