"""The project's configuration as stock keeps it: rows that nothing here uses, passed on to whoever asks.

Accounts and shunned artifacts have tables of their own; of an account only what ours do not have lies here.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from xferzone.cards.rows import COLUMNS, Row, parse_fields
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

#: What is damaged is not of these types.
_ROWS: Final = """SELECT key, mtime, fields FROM configuration WHERE kind = ?
                  AND (typeof(key), typeof(mtime), typeof(fields)) = ('text', 'integer', 'blob')"""


class Size(NamedTuple):
    """How much there is of it: rows, and bytes of their fields."""

    rows: int
    bytes: int


def size(reader: Reader) -> Size:
    """How much is kept."""
    query = "SELECT count(*), CAST(coalesce(sum(length(fields)), 0) AS INTEGER) FROM configuration"
    return Size(*reader.db.execute(query).fetchone())


def row(reader: Reader, table: str, key: str) -> Row | None:
    """The row of that key. None: there is none that can be read."""
    found = reader.db.execute(f"{_ROWS} AND key = ?", (table, key)).fetchone()
    return None if found is None else _row(table, *found)


def rows(reader: Reader, table: str) -> list[Row]:
    """All rows of a table, in the order in which they came first. Damaged ones are left out; `damaged` names them."""
    found = reader.db.execute(f"{_ROWS} ORDER BY position", (table,))
    return [each for each in (_row(table, *columns) for columns in found) if each is not None]


def everything(reader: Reader) -> list[Row]:
    """All rows of all tables."""
    return [each for table in COLUMNS for each in rows(reader, table)]


def damaged(reader: Reader) -> Iterator[str]:
    """Table and key of rows that cannot be read."""
    for table, key in reader.db.execute("SELECT kind, key FROM configuration ORDER BY position"):
        if table not in COLUMNS or row(reader, table, key) is None:
            yield f"{table} {key}"


def put(writer: Writer, row: Row) -> None:
    """Keep a whole row (`Row.after`) in the place of what has its key."""
    writer.db.execute(
        """INSERT INTO configuration (kind, key, mtime, fields) VALUES (?, ?, ?, ?)
           ON CONFLICT (kind, key) DO UPDATE SET mtime = excluded.mtime, fields = excluded.fields""",
        (row.table, row.key, row.mtime, row.written()),
    )


def _row(table: str, key: str, mtime: int, fields: bytes) -> Row | None:
    parsed = parse_fields(table, fields)
    return None if parsed is None else Row(table, key, mtime, parsed)
