"""Keep a few programs running, side by side, and end them all together.

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
    INT, TERM, HUP    each child gets TERM, after STOP_S seconds KILL     -> return
    a second one      KILL at once
    we are killed     the kernel sends each child KILL

A program that dies is started again at once; one that keeps dying, after a pause that doubles with every
death until it has stayed up for STEADY_S. The pause of one that had come up stays short: what it serves must not be
missing for a second. The others are left alone. Children have process groups of their own, so that a Ctrl-C reaches
us alone; stdin is /dev/null, stdout is our stderr. We adopt and reap what our children leave behind.

Programs are functions, forked and not executed: what they need has been imported once, before. A new process is
there in milliseconds, where an interpreter of its own would take most of a second to import the same again, and
they share that memory. So nothing may be open in the parent that must not cross a fork: no thread, no database.
"""

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from xferzone import ready
from xferzone.errors import CannotServe, XferzoneError
from xferzone.serve import process

STEADY_S = 5.0  # seconds up after which earlier deaths are forgotten
FIRST_PAUSE_S = 0.1  # seconds before the restart after a second death in a row
LONGEST_PAUSE_S = 10.0
DEATHS_UP = 3  # as many in a row count of processes that had come up: their pause stays at 0.2 s
HUNG_S = 5.0  # seconds without a sign of life; more than a disk or a busy machine takes
STOP_S = 5.0  # seconds between TERM and KILL; gunicorn lets requests in flight end meanwhile

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run in a process of its own: `what` it is called in messages and in `ps`; it ends when `run` does."""

    what: str
    run: Callable[[], object]


def supervise(programs: Sequence[Program], when_up: Callable[[], None]) -> None:
    """Run `programs` until a signal says stop; `when_up` is called once, when all have reported.

    To be called in the main thread of a process that does nothing else. Returns with every child reaped.

    Raises:
        CannotServe: a program ended before any process of it was up; the others were ended.
    """
    children = [_Child(program) for program in programs]
    with _Signals() as signals:
        try:
            _keep(children, signals, when_up)
        finally:
            _stop(children, signals)


@dataclass(slots=True)
class _Child:
    program: Program
    pid: int = 0  # 0: waiting
    started: float = 0.0  # monotonic seconds, as `due`
    due: float = 0.0
    deaths: int = 0  # in a row, none of them steady
    up: bool = False  # this process
    was_up: bool = False  # this process or an earlier one
    pipe: int = -1  # our end of its ready pipe; -1: closed
    silent: float | None = None  # seconds without a sign of life; None: it has not promised any

    def hear(self) -> None:
        """Take note of what came through the pipe; never waits."""
        if self.pipe < 0:
            return
        try:
            told = os.read(self.pipe, 4096)
        except BlockingIOError:
            return
        if ready.BEAT in told:
            self.silent = 0.0
        if told:
            self.up = self.was_up = True
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """Let go of the pipe."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        self.silent = None


class _Signals:
    """Turns signals into numbers to be read beside other descriptors, for as long as it is entered.

    A SIGHUP that was ignored when we began (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self._numbers = [*_STOPPING, signal.SIGCHLD]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            self._numbers.remove(signal.SIGHUP)
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def __enter__(self) -> "_Signals":
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, _nothing) for number in self._numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._reader.close()
        self._writer.close()

    def wait(self, seconds: float | None, pipes: Mapping[int, "_Child"]) -> tuple[bool, list["_Child"]]:
        """Whether to stop, and whose pipe is readable, after a signal, a pipe or `seconds` (None: no end)."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ)
            ready_fds = [key.fd for key, _ in selector.select(seconds)]
        stop = False
        with contextlib.suppress(BlockingIOError):
            while numbers := self._reader.recv(512):
                stop = stop or any(number in _STOPPING for number in numbers)
        return stop, [pipes[fd] for fd in ready_fds if fd in pipes]

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Just after a fork a signal would be lost in our own handlers: hold it back."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def restore_in_child(self) -> None:
        """Let a child have its signals as if it had just been started, and not ours."""
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)


def _nothing(_number: int, _frame: object) -> None:
    """The wakeup descriptor has told."""


def _keep(children: list[_Child], signals: _Signals, when_up: Callable[[], None]) -> None:
    # Orphans of a child, such as a worker whose arbiter was killed, come to us and do not stay zombies.
    process.adopt_orphans()
    gc.collect()
    gc.freeze()  # so that no collector of a child touches, and thereby copies, the memory that all share
    told = False
    looked = time.monotonic()
    while True:
        for child in children:
            if not child.pid and child.due <= time.monotonic():
                _start(child, children, signals)
        pauses = [child.due - time.monotonic() for child in children if not child.pid]
        if any(child.silent is not None for child in children):
            pauses.append(ready.BEAT_S)
        pause = max(0.0, min(pauses)) if pauses else None
        stop, readable = signals.wait(pause, {child.pipe: child for child in children if child.pipe >= 0})
        for child in readable:
            child.hear()
        if stop:
            return
        _reap(children, _bury)
        now = time.monotonic()
        # Not more than a beat at a time: while we were stopped ourselves, or all of the machine was, so were they.
        _kill_hung(children, min(now - looked, ready.BEAT_S))
        looked = now
        if not told and all(child.was_up for child in children):
            told = True
            when_up()


def _kill_hung(children: Sequence[_Child], passed: float) -> None:
    """End those that have not been heard from for too long, `passed` seconds after the last look."""
    for child in children:
        if child.silent is None:
            continue
        child.silent += passed
        if child.silent >= HUNG_S:
            _log.error("%s pid=%d has said nothing for %.0f s: killed", child.program.what, child.pid, HUNG_S)
            os.kill(child.pid, signal.SIGKILL)
            child.silent = 0.0  # one that does not end even so is killed again


def _start(child: _Child, children: Sequence[_Child], signals: _Signals) -> None:
    try:
        child.pid, child.pipe = _forked(
            child.program, [each.pipe for each in children if each.pipe >= 0], signals
        )
    except OSError as error:  # the machine is out of processes or descriptors, which passes
        if not child.was_up:
            raise CannotServe(f"the {child.program.what} cannot be started: {error.strerror}") from error
        _log.error("%s cannot be started: %s", child.program.what, error.strerror)
        child.due = time.monotonic() + LONGEST_PAUSE_S
    child.started = time.monotonic()


def _forked(program: Program, pipes: Sequence[int], signals: _Signals) -> tuple[int, int]:
    """A new process that runs `program`: its pid, and our end of its ready pipe; `pipes`, the others', it has not."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    parent = os.getpid()
    try:
        with signals.blocked():
            pid = os.fork()
            if pid == 0:
                _become(program, writer, [reader, *pipes], parent, signals)
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return pid, reader


def _become(
    program: Program, writer: int, readers: Sequence[int], parent: int, signals: _Signals
) -> NoReturn:
    """The forked half of `_start`: runs `program` and never returns, whatever happens."""
    code = 1
    try:
        for pipe in readers:
            os.close(pipe)
        os.setpgid(0, 0)
        process.die_with(parent)
        process.entitle(program.what)
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        os.environ[ready.VARIABLE] = str(writer)
        signals.restore_in_child()
        program.run()
        code = 0
    except XferzoneError as error:
        print(f"{program.what}: {error}", file=sys.stderr)
        code = error.exit_code
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - this is where the process ends, as the interpreter itself would end it
        traceback.print_exc()
    finally:
        # Not sys.exit: the frames of the supervisor, which belong to the parent, must not be unwound here.
        try:
            sys.stderr.flush()
        finally:
            os._exit(code)


def _reap(children: Sequence[_Child], bury: Callable[[_Child, int], None]) -> bool:
    """Take note of every process that has ended, adopted ones too; whether any process is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        for child in children:
            if child.pid == pid:
                bury(child, os.waitstatus_to_exitcode(status))


def _bury(child: _Child, code: int) -> None:
    now = time.monotonic()
    child.hear()  # it may have reported and died before we looked
    was_up = child.up
    child.hang_up()
    child.up = False
    pid, child.pid = child.pid, 0
    end = f"exit code {code}" if code >= 0 else f"signal {-code}"
    if not child.was_up:
        raise CannotServe(f"the {child.program.what} did not come up: it ended with {end}, see above")
    child.deaths = 0 if now - child.started >= STEADY_S else child.deaths + 1
    if was_up:
        child.deaths = min(child.deaths, DEATHS_UP)
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (child.deaths - 2)) if child.deaths > 1 else 0.0
    child.due = now + pause
    _log.warning("%s pid=%d ended with %s, starts again in %.1f s", child.program.what, pid, end, pause)


def _stop(children: Sequence[_Child], signals: _Signals) -> None:
    """End and reap all, the adopted too: TERM, then KILL at the next signal or after STOP_S."""
    for child in children:
        if child.pid:
            os.kill(child.pid, signal.SIGTERM)
    kill_at = time.monotonic() + STOP_S
    give_up_at = kill_at + STOP_S
    while _reap(children, _forget):
        now = time.monotonic()
        # Adopted processes have lost who should end them: killed as soon as they are all that is left.
        if now >= kill_at or not any(child.pid for child in children):
            for pid in _ours(children):
                os.kill(pid, signal.SIGKILL)
            kill_at = now
        if now >= give_up_at:
            _log.error("some processes do not end even when killed: %s", _ours(children))
            return
        # What a killed process leaves behind becomes ours without a signal: look again soon.
        stop, _ = signals.wait(0.05 if now >= kill_at else kill_at - now, {})
        if stop:
            kill_at = now


def _forget(child: _Child, _code: int) -> None:
    child.pid = 0
    child.hang_up()


def _ours(children: Sequence[_Child]) -> list[int]:
    known = process.children()
    return [child.pid for child in children if child.pid] if known is None else known
