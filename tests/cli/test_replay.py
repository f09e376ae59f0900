"""`sync --replay` makes work that lost a race again where both sides are disjoint; `--quiet` prints nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import Server, serving


@pytest.fixture
def server(zone: Run, tmp_path: Path) -> Iterator[Server]:
    """The primary that zones.xferzone is; c.xferzone is a clone of it that may push."""
    assert zone("user", "caps", "nobody", "gio").code == 0
    with serving(tmp_path / "zones.xferzone", "serve") as started:
        assert zone("clone", started.url(), "c.xferzone").code == 0
        yield started


def at_clone(run: Run) -> Run:
    return lambda *words, **more: run("-R", "c.xferzone", *words, **more)


@pytest.fixture
def raced(zone: Run, server: Server) -> Run:
    """The clone, whose two check-ins have lost a race that its last sync told of."""
    ours = at_clone(zone)
    assert ours("set", "a.example.com", "A", "192.0.2.1", "-m", "a is new").code == 0
    assert ours("set", "b.example.com", "A", "192.0.2.2", "--as", "bob").code == 0
    assert zone("set", "www.example.com", "A", "192.0.2.9").code == 0
    return ours


def test_disjoint_work_is_made_again_and_sent(zone: Run, raced: Run) -> None:
    done = raced("sync", "--replay")
    assert done.code == 0, done.err
    assert done.out.count("example.com/main: ") == 2
    assert [line for line in done.out.splitlines() if line.startswith("+")] == [
        "+a 3600 A 192.0.2.1",
        "+b 3600 A 192.0.2.2",
    ]
    for run in (zone, raced):
        text = run("zone", "export", "example.com").out
        assert [line for line in text.splitlines() if line[:1] in ("a", "b", "w")] == [
            "a 3600 A 192.0.2.1",
            "b 3600 A 192.0.2.2",
            "www 300 A 192.0.2.9 ; the web server",
        ]
    second, first = zone("log", "example.com/main", "-n", "2").out.splitlines()
    assert "ann [pushed by nobody]: a is new" in first
    assert " bob [pushed by nobody]: " in second
    for run in (zone, raced):
        assert "lost races" not in run("status").out
        assert run("check").code == 0
    assert "not pushed: 0 artifacts" in raced("status").out
    again = raced("sync", "--replay")
    assert (again.code, "is now" in again.out) == (0, False)


def test_without_it_the_message_names_it_and_a_later_sync_can_do_it(zone: Run, raced: Run) -> None:
    assert raced("set", "b.example.com", "A", "192.0.2.3").code == 0
    lost = raced("sync")
    assert lost.code == 4
    assert "`xferzone sync --replay` does it again" in lost.err
    # One check-in of it is another person's, so it is not taken for one's own once the sync is over.
    assert "is now" not in raced("sync", "--replay").out
    assert raced("set", "c.example.com", "A", "192.0.2.4").code == 0
    assert zone("set", "www.example.com", "A", "192.0.2.10").code == 0
    assert raced("sync").code == 4
    told = json.loads(raced("--format", "json", "sync", "--replay").out)
    (one,) = told["replayed"]
    assert (one["branch"], len(one["commits"])) == ("example.com/main", 1)
    assert one["fork"].startswith("example.com/main-fork-")
    (change,) = one["commits"][0]["changes"]
    assert (change["action"], change["name"]) == ("add", "c.example.com.")
    assert zone("show", "c.example.com").out == "c.example.com. 3600 A 192.0.2.4\n"


def test_what_both_changed_is_left_and_told(zone: Run, raced: Run) -> None:
    assert raced("set", "www.example.com", "A", "192.0.2.7").code == 0
    lost = raced("sync", "--replay")
    assert lost.code == 4
    assert "was not made again" in lost.err
    assert "yours   www 300 A 192.0.2.7" in lost.err
    for run in (zone, raced):
        assert run("show", "a.example.com").code == 5
        assert run("show", "www.example.com").out == "www.example.com. 300 A 192.0.2.9\n"
    assert "lost races: 1" in raced("status").out
    assert raced("sync").code == 0
    refused = raced("sync", "--replay")
    assert refused.code == 0  # bob made some of it


def test_what_is_there_already_is_only_closed(zone: Run, server: Server) -> None:
    ours = at_clone(zone)
    assert ours("set", "a.example.com", "A", "192.0.2.1").code == 0
    assert zone("set", "a.example.com", "A", "192.0.2.1").code == 0
    done = ours("sync", "--replay")
    assert done.code == 0, done.err
    assert "is there already" in done.out
    assert "lost races" not in zone("status").out


def test_it_is_for_clones_that_take_and_send(zone: Run, server: Server) -> None:
    assert "two primaries of one project met" in zone("sync", "--replay", server.url()).err
    for way in ("--pull", "--push"):
        assert at_clone(zone)("sync", "--replay", way).code == 2


@pytest.mark.parametrize("verb", ["sync", "pull", "push"])
def test_a_quiet_one_says_nothing_if_all_is_well(zone: Run, server: Server, verb: str) -> None:
    ours = at_clone(zone)
    if verb == "pull":
        zone("set", "a.example.com", "A", "192.0.2.1")
    else:
        ours("set", "a.example.com", "A", "192.0.2.1")
    done = ours(verb, "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert "192.0.2.1" in (ours if verb == "pull" else zone)("show", "a.example.com").out
    assert json.loads(ours("--format", "json", verb, "-q").out)["rounds"] >= 1
    lost = ours(verb, "-q", "http://127.0.0.1:1/")
    assert (lost.code, lost.out) == (69, "")
    assert lost.err
