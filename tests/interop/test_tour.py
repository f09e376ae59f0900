"""`make demo`: every step goes as announced, and nothing is left of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import PROJECT

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]

STEPS = 31
MOST_S = 560.0  # on a busy machine; alone it takes 25 s
PATIENCE_S = "20"  # seconds; likewise; visitors get its 2 s


def test_the_tour_goes_as_announced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = tour(tmp_path, os.environ["PATH"], PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.findall(r"^ *(\d+)\. ", done.stdout, re.MULTILINE)
    assert [int(number) for number in steps] == list(range(1, STEPS + 1))
    assert done.stdout.count("\n    ok\n") == STEPS
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in _commands_of_all()


def test_the_tour_ends_with_1_at_the_first_step_that_goes_otherwise(tmp_path: Path) -> None:
    """Here dig says something else than the server."""
    programs, home = tmp_path / "bin", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    (programs / "dig").write_text("#!/bin/sh\necho 192.0.2.99\n")
    (programs / "dig").chmod(0o755)
    done = tour(home, f"{programs}{os.pathsep}{os.environ['PATH']}", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("\n    ok\n") == 2
    assert "FAILED: dig" in done.stdout
    assert list(home.iterdir()) == []


def tour(home: Path, path: str, patience_s: str) -> subprocess.CompletedProcess[str]:
    """Run it with that HOME, which holds its temporary directory, too."""
    return subprocess.run(
        [sys.executable, "deploy/tour.py", "--patience", patience_s],
        cwd=PROJECT,
        env={"PATH": path, "HOME": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=MOST_S,
        check=False,
    )


def _commands_of_all() -> str:
    """The command lines of all processes."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it has ended
    return "\n".join(found)
