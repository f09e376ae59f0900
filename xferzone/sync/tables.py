"""Cards of synced tables and what is stored: what both ends of a sync make of a row or a definition that came.

    KEY is not the hash of the row's key; HASH not that of the definition   PeerError: nothing of the message is kept
    it does not fit the definition here; it is dated over a day ahead       Refused: it is left out, and people are told
    else                                                                    a row, which is stored if it is newer

A clock that is ahead wins for a day at the most, and whoever changes the row then dates it just behind.
"""

from typing import Final

from xferzone.cards import XDelete, XHave, XRow, XTable
from xferzone.errors import PeerError, Refused
from xferzone.store import Reader, tables
from xferzone.store.tables import MAX_MTIME, Head, Row
from xferzone.tables.canonical import Value
from xferzone.tables.definition import Definition, parsed

MAX_AHEAD_MS: Final = (
    86_400_000  # ahead of the clock here, that a row or a definition may be dated; ours, a day
)


def defined(card: XTable, now_ms: int) -> Definition:
    """The definition that a card brings."""
    try:
        found = parsed(card.name, card.definition)
    except ValueError as exc:
        raise PeerError(f"in xtable line of {card.name}: {exc}") from exc
    if found.hash != card.hash:
        raise PeerError(f"in xtable line, HASH does not match the definition: {card.name}")
    check_date(card.name, card.mtime, now_ms)
    return found


def dropped(reader: Reader, definition: Definition) -> str:
    """What people are told of the rows here that go with a newer definition; empty: none does."""
    count = tables.lost(reader, definition)
    if not count:
        return ""
    gone = "row of it does not fit it and is" if count == 1 else "rows of it do not fit it and are"
    return f"table {definition.name} has a newer definition: {count} {gone} gone from this end"


def taken(card: XRow, definition: Definition, owner: str, now_ms: int) -> tuple[Row, dict[str, Value]]:
    """The row that a card brings, which is `owner`'s then, and its values."""
    is_deleted = isinstance(card, XDelete)
    try:
        values = definition.row(card.content, deleted=is_deleted)
    except ValueError as exc:
        raise Refused(f"a row of table {card.name} is left out: {exc}") from exc
    if definition.key_hash(values) != card.key:
        raise PeerError(f"in xrow line of table {card.name}, KEY is not the hash of its key: {card.key}")
    check_date(card.name, card.mtime, now_ms)
    return Row(card.key, card.mtime, owner, card.content, is_deleted), values


def check_date(name: str, mtime: int, now_ms: int) -> None:
    """Raise Refused where something of table `name` is dated too far ahead."""
    if mtime > min(now_ms + MAX_AHEAD_MS, MAX_MTIME):
        raise Refused(
            f"what table {name} has at {mtime} ms is left out: that is over a day ahead of the clock here; set the "
            "clocks right, and write it again"
        )


def have(name: str, head: Head) -> XHave:
    """The card that tells of a row."""
    return XHave(name, head.key, head.mtime, head.hash)


def brought(name: str, row: Row, owner: str) -> XRow:
    """The card that carries a row; `owner` empty: it says nothing of whose it is."""
    return (XDelete if row.deleted else XRow)(name, row.key, row.mtime, owner, row.content)
