"""xferzone clone, sync, pull, push, remote: other repositories."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from xferzone.cli import passwords
from xferzone.cli.aside import compile_aside
from xferzone.cli.common import SHORT, changing, counted, now_ms, printable, reading, show_json
from xferzone.cli.main import Settings
from xferzone.cli.process import ending_in_order
from xferzone.cli.progress import size, watching
from xferzone.errors import Denied, LostRace, NotFound, PeerError, UsageError, XferzoneError
from xferzone.refs import LocalRefs
from xferzone.store import Reader, Store, Writer, schema
from xferzone.store.remotes import ORIGIN, Remote, put_remote, remotes, remove_remote, unsent
from xferzone.sync import driver
from xferzone.sync.client import ClientSession, Purpose
from xferzone.transport import HTTP, credentials, shown_url
from xferzone.zone.follow import Diverged, Followed, follow
from xferzone.zone.publish import publish
from xferzone.zone.repository import EVERYBODY
from xferzone.zone.serials import Heard

MAX_SHOWN = 20  # refs or artifacts that are listed one by one; JSON has all
_PULL, _PUSH, _BOTH = (
    Purpose(pull=True, push=False),
    Purpose(pull=False, push=True),
    Purpose(pull=True, push=True),
)
_DONE = {_PULL: "pulled from", _PUSH: "pushed to", _BOTH: "synced with"}
_LOGIN_FAILED, _NOT_ALLOWED = (
    "login failed",
    "not authorized",
)  # how errors about rights begin, here and in stock
_Command = TypeVar("_Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class _Sync:
    """A sync that is over."""

    where: str
    session: ClientSession
    seconds: float
    followed: Followed


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
    """Copy a repository from URL into FILE, else into the one -R names; `sync` then knows where it came from.

    A password in the URL is not remembered. XFERZONE_PASSWORD may hold it, too.

    \b
    Examples:
      xferzone clone https://ops@dns.example.net/ zones.xferzone
      xferzone clone --save-password --password-file secret https://ops@dns.example.net/
    """
    path = file or settings.repository
    if path.exists():
        raise UsageError(f"{path} exists already and was left as it is: give another FILE")
    account = passwords.account(path, url, password_file)
    with ending_in_order(), Store.making(path) as store:
        heard = Heard()
        session = ClientSession(None, _PULL, account, witness=heard)
        remote = Remote(ORIGIN, passwords.without_password(url))
        done = _run(store, remote, session, heard, _begin_clone)
        if session.errors:
            raise _refusal(done, "is it the password?")
    if save_password and account is not None:
        passwords.save(path, url, account.password)
    _show(settings, done, "cloned")
    _complain(done)


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
    """Exchange what is new with a remote: the one named, else origin, where this repository was cloned from.

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
@click.pass_obj
def add(settings: Settings, name: str, url: str) -> None:
    """Remember URL, without its password, as NAME.

    \b
    Example:
      xferzone remote add backup https://ops@backup.example.net/
    """
    if not name.isprintable() or any(letter in " /:@" for letter in name) or not name:
        raise UsageError(f"{name!r} cannot be a remote's name: leave out blanks, slashes, colons and @")
    shown = passwords.without_password(url)
    with changing(settings) as (writer, _):
        if any(each.name == name for each in remotes(writer)):
            raise UsageError(f"there is a remote {name} already: `xferzone remote remove {name}` forgets it")
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
        remove_remote(writer, _named(writer, name))


def _sync(
    settings: Settings, named: str | None, purpose: Purpose, password_file: str | None, save_password: bool
) -> None:
    with Store.open(settings.repository) as store:
        with store.reader() as reader:
            known = _named(reader, named)
            project = reader.project_code
        url = named if named is not None and "://" in named else known.url
        account = passwords.account(settings.repository, url, password_file)
        since = known.epoch, known.number
        heard = Heard()
        session = ClientSession(
            project, purpose, account, since, known.cookie, is_origin=known.name == ORIGIN, witness=heard
        )
        with ending_in_order():
            done = _run(store, known, session, heard)
        if session.errors:
            with store.reader() as reader:
                left = len(unsent(reader)) if purpose.push else 0
            raise _refusal(done, "is it the password, or is another project there?", left)
        if save_password and account is not None:
            passwords.save(settings.repository, url, account.password)
        _show(settings, done, _DONE[purpose])
        _complain(done)
        with store.reader() as reader:
            _check_pushed(reader, done, purpose)


def _run(
    store: Store,
    remote: Remote,
    session: ClientSession,
    heard: Heard,
    begin: Callable[[Writer, ClientSession], None] | None = None,
) -> _Sync:
    """Drive the session, then let the refs follow what came; `begin` completes a repository before that."""
    address, _, _ = credentials(remote.url)
    began = time.monotonic()
    with watching(address, tells_races=remote.name != ORIGIN or not session.pulls) as observer:
        driver.run(store, HTTP(address, with_login=session.has_account), session, observer)
    followed = Followed()
    if not session.errors:
        with store.writer() as writer:
            if begin is not None:
                begin(writer, session)
            followed = _follow(writer, remote, session, heard)
    return _Sync(address, session, time.monotonic() - began, followed)


def _begin_clone(writer: Writer, session: ClientSession) -> None:
    assert session.project_code is not None
    writer.set_setting("project-code", session.project_code)
    writer.set_setting("role", schema.CLONE)
    for login in EVERYBODY:
        writer.put_user(login, None, "")


def _follow(writer: Writer, remote: Remote, session: ClientSession, heard: Heard) -> Followed:
    followed = Followed()
    epoch, number = remote.epoch, remote.number
    if session.pulls and remote.name != ORIGIN and writer.role != schema.PRIMARY:
        # Where the refs of a clone stand is its origin's business alone (law 5).
        followed = Followed(notices=tuple(publish(writer, LocalRefs(writer), now_ms())))
    elif session.pulls:
        told = session.told.refs if session.told.is_ours else None
        followed = follow(writer, LocalRefs(writer), told, now_ms(), compile_aside, heard)
        if not followed.incomplete:
            epoch, number = session.told.epoch, session.told.number
    if remote.name:
        put_remote(writer, Remote(remote.name, remote.url, epoch, number, session.cookie))
    return followed


def _named(reader: Reader, named: str | None) -> Remote:
    """The remote of that name or URL; None: origin. One of an unknown URL has no name.

    Raises:
        NotFound: none is called so.
    """
    known = {each.name: each for each in remotes(reader)}
    if named is not None and "://" in named:
        place, _, _ = credentials(named)
        same = [each for each in known.values() if credentials(each.url)[0] == place]
        return same[0] if same else Remote("", passwords.without_password(named))
    if (found := known.get(named or ORIGIN)) is not None:
        return found
    if named is None:
        raise NotFound("with whom? give a URL or a name, or `xferzone remote add origin URL`")
    raise NotFound(
        f"there is no remote {shown_url(named)}: `xferzone remote` lists them, `remote add` makes one"
    )


def _show(settings: Settings, done: _Sync, verb: str) -> None:
    traffic, followed = done.session.traffic, done.followed
    if settings.json:
        show_json(_account_of(done))
        return
    for moved in followed.moved[:MAX_SHOWN]:
        serial = "" if moved.serial is None else f" serial {moved.serial}"
        click.echo(f"{printable(moved.branch)} {moved.new[:SHORT]}{serial}")
    if len(followed.moved) > MAX_SHOWN:
        click.echo(f"... and {len(followed.moved) - MAX_SHOWN} more branches")
    click.echo(
        f"{verb} {done.where}: received {traffic.received:,} artifacts, sent {_taken(done):,}; {traffic.rounds} "
        f"{'round' if traffic.rounds == 1 else 'rounds'}, {size(traffic.bytes_in)} in, {size(traffic.bytes_out)} out, "
        f"{done.seconds:.1f} s"
    )


def _taken(done: _Sync) -> int:
    """How many artifacts the server took."""
    return 0 if done.session.is_denied else done.session.traffic.sent


def _account_of(done: _Sync) -> Mapping[str, object]:
    session, followed = done.session, done.followed
    return {
        "remote": done.where,
        "rounds": session.traffic.rounds,
        "received": session.traffic.received,
        "sent": _taken(done),
        "bytes_in": session.traffic.bytes_in,
        "bytes_out": session.traffic.bytes_out,
        "seconds": round(done.seconds, 3),
        "moved": [
            {"branch": each.branch, "from": each.old, "to": each.new, "serial": each.serial}
            for each in followed.moved
        ],
        "diverged": [
            {"branch": each.branch, "checkins": list(each.checkins), "now_on": each.now_on}
            for each in followed.diverged
        ],
        "invalid": [
            {"branch": each.branch, "checkin": each.checkin, "reason": each.reason}
            for each in followed.invalid
        ],
        "incomplete": [
            {"branch": each.branch, "checkin": each.checkin, "reason": each.reason}
            for each in followed.incomplete
        ],
        "absent": session.absent,
        "messages": session.messages,
    }


def _complain(done: _Sync) -> None:
    """Tell what went wrong with what came.

    Raises:
        LostRace: work of ours did.
        XferzoneError: not all has come.
    """
    followed = done.followed
    for kept in (*followed.invalid, *followed.incomplete)[:MAX_SHOWN]:
        reason = kept.reason.replace("\n", "; ")
        click.echo(printable(f"{kept.branch} stays where it was: {reason}"), err=True)
    for notice in followed.notices[:MAX_SHOWN]:
        click.echo(printable(notice), err=True)
    absent = done.session.absent
    if absent:
        ids = ", ".join(absent[:MAX_SHOWN])
        raise XferzoneError(f"{done.where} has named {len(absent)} artifacts and not sent them: {ids}")
    if followed.incomplete:
        branches = ", ".join(kept.branch for kept in followed.incomplete[:MAX_SHOWN])
        raise XferzoneError(f"{done.where} tells of check-ins that it has not sent, for {branches}")
    if followed.diverged:
        raise LostRace("\n".join(map(_told_of, followed.diverged[:MAX_SHOWN])))


def _told_of(lost: Diverged) -> str:
    """What became of work that lost a race, and how it comes to an end."""
    ids = ", ".join(checkin[:SHORT] for checkin in lost.checkins[:MAX_SHOWN])
    is_are = "is" if len(lost.checkins) == 1 else "are"
    told = f"somebody else was first on {lost.branch}: yours, {ids}, {is_are} "
    if lost.now_on == lost.branch:
        return f"{told}kept here, and not published"
    zone, _, branch = lost.branch.partition("/")
    fork = lost.now_on.partition("/")[2]
    return (
        f"{told}on branch {lost.now_on} now\n"
        f"see it with `xferzone diff {zone} {branch} {fork}`, and do it again with `xferzone set` or `edit`; "
        f"`xferzone branch {zone} {fork} --close` then ends the matter"
    )


def _check_pushed(reader: Reader, done: _Sync, purpose: Purpose) -> None:
    """See that what was to be pushed has arrived, and was not beaten in a race.

    Raises:
        Denied, LostRace
    """
    session = done.session
    left = unsent(reader)
    tries = left or not purpose.pull or reader.role == schema.PRIMARY
    if session.is_denied and tries:
        raise Denied(
            f"{done.where} takes no pushes from this account; {len(left)} artifacts stay here unsent"
        )
    if purpose.pull:
        return
    placed = filter(None, map(reader.placed, session.sent))
    for branch in {checkin.branch for checkin in placed}:
        tip = session.told.refs.get(branch or "")
        ref = LocalRefs(reader).get(branch or "")
        if tip is not None and ref is not None and not reader.has(tip):
            raise LostRace(
                f"somebody else was first on {ref.branch}: `xferzone pull` brings what {done.where} has there, "
                f"and says where yours is"
            )


def _refusal(done: _Sync, doubt: str, left: int = 0) -> XferzoneError:
    """What the server's error cards come to: a failed login leaves a `doubt`, a push `left` so many unsent."""
    text = printable("; ".join(done.session.errors))
    if text == _LOGIN_FAILED:
        return Denied(f"{done.where}: {text}: {doubt}")
    if text.startswith(_NOT_ALLOWED) or done.session.sent:
        unsent_here = (
            f"; {counted(left, 'artifact')} {'stays' if left == 1 else 'stay'} here unsent" if left else ""
        )
        return Denied(f"{done.where} refuses: {text}{unsent_here}")
    if text.startswith("wrong project"):
        return PeerError(f"{done.where} holds another project than this repository")
    return PeerError(f"{done.where} says: {text}")
