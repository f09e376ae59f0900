"""What `xferzone clone` does once it has asked: loaded while the server answers (cloning.py)."""

from pathlib import Path
from typing import Final, NamedTuple

from xferzone import exchange
from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.progress import watching
from xferzone.cli.settings import Settings, own_login
from xferzone.serve.helpers import compile_in_parallel, verifying
from xferzone.store.remotes import ORIGIN, Remote
from xferzone.sync.client.options import Account
from xferzone.transport.http import HTTP
from xferzone.transport.sooner import Sooner
from xferzone.transport.url import credentials, without_password

_PATIENCE_S: Final = 1.0  # for the first reply: the process that helps is better forked while no thread runs


class Wish(NamedTuple):
    """A clone of `url` at `path`."""

    url: str
    path: Path
    account: Account | None
    saves_password: bool


def take(settings: Settings, wish: Wish, way: HTTP, asked: Sooner) -> None:
    """Make the clone, and tell what came of it. `asked`: `way`, whose first request is under way."""
    url, path, account, _ = wish
    address, _, _ = credentials(url)
    origin = Remote(ORIGIN, without_password(url))
    options = exchange.Options(
        account=account,
        remote=origin,
        observer=watching(address, tells_races=False),
        login=own_login(),
        compiler=compile_in_parallel,  # of a stock remote the zones are checked at once
        helping=verifying,
    )
    done = exchange.clone(path, asked.waited(_PATIENCE_S), options)
    if done.errors:
        raise synced.refusal(done, "is it the password?", remedy=synced.remedy_of(account, address))
    tell_move(path, origin, way)
    if wish.saves_password and account is not None:
        passwords.save(path, url, account.password)
    synced.show(settings, [done], "cloned")
    synced.complain(done)
