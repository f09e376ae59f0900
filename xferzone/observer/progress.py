"""Lines on a terminal that count while syncs run."""

import threading

from rich.console import Console
from rich.progress import Progress as Lines
from rich.progress import SpinnerColumn, TaskID, TextColumn

from xferzone.observer import Session, Silent, Traffic, size


class Progress(Silent):
    """One line for each session under way, on a console of the caller's; it goes when the session ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._lines: Lines | None = (
            None  # while a session is under way: a console has one live display at most
        )

    def session_started(self, session: Session) -> object:
        with self._lock:
            if self._lines is None:
                columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
                self._lines = Lines(*columns, console=self._console, transient=True)
                self._lines.start()
            return _Line(self._lines, self._lines.add_task(f"asking {session.peer} ..."), session.peer)

    def round_started(self, context: object, _out: Traffic, /) -> object:
        return context

    def round_ended(self, context: object, _round: Traffic, so_far: Traffic, /) -> None:
        _own(context).say(
            f"round {so_far.rounds}, received {so_far.received:,} artifacts "
            f"({size(so_far.bytes_in)}), sent {so_far.sent:,} ({size(so_far.bytes_out)})"
        )

    def session_ended(self, context: object, _so_far: Traffic, /) -> None:
        line = _own(context)
        with self._lock:
            line.remove()
            if self._lines is line.among and not self._lines.task_ids:
                self._lines.stop()
                self._lines = None


class _Line:
    """The line of one session."""

    def __init__(self, among: Lines, task: TaskID, peer: str) -> None:
        self.among = among
        self._task = task
        self._peer = peer

    def say(self, text: str) -> None:
        self.among.update(self._task, description=f"{self._peer}: {text}")

    def remove(self) -> None:
        self.among.remove_task(self._task)


def _own(context: object) -> _Line:
    assert isinstance(context, _Line)
    return context
