"""Before a commit in a clone: origin is asked to lock the check-in that it follows, for a minute.

A clone asks if it has a login at origin with a saved password, and one branch is committed to: a lock is given to
nobody but people with a login, and for one check-in. It pulls with the same request, so that the commit follows what is
newest. Where origin does not answer within seconds the commit goes on without a lock.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import click

from xferzone.cli.output import printable
from xferzone.cli.settings import own_login
from xferzone.errors import Locked, XferzoneError
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Reader, Store
from xferzone.store.remotes import ORIGIN, Remote, remotes
from xferzone.wording import instant

if TYPE_CHECKING:
    from xferzone.exchange import Outcome
    from xferzone.hashing import ArtifactId
    from xferzone.sync.client.options import Account

_TURNS: Final = 3  # of asking again, since the branch has moved meanwhile
_CONNECT_S: Final = 2.0
_REPLY_S: Final = 10.0


def ask(store: Store, targets: Callable[[LocalRefs], Sequence[BranchName]]) -> None:
    """Ask for the lock of where the branch stands, in a clone. Raises Locked: somebody else has it."""
    # Imported here: a primary commits without them.
    from xferzone.cli import passwords
    from xferzone.transport.url import is_nats

    with store.reader() as reader:
        origin = _origin(reader)
        account = None if origin is None or is_nats(origin.url) else passwords.saved(store.path, origin.url)
        if account is None or len(branches := targets(LocalRefs(reader))) != 1:
            return
    _lock(store, account, *branches)


def _origin(reader: Reader) -> Remote | None:
    return next((each for each in remotes(reader) if each.name == ORIGIN), None)


def _lock(store: Store, account: "Account", branch: BranchName) -> None:
    before: ArtifactId | None = None
    for _ in range(_TURNS):
        with store.reader() as reader:
            ref, origin = LocalRefs(reader).get(branch), _origin(reader)
        if ref is None or origin is None or ref.checkin == before:
            return
        before = ref.checkin
        try:
            done = _asked(store, origin, account, before)
        except XferzoneError as exc:
            click.echo(printable(f"no lock was asked for: {exc}"), err=True)
            return
        if done.errors:
            click.echo(printable(f"no lock was asked for: {done.peer} says: {done.errors[0]}"), err=True)
            return
        if (held := done.locked) is not None:
            who = printable(held.login)
            raise Locked(
                f"{who} is about to commit on {branch}, since {instant(held.since_s * 1000)}: nothing was stored; try "
                "again in a minute, or give --override-lock",
                str(branch),
                who,
                held.since_s,
            )


def _asked(store: Store, origin: Remote, account: "Account", checkin: "ArtifactId") -> "Outcome":
    from xferzone import exchange
    from xferzone.serve.process import ending_in_order
    from xferzone.transport.http import HTTP, Patience
    from xferzone.transport.url import credentials

    address, _, _ = credentials(origin.url)
    options = exchange.Options(
        push=False,
        tables=False,
        account=account,
        remote=origin,
        login=own_login(),
        lock=checkin,
        patience=_REPLY_S,
    )
    patience = Patience(connect=_CONNECT_S, silence=_REPLY_S, reply=_REPLY_S)
    with (
        ending_in_order(),
        HTTP(address, with_login=True, is_ours=bool(origin.epochs), patience=patience) as way,
    ):
        return exchange.sync(store, way, options)
