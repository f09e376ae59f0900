"""What people see of a sync while it runs: on a terminal a line that counts, else only what the server says."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from xferzone.cli.output import printable
from xferzone.observer import Observer, Traffic
from xferzone.publish import forks


@contextmanager
def watching(where: str, *, tells_races: bool) -> Iterator[Observer]:
    """An observer of a sync with `where`; `tells_races`: of races that were lost the server is to tell."""
    if not sys.stderr.isatty():
        yield _Watcher(where, lambda _line: None, tells_races)
        return
    from rich.console import Console  # 0.1 s, for terminals only
    from rich.text import Text

    with Console(stderr=True).status(Text(f"asking {where} ...")) as line:
        yield _Watcher(where, lambda text: line.update(Text(text)), tells_races)


class _Watcher:
    def __init__(self, where: str, show: Callable[[str], None], tells_races: bool) -> None:
        self._where = where
        self._show = show
        self._tells_races = tells_races

    def round_ended(self, so_far: Traffic) -> None:
        self._show(
            f"{self._where}: round {so_far.rounds}, received {so_far.received:,} artifacts "
            f"({size(so_far.bytes_in)}), sent {so_far.sent:,} ({size(so_far.bytes_out)})"
        )

    def said(self, message: str) -> None:
        if f"is not served: {forks.LOST_RACE}" in message and not self._tells_races:
            return
        click.echo(f"{self._where} says: {printable(message)}", err=True)


def size(octets: int) -> str:
    """So many bytes, as people read it."""
    return f"{octets:,} bytes" if octets < 10_000 else f"{octets / 1000:,.0f} kB"
