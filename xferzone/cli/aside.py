"""Compiling many zones on all processors: a first clone brings hundreds.

    tasks ─> some at a time to processes forked from this one ─> what they made, in order

A fork costs less than compiling ten zones; below that nothing is forked. The processes read no database and end with
this one.
"""

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context

from xferzone.cli.process import die_with
from xferzone.zone.compiling import Compiled, Task, compile_zone

_AT_ONCE = 8  # zones that go to a process together
_AHEAD = 64  # times as many that are read before the first is asked for


def compile_aside(tasks: Iterable[Task]) -> Iterator[Compiled]:
    """What compile_zone makes of each task, in order; begun at once."""
    left = iter(tasks)
    first = list(islice(left, _AT_ONCE + 1))
    if len(first) <= _AT_ONCE:
        return map(compile_zone, first)
    return _from(chain(first, left))


def _from(tasks: Iterator[Task]) -> Iterator[Compiled]:
    processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (os.getpid(),))
    under_way: deque[Future[list[Compiled]]] = deque()

    def send() -> None:
        while len(under_way) < _AHEAD and (batch := list(islice(tasks, _AT_ONCE))):
            under_way.append(pool.submit(_compile, batch))

    def results() -> Iterator[Compiled]:
        try:
            while under_way:
                made = under_way.popleft().result()
                send()
                yield from made
        finally:
            pool.shutdown(cancel_futures=True)

    send()
    return results()


def _begin(parent: int) -> None:
    die_with(parent)
    # The terminal's INT goes to all: the first process clears up and ends these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _compile(tasks: list[Task]) -> list[Compiled]:
    return [compile_zone(task) for task in tasks]
