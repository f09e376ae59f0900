"""One question about many rows or artifacts, asked in as few statements as SQLite allows."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

_Bound = TypeVar("_Bound", int, bytes)

#: Of tags of one name on one artifact the one that counts comes first. Every copy of a repository finds the same, in
#: whatever order they came; Fossil 2.21 takes the first to arrive of those that have equal dates.
COUNTS_FIRST: Final = "date_ms DESC, (SELECT hash FROM blob WHERE rid = source)"

_BATCH: Final = 500  # values bound in one statement; SQLite's oldest limit is 999


def batches(query: str, values: Collection[_Bound]) -> Iterator[tuple[str, Sequence[_Bound]]]:
    """`query`, in which `IN (?)` stands for all of `values`, as statements with the values that each binds."""
    bound = list(values)
    for start in range(0, len(bound), _BATCH):
        batch = bound[start : start + _BATCH]
        yield query.replace("IN (?)", f"IN ({','.join('?' * len(batch))})"), batch


def selected(
    db: sqlite3.Connection, query: str, values: Collection[_Bound], *before: str
) -> list[tuple[Any, ...]]:
    """The rows of `query`, in which `IN (?)` stands for all of `values`, after parameters for each of `before`."""
    if len(values) == 1:  # the query as it is; many questions are about a single artifact
        return db.execute(query, (*before, *values)).fetchall()
    rows: list[tuple[Any, ...]] = []
    for statement, bound in batches(query, values):
        rows += db.execute(statement, tuple(chain(before, bound))).fetchall()
    return rows


def storable(text: str) -> str:
    """As SQLite keeps it: a login or a name may hold octets that are not UTF-8, which become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
