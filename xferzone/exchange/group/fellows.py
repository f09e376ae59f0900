"""What a member asks of its fellows while it decides: to hold copies, and to give what the group's refs name.

No transaction is open in any of these calls: what is sent is read before, what comes is stored after.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, Move
from xferzone.refs.consensus import Tip
from xferzone.store import Store


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of asking for copies.

    Fields:
        members: how many members have all of it now, this one included.
        reason: why there are no more.
        beyond: the branches on which a fellow's ref does not lead to what is wished, with where it stands. Either the
            key has moved meanwhile, or it was set back.
    """

    members: int
    reason: str = ""
    beyond: Mapping[BranchName, str] = field(default_factory=dict)


def nothing() -> None:
    """There is nothing to do meanwhile."""


class Fellows(Protocol):
    """The other members of a group; several threads may use it."""

    # many: what is copied to how many, and what is done meanwhile
    def copy(
        self,
        store: Store,
        moves: Sequence[Move],
        controls: Sequence[ArtifactId],
        copies: int,
        meanwhile: Callable[[], None] = nothing,
    ) -> Copied:
        """Have `copies` members hold what the moves lead to, and these control artifacts, durably.

        All fellows are asked at once, and the first answers count.

        `meanwhile`: called once; while fellows are at work, where they are asked by other threads. What it raises is
        raised.
        """
        ...

    def beyond(self, store: Store, moves: Sequence[Move]) -> Mapping[BranchName, str]:
        """As Copied.beyond, of all fellows that can be reached, which are asked at once; nothing is sent to them."""
        ...

    def fetch(self, store: Store, tips: Sequence[Tip], zones: Collection[str] = ()) -> None:
        """Store what the tips lead to, each from the member that moved a ref there, else from another one.

        `zones`: of which they are; with them one request of a fellow is enough, as a rule.

        It is for the caller to see whether all of it came: whoever cannot be reached is passed over.
        """
        ...
