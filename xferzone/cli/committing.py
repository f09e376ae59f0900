"""What the verbs share: opening the repository, the options of all that write, printing."""

import getpass
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from xferzone.cli.main import Settings
from xferzone.edit.commit import Author, Commit, Edit
from xferzone.edit.naming import check_utf8
from xferzone.errors import NotFound, RefConflict, UsageError
from xferzone.hashing import ArtifactId
from xferzone.history import log
from xferzone.history.log import Difference
from xferzone.refs import LocalRefs
from xferzone.refs.branch import DEFAULT_BRANCH
from xferzone.store import Reader, Store, Writer, schema

MAX_INPUT = 64 * 1024 * 1024  # bytes of one file or of stdin, as zone/text reads them
MAX_SHOWN = 20  # branches, check-ins or artifacts that are listed one by one; JSON has all
SHORT = 16  # digits of an id that people are shown
_META = "xferzone.writing"
#: What JSON lets stand in a string and a terminal may obey: DEL, C1 controls, and what turns the writing around.
_STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_Command = TypeVar("_Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Writing:
    """The options of all that write."""

    branch: str
    message: str | None
    dry_run: bool
    login: str | None
    serial_jump: bool = False

    @classmethod
    def given(cls) -> "Writing":
        """As the command line of the running verb gives them."""
        given = cls(**click.get_current_context().meta[_META])
        check_utf8(given.branch)
        return given


class WordsCommand(click.Command):
    """A verb whose arguments may look like options: `TXT v=spf1 -all`, `TXT -from`.

    A word is an option only if it is one of the verb's, written in full; all behind `--` is data.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {
            name: parameter
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option)
            for name in parameter.opts
        }
        options: list[str] = []
        words: list[str] = []
        left = iter(args)
        for word in left:
            name, is_joined, _ = word.partition("=")
            option = known.get(name if is_joined and word.startswith("--") else word)
            if word == "--":
                words += left
            elif option is None:
                words.append(word)
            elif option.is_flag or name != word:
                options.append(word)
            elif (value := next(left, None)) is None:
                raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.", ctx)
            else:
                options += [word, value]
        return super().parse_args(ctx, [*options, "--", *words])


class _DryRun(Exception):
    """Rolls the transaction back, with success."""


def writing(command: _Command) -> _Command:
    """Give a verb -b, -m, --dry-run, --as and --serial-jump; Writing.given() reads them."""
    on = f"The zone's branch; {DEFAULT_BRANCH} is the one served."
    return _with_options(command, on, may_jump=True)


def writing_on(branch: str) -> Callable[[_Command], _Command]:
    """The same for a verb after which no serial can step far; `branch` says what its -b means."""
    return lambda command: _with_options(command, branch, may_jump=False)


def _with_options(command: _Command, branch: str, *, may_jump: bool) -> _Command:

    def keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        assert parameter.name is not None
        ctx.meta.setdefault(_META, {})[parameter.name] = value

    def option(
        *words: str, default: object = None, is_flag: bool = False, metavar: str | None = None, text: str
    ) -> None:
        nonlocal command
        added = click.option(
            *words,
            default=default,
            is_flag=is_flag,
            metavar=metavar,
            expose_value=False,
            callback=keep,
            help=text,
        )
        command = added(command)

    if may_jump:
        jump = "Let the serial step over 2^30 at once, though secondaries could take it for older."
        option("--serial-jump", default=False, is_flag=True, text=jump)
    option("--as", "login", metavar="LOGIN", text="The author; else XFERZONE_USER, else you.")
    option("--dry-run", default=False, is_flag=True, text="Show what would change, and store nothing.")
    option("-m", "message", metavar="TEXT", text="The check-in's comment.")
    option(
        "-b",
        "branch",
        metavar="BRANCH",
        default=DEFAULT_BRANCH,
        text=branch,
    )
    return command


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def author(login: str | None = None, *, serial_jump: bool = False) -> Author:
    """Who commits: `login`, else XFERZONE_USER, else whoever runs this."""
    try:
        name = login or os.environ.get("XFERZONE_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Author(name, now_ms(), serial_jump)


@contextmanager
def reading(settings: Settings) -> Iterator[tuple[Reader, LocalRefs]]:
    """A snapshot of the repository, and its refs."""
    with Store.open(settings.repository) as store, store.reader() as reader:
        yield reader, LocalRefs(reader)


@contextmanager
def changing(settings: Settings) -> Iterator[tuple[Writer, LocalRefs]]:
    """The write transaction, and the refs in it."""
    with Store.open(settings.repository) as store, store.writer() as writer:
        yield writer, LocalRefs(writer)


def commit(
    settings: Settings, target: Callable[[LocalRefs], str], act: Callable[[Edit, Writer, LocalRefs], Commit]
) -> None:
    """Do `act` on the `target` branch, in one transaction, and print what it did.

    Raises:
        RefConflict: it lost a race against another check-in; the work is kept on a fork branch.
    """
    options = Writing.given()
    try:
        with changing(settings) as (writer, refs):
            branch = target(refs)
            zone = branch.partition("/")[0]
            edit = Edit(writer, refs, branch, author(options.login, serial_jump=options.serial_jump))
            was = refs.get(branch)
            done = act(edit, writer, refs)
            show_warnings(done.warnings)
            if options.dry_run:
                _show_dry_run(settings, writer, None if was is None else was.checkin, done)
                raise _DryRun
            writer.make_clusters()
            is_unsent = done.checkin is not None and writer.role == schema.CLONE
    except _DryRun:
        if done.fork is not None:
            raise RefConflict(done.branch, "where you began", "a newer check-in") from None
        return
    _show(settings, zone, done)
    if is_unsent and not settings.json:
        click.echo("not sent yet: xferzone sync", err=True)
    if done.fork is not None:
        raise RefConflict(
            done.branch, "where you began", f"a newer check-in (your work is kept on branch {done.fork})"
        )


def _show_dry_run(settings: Settings, reader: Reader, was: ArtifactId | None, done: Commit) -> None:
    change = Difference((), ())
    if done.checkin is not None and done.tag is None:
        placed = reader.placed(done.checkin)
        parents = () if placed is None else placed.parents
        before = was or (parents[0] if parents else None)
        change = log.difference(reader, done.branch.partition("/")[0], before, done.checkin)
    show_difference(settings, change)
    click.echo("dry run: nothing was stored", err=True)


def _show(settings: Settings, zone: str, done: Commit) -> None:
    if settings.json:
        answer = {
            "zone": zone,
            "branch": done.branch,
            "checkin": done.checkin,
            "serial": done.serial,
            "fork": done.fork,
        }
        show_json(answer if done.tag is None else answer | {"tag": done.tag})
    elif done.checkin is None:
        click.echo(f"{done.tag or done.branch}: nothing changed", err=True)
    else:
        serial = "" if done.serial is None else f" serial {done.serial}"
        click.echo(f"{printable(done.tag or done.fork or done.branch)} {done.checkin[:SHORT]}{serial}")


def show_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {printable(warning)}", err=True)


def show_json(value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Comments that stock took may hold bytes that are no UTF-8.
    click.echo(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8", "replace"))


def printable(text: str) -> str:
    """What somebody else wrote, as one line of a terminal: without control characters that could steer it."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text
    )


def show_difference(settings: Settings, change: Difference) -> None:
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


def when(date_ms: int) -> str:
    """A date as people are shown it, in UTC."""
    return datetime.fromtimestamp(date_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, noun: str) -> str:
    """So many of a thing, as in "1 warning" and "2,000 branches"."""
    ending = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{ending}"


def read_input(file: str) -> bytes:
    """The bytes of a file, or of stdin for "-".

    Raises:
        NotFound, UsageError: it cannot be read, or is larger than MAX_INPUT.
    """
    try:
        if file == "-":
            content = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(MAX_INPUT + 1)
    except OSError as exc:
        raise NotFound(f"{source(file)} cannot be read: {exc.strerror}") from exc
    if len(content) > MAX_INPUT:
        raise UsageError(f"{source(file)} is over {MAX_INPUT} bytes: split the zone")
    return content


def source(file: str) -> str:
    """What a file argument is called in messages."""
    return "standard input" if file == "-" else file


def on_branch(zone: str) -> Callable[[LocalRefs], str]:
    """For `commit`: the branch of `zone` that -b names."""
    return lambda refs: f"{zone}/{Writing.given().branch}"
