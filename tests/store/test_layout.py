"""Whether `check` takes the schema for the one that this release makes, however SQLite has written it down."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.sync.rounds import PROJECT
from xferzone.store import Store
from xferzone.store.check import layout


def rewritten(path: Path, change: Callable[[str], str]) -> list[str]:
    """What is said of the schema once every statement in it was written otherwise."""
    Store.create(path, PROJECT).close()
    with closing(sqlite3.connect(path)) as db, db:
        statements = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        db.execute("PRAGMA writable_schema=ON")
        db.executemany(
            "UPDATE sqlite_master SET sql = ? WHERE name = ?",
            [(change(sql), name) for name, sql in statements],
        )
    with Store.open(path) as store, store.reader() as reader:
        return list(layout.objects(reader))


@pytest.mark.parametrize(
    "change",
    [
        lambda sql: sql.replace("TABLE ref (", 'TABLE "ref" ('),
        lambda sql: sql.replace(", ", ",  ").replace("\n", " \n"),
        lambda sql: sql.replace("zones INTEGER", '"zones" INTEGER'),
    ],
)
def test_how_a_statement_is_written_does_not_matter(tmp_path: Path, change: Callable[[str], str]) -> None:
    assert rewritten(tmp_path / "z", change) == []


@pytest.mark.parametrize(
    ("was", "is_now", "named"),
    [
        ("place INTEGER NOT NULL DEFAULT 0", "place INTEGER NOT NULL DEFAULT 1", "table checkin"),
        ("stack INTEGER NOT NULL DEFAULT 0", "stack TEXT NOT NULL DEFAULT 0", "table blob"),
        (
            "ON checkin (branch) WHERE place = 0",
            "ON checkin (branch) WHERE place = 1",
            "index checkin_unplaced",
        ),
        ("PRIMARY KEY AUTOINCREMENT,\n    hash", "PRIMARY KEY,\n    hash", "table blob"),
    ],
)
def test_what_it_makes_does(tmp_path: Path, was: str, is_now: str, named: str) -> None:
    (told,) = rewritten(tmp_path / "z", lambda sql: sql.replace(was, is_now))
    assert told.startswith(f"database: {named} is not as this release makes it")
