"""xferzone user: add, list, caps, passwd, remove."""

import sys

import click

from xferzone.cli.conditions import if_exists, if_missing, is_given, tell_nothing
from xferzone.cli.output import show_json
from xferzone.cli.settings import Settings, changing, reading
from xferzone.cli.terminal import show_table
from xferzone.errors import Exists, NotFound, UsageError, XferzoneError
from xferzone.repository.accounts import ADMIN_CAPS, EVERYBODY, check_login, password
from xferzone.store import Reader, accounts
from xferzone.store.accounts import User

READ_CAPS = "go"  # clone and read; letters as stock has them
WRITE_CAPS = "goi"
_LETTERS = (
    "agiosuvx"  # those that sync/server/login.py gives a meaning; what they mean stands in the help of `caps`
)


@click.group()
def user() -> None:
    """Accounts of this repository; who does not log in is `nobody`.

    \b
    Examples:
      xferzone user add alice --write
      xferzone user caps nobody --read
    """


def _caps_options(command: click.decorators.FC) -> click.decorators.FC:
    command = click.option("--admin", "level", flag_value=ADMIN_CAPS, help="Everything.")(command)
    command = click.option("--write", "level", flag_value=WRITE_CAPS, help="Clone, pull and push.")(command)
    return click.option("--read", "level", flag_value=READ_CAPS, help="Clone and pull.")(command)


def _caps(letters: str | None, level: str | None, default: str | None) -> str:
    if letters is not None and level is not None:
        raise UsageError("give letters, or one of --read, --write and --admin")
    caps = letters if letters is not None else level if level is not None else default
    if caps is None:
        raise UsageError("which rights? --read, --write, --admin, or letters as Fossil has them")
    if unknown := set(caps) - set(_LETTERS):
        raise UsageError(
            f"the letters {''.join(sorted(unknown))!r} mean nothing here: g clone, o read, i write, s everything; "
            f"`xferzone user caps --help` has all"
        )
    return "".join(sorted(set(caps)))


@user.command()
@click.argument("login")
@click.argument("letters", metavar="[CAPS]", required=False)
@_caps_options
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
    caps = _caps(letters, level, WRITE_CAPS)
    secret = _from_stdin() if password_stdin else password()
    with changing(settings) as (writer, _):
        known = accounts.user(writer, login)
        if known is None:
            accounts.put_user(writer, login, secret, caps)
        elif not is_given():
            raise Exists(
                f"there is a user {login} already: `xferzone user passwd {login}` changes the password"
            )
    if known is not None:
        tell_nothing(login)
        if settings.json:
            show_json({"login": login, "caps": known.caps, "changed": False})
        return
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
        show_json({"users": [{"login": each.login, "caps": each.caps} for each in users]})
    else:
        show_table([[each.login, each.caps or "-"] for each in users])


@user.command()
@click.argument("login")
@click.argument("letters", metavar="[CAPS]", required=False)
@_caps_options
@click.pass_obj
def caps(settings: Settings, login: str, letters: str | None, level: str | None) -> None:
    """Change what an account may do; "" takes everything away.

    \b
    CAPS are letters as Fossil has them:
      g clone    o read    i write    a, s everything    x private artifacts
      u, v what the accounts `reader` and `developer` of a stock repository may do

    \b
    Examples:
      xferzone user caps nobody --read
      xferzone user caps alice gi
    """
    with changing(settings) as (writer, _):
        chosen = _caps(letters, level, None)
        accounts.set_caps(writer, _known(writer, login), chosen)
    _tell(settings, login, chosen, None)


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
    with changing(settings) as (writer, _):
        known = _known(writer, login)
        accounts.put_user(writer, login, secret, known.caps)
    _tell(settings, login, known.caps, None if password_stdin else secret)


@user.command()
@click.argument("login")
@if_exists
@click.pass_obj
def remove(settings: Settings, login: str) -> None:
    """Remove an account; what it committed stays.

    \b
    Example:
      xferzone user remove alice
    """
    if login in EVERYBODY:
        raise UsageError(f"{login} cannot be removed: `xferzone user caps {login} ''` takes its rights away")
    with changing(settings) as (writer, _):
        if is_given() and (not login.isprintable() or accounts.user(writer, login) is None):
            tell_nothing(login)
            is_gone = False
        else:
            accounts.remove_user(writer, _known(writer, login))
            is_gone = True
    if settings.json:
        show_json({"login": login, "changed": is_gone})


def _known(reader: Reader, login: str) -> User:
    found = accounts.user(reader, login) if login.isprintable() else None
    if found is None:
        raise NotFound(f"there is no user {login}: `xferzone user list` shows them, `user add` makes one")
    return found


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
