"""The project's configuration between stock and ours, each way, and between two of ours."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.site import ADMIN, Site, directly, make_project
from tests.live import Person, stock_server
from tests.web.test_as_stock import CONFIGURED

pytestmark = pytest.mark.interop

PASSWORD = "three words here"
#: What stock keeps of it, accounts aside.
KEPT = """
    SELECT 'config', name, value, mtime FROM config WHERE mtime = 8 AND name NOT IN
        ('ssl-ca-location', 'max-upload', 'last-sync-url')
    UNION ALL SELECT 'reportfmt', title, owner || cols || sqlcode, mtime FROM reportfmt WHERE mtime = 8
    UNION ALL SELECT 'concealed', hash, content, mtime FROM concealed
    UNION ALL SELECT 'shun', uuid, scom, mtime FROM shun ORDER BY 1, 2
"""


def query(file: Path, words: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as db:
        return db.execute(words).fetchall()


def configure(person: Person, file: Path) -> list[tuple[object, ...]]:
    """Give a repository of stock's a configuration; what is kept of it."""
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(CONFIGURED)
    found = query(file, KEPT)
    assert {row[0] for row in found} == {"config", "reportfmt", "concealed", "shun"}
    assert person.fossil("test-integrity", "-R", file).code == 0
    return found


def with_account(person: Person, file: Path, login: str) -> None:
    person.fossil("user", "new", login, "x", PASSWORD, "-R", file, code=None)
    person.fossil("user", "password", login, PASSWORD, "-R", file)
    person.fossil("user", "capabilities", login, "s", "-R", file)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    with directly(make_project(home / "project", ("example.com",)), home / "served") as site:
        yield site


def test_what_stock_has_pushed_comes_with_every_clone_of_stock_and_of_ours(
    site: Site, tmp_path: Path
) -> None:
    ops, file = Person(tmp_path / "ops", ADMIN), tmp_path / "z.fossil"
    ops.clone(site.url(ADMIN), file)
    kept = configure(ops, file)
    denied = ops.fossil("config", "push", "skin", site.url("bob"), "-R", file, code=None)
    assert "not authorized to push configuration" in denied.out + denied.err
    done = ops.fossil("config", "push", "all", site.url(ADMIN), "-R", file)
    assert "what nobody, anonymous, reader and developer may is left as it is" in done.out + done.err
    closed = ops.fossil("clone", site.url(ADMIN).replace(ADMIN, "nobody"), tmp_path / "no.fossil", code=None)
    assert closed.code != 0

    bob = Person(tmp_path / "bob", "bob")
    bob.clone(site.url("bob"), tmp_path / "b.fossil")
    seen = [row for row in kept if row[0] != "concealed" and row[1] != "user-color-map"]  # he lacks e, and a
    assert query(tmp_path / "b.fossil", KEPT) == seen
    bob.clone(site.url("bob"), tmp_path / "again.fossil")
    bob.fossil("config", "reset", "skin", "-R", tmp_path / "again.fossil")
    done = bob.fossil("config", "pull", "skin", site.url("bob"), "-R", tmp_path / "again.fossil")
    assert "Error" not in done.out + done.err
    assert query(tmp_path / "again.fossil", KEPT) == query(tmp_path / "b.fossil", KEPT)

    ours, clone = Person(tmp_path / "us"), tmp_path / "c.xferzone"
    ours.xferzone("clone", "--save-password", site.url(ADMIN), clone)
    listed = json.loads(ours.xferzone("-R", clone, "--format", "json", "config", "list").out)["rows"]
    there = json.loads(ours.xferzone("-R", site.repository, "--format", "json", "config", "list").out)["rows"]
    assert [row for row in listed if row["table"] != "user"] == [
        row for row in there if row["table"] != "user"
    ]
    assert {row["key"] for row in listed if row["table"] == "user"} == {"nobody", "anonymous"}, (
        "accounts stay"
    )
    taken = ours.xferzone("-R", clone, "config", "pull", "user")
    assert taken.out.endswith(": 3 rows newer\n"), taken.out
    assert "passwords stay here" in taken.err
    users = ours.xferzone("-R", clone, "user", "list").out
    assert "bob" in users
    assert query(clone, "SELECT DISTINCT secret FROM user") == [("",)]


def test_ours_exchanges_it_with_a_stock_server_both_ways(site: Site, tmp_path: Path) -> None:
    ops, file = Person(tmp_path / "ops", "ops"), tmp_path / "z.fossil"
    ops.clone(site.url(ADMIN), file)
    kept = configure(ops, file)
    with_account(ops, file, "ops")
    ours, clone = Person(tmp_path / "us"), tmp_path / "c.xferzone"
    with stock_server(ops, file) as url:
        named = url.replace("//", "//ops:three%20words%20here@")
        ours.xferzone("clone", named, clone)
        out = tmp_path / "out.fossil"
        ours.xferzone("-R", clone, "export-fossil", out)
        assert query(out, KEPT) == kept, "a clone has it, and what is exported"
        taken = tmp_path / "taken.xferzone"
        ours.xferzone("-R", taken, "import-fossil", "--accounts", file)
        assert [row for row in rows(ours, taken) if row["table"] != "user"] == rows(ours, clone, "user")
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("UPDATE config SET value = 'new', mtime = 9 WHERE name = 'css'")
        assert ours.xferzone("-R", clone, "config", "pull", "css", named).out.endswith(": 1 row newer\n")
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("DELETE FROM config WHERE name = 'css'")
        pushed = ours.xferzone("-R", clone, "config", "push", "css", named)
        assert pushed.out.endswith(": 1 row\n")
        assert query(file, "SELECT value, mtime FROM config WHERE name = 'css'") == [("new", 9)]
        ops.fossil("user", "capabilities", "ops", "gio", "-R", file)
        denied = ours.xferzone("-R", clone, "config", "push", "css", named, code=77)
        assert "not authorized to push configuration" in denied.err


def rows(person: Person, repository: Path, without: str = "") -> list[dict[str, object]]:
    told = json.loads(person.xferzone("-R", repository, "--format", "json", "config", "list").out)["rows"]
    return [row for row in told if row["table"] != without]


def test_a_list_of_shunned_artifacts_is_taken_and_what_is_published_stays(site: Site, tmp_path: Path) -> None:
    ops, file = Person(tmp_path / "ops", ADMIN), tmp_path / "z.fossil"
    ops.clone(site.url(ADMIN), file)
    told = ops.fossil("artifact", "tag:example.com/main", "-R", file).out
    published = next(line.split()[2] for line in told.splitlines() if line.startswith("F example.com.zone"))
    with closing(sqlite3.connect(file)) as db, db:
        rows_ = [(published, 5, "why"), ("7" * 64, 6, "gone")]
        db.executemany("REPLACE INTO shun (uuid, mtime, scom) VALUES (?, ?, ?)", rows_)
    done = ops.fossil("config", "push", "shun", site.url(ADMIN), "-R", file)
    assert f"not shunned: {published} is example.com.zone of the published version" in done.out + done.err
    shunned = json.loads(ops.xferzone("-R", site.repository, "--format", "json", "shun", "list").out)[
        "shunned"
    ]
    assert ("7" * 64, "gone") in [(each["id"], each["comment"]) for each in shunned]
    assert published not in [each["id"] for each in shunned]
