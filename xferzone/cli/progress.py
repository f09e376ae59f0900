"""What people see of a sync while it runs: on a terminal a line that counts, and everywhere what the server says."""

import sys

import click

from xferzone.cli.output import printable
from xferzone.observer import Observer, Several, Silent
from xferzone.publish import forks


def watching(peer: str, *, tells_races: bool, quiet: bool = False) -> Observer:
    """An observer of a sync with `peer`; `tells_races`: show what the server says of races that were lost.

    `quiet`: no line that counts, on a terminal either.
    """
    said = _Said(peer, tells_races)
    if quiet or not sys.stderr.isatty():
        return said
    from rich.console import Console  # 0.1 s, for terminals only

    from xferzone.observer.progress import Progress

    return Several(said, Progress(Console(stderr=True)))


class _Said(Silent):
    """Prints what the server wants people to read."""

    def __init__(self, peer: str, tells_races: bool) -> None:
        self._peer = peer
        self._tells_races = tells_races

    def said(self, _context: object, message: str, /) -> None:
        if self._tells_races or f"is not served: {forks.LOST_RACE}" not in message:
            click.echo(f"{self._peer} says: {printable(message)}", err=True)
