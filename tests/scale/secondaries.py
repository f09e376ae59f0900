"""named, knotd and nsd follow a zone of a million records, without TSIG and with it (tests/interop/followed.py).

python -m tests.scale.secondaries [RECORDS [MANY [BURST]]]     some half an hour; a line for each step; 1: one was late
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.interop.followed import GOAL_S, ZONE, Step, World, course

RECORDS: Final = 1_000_000
MANY: Final = 5_000
BURST: Final = 1_000  # ten seconds of it
PATIENCE_S: Final = 300.0
MOST_S: Final = 5 * GOAL_S  # on a busy machine; of all steps but those that move much


def followed(directory: Path, records: int, many: int, burst: int, *, signed: bool) -> list[Step]:
    """The steps of one course."""
    world = World(directory, records, signed, PATIENCE_S)
    world.add(ZONE, records)
    with world.running() as server:
        course(world, server, many=many, burst=burst)
    return world.steps


def main(records: int = RECORDS, many: int = MANY, burst: int = BURST) -> int:
    late = []
    for signed in (False, True):
        print("with TSIG" if signed else "without TSIG", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            steps = followed(Path(directory), records, many, burst, signed=signed)
        large = (f"{records:,} records by AXFR", f"IXFR after {many:,}")
        small = [step for step in steps if step.what not in large]
        late += [step for step in small if max(step.waits.values()) > MOST_S]
        over = sum(max(step.waits.values()) > GOAL_S for step in small)
        print(f"{over} of {len(small)} steps took over {GOAL_S} s", flush=True)
    for step in late:
        print(f"LATE: {step}")
    return bool(late)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
