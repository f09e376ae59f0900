"""What the verbs print: JSON, differences, warnings, dates and counts; nothing in it may steer a terminal."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from xferzone.cli.settings import Settings
from xferzone.wording import and_more

if TYPE_CHECKING:  # what is behind it takes time, and errors are printed without it
    from xferzone.zone.difference import Difference

MAX_SHOWN = 20  # branches, check-ins or artifacts that are listed one by one; JSON has all
#: What JSON lets stand in a string and a terminal may obey: DEL, C1 controls, and what turns the writing around.
_STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def show_json(value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Comments that stock took may hold bytes that are no UTF-8.
    click.echo(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8", "replace"))


def show_difference(settings: Settings, change: "Difference") -> None:
    """Lines gone with a minus, lines come with a plus."""
    if settings.json:
        show_json(
            {"gone": [line.decode() for line in change.gone], "come": [line.decode() for line in change.come]}
        )
        return
    for line in change.gone:
        click.echo(b"-" + line.rstrip(b"\n"))
    for line in change.come:
        click.echo(b"+" + line.rstrip(b"\n"))


def show_changes(change: "Difference") -> None:
    """The same for people who have just made the change: at most MAX_SHOWN lines, and how many more there are."""
    half = MAX_SHOWN // 2
    gone = max(half, MAX_SHOWN - len(change.come))
    come = MAX_SHOWN - min(gone, len(change.gone))
    for sign, lines, most, verb in (("-", change.gone, gone, "removed"), ("+", change.come, come, "added")):
        for line in lines[:most]:
            click.echo(f"{sign}{line.decode()}")
        if len(lines) > most:
            click.echo(f"... {and_more(len(lines) - most)} {verb}: --format json has all")


def show_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {printable(warning)}", err=True)


def printable(text: str) -> str:
    """What somebody else wrote, as one line of a terminal: without control characters that could steer it."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text
    )


def when(date_ms: int) -> str:
    """A date as people are shown it, in UTC."""
    return datetime.fromtimestamp(date_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def show_list(lines: Sequence[str], indent: str = "") -> None:
    """At most MAX_SHOWN of the lines, then how many more there are."""
    for line in lines[:MAX_SHOWN]:
        click.echo(printable(f"{indent}{line}"))
    if len(lines) > MAX_SHOWN:
        click.echo(f"{indent}... {and_more(len(lines) - MAX_SHOWN)}: --format json has all")
