"""Mirrors that follow a primary by themselves: real servers on loopback, real questions."""

import json
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.interop.nodes import PASSWORD, ZONE, Node, Primary, same
from tests.live import PATIENCE_S, XFERZONE, background, dig, within
from xferzone.repository.make import make_mirror

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

SOON_S = 2.0  # seconds until a change is on the mirror, with announcements
CHANGES = 30
LATE_S = 20.0  # seconds, on a busy machine
BACK_OFF_S = 90.0  # seconds for what waits until a primary is asked again, which may be 60


@pytest.fixture
def primary(tmp_path: Path) -> Primary:
    made = Primary(tmp_path / "primary.xferzone")
    made.set("www", "192.0.2.1")
    return made


@pytest.fixture
def mirror(tmp_path: Path) -> Node:
    return Node(tmp_path / "mirror.xferzone")


def test_an_empty_secondary_refuses_until_it_has_caught_up_and_then_answers(
    primary: Primary, mirror: Node
) -> None:
    with mirror.following(primary):
        answer = dig(mirror.dns, "www.example.com")
        assert "status: REFUSED" in answer
        assert "EDE: 14 (Not Ready): (this mirror has not caught up with its primary" in answer
        ready, why = mirror.get("/readyz")
        assert (ready, json.loads(why)["checks"]["mirror"][:21]) == (503, "this mirror is empty:")
        assert mirror.get("/v0/refs")[0] == 503
        assert "not ready: this mirror is empty" in mirror.xferzone("status").out
        assert mirror.xferzone("log", ZONE, code=5).err.startswith("xferzone: this mirror is empty")
        with primary.up():
            assert within(BACK_OFF_S, lambda: mirror.a("www") == ["192.0.2.1"]), mirror.log.read_text()
            assert dig(mirror.dns, "www.example.com", "A", "+short") == "192.0.2.1\n"
            assert mirror.get("/readyz")[0] == 200
            assert same(primary, mirror)
            words = ("zone", "export", ZONE)
            assert mirror.xferzone(*words).out == primary.xferzone(*words).out
    mirror.check()


def test_rows_of_synced_tables_come_with_the_polls(primary: Primary, mirror: Node) -> None:
    primary.xferzone(
        "table", "define", "hosts", "--column", "host:text", "--column", "port:integer", "--key", "host"
    )
    primary.xferzone("table", "put", "hosts", "host=ns1", "port=53")
    walked = ("table", "rows", "hosts")
    with primary.up(), mirror.following(primary):
        assert within(PATIENCE_S, lambda: "rows=1" in mirror.log.read_text())
        assert mirror.xferzone(*walked).out == primary.xferzone(*walked).out != ""
        primary.xferzone("table", "put", "hosts", "host=ns2", "port=5353")
        assert within(LATE_S, lambda: mirror.xferzone(*walked).out == primary.xferzone(*walked).out)
        assert "mirror" in mirror.xferzone("table", "put", "hosts", "host=ns3", "port=1", code=7).err


@pytest.mark.alone
@pytest.mark.parametrize(
    ("interval", "via", "changes", "bound_s"),
    [("5s", "walk", CHANGES, SOON_S), ("1s", "xfer", CHANGES // 3, 1 + SOON_S)],
)
def test_a_live_change_is_answered_soon(
    primary: Primary, mirror: Node, interval: str, via: str, changes: int, bound_s: float
) -> None:
    with primary.up(), mirror.following(primary, interval=interval, via=via):
        assert within(PATIENCE_S, lambda: mirror.a("www") == ["192.0.2.1"])
        took = []
        for number in range(changes):
            primary.set("www", f"192.0.2.{100 + number}")
            began = time.monotonic()
            assert within(PATIENCE_S, partial(mirror.answers, f"192.0.2.{100 + number}"))
            took.append(time.monotonic() - began)
        assert sum(each <= bound_s for each in took) == changes, sorted(took)
    print(f"{via}: median {sorted(took)[changes // 2]:.3f} s, largest {max(took):.3f} s")


def test_a_mirror_answers_on_when_its_primary_is_killed_tells_its_lag_and_converges(
    primary: Primary, mirror: Node
) -> None:
    with mirror.following(primary, interval="1s"):
        with primary.up():
            assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.1"])
            primary.kill()
        assert within(LATE_S, lambda: "lag outcome=begins" in mirror.log.read_text())
        assert mirror.a("www") == ["192.0.2.1"]
        found = mirror.status()
        assert isinstance(found["behind_seconds"], float)
        assert found["behind_seconds"] > 0
        assert "cannot be reached" in json.dumps(found["primaries"])
        assert "failed" in mirror.xferzone("status").out
        lines = mirror.get("/metrics")[1].splitlines()
        (behind,) = [line for line in lines if line.startswith("xferzone_mirror_behind_seconds ")]
        assert float(behind.split()[1]) > 0
        url = f'{{primary="http://127.0.0.1:{primary.http}/"}}'
        (failed,) = [line for line in lines if f"last_error_timestamp_seconds{url}" in line]
        assert float(failed.split()[1]) > time.time() - 60
        primary.set("www", "192.0.2.2")
        with primary.up():
            assert within(BACK_OFF_S, lambda: mirror.a("www") == ["192.0.2.2"])
            assert within(LATE_S, lambda: "lag outcome=ends" in mirror.log.read_text())
            assert within(LATE_S, lambda: mirror.status()["behind_seconds"] == 0)
    mirror.check()


def test_everything_that_a_primary_does_follows(primary: Primary, mirror: Node) -> None:
    with primary.up(), mirror.following(primary):
        assert within(PATIENCE_S, lambda: mirror.a("www") == ["192.0.2.1"])
        primary.add("example.net")
        primary.set("www", "192.0.2.9", "example.net")
        assert within(LATE_S, lambda: mirror.a("www", "example.net") == ["192.0.2.9"])
        primary.xferzone("branch", ZONE, "next")
        primary.xferzone("set", "-b", "next", "www.example.com", "A", "192.0.2.77")
        primary.xferzone("tag", ZONE, "release")
        assert within(LATE_S, lambda: same(primary, mirror))
        assert within(LATE_S, lambda: mirror.xferzone("tag", ZONE).out == primary.xferzone("tag", ZONE).out)
        primary.xferzone("branch", ZONE, "next", "--close")
        told = primary.xferzone("branch", ZONE).out
        assert within(LATE_S, lambda: mirror.xferzone("branch", ZONE).out == told)
        primary.xferzone("zone", "remove", "example.net")
        assert within(LATE_S, lambda: mirror.a("www", "example.net") == ["REFUSED"])
        primary.xferzone("delete", "www.example.com")
        assert within(LATE_S, lambda: mirror.a("www") == ["NXDOMAIN"])
        assert within(LATE_S, lambda: same(primary, mirror))
    mirror.check()


def test_both_roads_give_the_same(primary: Primary, tmp_path: Path) -> None:
    for number in range(20):
        primary.set(f"host{number}", f"192.0.2.{number}")
    walker, other = Node(tmp_path / "walk.xferzone"), Node(tmp_path / "xfer.xferzone")
    with primary.up(), walker.following(primary), other.following(primary, via="xfer", interval="1s"):
        for each in (walker, other):
            assert within(LATE_S, partial(same, primary, each))
        for name in ("www.example.com", "host7.example.com", "example.com", "nosuch.example.com"):
            for rdtype in ("A", "SOA", "NS", "ANY"):
                asked = (
                    dig(node.dns, name, rdtype, "+noall", "+answer", "+authority")
                    for node in (primary, walker, other)
                )
                assert len(set(asked)) == 1
        exports = {node.xferzone("zone", "export", ZONE).out for node in (primary, walker, other)}
        assert len(exports) == 1
    walker.check()
    other.check()


def test_two_mirrors_follow_a_mirror(primary: Primary, mirror: Node, tmp_path: Path) -> None:
    below = [Node(tmp_path / f"below{number}.xferzone") for number in (1, 2)]
    with primary.up(), mirror.following(primary):
        assert within(LATE_S, lambda: same(primary, mirror))
        mirror.xferzone("user", "add", "mirror", "o", "--password-stdin", code=None)
        _add_account(mirror)
        with below[0].following(mirror), below[1].following(mirror):
            for each in below:
                assert within(LATE_S, partial(each.answers, "192.0.2.1"))
            primary.set("www", "192.0.2.2")
            for each in below:
                assert within(LATE_S, partial(each.answers, "192.0.2.2"))
                assert same(primary, each)
    for each in below:
        each.check()


def _add_account(node: Node) -> None:
    """Let mirrors read at it: accounts do not travel."""
    from xferzone.store import Store, accounts

    with Store.open(node.path) as store, store.writer() as writer:
        accounts.put_user(writer, "mirror", PASSWORD, "o")


def test_a_mirror_changes_primaries_and_one_that_lags_never_takes_it_back(
    primary: Primary, mirror: Node, tmp_path: Path
) -> None:
    fresh, stale = Node(tmp_path / "fresh.xferzone"), Node(tmp_path / "stale.xferzone")
    with primary.up():
        with stale.following(primary):
            assert within(LATE_S, lambda: same(primary, stale))
        _add_account(stale)  # from now on it is served and follows nobody
        primary.set("www", "192.0.2.2")
        with fresh.following(primary):
            assert within(LATE_S, lambda: same(primary, fresh))
        _add_account(fresh)
    with stale.up(), mirror.following(primary, stale, fresh, interval="500ms"):
        with primary.up():
            assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.2"]), mirror.log.read_text()
        assert within(LATE_S, lambda: "cannot be reached" in json.dumps(mirror.status()["primaries"]))
        stood = mirror.refs()
        assert within(LATE_S, lambda: _answered(mirror, stale))
        time.sleep(2)  # some polls at the one that lags
        assert mirror.refs() == stood
        assert mirror.a("www") == ["192.0.2.2"]
        with primary.up():
            primary.set("www", "192.0.2.3")
            assert within(BACK_OFF_S, lambda: mirror.a("www") == ["192.0.2.3"]), mirror.log.read_text()
        with fresh.following(primary, interval="500ms"), primary.up():
            assert within(BACK_OFF_S, lambda: same(primary, fresh))
        assert mirror.refs() == fresh.refs()
    mirror.check()


def _answered(mirror: Node, primary: Node) -> bool:
    """Whether the primary has ever answered the mirror."""
    told = mirror.status()["primaries"]
    assert isinstance(told, list)
    return any(each["last_success"] and str(primary.http) in each["url"] for each in told)


def test_a_primary_restored_from_a_backup_is_followed_only_when_that_is_accepted(
    primary: Primary, mirror: Node, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.xferzone"
    primary.xferzone("backup", str(backup))
    primary.set("www", "192.0.2.2")
    with mirror.following(primary, interval="500ms"):
        with primary.up():
            assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.2"])
        primary.xferzone("restore", str(backup))
        primary.set("mail", "192.0.2.25")
        with primary.up():
            assert within(LATE_S, lambda: "does not come after what is served" in mirror.log.read_text())
            assert mirror.a("www") == ["192.0.2.2"]
            assert mirror.a("mail") == ["NXDOMAIN"]
            assert within(LATE_S, lambda: mirror.status()["behind_seconds"] != 0)
            told = mirror.xferzone("pull", primary.url, code=7).err
            assert "example.com/main stays where it was: it does not come after what is served here" in told
            assert "`xferzone pull --accept-clobber` follows it" in told
            mirror.xferzone("pull", "--accept-clobber", primary.url)  # beside the follower
            assert same(primary, mirror)
            assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.1"])
            assert within(LATE_S, lambda: mirror.status()["behind_seconds"] == 0)
            primary.set("www", "192.0.2.4")
            assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.4"])
    mirror.check()


def test_a_promoted_mirror_follows_nobody_and_takes_changes(primary: Primary, mirror: Node) -> None:
    with mirror.following(primary, interval="500ms"):
        with primary.up():
            assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.1"])
            refused = mirror.xferzone("set", "www.example.com", "A", "192.0.2.9", code=7).err
            assert f"this is a mirror of http://127.0.0.1:{primary.http}/: commit there" in refused
            (_, before) = mirror.refs()["example.com/main"]
            mirror.xferzone("promote")
            (_, after) = mirror.refs()["example.com/main"]
            assert (before, after) == (before, (before or 0) + 1000)
            mirror.xferzone("set", "www.example.com", "A", "192.0.2.9")
            primary.set("www", "192.0.2.2")
            assert within(LATE_S, lambda: "follow outcome=ended" in mirror.log.read_text())
            assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.9"])
        assert mirror.status()["role"] == "primary"
    mirror.check()
    refused = mirror.xferzone("up", "--primary", primary.url, code=7).err
    assert (
        "is a primary, and does not follow by itself: to follow another, name a new file with -R" in refused
    )


def test_a_reload_applies_what_the_configuration_says_of_primaries(primary: Primary, mirror: Node) -> None:
    secret = mirror.path.with_name("secret")
    secret.write_text(f"{PASSWORD}\n")
    config = mirror.path.with_name(f"{mirror.path.name}.toml")
    settings = 'interval = "500ms"\nlogin = "mirror"\npassword = {file = "secret"}\n'
    config.write_text(f'[replicate]\nprimaries = ["http://127.0.0.1:1/"]\n{settings}')
    with primary.up(), mirror.up():
        assert within(LATE_S, lambda: "lag outcome=begins" in mirror.log.read_text())
        assert mirror.process is not None
        config.write_text(f'[replicate]\nprimaries = ["http://127.0.0.1:{primary.http}/"]\n{settings}')
        mirror.process.send_signal(signal.SIGHUP)
        assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.1"]), mirror.log.read_text()
        nobodys = settings.replace("secret", "none")
        config.write_text(f'[replicate]\nprimaries = ["http://127.0.0.1:1/"]\n{nobodys}')
        mirror.process.send_signal(signal.SIGHUP)
        assert within(LATE_S, lambda: "reload outcome=refused" in mirror.log.read_text())
        assert mirror.xferzone("remote").out.split() == ["origin", primary.url]
        config.write_text("")
        mirror.process.send_signal(signal.SIGHUP)
        assert within(LATE_S, lambda: "follower" not in mirror.processes())
        assert mirror.a("www") == ["192.0.2.1"]


def test_a_follower_that_dies_is_started_again_and_ends_in_time(primary: Primary, mirror: Node) -> None:
    with primary.up(), mirror.following(primary):
        assert within(PATIENCE_S, lambda: mirror.a("www") == ["192.0.2.1"])
        first = mirror.processes()["follower"]
        os.kill(first, signal.SIGKILL)
        assert within(LATE_S, lambda: mirror.processes().get("follower", first) != first)
        primary.set("www", "192.0.2.2")
        assert within(LATE_S, lambda: mirror.a("www") == ["192.0.2.2"])
        assert mirror.process is not None
        began = time.monotonic()
        mirror.process.send_signal(signal.SIGTERM)
        assert mirror.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began < 9  # twice the time between TERM and KILL is 10
        assert "signal 9" in mirror.log.read_text()


def test_a_mirror_takes_no_pushes_and_names_its_primary(
    primary: Primary, mirror: Node, tmp_path: Path
) -> None:
    with primary.up(), mirror.following(primary):
        assert within(PATIENCE_S, lambda: mirror.a("www") == ["192.0.2.1"])
        from xferzone.store import Store, accounts

        with Store.open(mirror.path) as store, store.writer() as writer:
            accounts.put_user(writer, "ann", PASSWORD, "s")
        clone = Node(tmp_path / "clone.xferzone")
        url = f"http://ann@127.0.0.1:{mirror.http}/"
        clone.xferzone("clone", url)
        clone.xferzone("set", "www.example.com", "A", "192.0.2.9")
        for verb in ("push", "sync"):
            told = clone.xferzone(verb, code=77).err
            assert (
                f"this mirror takes no pushes; push to its primary, http://127.0.0.1:{primary.http}/" in told
            )
        assert mirror.refs() == primary.refs()


def test_a_password_is_kept_once_a_primary_has_taken_it(primary: Primary, mirror: Node) -> None:
    secret = mirror.path.with_name("secret")
    save = ("pull", "--save-password", "--password-file", str(secret))
    kept = mirror.path.with_name(f"{mirror.path.name}.passwords")
    make_mirror(mirror.path)
    with primary.up():
        secret.write_text("wrong\n")
        mirror.xferzone(*save, primary.url, code=77)
        assert not kept.exists()
        secret.write_text(f"{PASSWORD}\n")
        mirror.xferzone(*save, primary.url)
        assert json.loads(kept.read_text()) == {primary.url: PASSWORD}
        kept.unlink()
        argv = [
            *XFERZONE,
            "-R",
            str(mirror.path),
            *save,
            "--watch",
            "http://mirror@127.0.0.1:1/",
            primary.url,
        ]
        with background(argv, mirror.env, mirror.path.with_name("watch.log")) as process:
            assert within(LATE_S, kept.exists)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
    assert set(json.loads(kept.read_text())) == {"http://mirror@127.0.0.1:1/", primary.url}


def test_pull_watch_makes_a_mirror_and_ends_well(primary: Primary, mirror: Node) -> None:
    argv = [
        *XFERZONE,
        "-R",
        str(mirror.path),
        "pull",
        "--watch",
        "--interval",
        "500ms",
        "http://127.0.0.1:1/",
        primary.url,
    ]
    log = mirror.path.with_name("watch.log")
    with background(argv, mirror.env, log) as process:
        assert within(PATIENCE_S, lambda: "behind: " in log.read_text())
        with primary.up():
            assert within(LATE_S, lambda: "caught up, after " in log.read_text())
            primary.set("www", "192.0.2.2")
            moved = f"pulled from http://127.0.0.1:{primary.http}/: 1 branch moved, received 2 artifacts; "
            assert within(LATE_S, lambda: moved in log.read_text())
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
    lines = log.read_text().splitlines()
    assert lines[0] == f"watching http://127.0.0.1:1/, http://127.0.0.1:{primary.http}/; Ctrl-C ends it"
    assert "Traceback" not in log.read_text()
    assert [line for line in lines if line.startswith("pulled ")] == [
        line for line in lines if "branch moved" in line
    ]
    assert same(primary, mirror)
    shutil.copy(mirror.path, mirror.path.with_name("copy"))
