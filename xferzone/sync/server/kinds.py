"""How many cards of each kind a request may have: each costs more time than the bytes it takes on the wire.

    igot, what is not a card    as many lines as a body may have; round.MAX_NAMED and strays.MAX_UNKNOWN bound them
    gimme                       MAX_GIMMES; stock asks for twice as many artifacts as the last reply, of 5 MB, brought
    file, cfile, private        MAX_ARTIFACTS of each, as many small ones as 64 MiB may hold
    uvgimme, uvfile             MAX_UNVERSIONED, one for each unversioned file
    config                      MAX_CONFIG, as many rows as are kept
    xwant, xrow, xdelete        MAX_ROWS, as many as one synced table has
    others                      MAX_OF_A_KIND; stock's clients send some ten

Source: Fossil 2.21, src/xfer.c client_sync().
"""

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Final

from xferzone.cards import (
    MAX_LINES,
    Card,
    CFile,
    Config,
    File,
    Gimme,
    IGot,
    Private,
    Unknown,
    UVFile,
    UVGimme,
    XDelete,
    XRow,
    XWant,
)
from xferzone.errors import PeerError

MAX_OF_A_KIND: Final = 1_000  # cards of one request
MAX_GIMMES: Final = 100_000
MAX_ARTIFACTS: Final = 200_000
MAX_UNVERSIONED: Final = 10_000
MAX_CONFIG: Final = 20_000  # the rows that are kept, artifacts shunned, and accounts
MAX_ROWS: Final = 10_000
BOUNDS: Final[Mapping[type[Card], int]] = {
    IGot: MAX_LINES,
    Unknown: MAX_LINES,
    Gimme: MAX_GIMMES,
    File: MAX_ARTIFACTS,
    CFile: MAX_ARTIFACTS,
    Private: MAX_ARTIFACTS,
    UVGimme: MAX_UNVERSIONED,
    UVFile: MAX_UNVERSIONED,
    Config: MAX_CONFIG,
    XRow: MAX_ROWS,
    XDelete: MAX_ROWS,
    XWant: MAX_ROWS,
}


def bounded(cards: Iterable[Card]) -> Iterator[Card]:
    """The same cards. Raises PeerError at the first of a kind over its bound."""
    counts: dict[type[Card], int] = {}
    for card in cards:
        kind = type(card)
        counts[kind] = count = counts.get(kind, 0) + 1
        if count > MAX_OF_A_KIND and count > (most := BOUNDS.get(kind, MAX_OF_A_KIND)):
            name = kind.operator.decode("ascii")
            raise PeerError(f"over {most} {name} lines in one request: send fewer at a time")
        yield card


def bound(ids: Sized, most: int, what: str) -> None:
    """Raise PeerError where more artifacts than `most` are named."""
    if len(ids) > most:
        raise PeerError(f"over {most} artifacts {what} in one request: send fewer at a time")
