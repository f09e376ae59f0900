"""Repositories of earlier schemas are opened, migrated and sound (tests/golden)."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.history import content
from xferzone.history.diff import difference
from xferzone.publish.deferred import compiled
from xferzone.refs import BranchName, Door, LocalRefs, Occasion, State
from xferzone.repository import check as published
from xferzone.repository.rebuild import rebuild
from xferzone.repository.tables import put
from xferzone.store import Store, accounts, configuration, schema, shunned, tables
from xferzone.store.check import faults
from xferzone.store.remotes import Remote, remotes
from xferzone.sync.client.registry import PEERS
from xferzone.tables.definition import Rule
from xferzone.zone.changes import parse_change
from xferzone.zone.difference import Difference

GOLDEN = Path(__file__).parents[1] / "golden"
#: Those that hold rows of synced tables and of the project's configuration.
WITH_ROWS = [path for path in sorted(GOLDEN.glob("*.xferzone")) if path.stem >= "schema-0020"]
#: Table, key and time of the rows of configuration in them.
KEPT = [
    ("config", "project-name", 8),
    ("config", "logo-image", 8),
    ("config", "timeline-utc", 8),
    ("user", "carl", 4_000_000_000),
    ("reportfmt", "Late", 8),
    ("concealed", "0" * 40, 8),
]
NOW = 1_800_000_000_000  # milliseconds since 1970, later than any of them


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


@pytest.mark.parametrize("golden", WITH_ROWS, ids=lambda path: str(path.stem))
def test_rows_of_synced_tables_and_of_configuration_survive(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    shutil.copy(golden, path)
    with Store.open(path) as store:
        with store.reader() as reader:
            found = {table.name: table for table in tables.tables(reader)}
            assert found.pop(tables.REGISTRY).definition == PEERS
            assert [(each.definition.rule, each.rows) for each in found.values()] == [
                (Rule.MTIME, 2),
                (Rule.OWNER, 1),
                (Rule.SELF, 1),
            ]
            assert [
                (row.owner, values)
                for each in found.values()
                for row, values in tables.rows(reader, each.definition)
            ] == [
                ("ops", {"login": "a", "more": [2**70, 0.5, None]}),
                ("ops", {"login": "b", "more": True}),
                ("ops", {"login": "ops", "more": {"it": "stays"}}),
            ]
            heads = list(tables.heads(reader, "of-mtime-wins"))
            assert sorted(head.hash is None for head in heads) == [False, True]
            assert [(row.table, row.key, row.mtime) for row in configuration.everything(reader)] == KEPT
            (image,) = (row for row in configuration.rows(reader, "config") if row.key == "logo-image")
            assert image.fields == {"value": b"X'89504E470AFF'"}
            assert list(configuration.damaged(reader)) == []
            assert [(each.id, each.comment) for each in shunned.listed(reader)] == [("7" * 64, "a leak")]
            carl = accounts.user(reader, "carl")
            assert carl is not None
            assert (carl.caps, accounts.changed_at(reader, "carl")) == ("goi", 4_000_000_000)
        with store.writer() as writer:
            before = tables.catalogue_hash(tables.tables(writer))
            assert put(writer, "of-owner-write", {"login": "b", "more": None}, "ops", NOW)
            assert tables.catalogue_hash(tables.tables(writer)) != before
            assert list(faults.faults(writer)) == []


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


@pytest.mark.parametrize(
    "golden", sorted(GOLDEN.glob("schema-000[123].xferzone")), ids=lambda path: str(path.stem)
)
def test_zones_of_earlier_versions_get_their_default_ttl_with_the_next_commit(
    golden: Path, tmp_path: Path
) -> None:
    path = tmp_path / "zones.xferzone"
    shutil.copy(golden, path)
    zone = BranchName("example.com", "main")
    with Store.open(path) as store:
        with store.writer() as writer:
            refs = LocalRefs(writer)
            before = refs.get(zone)
            assert before is not None
            assert before.state is State.DEFERRED
            rebuild(writer, refs, Occasion(NOW, "ops", Door.START))
            # Its records are served as they stand, and its text is left alone.
            served = compiled(writer, refs, before)
            assert (served.checkin, served.serial) == (before.checkin, 8)
            change = parse_change("set", ["new.example.com", "A", "192.0.2.9"])
            done = Edit(writer, refs, zone, Author("ops", NOW)).change([change], "set")
        with store.reader() as reader:
            assert done.checkin is not None
            (form,) = reader.checkin(done.checkin).parents
            assert reader.checkin(form).parents == (before.checkin,)
            assert difference(reader, "example.com", before.checkin, form) == Difference()
            texts = [
                reader.content(reader.files(checkin)["example.com.zone"])
                for checkin in (before.checkin, form, done.checkin)
            ]
            assert texts[1] == b"$TTL 3600\n" + texts[0]
            assert texts[2].replace(b"new 3600 A 192.0.2.9\n", b"") == texts[1] != texts[2]
            assert done.serial == 10
            other = LocalRefs(reader).get(BranchName("example.com", "test"))
            assert other is not None
            assert not content.canonical(reader, "example.com", other.checkin).startswith(b"@")
            assert list(published.faults(reader, LocalRefs(reader))) == []
