"""xferzone sync, push, remote: other repositories."""

import socket
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import click

from xferzone import exchange
from xferzone.cli import passwords, synced
from xferzone.cli.conditions import if_exists, if_missing, is_given, tell_nothing
from xferzone.cli.output import show_json
from xferzone.cli.settings import Settings, changing, reading
from xferzone.cli.talking import Manner, Talk, quiet_option, talk
from xferzone.cli.terminal import show_table
from xferzone.errors import Exists, LostRace, UsageError
from xferzone.exchange import Options
from xferzone.exchange.known import known_remote
from xferzone.serve.helpers import compile_in_parallel
from xferzone.store import Store, schema
from xferzone.store.remotes import ORIGIN, Remote, put_remote, remotes, remove_remote
from xferzone.transport.url import without_password


class _Way(NamedTuple):
    """Which way artifacts go, and what was done when they have."""

    pull: bool
    push: bool
    done: str


PULL = _Way(pull=True, push=False, done="pulled from")
_PUSH = _Way(pull=False, push=True, done="pushed to")
_BOTH = _Way(pull=True, push=True, done="synced with")
_Command = TypeVar("_Command", bound=Callable[..., object])
private_option = click.option(
    "--private", is_flag=True, help="Private artifacts go along. The account needs the right x there."
)
tables_option = click.option("--no-tables", is_flag=True, help="Leave synced tables out.")


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@click.option("--pull", "way", flag_value=PULL, type=click.UNPROCESSED, help="Take only, send nothing.")
@click.option("--push", "way", flag_value=_PUSH, type=click.UNPROCESSED, help="Send only, take nothing.")
@click.option("-u", "--unversioned", is_flag=True, help="Unversioned files go the same ways.")
@click.option("--replay", is_flag=True, help="Make work of yours that lost a race again on what won it.")
@private_option
@tables_option
@quiet_option
@passwords.password_options
@click.pass_obj
# many: click gives each option as an argument
def sync(
    settings: Settings,
    remote: str | None,
    way: _Way | None,
    unversioned: bool,
    replay: bool,
    private: bool,
    no_tables: bool,
    quiet: bool,
    password_file: str | None,
    save_password: bool,
) -> None:
    """Exchange what is new with a remote.

    It is the one named, else origin, where this repository was cloned from.

    With --replay, check-ins of yours that lost a race are made again on top of what won it, and sent: those of this
    sync, and those on fork branches that are still open. Records that both sides changed are left to you, with exit
    code 4.

    \b
    Examples:
      xferzone sync
      xferzone sync --pull https://dns.example.net/
      xferzone sync --quiet --replay
    """
    if replay and way is not None:
        raise UsageError("--replay takes and sends: leave out --pull and --push")
    manner = Manner(password_file, save_password, quiet, replay, unversioned, private, not no_tables)
    exchanged_with(settings, remote, way or _BOTH, manner)


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@private_option
@tables_option
@quiet_option
@passwords.password_options
@click.pass_obj
# many: click gives each option as an argument
def push(
    settings: Settings,
    remote: str | None,
    private: bool,
    no_tables: bool,
    quiet: bool,
    password_file: str | None,
    save_password: bool,
) -> None:
    """Send to a remote what was committed here; `sync --push`.

    \b
    Example:
      xferzone push
    """
    manner = Manner(password_file, save_password, quiet, private=private, tables=not no_tables)
    exchanged_with(settings, remote, _PUSH, manner)


@click.group(invoke_without_command=True)
@click.pass_context
def remote(ctx: click.Context) -> None:
    """Repositories that `sync` knows by a name.

    \b
    Examples:
      xferzone remote
      xferzone remote add backup https://ops@backup.example.net/
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@remote.command("list")
@click.pass_obj
def list_(settings: Settings) -> None:
    """Names and URLs.

    \b
    Example:
      xferzone remote list
    """
    with reading(settings, may_be_empty=True) as (reader, _):
        known = remotes(reader)
    if settings.json:
        show_json({"remotes": [{"name": each.name, "url": each.url} for each in known]})
    elif not known:
        click.echo("there are no remotes: `xferzone remote add NAME URL` makes one", err=True)
    else:
        show_table([[each.name, each.url] for each in known])


@remote.command()
@click.argument("name")
@click.argument("url")
@click.option("--replace", is_flag=True, help="Change the URL of a remote that is there already.")
@if_missing
@click.pass_obj
def add(settings: Settings, name: str, url: str, replace: bool) -> None:
    """Remember URL, without its password, as NAME.

    \b
    Example:
      xferzone remote add backup https://ops@backup.example.net/
    """
    if replace and is_given():
        raise UsageError("--replace and --if-missing: give one of them")
    if not name.isprintable() or any(letter in " /:@" for letter in name) or not name:
        raise UsageError(f"{name!r} cannot be a remote's name: leave out blanks, slashes, colons and @")
    shown = Remote(name, without_password(url))
    with changing(settings, may_be_empty=True) as (writer, _):
        known = None if replace else next((each for each in remotes(writer) if each.name == name), None)
        if known is None:
            put_remote(writer, shown)
        elif not is_given():
            raise Exists(f"there is a remote {name} already: --replace changes its URL")
    if known is not None:
        tell_nothing(name)
        shown = known
    if settings.json:
        show_json({"name": name, "url": shown.url, "changed": known is None})
    elif known is None:
        click.echo(f"{name} {shown.url}")


@remote.command()
@click.argument("name")
@if_exists
@click.pass_obj
def remove(settings: Settings, name: str) -> None:
    """Forget a remote; what came from it stays.

    \b
    Example:
      xferzone remote remove backup
    """
    with changing(settings, may_be_empty=True) as (writer, _):
        if is_given() and all(each.name != name for each in remotes(writer)):
            tell_nothing(name)
            is_gone = False
        else:
            remove_remote(writer, known_remote(writer, name))
            is_gone = True
    if settings.json:
        show_json({"name": name, "changed": is_gone})


def exchanged_with(settings: Settings, named: str | None, direction: _Way, manner: Manner) -> None:
    # Imported here: a clone needs nothing that edits.
    from xferzone.cli import replays
    from xferzone.edit.replaying import Replayed

    exchanges: list[exchange.Outcome] = []
    again: list[Replayed] = []
    is_shown = settings.json or not manner.quiet
    with Store.open(settings.repository) as store:
        for turn in range(replays.MAX_REPLAYS + 1):
            done, tries = _exchanged(store, named, direction, manner)
            exchanges.append(done)
            if is_shown and (direction.pull or not done.is_denied):
                verb = PULL.done if done.is_denied and tries else direction.done
                synced.show(settings, exchanges, verb, with_files=manner.unversioned)
            is_last = not manner.replay or turn == replays.MAX_REPLAYS
            found = replays.NONE if is_last else replays.replayed(store, done.followed.diverged)
            again += found.done
            if not found.done:
                break
        if manner.replay and is_shown:
            replays.show(settings, again)
        try:
            synced.complain(done)
            if found.failed:
                raise LostRace("work of yours that lost a race is on fork branches")
        except LostRace as exc:
            exc.args = ("\n".join([str(exc), *found.failed]),)
            raise
        with store.reader() as reader:
            synced.check_pushed(done, tries=tries, is_primary=reader.role in schema.DECIDING)
        synced.complain_of_files(done)
        synced.complain_of_tables(done)


def _exchanged(
    store: Store, named: str | None, direction: _Way, manner: Manner
) -> tuple[exchange.Outcome, bool]:
    """One sync. Returns what it came to, and whether something was to be pushed."""
    with store.reader() as reader:
        known, is_primary = known_remote(reader, named), reader.role in schema.DECIDING
    options = Options(
        pull=direction.pull,
        push=direction.push,
        compiler=compile_in_parallel,
        unversioned=manner.unversioned,
        private=manner.private,
        tables=manner.tables,
        address=socket.gethostname(),
    )
    races = known.name != ORIGIN or not direction.pull
    asked = Talk(named, manner, tells_races=races, pushes=direction.push)
    done = talk(store, asked, options, exchange.sync)
    return done, bool(done.unsent) or not direction.pull or is_primary
