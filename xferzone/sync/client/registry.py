"""The registry of peers: the row by which a repository says, with a sync, that it is there.

    login      of the account that it syncs with; by self-write nobody else writes the row
    id         its server code, 40 hex digits: one login may have several repositories
    last_sync  milliseconds since 1970
    version    of xferzone
    address    the name of the machine, as its caller tells it

Where `table define peers` has made the table, a row is written with the sync that finds it older than AGE_MS, so that
most syncs have nothing more to say. Each sees its own rows; logins with setup see all.
"""

from typing import Final

from xferzone import __version__
from xferzone.store import Writer, tables
from xferzone.store.tables import REGISTRY, Row
from xferzone.sync.client.options import Options
from xferzone.tables.canonical import Value
from xferzone.tables.definition import made

AGE_MS: Final = 3_600_000  # after which a row is written anew; ours, an hour
_COLUMNS: Final = (
    ("login", "text"),
    ("id", "text"),
    ("last_sync", "integer"),
    ("version", "text"),
    ("address", "text"),
)
PEERS: Final = made(REGISTRY, _COLUMNS, ("login", "id"), "self-write")


def enter(writer: Writer, options: Options) -> None:
    """Write the row of this repository, if there is a registry and the row is old."""
    account, now_ms = options.account, options.env.clock_ms()
    table = tables.table(writer, REGISTRY)
    if table is None or table.definition != PEERS or account is None or not options.client:
        return
    values: dict[str, Value] = {
        "login": account.login,
        "id": options.client,
        "last_sync": now_ms,
        "version": __version__,
        "address": options.address or None,
    }
    key = PEERS.key_hash(values)
    known = tables.head(writer, REGISTRY, key)
    if known is None or known.hash is None or abs(now_ms - known.mtime) >= AGE_MS:
        mtime = tables.next_mtime(writer, REGISTRY, key, now_ms)
        row = Row(key, mtime, account.login, PEERS.content(values))
        tables.put(writer, REGISTRY, row, now_ms=now_ms)
