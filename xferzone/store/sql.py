"""One question about many rows or artifacts, asked in as few statements as SQLite allows."""

import sqlite3
from collections.abc import Collection
from typing import Any

_BATCH = 500  # values bound in one statement; SQLite's oldest limit is 999


def selected(db: sqlite3.Connection, query: str, values: Collection[int | bytes]) -> list[tuple[Any, ...]]:
    """The rows of `query`, in which `IN (?)` stands for all of `values`."""
    bound = list(values)
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(bound), _BATCH):
        batch = bound[start : start + _BATCH]
        marks = ",".join("?" * len(batch))
        rows += db.execute(query.replace("IN (?)", f"IN ({marks})"), batch).fetchall()
    return rows
