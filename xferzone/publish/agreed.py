"""What the members of a group have agreed on, as one run of the publishing knows it, and what they are to be asked.

    part       a branch with something pending    its ref follows its key, if that was read (led.py)
               a move is planned                  it is wished, and nothing more is done
               nothing is planned                 the key is to be read; once it was, what has lost goes to forks
    between    no transaction is open: keys are read, wishes proposed, what keys name is fetched (exchange/group/)
    next part  plans again, from what is stored then

What one command has changed on several branches is wished together (joint.py).

A member's ref moves in one way only, to where its key stands, whoever has moved that. A crash between leaves what is
pending pending, and two runs at once do no harm.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, Move
from xferzone.refs.consensus import Tip

KEPT: Final = "kept, not accepted yet; it may be published later, or be found on a fork branch"
MOST_ASKED: Final = 20  # times that one run asks about a branch that others keep moving


class Together(NamedTuple):
    """Moves that are accepted all or not at all, of different branches, and the control artifacts that say so."""

    moves: Sequence[Move]
    controls: Sequence[ArtifactId] = ()

    @property
    def branches(self) -> list[BranchName]:
        return [move.to.branch for move in self.moves]


class Asked(NamedTuple):
    """What is to be asked between two parts: moves, keys to read, and check-ins that are not completely here."""

    wishes: list[Together]
    unread: list[BranchName]
    lacking: dict[BranchName, Tip]

    @property
    def branches(self) -> list[BranchName]:
        return [*(branch for each in self.wishes for branch in each.branches), *self.unread, *self.lacking]


@dataclass
class Agreed:
    """For one run of the publishing, of many parts, by one thread.

    Fields:
        tips: where keys stood when they were read or moved in this run; None: the branch has no key.
        own: the branches that it decides about; None: all. What waits on others is the group program's to decide, so
            that nobody waits for what somebody else's branch lacks.
        left: branches about which nothing more is decided in this run, and why.
        set_back: of them, those whose key does not lead from where their ref stands.
    """

    tips: dict[BranchName, Tip | None] = field(default_factory=dict)
    own: Collection[str] | None = None
    left: dict[BranchName, str] = field(default_factory=dict)
    set_back: set[BranchName] = field(default_factory=set)
    _wishes: list[Together] = field(default_factory=list)
    _wished: set[BranchName] = field(default_factory=set)  # the branches of these
    _unread: set[BranchName] = field(default_factory=set)
    _lacking: dict[BranchName, Tip] = field(default_factory=dict)
    _doubted: dict[BranchName, Tip | None] = field(default_factory=dict)
    _fetched: set[Tip] = field(default_factory=set)
    _times: dict[BranchName, int] = field(default_factory=dict)
    _told: set[BranchName] = field(default_factory=set)

    def decides(self, branch: str) -> bool:
        """Whether this run decides about what is pending on the branch."""
        return self.own is None or branch in self.own

    def draw(self, branches: Iterable[BranchName]) -> bool:
        """Decide about these, too, since their changes go together. False: it does so already."""
        if self.own is None or (new := {*map(str, branches)}.difference(self.own)) == set():
            return False
        self.own = frozenset(self.own) | new
        return True

    def is_wished(self, branch: BranchName) -> bool:
        """Whether a move of the branch is to be proposed already: what comes of that is first."""
        return branch in self._wished

    def wish(self, wanted: Together) -> None:
        """Have the moves proposed, unless another one of a branch is."""
        if self._wished.isdisjoint(wanted.branches):
            self._wishes.append(wanted)
            self._wished.update(wanted.branches)

    def read(self, branch: BranchName) -> None:
        """Have the branch's key read."""
        self._unread.add(branch)

    def doubt(self, branch: BranchName) -> bool:
        """Have the branch's key read once more: what is known of it may be old. False: it stands there still."""
        tip = self.tips.pop(branch)
        if branch in self._doubted and self._doubted[branch] == tip:
            self.tips[branch] = tip
            return False
        self._doubted[branch] = tip
        self.read(branch)
        return True

    def lack(self, branch: BranchName, tip: Tip) -> bool:
        """Have what `tip` leads to fetched, since not all of it is here. False: that was done in this run."""
        if tip in self._fetched:
            return False
        self._lacking[branch] = tip
        return True

    def take(self) -> Asked:
        """What is to be asked now, once."""
        asked = Asked(self._wishes, sorted(self._unread, key=str), self._lacking)
        self._wishes, self._wished, self._unread, self._lacking = [], set(), set(), {}
        self._fetched |= set(asked.lacking.values())
        for branch in asked.branches:
            self._times[branch] = self._times.get(branch, 0) + 1
            if self._times[branch] > MOST_ASKED:
                self.leave([branch], "others keep moving the branch: try again")
        return asked

    def leave(self, branches: Iterable[BranchName], reason: str) -> None:
        """Decide no more about these in this run."""
        self.left |= dict.fromkeys(branches, reason)

    def told(self, branch: BranchName) -> list[str]:
        """What whoever pushed to a branch that was left is told, once."""
        if branch in self._told:
            return []
        self._told.add(branch)
        return [f"{branch}: {KEPT}: {self.left[branch]}"]
