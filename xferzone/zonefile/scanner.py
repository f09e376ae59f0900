r"""Zone text into entries: the lines that belong together, their tokens and their comments.

    entry    = pieces, up to the line feed outside parentheses that ends it
    piece    = blank | "(" | ")" | comment | token            inside parentheses a line feed is a blank too
    blank    = space or tab; at the end of a line carriage returns too
    comment  = ";" and all up to the line feed
    token    = a word: printable ASCII without blanks, quotes, parentheses and ";"
             | a quoted string: any octets but a line feed; in parentheses a line feed, but then no carriage return
               in both a backslash takes what follows; in a quoted string a line feed too

Parentheses do not nest, and none stands before the owner. Nothing is unescaped here.
Source: RFC 1035 5.1; where that is silent, what two of BIND, Knot and NSD do (docs/zone-checks.md).
"""

import codecs
import re
from typing import NamedTuple

from xferzone.zonefile import foreign

MAX_ENTRY = 1_000_000  # bytes of an entry; as much as the text of one owner may have (zone/cut.py)

_TOO_LONG = f"it is longer than {MAX_ENTRY} bytes"
_BLANK = (b" ", b"\t")
_BEFORE_WORD = (b" ", b"\t", b"\n", b"(", b'"')
_WORD = re.compile(rb"[^\s();\"]+")
_MAX_WORD = 300  # bytes of a word that a message looks at

_PIECE = re.compile(
    rb"(?P<end>[ \t\r]*\n|[ \t\r]*\r\Z)"
    rb"|[ \t]+"
    rb"|(?P<comment>;[^\n]*)"
    rb'|"(?P<quoted>[^"\\\n]*(?:\\.[^"\\\n]*)*)"'
    rb"|(?P<word>(?:[!#-'*-:<-\[\]-~]+|\\[\t -~])+)"
    rb"|(?P<parenthesis>[()])",
    re.DOTALL,
)
_LONG_STRING = re.compile(rb'"(?P<quoted>[^"\\\r]*(?:\\.[^"\\\r]*)*)"', re.DOTALL)  # in parentheses


def _latin_1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


_LATIN_1 = "xferzone-latin-1"
codecs.register_error(_LATIN_1, _latin_1)


class Token(NamedTuple):
    """A word, or what stands between two quotes; `glued`: nothing parts it from the token before it."""

    raw: bytes
    quoted: bool = False
    glued: bool = False


class Entry(NamedTuple):
    """One entry of a zone file.

    Fields:
        line: where it begins, 1-based.
        end: the offset behind it; next_line: the number of the line there.
        indented: it begins with a blank, so a record in it has the owner of the one before.
        tokens: in order; empty for a blank line or a comment alone.
        comments: each from its ";" on, without carriage returns and blanks at the end.
        fault: why it cannot be understood; empty if it can. What `end` then says is where to go on.
    """

    line: int
    end: int
    next_line: int
    indented: bool
    tokens: list[Token]
    comments: list[bytes]
    fault: str = ""


def entry(content: bytes, at: int, line: int) -> Entry:
    """The entry that begins at offset `at`, in line `line`."""
    scanner = _Scanner(content, at, line)
    fault = scanner.run()
    indented = content[at : at + 1] in _BLANK
    return Entry(line, scanner.at, scanner.line, indented, scanner.tokens, scanner.comments, fault)


def comment_of(raw: bytes) -> bytes:
    """A comment as it is kept: without carriage returns, and blanks at its end; and in UTF-8, for which octets that are
    not are taken for Latin-1: stock asks about a file that is not UTF-8, and fails where nobody can answer."""
    kept = raw.replace(b"\r", b"").rstrip(b" \t")
    return kept if kept.isascii() else kept.decode("utf-8", _LATIN_1).encode("utf-8")


class _Scanner:
    """The state of one entry while it is read."""

    def __init__(self, content: bytes, at: int, line: int) -> None:
        self.content, self.at, self.line = content, at, line
        self.tokens: list[Token] = []
        self.comments: list[bytes] = []

    def run(self) -> str:
        """Read to the end of the entry; the fault that stopped it, else nothing."""
        content, start, depth = self.content, self.at, 0
        indented = content[start : start + 1] in _BLANK
        limit = start + MAX_ENTRY + 1  # so that no token can be long
        token_end = -1
        while self.at < len(content):
            piece = _PIECE.match(content, self.at, limit) or (
                _LONG_STRING.match(content, self.at, limit) if depth else None
            )
            if piece is None:
                return self._fault(
                    _unreadable(content, self.at, depth) if self.at < limit else _TOO_LONG, depth
                )
            kind = piece.lastgroup
            if kind in ("word", "quoted"):
                if depth and not self.tokens and not indented:
                    return self._fault("a parenthesis stands before the owner", depth)
                self.tokens.append(Token(piece[kind], kind == "quoted", token_end == self.at))
                token_end = piece.end()
                self.line += piece[kind].count(b"\n")
            elif kind == "comment":
                self.comments.append(comment_of(piece[kind]))
            elif kind == "parenthesis":
                depth += 1 if piece[kind] == b"(" else -1
            self.at = piece.end()
            if depth < 0:
                return self._fault("a parenthesis is closed that was not opened", 0)
            if depth > 1:
                return self._fault("a parenthesis is opened inside of parentheses", depth)
            if self.at - start > MAX_ENTRY:
                return self._fault(_TOO_LONG, depth)
            if kind == "end":
                self.line += 1
                if depth == 0:
                    return ""
        return "a parenthesis is opened and never closed" if depth else ""

    def _fault(self, reason: str, depth: int) -> str:
        """Go to where reading can go on: the next line, or nowhere from inside parentheses."""
        newline = self.content.find(b"\n", self.at)
        if depth or newline < 0:
            self.at = len(self.content)
        else:
            self.at = newline + 1
            self.line += 1
        return reason


def _unreadable(content: bytes, at: int, depth: int) -> str:
    """Why no piece begins at offset `at`."""
    octet = content[at]
    if octet == 0x5C and content[at + 1 : at + 2] >= b"\x80":
        octet = content[at + 1]
    if octet == 0x22:
        return "a quoted string does not end" + ("" if depth else " on its line")
    if octet == 0x5C:
        return "a backslash escapes nothing"
    if octet >= 0x80:
        begin = max(content.rfind(blank, 0, at) for blank in _BEFORE_WORD) + 1
        word = _WORD.match(content, begin, at + _MAX_WORD)
        named = "" if word is None else foreign.letters(word[0])
        return f"byte 0x{octet:02x} outside quotes and comments: {named or 'write it as a backslash and three digits'}"
    if octet == 0x0D:
        return "a carriage return inside the line"
    return f"control character 0x{octet:02x} outside quotes and comments"
