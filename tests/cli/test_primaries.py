"""Two primaries of one project, with real servers: they refuse each other, and become one by `demote`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_itself import at, rows
from tests.cli.test_remotes import artifacts, ref
from tests.live import serving

pytestmark = pytest.mark.interop

REMEDIES = ("xferzone demote URL", "xferzone group join", "xferzone pull --watch URL")


@pytest.fixture
def ann(zone: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command line where ann may do everything at zones.xferzone, and at new.xferzone, which was a clone of it.

    Both are primaries now, and both have changed www.
    """
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw-ann")

    def done(*words: str, stdin: str = "") -> None:
        ran = zone(*words, stdin=stdin)
        assert ran.code == 0, ran.err

    for file in ("zones.xferzone", "new.xferzone"):
        if file == "new.xferzone":
            with serving(Path("zones.xferzone"), "serve") as server:
                done("clone", at(server.url()), file)
            done("-R", file, "promote")
        done("-R", file, "user", "add", "ann", "--admin", "--password-stdin", stdin="pw-ann\n")
    done("set", "www.example.com", "A", "192.0.2.7")
    done("set", "old.example.com", "A", "192.0.2.7")
    done("-R", "new.xferzone", "set", "www.example.com", "A", "192.0.2.8")
    return zone


@pytest.mark.parametrize("verb", ["sync", "pull", "push"])
def test_two_primaries_refuse_each_other_and_say_what_to_do(ann: Run, tmp_path: Path, verb: str) -> None:
    here, there = tmp_path / "zones.xferzone", tmp_path / "new.xferzone"
    before = rows(here), rows(there)
    with serving(there, "serve") as server:
        refused = ann(verb, at(server.url()))
        assert (refused.code, refused.out) == (7, "")
        assert "two primaries of one project met" in refused.err
        assert "nothing was taken or given" in refused.err
        assert all(remedy in refused.err for remedy in REMEDIES)
        told = json.loads(ann("--format", "json", verb, at(server.url())).out)
        assert told["error"]["code"] == 7
        assert server.told("outcome=error", 2)
        log = server.log.read_text()
    assert (rows(here), rows(there)) == before
    (line,) = {line.partition(" why=")[2] for line in log.splitlines() if "outcome=error" in line}
    assert "two primaries of one project met" in line
    assert all(remedy in line for remedy in REMEDIES)


def test_a_primary_that_is_demoted_gives_what_only_it_has_and_follows(ann: Run, tmp_path: Path) -> None:
    here, there = tmp_path / "zones.xferzone", tmp_path / "new.xferzone"
    with serving(there, "serve") as server:
        demoted = ann("demote", at(server.url()))
        assert demoted.code == 0
        assert demoted.err == f"demoted: this is a clone of {at(server.url())} now\nnext: xferzone sync\n"
        shown = ann("status").out
        assert "role: clone\n" in shown
        assert "  example.com/main: 1 check-in\n" in shown
        done = ann("sync")
        assert done.code == 4
        assert "example.com/main-fork-" in done.err
        assert ref(here) == ref(there)
        assert artifacts(here) == artifacts(there)
        assert "192.0.2.8" in ann("show", "www.example.com").out
        replayed = ann("sync", "--replay")
        assert replayed.code == 4, replayed.err  # both changed www; what only one did is made again by hand
        assert ann("sync").code == 0
        assert ann("set", "old.example.com", "A", "192.0.2.7").code == 0
        assert ann("push").code == 0
        assert ref(here) == ref(there)
    assert "192.0.2.7" in ann("-R", "new.xferzone", "show", "old.example.com").out
    assert ann("check").code == 0
    assert ann("-R", "new.xferzone", "check").code == 0


def test_a_primary_whose_line_the_other_one_lacks_brings_it_whole(zone: Run, tmp_path: Path) -> None:
    """As after a restore of a backup elsewhere: the other one goes on where this one stands."""
    assert zone("user", "add", "ann", "--admin", "--password-stdin", stdin="pw-ann\n").code == 0
    assert zone("backup", "new.xferzone").code == 0
    for number in range(5):
        assert zone("set", "www.example.com", "A", f"192.0.2.{number}").code == 0
    assert zone("tag", "example.com", "v1").code == 0
    stood = ref(tmp_path / "zones.xferzone")
    with serving(tmp_path / "new.xferzone", "serve") as server:
        assert zone("demote", at(server.url()).replace("ann@", "ann:pw-ann@")).code == 0
        done = zone("push", at(server.url()).replace("ann@", "ann:pw-ann@"))
        assert done.code == 0, done.err
    assert ref(tmp_path / "new.xferzone") == stood
    assert artifacts(tmp_path / "new.xferzone") == artifacts(tmp_path / "zones.xferzone")
    assert "pw-ann" not in zone("remote").out


def test_a_demoted_primary_without_the_right_to_push_is_told(ann: Run, tmp_path: Path) -> None:
    assert ann("-R", "new.xferzone", "user", "caps", "ann", "--read").code == 0
    with serving(tmp_path / "new.xferzone", "serve") as server:
        assert ann("demote", at(server.url())).code == 0
        assert "are kept here, and not published" in ann("sync").err
        done = ann("push")
    assert done.code == 77
    assert "takes no pushes from this account; 1 artifact stays here unsent" in done.err


def test_what_is_not_a_primary_is_not_demoted(ann: Run) -> None:
    url = "https://ann@dns.example.net/"
    assert ann("demote", url).code == 0
    again = ann("demote", "https://other.example.net/")
    assert (again.code, "it is a clone already" in again.err) == (0, True)
    assert ann("remote").out == f"origin {url}\n"


def test_a_repair_from_another_primary_goes(ann: Run, tmp_path: Path) -> None:
    """It asks by hash for what is here, and takes nothing else."""
    with serving(tmp_path / "new.xferzone", "serve") as server:
        assert ann("repair", at(server.url())).code == 0
