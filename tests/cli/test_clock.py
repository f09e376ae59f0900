"""A machine whose clock was wrong once: the zone stays open, with one option (law 4); a doubtful clock is warned of.

tests/cli/future-clock.sh makes a commit 400 days ahead, then tries set, reset and zone remove with the right clock.
"""

import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import XFERZONE, free_port
from xferzone.store import Store

SCRIPT = Path(__file__).with_name("future-clock.sh")
DAY_S = 86_400
ORG = "@ 60 SOA ns1.example.net. h.example.net. 1 7200 3600 1209600 300\n@ 60 NS ns1.example.net.\n"


@pytest.mark.interop
def test_one_commit_far_ahead_does_not_shut_the_zone(tmp_path: Path) -> None:
    env = {"X": shlex.join(XFERZONE), "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", SCRIPT], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines if "rc " in line] == [
        "rc 0", "set rc 7", "reset rc 7", "zone remove rc 7",
    ]  # fmt: skip
    assert re.search(
        r"warning: this machine's clock says \S+ \S+ UTC, 400 days after the newest check-in", done.stdout
    )
    commands = [line.partition("to store it all the same: ")[2] for line in lines]
    (set_, reset, remove) = (command for command in commands if command)
    assert set_ == "xferzone set www.example.com. 60 A 192.0.2.81 --allow-older"
    assert remove == "xferzone zone remove example.com --allow-older"
    (place,) = tmp_path.glob("tmp.*")
    for command in (set_, "xferzone add www.example.com A 192.0.2.82", reset.removesuffix(" --allow-older")):
        words = [*XFERZONE, *shlex.split(command)[1:]]
        subprocess.run(words, cwd=place, env=env, check=True)
    subprocess.run([*XFERZONE, "zone", "remove", "example.com"], cwd=place, env=env, check=True)


@pytest.fixture
def ahead(zone: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A zone whose tip is dated 400 days ahead."""
    at = time.time_ns
    with monkeypatch.context() as wrong:
        wrong.setattr("time.time_ns", lambda: at() + 400 * DAY_S * 10**9)
        assert zone("set", "old.example.com", "A", "192.0.2.9").code == 0
    return zone


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ("set", "w.example.com", "TXT", "two words"),
            "xferzone set w.example.com TXT 'two words' --allow-older",
        ),
        (("set", "w.example.com", "TXT", "--", "-x"), "xferzone set w.example.com TXT --allow-older -- -x"),
        (
            ("add", "*.example.com", "A", "192.0.2.1"),
            "xferzone add '*.example.com' A 192.0.2.1 --allow-older",
        ),
        (("delete", "old.example.com"), "xferzone delete old.example.com --allow-older"),
        (("apply", "example.com", "-"), "xferzone apply example.com - --allow-older"),
        (("reset", "example.com", "main~1"), "xferzone reset example.com 'main~1' --allow-older"),
        (
            ("zone", "import", "example.com", "x.zone"),
            "xferzone zone import example.com x.zone --allow-older",
        ),
        (("zone", "remove", "example.com"), "xferzone zone remove example.com --allow-older"),
        (("branch", "example.com", "test"), "xferzone branch example.com test --allow-older"),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
def test_each_verb_that_writes_prints_its_whole_command(
    ahead: Run, tmp_path: Path, words: tuple[str, ...], command: str
) -> None:
    batch = "set b.example.com A 192.0.2.1\n"
    (tmp_path / "x.zone").write_text((tmp_path / "example.com.zone").read_text() + "x 60 A 192.0.2.3\n")
    before = ahead("log").out
    failed = ahead(*words, stdin=batch)
    assert (failed.code, failed.out) == (7, "")
    assert failed.err.splitlines()[-1].endswith(f"to store it all the same: {command}")
    assert ahead("log").out == before
    assert ahead(*shlex.split(command)[1:], stdin=batch).code == 0
    if words[0] not in ("zone", "branch"):
        assert ahead("set", "next.example.com", "A", "192.0.2.7").code == 0


def test_a_zone_that_was_removed_while_the_clock_was_wrong_comes_back(
    zone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = time.time_ns
    with monkeypatch.context() as wrong:
        wrong.setattr("time.time_ns", lambda: at() + 400 * DAY_S * 10**9)
        assert zone("zone", "remove", "example.com").code == 0
    add = ("zone", "add", "example.com", "--from", "example.com.zone")
    assert zone(*add).code == 7
    assert zone(*add, "--allow-older").code == 0


@pytest.mark.parametrize(("days", "is_warned"), [(30, False), (32, True)])
def test_a_clock_over_31_days_past_the_newest_check_in_is_doubted(
    zone: Run, monkeypatch: pytest.MonkeyPatch, days: int, is_warned: bool
) -> None:
    at = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: at() + days * DAY_S * 10**9)
    assert "clock" not in zone("set", "www.example.com", "300", "A", "192.0.2.1").err  # nothing changed
    done = zone("set", "www.example.com", "A", "192.0.2.7", "--strict")
    assert done.code == 0
    assert (f"{days} days after the newest check-in here" in done.err) == is_warned
    assert "clock" not in zone("set", "www.example.com", "A", "192.0.2.8").err


def test_old_work_that_came_last_does_not_make_the_clock_doubtful(zone: Run, tmp_path: Path) -> None:
    with Store.open(tmp_path / "zones.xferzone") as store, store.writer() as writer:
        writer.db.execute("UPDATE checkin SET date_ms = 0 WHERE rid = (SELECT max(rid) FROM checkin)")
    assert "clock" not in zone("set", "www.example.com", "A", "192.0.2.7").err


@pytest.mark.interop
def test_a_server_that_starts_with_a_doubtful_clock_says_so(zone: Run, tmp_path: Path) -> None:
    with Store.open(tmp_path / "zones.xferzone") as store, store.writer() as writer:
        writer.db.execute("UPDATE checkin SET date_ms = date_ms - ?", (40 * DAY_S * 1000,))
    words = (*XFERZONE, "-R", "zones.xferzone", "serve", "--listen", f"127.0.0.1:{free_port()}")
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = next((line for line in server.stderr if "clock" in line or "serve:" in line), "")
        server.terminate()
    assert "40 days after the newest check-in here" in said


def test_a_zone_whose_first_version_is_dated_ahead_takes_the_option_too(
    zone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = time.time_ns
    with monkeypatch.context() as wrong:
        wrong.setattr("time.time_ns", lambda: at() + 400 * DAY_S * 10**9)
        assert zone("zone", "add", "example.org", "--from", "-", stdin=ORG).code == 0
    assert zone("set", "www.example.org", "A", "192.0.2.1").code == 7
    assert zone("set", "www.example.org", "A", "192.0.2.1", "--allow-older").code == 0
    assert zone("set", "www.example.org", "A", "192.0.2.2").code == 0
    assert zone("set", "www.example.com", "A", "192.0.2.2").code == 0
