"""From which branches an address has answered DNS: a row for each address, written when a server starts or reloads.

    rules    a pattern of zone ids, the branch, and whether a version of the past was served instead; the first counts
    above    of zones that are served from the past: the branch and the serial that came before

A local table: it is neither sent nor derived. A branch only grows, so the serial that it has now is the highest that
was served of it, and no commit writes here.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from xferzone.errors import XferzoneError
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

MAX_PASTS: Final = 64  # addresses that are remembered, the newest; ours


class Past(Struct, frozen=True):
    """What an address has served."""

    rules: tuple[tuple[str, str, bool], ...]
    above: Mapping[str, tuple[str, int]]


def pasts(reader: Reader, addresses: Sequence[str]) -> dict[str, Past]:
    """The pasts of those addresses; where none has one, the newest, as of a server that moved. Empty: there is none.

    Raises:
        XferzoneError: one is damaged.
    """
    rows = reader.db.execute("SELECT address, state FROM past ORDER BY rowid").fetchall()
    own = [row for row in rows if row[0] in addresses] or rows[-1:]
    try:
        return {address: msgspec.json.decode(state, type=Past) for address, state in own}
    except (msgspec.MsgspecError, TypeError) as exc:
        raise XferzoneError(f"table past is damaged: {exc}: run `xferzone check`") from exc


def newest(reader: Reader, number: int) -> list[str]:
    """The addresses of the last `number` pasts that were put, in that order."""
    query = "SELECT address FROM past ORDER BY rowid DESC LIMIT ?"
    return [address for (address,) in reader.db.execute(query, (number,))][::-1]


def put(writer: Writer, pasts_: Mapping[str, Past]) -> None:
    """Remember what addresses serve from now on."""
    rows = [(address, msgspec.json.encode(past).decode()) for address, past in pasts_.items()]
    writer.db.executemany("INSERT OR REPLACE INTO past VALUES (?, ?)", rows)
    query = "DELETE FROM past WHERE rowid NOT IN (SELECT rowid FROM past ORDER BY rowid DESC LIMIT ?)"
    writer.db.execute(query, (MAX_PASTS,))
