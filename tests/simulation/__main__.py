"""`python -m tests.simulation [COUNT]`: seeds 1 to COUNT of each kind and level; `--kind K --seed N --level L`: one."""

import argparse
import logging
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from tests.simulation.files import FilesWorld
from tests.simulation.group.directed import DIRECTED
from tests.simulation.group.joint import JointWorld
from tests.simulation.group.world import GroupWorld
from tests.simulation.luck import LEVELS
from tests.simulation.tables import TablesWorld
from tests.simulation.world import World

_FAST: Final = Path("/dev/shm")
KINDS: Final[dict[str, type[World]]] = {
    "primary": World,
    "group": GroupWorld,
    "joint": JointWorld,
    "files": FilesWorld,
    "tables": TablesWorld,
}
_EVERY: Final[dict[str, Callable[[int, int, Path], World]]] = {**KINDS, **DIRECTED}


def main() -> int:
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a history
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    logging.disable()  # the story tells it
    given = _arguments()
    levels = LEVELS if given.level is None else (given.level,)
    seeds = range(given.first, given.first + given.count) if given.seed is None else (given.seed,)
    failed = False
    for kind in KINDS if given.kind is None else (given.kind,):
        tally = _Tally(kind)
        for level in levels:
            for seed in seeds:
                tally.run(seed, level, given.trace)
                if tally.failed and given.stop:
                    break
        print(tally)
        failed |= bool(tally.failed)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=10, help="seeds a level")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--level", type=int, choices=LEVELS, help="this level alone")
    parser.add_argument("--kind", choices=_EVERY, help="these histories alone")
    parser.add_argument("--trace", type=Path, help="write the last history here")
    parser.add_argument("--stop", action="store_true", help="at the first that fails")
    return parser.parse_args()


class _Tally:
    """What came of all histories."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.failed: list[str] = []
        self._fired: Counter[str] = Counter()
        self._seconds: list[float] = []
        self._rounds: list[int] = []
        self._steps = self._crashes = 0

    def run(self, seed: int, level: int, trace: Path | None) -> None:
        """Live through one history."""
        began = time.process_time()
        with tempfile.TemporaryDirectory(
            dir=_FAST if _FAST.is_dir() else None, prefix="simulation-"
        ) as directory:
            world = _EVERY[self._kind](seed, level, Path(directory))
            try:
                world.run()
            except Exception as exc:  # noqa: BLE001 whatever it is, it is the result
                self._fail(world, exc, f"--kind {self._kind} --seed {seed} --level {level}")
            self._seconds.append(time.process_time() - began)
            self._fired += world.luck.fired
            self._rounds.append(world.rounds)
            self._steps += world.steps
            self._crashes += world.crashes
            if trace is not None:
                trace.write_text(str(world.story), errors="backslashreplace")

    def _fail(self, world: World, exc: Exception, which: str) -> None:
        world.story.tell("", f"BROKEN: {type(exc).__name__}: {exc}")
        self.failed.append(which)
        traceback.print_exception(exc, limit=-8)
        print(f"again: python -m tests.simulation {which} --trace story.txt", flush=True)

    def __str__(self) -> str:
        kinds: Counter[str] = Counter()
        for site, count in self._fired.items():
            kinds[site.partition(".")[0]] += count
        sites = ", ".join(f"{site} {count}" for site, count in sorted(self._fired.items()))
        by_kind = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        return (
            f"{sites}\n{self._kind}: {len(self._seconds)} histories, {len(self.failed)} broken, {self._steps} steps, "
            f"{sum(kinds.values())} faults ({by_kind or 'none'}) at {len(self._fired)} places, "
            f"{self._crashes} crashes, "
            f"equal after {max(self._rounds)} rounds at most, {median(self._seconds):.2f} s CPU a seed (median)"
        )


if __name__ == "__main__":
    sys.exit(main())
