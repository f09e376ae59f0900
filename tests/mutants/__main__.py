"""`python -m tests.mutants [NAME ...]`: looks for each in up to SEEDS histories; says which seed finds it.

One for which the histories took too long counts as one that was not found.
"""

import sys
from typing import Final

from tests.mutants.running import TookTooLong, found_by
from tests.mutants.table import BY_NAME

SEEDS: Final = 200
PATIENCE_S: Final = 1_800  # of CPU


def main() -> int:
    missed = 0
    for name in sys.argv[1:] or BY_NAME:
        try:
            seed = found_by(BY_NAME[name], range(1, SEEDS + 1), PATIENCE_S)
            told = "NOT FOUND" if seed is None else f"found by seed {seed}"
        except TookTooLong as exc:
            seed, told = None, f"TOOK TOO LONG: {exc}"
        missed += seed is None
        print(f"{name}: {told}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
