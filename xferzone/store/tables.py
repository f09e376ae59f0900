"""Synced tables: rows of few columns that peers of our own kind share; a definition says which, and who may write them.

    state     (mtime, hash)    of a row, hash of its content; of a deleted one "-", which is less than any
    newer     the greater state, as a pair; any is greater than none. A definition's state is such a pair, too

So of whatever states of a row replicas have heard, in whatever order, all keep the same one. All rows of all tables lie
in one table of the database, as canonical JSON (tables/definition.py); names and values are only ever bound.

    digest of a table    the sum modulo 2^256 of SHA3-256 of `table NAME MTIME HASH LF` and, for each row, deleted ones
                         too, of `row NAME KEY MTIME HASH LF`
    catalogue hash       SHA3-256 of `NAME DIGEST LF` of each table, in order of names; "" without tables

A digest changes by one sum where a row does, so that telling it costs no look at the rows.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from xferzone.errors import NotFound, Refused, XferzoneError
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer
from xferzone.tables.canonical import Value
from xferzone.tables.definition import Definition, parsed

MAX_TABLES: Final = 32  # ours: some 100 kB of definitions and digests in a message
MAX_ROWS: Final = 10_000  # of one table, deleted ones included; ours
#: Milliseconds for which a deletion is never forgotten, so that who was away for so long cannot bring the row back.
KEPT_MS: Final = 30 * 86_400_000
MAX_MTIME: Final = 253_402_300_799_999  # milliseconds since 1970; the end of the year 9999

#: The registry of peers, once it is defined: who may not administer a repository sees its own rows alone.
REGISTRY: Final = "peers"

_DELETED: Final = "-"
#: Damage may leave a value of another type. It is read as the type that it should have.
_OF_TABLE: Final = (
    "CAST(name AS TEXT), CAST(mtime AS INTEGER), CAST(definition AS BLOB), CAST(rows AS INTEGER), "
    "CAST(digest AS BLOB)"
)
_OF_ROW: Final = "CAST(key AS BLOB), CAST(mtime AS INTEGER), CAST(hash AS BLOB), CAST(owner AS TEXT)"
_MODULUS: Final = 2**256
_REMEDY: Final = "put it again with `xferzone table put`, or restore a backup"


class Head(NamedTuple):
    """The state of a row without its content; `hash` None: it is deleted. `owner`: whose it is; empty: nobody's."""

    key: str
    mtime: int
    hash: str | None
    owner: str

    @property
    def rank(self) -> tuple[int, str]:
        """What states are compared by."""
        return self.mtime, self.hash or _DELETED


@dataclass(frozen=True, slots=True)
class Row:
    """A row; of a deleted one `content` is the key."""

    key: str
    mtime: int
    owner: str
    content: bytes
    deleted: bool = False

    @property
    def head(self) -> Head:
        told = None if self.deleted else hashlib.sha3_256(self.content).hexdigest()
        return Head(self.key, self.mtime, told, self.owner)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what it is, since when, and what all its rows come to.

    Fields:
        rows: how many, deleted ones included.
        of_rows: the part of the digest that is theirs.
    """

    definition: Definition
    mtime: int
    rows: int
    of_rows: int

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def rank(self) -> tuple[int, str]:
        """What definitions of one name are compared by."""
        return self.mtime, self.definition.hash

    @property
    def digest(self) -> str:
        """64 hex digits."""
        line = f"table {self.name} {self.mtime} {self.definition.hash}\n"
        return f"{(self.of_rows + _number(line)) % _MODULUS:064x}"


def tables(reader: Reader) -> list[Table]:
    """All of them, by name. Raises XferzoneError: a definition is damaged."""
    query = f"SELECT {_OF_TABLE} FROM synced_table ORDER BY name"  # noqa: S608 our own text
    return [_table(*row) for row in reader.db.execute(query)]


def table(reader: Reader, name: str) -> Table | None:
    """The table of that name; None: there is none."""
    query = f"SELECT {_OF_TABLE} FROM synced_table WHERE name = ?"  # noqa: S608 our own text
    row = reader.db.execute(query, (name,)).fetchone()
    return None if row is None else _table(*row)


def needed(reader: Reader, name: str) -> Table:
    """The same. Raises NotFound: there is none."""
    found = table(reader, name)
    if found is None:
        raise NotFound(f"there is no table {name[:80]}: `xferzone table list` lists them")
    return found


def seen_by(reader: Reader, login: str | None) -> list[Table]:
    """All tables as who is told of the registry only its own rows sees them; `login` None: as who sees all."""
    found = tables(reader)
    if login is None:
        return found
    return [_own_part(reader, each, login) if each.name == REGISTRY else each for each in found]


def catalogue_hash(seen: Iterable[Table]) -> str:
    """The hash by which two repositories see that they have the same."""
    lines = "".join(f"{each.name} {each.digest}\n" for each in seen)
    return hashlib.sha3_256(lines.encode()).hexdigest() if lines else ""


def heads(reader: Reader, name: str, after: str = "", login: str | None = None) -> Iterator[Head]:
    """The rows of a table in order of keys, deleted ones too, behind the key `after`; of the registry only those of
    `login`, if one is given.
    """
    query = f"""SELECT {_OF_ROW} FROM synced_row WHERE name = ?1 AND key > ?2
                AND (?3 IS NULL OR owner = ?3) ORDER BY key"""  # noqa: S608 our own text
    whose = login if name == REGISTRY else None
    for key, mtime, raw, owner in reader.db.execute(query, (name, bytes.fromhex(after), whose)):
        yield _head(key, mtime, raw, owner)


def head(reader: Reader, name: str, key: str) -> Head | None:
    """The state of a row; None: there never was one."""
    query = f"SELECT {_OF_ROW} FROM synced_row WHERE name = ? AND key = ?"  # noqa: S608 our own text
    row = reader.db.execute(query, (name, bytes.fromhex(key))).fetchone()
    return None if row is None else _head(*row)


def row(reader: Reader, name: str, key: str) -> Row | None:
    """A row, which may be deleted; None: there never was one."""
    query = """SELECT CAST(mtime AS INTEGER), CAST(owner AS TEXT), CAST(content AS BLOB), hash IS NULL
               FROM synced_row WHERE name = ? AND key = ?"""
    found = reader.db.execute(query, (name, bytes.fromhex(key))).fetchone()
    return None if found is None else Row(key, found[0], found[1], bytes(found[2]), bool(found[3]))


def rows(reader: Reader, definition: Definition) -> Iterator[tuple[Row, dict[str, Value]]]:
    """The rows that are not deleted, in order of their texts, each with its values. Raises XferzoneError: one is
    damaged.
    """
    query = """SELECT CAST(key AS BLOB), CAST(mtime AS INTEGER), CAST(owner AS TEXT), CAST(content AS BLOB)
               FROM synced_row WHERE name = ? AND hash IS NOT NULL ORDER BY content"""
    for key, mtime, owner, content in reader.db.execute(query, (definition.name,)):
        found = Row(bytes(key).hex(), mtime, owner, bytes(content))
        try:
            yield found, definition.row(found.content)
        except ValueError as exc:
            raise XferzoneError(f"a row of table {definition.name} is damaged: {exc}: {_REMEDY}") from exc


def define(writer: Writer, definition: Definition, mtime: int) -> bool:
    """Take a definition if it is newer than the one that is known; whether it was. Rows that do not fit it go.

    Raises:
        Refused: there are MAX_TABLES already.
    """
    known = table(writer, definition.name)
    if known is not None and (mtime, definition.hash) <= known.rank:
        return False
    if known is None:
        (count,) = writer.db.execute("SELECT count(*) FROM synced_table").fetchone()
        if count >= MAX_TABLES:
            raise Refused(f"there are {MAX_TABLES} tables already: table {definition.name} is left out")
    query = """INSERT INTO synced_table VALUES (?, ?, ?, 0, ?) ON CONFLICT (name) DO UPDATE
               SET mtime = excluded.mtime, definition = excluded.definition"""
    writer.db.execute(query, (definition.name, mtime, definition.encode(), bytes(32)))
    if known is not None:
        for key in unfit(writer, definition):
            _forget(writer, definition.name, key)
    return True


def lost(reader: Reader, definition: Definition) -> int:
    """How many rows that are not deleted would go with a definition."""
    unfitting = (head(reader, definition.name, key) for key in unfit(reader, definition))
    return sum(each is not None and each.hash is not None for each in unfitting)


def unfit(reader: Reader, definition: Definition) -> list[str]:
    """Keys of the rows kept under its name that a definition does not allow."""
    query = """SELECT CAST(key AS BLOB), CAST(content AS BLOB), hash IS NULL FROM synced_row WHERE name = ?"""
    found = reader.db.execute(query, (definition.name,)).fetchall()
    return [key.hex() for key, content, gone in found if not _fits(definition, key, content, deleted=gone)]


def owned(reader: Reader, login: str, name: str | None = None) -> int:
    """How many rows of a table are a login's, deleted ones included; `name` None: of all tables."""
    query = "SELECT count(*) FROM synced_row WHERE owner = ?1 AND (?2 IS NULL OR name = ?2)"
    return int(reader.db.execute(query, (login, name)).fetchone()[0])


def put(writer: Writer, name: str, new: Row, *, stands: bool = False, now_ms: int = 0) -> bool:
    """Store a row if it is newer than what is known; whether it was. It is one of the table, as its caller has seen.

    Args:
        stands: store it whatever is known, for who decides about it says so.
        now_ms: milliseconds since 1970: by them deletions are old enough to be forgotten; 0: none is.

    Raises:
        Refused: the table has MAX_ROWS already.
    """
    known = head(writer, name, new.key)
    if known is not None and (known == new.head if stands else new.head.rank <= known.rank):
        return False
    if known is not None:
        _forget(writer, name, new.key)
    elif not _make_room(writer, name, new, now_ms - KEPT_MS):
        return False
    raw = None if new.head.hash is None else bytes.fromhex(new.head.hash)
    values = (name, bytes.fromhex(new.key), new.mtime, raw, new.owner, new.content)
    writer.db.execute("INSERT INTO synced_row VALUES (?, ?, ?, ?, ?, ?)", values)
    _add(writer, name, 1, _of_row(name, new.head))
    return True


def take_all(reader: Reader, writer: Writer) -> int:
    """Put all that another repository's tables hold, as it is; how many rows that are not deleted."""
    count = 0
    for each in tables(reader):
        define(writer, each.definition, each.mtime)
        for known in heads(reader, each.name):
            found = row(reader, each.name, known.key)
            if found is not None:
                put(writer, each.name, found)
                count += not found.deleted
    return count


def next_mtime(reader: Reader, name: str, key: str, now_ms: int) -> int:
    """The date of a change made here: now, or just after what it replaces, so that no other clock undoes it.

    Raises:
        Refused: what it replaces is dated to the end of time.
    """
    known = head(reader, name, key)
    mtime = now_ms if known is None else max(now_ms, known.mtime + 1)
    if mtime > MAX_MTIME:
        raise Refused(f"the row of table {name} is dated to the end of the year 9999: take another key")
    return mtime


def faults(reader: Reader) -> Iterator[str]:
    """What is wrong with tables and rows, a line each."""
    query = f"SELECT {_OF_TABLE} FROM synced_table ORDER BY name"  # noqa: S608 our own text
    for raw in reader.db.execute(query).fetchall():
        try:
            each = _table(*raw)
        except XferzoneError as exc:
            yield str(exc)
            continue
        for key in dict.fromkeys([*unfit(reader, each.definition), *_misnamed(reader, each.name)]):
            yield f"row {key[:16]} of table {each.name} is damaged: it is not what is recorded: {_REMEDY}"
        found = list(heads(reader, each.name))
        if each.rows != len(found) or each.of_rows != _sum(each.name, found):
            yield f"table {each.name} does not add up: `xferzone rebuild` counts its rows anew"
    orphans = "SELECT count(*) FROM synced_row WHERE name NOT IN (SELECT name FROM synced_table)"
    (count,) = reader.db.execute(orphans).fetchone()
    if count:
        yield f"{count} rows are of tables that are not there: restore a backup"


def count_anew(writer: Writer) -> None:
    """Make what tables remember of their rows again."""
    names = [name for (name,) in writer.db.execute("SELECT name FROM synced_table")]
    for name in names:
        found = list(heads(writer, name))
        total = _sum(name, found).to_bytes(32, "big")
        writer.db.execute(
            "UPDATE synced_table SET rows = ?, digest = ? WHERE name = ?", (len(found), total, name)
        )


def _fits(definition: Definition, key: bytes, content: bytes, *, deleted: bool) -> bool:
    try:
        values = definition.row(bytes(content), deleted=bool(deleted))
    except ValueError:
        return False
    return definition.key_hash(values) == bytes(key).hex()


def _misnamed(reader: Reader, name: str) -> list[str]:
    query = """SELECT CAST(key AS BLOB), CAST(hash AS BLOB), CAST(content AS BLOB) FROM synced_row
               WHERE name = ? AND hash IS NOT NULL"""
    found = reader.db.execute(query, (name,)).fetchall()
    return [key.hex() for key, raw, content in found if hashlib.sha3_256(content).digest() != raw]


def _make_room(writer: Writer, name: str, new: Row, until_ms: int) -> bool:
    """Where `new` would be too many, forget the row deleted longest ago, if that was before `until_ms`.

    False: `new` is deleted for as long itself. Raises Refused: none is.
    """
    (count,) = writer.db.execute("SELECT rows FROM synced_table WHERE name = ?", (name,)).fetchone()
    if count < MAX_ROWS:
        return True
    if new.deleted and new.mtime < until_ms:
        return False
    query = "SELECT key, mtime FROM synced_row WHERE name = ? AND hash IS NULL ORDER BY mtime, key LIMIT 1"
    oldest = writer.db.execute(query, (name,)).fetchone()
    if oldest is None or oldest[1] >= until_ms:
        raise Refused(
            f"table {name} has {MAX_ROWS} rows already, deleted ones included: `xferzone table rm {name} KEY...` "
            f"makes room {KEPT_MS // 86_400_000} days after it has removed one"
        )
    _forget(writer, name, bytes(oldest[0]).hex())
    return True


def _forget(writer: Writer, name: str, key: str) -> None:
    known = head(writer, name, key)
    assert known is not None, "a row that is there"
    writer.db.execute("DELETE FROM synced_row WHERE name = ? AND key = ?", (name, bytes.fromhex(key)))
    _add(writer, name, -1, -_of_row(name, known))


def _add(writer: Writer, name: str, count: int, number: int) -> None:
    (digest,) = writer.db.execute(
        "SELECT CAST(digest AS BLOB) FROM synced_table WHERE name = ?", (name,)
    ).fetchone()
    total = (int.from_bytes(digest, "big") + number) % _MODULUS
    values = (count, total.to_bytes(32, "big"), name)
    writer.db.execute("UPDATE synced_table SET rows = rows + ?, digest = ? WHERE name = ?", values)


def _own_part(reader: Reader, each: Table, login: str) -> Table:
    found = list(heads(reader, each.name, login=login))
    return Table(each.definition, each.mtime, len(found), _sum(each.name, found))


def _sum(name: str, found: Iterable[Head]) -> int:
    return sum(_of_row(name, each) for each in found) % _MODULUS


def _of_row(name: str, known: Head) -> int:
    return _number(f"row {name} {known.key} {known.mtime} {known.hash or _DELETED}\n")


def _number(line: str) -> int:
    return int.from_bytes(hashlib.sha3_256(line.encode()).digest(), "big")


def _table(name: str, mtime: int, definition: bytes, count: int, digest: bytes) -> Table:
    try:
        found = parsed(name, bytes(definition))
    except ValueError as exc:
        raise XferzoneError(
            f"the definition of table {name[:80]} is damaged: {exc}: restore a backup"
        ) from exc
    return Table(found, mtime, count, int.from_bytes(digest, "big"))


def _head(key: bytes, mtime: int, raw: bytes | None, owner: str) -> Head:
    return Head(bytes(key).hex(), mtime, None if raw is None else bytes(raw).hex(), owner)
