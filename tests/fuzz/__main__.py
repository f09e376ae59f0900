"""`make fuzz`, and one input again.

    python -m tests.fuzz [--kind KIND ...] [--minutes M | --seconds S] [--seed N] [--into DIRECTORY]
    python -m tests.fuzz --kind KIND --input FILE
    python -m tests.fuzz [--kind KIND ...] --merge DIRECTORY

Each kind is a process of its own, as many at a time as there are processors. Inputs that reach new code go to
DIRECTORY/KIND, findings to DIRECTORY/findings. The exit code is 1 if there is any finding. --merge takes those of
DIRECTORY/KIND into the corpus that reach lines which nothing reaches that is there.
"""

import argparse
import os
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.fuzz.engine import merge, wrong
from tests.fuzz.kinds import KINDS
from tests.fuzz.process import one


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", action="append", choices=sorted(KINDS))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float)
    length.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--into", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--input", type=Path)
    parser.add_argument("--merge", type=Path)
    given = parser.parse_args()
    kinds = given.kind or list(KINDS)
    if given.merge is not None:
        for name in kinds:
            print(f"{name}: {merge(KINDS[name], given.merge / name)} inputs more")
        return 0
    if given.input is not None:
        what = wrong(KINDS[kinds[0]], given.input.read_bytes())
        print(what or "nothing is wrong with it")
        return what is not None
    seconds = given.seconds if given.minutes is None else 60 * given.minutes
    print(f"seed {given.seed}, {seconds:.0f} s of processor time a kind", flush=True)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        runs = [pool.submit(one, name, given.seed, seconds, given.into) for name in kinds]
        return max([each.result() for each in runs])


if __name__ == "__main__":
    sys.exit(main())
