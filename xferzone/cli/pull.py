"""xferzone pull: once, or for ever.

a primary or a clone     a sync that takes only (remotes.py), with one remote
a mirror                 the follower pulls, from the first of several primaries that answers
--watch                  it goes on until a signal ends it: a line when something moved, and when a lag begins or ends
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from xferzone.cli import mirrors, nats, passwords
from xferzone.cli.output import MAX_SHOWN, printable, show_json, show_list
from xferzone.cli.remotes import PULL, exchanged_with, private_option, tables_option
from xferzone.cli.serve import duration
from xferzone.cli.settings import Settings
from xferzone.cli.talking import Manner, quiet_option
from xferzone.errors import Refused, UsageError, XferzoneError
from xferzone.exchange.mirror.follower import Follower
from xferzone.exchange.mirror.following import Following, Pulled, Via
from xferzone.exchange.mirror.lag import Lag
from xferzone.hashing import short
from xferzone.observer import size
from xferzone.publish.follow import BESIDE
from xferzone.serve.following import Primaries
from xferzone.serve.helpers import compile_in_parallel, compiling, verifying
from xferzone.serve.process import ending_in_order
from xferzone.store import Store, schema
from xferzone.transport.url import credentials, is_nats
from xferzone.wording import counted

if TYPE_CHECKING:
    from xferzone.config import Duration

DEFAULT_INTERVAL = "5s"


class _Asked(NamedTuple):
    """What the options say of a mirror."""

    watch: bool
    interval: "Duration | None"
    via: Via | None
    accept_clobber: bool

    def check_absent(self, role: str) -> None:
        """Raise Refused if one is given that only mirrors know."""
        if self.accept_clobber:
            raise Refused(f"this is a {role}: only a mirror has to accept that its primary was restored")
        if self.interval is not None or self.via is not None:
            raise UsageError("--interval and --via are for mirrors and --watch")


@click.command()
@click.argument("remotes", metavar="[URL|NAME]...", nargs=-1)
@click.option(
    "--watch", is_flag=True, help="Follow for ever, until Ctrl-C. Without a file it makes a mirror."
)
@click.option(
    "--interval",
    type=duration,
    metavar="TIME",
    help=f"The time between two looks with --watch, such as 500ms, 5s or 1m.  [default: {DEFAULT_INTERVAL}]",
)
@click.option(
    "--via",
    type=click.Choice(["walk", "xfer"]),
    help="The road that a mirror takes. A primary that knows no walk is followed by xfer.  [default: walk]",
)
@click.option(
    "--accept-clobber", is_flag=True, help="Follow a primary that was restored from a backup, also back."
)
@private_option
@tables_option
@quiet_option
@passwords.password_options
@click.pass_obj
# many: click gives each option as an argument
def pull(
    settings: Settings,
    remotes: Sequence[str],
    watch: bool,
    interval: "Duration | None",
    via: Via | None,
    accept_clobber: bool,
    private: bool,
    no_tables: bool,
    quiet: bool,
    password_file: str | None,
    save_password: bool,
) -> None:
    """Take what is new at a remote; `sync --pull`.

    With --watch it follows a primary for ever. Where there is no file yet it makes one, a mirror: it has all that the
    primary publishes, answers DNS from it, and takes no changes of its own. Of several URLs the first that answers is
    used.

    \b
    Examples:
      xferzone pull
      xferzone pull --watch https://mirror@dns.example.net/ https://mirror@dns2.example.net/
    """
    asked, manner = (
        _Asked(watch, interval, via, accept_clobber),
        Manner(password_file, save_password, quiet, private=private, tables=not no_tables),
    )
    found = mirrors.role(settings.repository)
    if watch or found == schema.MIRROR:
        if private:
            raise UsageError("a mirror follows what is published: leave out --private")
        _pull_mirror(settings, remotes, asked, manner)
        return
    if found is not None:
        asked.check_absent(found)
    if len(remotes) > 1:
        raise UsageError("several remotes are for mirrors and --watch: give one")
    exchanged_with(settings, remotes[0] if remotes else None, PULL, manner)


def _pull_mirror(settings: Settings, given: Sequence[str], asked: _Asked, manner: Manner) -> None:
    if asked.watch and settings.json:
        raise UsageError("--watch prints a line for each event: leave out --format json")
    if asked.watch and asked.accept_clobber:
        raise UsageError("--accept-clobber is for a single pull: leave out --watch")
    repository = settings.repository
    urls = mirrors.chosen(repository, given)
    named = [url for url in given if "://" in url] or urls
    account = mirrors.account(repository, named, manner.password_file, asks=True)
    seconds = (asked.interval or duration(DEFAULT_INTERVAL)).seconds
    account_there = nats.account(repository) if any(map(is_nats, urls)) else None
    primaries = Primaries(urls, seconds, asked.via or "walk", account, nats=account_there)
    if manner.save_password:
        passwords.check_may_save(repository)
    mirrors.make_if_none(repository)

    def save_password() -> None:
        if manner.save_password and account is not None:
            for url in named:
                passwords.save(repository, url, account.password)

    with Store.open(repository) as store:
        if asked.watch:
            _watch(store, primaries, _Watcher(manner.quiet, save_password), manner)
        else:
            pulled = _pulled(store, primaries, asked, manner)
            save_password()
            _show(settings, pulled, manner)


def _options(primaries: Primaries, manner: Manner) -> Following:
    return Following(
        via=primaries.via,
        tables=manner.tables,
        account=primaries.account,
        compiler=compile_in_parallel,
        helping=verifying,
        beginning=compiling,
    )


def _pulled(store: Store, primaries: Primaries, asked: _Asked, manner: Manner) -> Pulled:
    options = _options(primaries, manner)
    follower = Follower(store, primaries.urls, primaries.interval_s, primaries.ways(), options)
    with ending_in_order(), closing(follower):
        return follower.pull(accept_clobber=asked.accept_clobber)


def _show(settings: Settings, pulled: Pulled, manner: Manner) -> None:
    """Print what one pull came to. Raises as `_complain`."""
    for url, why in pulled.failed:
        click.echo(printable(f"{_bare(url)} was passed over: {why}"), err=True)
    for note in pulled.notes:
        click.echo(printable(note), err=True)
    if settings.json:
        show_json(_json(pulled))
    elif not manner.quiet:
        show_list(
            [
                f"{moved.branch} {short(moved.new)}{'' if moved.serial is None else f' serial {moved.serial}'}"
                for moved in pulled.followed.moved
            ]
        )
        click.echo(f"pulled from {_summary(pulled)}")
    _complain(pulled)


def _complain(pulled: Pulled) -> None:
    """Tell what stays where it was.

    Raises:
        Refused: the primary's line no longer leads from what is served here.
    """
    for notice in pulled.followed.notices[:MAX_SHOWN]:
        click.echo(printable(notice), err=True)
    kept = pulled.followed.invalid
    for each in kept[:MAX_SHOWN]:
        reason = each.reason.replace("\n", "; ")
        click.echo(printable(f"{each.branch} stays where it was: {reason}"), err=True)
    beside = [each for each in kept if each.reason == BESIDE]
    if beside:
        raise Refused(
            f"{_bare(pulled.primary)} has other versions of {counted(len(beside), 'branch')} than were served here: if "
            "it was restored from a backup, `xferzone pull --accept-clobber` follows it"
        )


class _Watcher:
    """Prints what each pull of a mirror came to; `answered` is called when a primary first answers."""

    def __init__(self, is_quiet: bool, answered: Callable[[], None]) -> None:
        self.is_quiet = is_quiet
        self._answered: Callable[[], None] | None = answered
        self._lag = Lag(time.monotonic)

    def hear(self, news: Pulled | XferzoneError) -> None:
        turn = self._lag.hear(news)
        if turn is not None and turn.outcome != "ends":
            click.echo(printable(f"behind: {turn.why}; trying again"), err=True)
        if isinstance(news, Pulled):
            if self._answered is not None:
                self._answered()
                self._answered = None
            for note in news.notes:
                click.echo(printable(note), err=True)
            if (news.received or news.rows or news.followed.moved) and not self.is_quiet:
                click.echo(f"pulled from {_summary(news)}")
        if turn is not None and turn.outcome == "ends":
            click.echo(f"caught up, after {turn.seconds:.0f} s", err=True)


def _watch(store: Store, primaries: Primaries, watcher: _Watcher, manner: Manner) -> None:
    """Follow until INT, TERM or HUP, which end it well."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    if not watcher.is_quiet:
        click.echo(f"watching {', '.join(map(_bare, primaries.urls))}; Ctrl-C ends it", err=True)
    with primaries.news() as news:
        options = replace(
            _options(primaries, manner), heard=watcher.hear, cancelled=stopped.is_set, woken=news.take
        )
        follower = Follower(store, primaries.urls, primaries.interval_s, primaries.ways(), options)
        with closing(follower):
            follower.run()


def _summary(pulled: Pulled) -> str:
    """Where from, and how much."""
    rows = f", {counted(pulled.rows, 'row')}" if pulled.rows else ""
    return (
        f"{_bare(pulled.primary)}: {counted(len(pulled.followed.moved), 'branch')} moved, received "
        f"{counted(pulled.received, 'artifact')}{rows}; {counted(pulled.requests, 'request')}, "
        f"{size(pulled.bytes_in)} in, {size(pulled.bytes_out)} out, {pulled.seconds:.1f} s"
    )


def _json(pulled: Pulled) -> Mapping[str, object]:
    followed = pulled.followed
    return {
        "remote": pulled.primary,
        "rounds": pulled.requests,
        "received": pulled.received,
        "rows_received": pulled.rows,
        "sent": 0,
        "bytes_in": pulled.bytes_in,
        "bytes_out": pulled.bytes_out,
        "seconds": round(pulled.seconds, 3),
        "moved": [
            {"branch": str(moved.branch), "from": moved.old, "to": moved.new, "serial": moved.serial}
            for moved in followed.moved
        ],
        "diverged": [
            {"branch": str(each.branch), "checkins": list(each.checkins), "now_on": each.now_on}
            for each in followed.diverged
        ],
        "invalid": [
            {"branch": str(each.branch), "checkin": each.checkin, "reason": each.reason}
            for each in followed.invalid
        ],
        "incomplete": [],
        "absent": [],
        "withheld": [],
        "waiting": [],
        "messages": list(pulled.notes),
    }


def _bare(url: str) -> str:
    return credentials(url)[0]
