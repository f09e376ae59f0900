"""xferzone group, with a real etcd and servers: who joins, what is shown, and who leaves."""

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.cli.test_json import assert_as_described
from tests.etcds import Running
from tests.live import XFERZONE, Person, Server, serving, within
from xferzone.exchange.group.following import PENDING_S
from xferzone.refs.roster import known_fellows
from xferzone.store import Store

pytestmark = pytest.mark.interop


class Site:
    """A repository, which is served for as long as the test runs once it has been."""

    def __init__(self, ann: Person, etcd: Running, name: str, held: ExitStack) -> None:
        self.ann, self.etcd, self.name = ann, etcd, name
        self.file = ann.home.parent / f"{name}.xferzone"
        self._held = held
        self.server: Server | None = None

    def __call__(self, *words: str, code: int | None = 0) -> str:
        return self.ann.xferzone("-R", self.file, *words, code=code).out

    @property
    def url(self) -> str:
        """Where fellows are told that it is; nothing answers there before it is served."""
        return self.server.url() if self.server else f"http://127.0.0.1:1/{self.name}/"

    def err(self, *words: str, code: int | None = 0) -> str:
        return self.ann.xferzone("-R", self.file, *words, code=code).err

    def serve(self) -> str:
        self.server = self._held.enter_context(serving(self.file, "serve"))
        return self.server.url()

    def join(self, *words: str, code: int | None = 0) -> str:
        own = ("--etcd", self.etcd.url, "--name", self.name, "--url", self.url)
        return self.err("group", "join", *own, *words, code=code)

    def status(self) -> dict[str, object]:
        found = json.loads(self("--format", "json", "group", "status"))
        assert isinstance(found, dict)
        return found


def begun(ann: Person, etcd: Running, held: ExitStack, names: str) -> list[Site]:
    """Sites of one group: the first one was a primary with example.com, the others had no file."""
    sites = [Site(ann, etcd, name, held) for name in names]
    sites[0]("init")
    sites[0]("zone", "add", "example.com")
    sites[0].serve()
    for site in sites:
        site.join()
    return sites


def test_a_primary_a_clone_and_no_file_make_a_group(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b, c = (Site(ann, etcd, name, held) for name in "abc")
        a("init")
        a("zone", "add", "example.com")
        a("user", "caps", "nobody", "--read")
        ann.xferzone("clone", a.serve(), b.file)
        assert a.join() == f"group of 1 member begun by a at {a.url}, which was a primary; copies: 1\n"
        assert b.join() == f"group of 2 members joined as b at {b.url}, which was a clone; copies: 1\n"
        assert (
            c.join("--copies", "2")
            == f"group of 3 members joined as c at {c.url}, which was a mirror; copies: 2\n"
        )
        assert c.join() == f"group of 3 members joined as c at {c.url}, which was a member; copies: 2\n"
        shown = c("group", "status").splitlines()
        assert shown[:3] == ["member: c", f"etcd: {etcd.url}, keys below xferzone", "copies: 2"]
        assert shown[4].split()[:2] == ["a", a.url]
        assert shown[6].split() == ["c", c.url, "away", "(this", "one)"]
        assert shown[7:] == ["branches: 1, 0 behind"]
        assert {site("zone", "list") for site in (a, b, c)} == {a("zone", "list")}
        assert "xferzone group leave" in c.err("promote", code=7)
        for site in (a, b, c):
            assert "role: member" in site("status")


def test_members_leave_and_the_last_one_is_a_primary(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b, c = begun(ann, etcd, held, "abc")
        left = json.loads(b("--format", "json", "group", "leave"))
        assert (left["role"], left["origin"]) == ("clone", a.url)
        assert b("remote").startswith(f"origin {a.url}")
        assert "is a clone, and in no group" in b.err("group", "leave", code=7)
        assert "is no longer in the group" in a.err("group", "remove", "c")
        assert "c is not registered: `xferzone group join`, or start its servers" in c("group", "status")
        assert "no member c" in a.err("group", "remove", "c", code=5)
        assert a.err("group", "remove", "c", "--if-exists") == "c: nothing changed\n"
        assert "this is a primary now" in a.err("group", "leave")
        assert a("status").splitlines()[2] == "role: primary"
        assert "begun by a" in a.join()


def test_what_is_printed_for_programs_is_as_described(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b = begun(ann, etcd, held, "ab")
        a("set", "www.example.com", "A", "192.0.2.1", code=None)

        def described(site: Site, *words: str) -> set[str]:
            heading = f"`group {words[0]}`"
            return assert_as_described(site("--format", "json", "group", *words), heading)

        assert {"members[].alive", "branches", "hold", "unreachable"} <= described(b, "status")
        assert {"members[]", "was", "begun"} <= described(b, "join")
        assert described(b, "remove", "z", "--if-exists") == {"version", "name", "changed"}
        assert {"role", "origin", "pending"} <= described(b, "leave")


def test_an_account_is_known_everywhere_or_nowhere(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b = begun(ann, etcd, held, "ab")
        made = a("user", "add", "bob", "--write")
        assert "password: " in made
        assert "there is a user bob already" in b.err(
            "user", "add", "bob", code=3
        )  # though it has not heard of him
        b("user", "caps", "bob", "g")
        assert "bob g\n" in b("user", "list")
        etcd.process.terminate()
        etcd.process.wait()
        assert "account eve was not changed" in a.err("user", "add", "eve", code=75)
        assert "eve" not in a("user", "list")
        shown = a.status()
        assert shown["hold"] is None
        assert "no answer from etcd" in str(shown["unreachable"])
        assert "no answer from etcd" in a.err("group", "leave", code=75)


def test_the_configuration_says_where_etcd_is(ann: Person, etcd: Running, tmp_path: Path) -> None:
    with ExitStack() as held:
        a = Site(ann, etcd, "a", held)
        a("init")
        assert "where is etcd?" in a.err("group", "join", code=2)
        settings = f'[group]\netcd = ["{etcd.url}"]\nname = "a"\nurl = "http://127.0.0.1:1/"\ncopies = 2\n'
        file = a.file.with_name("a.xferzone.toml")
        file.write_text(settings)
        assert "begun by a at http://127.0.0.1:1/, which was a primary; copies: 2" in a.err("group", "join")
        file.write_text(settings.replace(etcd.url, "http://127.0.0.1:9/"))
        assert "http://127.0.0.1:9/" in str(a.status()["unreachable"])
        file.write_text(settings.replace('"a"', '"z"'))
        assert "a.xferzone.toml:3: [group] name: it is z, and the repository joined with a" in a.err(
            "group", "status", code=2
        )


def test_servers_take_what_the_configuration_says(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a = Site(ann, etcd, "a", held)
        a("init")
        a.join()
        file = a.file.with_name("a.xferzone.toml")
        file.write_text(f'[group]\netcd = ["{etcd.url}"]\nurl = "http://127.0.0.1:9/"\n')
        assert a.serve() != "http://127.0.0.1:9/"
        file.unlink()
        assert within(10, lambda: "a http://127.0.0.1:9/ alive (this one)" in a("group", "status"))


def test_the_password_of_etcd_is_read_where_it_is(ann: Person, etcd: Running, tmp_path: Path) -> None:
    for words in ("user add root:root-secret", "user grant-role root root", "auth enable"):
        etcd.ctl(*words.split())
    with ExitStack() as held:
        a = Site(ann, etcd, "a", held)
        a("init")
        secret = tmp_path / "secret"
        secret.write_text("root-secret\n")
        assert "the password of root at etcd" in a.join("--etcd-user", "root", code=2)
        assert "group of 1 member" in a.join("--etcd-user", "root", "--etcd-password-file", str(secret))
        assert b"root-secret" not in a.file.read_bytes()
        assert a.status()["unreachable"] is None
        secret.unlink()
        assert f"cannot read the secret in {secret}" in a.err("group", "status", code=2)
        assert "has a login in its URL" in a.err(
            "group", "join", "--etcd", "http://root:x@127.0.0.1:1", code=2
        )


def test_whoever_is_in_no_group_is_told_so(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a = Site(ann, etcd, "a", held)
        a("init")
        for verb in (["leave"], ["status"], ["remove", "b"]):
            assert "is a primary, and in no group" in a.err("group", *verb, code=7)


def problems(site: Site, *words: str) -> list[str]:
    """What `group check` finds."""
    out = site("--format", "json", "group", "check", *words, code=None)
    assert_as_described(out, "`group check`")
    return [each["what"] for each in json.loads(out)["problems"]]


def test_each_misconfiguration_is_named(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b = begun(ann, etcd, held, "ab")
        assert within(
            10, lambda: "a http" in a("group", "status") and " alive (this one)" in a("group", "status")
        )
        found = problems(a)
        assert len(found) == 1
        assert found[0].startswith(f"b at {b.url} does not answer: ")
        b.serve()
        b.join()  # which tells where it is now
        assert within(10, lambda: problems(a) == [] and problems(b) == [])
        b.join("--copies", "3")
        assert problems(a) == ["3 members must hold each change, and there are 2"]
        project = a("status").splitlines()[1].split()[1]
        same = json.loads(etcd.ctl("get", f"xferzone/{project}/member/b", "--print-value-only"))
        etcd.ctl("put", f"xferzone/{project}/member/b", json.dumps(same | {"url": a.url.rstrip("/")}))
        assert f"a and b have one URL, {a.url}" in problems(a)
        etcd.ctl("put", f"xferzone/{project}/member/a", '{"life":"1","url":"http://127.0.0.1:9/"}')
        assert "another member is called a, at http://127.0.0.1:9/" in problems(a)
        etcd.ctl("del", f"xferzone/{project}/group")
        assert f"has no xferzone/{project}/group: it was emptied" in problems(a)[0]
        etcd.ctl("put", f"xferzone/{project}/group", "nonsense")
        assert "has a value that no member wrote" in problems(a)[0]
        etcd.process.terminate()
        etcd.process.wait()
        assert "no answer from etcd" in problems(a)[0]


def test_a_group_is_restored_when_etcd_was_emptied(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b = begun(ann, etcd, held, "ab")
        b.serve()
        b.join()
        a("set", "www.example.com", "A", "192.0.2.1")
        assert within(10, lambda: "192.0.2.1" in b("zone", "export", "example.com"))
        assert within(10, lambda: "b" in heard_of(a))  # only then can it tell of it
        etcd.ctl("del", "", "--from-key")
        assert within(10, lambda: "xferzone group restore" in a("group", "check", code=1))
        a("set", "www.example.com", "A", "192.0.2.2", code=75)
        done = a("--format", "json", "group", "restore")
        assert_as_described(done, "`group restore`")
        assert json.loads(done)["others"] == ["b"]
        assert "another life of the group" in b("group", "check", code=1)
        b.join()
        assert within(20, lambda: problems(a) == [] and problems(b) == [])
        b("set", "www.example.com", "A", "192.0.2.3")
        assert within(10, lambda: "192.0.2.3" in a("zone", "export", "example.com"))
        assert "there is nothing to restore" in a.err("group", "restore", code=7)


def heard_of(site: Site) -> set[str]:
    """The members that the site knows of when it reaches nobody."""
    with Store.open(site.file) as store, store.reader() as reader:
        return set(known_fellows(reader))


def serial(site: Site) -> int:
    return int(json.loads(site("--format", "json", "zone", "list"))["zones"][0]["serial"])


def test_a_branch_that_a_lost_check_in_began_begins_anew(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b = begun(ann, etcd, held, "ab")
        b("zone", "add", "example.org")  # it is not served: nobody else has this
        assert any("no member that answers has: example.org/main " in each for each in problems(a))
        a("zone", "add", "example.org", code=None)  # the name is taken
        told = a("group", "clobber", "example.org", "--yes")
        assert "example.org/main " in told
        assert " serial 2" in told
        assert not any("example.org" in each for each in problems(a))
        a("zone", "add", "example.org")
        assert json.loads(a("--format", "json", "zone", "list"))["zones"][1]["serial"] == 3
        # b comes back, with what was lost
        b.serve()
        b.join()
        assert within(10, lambda: "on another line" in b("group", "status"))
        assert "(`xferzone group check` says what to do):\n  example.org/main" in b("group", "status")
        b("group", "clobber", "example.org", "--accept-clobber")
        assert json.loads(b("--format", "json", "zone", "list"))["zones"][1]["serial"] == 3


def test_a_branch_goes_on_without_a_check_in_that_is_lost(ann: Person, etcd: Running) -> None:
    with ExitStack() as held:
        a, b = begun(ann, etcd, held, "ab")
        a("set", "www.example.com", "A", "192.0.2.1")
        b("set", "lost.example.com", "A", "192.0.2.2", code=4)  # it was out of date, and is not any more
        b("set", "lost.example.com", "A", "192.0.2.2")  # it is not served: nobody else has this
        lost = serial(b)
        assert serial(a) < lost
        found = problems(a)
        assert any("b at" in each and "does not answer" in each for each in found)
        named = "a key names a check-in that no member that answers has: example.com/main "
        assert any(each.startswith(named) and each.endswith(" from b") for each in found)
        refused = a.err("group", "clobber", "example.com/main", code=130)  # nobody says yes
        assert f", serial {lost}, published by b" in refused
        assert "b was not asked, and may have it" in refused
        assert "there is nothing" not in refused
        assert "xferzone: nobody answers: nothing was changed; --yes agrees beforehand\n" in refused
        done = a("--format", "json", "group", "clobber", "example.com", "--yes")
        assert_as_described(done, "`group clobber`")
        assert json.loads(done)["serial"] == lost + 1 == serial(a)
        assert "lost" not in a("zone", "export", "example.com")
        assert "nothing is lost" in a.err("group", "clobber", "example.com", "--yes", code=7)
        # b comes back, with what was lost
        b.serve()
        b.join()
        assert within(10, lambda: "on another line" in b("group", "status"))
        assert "lost" in b("zone", "export", "example.com")
        b("set", "www.example.com", "A", "192.0.2.3", code=None)
        taken = b("group", "clobber", "example.com", "--accept-clobber")
        assert f"serial {lost + 1}" in taken
        assert "lost" not in b("zone", "export", "example.com")
        assert serial(b) == lost + 1
        assert "there is nothing to accept" in b.err(
            "group", "clobber", "example.com", "--accept-clobber", code=7
        )
        # Its group program looks at what is pending every PENDING_S.
        assert within(2 * PENDING_S, lambda: "main-fork-" in b("branch", "example.com"))
        b("set", "www.example.com", "A", "192.0.2.4")
        assert within(10, lambda: "192.0.2.4" in a("zone", "export", "example.com"))
        assert ", 0 faults" in b("check")


def test_whoever_answers_while_people_are_asked_ends_a_clobber(ann: Person, etcd: Running) -> None:
    """a has another URL by then, and what seemed to be lost; b runs no program that fetches it."""
    with ExitStack() as held:
        with ExitStack() as before:
            a, b = begun(ann, etcd, before, "ab")
        a("set", "lost.example.com", "A", "192.0.2.2")
        words: list[str | Path] = [*XFERZONE, "-R", b.file, "group", "clobber", "example.com"]
        asking = held.enter_context(
            subprocess.Popen(
                words, env=ann.env, cwd=ann.home, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True
            )
        )
        assert asking.stderr is not None
        while "a was not asked" not in (line := asking.stderr.readline()):
            assert line
        a.server = held.enter_context(serving(a.file, "serve"))
        a.join()
        _, told = asking.communicate("y\n", timeout=60)
        assert "nothing is lost" in told
        assert asking.returncode == 7
