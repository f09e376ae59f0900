"""What peers of our own kind say and ask, and where the refs stand that have moved; cards/extension.py has the grammar.

    asked for the epoch we are in     the refs that moved after the number asked for
    asked for another epoch only      `epoch` first, then all refs

What is told is how things stand after this push. sync/client/refs.py is the other end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xferzone.cards import Error, Pragma
from xferzone.cards.extension import (
    MAX_EPOCHS,
    EpochNamed,
    RefStands,
    RefsTold,
    RefsWanted,
    RoleNamed,
    TablesAsked,
    WholeWanted,
    parse,
)
from xferzone.refs import LocalRefs
from xferzone.store import Reader
from xferzone.sync.meeting import own_role, quarrel
from xferzone.sync.server.reply import Draft


@dataclass
class Wishes:
    """What the pragmas of one request say.

    Fields:
        is_ours: there was one: the client is of our own kind.
        refs: epoch -> number of the last move that the client knows, in the order of its questions.
        is_whole: it wants no deltas.
        role: of the repository that asks; None: it did not say.
        tables: the catalogue hash of its tables; None: it does not ask for any.
        quarrel: why that one and ours may not exchange; empty: they may, as far as was looked.
    """

    is_ours: bool = False
    refs: dict[str, int] = field(default_factory=dict)
    is_whole: bool = False
    role: RoleNamed | None = None
    tables: str | None = None
    quarrel: str = ""
    _is_told: bool = False  # what ours is

    def note(self, card: Pragma, *, may_read: bool) -> None:
        """Add what a pragma says; who may not read gets no answer to any."""
        self.is_ours = True
        try:
            said = parse(card) if may_read else None
        except ValueError:
            return  # we ignore a pragma that we do not understand, as stock does
        match said:
            case RefsWanted(epoch, number):
                self.refs.pop(epoch, None)
                if len(self.refs) < MAX_EPOCHS:
                    self.refs[epoch] = number
            case WholeWanted():
                self.is_whole = True
            case RoleNamed():
                self.role = said
            case TablesAsked(catalogue):
                self.tables = catalogue

    def may_meet(self, reader: Reader, draft: Draft) -> bool:
        """Whether the two may exchange. A client that has told its role is told ours; if they may not, nothing else."""
        if self.role is not None and not self._is_told:
            self._is_told, own = True, own_role(reader)
            self.quarrel = quarrel(self.role, own)
            if self.quarrel:
                draft.fail(own.pragma(), Error(self.quarrel))
            else:
                draft.add(own.pragma())
        return not self.quarrel


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
