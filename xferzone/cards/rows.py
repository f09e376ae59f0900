"""What a `config` card says: one row of a table of Fossil's, in SQL literals.

    MTIME KEY COLUMN VALUE COLUMN VALUE ...      one blank between two of them

    table         key      columns                                             its card is named
    config        name     value                                               /config
    user          login    pw cap info photo jx                                /user
    shun          uuid     scom                                                /shun
    reportfmt     title    owner cols sqlcode jx                               /reportfmt
    concealed     hash     content                                             /concealed
    subscriber    semail   suname sdigest sdonotcall ssub sctime smip          /subscriber

MTIME is in seconds since 1970. Literals are 'text' with '' for a quote, X'hex', digits, and NULL; no expression can be
written with them. They are held as SQLite's quote() writes them, so that a row goes on as it came.
Source: Fossil 2.21, src/configure.c configure_receive(), configure_send_group(), safeSql(); seen with the program.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xferzone.cards.configuration import Config

MAX_MTIME: Final = 253_402_300_799  # seconds since 1970: the end of the year 9999, as of unversioned files
MAX_KEY: Final = 1_000  # bytes of UTF-8; ours, a path of an alias is the longest that people write
MAX_ROW: Final = 2 * 2**20  # bytes of a payload; ours: a background image of 1 MB in hex
MAX_PAIRS: Final = 12  # columns with their values; src/configure.c configure_receive(), azToken

NULL: Final = b"NULL"
#: By table: its columns in the order in which Fossil sends them.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "config": ("value",),
    "user": ("pw", "cap", "info", "photo", "jx"),
    "shun": ("scom",),
    "reportfmt": ("owner", "cols", "sqlcode", "jx"),
    "concealed": ("content",),
    "subscriber": ("suname", "sdigest", "sdonotcall", "ssub", "sctime", "smip"),
}
#: Tables of whose rows only those columns are sent that have a value.
_SPARSE: Final = frozenset({"user", "reportfmt"})
#: What a column has in a row that is new and came without it; others have NULL.
_DEFAULTS: Final[Mapping[str, bytes]] = {"jx": b"'{}'"}
#: Columns that SQLite makes no text of when a number comes.
_AS_THEY_COME: Final = frozenset({"photo", "sdonotcall", "sctime"})

_TEXT: Final = rb"'(?:[^'\0]++|'')*+'"
_LITERAL: Final = rb"%s|[xX]'(?:[0-9A-Fa-f]{2})*+'|[0-9]{1,18}|NULL" % _TEXT
_HEAD: Final = re.compile(rb"([0-9]{1,12}) (%s)" % _TEXT)
_PAIR: Final = re.compile(rb" ([A-Za-z0-9_]{1,40}) (%s)(?= |\Z)" % _LITERAL)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `table`. `fields`: literals by column, of those columns that the card names."""

    table: str
    key: str
    mtime: int
    fields: Mapping[str, bytes]

    def card(self) -> Config:
        """The card that carries it."""
        return Config(f"/{self.table}", b"%d %s%s" % (self.mtime, quoted(self.key), self.written()))

    def written(self) -> bytes:
        """The part of its payload behind the key."""
        columns = COLUMNS[self.table]
        if self.table in _SPARSE:
            columns = tuple(each for each in columns if self.fields.get(each, NULL) != NULL)
        return b"".join(b" %s %s" % (each.encode(), self.fields.get(each, NULL)) for each in columns)

    def after(self, before: "Row | None") -> "Row":
        """The whole row once this one came where `before` was; None: there was none."""
        kept = _DEFAULTS if before is None else before.fields
        fields = {each: self.fields.get(each, kept.get(each, NULL)) for each in COLUMNS[self.table]}
        return Row(self.table, self.key, self.mtime, fields)


def parse(card: Config) -> Row | None:
    """The row of a card. None: it is none that Fossil would take; as there, nobody is told.

    So are a table that is not in the list, a time that is no number of seconds, as reports of a new repository have,
    and what is not written with literals. Columns of other releases are passed over.
    """
    table, payload = card.table.removeprefix("/"), card.payload
    head = _HEAD.match(payload)
    if table not in COLUMNS or table == card.table or head is None or len(payload) > MAX_ROW:
        return None
    key, mtime = text(head[2]), int(head[1])
    if not key or len(key.encode()) > MAX_KEY or mtime > MAX_MTIME:
        return None
    fields = parse_fields(table, payload[head.end() :])
    return None if fields is None else Row(table, key, mtime, fields)


def parse_fields(table: str, payload: bytes) -> Mapping[str, bytes] | None:
    """What `Row.written` has written. None: it is not written with literals, or names a column twice."""
    fields: dict[str, bytes] = {}
    at = 0
    for _ in range(MAX_PAIRS):
        pair = _PAIR.match(payload, at)
        if pair is None:
            break
        column, at = pair[1].decode(), pair.end()
        if column in fields:
            return None
        if column in COLUMNS[table]:
            fields[column] = _canonical(column, pair[2])
    return fields if at == len(payload) else None


def quoted(value: str) -> bytes:
    """The literal of a text."""
    return b"'%s'" % value.encode().replace(b"'", b"''")


def text(literal: bytes) -> str | None:
    """The text that a literal stands for. None: it is another value, or not UTF-8."""
    if not literal.startswith(b"'"):
        return None
    try:
        return literal[1:-1].replace(b"''", b"'").decode()
    except UnicodeDecodeError:
        return None


def value(literal: bytes) -> str | bytes | int | None:
    """What a literal stands for, as SQLite takes it; octets of a text that are not UTF-8 are replaced."""
    if literal.startswith(b"'"):
        return literal[1:-1].replace(b"''", b"'").decode("utf-8", "replace")
    if literal.startswith(b"X"):
        return bytes.fromhex(literal[2:-1].decode("ascii"))
    return None if literal == NULL else int(literal)


def _canonical(column: str, literal: bytes) -> bytes:
    """As quote() writes what a column of this name makes of the literal."""
    if literal[:1] in b"xX":
        return literal.upper()
    if not literal.isdigit():
        return literal
    number = b"%d" % int(literal)
    return number if column in _AS_THEY_COME else b"'%s'" % number
