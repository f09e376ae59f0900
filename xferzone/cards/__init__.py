"""The xfer cards: body text <-> values. No I/O, no state.

One module a family, each with its card classes and a table PARSERS. To add a card, write the class and put it in the
table. sync/ knows which side may send which card. extension.py has the grammar of our own pragmas.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO

from xferzone.cards import artifact, configuration, notice, session, table, unversioned
from xferzone.cards.artifact import CFile, File, Gimme, IGot, Private
from xferzone.cards.base import MAX_TOKENS, Card, Comment, Cursor, Parser, Unknown
from xferzone.cards.configuration import Config, ReqConfig
from xferzone.cards.notice import Error, Message
from xferzone.cards.session import Clone, CloneSeqno, Cookie, Login, Pragma, Pull, Push
from xferzone.cards.table import XDelete, XHave, XList, XRow, XTable, XWant
from xferzone.cards.unversioned import UVFile, UVGimme, UVIGot
from xferzone.errors import MalformedCard, PeerError

__all__ = [
    "CFile",
    "Card",
    "Clone",
    "CloneSeqno",
    "Comment",
    "Config",
    "Cookie",
    "Error",
    "File",
    "Gimme",
    "IGot",
    "Lines",
    "Login",
    "Message",
    "Pragma",
    "Private",
    "Pull",
    "Push",
    "ReqConfig",
    "UVFile",
    "UVGimme",
    "UVIGot",
    "Unknown",
    "XDelete",
    "XHave",
    "XList",
    "XRow",
    "XTable",
    "XWant",
    "encode_cards",
    "parse_cards",
]

_PARSERS: Mapping[bytes, Parser] = {
    **artifact.PARSERS,
    **session.PARSERS,
    **unversioned.PARSERS,
    **configuration.PARSERS,
    **notice.PARSERS,
    **table.PARSERS,
}
#: After a bad line of one of these, nobody knows where the next card begins.
_WITH_PAYLOAD = frozenset({b"file", b"cfile", b"uvfile", b"config", b"xtable", b"xrow", b"xdelete"})

#: Lines of one message, comments and blank lines included; ours, a second of work. A few hundred kilobytes on the wire
#: can expand to a hundred million lines, which would keep a worker busy for minutes.
MAX_LINES = 1_000_000


#: A run of blank lines and comments, which then cost no more than they weigh. Bounded, as artifact.igots.
_NOTHING = re.compile(rb"(?:[ \t\r\v\f\n]{0,65535}\n|#[^\n]{0,200}\n){1,500}")


class Lines:
    """How many lines were read; comments and blank lines included."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


def parse_cards(body: bytes | IO[bytes], lines: Lines | None = None) -> Iterator[Card]:
    """Yield the cards of an unpacked message body, in order; comments and blank lines mean nothing.

    Lazy: the cards before a bad one are yielded before the error is raised. A file is read from its position, and
    somewhat ahead; `lines` counts what was. A line with an unknown operator, or with arguments that do not make that
    card, is yielded as Unknown.

    Raises:
        MalformedCard: the bad line belongs to a card with a payload, or the body ends inside a payload.
        PeerError: over MAX_LINES lines, or one of over MAX_LINE bytes.
    """
    cursor = Cursor(body)
    lines = lines or Lines()
    while True:
        run = artifact.igots(cursor)
        yield from run
        nothing = cursor.run(_NOTHING)
        start = cursor.offset
        line = cursor.next_line()
        lines.count += len(run) + nothing.count(b"\n") + (line is not None)
        if lines.count > MAX_LINES:
            raise PeerError(f"over {MAX_LINES} lines in one message: send fewer at a time")
        if line is None:
            return
        tokens = line.split(None, MAX_TOKENS)[:MAX_TOKENS]
        if not tokens or line.startswith(b"#"):
            continue
        operator, *args = tokens
        parser = _PARSERS.get(operator)
        if parser is None:
            yield Unknown(line)
            continue
        try:
            card = parser(args, cursor)
        except ValueError as exc:
            if operator in _WITH_PAYLOAD:
                raise MalformedCard(operator, start, str(exc), line) from exc
            card = Unknown(line, str(exc))
        yield card


def encode_cards(cards: Iterable[Card]) -> bytes:
    """The message body that carries `cards`, in order, not packed yet."""
    return b"".join(card.encode() for card in cards)
