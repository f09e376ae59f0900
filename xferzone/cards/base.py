"""What all xfer cards have in common: a line of tokens, then perhaps a payload.

    body    = (card | comment | blank line)*
    card    = operator (blank+ token)* LF payload?      the last line may lack its LF
    blank   = space | TAB | CR | VT | FF                also before the operator and before the LF
    comment = "#" any octets LF                         only if "#" is the line's first octet

At most six tokens count; the rest of the line is ignored. A payload begins right after the LF and is exactly as long as
its line says; the next line follows it at once.

Source: Fossil 2.21, www/sync.wiki section 3.1; src/xfer.c page_xfer(), src/blob.c blob_tokenize(), blob_is_int().
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, ClassVar, TypeAlias

from xferzone import escape
from xferzone.errors import PeerError

MAX_TOKENS = 6  # the operator included; Fossil 2.21, src/xfer.c, the size of Xfer.aToken
MAX_LINE = 65_536  # bytes; ours, since tokens are hashes, names and short texts
MAX_SIZE = 2**31 - 1  # bytes; the largest integer that blob_is_int() holds
MAX_MTIME = 2**63 - 1  # seconds since 1970; the largest integer that blob_is_int64() holds

_STEP = 2 * MAX_LINE  # bytes read at a time

_CODE = re.compile(rb"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")


class Cursor:
    """A read position in one message body; only a window of it and one payload are in memory."""

    __slots__ = ("_at", "_behind", "_body", "_window")

    def __init__(self, body: bytes | IO[bytes]) -> None:
        self._body = BytesIO(body) if isinstance(body, bytes) else body
        self._window = b""
        self._at = 0  # of the next octet, in the window
        self._behind = 0  # bytes of the body before the window

    @property
    def offset(self) -> int:
        """Bytes consumed so far."""
        return self._behind + self._at

    def next_line(self) -> bytes | None:
        """The next line with its LF, which the last one may lack; None at the end of the body.

        Raises:
            PeerError: it is longer than MAX_LINE bytes.
        """
        end = self._window.find(b"\n", self._at, self._at + MAX_LINE)
        if end < 0:
            self._look_ahead()
            end = self._window.find(b"\n", self._at, self._at + MAX_LINE)
        if end < 0:
            if len(self._window) - self._at > MAX_LINE:
                raise PeerError(f"a line of over {MAX_LINE} bytes")
            end = len(self._window) - 1
        start, self._at = self._at, end + 1
        return self._window[start : self._at] or None

    def take(self, size: int) -> bytes:
        """The next `size` bytes, whatever they hold.

        Raises:
            ValueError: fewer remain. (Stock returns the rest and lets the hash check fail; an error here names the card
                at fault.)
        """
        taken = self._window[self._at : self._at + size]
        if len(taken) == size:
            self._at += size
            return taken
        payload = BytesIO()
        length = payload.write(taken)
        self._behind, self._window, self._at = self._behind + len(self._window), b"", 0
        while length < size and (octets := self._body.read(min(size - length, _STEP))):
            length += payload.write(octets)
            self._behind += len(octets)
        if length < size:
            raise ValueError(f"payload of {size} bytes, {length} remain")
        return payload.getvalue()

    def run(self, pattern: re.Pattern[bytes]) -> bytes:
        """What `pattern` matches at the cursor, as far as that is in memory; empty: it does not match."""
        if self._at == len(self._window):
            self._look_ahead()
        match = pattern.match(self._window, self._at)
        if match is None:
            return b""
        self._at = match.end()
        return match[0]

    def _look_ahead(self) -> None:
        """Have more than MAX_LINE bytes in the window, or all that remain."""
        self._behind += self._at
        self._window = self._window[self._at :] + self._body.read(_STEP)
        self._at = 0


class Card(ABC):
    """One immutable card. Subclasses are frozen dataclasses with slots."""

    __slots__ = ()
    operator: ClassVar[bytes]

    @abstractmethod
    def encode(self) -> bytes:
        """The card's line and payload, ready for the wire."""

    def pieces(self) -> Sequence[bytes]:
        """The parts of `encode` in order, without a copy of a large payload."""
        return (self.encode(),)


@dataclass(frozen=True, slots=True)
class Unknown(Card):
    r"""A line that is not a card we know: its operator is in no table, or its arguments do not make that card.

    Stock treats both alike. Its client ends the session (`unknown command: [igot]`). Its server drops what it has
    written, answers `error bad\scommand:\s` and the escaped `line`, and reads the next line.

    Fields:
        line: as it came, with its LF if it had one.
        reason: what was wrong with its arguments; empty if the operator is unknown.
    """

    operator: ClassVar[bytes] = b""
    line: bytes
    reason: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The operator, fit to be printed."""
        return self.line.split(None, 1)[0].decode("ascii", "backslashreplace")

    def encode(self) -> bytes:
        return self.line


@dataclass(frozen=True, slots=True)
class Comment(Card):
    """A line that only people read; sent and never parsed. `text` holds no LF."""

    operator: ClassVar[bytes] = b"#"
    text: str

    def encode(self) -> bytes:
        if "\n" in self.text:
            raise ValueError("a comment is one line")
        return b"# " + octets(self.text) + b"\n"


#: Makes a card of its arguments (without the operator), and takes its payload from the cursor. Raises ValueError if
#: they do not make such a card.
Parser: TypeAlias = Callable[[Sequence[bytes], Cursor], Card]


def line(operator: bytes, *tokens: bytes | str | int) -> bytes:
    """One card line. Raises ValueError where a receiver would read other tokens than these."""
    words = [operator, *map(_token, tokens)]
    joined = b" ".join(words)
    if joined.split() != words or len(words) > MAX_TOKENS:
        raise ValueError(f"a {operator.decode('ascii')} card cannot carry {tokens!r}")
    return joined + b"\n"


def parse_integer(token: bytes, largest: int = MAX_SIZE) -> int:
    """A count, size or time in decimal, at most `largest`.

    int() alone would also take "+5", "1_000" and "-5". Raises ValueError.
    """
    if not token.isdigit() or len(token) > 20 or (value := int(token)) > largest:
        raise ValueError(f"{token[:30]!r} is not a number up to {largest}")
    return value


def parse_code(token: bytes) -> str:
    """A project code: 40 or 64 hex digits. Upper case is read, and matches no project. Raises ValueError."""
    if not _CODE.fullmatch(token):
        raise ValueError(f"{token[:80]!r} is not a project code")
    return token.decode("ascii")


def expect(args: Sequence[bytes], *counts: int) -> None:
    """Raise ValueError unless the number of arguments is one of `counts`."""
    if len(args) not in counts:
        raise ValueError(f"{len(args)} arguments, expected {' or '.join(map(str, counts))}")


def text(token: bytes) -> str:
    """An unescaped token as text; octets that are not UTF-8 become lone surrogates, which `octets` reverses."""
    return token.decode("utf-8", "surrogateescape")


def octets(text: str) -> bytes:
    """The token that `text` was read from."""
    return text.encode("utf-8", "surrogateescape")


def escaped(text: str) -> bytes:
    """`text` as one escaped token; ValueError if it is empty, since a token cannot be."""
    if not text:
        raise ValueError("a card cannot carry empty text")
    return escape.encode(text)


def _token(token: bytes | str | int) -> bytes:
    return token if isinstance(token, bytes) else octets(str(token))
