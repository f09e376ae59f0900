"""One exchange of a verb with a remote: which it is, as whom, what is told meanwhile, what is remembered after."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import click

from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.progress import watching
from xferzone.cli.reached import reached
from xferzone.cli.settings import own_login
from xferzone.exchange import Options, Outcome
from xferzone.exchange.known import known_remote
from xferzone.serve.process import ending_in_order
from xferzone.store import Store
from xferzone.transport import Transport
from xferzone.transport.url import credentials

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing if all is well.")


class Manner(NamedTuple):
    """How an exchange is done, as its options say."""

    password_file: str | None
    save_password: bool
    quiet: bool
    replay: bool = False
    unversioned: bool = False
    private: bool = False
    tables: bool = True


class Talk(NamedTuple):
    """With whom, and how.

    Fields:
        named: a URL, or the name of a remote; None: origin.
        tells_races: what the server says of races that were lost is shown.
        pushes: the exchange is above all to give something: so a refusal says.
    """

    named: str | None
    manner: Manner
    tells_races: bool = False
    pushes: bool = False


def talk(
    store: Store, asked: Talk, options: Options, run: Callable[[Store, Transport, Options], Outcome]
) -> Outcome:
    """What `run` comes to with the remote.

    `options` need neither account, remote and login nor an observer.

    Raises:
        Denied, Busy, NoRoom, PeerError: the remote ended it.
        NotFound, UsageError: there is no such remote.
    """
    named, manner = asked.named, asked.manner
    if manner.save_password:
        passwords.check_may_save(store.path)
    with store.reader() as reader:
        known = known_remote(reader, named)
    url = named if named is not None and "://" in named else known.url
    account = passwords.account(store.path, url, manner.password_file)
    address, _, _ = credentials(known.url)
    observer = watching(address, tells_races=asked.tells_races, quiet=manner.quiet)
    options = replace(options, account=account, remote=known, observer=observer, login=own_login())
    login, is_ours = account is not None, bool(known.epochs)
    with ending_in_order(), reached(store.path, address, with_login=login, is_ours=is_ours) as way:
        done = run(store, way, options)
    if done.errors:
        doubt = "is it the password, or is another project there?"
        raise synced.refusal(done, doubt, remedy=synced.remedy_of(account, known.url), pushed=asked.pushes)
    tell_move(store.path, known, way)
    if manner.save_password and account is not None:
        passwords.save(store.path, url, account.password)
    return done
