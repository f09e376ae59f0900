"""The table of verbs: each one's module is imported when the verb is first named.

    verb  ->  module of xferzone.cli : command in it

The global options (main.py) may also stand behind a verb, unless it has an option of that name itself.
"""

import importlib
import inspect
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import click

from xferzone.cli import damage
from xferzone.cli.output import show_json
from xferzone.cli.settings import Settings

#: verb -> module of xferzone.cli and the command in it; in the order of the help.
VERBS = {
    "init": "repository:init",
    "zone": "zones:zone",
    "set": "editing:set_",
    "add": "editing:add",
    "delete": "editing:delete",
    "apply": "applying:apply",
    "edit": "edit:edit",
    "reset": "editing:reset",
    "branch": "branches:branch",
    "tag": "branches:tag",
    "log": "history:log",
    "reflog": "history:reflog",
    "diff": "history:diff",
    "blame": "history:blame",
    "show": "show:show",
    "clone": "cloning:clone",
    "sync": "remotes:sync",
    "pull": "pull:pull",
    "push": "remotes:push",
    "remote": "remotes:remote",
    "uv": "unversioned:uv",
    "table": "table:table",
    "promote": "repository:promote",
    "demote": "repository:demote",
    "status": "repository:status",
    "check": "repository:check",
    "rebuild": "repository:rebuild",
    "repair": "repair:repair",
    "shun": "shunning:shun",
    "backup": "repository:backup",
    "restore": "restore:restore",
    "import-fossil": "stock_files:import_fossil",
    "export-fossil": "stock_files:export_fossil",
    "optimize": "optimizing:optimize",
    "rollover": "rolling_over:rollover",
    "stats": "repository:stats",
    "user": "users:user",
    "invite": "invites:invite",
    "passwd": "own_password:passwd",
    "serve": "serve:serve",
    "dns": "serve:dns",
    "up": "serve:up",
    "group": "group:group",
    "config": "config:config",
    "help": "verbs:help_",
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
    "import": "`xferzone zone import ZONE FILE`, or `xferzone zone add ZONE --from FILE` for a new zone",
    "load": "`xferzone zone import ZONE FILE`, or `xferzone zone add ZONE --from FILE` for a new zone",
    "export": "`xferzone zone export ZONE`",
    "dump": "`xferzone zone export ZONE`",
    "zones": "`xferzone zone list`",
    "rollback": "`xferzone reset ZONE REV`",
    "version": "`xferzone --version`",
    "checkout": "`fossil open` in a directory beside a `fossil clone`",
    "co": "`fossil open` in a directory beside a `fossil clone`",
    "open": "`fossil open` in a directory beside a `fossil clone`",
    "ci": "`xferzone set`, `add`, `delete`, `apply` or `edit`, each of which commits",
    "annotate": "`xferzone blame`",
    "timeline": "`xferzone log`",
    "get": "`xferzone show`",
    "unversioned": "`xferzone uv`",
    "cat": "`xferzone uv cat`, or `xferzone zone export` for a zone",
    "update": "`xferzone sync`, or `xferzone set` for a record",
}


class Verbs(click.Group):
    """The verbs above, imported on demand: sqlalchemy alone costs 0.2 s."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def invoke(self, ctx: click.Context) -> object:
        with damage.named(ctx):
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib  # 5 ms, which a verb that is known does not need

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
    if ctx.obj.json:
        show_json(_described(command, at) | {"verb": " ".join(verb)})
    else:
        click.echo(command.get_help(at))


def _described(command: click.Command, at: click.Context) -> dict[str, object]:
    """A verb as JSON has it, with the parameters that its help names."""
    shown = [each for each in command.get_params(at) if not getattr(each, "hidden", False)]
    return {
        "usage": command.get_usage(at).removeprefix("Usage: "),
        "help": inspect.cleandoc(command.help or "").replace("\b\n", ""),
        "verbs": command.list_commands(at) if isinstance(command, click.Group) else [],
        "parameters": [_parameter(each, at) for each in shown],
    }


def _parameter(parameter: click.Parameter, at: click.Context) -> dict[str, object]:
    option = parameter if isinstance(parameter, click.Option) else None
    return {
        "options": [] if option is None else [*option.opts, *option.secondary_opts],
        "value": None if option is not None and option.is_flag else parameter.make_metavar(at).strip("[]."),
        "required": parameter.required,
        "repeatable": parameter.multiple or parameter.nargs == -1,
        "help": None if option is None else option.help,
    }


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
        ctx.meta[Settings.__name__] = ctx.obj


def _take_behind(command: click.Command, options: Sequence[click.Option]) -> None:
    """Give the command and all below it those of `options` that have no name of its own options."""
    own = {name for param in command.params for name in param.opts}
    command.params += [option for option in options if own.isdisjoint(option.opts)]
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _take_behind(below, options)
