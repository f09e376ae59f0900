"""The command line: global options, then a verb; each verb's module is imported when it is called.

    xferzone [-R FILE] [--format text|json] [--version] VERB ...

All of these may stand behind the verb, too, unless it has an option of that name itself.
Data goes to stdout, all else to stderr. An error on purpose brings its own exit code (errors.py); click's usage
errors exit 2. With --format json stdout has one object (docs/json.md), which is printed here when the verb has ended;
an error is a field of it.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TextIO, cast

import click

import xferzone
from xferzone.cli.output import error_object, print_json, printable
from xferzone.cli.settings import DEFAULT_REPOSITORY, Settings
from xferzone.cli.steadied import Steadied
from xferzone.cli.terminal import is_terminal
from xferzone.cli.verbs import Verbs
from xferzone.errors import FULL, Exists, NoRoom, NotFound, RefConflict, UsageError, XferzoneError
from xferzone.hashing import short
from xferzone.serve.process import seek_cycles_seldom

EXIT_CODES = """\b
Exit codes:
  0   done, or nothing to do
  1   failed
  2   the command was not understood
  3   it exists already
  4   somebody else was first: look, and try again
  5   no such zone, revision, name, user or repository
  6   the zone is not valid; nothing was stored
  7   refused by a safety threshold or a policy
  69  the remote could not be reached or understood
  75  the repository is busy, or a disk is full: try again
  77  not permitted
  130 Ctrl-C ended it, or you did not agree to what it asked
"""


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.option(
    "-R",
    "--repository",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="XFERZONE_REPOSITORY",
    default=DEFAULT_REPOSITORY,
    show_default=True,
    help="The repository file; XFERZONE_REPOSITORY names it too.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How data is printed. It and -R may stand behind the verb, too.",
)
@click.version_option(xferzone.__version__, prog_name="xferzone")
@click.pass_context
def cli(ctx: click.Context, repository: Path, form: str) -> None:
    """Version-controlled authoritative DNS that replicates by Fossil's sync protocol.

    \b
    Start here:
      xferzone init                                     make ./zones.xferzone
      xferzone zone add example.com                     a first zone
      xferzone set www.example.com. 300 A 192.0.2.1     a record
      xferzone up                                       serve Fossil on 8080 and DNS on 5300, both on loopback
    """
    ctx.obj = Settings(repository, form, ctx.ensure_object(dict))


def main() -> None:
    """Run the command line, print its answer in JSON if that is asked for, and exit with its code."""
    seek_cycles_seldom()
    if is_terminal():
        sys.stdout = cast(TextIO, Steadied(sys.stdout))  # it has all that TextIO has
    answer: dict[str, object] = {}
    try:
        code, error = _ended(answer)
        if error is not None and _asks_for_json(sys.argv[1:]):
            answer["error"] = error
        if answer:
            print_json(answer)
    except BrokenPipeError:
        # Whoever read our output has what he wanted: `xferzone log | head`.
        _drop_output()
        code = 0
    except OSError as exc:
        # A full disk, a directory that cannot be entered: what the system says of it is all there is to say.
        click.echo(f"xferzone: {f'{exc.filename}: ' if exc.filename else ''}{exc.strerror}", err=True)
        _drop_output()  # what is left would fail once more
        code = NoRoom.exit_code if exc.errno in FULL else 1
    sys.exit(code)


def _ended(answer: dict[str, object]) -> tuple[int, Mapping[str, object] | None]:
    """Run the verb, which puts what it has to say in JSON into `answer`. Returns its exit code, and the error that it
    ended with, which was told; None: it ended well.

    Raises:
        OSError: as the system raised it.
    """
    try:
        code = cli.main(standalone_mode=False, obj=answer)
    except click.exceptions.Exit as exc:
        code = exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code, error_object(UsageError(exc.format_message()))
    except XferzoneError as exc:
        # A word of 70 kB that somebody gave must not hide the remedy behind it.
        told = re.sub(r"\S{200,}", lambda word: f"{word[0][:60]}...", str(exc))
        if isinstance(
            exc, RefConflict | UsageError | NotFound | Exists
        ):  # what is damaged or missing is named in full
            told = re.sub(r"\b[0-9a-f]{64}\b", lambda id_: short(id_[0]), told)
        click.echo("\n".join(f"xferzone: {printable(line)}" for line in told.split("\n")), err=True)
        return exc.exit_code, error_object(exc)
    except (click.Abort, KeyboardInterrupt):
        code = 130
    return code if isinstance(code, int) else 0, None


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether the command line asks for JSON, also where it was not understood."""
    words = words[: words.index("--")] if "--" in words else words
    return "--format=json" in words or ("--format", "json") in pairwise(words)


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
