"""clone, sync, pull, push, remote against a server of ours and a stock one."""

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import Person, serving, stock_server
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store

pytestmark = pytest.mark.interop

BRANCH = "example.com/main"


@pytest.fixture
def origin(zone: Run, tmp_path: Path) -> Iterator[str]:
    """The URL of a server of ours with example.com; nobody may read, ann and bob may write, rose read."""
    for login, caps in (("ann", "gio"), ("bob", "gio"), ("rose", "go")):
        assert zone("user", "add", login, caps, "--password-stdin", stdin=f"pw-{login}\n").code == 0
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        yield server.url()


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[str]:
    """The URL of a stock server with two check-ins on trunk; ann may write, nobody read."""
    ann = Person(tmp_path / "home", "ann")
    ann.fossil("new", "s.fossil")
    work = ann.open(ann.home / "s.fossil", ann.home / "work")
    for number in range(2):
        (work / "readme").write_text("long enough for a delta\n" * 20 + f"{number}\n")
        ann.fossil("add", "readme", at=work)
        ann.fossil("commit", "-m", f"version {number}", "--no-warnings", at=work)
    ann.fossil("user", "password", "ann", "pw-ann", "-R", "s.fossil")
    with stock_server(ann, ann.home / "s.fossil") as url:
        yield url


def at(url: str, login: str, password: str | None = None) -> str:
    return url.replace("://", f"://{login}{'' if password is None else ':' + password}@")


def artifacts(path: Path) -> set[ArtifactId]:
    with Store.open(path) as store, store.reader() as reader:
        return set(reader.artifacts())


def stock_artifacts(person: Person, file: Path) -> set[str]:
    rows = person.fossil("sql", "-R", file, "SELECT uuid FROM blob WHERE size >= 0").out
    return {line.strip("'") for line in rows.split()}


def ref(path: Path) -> ArtifactId:
    with Store.open(path) as store, store.reader() as reader:
        found = LocalRefs(reader).get(BranchName.parse(BRANCH))
        assert found is not None
        return found.checkin


def test_a_clone_of_ours_has_all_and_follows(origin: str, zone: Run, tmp_path: Path) -> None:
    done = zone("clone", at(origin, "ann", "pw-ann"), "c.xferzone")
    assert done.code == 0, done.err
    first, summary = done.out.splitlines()
    assert first.startswith(f"{BRANCH} ")
    assert "received 3 artifacts" in summary
    here, there = tmp_path / "c.xferzone", tmp_path / "zones.xferzone"
    assert artifacts(here) == artifacts(there)
    assert ref(here) == ref(there)
    assert here.stat().st_mode & 0o777 == 0o600
    assert b"pw-ann" not in here.read_bytes()
    assert zone("-R", "c.xferzone", "remote").out == f"origin {at(origin, 'ann')}\n"
    assert "role: clone" in zone("-R", "c.xferzone", "status").out
    assert zone("-R", "c.xferzone", "log").out == zone("log").out
    assert zone("-R", "c.xferzone", "check").code == 0

    assert zone("set", "www.example.com", "A", "192.0.2.9").code == 0
    done = zone("-R", "c.xferzone", "pull", at(origin, "ann", "pw-ann"))
    assert done.code == 0, done.err
    assert ref(here) == ref(there)
    assert "192.0.2.9" in zone("-R", "c.xferzone", "show", "www.example.com").out


def test_what_is_committed_in_a_clone_is_pushed_in_one_round(
    origin: str, zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw-ann")
    assert zone("clone", at(origin, "ann"), "c.xferzone").code == 0
    assert zone("-R", "c.xferzone", "set", "www.example.com", "A", "192.0.2.9").code == 0
    done = zone("-R", "c.xferzone", "--format", "json", "push")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["rounds"], told["received"]) == (1, 0)
    assert told["sent"] == 2
    assert ref(tmp_path / "c.xferzone") == ref(tmp_path / "zones.xferzone")
    again = json.loads(zone("-R", "c.xferzone", "--format", "json", "sync").out)
    assert (again["rounds"], again["received"], again["sent"], again["moved"]) == (1, 0, 0, [])


@pytest.mark.parametrize("verb", ["sync", "push"])
def test_a_lost_race_is_told_and_ends_with_4(
    origin: str, zone: Run, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw-ann")
    here, there = tmp_path / "c.xferzone", tmp_path / "zones.xferzone"
    assert zone("clone", at(origin, "ann"), "c.xferzone").code == 0
    assert zone("-R", "c.xferzone", "set", "www.example.com", "A", "192.0.2.9").code == 0
    lost = ref(here)
    assert zone("set", "www.example.com", "A", "192.0.2.7").code == 0
    done = zone("-R", "c.xferzone", verb)
    assert done.code == 4, done.out + done.err
    if verb == "push":
        assert "xferzone pull" in done.err
        done = zone("-R", "c.xferzone", "pull")
    assert done.code == 4
    assert lost[:16] in done.err
    assert f"{BRANCH}-fork-" in done.err
    assert ref(here) == ref(there)
    assert zone("-R", "c.xferzone", "sync").code == 0
    assert artifacts(here) == artifacts(there)


def test_another_remote_than_origin_moves_no_refs_and_is_asked_what_it_lacks(
    origin: str, stock: str, zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw-ann")
    assert zone("clone", at(origin, "ann"), "c.xferzone").code == 0
    assert zone("clone", at(origin, "ann"), "second.xferzone").code == 0
    assert zone("-R", "second.xferzone", "promote", "--no-serial-step").code == 0
    assert zone("-R", "second.xferzone", "user", "add", "ann", "--password-stdin", stdin="pw-ann\n").code == 0
    assert zone("-R", "c.xferzone", "set", "www.example.com", "A", "192.0.2.9").code == 0
    assert zone("-R", "second.xferzone", "zone", "add", "other.test").code == 0
    here = ref(tmp_path / "c.xferzone")
    with serving(tmp_path / "second.xferzone", "serve") as second:
        synced = zone("-R", "c.xferzone", "sync", at(second.url(), "ann"))
        assert synced.code == 0, synced.err
        assert artifacts(tmp_path / "c.xferzone") == artifacts(tmp_path / "second.xferzone")
        assert "other.test" not in zone("-R", "c.xferzone", "zone", "list").out
        again = json.loads(zone("-R", "c.xferzone", "--format", "json", "sync", at(second.url(), "ann")).out)
        assert (again["rounds"], again["sent"], again["received"]) == (1, 0, 0)
    done = zone("-R", "c.xferzone", "push")
    assert done.code == 0, done.err
    assert ref(tmp_path / "zones.xferzone") == here


def test_who_may_not_push_is_told_so_when_there_is_something_to_push(origin: str, zone: Run) -> None:
    url = at(origin, "rose", "pw-rose")
    assert zone("clone", url, "c.xferzone").code == 0
    done = zone("-R", "c.xferzone", "sync", url)
    assert (done.code, done.err) == (0, "")
    assert zone("-R", "c.xferzone", "push", url).code == 77
    assert zone("-R", "c.xferzone", "set", "www.example.com", "A", "192.0.2.9").code == 0
    for _ in range(2):
        done = zone("-R", "c.xferzone", "sync", url)
        assert done.code == 77
        assert "takes no pushes from this account; 2 artifacts stay here unsent" in done.err
        assert done.out.startswith("pulled from ")
        assert ", sent 0;" in done.out
    pushed = zone("-R", "c.xferzone", "push", url)
    assert "takes no pushes from this account; 2 artifacts stay here unsent" in pushed.err
    assert pushed.out == ""
    assert zone("-R", "c.xferzone", "sync", at(origin, "bob", "pw-bob")).code == 0


def test_logins_that_do_not_hold(
    origin: str, zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (origin, at(origin, "ann", "wrong"), at(origin, "nosuch", "pw-ann")):
        done = zone("clone", url, "c.xferzone")
        assert done.code == 77, done.err
        assert not (tmp_path / "c.xferzone").exists()
        assert "another project" not in done.err
    assert zone("remote").err == "there are no remotes: `xferzone remote add NAME URL` makes one\n"
    assert "`xferzone clone URL " in zone("-R", "none", "pull").err
    done = zone("clone", at(origin, "ann"), "c.xferzone")
    assert done.code == 77
    assert "XFERZONE_PASSWORD" in done.err
    assert not list(tmp_path.glob(".c.xferzone*"))
    (tmp_path / "secret").write_text("pw-ann\nmore\n")
    assert (
        zone("clone", "--password-file", "secret", "--save-password", at(origin, "ann"), "c.xferzone").code
        == 0
    )
    kept = tmp_path / "c.xferzone.passwords"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert zone("-R", "c.xferzone", "sync").code == 0
    kept.unlink()
    assert zone("-R", "c.xferzone", "sync").code == 77
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw-ann")
    assert zone("-R", "c.xferzone", "sync").code == 0


def test_with_a_stock_server(stock: str, xz: Run, tmp_path: Path) -> None:
    url, ann, file = (
        at(stock, "ann", "pw-ann"),
        Person(tmp_path / "home", "ann"),
        tmp_path / "home" / "s.fossil",
    )
    done = xz("clone", "--save-password", url, "c.xferzone")
    assert done.code == 0, done.err
    here = tmp_path / "c.xferzone"
    assert artifacts(here) == stock_artifacts(ann, file)
    again = json.loads(xz("-R", "c.xferzone", "--format", "json", "sync").out)
    assert (again["rounds"], again["received"], again["sent"]) == (1, 0, 0)

    (tmp_path / "z.zone").write_text(
        "@ 1h SOA ns1.example.net. h.example.net. 5 2h 1h 2w 5m\n@ 1h NS ns1.example.net.\n"
    )
    assert xz("-R", "c.xferzone", "zone", "add", "example.com", "--from", "z.zone").code == 0
    pushed = json.loads(xz("-R", "c.xferzone", "--format", "json", "push").out)
    assert (pushed["rounds"], pushed["sent"]) == (1, 2)
    assert artifacts(here) == stock_artifacts(ann, file)
    work = ann.open(file, ann.home / "zone", BRANCH)
    with (work / "example.com.zone").open("a") as text:
        text.write("www 300 A 192.0.2.1\n")
    ann.fossil("commit", "-m", "a web server", "--no-warnings", at=work)
    done = xz("-R", "c.xferzone", "pull")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{BRANCH} ")
    assert "192.0.2.1" in xz("-R", "c.xferzone", "show", "www.example.com").out
    assert artifacts(here) == stock_artifacts(ann, file)
    ann.fossil("rebuild", file)
    ann.fossil("test-integrity", file)


def test_what_cannot_be_reached_or_is_another_project(
    origin: str, stock: str, zone: Run, tmp_path: Path
) -> None:
    for url, code in ((stock, 69), (at(stock, "ann", "pw-ann"), 77)):
        done = zone("sync", url)
        assert (done.code, "another project" in done.err) == (code, True)
    done = zone("clone", "http://127.0.0.1:1/", "c.xferzone")
    assert (done.code, done.err) == (
        69,
        "xferzone: http://127.0.0.1:1/ cannot be reached: Connection refused\n",
    )
    assert zone("clone", at(origin, "ann", "pw-ann"), "zones.xferzone").code == 3
    assert zone("clone", "nonsense", "c.xferzone").code == 2
    assert zone("clone", at(origin, "ann", "pw-ann"), "no/such/c.xferzone").code == 5
    assert sorted(path.name for path in tmp_path.glob("*.xferzone")) == ["zones.xferzone"]


def test_remotes_have_names(origin: str, zone: Run) -> None:
    assert zone("sync").code == 5
    assert zone("sync", "backup").code == 5
    assert zone("remote", "add", "backup", at(origin, "ann", "pw-ann")).code == 0
    assert zone("remote", "add", "backup", origin).code == 3
    assert zone("remote", "add", "a b", origin).code == 2
    assert json.loads(zone("--format", "json", "remote", "list").out)["remotes"] == [
        {"name": "backup", "url": at(origin, "ann")}
    ]
    assert zone("remote", "remove", "backup").code == 0
    assert zone("remote", "remove", "backup").code == 5
    assert zone("remote").out == ""


def test_a_failed_login_is_named_in_the_log(zone: Run, tmp_path: Path) -> None:
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        assert zone("clone", at(server.url(), "mal%0Aory", "wrong"), "c.xferzone").code == 77
        assert zone("clone", at(server.url(), "ops", "wrong"), "c.xferzone").code == 77
        assert server.told("user=ops ")
        assert server.told(r"outcome=error user='mal\nory' ")


def test_a_server_without_tls_or_manners_is_told_in_words(zone: Run, tmp_path: Path) -> None:
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        done = zone("clone", server.url().replace("http:", "https:"), "c.xferzone")
    assert (done.code, "does it speak plain http?" in done.err) == (69, True), done.err
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        done = zone("clone", f"http://127.0.0.1:{listener.getsockname()[1]}/", "c.xferzone")
    assert done.code == 69
    assert "(" not in done.err, done.err


def test_letters_without_a_meaning_are_refused(zone: Run) -> None:
    assert zone("user", "add", "bob", "--read").code == 0
    done = zone("user", "caps", "bob", "xyz")
    assert done.code == 2
    assert "the letters 'z' mean nothing here" in done.err
    assert zone("user", "caps", "bob", "agiosuvx").code == 0


def test_what_is_damaged_is_fetched_from_a_stock_server(zone: Run, stock: str, tmp_path: Path) -> None:
    assert zone("clone", at(stock, "ann", "pw-ann"), "c.xferzone").code == 0
    assert zone("-R", "c.xferzone", "repair").out == "nothing is damaged\n"
    with closing(sqlite3.connect(tmp_path / "c.xferzone")) as db, db:
        db.execute("UPDATE blob SET content = zeroblob(length(content))")
    assert zone("-R", "c.xferzone", "check").code == 1
    (tmp_path / "alone.xferzone").write_bytes((tmp_path / "c.xferzone").read_bytes())
    assert zone("-R", "alone.xferzone", "remote", "remove", "origin").code == 0
    alone = zone("-R", "alone.xferzone", "repair")
    assert (alone.code, "or a backup with --from FILE" in alone.err) == (5, True), alone.err
    refused = zone("-R", "c.xferzone", "repair", stock.replace(":", "s:", 1))
    assert refused.code == 69, refused.err
    done = zone("--format", "json", "-R", "c.xferzone", "repair", at(stock, "ann", "pw-ann"))
    assert done.code == 0, done.err
    assert json.loads(done.out)["damaged"] == []
    assert zone("-R", "c.xferzone", "check").code == 0
