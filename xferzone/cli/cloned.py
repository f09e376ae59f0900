"""What `xferzone clone` does once it has asked: loaded while the server answers (cloning.py)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from xferzone import exchange
from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.progress import watching
from xferzone.cli.settings import Settings, own_login
from xferzone.serve.helpers import compile_in_parallel, verifying
from xferzone.store.begun import partial_of
from xferzone.store.remotes import ORIGIN, Remote
from xferzone.sync.client.options import Account
from xferzone.transport.http import HTTP
from xferzone.transport.sooner import Sooner
from xferzone.transport.url import credentials, without_password

if TYPE_CHECKING:  # of an extra
    from xferzone.transport.nats import NATS

_PATIENCE_S: Final = 1.0  # for the first reply: the process that helps is better forked while no thread runs


class Wish(NamedTuple):
    """A clone of `url` at `path`."""

    url: str
    path: Path
    account: Account | None
    saves_password: bool
    unversioned: bool = False
    private: bool = False
    resumes: bool = False
    tables: bool = True


def take(settings: Settings, wish: Wish, way: "HTTP | NATS", asked: Sooner | None) -> None:
    """Make the clone, and tell what came of it. `asked`: `way`, whose first request is under way."""
    url, path, account, *_ = wish
    address, _, _ = credentials(url)
    origin = Remote(ORIGIN, without_password(url))
    options = exchange.Options(
        account=account,
        remote=origin,
        observer=watching(address, tells_races=False),
        login=own_login(),
        compiler=compile_in_parallel,  # of a stock remote the zones are checked at once
        helping=verifying,
        unversioned=wish.unversioned,
        private=wish.private,
        tables=wish.tables,
    )
    transport = way if asked is None else asked.waited(_PATIENCE_S)
    with _telling_what_is_kept(path):
        done = exchange.clone(path, transport, options, resume=wish.resumes)
    if done.errors:
        raise synced.refusal(done, "is it the password?", remedy=synced.remedy_of(account, address))
    tell_move(path, origin, way)
    if wish.saves_password and account is not None:
        passwords.save(path, url, account.password)
    synced.show(settings, [done], "cloned", with_files=wish.unversioned)
    synced.complain(done)
    synced.complain_of_files(done)
    synced.complain_of_tables(done)


@contextmanager
def _telling_what_is_kept(path: Path) -> Iterator[None]:
    """Where the clone does not come to its end, say how it goes on."""
    try:
        yield
    except BaseException:
        if (kept := partial_of(path)).exists():
            click.echo(f"{kept} keeps what has come: the same command with --resume goes on", err=True)
        raise
