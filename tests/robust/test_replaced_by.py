"""A file that cannot be served takes the repository's name: it is told by name, and DNS goes on from what it had."""

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import urllib3

from tests.live import PATIENCE_S, Person, Server, serving, within
from xferzone.errors import XferzoneError
from xferzone.refs.served import LOOK_S, Served
from xferzone.store import Store, soundness
from xferzone.web.repository import Repository

Kind = Callable[[Path, Path], None]  # makes, from a sound file, one that cannot be served


def empty(_sound: Path, bad: Path) -> None:
    bad.write_bytes(b"")


def text(_sound: Path, bad: Path) -> None:
    bad.write_text("$TTL 3600\n" * 1000)


def a_database(_sound: Path, bad: Path) -> None:
    with closing(sqlite3.connect(bad)) as db:
        db.execute("CREATE TABLE setting (name, value)")
        db.commit()


def truncated(sound: Path, bad: Path) -> None:
    bad.write_bytes(sound.read_bytes()[: sound.stat().st_size // 2])


def without_a_table(sound: Path, bad: Path) -> None:
    bad.write_bytes(sound.read_bytes())
    with closing(sqlite3.connect(bad)) as db:
        db.execute("DROP TABLE ref")
        db.commit()


def two_tables_in_one_page(sound: Path, bad: Path) -> None:
    """What SQLite opens and reads, such as a file into which another one's log was replayed."""
    bad.write_bytes(sound.read_bytes())
    with closing(sqlite3.connect(bad)) as db:
        db.execute("PRAGMA writable_schema=ON")
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ref'").fetchone()
        db.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'parent'", (root,))
        db.commit()


def another_project(_sound: Path, bad: Path) -> None:
    Store.create(bad).close()


BAD: dict[Kind, str] = {
    empty: "was replaced by a file that is not an xferzone repository",
    text: r"was replaced by a file that is not an xferzone repository \(file is not a database\)",
    a_database: "was replaced by a file that is not an xferzone repository",
    truncated: "cannot be opened: database disk image is malformed: `xferzone restore FILE`",
    without_a_table: "was replaced by a file without table ref: `xferzone restore FILE`",
    two_tables_in_one_page: "was replaced by a damaged file: .*: `xferzone restore FILE`",
    another_project: "was replaced by a repository of another project",
}


def ready(server: Server) -> tuple[int, str]:
    reply = urllib3.request("GET", server.url(path="/readyz"), retries=False, timeout=PATIENCE_S)
    return reply.status, str(json.loads(reply.data)["checks"]["db"])


@pytest.mark.interop
def test_what_cannot_be_served_is_told_until_a_sound_file_is_there(tmp_path: Path) -> None:
    person = Person(tmp_path / "ops")
    path, backup = (person.home / name for name in ("z.xferzone", "backup"))
    hosts = "".join(f"h{number} A 192.0.2.{number}\n" for number in range(len(BAD)))
    (person.home / "e.zone").write_text(
        f"$TTL 60\n@ SOA ns1 h 1 7200 3600 1209600 3600\n@ NS ns1\nns1 A 192.0.2.1\n{hosts}"
    )
    person.xferzone("-R", path, "init")
    for kind in BAD:
        person.xferzone("-R", path, "zone", "add", zone_of(kind), "--from", "e.zone")
    person.xferzone("-R", path, "backup", backup)
    with serving(path) as server:
        assert ready(server) == (200, "ok")
        for number, kind in enumerate(BAD):
            person.xferzone("-R", path, "set", f"www.{zone_of(kind)}.", "60", "A", "192.0.2.99")
            replaced(server, path, backup, kind, number)
        assert "SERVFAIL" not in server.log.read_text()
    person.xferzone("-R", path, "check")


def zone_of(kind: Kind) -> str:
    return f"{kind.__name__.replace('_', '-')}.example"


# many: what is served, what replaces it, and what is asked for
def replaced(server: Server, path: Path, backup: Path, kind: Kind, number: int) -> None:
    zone, told, bad = zone_of(kind), BAD[kind], path.with_name("bad")
    # Each question comes from another port, and so to another answerer: all of them have heard of the change.
    assert within(PATIENCE_S, lambda: all(server.dig(f"www.{zone}") == ["192.0.2.99"] for _ in range(10)))
    before = len(server.log.read_text())

    def logs(line: str) -> bool:
        return re.search(line, server.log.read_text()[before:]) is not None

    kind(backup, bad)
    bad.replace(path)
    assert within(PATIENCE_S, lambda: ready(server)[0] == 503)
    assert within(PATIENCE_S, lambda: re.search(told, ready(server)[1]) is not None), ready(server)
    assert str(path.parent) not in ready(server)[1]
    assert within(PATIENCE_S, lambda: logs(f"outcome=not-served why=.*{path.name} {told}"))
    assert within(PATIENCE_S, lambda: logs(f"the last good zones are served: XferzoneError: .*{path.name} "))
    # Of the zone that has just moved only www was asked for: the rest is read from the file that was replaced.
    assert server.dig(f"h{number}.{zone}") == [f"192.0.2.{number}"]
    assert server.dig(f"www.{zone}") == ["192.0.2.99"], server.log.read_text()[before:]
    shutil.copy(backup, bad)
    bad.replace(path)
    assert within(PATIENCE_S, lambda: ready(server) == (200, "ok")), ready(server)
    assert within(PATIENCE_S, lambda: server.dig(f"www.{zone}") == [])


@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.__name__)
def test_a_reader_goes_on_with_the_file_that_was_replaced(tmp_path: Path, kind: Kind) -> None:
    path, backup, bad = (tmp_path / name for name in ("z.xferzone", "backup", "bad"))
    Store.create(path).close()
    with Store.open(path) as store:
        store.back_up(backup)
    with closing(Served(path)) as served:
        with Store.open(path) as store, store.writer() as writer:
            writer.set_setting("role", "clone")
        before = served.version()
        kind(backup, bad)
        bad.replace(path)
        time.sleep(1.1 * LOOK_S)
        for _ in range(3):
            with pytest.raises(XferzoneError):
                served.version()
            assert served.role() == "clone"
        backup.replace(path)
        assert served.version().file == before.file + 1
        assert served.role() == "primary"


def test_what_nobody_has_asked_a_worker_for_yet_is_not_replaced_by_another_project(tmp_path: Path) -> None:
    path, bad = tmp_path / "z.xferzone", tmp_path / "bad"
    Store.create(path).close()
    behind = Repository(path)
    behind.look()  # as a worker does each second
    another_project(path, bad)
    bad.replace(path)
    with pytest.raises(XferzoneError, match="was replaced by a repository of another project"):
        behind.store()


def test_what_was_refused_is_not_looked_at_again_until_it_changes(tmp_path: Path) -> None:
    sound, bad = tmp_path / "sound", tmp_path / "bad"
    Store.create(sound).close()
    two_tables_in_one_page(sound, bad)
    asked: list[str] = []
    with closing(sqlite3.connect(bad)) as db:
        db.set_trace_callback(asked.append)
        judge = soundness.Soundness(bad)
        for _ in range(3):
            with pytest.raises(XferzoneError, match="a damaged file"):
                judge.check(db, soundness.tables(), judge.stamp())
        assert len([each for each in asked if "quick_check" in each]) == 1
    sound.replace(bad)
    with closing(sqlite3.connect(bad)) as db:
        judge.check(db, soundness.tables(), judge.stamp())


def test_a_sound_file_that_comes_while_a_bad_one_is_looked_at_is_not_taken_for_that(tmp_path: Path) -> None:
    sound, bad = tmp_path / "sound", tmp_path / "bad"
    Store.create(sound).close()
    without_a_table(sound, bad)
    judge = soundness.Soundness(bad)
    stamp = judge.stamp()
    with closing(sqlite3.connect(bad)) as db:
        sound.replace(bad)
        with pytest.raises(XferzoneError, match="without table ref"):
            judge.check(db, soundness.tables(), stamp)
    with closing(sqlite3.connect(bad)) as db:
        judge.check(db, soundness.tables(), judge.stamp())
