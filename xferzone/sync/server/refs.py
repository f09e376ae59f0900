"""Where the refs stand that have moved, told to peers of our own kind that ask; cards/extension.py has the grammar.

    asked for the epoch we are in     the refs that moved after the number asked for
    asked for another epoch only      `epoch` first, then all refs

What is told is how things stand after this push. sync/client/refs.py is the other end.
"""

from collections.abc import Mapping

from xferzone.cards import Pragma
from xferzone.cards.extension import (
    MAX_EPOCHS,
    EpochNamed,
    RefStands,
    RefsTold,
    RefsWanted,
    WholeWanted,
    parse,
)
from xferzone.refs import LocalRefs
from xferzone.sync.server.reply import Draft


def note_asked(card: Pragma, asked: dict[str, int]) -> bool:
    """Add the refs that a client asks for to `asked`, which `tell` takes. Returns whether it wants no deltas."""
    try:
        wanted = parse(card)
    except ValueError:
        return False  # we ignore a pragma that we do not understand, as stock does
    if isinstance(wanted, RefsWanted):
        asked.pop(wanted.epoch, None)
        if len(asked) < MAX_EPOCHS:
            asked[wanted.epoch] = wanted.number
    return isinstance(wanted, WholeWanted)


def tell(draft: Draft, refs: LocalRefs, asked: Mapping[str, int]) -> None:
    """Where each ref stands that moved since the client asked last; beyond the budget the client asks again.

    `asked`: epoch -> number of the last move that the client knows, in the order of its questions.
    """
    epoch = refs.epoch()
    if [*asked][-1:] != [epoch]:
        draft.add(EpochNamed(epoch).pragma())
    number = asked.get(epoch, 0)
    for move in refs.since(number):
        if not draft.left():
            return
        checkin = None if move.serial is None else move.checkin
        draft.add(RefStands(str(move.branch), checkin, move.number).pragma())
        number = move.number
    draft.add(RefsTold(number).pragma())
