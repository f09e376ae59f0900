"""The file as SQLite has it: its own checks, the schema that the migrations make, and what each column may hold.

    objects     tables, indexes, triggers and views, each as in a new repository; anything else does not belong there
    types       SQLite allows values of any type in a column
    rows        pointed to, but not there
    ranges      values of the right type that nothing of ours writes

What a value means is looked at elsewhere (faults.py, derived.py, repository/check.py).
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from typing import Final

from xferzone.delta import MAX_SIZE
from xferzone.store import schema
from xferzone.store.chains import MAX_ARTIFACT, MAX_STACK
from xferzone.store.database import newest_schema
from xferzone.store.reader import Reader

REBUILD: Final = "run `xferzone rebuild`"
BACKUP: Final = (
    "`xferzone restore FILE` puts a backup in its place, or clone another repository of the project"
)
_KINDS: Final = {"INTEGER": "integer", "TEXT": "text", "BLOB": "blob"}
_LAST_MS: Final = 253_402_300_799_999  # of the year 9999, the last that Fossil and ISO 8601 write

#: By table and column: the condition that no sound value meets.
_RANGES: Final = {
    ("blob", "rid"): "rid < 1 OR rid > (SELECT seq FROM sqlite_sequence WHERE name = 'blob')",
    ("blob", "hash"): "length(hash) NOT IN (20, 32)",
    ("blob", "size"): "content IS NULL AND size <> -1 OR content IS NOT NULL AND size < 0",
    ("blob", "stack"): f"stack NOT BETWEEN 0 AND {MAX_STACK}",
    ("acknowledged", "target"): "target NOT GLOB '*?:[0-9]*'",
    ("acknowledged", "serial"): "serial NOT BETWEEN 0 AND 4294967295",
    ("aside", "number"): f"number NOT BETWEEN 1 AND {2**53}",
    ("aside", "source"): "source = rid",
    ("aside", "stored"): "stored <> length(delta)",
    ("aside", "made"): f"made NOT BETWEEN 0 AND {MAX_SIZE}",
    ("asked", "first"): "first < 0 OR first > (SELECT seq FROM sqlite_sequence WHERE name = 'blob')",
    (
        "asked",
        "last",
    ): "last < first OR first > 0 AND last > (SELECT seq FROM sqlite_sequence WHERE name = 'blob')",
    ("asked", "position"): "position < first - 1 OR position > last",
    ("asked", "times"): "times NOT BETWEEN 0 AND 100",
    ("checkin", "place"): f"place NOT BETWEEN {schema.UNPLACED} AND {schema.WAITING}",
    ("checkin_lock", "rid"): "NOT EXISTS (SELECT 1 FROM checkin WHERE checkin.rid = checkin_lock.rid)",
    ("checkin_lock", "client"): "length(client) NOT IN (40, 64) OR client GLOB '*[^0-9a-f]*'",
    ("checkin_lock", "at"): f"at NOT BETWEEN 0 AND {_LAST_MS}",
    (
        "configuration",
        "kind",
    ): "kind NOT IN ('config', 'user', 'reportfmt', 'concealed', 'subscriber')",
    ("configuration", "position"): f"position NOT BETWEEN 1 AND {2**53}",
    ("configuration", "key"): "length(key) = 0",
    ("configuration", "mtime"): f"mtime NOT BETWEEN 0 AND {_LAST_MS // 1000}",
    ("pushing", "row"): "row < 0 OR row > (SELECT seq FROM sqlite_sequence WHERE name = 'blob')",
    ("brought", "rid"): "NOT EXISTS (SELECT 1 FROM blob WHERE blob.rid = brought.rid)",
    ("brought", "door"): "door NOT IN ('push', 'cli', 'pull', 'start', 'group', '')",
    ("past", "address"): "address IS NULL OR address NOT GLOB '*?:[0-9]*'",
    (
        "past",
        "state",
    ): "CASE json_valid(state) WHEN 1 THEN json_type(state, '$.rules') IS NOT 'array' ELSE 1 END",
    (
        "private",
        "hash",
    ): "length(hash) NOT IN (20, 32) OR hash IN (SELECT hash FROM blob WHERE content IS NOT NULL)",
    (
        "publication",
        "number",
    ): "number < 1 OR number > (SELECT seq FROM sqlite_sequence WHERE name = 'publication')",
    ("publication", "door"): "door NOT IN ('push', 'cli', 'pull', 'start', 'group', '')",
    ("publication", "time_ms"): f"time_ms NOT BETWEEN 0 AND {_LAST_MS}",
    ("publication", "serial"): "serial NOT BETWEEN 0 AND 4294967295",
    ("ref", "serial"): "serial NOT BETWEEN 0 AND 4294967295",
    ("ref", "indexes"): "length(indexes) % 8 <> 0",
    ("ref", "previous"): "length(previous) % 8 <> 0",
    ("remote", "url"): "url NOT LIKE 'http://%' AND url NOT LIKE 'https://%' AND url NOT LIKE 'nats://%'",
    (
        "shun",
        "hash",
    ): """length(hash) NOT IN (20, 32) OR hash IN (SELECT hash FROM private)
          OR hash IN (SELECT hash FROM blob WHERE content IS NOT NULL)""",
    ("shun", "time_ms"): f"time_ms NOT BETWEEN 0 AND {_LAST_MS}",
    ("user", "mtime"): f"mtime NOT BETWEEN 0 AND {_LAST_MS // 1000}",
    ("user", "expires"): f"expires NOT BETWEEN 0 AND {_LAST_MS}",
    # A server of another make may name its epochs otherwise than ours do (cards/extension.py).
    ("remote_epoch", "epoch"): "length(epoch) NOT BETWEEN 1 AND 64 OR epoch GLOB '*[^0-9A-Za-z]*'",
    ("remote_epoch", "remote"): "NOT EXISTS (SELECT 1 FROM remote WHERE remote.name = remote_epoch.remote)",
    ("remote_epoch", "number"): "number < 0",
    ("remote_epoch", "position"): "position < 0",
    ("remote_epoch", "checkin"): "checkin <> '' AND (length(checkin) <> 16 OR checkin GLOB '*[^0-9a-f]*')",
    ("remote_epoch", "used"): "used NOT BETWEEN 0 AND 255",
    ("synced_table", "mtime"): f"mtime NOT BETWEEN 0 AND {_LAST_MS}",
    ("synced_table", "rows"): "rows < 0",
    ("synced_table", "digest"): "length(digest) <> 32",
    ("synced_row", "key"): "length(key) <> 32",
    ("synced_row", "mtime"): f"mtime NOT BETWEEN 0 AND {_LAST_MS}",
    ("synced_row", "hash"): "length(hash) <> 32",
    ("unversioned", "name"): "name IS NULL OR name = ''",
    ("unversioned", "mtime"): f"mtime NOT BETWEEN 0 AND {_LAST_MS // 1000}",
    ("unversioned", "hash"): "length(hash) NOT IN (20, 32) OR (hash IS NULL) <> (content IS NULL)",
    ("unversioned", "size"): f"size NOT BETWEEN 0 AND {MAX_ARTIFACT} OR hash IS NULL AND size <> 0",
}


def database(reader: Reader) -> Iterator[str]:
    """What SQLite finds wrong with the file, a line each."""
    for (line,) in reader.db.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"database: {line}: {BACKUP}"


def objects(reader: Reader) -> Iterator[str]:
    """Tables, indexes, triggers and views that are not those of this release's schema."""
    expected, found = _model(), _facts(reader.db)
    for name, (kind, table, _) in expected.items():
        remedy = REBUILD if table in schema.DERIVED else BACKUP
        if name not in found:
            yield f"database: {kind} {name} is missing: {remedy}"
        elif found[name][0] != kind:
            yield f"database: a {found[name][0]} is in the place of {kind} {name}: {remedy}"
        elif found[name] != expected[name]:
            yield f"database: {kind} {name} is not as this release makes it: {remedy}"
    for name, (kind, table, _) in found.items():
        if name not in expected:
            yield (
                f"database: {kind} {name} on {table} does not belong there: `sqlite3 FILE 'DROP {kind.upper()} "
                f'"{name}"\'` removes it; find out who made it'
            )


#: Words of a statement that SQLite tells nowhere else.
_WORDS: Final = (
    "WITHOUT ROWID",
    "AUTOINCREMENT",
    "UNIQUE",
    "CHECK",
    "COLLATE",
    "GENERATED",
    "STRICT",
    "ON CONFLICT",
)


def _facts(db: sqlite3.Connection) -> dict[str, tuple[str, str, tuple[object, ...]]]:
    """What there is, by name: kind, table, then what SQLite has made of its statement, however that is written.

    Releases of SQLite write a statement differently when they add a column or rename a table.
    """
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^'"
    facts: dict[str, tuple[str, str, tuple[object, ...]]] = {}
    for kind, name, table, sql in db.execute(query).fetchall():
        words = " ".join(re.sub('["`\\[\\]]', "", str(sql)).split())
        told: list[object] = [word for word in _WORDS if word in words.upper()]
        if kind == "table":
            told += db.execute(
                'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (name,)
            )
            told += sorted(
                db.execute('SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)', (name,)), key=repr
            )
        elif kind == "index":
            told += db.execute("SELECT name, desc, coll, key FROM pragma_index_xinfo(?)", (name,))
            told.append(words.partition(" WHERE ")[2])
        facts[name] = (kind, table, tuple(told))
    return facts


@cache
def _model() -> dict[str, tuple[str, str, tuple[object, ...]]]:
    """The facts of an empty repository of this release."""
    with closing(sqlite3.connect(":memory:")) as model:
        newest_schema(model)
        return _facts(model)


@cache
def _schema(query: str) -> list[tuple[str, ...]]:
    """What `query` finds in an empty repository of this release."""
    with closing(sqlite3.connect(":memory:")) as model:
        newest_schema(model)
        return model.execute(query).fetchall()


def types(reader: Reader) -> Iterator[str]:
    """Values of another type than their column's, which SQLite allows."""
    columns = """SELECT sqlite_master.name, info.name, info.type, info."notnull" FROM sqlite_master
                 JOIN pragma_table_info(sqlite_master.name) AS info WHERE sqlite_master.type = 'table'"""
    for table, column, declared, never_null in _schema(columns):
        if declared in _KINDS:
            allowed = (_KINDS[declared],) if never_null else (_KINDS[declared], "null")
            query = f"SELECT count(*) FROM {table} WHERE typeof({column}) NOT IN (?, ?)"  # noqa: S608 our own names
            (count,) = reader.db.execute(query, (allowed[0], allowed[-1])).fetchone()
            if count:
                yield f"table {table}: {count} values of column {column} are not {declared}: {_remedy(table)}"


def pointers(reader: Reader) -> Iterator[str]:
    """Rows that name a row that does not exist."""
    for table, rid, pointed_to, _ in reader.db.execute("PRAGMA foreign_key_check"):
        which = "a row" if rid is None else f"row {rid}"
        yield f"table {table}: {which} points to a row of table {pointed_to} that is not there: {_remedy(table)}"
    lost = "SELECT rid FROM large WHERE rid NOT IN (SELECT rid FROM blob WHERE length(content) = 0)"
    for (rid,) in reader.db.execute(lost):
        yield f"table large: row {rid} belongs to no artifact"


def ranges(reader: Reader) -> Iterator[str]:
    """Values that nothing of ours writes."""
    for (table, column), wrong in _RANGES.items():
        (count,) = reader.db.execute(f"SELECT count(*) FROM {table} WHERE {wrong}").fetchone()  # noqa: S608 our own text
        if count:
            yield f"table {table}: {count} values of column {column} cannot be: {_remedy(table)}"


def _remedy(table: str) -> str:
    return REBUILD if table in schema.DERIVED else BACKUP
