"""What a member says to one of its fellows so that this holds what it has itself: copies of a wish, or all that is new.

    a wish     1        what the moves bring, from where each ref stood here        an up-to-date fellow has it all now
               2, ...   what it says that it lacks, from where its own refs stand   one that was away has it then
    a look             where its own refs of those branches stand, and nothing is sent
    news       offered by name, in order of arrival; what it lacks is sent
    each       what came last there, as it told before        its file was set back, or is another one

What is sent is read page by page, in short transactions before each request; none is open while the network is waited
for. What is lacking there and is not here either is nothing that copies can mend.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from xferzone.env import SYSTEM, Env
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, short
from xferzone.publish.clobbers import clobbers
from xferzone.refs import BranchName, LocalRefs, Move
from xferzone.replicate import copies
from xferzone.replicate.client import Client
from xferzone.replicate.copies import MAX_BRANCHES, At, Head, Held, Newest
from xferzone.replicate.messages import MAX_NAMED, Walk
from xferzone.replicate.sending import STEP, Body
from xferzone.replicate.walking import Page, Walking
from xferzone.store import Reader, Store, ancestry, brought, controls, outgoing, versions
from xferzone.store.brought import Bringer
from xferzone.store.sql import storable

MAX_ROUNDS: Final = 6  # of asking what is still lacking; two suffice, unless others write there meanwhile
PAGE: Final = (
    4 * 1024 * 1024
)  # bytes of artifacts in one request, as they are here; one that is larger goes alone
OFFERED: Final = 2_000  # artifacts offered in one request
MAX_KNOWN: Final = 1_000  # refs of one zone that a fellow is taken to have


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


class _Page(NamedTuple):
    """What one request carries: artifacts, and of some the version before, which the fellow may have."""

    names: Sequence[ArtifactId] = ()
    older: Mapping[ArtifactId, ArtifactId] = {}


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

    # -- a wish

    def copy(self, moves: Sequence[Move], wanted: Sequence[ArtifactId]) -> Told:
        """Have the fellow hold what the moves lead to, and the control artifacts `wanted`.

        Raises:
            GaveUp: it is over.
            PeerError, Denied: the fellow cannot be reached, refuses, or does not come to hold it.
        """
        told: list[Told] = []
        for start in range(0, len(moves), MAX_BRANCHES):
            told.append(self._copied(moves[start : start + MAX_BRANCHES], ()))
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
            told.append(self._told(self._sent(self._asked(some), iter(()), {}), some))
        return Told(
            told[0].member, told[0].life, {branch: at for each in told for branch, at in each.beyond.items()}
        )

    def _asked(self, moves: Sequence[Move], wanted: Sequence[ArtifactId] = ()) -> Head:
        return Head(
            group=self.group,
            branches=[At(str(each.to.branch), each.to.checkin) for each in moves],
            artifacts=[*wanted],
        )

    def _copied(self, moves: Sequence[Move], wanted: Sequence[ArtifactId]) -> Told:
        asked = self._asked(moves, wanted)
        own = {each.to.checkin: who for each in moves if (who := _bringer(each)).login}
        roots = [*dict.fromkeys(each.to.checkin for each in moves)]
        pages = self._walked(roots, self._stood(moves)) if roots else iter(())
        held = self._sent(asked, chain(pages, self._cut(Page(dict.fromkeys(wanted)))), own)
        for _ in range(MAX_ROUNDS):
            left, known = self._left(held)
            if not left:
                return self._told(held, moves)
            held = self._sent(asked, self._walked(left, known), own)
        raise PeerError(
            f"{held.member} still lacks {len(held.lacking)} artifacts after {MAX_ROUNDS} requests"
        )

    def _stood(self, moves: Sequence[Move]) -> list[ArtifactId]:
        """What the fellow has if it is up to date: where the refs stood, and those of the same zones stand."""
        known = dict.fromkeys(each.expected for each in moves if each.expected is not None)
        with self.store.reader() as reader:
            for zone in {each.to.branch.zone for each in moves}:
                known |= dict.fromkeys(each.checkin for each in LocalRefs(reader).of_zone(zone)[:MAX_KNOWN])
        return [*known]

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
            left = self._offered(left, self._cut(Page(dict.fromkeys(left))))
        if left:
            raise PeerError(
                f"{self.client.transport.name} does not keep {left[0]}, and {len(left)} artifacts in all"
            )
        return rows[-1][0]

    def look_back(self) -> None:
        """Have the fellow tell of its file. Raises as `copy`."""
        self._sent(Head(group=self.group), iter(()), {})

    def _offered(self, names: Sequence[ArtifactId], pages: Iterable[_Page] = ()) -> list[ArtifactId]:
        """Those of the names that the fellow lacks once it has these pages."""
        held = self._sent(Head(group=self.group, artifacts=[*names]), iter(pages), {})
        lacking = set(held.lacking)
        return [each for each in names if each in lacking]

    def _newer(self, names: Sequence[ArtifactId]) -> Iterator[_Page]:
        """Each behind the version before it, of which it goes as a delta."""
        with self.store.reader() as reader:
            ordered = dict(versions.ordered(reader, names))
        older = {each: before for each, before in ordered.items() if before is not None}
        yield from self._cut(Page(dict.fromkeys(ordered), older))

    # -- pages

    def _walked(self, roots: Sequence[ArtifactId], known: Sequence[ArtifactId]) -> Iterator[_Page]:
        """What leads to `roots` and not to `known`, with the controls on it, oldest first."""
        with self.store.reader(in_parts=True) as reader:
            walking = Walking(reader, Walk(roots=[*roots], known=[*known]), controls.newest(reader), self.env)
            page = walking.page(reader, STEP)
        while True:
            yield from self._cut(page)
            if not page.more:
                return
            with self.store.reader(in_parts=True) as reader:
                page = walking.page(reader, STEP)

    def _cut(self, page: Page) -> Iterator[_Page]:
        """The page in requests of bounded size."""
        names = [*page.missing]
        with self.store.reader() as reader:
            sizes = reader.sizes(names)
        some: list[ArtifactId] = []
        size = 0
        for name in names:
            one = sizes.get(name, 0)
            if some and size + one > PAGE:
                yield _Page(some, page.older)
                some, size = [], 0
            some.append(name)
            size += one
        if some:
            yield _Page(some, page.older)

    # -- requests

    def _sent(self, asked: Head, pages: Iterator[_Page], own: Mapping[ArtifactId, Bringer]) -> Held:
        """What the fellow says of `asked` after the last page.

        `own`: who made what was made here.
        """
        last = next(pages, _Page())
        for page in pages:
            self._post(Head(group=self.group), last, own)
            last = page
        return self._post(asked, last, own)

    def _post(self, asked: Head, page: _Page, own: Mapping[ArtifactId, Bringer]) -> Held:
        if self.is_over():
            raise GaveUp(f"{self.client.transport.name} was not waited for")
        with self.store.reader() as reader:
            bringers = {each: who for each, who in own.items() if each in page.names}
            bringers |= brought.all_of(reader, page.names)
        head = Head(
            group=asked.group,
            branches=asked.branches,
            artifacts=asked.artifacts,
            brought=copies.by(bringers),
            newest=None if self.file is None else self.file.newest,
        )
        records = Body(self.store, is_named=True, faults=self.store.faults).records(page.names, page.older)
        held = self.client.copies(copies.body(head, records))
        if self.file is not None:
            self.file.heard(held)
        return held


def _bringer(move: Move) -> Bringer:
    return Bringer(storable(move.occasion.login), move.occasion.door.value)


def _leads(reader: Reader, tip: ArtifactId, at: str) -> bool:
    """Whether `at` is here, on the first-parent line of `tip`, or that gives it up."""
    checkin = ArtifactId(at)
    return (reader.has(checkin) and ancestry.leads_to(reader, tip, checkin)) or clobbers(reader, tip, checkin)
