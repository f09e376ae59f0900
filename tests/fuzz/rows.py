"""Rows of configuration: a card's table, a line feed, its payload.

parse(card)          a row or None
parse(row.card())    the same row
each literal         one that SQLite reads as a constant, and quotes the same
a row on another     has the columns of both, and is a row
"""

import random
import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Final

from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds
from xferzone.cards import Config
from xferzone.cards.rows import COLUMNS, NULL, Row, parse, text, value

_SEEDS: Final = (
    b"/config\n5 'project-name' value 'demo'",
    b"/config\n5 'logo-image' value x'0aff'",
    b"/config\n5 'css' value 'it''s\nmore' later 7",
    b"/user\n7 'ann' pw 'x' cap 'gio' info '' photo X'' jx '{}'",
    b"/shun\n7 'ab' scom NULL",
    b"/reportfmt\n2440587.5 'All' owner 'o' cols 'c' sqlcode 'SELECT ''x''' jx NULL",
    b"/concealed\n7 'h' content 'a@b'",
    b"/subscriber\n7 'a@b' suname NULL sdigest 'D' sdonotcall 0 ssub 'ac' sctime 008 smip 'i'",
)
_TOKENS: Final = (
    b"'",
    b"''",
    b" ",
    b"NULL",
    b"x'0f'",
    b"X'",
    b"-1",
    b"1e5",
    b"random()",
    b"\0",
    b"\xff",
    b"value",
    b"--",
)


@cache
def _judge() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


def _retold(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """A token more somewhere, or in another's place."""
    at = chance.randrange(len(octets) + 1)
    return octets[:at] + chance.choice(_TOKENS) + octets[at + chance.choice((0, 0, 1, 3)) :]


def _check(octets: bytes) -> Shape:
    table, _, payload = octets.partition(b"\n")
    row = parse(Config(table.decode("utf-8", "replace"), payload))
    if row is None:
        return None
    again = parse(row.card())
    holds(again is not None and again.card() == row.card(), "a row is read otherwise than it was written")
    whole = row.after(Row(row.table, row.key, 0, dict.fromkeys(COLUMNS[row.table], b"'old'")))
    holds(parse(whole.card()) is not None, "a whole row is not a row")
    for literal in row.fields.values():
        _look_at(literal)
    return row.table, frozenset(row.fields), frozenset(literal[:1] for literal in row.fields.values())


def _look_at(literal: bytes) -> None:
    if literal.startswith(b"'") and text(literal) is None:
        return  # octets that are not UTF-8; the driver takes none
    try:
        (quoted,) = _judge().execute(f"SELECT quote({literal.decode()})").fetchone()
    except sqlite3.Error as exc:
        holds(False, f"SQLite does not read {literal[:40]!r}: {exc}")
    holds(quoted.encode() == literal, f"SQLite quotes {literal[:40]!r} otherwise")
    holds((value(literal) is None) == (literal == NULL), "a value is lost")


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_retold] * 4)

ROWS: Final = Kind(
    name="rows",
    code=("cards/rows.py",),
    seeds=lambda: _SEEDS,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 4_000_000 + 100 * size,
    largest=4_000,
)
