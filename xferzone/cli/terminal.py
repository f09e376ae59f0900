"""What people see on a terminal: columns that line up, and colours. Piped, or in a file, the same words are plain.

    on a terminal    example.com.         7     854f854ce5594df2
                     sub.example.com.     12    1f0a9c2be1d24c08
    piped            example.com. 7 854f854ce5594df2

NO_COLOR in the environment, or a terminal that calls itself dumb, has columns without colours.

Source: no-color.org.
"""

import os
import sys
from collections.abc import Iterator, Sequence

import click

from xferzone.cli.steadied import OURS

MAX_WIDTH = (
    60  # columns of a terminal that a word may widen its column to; a longer one only moves what follows it
)


def is_terminal() -> bool:
    """Whether standard output is one."""
    return sys.stdout is not None and sys.stdout.isatty()


def agreed(question: str) -> bool:
    """Ask for a yes. Whoever says no, or cannot be asked, as under cron, is told that nothing was changed.

    Raises:
        click.Abort: nobody answers.
    """
    try:
        says_yes = click.confirm(question, err=True)
    except click.Abort:
        click.echo("\nxferzone: nobody answers: nothing was changed; --yes agrees beforehand", err=True)
        raise
    if not says_yes:
        click.echo("xferzone: nothing was changed", err=True)
    return says_yes


def coloured(text: str, colour: str) -> str:
    """The text in a colour of click's, where there are colours; for standard output, which takes the marks away."""
    has_colours = is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return OURS + click.style(text + OURS, fg=colour) if has_colours and text else text


def signed(line: str) -> str:
    """A line of a difference, coloured by its sign: gone is red, come is green."""
    return coloured(line, "red" if line.startswith("-") else "green")


def table(rows: Sequence[Sequence[str]], colour: tuple[int, str] = (-1, "")) -> Iterator[str]:
    """A line for each row, whose words may be printed; empty ones are left out. `colour`: of one column, by number."""
    widths = [0] * max(map(len, rows), default=0)
    if is_terminal():
        for row in rows:
            for at, word in enumerate(row[:-1]):
                widths[at] = max(widths[at], min(len(word), MAX_WIDTH))
    for row in rows:
        padded = [word.ljust(width) for word, width in zip(row, widths, strict=False)]
        if 0 <= colour[0] < len(padded):
            padded[colour[0]] = coloured(padded[colour[0]], colour[1])
        yield " ".join(word for word in padded if word).rstrip()


def show_table(rows: Sequence[Sequence[str]], colour: tuple[int, str] = (-1, "")) -> None:
    """Print such a table."""
    for line in table(rows, colour):
        click.echo(line)
