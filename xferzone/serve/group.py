"""The process of a member's group program, beside those that answer: run by `up` and `serve`, restarted by them.

    another process runs it already            waits until that ends
    until TERM, INT or WINCH (another one takes its place)      a thread for each part (exchange/group/program.py)
    the repository is not that member any more                  begins anew, or waits for the end
    it cannot be read, or a thread has ended                    says so, and begins anew after AGAIN_S

It runs at a lower priority, and what it does not reach never ends it: answers go on meanwhile.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from xferzone import ready
from xferzone.errors import XferzoneError
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.program import FOLLOWING, Options, Part, Program
from xferzone.exchange.group.standing import running
from xferzone.refs.consensus import SharedRefs
from xferzone.refs.membership import membership, seen
from xferzone.refs.roster import Member
from xferzone.store import Store

AGAIN_S: Final = 5.0  # seconds until a repository that cannot be read is tried again
TURN_S: Final = (
    0.2  # seconds between two looks at whether another process has ended, or something else is to be done
)
END_S: Final = 2.0  # seconds that parts may take to end; the supervisor kills after 5
NICE: Final = 5  # of the process: answers come first

_log = logging.getLogger(__name__)


def run(repository: Path) -> None:
    """Run it until a signal says stop."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGWINCH):
        signal.signal(number, lambda *_: stopped.set())
    os.nice(NICE)
    ready.report()
    while not stopped.is_set():
        try:
            with running(repository) as is_alone:
                if is_alone:
                    _run(repository, stopped)
        except (XferzoneError, OSError) as exc:
            _log.error("group outcome=failed why=%r", str(exc))
            stopped.wait(AGAIN_S)
        stopped.wait(TURN_S)


def _run(repository: Path, stopped: threading.Event) -> None:
    """Until it is to stop, or the repository is not that member any more."""
    with ExitStack() as opened:
        store = opened.enter_context(Store.open(repository))
        with store.reader() as reader:
            share, project, last = membership(reader), reader.project_code, seen(reader)
        if share is None:
            return
        # Imported here: the processes beside this one do without urllib3.
        from xferzone.exchange.group.http import HTTPFellows
        from xferzone.refs.reached import reached

        keys = opened.enter_context(closing(reached(share)))
        refs = SharedRefs(keys, share.space(project), share.group, last)

        def members() -> Mapping[str, Member]:
            return program.members

        fellows = opened.enter_context(closing(HTTPFellows(share, project, members)))
        threads = _Threads()
        options = Options(wake=threads.wake_following)
        program = Program(store, share, Group(share.name, refs, fellows), fellows, options)
        try:
            while not stopped.is_set() and not program.is_over():
                threads.keep(program.parts)
                program.stance.write()
                stopped.wait(TURN_S)
        finally:
            threads.end()


class _Threads:
    """A thread for each part of a program."""

    def __init__(self) -> None:
        self._running: dict[Part, _Turns] = {}
        self._wake = threading.Event()  # that of the part `following`

    def keep(self, parts: Sequence[Part]) -> None:
        """Have one for each of these, and none for others. Raises what has ended one."""
        for part in self._running.keys() - set(parts):
            self._running.pop(part).end()
        for part in parts:
            if part not in self._running:
                wake = self._wake if part.name == FOLLOWING else threading.Event()
                self._running[part] = _Turns(part, wake)
        for turns in self._running.values():
            if turns.error is not None:
                raise turns.error

    def wake_following(self) -> None:
        self._wake.set()

    def end(self) -> None:
        """End all, and wait a little."""
        for turns in self._running.values():
            turns.end()
        end = time.monotonic() + END_S
        for turns in self._running.values():
            turns.thread.join(max(0.0, end - time.monotonic()))


class _Turns:
    """The thread of one part.

    Fields:
        error: what has ended it; None: it has not been ended so.
    """

    def __init__(self, part: Part, wake: threading.Event) -> None:
        self.error: BaseException | None = None
        self._part = part
        self._wake = wake
        self._is_over = False
        self.thread = threading.Thread(target=self._run, name=f"group {part.name}", daemon=True)
        self.thread.start()

    def end(self) -> None:
        self._is_over = True
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._is_over:
                self._wake.clear()
                self._part.turn()
                self._wake.wait(max(0.0, self._part.next_at - time.monotonic()))
            self._part.close()
        except BaseException as exc:  # noqa: BLE001 - it comes out of `keep`, and ends the process
            self.error = exc
