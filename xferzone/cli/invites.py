"""xferzone invite: add, list, remove. What people do with one is web/owners.py's, and that of `clone --invite-file`."""

from collections.abc import Mapping, Sequence

import click

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
    reached_accounts,
)
from xferzone.cli.output import show_json
from xferzone.cli.settings import Settings, reading
from xferzone.cli.terminal import show_table
from xferzone.env import SYSTEM
from xferzone.errors import Ambiguous, NotFound, Refused, UsageError
from xferzone.exchange.group import accounts as shared
from xferzone.repository.accounts import token
from xferzone.store import Store, accounts
from xferzone.store.accounts import INVITE, User, invited_by
from xferzone.wording import instant

_DAYS_MS = 7 * 86_400_000  # that an invitation holds
_SHOWN = 16  # hex digits of its id
_SWEPT = 50  # expired ones that go when another one is made; each is a key of a group


@click.group(invoke_without_command=True)
@click.pass_context
def invite(ctx: click.Context) -> None:
    """Tokens, each of which makes one account.

    \b
    Examples:
      xferzone invite add --write --zone example.com
      xferzone invite
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@invite.command()
@click.argument("letters", metavar="[CAPS]", required=False)
@caps_options
@click.option("--zone", "zone_names", metavar="ZONE", multiple=True, help="Hold the account to this zone.")
@click.option("--expires", metavar="DATE", help="The end of the invitation; without it, in 7 days.")
@click.pass_obj
def add(
    settings: Settings, letters: str | None, level: str | None, zone_names: Sequence[str], expires: str | None
) -> None:
    """Make an invitation; prints its token, once. Without rights given the account may write.

    Whoever has the token becomes an account with these rights, once: at /invite of the server with a browser, or with
    `xferzone clone --invite-file FILE URL`, where FILE holds the token. In a group any member takes it.

    \b
    Examples:
      xferzone invite add
      xferzone invite add --read --expires 2027-01-31
      xferzone invite add --zone example.com --zone example.net
    """
    caps, held = chosen_caps(letters, level, WRITE_CAPS), parsed_zones(zone_names)
    if held and not ADMINISTRATORS.isdisjoint(caps):
        raise UsageError("an administrator is not held to zones: leave out --zone, or a and s")
    now_ms = SYSTEM.clock_ms()
    until = now_ms + _DAYS_MS if expires is None else parsed_date(expires)
    if until <= now_ms:
        raise UsageError(f"{expires} has passed: an invitation ends in the future")
    secret = token()
    made = User(invited_by(secret), "", caps, held, until)
    with reached_accounts(settings) as (store, keys):
        swept = dict.fromkeys(each.login for each in _expired(store)[:_SWEPT])
        wished: Mapping[str, User | None] = {made.login: made, **swept}
        shared.change_all(store, list(wished), lambda _known, _project: wished, keys)
    if settings.json:
        show_json({**_shown(made), "token": secret})
        return
    click.echo(f"token: {secret}\ncaps: {caps}\nexpires: {instant(until)}")
    click.echo(
        "it makes one account: xferzone clone --invite-file FILE https://LOGIN@HOST/, with the token in FILE",
        err=True,
    )


@invite.command("list")
@click.pass_obj
def list_(settings: Settings) -> None:
    """Invitations that nobody has used yet; the token of none of them.

    \b
    Example:
      xferzone invite list
    """
    with reading(settings) as (reader, _):
        found = accounts.invites(reader)
    if settings.json:
        show_json({"invites": [_shown(each) for each in found]})
    elif not found:
        click.echo("nobody is invited", err=True)
    else:
        show_table([as_row(_id(each)[:_SHOWN], each) for each in found])


@invite.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def remove(settings: Settings, ids: Sequence[str]) -> None:
    """Take invitations back. Each ID is as `invite list` shows it, or longer.

    \b
    Example:
      xferzone invite remove 3f1d0c2a9b8e7f60
    """
    with reading(settings) as (reader, _):
        there = accounts.invites(reader)
    gone = [_the_one(there, each) for each in ids]
    for each in gone:
        changed(settings, each.login, _removed)
    if settings.json:
        show_json({"removed": [_id(each) for each in gone]})


def _removed(known: User | None, _project: str) -> None:
    if known is None:
        raise Refused("it was used a moment ago: `xferzone user list` shows the account")


def _expired(store: Store) -> list[User]:
    with store.reader() as reader:
        return [each for each in accounts.invites(reader) if each.is_expired(SYSTEM.clock_ms)]


def _the_one(there: Sequence[User], shown: str) -> User:
    found = [each for each in there if shown and _id(each).startswith(shown)]
    if not found:
        raise NotFound(f"there is no invitation {shown}: `xferzone invite list` shows them")
    if len(found) > 1:
        raise Ambiguous(f"{shown} begins the ids of {len(found)} invitations: give more digits")
    return found[0]


def _id(user: User) -> str:
    """What the invitation is called: the hash of its token."""
    return user.login.removeprefix(INVITE)


def _shown(user: User) -> Mapping[str, object]:
    described = {name: value for name, value in as_json(user).items() if name != "login"}
    return {"id": _id(user), **described}
