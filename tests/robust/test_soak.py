"""Half a minute of `make soak`."""

import subprocess
import sys

import pytest

from tests.live import PROJECT

pytestmark = [pytest.mark.interop, pytest.mark.alone]

SECONDS = 30
SEED = 9
MOST_S = 600  # with its beginning and its end, on a busy machine


def test_nothing_acknowledged_is_lost_while_everything_goes_wrong_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.robust.soak", str(SECONDS), str(SEED)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=MOST_S,
    )
    assert done.returncode == 0, done.stdout
    assert "acknowledged by" in done.stdout
