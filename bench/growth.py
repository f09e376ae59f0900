"""How the cost of each kind of push grows: n, 2n and 4n artifacts, to a server and then to a clone that pulls them.

growth.py [WORD...]     only the kinds whose names have one of these words in them
"""

import sys
import tempfile
import time
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.robust.kinds import KINDS, START_MS, Pushes
from tests.robust.site import LOGIN, PASSWORD, PUSH, by_ops, made
from xferzone import exchange
from xferzone.cards import File, encode_cards
from xferzone.cards.body import UNCOMPRESSED
from xferzone.env import Env
from xferzone.exchange import Options, Terms
from xferzone.store import Store, turns
from xferzone.store.remotes import ORIGIN, Remote
from xferzone.sync.client.options import Account
from xferzone.transport import Body, InProcess

FROM: Final = 250  # n
#: CPU time, so that a busy machine cuts no transaction short.
ENV: Final = Env(clock_ms=lambda: START_MS + 10**9, monotonic=time.process_time)


class Cost(NamedTuple):
    """Seconds of CPU, and of its longest write transaction."""

    whole: float
    longest: float


def pushed(store: Store, requests: list[list[File]]) -> Cost:
    bodies = [by_ops(PUSH, encode_cards(cards)) for cards in requests]
    store.turns.longest = 0.0
    begun = time.process_time()
    for body in bodies:
        with exchange.answer(store, Body(UNCOMPRESSED, BytesIO(body)), Terms(env=ENV)).body:
            pass
    return Cost(time.process_time() - begun, store.turns.longest)


def costs(pushes: Pushes, directory: Path) -> tuple[Cost, Cost]:
    """Of the push, and of a pull by a clone that has what was there before."""
    with Store.open(made(directory / "server.xferzone")) as server:
        pushed(server, [list(pushes.before)])
        to = InProcess(lambda body: exchange.answer(server, body, Terms(env=ENV)).body)
        options = Options(
            push=False, account=Account(LOGIN, PASSWORD), env=ENV, remote=Remote(ORIGIN, "x://")
        )
        exchange.clone(directory / "clone.xferzone", to, options)
        push = pushed(server, [list(cards) for cards in pushes.requests])
        with Store.open(directory / "clone.xferzone") as clone:
            begun = time.process_time()
            exchange.sync(clone, to, options)
            return push, Cost(time.process_time() - begun, clone.turns.longest)


def growth(_directory: Path, words: list[str] | None = None) -> None:
    """A line for each kind: seconds of CPU for n, 2n and 4n, their ratios, and of the longest write transaction."""
    turns.clock = time.process_time
    for name, kind in KINDS.items():
        if words and not any(word in name for word in words):
            continue
        rows = []
        for size in (FROM, 2 * FROM, 4 * FROM):
            with tempfile.TemporaryDirectory(prefix="xferzone-growth-") as scratch:
                rows.append(costs(kind(size), Path(scratch)))
        for way, taken in zip(("push", "pull"), zip(*rows, strict=True), strict=True):
            whole = [cost.whole for cost in taken]
            ratios = [later / before for before, later in pairwise(whole)]
            print(
                f"{name if way == 'push' else '':52} {way} "
                + " ".join(f"{seconds:8.3f}" for seconds in whole)
                + "   "
                + " ".join(f"{ratio:5.2f}" for ratio in ratios)
                + f"   longest {max(cost.longest for cost in taken):.3f} s",
                flush=True,
            )


if __name__ == "__main__":
    growth(Path(), sys.argv[1:])
