"""What operators get wrong with a group, with a real etcd: it is refused or told by name, with what mends it."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.certificates import certified, openssl
from tests.cli.conftest import Run
from tests.cli.test_group import Site, begun, problems
from tests.etcds import TLS, Running, restored, running
from tests.live import PATIENCE_S, Person, serving, within
from tests.refs.relay import Relay
from xferzone.cli import mending
from xferzone.env import SYSTEM, Env

pytestmark = pytest.mark.interop

OFF_MS = 60_000


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


def project(site: Site) -> str:
    return site("status").splitlines()[1].split()[1]


def found(site: Site) -> list[tuple[str, str]]:
    """What `group check` finds, each with its remedy."""
    told = json.loads(site("--format", "json", "group", "check", code=None))["problems"]
    return [(each["what"], each["remedy"]) for each in told]


def alone(ann: Person, etcd: Running, held: ExitStack, *options: str, name: str = "a") -> tuple[Site, str]:
    """A primary, and what `group join` says to it."""
    site = Site(ann, etcd, name, held)
    site("init")
    return site, site.join(*options, code=None)


# -- what is given at a join


def test_the_url_of_another_member_is_refused_before_anything_is_made(
    ann: Person, etcd: Running, held: ExitStack
) -> None:
    a, b = begun(ann, etcd, held, "ab")
    for url in (a.url, a.url.rstrip("/"), a.url.replace("http:", "HTTP:")):
        told = b.err("group", "join", "--url", url, code=3)
        assert f"another member, a, is at {a.url.rstrip('/')}" in told
        assert "give another --url" in told
    assert f"b {b.url}" in a("group", "status")
    c = Site(ann, etcd, "c", held)
    told = c.err("group", "join", "--etcd", etcd.url, "--name", "c", "--url", a.url, code=3)
    assert f"another member, a, is at {a.url}" in told
    told = c.err("group", "join", "--etcd", etcd.url, "--name", "b", "--url", c.url, code=3)
    assert f"another member is called b, at {b.url}" in told
    assert not c.file.exists()


def test_more_copies_than_members_are_told_whenever_the_number_changes(
    ann: Person, etcd: Running, held: ExitStack
) -> None:
    a, told = alone(ann, etcd, held, "--copies", "2")
    few = "warning: 2 members must hold each change, and there is 1: no change is accepted until another one joins"
    assert told.startswith(few)
    a("zone", "add", "example.com", code=75)
    a.serve()
    assert a.join().startswith(few)
    b, c = (Site(ann, etcd, name, held) for name in "bc")
    assert "warning" not in b.join()
    assert "warning: 3 members must hold each change, and there are 2" in b.join("--copies", "3")
    assert "warning" not in c.join()
    assert "warning: 3 members must hold each change, and there are 2" in a.err("group", "remove", "c")
    told = b.err("group", "leave", code=7)
    assert "3 members that are alive must hold each change, and without b only a would be left" in told
    assert "`xferzone group join --copies 1`" in told
    assert "warning" not in a.join("--copies", "1")


def test_a_configuration_that_does_not_fit_the_group_is_refused_at_check_and_at_hup(
    ann: Person, etcd: Running, held: ExitStack
) -> None:
    a, b = begun(ann, etcd, held, "ab")
    b.serve()
    b.join()
    file = b.file.with_name("b.xferzone.toml")
    wrong = {
        "name = 'z'": "name: it is z, and the repository joined with b",
        "prefix = 'z'": "prefix: it is z, and the repository joined with xferzone",
        f"url = '{a.url.upper()}'": "url: another member, a, is at",
    }
    assert b.server is not None
    for number, (line, told) in enumerate(wrong.items(), 1):
        file.write_text(f"[group]\n{line}\n")
        assert f"b.xferzone.toml:2: [group] {told}" in b.err("config", "check", code=2)
        b.server.process.send_signal(signal.SIGHUP)
        assert b.server.told("reload outcome=refused", number)
        assert b.server.told(told)
    file.write_text(f"[group]\nurl = '{b.url}'\n")
    assert "ok" in b("config", "check")


# -- etcd


@pytest.fixture
def files(tmp_path: Path) -> TLS:
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    openssl("req", "-x509", *made, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=our own", at=tmp_path)
    return certified(tmp_path, "etcd", "/O=xferzone")


def test_what_tls_refuses_is_told_with_what_to_give(
    ann: Person, tmp_path: Path, files: TLS, held: ExitStack
) -> None:
    etcd = held.enter_context(running(tmp_path / "etcd", tls=files))
    a, told = alone(ann, etcd, held)
    assert "its certificate is refused: " in told
    assert "name its authority with --etcd-ca, or as ca of [group] in the configuration" in told
    told = a.join("--etcd-ca", str(files.certificate), code=75)
    assert "is refused by the authorities that were given" in told
    assert told.endswith(": correct --etcd-ca\n")
    told = a.join("--etcd-ca", str(files.authority), code=75)
    assert told.endswith(": name one as certificate and key of [group] in the configuration\n")
    assert "does it speak TLS, by a URL with https?" in a.err(
        "group", "join", "--etcd", etcd.url.replace("https", "http"), "--url", a.url, code=75
    )
    file = a.file.with_name("a.xferzone.toml")
    lines = [f"ca = '{files.certificate}'", f"certificate = '{files.certificate}'", f"key = '{files.key}'"]
    file.write_text("\n".join(["[group]", *lines]))
    assert a.join(code=75).endswith(f": correct ca in {file}:2\n")
    file.write_text("\n".join(["[group]", f"ca = '{files.authority}'", *lines[1:]]))
    assert "begun by a" in a.join()
    file.write_text(f"[group]\nca = '{files.certificate}'")
    ((what, remedy),) = found(a)
    assert "is refused by the authorities that were given" in what
    assert remedy == f"correct ca in {file}:2"


def test_a_login_that_etcd_refuses_is_told_with_what_was_given(
    ann: Person, etcd: Running, tmp_path: Path, held: ExitStack
) -> None:
    for words in ("user add root:root-secret", "user grant-role root root", "auth enable"):
        etcd.ctl(*words.split())
    a, told = alone(ann, etcd, held)
    assert "user name is empty: name an account with --etcd-user and --etcd-password-file, or as user" in told
    secret = tmp_path / "secret"
    secret.write_text("wrong-secret\n")
    by_options = ("--etcd-user", "root", "--etcd-password-file", str(secret))
    told = a.join(*by_options, code=75)
    assert "no login as 'root': " in told
    assert told.endswith(": correct --etcd-user, or --etcd-password-file\n")
    file = a.file.with_name("a.xferzone.toml")
    file.write_text(f"[group]\nuser = 'root'\npassword = {{file = '{secret}'}}\n")
    told = a.join(code=75)
    assert told.endswith(f": correct user in {file}:2, or password in {file}:3\n")
    file.unlink()
    secret.write_text("root-secret\n")
    assert "begun by a" in a.join(*by_options)
    secret.write_text("wrong-secret\n")
    told = a("group", "status")
    assert (
        "correct the account with `xferzone group join --etcd-user ...`, or its password with `xferzone "
        in told
    )
    assert "secret\n" not in told


# -- what `group check` names


def test_an_etcd_that_does_not_answer_is_named_with_where_it_was_said(
    ann: Person, etcd: Running, held: ExitStack
) -> None:
    a, _ = alone(ann, etcd, held)
    file = a.file.with_name("a.xferzone.toml")
    file.write_text('[group]\netcd = ["http://127.0.0.1:1"]\n')
    ((what, remedy),) = found(a)
    assert what == "no answer from etcd: http://127.0.0.1:1: Connection refused"
    assert remedy == f"start etcd, or correct etcd in {file}:2"
    file.unlink()
    etcd.process.kill()
    etcd.process.wait()
    ((what, remedy),) = found(a)
    assert what == f"no answer from etcd: {etcd.url}: Connection refused"
    assert remedy == "start etcd, or correct its URL with `xferzone group join --etcd ...`"


def test_the_etcd_of_another_project_is_named(
    ann: Person, etcd: Running, tmp_path: Path, held: ExitStack
) -> None:
    other = held.enter_context(running(tmp_path / "other"))
    a, _ = alone(ann, etcd, held)
    z, _ = alone(ann, other, held, name="z")
    a.file.with_name("a.xferzone.toml").write_text(f'[group]\netcd = ["{other.url}"]\n')
    what, remedy = found(a)[0]
    assert f"etcd at {other.url} has no xferzone/{project(a)}/group: " in what
    assert (
        f"it has the group of project {project(z)}, and this is {project(a)}: is it the right etcd" in remedy
    )


@pytest.mark.parametrize("is_ahead", [False, True], ids=["behind", "ahead"])
def test_a_clock_that_is_off_is_named(
    ann: Person, etcd: Running, held: ExitStack, xz: Run, monkeypatch: pytest.MonkeyPatch, is_ahead: bool
) -> None:
    a, b = begun(ann, etcd, held, "ab")
    b.serve()
    b.join()
    assert within(10, lambda: problems(a) == [])
    by = -OFF_MS if is_ahead else OFF_MS
    monkeypatch.setattr(mending, "SYSTEM", Env(clock_ms=lambda: SYSTEM.clock_ms() + by))
    checked: list[tuple[str, str]] = []

    def is_all() -> bool:  # a program that has just begun may be away for a moment
        done = xz("-R", str(a.file), "--format", "json", "group", "check")
        checked[:] = [(each["what"], each["remedy"]) for each in json.loads(done.out)["problems"]]
        assert done.code == 1
        return len(checked) == 1

    assert within(PATIENCE_S, is_all, every=0.2), checked
    ((told, remedy),) = checked
    said = re.fullmatch(r"the clock of b is (\d+) s (ahead of|behind) the one here", told)
    assert said is not None, told
    assert said[2] == ("ahead of" if is_ahead else "behind")
    assert OFF_MS / 2000 < int(said[1]) < OFF_MS / 500  # of a slow answer less is certain
    assert remedy == "let NTP set both clocks"


def test_a_member_that_answers_and_does_not_reach_etcd_is_named(
    ann: Person, etcd: Running, held: ExitStack
) -> None:
    a, b = begun(ann, etcd, held, "ab")
    told = ("b answers, and is away: it does not reach etcd, or its group program does not run",)
    with Relay(int(etcd.url.rpartition(":")[2])) as relay:
        b.err("group", "join", "--etcd", relay.url)
        b.serve()
        b.err("group", "join", "--url", b.url)
        assert within(PATIENCE_S, lambda: problems(a) == [])
    assert within(2 * PATIENCE_S, lambda: [what for what, _ in found(a)] == list(told))
    assert found(a)[0][1] == "`xferzone group check` at b says more"
    assert found(b)[0][0].startswith(f"no answer from etcd: {relay.url}: ")


def test_whoever_is_left_in_another_life_hears_it_once(ann: Person, etcd: Running, held: ExitStack) -> None:
    a, b = begun(ann, etcd, held, "ab")
    b.serve()
    b.join()
    assert within(PATIENCE_S, lambda: problems(b) == [])
    key = f"xferzone/{project(a)}/group"
    other = json.loads(etcd.ctl("get", key, "--print-value-only")) | {"life": "0" * 32}
    etcd.ctl("put", key, json.dumps(other))
    ((what, remedy),) = found(b)
    assert "has another life of the group, " in what
    assert remedy == "`xferzone group join`, if another member has restored the group"


# -- leaving


def test_who_leaves_is_told_of_the_servers_that_go_on_with_what_there_is(
    ann: Person, etcd: Running, held: ExitStack
) -> None:
    a, b = begun(ann, etcd, held, "ab")
    server = held.enter_context(serving(b.file))
    assert within(PATIENCE_S, lambda: " alive (this one)" in b("group", "status"))
    a("set", "www.example.com", "A", "192.0.2.1")
    assert within(PATIENCE_S, lambda: server.dig("www.example.com") == ["192.0.2.1"])
    told = b.err("group", "leave")
    assert f"`xferzone up`, pid {server.process.pid}, runs here and answers with what this clone has" in told
    assert f"`xferzone -R NEW-FILE up --primary {a.url}` follows the group as a mirror" in told
    assert server.told("role was=member is=clone")
    assert server.told("WARNING the repository has left its group: nothing new comes any more")
    assert server.dig("www.example.com") == ["192.0.2.1"]
    assert server.dig_all("example.com", "AXFR").count("SOA") == 0
    told = a.err("group", "leave")
    assert "warning" not in told


def test_keys_that_were_set_back_are_named(
    ann: Person, etcd: Running, tmp_path: Path, held: ExitStack
) -> None:
    """No server runs here: the group program of one would bring them forward again."""
    with ExitStack() as before:
        (a,) = begun(ann, etcd, before, "a")
    key = f"xferzone/{project(a)}/ref/example.com/main"
    old = etcd.ctl("get", key, "--print-value-only").strip()
    etcd.ctl("snapshot", "save", tmp_path / "backup")
    a("set", "www.example.com", "A", "192.0.2.1")
    now = etcd.ctl("get", key, "--print-value-only").strip()
    etcd.ctl("put", key, old)
    assert any("example.com/main" in what and "group restore" in remedy for what, remedy in found(a))
    etcd.ctl("put", key, now)
    assert [what for what, _ in found(a)] == ["the group program of a does not run"]
    etcd.ctl("del", key)
    assert any(
        "the group has no such branch" in what and "group restore" in remedy for what, remedy in found(a)
    )
    etcd.process.kill()
    etcd.process.wait()
    restored(tmp_path / "backup", tmp_path / "again")
    with running(tmp_path / "again", port=int(etcd.url.rpartition(":")[2])):
        what, remedy = found(a)[0]
        assert "is another cluster than before" in what
        assert "it was restored or made anew" in what
        assert "group check" not in what
        assert "`xferzone group restore` writes the keys again" in remedy
