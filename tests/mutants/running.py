"""A mutant in a copy of the package, and the histories that are to find it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.live import PROJECT
from tests.mutants.table import Mutant

LEVEL: Final = 20
_AGAIN: Final = re.compile(r"^again: .*--seed (\d+) ", re.MULTILINE)


def found_by(mutant: Mutant, seeds: Sequence[int], patience_s: float) -> int | None:
    """The first of these consecutive seeds that finds it. None: none does.

    A history that does not end within the patience has found it, too: the last seed is returned then.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        root = Path(directory)
        shutil.copytree(PROJECT / "xferzone", root / "xferzone", ignore=shutil.ignore_patterns("__pycache__"))
        for each in ("tests", "pyproject.toml", "setup.cfg"):
            (root / each).symlink_to(PROJECT / each)
        mutant.apply(root)
        argv = [str(len(seeds)), "--first", str(seeds[0]), "--level", str(LEVEL), "--stop"]
        env = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(root)}
        command = [sys.executable, "-m", "tests.simulation", *argv]
        try:
            done = subprocess.run(
                command, cwd=root, env=env, timeout=patience_s, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return seeds[-1]
    again = _AGAIN.search(done.stdout)
    assert (again is None) == (done.returncode == 0), done.stdout + done.stderr
    return None if again is None else int(again[1])
