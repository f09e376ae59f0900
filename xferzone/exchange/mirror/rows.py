"""Synced tables of a mirror that follows by the walk: taken from its primary, never given.

    the hash that came with the refs is that of the tables here, or of what was taken last      nothing is asked
    another one                                                                                 a session takes rows

So a poll with nothing new stays one request. By xfer rows come with the artifacts. What goes wrong here is told, and
keeps no zone from being followed.
"""

from functools import partial
from typing import Final

from xferzone.errors import Denied, PeerError
from xferzone.exchange.mirror.fetching import Fetching
from xferzone.exchange.mirror.following import Following
from xferzone.exchange.mirror.primary import Primary
from xferzone.store import Reader, Store, tables
from xferzone.sync.client.options import Account, Options, Purpose
from xferzone.sync.client.session import ClientSession

MAX_ROUNDS: Final = 1_000  # ours, as between members; the largest tables take some hundred
_TAKING: Final = Purpose(pull=False, push=False, tables_pull=True)


def take(store: Store, primary: Primary, options: Following, fetching: Fetching) -> int:
    """Take what is newer in the primary's tables, as it told of them with its refs last; how many rows came.

    Raises:
        Cancelled: `options.cancelled` said so.
    """
    there = primary.client.catalogue
    if not options.tables or there in ("", primary.tables):
        return 0
    login = options.account.login if isinstance(options.account, Account) else ""
    with store.reader() as reader:
        is_needed = there not in _catalogues(reader, login)
        session = ClientSession(reader.project_code, Options(_TAKING, env=options.env, login=login))
    if is_needed:
        try:
            _exchange(store, primary, session, fetching)
        except (PeerError, Denied) as exc:
            primary.note(f"{primary.url}: rows of synced tables do not come: {exc}")
            return session.traffic.rows_received
        for why in (*session.errors, *session.tables.left_out):
            primary.note(f"{primary.url}: of synced tables: {why}")
    primary.tables = there
    return session.traffic.rows_received


def _catalogues(reader: Reader, login: str) -> tuple[str, ...]:
    """The hash of the tables here, as who sees all and as that login sees them."""
    return tuple(tables.catalogue_hash(tables.seen_by(reader, whose)) for whose in (None, login))


def _exchange(store: Store, primary: Primary, session: ClientSession, fetching: Fetching) -> None:
    for _ in range(MAX_ROUNDS):
        with store.reader() as reader:
            text = session.request(reader)
        if text is None:
            return
        session.receive(fetching.answer(partial(primary.client.tables, text)))
        with store.writer() as writer:
            session.keep(writer)
    raise PeerError("the server lists rows without end")
