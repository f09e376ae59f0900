"""What a member says to one of its fellows so that this holds what it has itself: copies of a wish, or all that is new.

    a wish     1        what the moves bring, from where each ref stood here        an up-to-date fellow has it all now
               2, ...   what it says that it lacks, from where its own refs stand   one that was away has it then
    a look             where its own refs of those branches stand, and nothing is sent
    news       offered by name, in order of arrival; what it lacks is sent
    each       what came last there, as it told before        its file was set back, or is another one

What is sent is packed by packing.py, before each request; no transaction is open while the network is waited for. What
is lacking there and is not here either is nothing that copies can mend.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from msgspec.structs import replace

from xferzone.env import SYSTEM, Env
from xferzone.errors import PeerError
from xferzone.exchange.group.packing import Packing, Part, bringers
from xferzone.hashing import ArtifactId, short
from xferzone.publish.clobbers import clobbers
from xferzone.refs import BranchName, Move
from xferzone.replicate.client import Client
from xferzone.replicate.copies import MAX_BRANCHES, Head, Held, Newest
from xferzone.replicate.messages import MAX_NAMED
from xferzone.replicate.walking import Page
from xferzone.store import Reader, Store, ancestry, outgoing, versions
from xferzone.store.brought import Bringer

MAX_ROUNDS: Final = 6  # of asking what is still lacking; two suffice, unless others write there meanwhile
OFFERED: Final = 2_000  # artifacts offered in one request


class GaveUp(PeerError):
    """Nobody waits for the outcome any more."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a fellow says once it holds what was asked for.

    Fields:
        member, life: who it is.
        beyond: its refs that do not lead to what is wished, and where they stand.
    """

    member: str
    life: str
    beyond: Mapping[BranchName, str] = field(default_factory=dict)


@dataclass
class FellowFile:
    """What a fellow has told of its file.

    Fields:
        life: of the member whose it is; what another one answers is not about it.
        newest: what came last there; None: it has not told.
        is_set_back: once it had that no longer. What was sent to it before may be lost there.
    """

    life: str
    newest: Newest | None = None
    is_set_back: bool = False

    def heard(self, held: Held) -> None:
        """It has answered."""
        if held.life == self.life:
            self.newest = held.newest
            self.is_set_back |= held.is_set_back


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Copying:
    """The conversation with one fellow.

    Fields:
        group: the life of the group.
        is_over: is nobody waiting any more?
        file: what is known of the fellow's file, and told to it; None: nothing.
    """

    store: Store
    client: Client
    group: str
    env: Env = field(default=SYSTEM)
    is_over: Callable[[], bool] = _never
    file: FellowFile | None = None

    @property
    def _packing(self) -> Packing:
        return Packing(self.store, self.group, self.env)

    # -- a wish

    def copy(self, moves: Sequence[Move], wanted: Sequence[ArtifactId], first: bytes | None = None) -> Told:
        """Have the fellow hold what the moves lead to, and the control artifacts `wanted`.

        `first`: as Packing.first made it for these moves; None: it was not made.

        Raises:
            GaveUp: it is over.
            PeerError, Denied: the fellow cannot be reached, refuses, or does not come to hold it.
        """
        told: list[Told] = []
        for start in range(0, len(moves), MAX_BRANCHES):
            told.append(self._copied(moves[start : start + MAX_BRANCHES], (), first))
        for start in range(0, len(wanted), MAX_NAMED):
            told.append(self._copied((), wanted[start : start + MAX_NAMED]))
        if len({(each.member, each.life) for each in told}) != 1:
            raise PeerError(f"{self.client.transport.name} is several members by turns: is it a balancer?")
        return Told(
            told[0].member, told[0].life, {branch: at for each in told for branch, at in each.beyond.items()}
        )

    def look(self, moves: Sequence[Move]) -> Told:
        """Where the fellow's refs stand of the branches that are to move. Raises as `copy`."""
        told = []
        for start in range(0, len(moves), MAX_BRANCHES):
            some = moves[start : start + MAX_BRANCHES]
            told.append(self._told(self._sent(self._packing.asked(some), iter(()), {}), some))
        return Told(
            told[0].member, told[0].life, {branch: at for each in told for branch, at in each.beyond.items()}
        )

    def _copied(
        self, moves: Sequence[Move], wanted: Sequence[ArtifactId], first: bytes | None = None
    ) -> Told:
        packing, own = self._packing, bringers(moves)
        asked = packing.asked(moves, wanted)
        if first is not None:
            held = self._ask(first)
        else:
            cut = packing.cut(Page(dict.fromkeys(wanted)))
            held = self._sent(asked, chain(packing.wished(moves), cut), own)
        for _ in range(MAX_ROUNDS):
            left, known = self._left(held)
            if not left:
                return self._told(held, moves)
            held = self._sent(asked, packing.walked(left, known), own)
        raise PeerError(
            f"{held.member} still lacks {len(held.lacking)} artifacts after {MAX_ROUNDS} requests"
        )

    def _left(self, held: Held) -> tuple[list[ArtifactId], list[ArtifactId]]:
        """What the fellow lacks and is here, and what it has that is here."""
        lacking = [ArtifactId(each) for each in held.lacking]
        with self.store.reader() as reader:
            here = reader.present(lacking)
            known = reader.present(ArtifactId(each.hash) for each in held.branches)
        return [each for each in lacking if each in here], [*known]

    def _told(self, held: Held, moves: Sequence[Move]) -> Told:
        wished = {str(each.to.branch): each.to for each in moves}
        with self.store.reader() as reader:
            beyond = {
                to.branch: f"{held.member} has {each.branch} at {short(each.hash)}"
                for each in held.branches
                if (to := wished.get(each.branch)) is not None and not _leads(reader, to.checkin, each.hash)
            }
        return Told(held.member, held.life, beyond)

    # -- news

    def push_new(self, since_row: int) -> int:
        """Send what came here behind that row and the fellow lacks, OFFERED artifacts at most; the row of the last one.

        The row that was given: there is nothing new. 0: this file has no such row, it was replaced or set back.

        Raises as `copy`.
        """
        with self.store.reader() as reader:
            rows = outgoing.since(reader, since_row, OFFERED)
            if not rows:
                return since_row if reader.last_row() >= since_row else 0
        left = self._offered([name for _, name in rows])
        if left:
            left = self._offered(left, self._newer(left))
        if left:  # deltas of what it does not have
            left = self._offered(left, self._packing.cut(Page(dict.fromkeys(left))))
        if left:
            raise PeerError(
                f"{self.client.transport.name} does not keep {left[0]}, and {len(left)} artifacts in all"
            )
        return rows[-1][0]

    def look_back(self) -> None:
        """Have the fellow tell of its file. Raises as `copy`."""
        self._sent(Head(group=self.group), iter(()), {})

    def _offered(self, names: Sequence[ArtifactId], pages: Iterable[Part] = ()) -> list[ArtifactId]:
        """Those of the names that the fellow lacks once it has these pages."""
        held = self._sent(Head(group=self.group, artifacts=[*names]), iter(pages), {})
        lacking = set(held.lacking)
        return [each for each in names if each in lacking]

    def _newer(self, names: Sequence[ArtifactId]) -> Iterator[Part]:
        """Each behind the version before it, of which it goes as a delta."""
        with self.store.reader() as reader:
            ordered = dict(versions.ordered(reader, names))
        older = {each: before for each, before in ordered.items() if before is not None}
        yield from self._packing.cut(Page(dict.fromkeys(ordered), older))

    # -- requests

    def _sent(self, asked: Head, pages: Iterator[Part], own: Mapping[ArtifactId, Bringer]) -> Held:
        """What the fellow says of `asked` after the last page.

        `own`: who made what was made here.
        """
        last = next(pages, Part())
        for page in pages:
            self._post(Head(group=self.group), last, own)
            last = page
        return self._post(asked, last, own)

    def _post(self, asked: Head, part: Part, own: Mapping[ArtifactId, Bringer]) -> Held:
        told = replace(asked, newest=None if self.file is None else self.file.newest)
        return self._ask(self._packing.body(told, part, own))

    def _ask(self, body: bytes) -> Held:
        if self.is_over():
            raise GaveUp(f"{self.client.transport.name} was not waited for")
        held = self.client.copies(body)
        if self.file is not None:
            self.file.heard(held)
        return held


def _leads(reader: Reader, tip: ArtifactId, at: str) -> bool:
    """Whether `at` is here, on the first-parent line of `tip`, or that gives it up."""
    checkin = ArtifactId(at)
    return (reader.has(checkin) and ancestry.leads_to(reader, tip, checkin)) or clobbers(reader, tip, checkin)
