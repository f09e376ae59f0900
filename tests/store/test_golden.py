"""Repositories of earlier schemas are opened, migrated and sound (tests/golden)."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from xferzone.history import content
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.store import Store, accounts, schema
from xferzone.store.check import faults
from xferzone.store.remotes import Remote, remotes

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.xferzone")), ids=lambda path: str(path.stem))
def test_a_repository_of_every_schema_is_brought_up_to_date(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    shutil.copy(golden, path)
    with Store.open(path) as store, store.reader() as reader:
        assert reader.db.execute("SELECT version_num FROM alembic_version").fetchone() == (schema.HEAD,)
        assert list(faults.faults(reader)) == []
        refs = LocalRefs(reader)
        assert [(str(ref.branch), ref.serial) for ref in refs.list()] == [
            ("example.com/main", 8),
            ("example.com/test", 10),
        ]
        main = refs.get(BranchName("example.com", "main"))
        assert main is not None
        (www,) = content.records_of(reader, "example.com", main.checkin, b"www")
        assert www.rdata == bytes([192, 0, 2, 7])
        assert accounts.user(reader, "ann") is not None


def test_what_is_known_of_a_remote_and_the_moves_survive(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    shutil.copy(GOLDEN / "schema-0002.xferzone", path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO remote VALUES ('origin', 'http://192.0.2.9/', 'cafe', 7, 'token')")
        db.execute("INSERT INTO remote (name, url) VALUES ('other', 'http://192.0.2.10/')")
    with Store.open(path) as store, store.reader() as reader:
        assert remotes(reader) == [
            Remote("origin", "http://192.0.2.9/", {"cafe": 7}, "token"),
            Remote("other", "http://192.0.2.10/"),
        ]
        moves = list(LocalRefs(reader).publications(BranchName("example.com", "main")))
        assert [(move.number, move.serial) for move in moves] == [(2, 8), (1, 7)]
        assert moves[0].occasion == Occasion(1_795_237_718_579, "", Door.UNKNOWN)


def test_there_is_one_for_every_schema() -> None:
    assert (GOLDEN / f"schema-{schema.HEAD}.xferzone").is_file()


def test_a_new_repository_is_laid_out_as_migrations_leave_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "old.xferzone"
    shutil.copy(GOLDEN / "schema-0001.xferzone", path)
    laid_out = []
    for store in (Store.open(path), Store.create(tmp_path / "new.xferzone")):
        with store, store.reader() as reader:
            rows = reader.db.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
            )
            laid_out.append([(name, " ".join(sql.replace("( ", "(").split())) for name, sql in rows])
    assert laid_out[0] == laid_out[1]
