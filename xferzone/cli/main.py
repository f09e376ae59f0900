"""The command line: global options, then a verb; each verb's module is imported when it is called.

    xferzone [-R FILE] [--format text|json] [--version] VERB ...

All of these may stand behind the verb, too, unless it has an option of that name itself.
Data goes to stdout, all else to stderr. An error on purpose brings its own exit code (errors.py); click's usage
errors exit 2.
"""

import difflib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import click

import xferzone
from xferzone.errors import NotFound, RefConflict, UsageError, XferzoneError
from xferzone.serve.process import seek_cycles_seldom

DEFAULT_REPOSITORY = "zones.xferzone"

#: verb -> module of xferzone.cli and the command in it; in the order of the help.
VERBS = {
    "init": "admin:init",
    "zone": "zones:zone",
    "set": "records:set_",
    "add": "records:add",
    "delete": "records:delete",
    "apply": "records:apply",
    "edit": "records:edit",
    "reset": "records:reset",
    "branch": "records:branch",
    "tag": "records:tag",
    "log": "history:log",
    "diff": "history:diff",
    "blame": "history:blame",
    "show": "history:show",
    "clone": "remotes:clone",
    "sync": "remotes:sync",
    "pull": "remotes:pull",
    "push": "remotes:push",
    "remote": "remotes:remote",
    "promote": "admin:promote",
    "status": "admin:status",
    "check": "admin:check",
    "rebuild": "admin:rebuild",
    "repair": "repair:repair",
    "backup": "admin:backup",
    "stats": "admin:stats",
    "user": "users:user",
    "serve": "serve:serve",
    "dns": "serve:dns",
    "up": "serve:up",
    "help": "main:help_",
}

#: What people who come from other programs type, and what does it here.
ELSEWHERE = {
    "undo": "`xferzone reset ZONE main~1`",
    "revert": "`xferzone reset ZONE REV`",
    "rm": "`xferzone delete` (records) or `xferzone zone remove`",
    "remove": "`xferzone delete` (records) or `xferzone zone remove`",
    "commit": "`xferzone set`, `add`, `delete`, `apply` or `edit`, each of which commits",
    "merge": "`fossil merge` in a check-out, or `xferzone reset ZONE BRANCH`",
    "history": "`xferzone log`",
    "ls": "`xferzone zone list`",
    "list": "`xferzone zone list`",
    "server": "`xferzone serve`",
    "start": "`xferzone up`",
}

EXIT_CODES = """\b
Exit codes:
  0   done, or nothing to do
  1   failed
  2   the command was not understood
  4   somebody else was first: look, and try again
  5   no such zone, revision, name, user or repository
  6   the zone is not valid; nothing was stored
  7   refused by a safety threshold or a policy
  69  the remote could not be reached or understood
  75  the repository is busy: try again
  77  not permitted
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the global options say."""

    repository: Path
    form: str

    @property
    def json(self) -> bool:
        return self.form == "json"


class Verbs(click.Group):
    """The verbs above, imported on demand: sqlalchemy alone costs 0.2 s."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, 1)
            meant = ELSEWHERE.get(args[0]) or (f"`xferzone {near[0]}`" if near else "")
            hint = f"did you mean {meant}?" if meant else "`xferzone --help` lists them"
            raise click.UsageError(f"there is no verb {args[0]}: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].partition(":")
        command = getattr(importlib.import_module(f"xferzone.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        _take_behind(command, [_behind(param) for param in self.params if isinstance(param, click.Option)])
        return command


def _behind(option: click.Option) -> click.Option:
    """The option as it may stand behind a verb, whose help leaves it out."""
    made = copy(option)
    made.hidden, made.default, made.envvar = True, None, None
    if made.expose_value:
        made.expose_value, made.callback = False, _say_again
    return made


def _say_again(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """Of what was said before the verb and behind it, the latter counts."""
    if value is not None and not ctx.resilient_parsing:
        ctx.obj = replace(ctx.obj, **{parameter.name: value})


def _take_behind(command: click.Command, options: Sequence[click.Option]) -> None:
    """Give the command and all below it those of `options` that have no name of its own options."""
    own = {name for param in command.params for name in param.opts}
    command.params += [option for option in options if own.isdisjoint(option.opts)]
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _take_behind(below, options)


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
    ctx.obj = Settings(repository, form)


@click.command("help")
@click.argument("verb", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, verb: tuple[str, ...]) -> None:
    """Explain a verb.

    \b
    Example:
      xferzone help zone add
    """
    parent = ctx.parent
    assert parent is not None
    command: click.Command = parent.command
    at = parent
    for word in verb:
        found = command.get_command(at, word) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"there is no verb {' '.join(verb)}: `xferzone --help` lists them")
        command, at = found, click.Context(found, info_name=word, parent=at)
    click.echo(command.get_help(at))


def main() -> None:
    """Run the command line and exit with its code."""
    seek_cycles_seldom()
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as exc:
        code = exc.exit_code
    except click.Abort:
        code = 130
    except click.ClickException as exc:
        exc.show()
        code = exc.exit_code
    except XferzoneError as exc:
        from xferzone.cli.committing import printable

        # A word of 70 kB that somebody gave must not hide the remedy behind it.
        told = re.sub(r"\S{200,}", lambda word: f"{word[0][:60]}...", str(exc))
        if isinstance(
            exc, RefConflict | UsageError | NotFound
        ):  # what is damaged or missing is named in full
            told = re.sub(r"\b([0-9a-f]{16})[0-9a-f]{48}\b", r"\1", told)
        click.echo("\n".join(f"xferzone: {printable(line)}" for line in told.split("\n")), err=True)
        code = exc.exit_code
    except BrokenPipeError:
        # Whoever read our output has what he wanted: `xferzone log | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as exc:
        # A full disk, a directory that cannot be entered: what the system says of it is all there is to say.
        click.echo(f"xferzone: {f'{exc.filename}: ' if exc.filename else ''}{exc.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail once more
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code if isinstance(code, int) else 0)
