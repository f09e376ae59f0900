"""What a server of our kind tells about its refs, as a client takes it; cards/extension.py has the grammar.

    role        what the server is; where two such may not meet (sync/meeting.py), the session ends
    asked       the epochs remembered of this remote, each with the number of the last move known, latest last
    epoch E     the server is in epoch E: start from the number remembered for E, else from 0
    ref N       epoch E is known up to move N; more is to come
    told N      epoch E is known up to move N; nothing is left to ask

Stock tells nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from xferzone.cards import Pragma
from xferzone.cards.extension import MAX_EPOCHS, EpochNamed, RefStands, RefsTold, RefsWanted, RoleNamed, parse
from xferzone.errors import PeerError, Refused
from xferzone.hashing import ArtifactId
from xferzone.sync.meeting import quarrel

MAX_REFS: Final = (
    250_000  # told in one session, again and again counts; ours, 25 times the zones of a large server
)


class Told:
    """The refs that have moved since the numbers remembered.

    Fields:
        refs: branch -> where the server's ref stands; None: its zone was removed.
        is_met: the server has sent a pragma of ours.
        is_ours: it has answered the question, so `refs` counts.
        epochs: epoch -> number of the last move known, at most MAX_EPOCHS, the server's own last.
        is_cut: the server had no room to tell all.
    """

    def __init__(self, remembered: Mapping[str, int], role: RoleNamed | None = None) -> None:
        """
        Args:
            remembered: epoch -> number of the last move known, from earlier sessions, the latest last.
            role: of the repository that asks; None: the server is not told.
        """
        self.refs: dict[str, ArtifactId | None] = {}
        self.is_met = self.is_ours = False
        self.is_cut = False
        self._remembered = remembered
        self._role = role
        self._came = 0  # refs, whichever
        self.epochs: dict[str, int] = dict(list(remembered.items())[-MAX_EPOCHS:])

    @property
    def epoch(self) -> str:
        """The epoch that the server is in, as far as known; empty: not at all."""
        return next(reversed(self.epochs), "")

    @property
    def number(self) -> int:
        """The last move of that epoch that is known; 0: none."""
        return self.epochs.get(self.epoch, 0)

    def introduction(self) -> Iterator[Pragma]:
        """The card that says who asks, before anything is asked."""
        if self._role is not None:
            yield self._role.pragma()

    def questions(self) -> Iterator[Pragma]:
        """The cards that ask for more."""
        for epoch, number in self.epochs.items() or {"": 0}.items():
            yield RefsWanted(epoch, number).pragma()

    def take(self, card: Pragma) -> None:
        """Note what a pragma tells about the server and its refs, if anything.

        Raises:
            PeerError: its tokens break the grammar.
            Refused: a repository of that role and the one that asks may not exchange.
        """
        try:
            told = parse(card)
        except ValueError as exc:
            raise PeerError(f"the server sends a bad {card.name} pragma: {exc}") from exc
        self.is_met = self.is_met or told is not None
        match told:
            case RoleNamed() if self._role is not None and (why := quarrel(self._role, told)):
                raise Refused(why)
            case EpochNamed(epoch):
                self._begin(epoch)
            case RefStands(branch, checkin, number):
                self._came += 1
                if self._came > MAX_REFS:
                    raise PeerError(f"the server tells of over {MAX_REFS} refs")
                self.refs[branch] = checkin
                self._reach(number)
                self.is_cut = True
            case RefsTold(number):
                self._reach(number)
                self.is_ours, self.is_cut = True, False

    def _begin(self, epoch: str) -> None:
        # What another epoch has told in this session is dropped, and so are the numbers that go with it.
        self.refs.clear()
        self.epochs = dict(self._remembered)
        self.epochs[epoch] = self.epochs.pop(epoch, 0)
        self.epochs = dict(list(self.epochs.items())[-MAX_EPOCHS:])

    def _reach(self, number: int) -> None:
        self.epochs[self.epoch] = number
