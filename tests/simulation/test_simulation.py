"""Some histories of each kind, and what a history is: the same for the same seed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.live import PROJECT
from tests.simulation.group.directed import DIRECTED

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
    told = simulated("10", "--kind", "primary", "--level", str(level), "--first", str(first))
    assert "10 histories, 0 broken" in told


@pytest.mark.parametrize("level", [0, 10, 20])
def test_members_of_a_group_keep_what_was_accepted_and_become_equal(level: int) -> None:
    assert "5 histories, 0 broken" in simulated("5", "--kind", "group", "--level", str(level))


@pytest.mark.parametrize(("level", "first"), [(0, 1), (10, 1), (20, 5)])
def test_what_one_command_changes_is_accepted_and_served_as_a_whole(level: int, first: int) -> None:
    told = simulated("3", "--kind", "joint", "--level", str(level), "--first", str(first))
    assert "3 histories, 0 broken" in told


@pytest.mark.parametrize("kind", DIRECTED)
def test_what_chance_seldom_brings_together_breaks_nothing(kind: str) -> None:
    assert "3 histories, 0 broken" in simulated("3", "--kind", kind, "--level", "0")


@pytest.mark.parametrize("level", [0, 10, 20])
def test_replicas_keep_the_newest_of_each_unversioned_file(level: int) -> None:
    assert "20 histories, 0 broken" in simulated("20", "--kind", "files", "--level", str(level))


@pytest.mark.parametrize("level", [0, 10, 20])
def test_replicas_come_to_the_same_rows_and_nobody_writes_those_of_others(level: int) -> None:
    assert "20 histories, 0 broken" in simulated("20", "--kind", "tables", "--level", str(level))


@pytest.mark.parametrize(("kind", "seed"), [("primary", "3"), ("group", "3")])
def test_the_same_seed_tells_the_same_story(tmp_path: Path, kind: str, seed: str) -> None:
    stories = []
    for name in ("one", "two"):
        simulated("--kind", kind, "--seed", seed, "--level", "20", "--trace", str(tmp_path / name))
        stories.append((tmp_path / name).read_text())
    assert "CRASH" in stories[0]
    assert "is lost" in stories[0]
    assert "all are equal" in stories[0]
    assert stories[0] == stories[1]
