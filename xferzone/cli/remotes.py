"""xferzone clone, sync, pull, push, remote: other repositories."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.output import show_json
from xferzone.cli.progress import watching
from xferzone.cli.settings import Settings, changing, occasion, reading
from xferzone.errors import NotFound, UsageError
from xferzone.publish.follow import Compiling, Followed, follow
from xferzone.publish.noted import Noted
from xferzone.publish.publish import publish
from xferzone.refs import Door, LocalRefs
from xferzone.repository.accounts import EVERYBODY
from xferzone.serve.helpers import compile_aside, verifying
from xferzone.serve.process import ending_in_order
from xferzone.store import Reader, Store, Writer, accounts, schema, unsent
from xferzone.store.remotes import ORIGIN, Remote, put_remote, remotes, remove_remote
from xferzone.sync.client import driver
from xferzone.sync.client.options import Known, Options, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.transport.http import HTTP
from xferzone.transport.url import credentials, shown_url, without_password

_PULL, _PUSH, _BOTH = (
    Purpose(pull=True, push=False),
    Purpose(pull=False, push=True),
    Purpose(pull=True, push=True),
)
_DONE = {_PULL: "pulled from", _PUSH: "pushed to", _BOTH: "synced with"}
_Command = TypeVar("_Command", bound=Callable[..., object])


def _password_options(command: _Command) -> _Command:
    save = click.option(
        "--save-password", is_flag=True, help="Keep the password in FILE.passwords, for you alone to read."
    )
    given = click.option(
        "--password-file", metavar="FILE", help="The password is its first line; - is stdin."
    )
    return given(save(command))


@click.command()
@click.argument("url")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@_password_options
@click.pass_obj
def clone(
    settings: Settings, url: str, file: Path | None, password_file: str | None, save_password: bool
) -> None:
    """Copy a repository from URL into a new FILE.

    Without FILE it is the one that -R names. `sync` then knows where it came from. A password in the URL is not
    remembered. XFERZONE_PASSWORD may hold it, too.

    \b
    Examples:
      xferzone clone https://ops@dns.example.net/ zones.xferzone
      xferzone clone --save-password --password-file secret https://ops@dns.example.net/
    """
    path = file or settings.repository
    if path.exists():
        raise UsageError(f"{path} exists already and was left as it is: give another FILE")
    account = passwords.account(path, url, password_file)
    with ending_in_order(), verifying() as aside, Store.making(path) as store:
        noted = Noted()
        session = ClientSession(None, Options(_PULL, account), witness=noted, helper=aside)
        remote = Remote(ORIGIN, without_password(url))
        done = _run(store, remote, session, noted, _begin_clone)
        if session.errors:
            raise synced.refusal(done, "is it the password?")
    if save_password and account is not None:
        passwords.save(path, url, account.password)
    synced.show(settings, done, "cloned")
    synced.complain(done)


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@click.option("--pull", "purpose", flag_value=_PULL, type=click.UNPROCESSED, help="Take only, send nothing.")
@click.option("--push", "purpose", flag_value=_PUSH, type=click.UNPROCESSED, help="Send only, take nothing.")
@_password_options
@click.pass_obj
def sync(
    settings: Settings,
    remote: str | None,
    purpose: Purpose | None,
    password_file: str | None,
    save_password: bool,
) -> None:
    """Exchange what is new with a remote.

    It is the one named, else origin, where this repository was cloned from.

    \b
    Examples:
      xferzone sync
      xferzone sync --pull https://dns.example.net/
    """
    _sync(settings, remote, purpose or _BOTH, password_file, save_password)


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@_password_options
@click.pass_obj
def pull(settings: Settings, remote: str | None, password_file: str | None, save_password: bool) -> None:
    """Take what is new at a remote; `sync --pull`.

    \b
    Example:
      xferzone pull
    """
    _sync(settings, remote, _PULL, password_file, save_password)


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@_password_options
@click.pass_obj
def push(settings: Settings, remote: str | None, password_file: str | None, save_password: bool) -> None:
    """Send to a remote what was committed here; `sync --push`.

    \b
    Example:
      xferzone push
    """
    _sync(settings, remote, _PUSH, password_file, save_password)


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
    with reading(settings) as (reader, _):
        known = remotes(reader)
    if settings.json:
        show_json([{"name": each.name, "url": each.url} for each in known])
    elif not known:
        click.echo("there are no remotes: `xferzone remote add NAME URL` makes one", err=True)
    else:
        click.echo("".join(f"{each.name} {each.url}\n" for each in known), nl=False)


@remote.command()
@click.argument("name")
@click.argument("url")
@click.option("--replace", is_flag=True, help="Change the URL of a remote that is there already.")
@click.pass_obj
def add(settings: Settings, name: str, url: str, replace: bool) -> None:
    """Remember URL, without its password, as NAME.

    \b
    Example:
      xferzone remote add backup https://ops@backup.example.net/
    """
    if not name.isprintable() or any(letter in " /:@" for letter in name) or not name:
        raise UsageError(f"{name!r} cannot be a remote's name: leave out blanks, slashes, colons and @")
    shown = without_password(url)
    with changing(settings) as (writer, _):
        if not replace and any(each.name == name for each in remotes(writer)):
            raise UsageError(f"there is a remote {name} already: --replace changes its URL")
        put_remote(writer, Remote(name, shown))
    if settings.json:
        show_json({"name": name, "url": shown})
    else:
        click.echo(f"{name} {shown}")


@remote.command()
@click.argument("name")
@click.pass_obj
def remove(settings: Settings, name: str) -> None:
    """Forget a remote; what came from it stays.

    \b
    Example:
      xferzone remote remove backup
    """
    with changing(settings) as (writer, _):
        remove_remote(writer, known_remote(writer, name))


def _sync(
    settings: Settings, named: str | None, purpose: Purpose, password_file: str | None, save_password: bool
) -> None:
    with Store.open(settings.repository) as store:
        with store.reader() as reader:
            known = known_remote(reader, named)
            project = reader.project_code
            # A primary counts nothing as unsent, and another name than origin leaves it so: no harm is done.
            itself = (
                LocalRefs(reader).epoch() if reader.role != schema.PRIMARY and known.name == ORIGIN else None
            )
        url = named if named is not None and "://" in named else known.url
        account = passwords.account(settings.repository, url, password_file)
        noted = Noted()
        session = ClientSession(
            project,
            Options(purpose, account),
            Known(
                epochs=known.epochs,
                cookie=known.cookie,
                is_origin=known.name == ORIGIN,
                own_epoch=itself,
            ),
            witness=noted,
        )
        with ending_in_order():
            done = _run(store, known, session, noted)
        if session.errors:
            with store.reader() as reader:
                left = len(unsent.artifacts(reader)) if purpose.push else 0
            raise synced.refusal(done, "is it the password, or is another project there?", left)
        if save_password and account is not None:
            passwords.save(settings.repository, url, account.password)
        synced.show(settings, done, _DONE[purpose])
        synced.complain(done)
        with store.reader() as reader:
            synced.check_pushed(reader, done, purpose)


def _run(
    store: Store,
    remote: Remote,
    session: ClientSession,
    noted: Noted,
    begin: Callable[[Writer, ClientSession], None] | None = None,
) -> synced.Sync:
    """Drive the session, then let the refs follow what came; `begin` completes a repository before that."""
    address, _, _ = credentials(remote.url)
    began = time.monotonic()
    with (
        HTTP(address, with_login=session.has_account, is_ours=bool(remote.epochs)) as way,
        watching(address, tells_races=remote.name != ORIGIN or not session.pulls) as observer,
    ):
        driver.run(store, way, session, observer)
    followed = Followed()
    if not session.errors:
        with store.writer() as writer:
            if begin is not None:
                begin(writer, session)
            followed = _follow(writer, remote, session, noted, defers=begin is not None)
        tell_move(store.path, remote, way)
    return synced.Sync(address, session, time.monotonic() - began, followed)


def _begin_clone(writer: Writer, session: ClientSession) -> None:
    assert session.project_code is not None
    writer.set_setting("project-code", session.project_code)
    writer.set_setting("role", schema.CLONE)
    for login in EVERYBODY:
        accounts.put_user(writer, login, None, "")


def _follow(
    writer: Writer, remote: Remote, session: ClientSession, noted: Noted, *, defers: bool
) -> Followed:
    followed = Followed()
    epochs = remote.epochs
    if session.pulls and remote.name != ORIGIN and writer.role != schema.PRIMARY:
        # Where the refs of a clone stand is its origin's business alone (law 5).
        followed = Followed(notices=tuple(publish(writer, LocalRefs(writer), occasion(Door.PULL))))
    elif session.pulls:
        told = session.told.refs if session.told.is_ours else None
        refs = LocalRefs(writer)
        followed = follow(writer, refs, told, occasion(Door.PULL), Compiling(compile_aside, noted, defers))
        if not followed.incomplete:
            epochs = session.told.epochs
    if remote.name:
        put_remote(writer, Remote(remote.name, remote.url, epochs, session.cookie))
    return followed


def known_remote(reader: Reader, named: str | None) -> Remote:
    """The remote of that name or URL; None: origin. One of an unknown URL has no name.

    Raises:
        NotFound: none is called so.
    """
    known = {each.name: each for each in remotes(reader)}
    if named is not None and "://" in named:
        place, _, _ = credentials(named)
        same = [each for each in known.values() if credentials(each.url)[0] == place]
        return same[0] if same else Remote("", without_password(named))
    if (found := known.get(named or ORIGIN)) is not None:
        return found
    if named is None:
        raise NotFound("with whom? give a URL or a name, or `xferzone remote add origin URL`")
    raise NotFound(
        f"there is no remote {shown_url(named)}: `xferzone remote` lists them, `remote add` makes one"
    )
