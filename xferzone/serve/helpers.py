"""What other processors do for a clone: artifacts verified, zones compiled. First clones bring thousands and hundreds.

    artifacts ─> one process, forked before there are threads ─> what it verified, while this one does other things
    tasks ─────> some at a time to processes forked from this one ─> what they compiled, in order

A fork costs less than compiling ten zones; below that nothing is forked. The processes read no database and end with
this one; what they could not do is done here.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final

from xferzone.errors import XferzoneError
from xferzone.publish.served import compile_framed
from xferzone.serve.process import die_with
from xferzone.store.incoming import Help, Helper, Note, Received, verify_alone
from xferzone.zone.compile import Compiled, Task

_PATIENCE_S: Final = 60.0  # that the other process may take longer than this one over its half
_AT_ONCE = 8  # zones that go to a process together
_AHEAD = 64  # times as many that are read before the first is asked for


@contextmanager
def verifying() -> Iterator[Helper | None]:
    """A process that verifies; None where there is one processor only."""
    if _processors() == 1:
        yield None
        return
    fork = get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_verify, args=(theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    try:
        yield _Verifier(ours)
    finally:
        process.kill()
        process.join()
        ours.close()


class _Verifier:
    """Our end of the line to the process; once something goes wrong there, nothing more is asked of it."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._works = True

    def __call__(self, received: Sequence[Received], note: Note | None) -> Callable[[], Help | None]:
        if self._works:
            self._works = False  # until the answer is there: a caller that fails meanwhile never takes it
            try:
                self._line.send((received, note))
            except OSError:
                return lambda: None
            return self._answer
        return lambda: None

    def _answer(self) -> Help | None:
        try:
            if self._line.poll(_PATIENCE_S):
                answer: Help | None = self._line.recv()
                self._works = True
                return answer
        except (OSError, EOFError):
            pass
        return None


def _verify(line: Connection, parent: int) -> None:
    """The loop of the process. It reports no errors: the caller verifies again, and finds them."""
    _begin(parent)
    with suppress(EOFError, OSError):  # whoever asks has ended
        while True:
            received, note = line.recv()
            try:
                line.send(verify_alone(received, note))
            except XferzoneError:
                line.send(None)


def compile_in_parallel(tasks: Iterable[Task]) -> Iterator[Compiled]:
    """What compile_framed makes of each task, in order; begun at once."""
    left = iter(tasks)
    first = list(islice(left, _AT_ONCE + 1))
    if len(first) <= _AT_ONCE:
        return map(compile_framed, first)
    return _from(chain(first, left))


def _from(tasks: Iterator[Task]) -> Iterator[Compiled]:
    pool = ProcessPoolExecutor(_processors(), get_context("fork"), _begin, (os.getpid(),))
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


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(parent: int) -> None:
    die_with(parent)
    # The terminal's INT goes to all: the first process clears up and ends these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _compile(tasks: list[Task]) -> list[Compiled]:
    return [compile_framed(task) for task in tasks]
