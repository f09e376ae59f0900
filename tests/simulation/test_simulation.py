"""Fifty histories, and what a history is: the same for the same seed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.live import PROJECT

PATIENCE_S: Final = 280.0


def simulated(*argv: str) -> str:
    """What the program prints. It runs by itself, since the order of sets is part of a history."""
    command = [sys.executable, "-m", "tests.simulation", *argv]
    env = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, cwd=PROJECT, env=env, timeout=PATIENCE_S, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3_000:]}{done.stderr[-3_000:]}"
    return done.stdout


@pytest.mark.parametrize(("level", "first"), [(0, 1), (10, 1), (10, 11), (20, 1), (20, 11)])
def test_nothing_is_lost_and_all_become_equal(level: int, first: int) -> None:
    assert "10 histories, 0 broken" in simulated("10", "--level", str(level), "--first", str(first))


def test_the_same_seed_tells_the_same_story(tmp_path: Path) -> None:
    stories = []
    for name in ("one", "two"):
        simulated("--seed", "3", "--level", "20", "--trace", str(tmp_path / name))
        stories.append((tmp_path / name).read_text())
    assert "CRASH" in stories[0]
    assert "is lost" in stories[0]
    assert "all are equal" in stories[0]
    assert stories[0] == stories[1]
