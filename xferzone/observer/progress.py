"""A line on a terminal that counts while a sync runs."""

from rich.console import Console
from rich.status import Status
from rich.text import Text

from xferzone.observer import Session, Silent, Traffic, size


class Progress(Silent):
    """One line for each session, on a console of the caller's; it goes when the session ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def session_started(self, session: Session) -> object:
        line = self._console.status(Text(f"asking {session.peer} ..."))
        line.start()
        return line, session.peer

    def round_started(self, context: object, _out: Traffic, /) -> object:
        return context

    def round_ended(self, context: object, _round: Traffic, so_far: Traffic, /) -> None:
        line, peer = _own(context)
        line.update(
            Text(
                f"{peer}: round {so_far.rounds}, received {so_far.received:,} artifacts "
                f"({size(so_far.bytes_in)}), sent {so_far.sent:,} ({size(so_far.bytes_out)})"
            )
        )

    def session_ended(self, context: object, _so_far: Traffic) -> None:
        _own(context)[0].stop()

    def failed(self, context: object, _error: Exception) -> None:
        _own(context)[0].stop()


def _own(context: object) -> tuple[Status, str]:
    assert isinstance(context, tuple)
    line, peer = context
    assert isinstance(line, Status)
    return line, str(peer)
