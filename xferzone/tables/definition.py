"""What a synced table is: its columns, its key, and who may write which row.

    {"columns":[["host","text"],["port","integer"]],"key":["host"],"rule":"mtime-wins"}     canonical JSON

    type      value in a row                         rule          who may write a row
    text      string                                 mtime-wins    whoever may write
    integer   integer, exact, of any size            self-write    the login that the first key column names
    real      real                                   owner-write   the login that wrote it first
    blob      string: base64, with padding
    json      any value but null

    row       an object of the columns that have a value; each key column has one: {"host":"a","port":53}
    deleted   an object of the key columns alone
    key hash  SHA3-256 of the canonical array of the key's values, in the order of the key: ["a"]

Names are letters, digits, _ and -, and begin with a letter. A name is never part of a statement of the database.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xferzone.tables.canonical import Value, encode, integer, parse, read, real

MAX_COLUMNS: Final = 64
MAX_NAME: Final = 64  # letters, of a table or a column
MAX_ROW: Final = 65_536  # bytes of a row's canonical text
MAX_DEFINITION: Final = 16_384  # bytes; MAX_COLUMNS with the longest names come to less

_NAME: Final = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{MAX_NAME - 1}}}")
_SHOWN: Final = 60  # letters of what is wrong, in a message


class Type(StrEnum):
    """Of a column."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BLOB = "blob"
    JSON = "json"


class Rule(StrEnum):
    """Who may write which row."""

    MTIME = "mtime-wins"
    SELF = "self-write"
    OWNER = "owner-write"


_KEYS: Final = frozenset({Type.TEXT, Type.INTEGER, Type.BLOB})  # types that a key column may have


@dataclass(frozen=True, slots=True)
class Definition:
    """What a table is. Make one with `made` or `parsed`, which check it.

    Fields:
        columns: in the order in which people are shown them.
        key: names of those that tell rows apart, in order.
    """

    name: str
    columns: tuple[tuple[str, Type], ...]
    key: tuple[str, ...]
    rule: Rule

    def encode(self) -> bytes:
        columns = [[name, str(type_)] for name, type_ in self.columns]
        return encode({"columns": columns, "key": list(self.key), "rule": str(self.rule)})

    @property
    def hash(self) -> str:
        return hashlib.sha3_256(self.encode()).hexdigest()

    def row(self, content: bytes, *, deleted: bool = False) -> dict[str, Value]:
        """The values of a row's canonical text. Raises ValueError: it is not one of this table."""
        if len(content) > MAX_ROW:
            raise ValueError(f"a row of {len(content)} bytes; at most {MAX_ROW} are allowed")
        values = parse(content)
        if not isinstance(values, dict):
            raise ValueError("a row is an object")
        self._check(values)
        if deleted and set(values) != set(self.key):
            raise ValueError("of a deleted row the key is left, and nothing else")
        return values

    def content(self, values: Mapping[str, Value]) -> bytes:
        """The canonical text of a row; a value None is left out. Raises ValueError: the table has no such row."""
        given = {name: value for name, value in values.items() if value is not None}
        self._check(given)
        content = encode(given)
        if len(content) > MAX_ROW:
            raise ValueError(f"a row of {len(content)} bytes; at most {MAX_ROW} are allowed")
        return content

    def key_hash(self, values: Mapping[str, Value]) -> str:
        """The name of the row with these values: 64 hex digits."""
        return hashlib.sha3_256(encode([values[name] for name in self.key])).hexdigest()

    def key_content(self, values: Mapping[str, Value]) -> bytes:
        """The canonical text of what is left of the row when it is deleted."""
        return self.content({name: values.get(name) for name in self.key})

    def value(self, column: str, text: str) -> Value:
        """The value of a column that people write so. Raises ValueError."""
        type_ = dict(self.columns).get(column)
        if type_ is None:
            raise ValueError(f"{_shown(column)} is not a column: there are {', '.join(dict(self.columns))}")
        return _READ[type_](text)

    def _check(self, values: Mapping[str, Value]) -> None:
        types = dict(self.columns)
        for name, value in values.items():
            if name not in types:
                raise ValueError(f"{_shown(name)} is not a column of {self.name}")
            if not _HOLDS[types[name]](value):
                raise ValueError(f"{name} of {self.name} is of type {types[name]}: {_shown(value)} is not")
        for name in self.key:
            if name not in values:
                raise ValueError(f"a row of {self.name} needs a value for {name}, which is part of its key")


def made(name: str, columns: tuple[tuple[str, str], ...], key: tuple[str, ...], rule: str) -> Definition:
    """A definition, checked. Raises ValueError."""
    check_name(name)
    for column, type_ in columns:
        check_name(column)
        if type_ not in set(Type):
            raise ValueError(f"{_shown(type_)} is not a type: give one of {', '.join(Type)}")
    types = {column: Type(type_) for column, type_ in columns}
    if not 1 <= len(columns) <= MAX_COLUMNS:
        raise ValueError(f"{len(columns)} columns; there are 1 to {MAX_COLUMNS}")
    if len(types) != len(columns):
        raise ValueError("a column is named twice")
    if not key or len(set(key)) != len(key) or not set(key) <= set(types):
        raise ValueError("a key is one or more of the columns, each named once")
    if wrong := [column for column in key if types[column] not in _KEYS]:
        raise ValueError(f"{wrong[0]} is of type {types[wrong[0]]}: a key column is text, integer or blob")
    if rule not in set(Rule):
        raise ValueError(f"{_shown(rule)} is not a rule: give one of {', '.join(Rule)}")
    if rule == Rule.SELF and types[key[0]] is not Type.TEXT:
        raise ValueError(f"with self-write {key[0]}, the first key column, holds a login: it must be text")
    return Definition(name, tuple(types.items()), key, Rule(rule))


def parsed(name: str, octets: bytes) -> Definition:
    """The definition that is written so. Raises ValueError."""
    if len(octets) > MAX_DEFINITION:
        raise ValueError(f"a definition of {len(octets)} bytes; at most {MAX_DEFINITION} are allowed")
    match parse(octets):
        case {"columns": list(columns), "key": list(key), "rule": str(rule), **others} if not others:
            pairs = tuple(_pair(each) for each in columns)
            return made(name, pairs, tuple(_text(each) for each in key), rule)
    raise ValueError("a definition is an object of columns, key and rule")


def check_name(name: str) -> None:
    """Raise ValueError where neither a table nor a column may be named so."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{_shown(name)} cannot be the name of a table or a column: up to {MAX_NAME} ASCII letters, digits, _ and "
            "-, a letter first"
        )


def _pair(value: Value) -> tuple[str, str]:
    match value:
        case [str(name), str(type_)]:
            return name, type_
    raise ValueError("a column is a name and a type")


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError("a key names columns")
    return value


def _is_base64(value: Value) -> bool:
    if not isinstance(value, str) or not value.isascii():
        return False
    try:
        return base64.b64encode(base64.b64decode(value, validate=True)).decode("ascii") == value
    except ValueError:
        return False


def _base64(text: str) -> str:
    if not _is_base64(text):
        raise ValueError(f"{_shown(text)} is not base64 with its padding")
    return text


def _any(text: str) -> Value:
    value = read(text)
    if value is None:
        raise ValueError("null is no value: leave the column out")
    return value


#: Whether a column of a type may hold a value.
_HOLDS: Final[Mapping[Type, Callable[[Value], bool]]] = {
    Type.TEXT: lambda value: isinstance(value, str),
    Type.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    Type.REAL: lambda value: isinstance(value, float),
    Type.BLOB: _is_base64,
    Type.JSON: lambda value: value is not None,
}
#: What people write for a value of a type. Raises ValueError.
_READ: Final[Mapping[Type, Callable[[str], Value]]] = {
    Type.TEXT: str,
    Type.INTEGER: integer,
    Type.REAL: real,
    Type.BLOB: _base64,
    Type.JSON: _any,
}


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN]
