"""Dates of artifacts against SQLite's own julianday(), which is what stock asks."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.artifacts.dates import format_date, parse_date

# All dates and times in UTC, computed by `date -u +%s`.
TABLE = [
    (b"1970-01-01T00:00:00.000", 0),
    (b"1970-01-01", 0),
    (b"2024-05-06T07:08:09", 1714979289000),
    (b"2024-05-06T07:08:09.123", 1714979289123),
    (b"2024-05-06T07:08:09.1", 1714979289100),
    (b"2024-05-06T07:08:09.1234", 1714979289123),
    (b"2024-05-06T07:08:09.99951", 1714979290000),
    (b"2024-05-06T07:08", 1714979280000),
    (b"2024-05-06T07:08:09Z", 1714979289000),
    (b"2024-05-06T07:08:09z", 1714979289000),
    (b"2024-05-06T07:08:09+02:00", 1714972089000),
    (b"2024-05-06T07:08:09-02:30", 1714988289000),
    (b"2024-05-06TT\t07:08:09\t+02:00\t", 1714972089000),
    (b"2024-05-06T", 1714953600000),
    (b"2024-05-0607:08", 1714979280000),
    (b"2024-02-31", 1709337600000),
    (b"2024-12-31T24:59", 1735693140000),
    (b"2440587.5", 0),
    (b"2460000.5", 1677283200000),
    (b"+2.4605e6", 1720483200000 - 43200000),
    (b"12:00", 946728000000),
    (b"now", 0),
    (b"NOW", 0),
    (b"9999-12-31T23:59:59.999", 253402300799999),
]

NO_DATES = [
    b"",
    b"yesterday",
    b"2024-05-06\\s07:08:09",
    b"2024-05-06 07:08:09",
    b"2024-5-6",
    b"2024-13-01",
    b"2024-00-01",
    b"2024-01-00",
    b"2024-01-32",
    b"2024-01-01T25:00",
    b"2024-01-01T00:60",
    b"2024-01-01T00:00:60",
    b"2024-01-01T00:00:00.",
    b"2024-01-01T00",
    b"2024-01-01T00:00+15:00",
    b"2024-01-01T00:00+00:60",
    b"2024-01-01T00:00+0:00",
    b"2024-01-01Z",
    b"24-01-01",
    b"12024-01-01",
    b"+2024-01-01",
    b"now\t",
    b"0",
    b"-1",
    b"0.000000001",
    b"5373484.5",
    b"1e",
    b".",
    b"1e400",
    b"nan",
    b"inf",
    b"1_0",
    b"0x10",
    b"2440587.5" + b"0" * 60,
    b"9999-12-31T24:00",
    b"-4713-11-24",
    b"\xb2024-01-01",
]


@pytest.mark.parametrize(("token", "date_ms"), TABLE)
def test_dates(token: bytes, date_ms: int) -> None:
    assert parse_date(token) == date_ms


@pytest.mark.parametrize("token", NO_DATES)
def test_no_dates(token: bytes) -> None:
    with pytest.raises(ValueError, match=r"date|time|range"):
        parse_date(token)


@pytest.mark.parametrize(
    ("date_ms", "card"),
    [
        (0, b"1970-01-01T00:00:00.000"),
        (1714979289123, b"2024-05-06T07:08:09.123"),
        (-1, b"1969-12-31T23:59:59.999"),
        (253402300799999, b"9999-12-31T23:59:59.999"),
        (-62135596800000, b"0001-01-01T00:00:00.000"),
    ],
)
def test_writing(date_ms: int, card: bytes) -> None:
    assert format_date(date_ms) == card
    assert parse_date(card) == date_ms


@pytest.mark.parametrize("date_ms", [253402300800000, -62135596800001, 10**30])
def test_dates_without_four_digits_are_not_written(date_ms: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        format_date(date_ms)


SEEDS = [token.decode() for token, _ in TABLE] + [
    "-0044-03-15T12:00",
    "-4712-01-02",
    ".5",
    "5.",
    "1e5",
    "0000-02-29",
]


@given(
    st.sampled_from(SEEDS), st.integers(0, 30), st.integers(0, 2), st.text("0123456789-:+TZ.e\tn", max_size=2)
)
def test_sqlite_agrees(seed: str, place: int, gone: int, come: str) -> None:
    token = seed[:place] + come + seed[place + gone :]
    with sqlite3.connect(":memory:") as database:
        (days,) = database.execute("select julianday(?)", (token,)).fetchone()
    database.close()
    try:
        date_ms = parse_date(token.encode())
    except ValueError:
        assert days is None or days <= 0
    else:
        assert days > 0
        # SQLite before 3.45 cuts milliseconds off, and a day count in a double has a grain of 0.05 ms.
        assert token.lower() == "now" or abs((days - 2440587.5) * 86_400_000 - date_ms) < 1.1
