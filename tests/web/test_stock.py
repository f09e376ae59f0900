"""Stock fossil against our server: what people do with it, and what it does by itself."""

import socket
import sqlite3
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.live import Done, Person, Server, serving
from tests.web.conftest import served
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository import make
from xferzone.store import Store, accounts
from xferzone.sync.server.budget import Budget
from xferzone.zonefile.names import zone_name
from xferzone.zonefile.text import read_zone

pytestmark = pytest.mark.interop


@pytest.fixture
def ann(tmp_path: Path) -> Person:
    return Person(tmp_path / "ann", "ann")


@pytest.fixture
def bob(tmp_path: Path) -> Person:
    return Person(tmp_path / "bob", "bob")


def url(server: Server, login: str, path: str = "/") -> str:
    return server.url(login, f"pw-{login}", path)


def artifacts(clone: Path) -> set[str]:
    """The artifacts that a stock repository holds."""
    with sqlite3.connect(clone) as db:
        return {row[0] for row in db.execute("SELECT uuid FROM blob WHERE size >= 0")}


def ours(repository: Path) -> set[str]:
    with Store.open(repository) as store, store.reader() as reader:
        return set(reader.artifacts())


def fill(repository: Path, count: int, size: int = 20) -> None:
    """Put in so many blobs of about `size` bytes."""
    with Store.open(repository) as store, store.writer() as writer:
        for number in range(count):
            writer.put((b"%d\n" % number) * (1 + size // len(b"%d\n" % number)))
        writer.make_clusters()


def sound(person: Person, clone: Path) -> None:
    """The clone holds what its hashes say, and lacks nothing."""
    assert "0 errors" in person.fossil("test-integrity", "-R", clone).out
    with sqlite3.connect(clone) as db:
        assert db.execute("SELECT count(*) FROM phantom").fetchone() == (0,)


def write(work: Path, name: str, text: str) -> None:
    (work / name).write_text(text)


# -- through gunicorn


@pytest.mark.parametrize("path", ["/", "/xfer", "/p/q"])
def test_a_clone_holds_the_same_artifacts_whatever_the_path(project: Path, ann: Person, path: str) -> None:
    fill(project, 30)
    with serving(project, "serve") as server:
        done = ann.clone(url(server, "rose", path), ann.home / "c.fossil")
        assert "Error" not in done.out
    assert artifacts(ann.home / "c.fossil") == ours(project)
    sound(ann, ann.home / "c.fossil")


def test_who_may_clone(project: Path, ann: Person) -> None:
    with serving(project, "serve") as server:
        for attempt in (
            server.url(),
            server.url("none", "pw-none"),
            server.url("ann", "wrong"),
            server.url("no", "x"),
        ):
            refused = ann.fossil("clone", "--once", attempt, ann.home / "no.fossil", code=1)
            assert ("not authorized to clone" in refused.out) or ("login failed" in refused.out)
            assert not (ann.home / "no.fossil").exists()
        with Store.open(project) as store, store.writer() as writer:
            accounts.put_user(writer, "nobody", None, "g")
        ann.fossil("clone", "--once", server.url(), ann.home / "yes.fossil")
    assert artifacts(ann.home / "yes.fossil") == ours(project)


def test_two_people_work_through_the_server(project: Path, ann: Person, bob: Person, tmp_path: Path) -> None:
    with serving(project, "serve") as server:
        work = {}
        for person in (ann, bob):
            clone = person.home / "c.fossil"
            person.clone(url(server, person.name), clone)
            work[person.name] = person.open(clone, tmp_path / f"work-{person.name}")
        for number in range(6):
            author, reader = (ann, bob) if number % 2 else (bob, ann)
            write(work[author.name], f"f{number}.txt", f"by {author.name}\n" * (number + 1) * 30)
            write(work[author.name], "both.txt", f"round {number}\n" * 200)
            author.fossil("add", ".", at=work[author.name])
            done = author.fossil("commit", "-m", f"round {number}", "--no-warnings", at=work[author.name])
            assert "rror" not in done.out
            reader.fossil("update", at=work[reader.name])
            assert (work[reader.name] / "both.txt").read_text() == f"round {number}\n" * 200
        ann.fossil("tag", "add", "rel-1", "tip", at=work["ann"])
        ann.fossil("amend", "tip", "-m", "amended", at=work["ann"])
        ann.fossil("branch", "new", "side", "tip", at=work["ann"])
        ann.fossil("wiki", "create", "Page", work["ann"] / "both.txt", at=work["ann"])
        ann.fossil("sync", at=work["ann"])
        bob.fossil("update", "side", at=work["bob"])
        write(work["bob"], "side.txt", "aside\n")
        bob.fossil("add", "side.txt", at=work["bob"])
        bob.fossil("commit", "-m", "on the side", "--no-warnings", at=work["bob"])
        ann.fossil("update", "trunk", at=work["ann"])
        ann.fossil("merge", "side", at=work["ann"])
        ann.fossil("commit", "-m", "together", "--no-warnings", at=work["ann"])
        bob.fossil("update", "trunk", at=work["bob"])
        assert (work["bob"] / "side.txt").read_text() == "aside\n"
        assert "rel-1" in bob.fossil("tag", "list", at=work["bob"]).out
        assert "Page" in bob.fossil("wiki", "list", at=work["bob"]).out
        assert "amended" in bob.fossil("timeline", at=work["bob"]).out
        for person in (ann, bob):
            person.fossil("sync", at=work[person.name])
            sound(person, person.home / "c.fossil")
            assert artifacts(person.home / "c.fossil") == ours(project)


def test_stock_adds_a_zone_as_readme_says_and_is_told_of_one_on_trunk(
    project: Path, ann: Person, tmp_path: Path
) -> None:
    zone = "@ 3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 3600\n@ 3600 IN NS ns1\nns1 IN A 192.0.2.1\n"
    with serving(project) as server:
        ann.clone(url(server, "ann"), ann.home / "c.fossil")
        work = ann.open(ann.home / "c.fossil", tmp_path / "work")
        write(work, "example.net.zone", zone)
        ann.fossil("add", "example.net.zone", at=work)
        done = ann.fossil("commit", "-m", "on trunk", "--no-warnings", at=work)
        assert "example.net.zone is on branch trunk, where no zone is served" in done.out + done.err
        ann.fossil("update", "root:trunk", at=work)
        write(work, "example.net.zone", zone)
        ann.fossil("add", "example.net.zone", at=work)
        done = ann.fossil(
            "commit", "-m", "example.net", "--branch", "example.net/main", "--no-warnings", at=work
        )
        assert "where no zone is served" not in done.out + done.err
        assert server.dig("ns1.example.net") == ["192.0.2.1"]


@pytest.mark.parametrize("clock", ["+30s", "-30s"])
def test_a_clock_that_is_off_stops_nobody(project: Path, tmp_path: Path, clock: str) -> None:
    ann = Person(tmp_path / "ann", "ann", clock)
    with serving(project, "serve") as server:
        ann.clone(url(server, "ann"), ann.home / "c.fossil")
        work = ann.open(ann.home / "c.fossil", tmp_path / "work")
        write(work, "a.txt", "a\n")
        ann.fossil("add", "a.txt", at=work)
        done = ann.fossil("commit", "-m", "a", at=work)
    assert "skew" not in done.out + done.err
    assert artifacts(ann.home / "c.fossil") == ours(project)


def test_who_may_only_pull_keeps_working_and_is_told(project: Path, tmp_path: Path) -> None:
    rose = Person(tmp_path / "rose", "rose")
    with serving(project, "serve") as server:
        before = ours(project)
        rose.clone(url(server, "rose"), rose.home / "c.fossil")
        work = rose.open(rose.home / "c.fossil", tmp_path / "work")
        write(work, "a.txt", "a\n")
        rose.fossil("add", "a.txt", at=work)
        rose.fossil("commit", "-m", "a", "--no-warnings", at=work)
        done = rose.fossil("push", at=work)
        assert "Error: not authorized to write" in done.out
        assert "Error" not in rose.fossil("sync", at=work).out
        fill(project, 1)
        rose.fossil("pull", at=work)
    after = ours(project)
    assert len(after) == len(before) + 1
    assert after <= artifacts(rose.home / "c.fossil")


def test_what_a_pusher_may_not_bring_is_told_and_does_not_go_round_in_circles(tmp_path: Path) -> None:
    path = tmp_path / "z.xferzone"
    make.make(path, admin="ops", project_code=None, now_ms=1_780_000_000_000)
    with Store.open(path) as store, store.writer() as writer:
        accounts.put_user(writer, "ann", "pw-ann", "gio")
        author = Author("ops", 1_780_000_001_000)
        text = b"@ 3600 SOA a b 1 2 3 4 5\n@ 3600 NS ns.example.net.\n"
        records = read_zone(text, zone_name("example.com"))
        Edit(writer, LocalRefs(writer), BranchName("example.com", "main"), author).replace(records, "zone")
    ann = Person(tmp_path / "ann", "ann")
    with served(path) as server:
        ann.clone(server.url("ann"), ann.home / "c.fossil")
        work = ann.open(ann.home / "c.fossil", tmp_path / "work", "example.com/main")
        server.bytes_in.clear()
        done = ann.fossil("tag", "add", "--raw", "closed", "tip", at=work, seconds=20)
        done = ann.fossil("sync", at=work, seconds=20)
        assert "only an administrator may set the tag closed" in done.out + done.err
        assert len(server.bytes_in) < 10


def test_another_project_and_another_password(project: Path, ann: Person) -> None:
    clone = ann.home / "c.fossil"
    with serving(project, "serve") as server:
        ann.clone(url(server, "ann"), clone)
        asked = (url(server, "ann"), "--once", "-R", clone)
        assert "Error: wrong project" in ann.fossil("pull", "--project-code", "a" * 40, *asked).out
        wrong = ann.fossil("pull", server.url("ann", "wrong"), "--once", "-R", clone)
        assert "Error: login failed" in wrong.out


def test_any_worker_answers_any_round(project: Path, tmp_path: Path) -> None:
    fill(project, 300)
    people = [Person(tmp_path / f"p{number}", "ann") for number in range(8)]
    with serving(project, "serve", "--workers", "3") as server, ThreadPoolExecutor(len(people)) as pool:
        clones = [person.home / "c.fossil" for person in people]
        list(
            pool.map(
                lambda pair: pair[0].clone(url(server, "ann"), pair[1]), zip(people, clones, strict=True)
            )
        )
    assert all(artifacts(clone) == ours(project) for clone in clones)


def test_many_commit_at_once_and_nobody_is_turned_away(project: Path, tmp_path: Path) -> None:
    people = [Person(tmp_path / f"p{number}", "ann") for number in range(6)]

    def commit(person: Person) -> str:
        clone = person.home / "c.fossil"
        person.clone(url(server, "ann"), clone)
        work = person.open(clone, person.home / "work")
        said = ""
        for number in range(3):
            write(work, f"{person.home.name}-{number}.txt", f"{number}\n" * 500)
            person.fossil("add", ".", at=work)
            branch = ["--branch", person.home.name] if number == 0 else []
            done = person.fossil("commit", "-m", "at once", "--no-warnings", *branch, at=work)
            said += done.out + done.err
        return said

    with serving(project, "serve", "--workers", "2") as server, ThreadPoolExecutor(len(people)) as pool:
        for said in pool.map(commit, people):
            assert "rror" not in said
            assert "busy" not in said
        last = people[0]
        last.fossil("sync", "-R", last.home / "c.fossil")
    assert artifacts(last.home / "c.fossil") == ours(project)
    sound(last, last.home / "c.fossil")


def test_workers_count_together(project: Path) -> None:
    with serving(project, "serve", "--workers", "2") as server:
        for _ in range(8):
            asked = urllib.request.Request(
                server.url(), b"clone 3 1\n", {"Content-Type": "application/x-fossil-debug"}
            )
            urllib.request.urlopen(asked, timeout=20).close()
        with urllib.request.urlopen(server.url(path="/metrics"), timeout=20) as reply:
            assert b'xferzone_xfer_rounds_total{kind="clone",outcome="error"} 8.0' in reply.read()


def test_replies_have_a_length_and_are_never_chunked(project: Path) -> None:
    with serving(project, "serve") as server:
        for version in ("--http1.0", "--http1.1"):
            asked = [
                "curl",
                "-si",
                version,
                "-H",
                "Content-Type: application/x-fossil-debug",
                "-d",
                "clone 3 1",
            ]
            head, _, body = subprocess.run(
                [*asked, server.url()], stdout=subprocess.PIPE, check=True, timeout=20
            ).stdout.partition(b"\r\n\r\n")
            assert f"content-length: {len(body)}".encode() in head.lower()
            assert b"chunked" not in head.lower()
            assert body.startswith(b"push ")
        chunked = [*asked, "-H", "Transfer-Encoding: chunked", server.url()]
        done = subprocess.run(chunked, stdout=subprocess.PIPE, check=True, timeout=20)
        assert done.stdout.endswith(body)


@pytest.mark.parametrize("chunks", [b"zz\r\nabc", b"5\r\nab", b"-1\r\nabc\r\n0\r\n\r\n"])
def test_a_body_in_broken_chunks_is_a_bad_request(project: Path, chunks: bytes) -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/x-fossil\r\n\r\n"
    )
    with (
        serving(project, "serve") as server,
        socket.create_connection(("127.0.0.1", server.http), timeout=20) as client,
    ):
        client.sendall(head + chunks)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


# -- budgets and clusters


def test_a_clone_in_many_rounds(project: Path, ann: Person) -> None:
    fill(project, 400, size=500)
    with served(project, Budget(bytes=20_000)) as server:
        ann.clone(server.url("ann"), ann.home / "c.fossil")
        assert len(server.bytes_in) > 4  # the texts are dull, and compressed
    assert artifacts(ann.home / "c.fossil") == ours(project)
    sound(ann, ann.home / "c.fossil")


def test_a_pull_in_many_rounds(project: Path, ann: Person) -> None:
    clone = ann.home / "c.fossil"
    with served(project, Budget(bytes=20_000)) as server:
        ann.clone(server.url("ann"), clone)
        fill(project, 400, size=500)
        before = len(server.bytes_in)
        ann.fossil("pull", "-R", clone)
        assert len(server.bytes_in) - before > 5
    assert artifacts(clone) == ours(project)
    sound(ann, clone)


def test_a_push_of_more_than_a_request_holds(project: Path, ann: Person, tmp_path: Path) -> None:
    with served(project) as server:
        ann.clone(server.url("ann"), ann.home / "c.fossil")
        work = ann.open(ann.home / "c.fossil", tmp_path / "work")
        for number in range(20):
            write(work, f"f{number}.txt", "".join(f"{number} {line}\n" for line in range(6_000)))
        write(work, "large.txt", "".join(f"line {line} of it\n" for line in range(120_000)))
        ann.fossil("add", ".", at=work)
        before = len(server.bytes_in)
        ann.fossil("commit", "-m", "much", "--no-warnings", at=work)
        assert len(server.bytes_in) - before > 3
    assert artifacts(ann.home / "c.fossil") == ours(project)


def test_5000_artifacts_are_cloned_and_then_hardly_talked_about(
    project: Path, ann: Person, bob: Person
) -> None:
    fill(project, 5_000)
    clone = ann.home / "c.fossil"
    with served(project) as server:
        ann.clone(server.url("ann"), clone)
        assert artifacts(clone) == ours(project)
        ann.fossil("sync", "-R", clone)
        server.bytes_in.clear()
        done = ann.fossil("sync", "-R", clone)
        assert "Round-trips: 1" in done.out
        assert sum(server.bytes_in) < 20 * 70
        # And a clone of that clone's owner, who has nothing of it yet, gets all of it by pulling.
        bob.fossil("clone", "--once", server.url("bob"), bob.home / "c.fossil")
        assert artifacts(bob.home / "c.fossil") == ours(project)


# -- what is not kept here ends well


def test_configuration_that_is_not_there_leaves_a_client_s_as_it_is(project: Path, ann: Person) -> None:
    clone = ann.home / "c.fossil"
    with served(project) as server:
        ann.clone(server.url("ann"), clone)
        done: Done = ann.fossil("config", "pull", "all", server.url("ann"), "-R", clone)
        assert "Error" not in done.out
        assert "Server says" not in done.out
        before = ann.fossil("config", "export", "skin", "/dev/stdout", "-R", clone).out.splitlines()[3:]
        for area in ("skin", "user", "ticket", "shun"):
            done = ann.fossil("config", "pull", area, server.url("rose"), "-R", clone)
            assert "Error" not in done.out
            assert "Server says" not in done.out
        assert (
            ann.fossil("config", "export", "skin", "/dev/stdout", "-R", clone).out.splitlines()[3:] == before
        )
        done = ann.fossil("config", "push", "project", server.url("ann"), "-R", clone)
        assert "Error: not authorized to push configuration" in done.out
        done = ann.fossil("config", "push", "project", server.url("ops"), "-R", clone)
        assert "Error" not in done.out
        assert "Server says" not in done.out


def test_a_reader_gets_the_policy_of_names_as_from_stock(project: Path, ann: Person) -> None:
    """By a clone and by `config pull`, whatever the clone had: artifacts are named by SHA3 here."""
    clone = ann.home / "c.fossil"
    with served(project) as server:
        ann.clone(server.url("rose"), clone)
        policy = "SELECT value FROM config WHERE name = 'hash-policy'"
        assert ann.fossil("sql", "-R", clone, policy).out.strip().strip("'") == "2"
        with closing(sqlite3.connect(clone)) as db, db:
            db.execute("DELETE FROM config WHERE name = 'hash-policy'")
        for area in ("project", "all"):
            done: Done = ann.fossil("config", "pull", area, server.url("rose"), "-R", clone)
            assert "received: 1" in done.out
            assert ann.fossil("sql", "-R", clone, policy).out.strip().strip("'") == "2"


def test_the_second_of_two_commits_is_warned_and_may_go_on(
    project: Path, ann: Person, bob: Person, tmp_path: Path
) -> None:
    with served(project) as server:
        for person in (ann, bob):
            person.clone(server.url(person.name), person.home / "c.fossil")
            work = person.open(person.home / "c.fossil", tmp_path / person.name / "work")
            write(work, f"{person.name}.txt", "x\n")
            person.fossil("add", ".", at=work)
        editor = {"VISUAL": "/bin/false", "EDITOR": "/bin/false"}
        stopped = subprocess.run(
            ["fossil", "commit", "--no-warnings"],
            cwd=tmp_path / "ann" / "work",
            env=ann.env | editor,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert stopped.returncode != 0  # it had asked for the lock by then
        at = tmp_path / "bob" / "work"
        warned = bob.fossil("commit", "-m", "b", "--no-warnings", at=at, code=1)
        assert "Parent check-in locked by ann" in warned.out + warned.err
        bob.fossil("commit", "-m", "b", "--no-warnings", "--override-lock", at=at)
        ann.fossil("update", at=tmp_path / "ann" / "work")
        ann.fossil("commit", "-m", "a", "--no-warnings", at=tmp_path / "ann" / "work")
        bob.fossil("update", at=tmp_path / "bob" / "work")
        assert (tmp_path / "bob" / "work" / "ann.txt").exists()
    assert artifacts(bob.home / "c.fossil") == ours(project)


def test_verily_and_a_lost_artifact(project: Path, ann: Person, bob: Person, tmp_path: Path) -> None:
    with served(project) as server:
        for person in (ann, bob):
            person.clone(server.url(person.name), person.home / "c.fossil")
        work = ann.open(ann.home / "c.fossil", tmp_path / "work")
        write(work, "a.txt", "a\n")
        ann.fossil("add", "a.txt", at=work)
        ann.fossil("commit", "-m", "a", "--no-warnings", at=work)
        done = bob.fossil("sync", "--verily", "-R", bob.home / "c.fossil")
        assert "Error" not in done.out
    assert artifacts(bob.home / "c.fossil") == ours(project)
