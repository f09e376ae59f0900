"""Rows of configuration: as Fossil writes them, as it reads them, and whatever else a peer may write there."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.cards import Config
from xferzone.cards.rows import (
    COLUMNS,
    MAX_KEY,
    MAX_MTIME,
    MAX_ROW,
    NULL,
    Row,
    parse,
    parse_fields,
    quoted,
    text,
)

#: A card's table and payload, and the payload of the card that the row goes on in.
WRITTEN = [
    ("/config", b"5 'project-name' value 'demo'", b"5 'project-name' value 'demo'"),
    ("/config", b"5 'index-page' value 7", b"5 'index-page' value '7'"),
    ("/config", b"05 'logo-image' value x'0aff'", b"5 'logo-image' value X'0AFF'"),
    ("/config", b"5 'css' value 'it''s'", b"5 'css' value 'it''s'"),
    ("/config", b"5 'css' value NULL", b"5 'css' value NULL"),
    ("/config", b"5 'css' value 'a\nb  c' later 'x'", b"5 'css' value 'a\nb  c'"),
    ("/config", b"5 'css'", b"5 'css' value NULL"),
    ("/config", b"5 'css' value '\xff'", b"5 'css' value '\xff'"),
    ("/shun", b"7 'ab' scom NULL", b"7 'ab' scom NULL"),
    ("/user", b"7 'ann' pw 'x' cap 'gio' info ''", b"7 'ann' pw 'x' cap 'gio' info '' jx '{}'"),
    ("/user", b"7 'ann' photo x'' pw NULL", b"7 'ann' photo X'' jx '{}'"),
    ("/reportfmt", b"7 'All' cols 'c' owner 'o'", b"7 'All' owner 'o' cols 'c' jx '{}'"),
    ("/concealed", b"7 'h' content 'a@b'", b"7 'h' content 'a@b'"),
    ("/subscriber", b"7 'a@b' smip 'i' sdonotcall 0 sctime 8 suname NULL sdigest 'D' ssub 'ac'",
     b"7 'a@b' suname NULL sdigest 'D' sdonotcall 0 ssub 'ac' sctime 8 smip 'i'"),
]  # fmt: skip

NO_ROWS = [
    ("config", b"5 'css' value 'x'"),
    ("/nosuch", b"5 'css' value 'x'"),
    ("/config", b""),
    ("/config", b"5"),
    ("/config", b"-5 'css' value 'x'"),
    ("/config", b"2440587.5 'css' value 'x'"),
    ("/config", b"%d 'css' value 'x'" % (MAX_MTIME + 1)),
    ("/config", b"5 css value 'x'"),
    ("/config", b"5 '' value 'x'"),
    ("/config", b"5 'a\0b' value 'x'"),
    ("/config", b"5 '\xff' value 'x'"),
    ("/config", b"5 '%s' value 'x'" % (b"k" * (MAX_KEY + 1))),
    ("/config", b"5 'css' value"),
    ("/config", b"5 'css' value "),
    ("/config", b"5 'css' value 'x"),
    ("/config", b"5 'css' value 'x''"),
    ("/config", b"5 'css' value 'x'y"),
    ("/config", b"5 'css' value -1"),
    ("/config", b"5 'css' value 1.5"),
    ("/config", b"5 'css' value null"),
    ("/config", b"5 'css' value x'0'"),
    ("/config", b"5 'css' value x'0g'"),
    ("/config", b"5 'css' value random()"),
    ("/config", b"5 'css' value (SELECT 1)"),
    ("/config", b"5 'css' value 'x');DROP TABLE user;--"),
    ("/config", b"5 'css' value 'x' value 'y'"),
    ("/config", b"5 'css'  value 'x'"),
    ("/config", b"5 'css' a\"b 'x'"),
    ("/config", b"5 'css'" + b"".join(b" c%d 1" % each for each in range(13))),
    ("/config", b"5 'css' value '%s'" % (b"x" * MAX_ROW)),
]


@pytest.mark.parametrize(("table", "payload", "again"), WRITTEN, ids=lambda value: str(value)[:40])
def test_a_row_goes_on_as_sqlite_quotes_it(table: str, payload: bytes, again: bytes) -> None:
    row = parse(Config(table, payload))
    assert row is not None
    assert row.after(None).card() == Config(table, again)


@pytest.mark.parametrize(("table", "payload"), NO_ROWS, ids=lambda value: str(value)[:40])
def test_what_is_not_a_row_of_literals_is_none(table: str, payload: bytes) -> None:
    assert parse(Config(table, payload)) is None


def test_columns_that_a_newer_row_does_not_name_stay() -> None:
    old = Row("reportfmt", "All", 5, {"owner": b"'o'", "cols": b"'c'", "jx": b"'{}'"})
    new = Row("reportfmt", "All", 6, {"cols": b"'d'", "owner": NULL}).after(old)
    assert new.card().payload == b"6 'All' cols 'd' jx '{}'"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_text_is_quoted_as_sqlite_does(value: str) -> None:
    (by_sqlite,) = sqlite3.connect(":memory:").execute("SELECT quote(?)", (value,)).fetchone()
    assert quoted(value) == by_sqlite.encode()
    assert text(quoted(value)) == value


literals = (
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40).map(quoted)
    | st.binary(max_size=40).map(lambda octets: b"X'%s'" % octets.hex().upper().encode())
    | st.just(NULL)
)


@given(st.sampled_from(sorted(COLUMNS)), st.data(), st.integers(0, MAX_MTIME))
def test_every_row_comes_back_from_its_card(table: str, drawn: st.DataObject, mtime: int) -> None:
    keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
    fields = {column: drawn.draw(literals) for column in COLUMNS[table]}
    row = Row(table, drawn.draw(keys), mtime, fields)
    found = parse(row.card())
    assert found is not None
    assert (found.key, found.mtime) == (row.key, mtime)
    assert found.written() == row.written()
    assert parse_fields(table, row.written()) == found.fields


@given(st.sampled_from(["/config", "/user", "/shun"]), st.binary(max_size=200))
def test_any_payload_is_a_row_or_none(table: str, payload: bytes) -> None:
    row = parse(Config(table, b"5 'k' " + payload))
    assert row is None or parse(row.card()) is not None
