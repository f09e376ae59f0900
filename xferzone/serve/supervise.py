"""Keep a few programs running, side by side, replace them on a reload, and end them all together.

                 fork                  reports (ready.py)
    waiting ---------------> starting --------------------> up
       ^                        |                            |
       |   after 0 to 10 s      |  ends, after an earlier    |  ends
       +------------------------+  process of it was up -----+
                                |
                                |  ends, and none was ever up
                                v
                     all are ended, CannotServe

    up, but silent    KILL after HUNG_S, if it has begun to tell again and again that it lives (ready.py)
    HUP               `again` gives new programs: one at a time is started and, when it is up, the old process of that
                      name retires (children.py); in the end, those retire whose name is no longer wanted
    `look` gives programs    those with a new name are started, those retire whose name is no longer wanted
    INT, TERM         each child gets TERM, after STOP_S seconds KILL     -> return
    HUP from a terminal that has hung up                                  as TERM
    a second one      KILL at once
    USR1, USR2        nothing
    we are killed     the kernel sends each child KILL

A program that dies is started again at once; one that keeps dying, after a pause that doubles with every
death until it has stayed up for STEADY_S. The pause of one that had come up stays short: what it serves must not be
missing for a second. The others are left alone. A new program that does not come up is tried again and again, while
the old process goes on. We adopt and reap what our children leave behind.
"""

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from xferzone import ready
from xferzone.errors import CannotServe
from xferzone.serve import process
from xferzone.serve.children import RETIRE, Child, Program

STEADY_S = 5.0  # seconds up after which earlier deaths are forgotten
FIRST_PAUSE_S = 0.1  # seconds before the restart after a second death in a row
LONGEST_PAUSE_S = 10.0
DEATHS_UP = 3  # as many in a row count of processes that had come up: their pause stays at 0.2 s
HUNG_S = 5.0  # seconds without a sign of life; more than a disk or a busy machine takes
STOP_S = 5.0  # seconds between TERM and KILL; gunicorn lets requests in flight end meanwhile
RETIRED_S = (
    630.0  # seconds until a retired process is killed; a little more than gunicorn gives its last request
)

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_IGNORED = (signal.SIGUSR1, signal.SIGUSR2)
_log = logging.getLogger(__name__)


def supervise(
    programs: Sequence[Program],
    when_up: Callable[[], None],
    again: Callable[[], Sequence[Program] | None],
    look: Callable[[], Sequence[Program] | None] = lambda: None,
    when_ending: Callable[[], None] | None = None,
) -> None:
    """Run `programs` until a signal says stop.

    To be called in the main thread of a process that does nothing else. Returns with every child reaped.

    Args:
        when_up: called when all have reported, and again after each reload.
        again: called on HUP; the programs to run from now on, None: the same. It must not raise.
        look: called while all are up, about every second; as `again`, but a program whose name is the same stays as
            it is. Nor must it raise.
        when_ending: called before the programs are ended.

    Raises:
        CannotServe: a program ended before any process of it was up; the others were ended.
    """
    crew = _Crew(programs)
    terminal = process.Terminal()
    with _Signals() as signals:
        try:
            _keep(crew, signals, _Reload(terminal, when_up, again, look))
        finally:
            if when_ending is not None:
                when_ending()
            _stop(crew.children, signals)


class _Crew:
    """The children: of each program one, beside it for a while the one that takes its place, and those retired."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.children = [Child(program) for program in programs]
        self._coming: deque[Program] = deque()
        self._wanted = {program.what for program in programs}

    @property
    def is_settled(self) -> bool:
        """Whether every program is up, and no change is under way."""
        return not self._coming and all(
            child.was_up and not child.incoming for child in self.children if child.retired_at is None
        )

    def change(self, programs: Sequence[Program]) -> None:
        """Begin to replace all; what an earlier change has not brought up yet is given up."""
        for child in [child for child in self.children if child.incoming]:
            self._retire(child, signal.SIGTERM)
        self._coming = deque(programs)
        self._wanted = {program.what for program in programs}

    def adjust(self, programs: Sequence[Program]) -> None:
        """Begin to start those with a new name, and to end those whose name is no longer wanted."""
        known = {child.program.what for child in self._serving()}
        self._coming = deque(each for each in programs if each.what not in known)
        self._wanted = {program.what for program in programs}

    def advance(self) -> None:
        """The next step of a change: one that came up takes the place of the old one, then the next is begun."""
        incoming = [child for child in self.children if child.incoming]
        for child in incoming:
            if not child.was_up:
                return
            child.incoming = False
            for old in self._serving():
                if old is not child and old.program.what == child.program.what:
                    self._retire(old, RETIRE)
        if self._coming:
            self.children.append(Child(self._coming.popleft(), incoming=True))
            return
        for old in self._serving():
            if old.program.what not in self._wanted:
                self._retire(old, RETIRE)

    def _serving(self) -> list[Child]:
        return [child for child in self.children if child.retired_at is None]

    def _retire(self, child: Child, number: int) -> None:
        child.incoming = False
        child.retired_at = time.monotonic()
        child.hang_up()
        child.kill(number)
        if not child.pid:
            self.children.remove(child)


class _Reload:
    """What to do on HUP, and whom to tell when it is done."""

    def __init__(
        self,
        terminal: process.Terminal,
        when_up: Callable[[], None],
        again: Callable[[], Sequence[Program] | None],
        look: Callable[[], Sequence[Program] | None],
    ) -> None:
        self._terminal = terminal
        self._look = look
        self._when_up = when_up
        self._again = again
        self._asked = False
        self._told = False
        self._was_up = False

    def ask(self) -> bool:
        """Take note of a HUP; whether it means the end."""
        self._asked = True
        return self._terminal.has_hung_up()

    def advance(self, crew: _Crew) -> None:
        if self._asked and self._was_up:  # until all are up for the first time it waits
            self._asked = False
            programs = self._again()
            if programs is not None:
                crew.change(programs)
                self._told = False
        crew.advance()
        if not self._told and crew.is_settled:
            self._told = self._was_up = True
            self._when_up()
        elif self._told and (programs := self._look()) is not None:
            crew.adjust(programs)


class _Signals:
    """Turns signals into numbers to be read beside other descriptors, for as long as it is entered.

    A SIGHUP that was ignored when we began (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self._numbers = [*_STOPPING, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._numbers.append(signal.SIGHUP)
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def __enter__(self) -> "_Signals":
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, _nothing) for number in self._numbers}
        self._handlers |= {number: signal.signal(number, signal.SIG_IGN) for number in _IGNORED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._reader.close()
        self._writer.close()

    def wait(self, seconds: float | None, pipes: Mapping[int, Child]) -> tuple[set[int], list[Child]]:
        """The signals that came, and whose pipe is readable, after a signal, a pipe or `seconds` (None: no end)."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ)
            ready_fds = [key.fd for key, _ in selector.select(seconds)]
        came: set[int] = set()
        with contextlib.suppress(BlockingIOError):
            while numbers := self._reader.recv(512):
                came.update(numbers)
        return came, [pipes[fd] for fd in ready_fds if fd in pipes]

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Just after a fork a signal would be lost in our own handlers: hold it back."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def restore_in_child(self) -> None:
        """Let a child have its signals as if it had just been started, and not ours; HUP it ignores already."""
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()
        for number in (*_STOPPING, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)


def _nothing(_number: int, _frame: object) -> None:
    """The wakeup descriptor has told."""


def _keep(crew: _Crew, signals: _Signals, reload: _Reload) -> None:
    # Orphans of a child, such as a worker whose arbiter was killed, come to us and do not stay zombies.
    process.adopt_orphans()
    gc.collect()
    gc.freeze()  # so that no collector of a child touches, and thereby copies, the memory that all share
    looked = time.monotonic()
    while True:
        children = crew.children
        for child in children:
            if not child.pid and child.due <= time.monotonic():
                _start(child, children, signals)
        came, readable = signals.wait(
            _pause(children), {child.pipe: child for child in children if child.pipe >= 0}
        )
        for child in readable:
            child.hear()
        if came & set(_STOPPING) or (signal.SIGHUP in came and reload.ask()):
            return
        _reap(children, _bury)
        now = time.monotonic()
        # Not more than a beat at a time: while we were stopped ourselves, or all of the machine was, so were they.
        _kill_hung(children, min(now - looked, ready.BEAT_S))
        looked = now
        reload.advance(crew)


def _pause(children: Sequence[Child]) -> float:
    """Seconds until something is to be done, or looked at."""
    now = time.monotonic()
    pauses = [child.due - now for child in children if not child.pid]
    pauses += [child.retired_at + RETIRED_S - now for child in children if child.retired_at is not None]
    return max(0.0, min([ready.BEAT_S, *pauses]))


def _kill_hung(children: Sequence[Child], passed: float) -> None:
    """End those that have not been heard from for too long, `passed` seconds after the last look."""
    for child in children:
        if child.retired_at is not None and time.monotonic() >= child.retired_at + RETIRED_S:
            child.kill(signal.SIGKILL)
            child.retired_at = time.monotonic()  # one that does not end even so is killed again
        if child.silent is None:
            continue
        child.silent += passed
        if child.silent >= HUNG_S:
            _log.error("%s pid=%d has said nothing for %.0f s: killed", child.program.what, child.pid, HUNG_S)
            os.kill(child.pid, signal.SIGKILL)
            child.silent = 0.0  # one that does not end even so is killed again


def _start(child: Child, children: Sequence[Child], signals: _Signals) -> None:
    try:
        with signals.blocked():
            child.start(children, signals.restore_in_child)
    except OSError as error:  # the machine is out of processes or descriptors, which passes
        if not child.was_up and not child.incoming:
            raise CannotServe(f"the {child.program.what} cannot be started: {error.strerror}") from error
        _log.error("%s cannot be started: %s", child.program.what, error.strerror)
        child.due = time.monotonic() + LONGEST_PAUSE_S
    child.started = time.monotonic()


def _reap(children: list[Child], bury: Callable[[Child, int], None]) -> bool:
    """Take note of every process that has ended, adopted ones too; whether any process is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        for child in list(children):
            if child.pid == pid:
                bury(child, os.waitstatus_to_exitcode(status))
                if child.retired_at is not None:
                    children.remove(child)


def _bury(child: Child, code: int) -> None:
    now = time.monotonic()
    child.hear()  # it may have reported and died before we looked
    was_up = child.up
    child.hang_up()
    child.up = False
    pid, child.pid = child.pid, 0
    if child.retired_at is not None:
        return
    end = f"exit code {code}" if code >= 0 else f"signal {-code}"
    if not child.was_up and not child.incoming:
        raise CannotServe(f"the {child.program.what} did not come up: it ended with {end}, see above")
    child.deaths = 0 if now - child.started >= STEADY_S else child.deaths + 1
    if was_up:
        child.deaths = min(child.deaths, DEATHS_UP)
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (child.deaths - 2)) if child.deaths > 1 else 0.0
    child.due = now + pause
    _log.warning("%s pid=%d ended with %s, starts again in %.1f s", child.program.what, pid, end, pause)


def _stop(children: list[Child], signals: _Signals) -> None:
    """End and reap all, the adopted too: TERM, then KILL at the next signal or after STOP_S."""
    for child in children:
        child.kill(signal.SIGTERM)
    kill_at = time.monotonic() + STOP_S
    give_up_at = kill_at + STOP_S
    while _reap(children, _forget):
        now = time.monotonic()
        # The parents of adopted processes are gone: kill them as soon as only they are left.
        if now >= kill_at or not any(child.pid for child in children):
            for pid in _ours(children):
                os.kill(pid, signal.SIGKILL)
            kill_at = now
        if now >= give_up_at:
            _log.error("some processes do not end even when killed: %s", _ours(children))
            return
        # The children of a killed process become ours without a signal: look again soon.
        came, _ = signals.wait(0.05 if now >= kill_at else kill_at - now, {})
        if came & set(_STOPPING):
            kill_at = now


def _forget(child: Child, _code: int) -> None:
    child.pid = 0
    child.hang_up()


def _ours(children: Sequence[Child]) -> list[int]:
    known = process.children()
    return [child.pid for child in children if child.pid] if known is None else known
