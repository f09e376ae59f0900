"""A sync with a server that serves the repository itself, and copies that are served in its place."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import serving

pytestmark = pytest.mark.interop

TABLES = ("ref", "publication", "remote", "unsent", "blob", "user")


def rows(path: Path) -> dict[str, list[object]]:
    with closing(sqlite3.connect(path)) as db:
        # A table's name cannot be a parameter; these are our own.
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}  # noqa: S608 the tables are named above


def at(url: str) -> str:
    return url.replace("://", "://ann@")


@pytest.fixture
def ann(zone: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command line beside a primary, zones.xferzone, where ann may do everything."""
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw-ann")
    assert zone("user", "add", "ann", "--admin", "--password-stdin", stdin="pw-ann\n").code == 0
    return zone


@pytest.fixture
def clone(ann: Run, tmp_path: Path) -> Path:
    """A clone of it where ann may do everything as well; two artifacts have not been pushed."""
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        assert ann("clone", at(server.url()), "c.xferzone").code == 0
    added = ann("-R", "c.xferzone", "user", "add", "ann", "--admin", "--password-stdin", stdin="pw-ann\n")
    assert added.code == 0
    assert ann("-R", "c.xferzone", "set", "www.example.com", "A", "192.0.2.9").code == 0
    return tmp_path / "c.xferzone"


@pytest.mark.parametrize("verb", ["sync", "pull", "push"])
@pytest.mark.parametrize("file", ["zones.xferzone", "c.xferzone"])
def test_a_sync_with_itself_changes_nothing(ann: Run, clone: Path, file: str, verb: str) -> None:
    before = rows(clone.parent / file)
    with serving(clone.parent / file, "serve") as server:
        done = ann("-R", file, verb, at(server.url()))
        if file == clone.name:
            assert done.code == 0, done.err
            assert "received 0 artifacts, sent 0; 1 round" in done.out
        else:
            assert (done.code, "or one met itself" in done.err) == (7, True), done.err
    assert rows(clone.parent / file) == before


@pytest.mark.parametrize("verb", ["sync", "pull", "push"])
def test_a_clone_that_is_its_own_origin_is_told_and_keeps_what_is_to_be_pushed(
    ann: Run, clone: Path, verb: str
) -> None:
    assert ann("-R", clone.name, "remote", "remove", "origin").code == 0
    with serving(clone, "serve") as server:
        assert ann("-R", clone.name, "remote", "add", "origin", at(server.url())).code == 0
        before = rows(clone)
        done = ann("-R", clone.name, verb)
        assert done.code == 1
        assert "the server is this repository itself" in done.err
        assert "`xferzone remote remove origin`" in done.err
        assert rows(clone) == before
    assert ann("-R", clone.name, "remote", "remove", "origin").code == 0
    with serving(clone.parent / "zones.xferzone", "serve") as server:
        assert ann("-R", clone.name, "remote", "add", "origin", at(server.url())).code == 0
        assert ", sent 2;" in ann("-R", clone.name, verb if verb == "push" else "sync").out
    assert "192.0.2.9" in ann("show", "www.example.com").out


def test_a_copy_that_was_promoted_is_followed(ann: Run, clone: Path) -> None:
    primary = clone.with_name("primary.xferzone")
    shutil.copy(clone, primary)
    assert ann("-R", primary.name, "promote").code == 0
    assert ann("-R", primary.name, "set", "www.example.com", "A", "192.0.2.8").code == 0
    assert ann("-R", clone.name, "remote", "remove", "origin").code == 0
    with serving(primary, "serve") as server:
        assert ann("-R", clone.name, "remote", "add", "origin", at(server.url())).code == 0
        done = ann("-R", clone.name, "sync")
    assert done.code == 0, done.err
    assert "192.0.2.8" in ann("-R", clone.name, "show", "www.example.com").out


def test_a_backup_that_is_served_in_place_of_what_was_lost_is_followed(ann: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept.xferzone"
    assert ann("backup", kept.name).code == 0
    assert ann("set", "www.example.com", "A", "192.0.2.7").code == 0
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        assert ann("clone", at(server.url()), "c.xferzone").code == 0
    assert ann("-R", kept.name, "set", "www.example.com", "A", "192.0.2.8").code == 0
    with serving(kept, "serve") as server:
        with closing(sqlite3.connect(tmp_path / "c.xferzone")) as db, db:
            # As if it were at the URL of the other; no port is given twice.
            db.execute("UPDATE remote SET url = ?", (at(server.url()),))
        pulled = ann("-R", "c.xferzone", "pull")
    assert (pulled.code, "is kept here, and not published" in pulled.err) == (4, True), pulled.err
    assert "192.0.2.8" in ann("-R", "c.xferzone", "show", "www.example.com").out
