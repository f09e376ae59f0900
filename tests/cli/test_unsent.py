"""What `status` says in a clone of work that its origin has not got."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import serving
from xferzone.cli.output import MAX_SHOWN

pytestmark = pytest.mark.interop


def unpushed(run: Run) -> list[str]:
    """The lines of `status` from "not pushed" on, up to what is published."""
    shown = run("-R", "c.xferzone", "status")
    assert shown.code == 0
    lines = shown.out.splitlines()
    (first,) = [at for at, line in enumerate(lines) if line.startswith("not pushed: ")]
    return lines[first : next(at for at, line in enumerate(lines) if line.startswith("published: "))]


def test_status_names_the_branches_whose_work_is_not_pushed(
    zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw-ann")
    assert zone("user", "add", "ann", "--password-stdin", stdin="pw-ann\n").code == 0

    def here(*words: str, stdin: str = "") -> None:
        done = zone("-R", "c.xferzone", *words, stdin=stdin)
        assert done.code == 0, done.err

    with serving(tmp_path / "zones.xferzone", "serve") as server:
        assert zone("clone", server.url().replace("://", "://ann@"), "c.xferzone").code == 0
        assert unpushed(zone) == ["not pushed: 0 artifacts"]
        here("set", "www.example.com", "A", "192.0.2.7")
        here("set", "www.example.com", "A", "192.0.2.8")
        here("tag", "example.com", "moved")
        assert unpushed(zone) == ["not pushed: 5 artifacts", "  example.com/main: 2 check-ins, 1 tag"]
        here("branch", "example.com", "canary")
        here("zone", "add", "other.test")
        assert unpushed(zone)[1:] == [
            "  example.com/canary: 1 check-in",
            "  example.com/main: 2 check-ins, 1 tag",
            "  other.test/main: 1 check-in",
        ]
        told = json.loads(zone("-R", "c.xferzone", "--format", "json", "status").out)
        assert told["unsent_branches"][1] == {"branch": "example.com/main", "checkins": 2, "tags": 1}
        here("push")
        assert unpushed(zone) == ["not pushed: 0 artifacts"]

        for number in range(MAX_SHOWN):
            here("branch", "example.com", f"b{number:02}")
        here("set", "www.example.com", "A", "192.0.2.9")
        here("set", "other.test", "TXT", "new")
        shown = unpushed(zone)
        assert len(shown) == 1 + MAX_SHOWN + 1
        assert shown[-1] == "  ... and 2 more: --format json has all"
        told = json.loads(zone("-R", "c.xferzone", "--format", "json", "status").out)
        assert len(told["unsent_branches"]) == MAX_SHOWN + 2
        assert told["unsent_branches"][-1]["branch"] == "other.test/main"
    assert "not pushed" not in zone("status").out
