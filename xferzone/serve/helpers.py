"""What other processors do for a clone or a mirror: artifacts verified, zones compiled. First they bring thousands and
hundreds.

    artifacts ─> one process, forked before there are threads ─> what it verified, while this one does other things
    tasks ─────> one more, likewise ─> what it compiled of the zones that are whole, while others come
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
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

from xferzone.errors import XferzoneError
from xferzone.publish.beforehand import Begin
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
    with _beside(_verified) as line:

        def verify(received: Sequence[Received], note: Note | None) -> Callable[[], Help | None]:
            return partial(line.answer, _PATIENCE_S) if line.ask((received, note)) else lambda: None

        yield verify if line.works else None


@contextmanager
def compiling() -> Iterator[Begin | None]:
    """A process that compiles what a first pull has brought, while more of it comes; None as `verifying`."""
    with _beside(_compile) as line:

        def begin(tasks: Sequence[Task]) -> Callable[[float], Sequence[Compiled] | None]:
            return line.answer if line.ask(tasks) else lambda _seconds: None

        yield begin if line.works else None


class _Line:
    """Our end of the line to a process; once something goes wrong there, nothing more is asked of it.

    Fields:
        works: it may be asked. Not until it has answered: a caller that fails meanwhile never takes that.
    """

    def __init__(self, line: Connection) -> None:
        self.works = True
        self._line = line

    def ask(self, question: object) -> bool:
        """Whether it was asked."""
        if not self.works:
            return False
        self.works = False
        try:
            self._line.send(question)
        except OSError:
            return False
        return True

    # What comes out of a pipe has no type.
    def answer(self, patience_s: float) -> Any:
        """What it answers to the last question; None: it does not, in this time."""
        try:
            if self._line.poll(patience_s):
                answer = self._line.recv()
                self.works = True
                return answer
        except (OSError, EOFError):
            pass
        return None


@contextmanager
def _beside(answered: Callable[[Any], object]) -> Iterator[_Line]:
    """A process that answers question after question; where there is one processor only, nothing that works."""
    fork = get_context("fork")
    ours, theirs = fork.Pipe()
    line = _Line(ours)
    if _processors() == 1:
        line.works = False
        yield line
        return
    process = fork.Process(target=_serve, args=(theirs, os.getpid(), answered), daemon=True)
    process.start()
    theirs.close()
    try:
        yield line
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(line: Connection, parent: int, answered: Callable[[Any], object]) -> None:
    """The loop of the process. It reports no errors: the caller does it again, and finds them."""
    _begin(parent)
    with suppress(EOFError, OSError):  # whoever asks has ended
        while True:
            question = line.recv()
            try:
                line.send(answered(question))
            except XferzoneError:
                line.send(None)


def _verified(question: tuple[Sequence[Received], Note | None]) -> Help:
    return verify_alone(*question)


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


def _compile(tasks: Sequence[Task]) -> list[Compiled]:
    return [compile_framed(task) for task in tasks]
