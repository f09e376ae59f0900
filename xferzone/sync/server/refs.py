"""Where the refs stand that have moved since move NUMBER, told to peers of our own kind that ask.

    pragma xferzone 1 refs EPOCH NUMBER     asked; EPOCH names a life of the repository, which a restore ends
    pragma xferzone 1 epoch EPOCH           first, if the epoch is another: forget all numbers
    pragma xferzone-ref NAME HASH NUMBER    each in its order; NAME escaped, HASH "-": the zone was removed
    pragma xferzone 1 told NUMBER           last, if there was room for all: this is how things stand, after this push

sync/client/refs.py is the other end.
"""

from typing import Final

from xferzone import escape
from xferzone.cards import Pragma
from xferzone.refs import LocalRefs
from xferzone.sync.server.reply import Draft

_MAX_DIGITS: Final = 18  # of the number of a move: what SQLite's integers hold


def is_number(token: str) -> bool:
    """Whether it is the number of a move."""
    return token.isascii() and token.isdigit() and len(token) <= _MAX_DIGITS


def tell(draft: Draft, refs: LocalRefs, epoch: str, number: int) -> None:
    """Where each ref stands that has moved since; beyond the budget the peer asks again from the last one."""
    if epoch != refs.epoch():
        # Numbers of another life of the repository mean nothing: the peer begins anew.
        draft.add(Pragma("xferzone", ("1", "epoch", refs.epoch())))
        number = 0
    for move in refs.since(number):
        if not draft.left():
            return
        name = escape.encode(str(move.branch)).decode("utf-8", "surrogateescape")
        stands = "-" if move.serial is None else move.checkin
        draft.add(Pragma("xferzone-ref", (name, stands, str(move.number))))
        number = move.number
    draft.add(Pragma("xferzone", ("1", "told", str(number))))
