"""A process that runs one program for the supervisor: how it is forked, how it is heard, how it is told to end.

    ready pipe      a sign of life (ready.py): it is up, and, if it goes on, that it does not hang
    TERM            end in order, soon
    WINCH           retire: another process of the program is up and takes what comes; finish what was begun, then end
    HUP, USR1, USR2 ignored: they are the supervisor's business, but systemd and `pkill` send them to all

Children have process groups of their own, so that a Ctrl-C reaches the supervisor alone; stdin is /dev/null, stdout is
our stderr.

Programs are functions, forked and not executed: what they need has been imported once, before. A new process is
there in milliseconds, where an interpreter of its own would take most of a second to import the same again, and
they share that memory. So nothing may be open in the parent that must not cross a fork: no thread, no database.
"""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from xferzone import ready
from xferzone.errors import XferzoneError
from xferzone.serve import process

RETIRE = signal.SIGWINCH  # ignored by default, so that one that comes too early does no harm
IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run in a process of its own: `what` names it in messages and in `ps`; it ends when `run` does."""

    what: str
    run: Callable[[], object]


@dataclass(slots=True, eq=False)
class Child:
    """The process of a program, or the one that is to be started at `due`."""

    program: Program
    incoming: bool = False  # takes the place of another one, once it is up
    pid: int = 0  # 0: waiting
    started: float = 0.0  # monotonic seconds, as `due`
    due: float = 0.0
    deaths: int = 0  # in a row, none of them steady
    up: bool = False  # this process
    was_up: bool = False  # this process or an earlier one
    pipe: int = -1  # our end of its ready pipe; -1: closed
    silent: float | None = None  # seconds without a sign of life; None: it has not promised any
    retired_at: float | None = None  # monotonic seconds; None: it is wanted

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

    def kill(self, number: int) -> None:
        """Send it a signal, if there is a process."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def start(self, others: Sequence["Child"], before: Callable[[], object]) -> None:
        """Fork. The pipes of `others` are not handed on; `before` is called first in the new process.

        Raises:
            OSError: the machine is out of processes or descriptors.
        """
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        pipes = [reader, *(each.pipe for each in others if each.pipe >= 0)]
        parent = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                _become(self.program, writer, pipes, parent, before)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self.pid, self.pipe = pid, reader


def _become(
    program: Program, writer: int, readers: Sequence[int], parent: int, before: Callable[[], object]
) -> NoReturn:
    """The forked half of `start`: runs `program` and never returns, whatever happens."""
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
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        before()
        program.run()
        code = 0
    except XferzoneError as error:
        _log.error("%s: %s", program.what, error)
        code = error.exit_code
    except SystemExit as end:
        if isinstance(end.code, str):
            _log.error("%s: %s", program.what, end.code)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - this is where the process ends, as the interpreter itself would end it
        _log.critical("%s failed", program.what, exc_info=True)
    finally:
        # Not sys.exit: the frames of the supervisor, which belong to the parent, must not be unwound here.
        try:
            sys.stderr.flush()
        finally:
            os._exit(code)
