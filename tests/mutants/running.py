"""A mutant in a copy of the package, and the histories that are to find it."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.live import PROJECT
from tests.mutants.mutant import Mutant

LEVEL: Final = 20
_LATEST_S: Final = (
    20  # times the patience, by the clock on the wall, after which a machine is taken to stand still
)
_AGAIN: Final = re.compile(r"^again: .*--seed (\d+) ", re.MULTILINE)


class TookTooLong(Exception):
    """The histories did not end within the patience: whether they find the mutant is not known."""


def found_by(mutant: Mutant, seeds: Sequence[int], patience_s: int) -> int | None:
    """The first of these consecutive seeds that finds it. None: none does.

    Args:
        patience_s: seconds of CPU that all histories together may take.

    Raises:
        TookTooLong: as it says. It is for people to see whether a history does not end because of the mutant.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        root = Path(directory)
        shutil.copytree(PROJECT / "xferzone", root / "xferzone", ignore=shutil.ignore_patterns("__pycache__"))
        for each in ("tests", "pyproject.toml", "setup.cfg"):
            (root / each).symlink_to(PROJECT / each)
        mutant.apply(root)
        code, told = _lived(root, mutant.kind, seeds, patience_s)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TookTooLong(
            f"{mutant.name}: {len(seeds)} histories from seed {seeds[0]} on, {patience_s} s of CPU"
        )
    again = _AGAIN.search(told)
    assert (again is None) == (code == 0), told
    return None if again is None else int(again[1])


def _lived(root: Path, kind: str, seeds: Sequence[int], patience_s: int) -> tuple[int, str]:
    """Live through the histories with the package under `root`; the exit code, and what was told."""
    options = f"--first {seeds[0]} --level {LEVEL} --stop --kind {kind}"
    command = [sys.executable, "-m", "tests.simulation", str(len(seeds)), *options.split()]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (patience_s, patience_s + 5))

    done = subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(root)},
        timeout=_LATEST_S * patience_s,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    return done.returncode, done.stdout + done.stderr
