"""Files that only look like stock's: each fault is told, and nothing is made."""

import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from xferzone import delta
from xferzone.errors import Exists, NotFound, XferzoneError
from xferzone.hashing import artifact_id
from xferzone.publish.served import compile_all
from xferzone.refs import Door, Occasion
from xferzone.repository import exporting, importing
from xferzone.repository.make import make
from xferzone.store import Store, accounts, private, shunned

NOW = Occasion(1_700_000_000_000, "ops", Door.CLI)
OLD, NEW = b"an older text\n" * 100, b"an older text\n" * 90 + b"and a newer end\n" * 10


def taken(directory: Path, file: Path) -> Store:
    directory.mkdir(exist_ok=True)
    importing.take(directory / "made.xferzone", file, "ops", NOW, compile_all, accounts=False)
    return Store.open(directory / "made.xferzone")


def packed(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + zlib.compress(content)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An export with two artifacts more, of which row 101 is a delta of row 100."""
    make(tmp_path / "own.xferzone", admin="ops", project_code=None, now_ms=NOW.now_ms)
    made = tmp_path / "stock.fossil"
    with Store.open(tmp_path / "own.xferzone") as store:
        exporting.export(store, made, login="ops", accounts=False, now_ms=NOW.now_ms)
    way = delta.create(NEW, OLD)
    assert way is not None
    with closing(sqlite3.connect(made)) as db, db:
        db.execute("INSERT INTO blob VALUES (100, 1, ?, ?, ?)", (len(NEW), artifact_id(NEW), packed(NEW)))
        db.execute("INSERT INTO blob VALUES (101, 1, ?, ?, ?)", (len(OLD), artifact_id(OLD), packed(way)))
        db.execute("INSERT INTO delta VALUES (101, 100)")
    return made


def changed(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as db, db:
        for statement in statements:
            db.execute(statement)


def test_both_versions_come(file: Path, tmp_path: Path) -> None:
    with taken(tmp_path, file) as store, store.reader() as reader:
        assert [reader.content(artifact_id(each)) for each in (OLD, NEW)] == [OLD, NEW]


@pytest.mark.parametrize(
    "hidden", ["private (rid) VALUES (100)", f"shun (uuid) VALUES ('{artifact_id(NEW)}')"]
)
def test_what_is_a_delta_of_something_hidden_comes_whole(file: Path, tmp_path: Path, hidden: str) -> None:
    changed(file, f"INSERT INTO {hidden}")
    with taken(tmp_path, file) as store, store.reader() as reader:
        assert reader.content(artifact_id(OLD)) == OLD
        assert not reader.has(artifact_id(NEW))


def test_what_is_private_comes_if_it_is_asked_for_and_stays_private(file: Path, tmp_path: Path) -> None:
    changed(file, "INSERT INTO private (rid) VALUES (100)", "INSERT INTO private (rid) VALUES (101)")
    done = importing.take(
        tmp_path / "made.xferzone", file, "ops", NOW, compile_all, accounts=False, private=True
    )
    assert (done.private, done.left) == (2, 0)
    with Store.open(tmp_path / "made.xferzone") as store, store.reader() as reader:
        assert [private.content(reader, artifact_id(each)) for each in (OLD, NEW)] == [OLD, NEW]
        assert not reader.has(artifact_id(OLD))
    with taken(tmp_path / "without", file) as store, store.reader() as reader:
        assert not private.is_any(reader)


def test_what_is_shunned_is_shunned_here_and_in_what_is_exported(file: Path, tmp_path: Path) -> None:
    changed(
        file,
        "INSERT INTO shun SELECT uuid, 1600000000, 'why' FROM blob WHERE rid = 100",
        "INSERT INTO shun VALUES (printf('%040d', 0), NULL, NULL)",
        "INSERT INTO private (rid) VALUES (100)",
    )
    expected = [("0" * 40, 0, ""), (artifact_id(NEW), 1_600_000_000_000, "why")]
    with taken(tmp_path, file) as store, store.reader() as reader:
        assert [tuple(each) for each in shunned.listed(reader)] == expected
        exporting.export(store, tmp_path / "back.fossil", login="ops", accounts=False, now_ms=NOW.now_ms)
    with closing(sqlite3.connect(tmp_path / "back.fossil")) as db:
        rows = db.execute("SELECT * FROM shun ORDER BY mtime").fetchall()
    assert rows == [("0" * 40, 0, None), (artifact_id(NEW), 1_600_000_000, "why")]
    done = importing.take(
        tmp_path / "p.xferzone", file, "ops", NOW, compile_all, accounts=False, private=True
    )
    assert done.private == 0


def test_who_is_held_here_cannot_log_in_there(tmp_path: Path) -> None:
    make(tmp_path / "own.xferzone", admin="ops", project_code=None, now_ms=NOW.now_ms)
    with Store.open(tmp_path / "own.xferzone") as store:
        with store.writer() as writer:
            for login, zones, expires in (
                ("free", (), None),
                ("held", ("example.com",), None),
                ("ends", (), 1),
            ):
                accounts.put_stored(writer, accounts.User(login, "a" * 40, "gio", zones, expires))
        exporting.export(store, tmp_path / "made.fossil", login="ops", accounts=True, now_ms=NOW.now_ms)
    with closing(sqlite3.connect(tmp_path / "made.fossil")) as db:
        able = {login for (login,) in db.execute("SELECT login FROM user WHERE pw <> ''")}
    assert able == {"ops", "free"}


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no database": (
        lambda file: file.write_text("no database at all" * 100),
        "not a repository of stock",
    ),
    "another database": (lambda file: changed(file, "DROP TABLE delta"), "it has no table delta"),
    "another release": (
        lambda file: changed(file, "UPDATE config SET value = '9' WHERE name = 'content-schema'"),
        "content-schema '9'",
    ),
    "no project code": (
        lambda file: changed(file, "DELETE FROM config WHERE name = 'project-code'"),
        "project code",
    ),
    "a name that is none": (
        lambda file: changed(file, "UPDATE blob SET uuid = 'x' || uuid WHERE rid = 100"),
        "row 100",
    ),
    "content that is not packed": (
        lambda file: changed(file, "UPDATE blob SET content = x'00000005aabbccdd' WHERE rid = 100"),
        f"artifact {artifact_id(NEW)} is damaged",
    ),
    "content that is cut": (
        lambda file: changed(file, "UPDATE blob SET content = substr(content, 1, 20) WHERE rid = 100"),
        f"artifact {artifact_id(NEW)} is damaged",
    ),
    "a content that unpacks to more than it says": (
        lambda file: changed(
            file, "UPDATE blob SET content = x'00000005' || substr(content, 5) WHERE rid = 100"
        ),
        f"artifact {artifact_id(NEW)} is damaged",
    ),
    "other content": (
        lambda file: changed(
            file, "UPDATE blob SET content = (SELECT content FROM blob WHERE rid = 1) WHERE rid = 100"
        ),
        f"artifact {artifact_id(NEW)} is damaged",
    ),
    "a shunned name that is none": (
        lambda file: changed(file, "INSERT INTO shun (uuid) VALUES ('x')"),
        "in the table shun",
    ),
    "too much": (
        lambda file: changed(file, "UPDATE blob SET size = 1 << 40 WHERE rid = 100"),
        "over 67108864 bytes",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_nothing_is_made(file: Path, tmp_path: Path, fault: str) -> None:
    damage, told = FAULTS[fault]
    damage(file)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(XferzoneError, match=told):
        taken(tmp_path, file)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO delta VALUES (100, 101)",
        "UPDATE delta SET srcid = 999",
        "UPDATE blob SET size = -1 WHERE rid = 100",
    ],
)
def test_what_leads_nowhere_is_left_out_and_counted(file: Path, tmp_path: Path, statement: str) -> None:
    changed(file, statement)
    done = importing.take(tmp_path / "made.xferzone", file, "ops", NOW, compile_all, accounts=False)
    assert done.left in (1, 2)
    with Store.open(tmp_path / "made.xferzone") as store, store.reader() as reader:
        assert not reader.has(artifact_id(OLD))


def test_nothing_is_written_over(file: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "own.xferzone") as store, pytest.raises(Exists):
        exporting.export(store, file, login="ops", accounts=False, now_ms=NOW.now_ms)
    with pytest.raises(Exists):
        importing.take(tmp_path / "own.xferzone", file, "ops", NOW, compile_all, accounts=False)
    with pytest.raises(NotFound):
        taken(tmp_path, tmp_path / "nowhere.fossil")


def test_a_damaged_artifact_is_not_exported(tmp_path: Path) -> None:
    own = tmp_path / "own.xferzone"
    make(own, admin="ops", project_code=None, now_ms=NOW.now_ms)
    with closing(sqlite3.connect(own)) as db, db:
        db.execute("UPDATE blob SET content = x'00' WHERE rid = 1")
    with Store.open(own) as store, pytest.raises(XferzoneError, match="is damaged"):
        exporting.export(store, tmp_path / "out.fossil", login="ops", accounts=False, now_ms=NOW.now_ms)
    assert not (tmp_path / "out.fossil").exists()
