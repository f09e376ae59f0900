"""Definitions: what a table may be, what a row of it may be, and who may write that."""

import hashlib
from collections.abc import Mapping

import pytest

from xferzone.tables.canonical import Value
from xferzone.tables.definition import MAX_COLUMNS, MAX_ROW, Definition, made, parsed
from xferzone.tables.rights import bar

COLUMNS = (("host", "text"), ("port", "integer"), ("load", "real"), ("key", "blob"), ("more", "json"))
HOSTS = made("hosts", COLUMNS, ("host", "port"), "mtime-wins")
FULL: dict[str, Value] = {"host": "a b", "port": 2**70, "load": 0.5, "key": "AAE=", "more": {"x": [1, None]}}


def test_a_definition_is_this_text_and_back() -> None:
    text = (
        b'{"columns":[["host","text"],["port","integer"],["load","real"],["key","blob"],["more","json"]],'
        b'"key":["host","port"],"rule":"mtime-wins"}'
    )
    assert HOSTS.encode() == text
    assert parsed("hosts", text) == HOSTS
    assert HOSTS.hash == hashlib.sha3_256(text).hexdigest()


@pytest.mark.parametrize(
    ("name", "columns", "key", "rule", "said"),
    [
        ("a b", COLUMNS, ("host",), "mtime-wins", "cannot be the name"),
        ("", COLUMNS, ("host",), "mtime-wins", "cannot be the name"),
        ("t'); DROP TABLE blob;--", COLUMNS, ("host",), "mtime-wins", "cannot be the name"),
        ("a" * 65, COLUMNS, ("host",), "mtime-wins", "cannot be the name"),
        ("té", COLUMNS, ("host",), "mtime-wins", "cannot be the name"),
        ("t\n", COLUMNS, ("host",), "mtime-wins", "cannot be the name"),
        ("t", (('x" TEXT', "text"),), ('x" TEXT',), "mtime-wins", "cannot be the name"),
        ("t", (("a", "varchar"),), ("a",), "mtime-wins", "is not a type"),
        ("t", (("a", "text"), ("a", "blob")), ("a",), "mtime-wins", "named twice"),
        ("t", (("a", "text"),), (), "mtime-wins", "a key is one or more"),
        ("t", (("a", "text"),), ("b",), "mtime-wins", "a key is one or more"),
        ("t", (("a", "text"),), ("a", "a"), "mtime-wins", "a key is one or more"),
        ("t", (("a", "real"),), ("a",), "mtime-wins", "a key column is"),
        ("t", (("a", "json"),), ("a",), "mtime-wins", "a key column is"),
        ("t", (("a", "text"),), ("a",), "last-wins", "is not a rule"),
        ("t", (("a", "integer"),), ("a",), "self-write", "must be text"),
        ("t", (), ("a",), "mtime-wins", "0 columns"),
        ("t", tuple((f"c{n}", "text") for n in range(MAX_COLUMNS + 1)), ("c1",), "mtime-wins", "65 columns"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_what_no_table_can_be(
    name: str, columns: tuple[tuple[str, str], ...], key: tuple[str, ...], rule: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        made(name, columns, key, rule)


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b'{"columns":[["a","text"]],"key":["a"]}',
        b'{"columns":[["a","text"]],"key":["a"],"rule":"mtime-wins","x":1}',
        b'{"columns":[["a","text",1]],"key":["a"],"rule":"mtime-wins"}',
        b'{"columns":[["a",1]],"key":["a"],"rule":"mtime-wins"}',
        b'{"columns":[["a","text"]],"key":[1],"rule":"mtime-wins"}',
        b'{"key":["a"],"columns":[["a","text"]],"rule":"mtime-wins"}',
        b'{"columns":[["a","text"]],"key":["a"],"rule":"mtime-wins"} ',
        b" " * 20_000,
    ],
    ids=lambda text: text[:60].decode(),
)
def test_no_other_text_is_a_definition(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed("t", text)


def test_a_row_is_this_text_and_back() -> None:
    content = HOSTS.content(FULL)
    assert content == (
        b'{"host":"a b","key":"AAE=","load":0.5,"more":{"x":[1,null]},"port":1180591620717411303424}'
    )
    assert HOSTS.row(content) == FULL
    assert HOSTS.key_content(FULL) == b'{"host":"a b","port":1180591620717411303424}'
    assert HOSTS.key_hash(FULL) == hashlib.sha3_256(b'["a b",1180591620717411303424]').hexdigest()
    assert HOSTS.row(HOSTS.key_content(FULL), deleted=True) == {"host": "a b", "port": 2**70}
    assert HOSTS.content(FULL | {"load": None}) == content.replace(b'"load":0.5,', b"")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"host": "a"}, "needs a value for port"),
        ({"host": "a", "port": None}, "needs a value for port"),
        ({"host": "a", "port": 1, "x": 1}, "'x' is not a column"),
        ({"host": 1, "port": 1}, "host of hosts is of type text"),
        ({"host": "a", "port": 1.0}, "port of hosts is of type integer"),
        ({"host": "a", "port": True}, "port of hosts is of type integer"),
        ({"host": "a", "port": 1, "load": 1}, "load of hosts is of type real"),
        ({"host": "a", "port": 1, "key": "AAF="}, "key of hosts is of type blob"),
        ({"host": "a", "port": 1, "key": "AAE"}, "key of hosts is of type blob"),
        ({"host": "a", "port": 1, "key": "é"}, "key of hosts is of type blob"),
        ({"host": "a" * MAX_ROW, "port": 1}, "at most 65536"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_no_row_can_be(values: Mapping[str, Value], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HOSTS.content(values)


@pytest.mark.parametrize(
    "text",
    [
        b'{"host":"a"}',
        b'{"host":"a","port":1.0}',
        b'{"host":"a","load":null,"port":1}',
        b'{"port":1,"host":"a"}',
        b'{"host":"a","port":1}\n',
        b"[]",
        b"\xff",
    ],
)
def test_no_other_text_is_a_row(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        HOSTS.row(text)


def test_of_a_deleted_row_the_key_alone_is_left() -> None:
    with pytest.raises(ValueError, match="the key is left"):
        HOSTS.row(b'{"host":"a","load":0.5,"port":1}', deleted=True)


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("host", "", ""),
        ("port", "-12345678901234567890123", -12345678901234567890123),
        ("load", "1", 1.0),
        ("load", "-2.5e3", -2500.0),
        ("key", "AAE=", "AAE="),
        ("more", ' [1, "x"]', [1, "x"]),
    ],
)
def test_values_are_read_as_people_write_them(column: str, text: str, value: Value) -> None:
    found = HOSTS.value(column, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("nosuch", "1", "is not a column: there are host, port"),
        ("port", "1.5", "is not an integer"),
        ("port", "1_0", "is not an integer"),
        ("port", "", "is not an integer"),
        ("load", "nan", "is not a number"),
        ("load", "1e999", "is beyond what a double holds"),
        ("key", "AAE", "is not base64"),
        ("more", "null", "null is no value"),
        ("more", "{", "."),
    ],
)
def test_what_is_not_a_value_is_refused_by_name(column: str, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HOSTS.value(column, text)


SELF: Definition = made("t", (("who", "text"), ("v", "text")), ("who",), "self-write")
OWNER: Definition = made("t", (("k", "text"),), ("k",), "owner-write")


@pytest.mark.parametrize(
    ("definition", "values", "owner", "login", "may"),
    [
        (HOSTS, FULL, "bob", "ann", True),
        (HOSTS, FULL, None, "nobody", True),
        (SELF, {"who": "ann"}, None, "ann", True),
        (SELF, {"who": "ann"}, "bob", "ann", True),
        (SELF, {"who": "bob"}, "ann", "ann", False),
        (SELF, {"who": "nobody"}, None, "nobody", False),
        (OWNER, {"k": "x"}, None, "ann", True),
        (OWNER, {"k": "x"}, "ann", "ann", True),
        (OWNER, {"k": "x"}, "bob", "ann", False),
        (OWNER, {"k": "x"}, "", "ann", False),
        (OWNER, {"k": "x"}, None, "anonymous", False),
    ],
)
def test_who_may_write_a_row(
    definition: Definition, values: Mapping[str, Value], owner: str | None, login: str, may: bool
) -> None:
    assert (bar(definition, values, owner, login) == "") is may
