"""xferzone user: add, list, caps, zones, expire, passwd, remove."""

import sys
from dataclasses import replace

import click

from xferzone.cards.session import shared_secret
from xferzone.cli.accounts import (
    ADMINISTRATORS,
    WRITE_CAPS,
    as_json,
    as_row,
    caps_options,
    changed,
    chosen_caps,
    parsed_date,
    parsed_zones,
)
from xferzone.cli.conditions import if_exists, if_missing, is_given, tell_nothing
from xferzone.cli.output import show_json
from xferzone.cli.settings import Settings, reading
from xferzone.cli.terminal import show_table
from xferzone.errors import Exists, NotFound, Refused, UsageError, XferzoneError
from xferzone.exchange.group import accounts as shared
from xferzone.repository.accounts import EVERYBODY, check_login, password
from xferzone.store import accounts, tables
from xferzone.store.accounts import User
from xferzone.wording import counted


@click.group()
def user() -> None:
    """Accounts of this repository; without one, you are nobody.

    \b
    Examples:
      xferzone user add alice --write
      xferzone user caps nobody --read
    """


@user.command()
@click.argument("login")
@click.argument("letters", metavar="[CAPS]", required=False)
@caps_options
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
@if_missing
@click.pass_obj
def add(settings: Settings, login: str, letters: str | None, level: str | None, password_stdin: bool) -> None:
    """Make an account; prints its password, once. Without rights given it may write.

    \b
    Example:
      xferzone user add alice --write
    """
    check_login(login)
    caps = chosen_caps(letters, level, WRITE_CAPS)
    secret = _from_stdin() if password_stdin else password()

    def added(known: User | None, project: str) -> User:
        if known is not None and not is_given():
            raise Exists(
                f"there is a user {login} already: `xferzone user passwd {login}` changes the password"
            )
        return known or User(login, shared_secret(project, login, secret), caps)

    known, _ = changed(settings, login, added)
    if known is not None:
        tell_nothing(login)
        if settings.json:
            show_json({"login": login, "caps": known.caps, "changed": False})
        return
    with reading(settings) as (reader, _):
        rows = tables.owned(reader, login)
    if rows:
        click.echo(
            f"{counted(rows, 'row')} of synced tables, deleted ones included, came with the login", err=True
        )
    _tell(settings, login, caps, None if password_stdin else secret)


@user.command("list")
@click.pass_obj
def list_(settings: Settings) -> None:
    """Accounts and their capability letters.

    \b
    Example:
      xferzone user list
    """
    with reading(settings) as (reader, _):
        users = accounts.users(reader)
    if settings.json:
        show_json({"users": [as_json(each) for each in users]})
    else:
        show_table([as_row(each.login, each) for each in users])


@user.command()
@click.argument("login")
@click.argument("letters", metavar="[CAPS]", required=False)
@caps_options
@click.pass_obj
def caps(settings: Settings, login: str, letters: str | None, level: str | None) -> None:
    """Change what an account may do; "" takes everything away.

    \b
    CAPS are letters as Fossil has them:
      g clone    o read    i write    a, s everything    x private artifacts
      y unversioned files, which neither a nor s implies
      p change the own password, which a and s imply
      e mail addresses in tickets
      u, v what the accounts `reader` and `developer` of a stock repository may do

    \b
    Examples:
      xferzone user caps nobody --read
      xferzone user caps alice gi
    """
    chosen = chosen_caps(letters, level, None)
    if level is not None and login in EVERYBODY:
        chosen = chosen.replace("p", "")  # nobody has no password, and what nobody may everybody may

    def wanted(known: User | None, _: str) -> User:
        account = _known(known, login)
        if account.zones and not ADMINISTRATORS.isdisjoint(chosen):
            raise Refused(f"{login} is held to zones: `xferzone user zones {login} --all` first")
        return replace(account, caps=chosen)

    changed(settings, login, wanted)
    _tell(settings, login, chosen, None)


@user.command()
@click.argument("login")
@click.argument("zone_names", metavar="[ZONE]...", nargs=-1)
@click.option("--all", "of_all", is_flag=True, help="Hold it to none: it may write to all zones.")
@click.pass_obj
def zones(settings: Settings, login: str, zone_names: tuple[str, ...], of_all: bool) -> None:
    """Hold an account to zones, or let it write to all again.

    It may push versions of these, and tags of them, and nothing else. It needs the right to write, too, and still reads
    all of the project. A zone need not exist yet. An administrator cannot be held.

    \b
    Examples:
      xferzone user zones alice example.com example.net
      xferzone user zones alice --all
    """
    if bool(zone_names) == of_all:
        raise UsageError("which zones? give their names, or --all")
    held = parsed_zones(zone_names)

    def wanted(known: User | None, _: str) -> User:
        account = _known(known, login)
        if held and not ADMINISTRATORS.isdisjoint(account.caps):
            raise Refused(
                f"{login} is an administrator: take a and s away first, with `xferzone user caps {login} giop`"
            )
        return replace(account, zones=held)

    _show_changed(settings, login, wanted)


@user.command()
@click.argument("login")
@click.argument("date", metavar="DATE|never")
@click.pass_obj
def expire(settings: Settings, login: str, date: str) -> None:
    """Let an account expire: from DATE on its password is refused. A day begins at midnight UTC; a time has a zone.

    \b
    Examples:
      xferzone user expire alice 2027-01-31
      xferzone user expire alice 2027-01-31T18:00+01:00
      xferzone user expire alice never
    """
    if login in EVERYBODY:
        raise UsageError(f"{login} cannot expire: `xferzone user caps {login} ''` takes its rights away")
    at = None if date == "never" else parsed_date(date)
    _show_changed(settings, login, lambda known, _: replace(_known(known, login), expires_ms=at))


def _show_changed(settings: Settings, login: str, wanted: shared.Change) -> None:
    _, now = changed(settings, login, wanted)
    account = _known(now, login)
    if settings.json:
        show_json({**as_json(account), "changed": True})
    else:
        show_table([as_row(account.login, account)])


@user.command()
@click.argument("login")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
@click.pass_obj
def passwd(settings: Settings, login: str, password_stdin: bool) -> None:
    """Give an account a new password; prints it, once.

    \b
    Example:
      xferzone user passwd alice
    """
    if login in EVERYBODY:
        raise UsageError(f"{login} has no password: `xferzone user caps {login}` says what everybody may do")
    secret = _from_stdin() if password_stdin else password()
    known, _ = changed(
        settings,
        login,
        lambda known, project: replace(_known(known, login), secret=shared_secret(project, login, secret)),
    )
    _tell(settings, login, _known(known, login).caps, None if password_stdin else secret)


@user.command()
@click.argument("login")
@if_exists
@click.pass_obj
def remove(settings: Settings, login: str) -> None:
    """Remove an account; its commits and its rows of synced tables stay.

    Nobody who is invited gets its login. `user add` gives it to somebody again, with the rows.

    \b
    Example:
      xferzone user remove alice
    """
    if login in EVERYBODY:
        raise UsageError(f"{login} cannot be removed: `xferzone user caps {login} ''` takes its rights away")

    def removed(known: User | None, _: str) -> None:
        if not is_given():
            _known(known, login)

    known, _ = changed(settings, login, removed)
    if known is None:
        tell_nothing(login)
    if settings.json:
        show_json({"login": login, "changed": known is not None})


def _known(known: User | None, login: str) -> User:
    """Raises NotFound: there is none."""
    if known is None:
        raise NotFound(f"there is no user {login}: `xferzone user list` shows them, `user add` makes one")
    return known


def _from_stdin() -> str:
    secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise XferzoneError("the password on stdin is empty")
    return secret


def _tell(settings: Settings, login: str, caps: str, secret: str | None) -> None:
    shown = {"login": login, "caps": caps} | ({} if secret is None else {"password": secret})
    if settings.json:
        show_json(shown | {"changed": True})
    else:
        click.echo("".join(f"{name}: {value}\n" for name, value in shown.items()), nl=False)
