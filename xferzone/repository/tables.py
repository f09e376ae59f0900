"""Synced tables changed here, by people or by a program: dated now, or just behind what is replaced.

A change made here is held to the rule of its table as one that comes from a peer is.
"""

from collections.abc import Mapping

from xferzone.errors import NotFound, Refused
from xferzone.store import Writer, tables
from xferzone.store.tables import Row
from xferzone.tables.canonical import Value
from xferzone.tables.definition import Definition
from xferzone.tables.rights import bar


def define(writer: Writer, definition: Definition, now_ms: int) -> bool:
    """Make a table, or give one another definition; whether that changes anything.

    Raises:
        Refused: rows that are here would not fit it, or there are too many tables.
    """
    known = tables.table(writer, definition.name)
    if known is None:
        return tables.define(writer, definition, now_ms)
    if known.definition == definition:
        return False
    if lost := tables.lost(writer, definition):
        raise Refused(
            f"{lost} rows of table {definition.name} do not fit that definition, and would be lost everywhere: "
            "keep its key and the columns that they use, or remove them first with `xferzone table rm`"
        )
    return tables.define(writer, definition, max(now_ms, known.mtime + 1))


def put(writer: Writer, name: str, values: Mapping[str, Value], login: str, now_ms: int) -> bool:
    """Write a row, in the place of what has its key; whether that changes anything.

    Raises:
        NotFound: there is no such table.
        ValueError: the table has no such row.
        Refused: the row is not `login`'s, or there are too many.
    """
    definition = tables.needed(writer, name).definition
    content = definition.content(values)
    key = definition.key_hash(values)
    known = tables.row(writer, name, key)
    if known is not None and not known.deleted and known.content == content:
        return False
    _check(definition, values, known, login)
    row = Row(key, tables.next_mtime(writer, name, key, now_ms), login, content)
    return tables.put(writer, name, row, now_ms=now_ms)


def remove(writer: Writer, name: str, values: Mapping[str, Value], login: str, now_ms: int) -> None:
    """Delete the row with these key values, here and wherever the next syncs lead.

    Raises:
        NotFound: there is no such table, or no such row.
        ValueError: those are no values of its key.
        Refused: the row is not `login`'s.
    """
    definition = tables.needed(writer, name).definition
    content = definition.key_content(values)
    key = definition.key_hash(values)
    known = tables.row(writer, name, key)
    if known is None or known.deleted:
        raise NotFound(f"table {name} has no such row: `xferzone table rows {name}` shows those that it has")
    _check(definition, values, known, login)
    mtime = tables.next_mtime(writer, name, key, now_ms)
    tables.put(writer, name, Row(key, mtime, known.owner, content, deleted=True), now_ms=now_ms)


def _check(definition: Definition, values: Mapping[str, Value], known: Row | None, login: str) -> None:
    if why := bar(definition, values, None if known is None else known.owner, login):
        raise Refused(
            f"the row of table {definition.name} cannot be written ({definition.rule}): {why}; XFERZONE_USER says who "
            "writes"
        )
