"""Where the refs of a clone or a mirror stand after a sync (law 5).

    remote's tip                   ref of a clone                               ref of a mirror
      an heir of the ref           goes there                                   goes there
      an ancestor of the ref       stays: what is ahead was made here,          stays: the remote is a little behind
                                   and has not arrived there yet
      on another line              goes there, the one move that is not         stays, and that is reported; goes there,
                                   forward; what it leaves behind is named      or back, where a clobber is accepted
    then                           forward again, over check-ins made here

The remote's tip is what it says (`pragma xferzone-ref`). A stock remote says nothing: its tip is the latest check-in
that carries the branch's symbol and was not made here since the last push. A tip without any files removes the zone, as
`zone remove` does. What a remote moved to a fork branch while its ref stood still was ours: the ref goes back to where
the line leaves the branch. If all of the branch was moved, the remote has none: it is removed here, where it stands.

A primary is its own authority: what it pulled is published like a push. Only a primary's publishing makes artifacts
here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.publish import foreign, serials
from xferzone.publish.noted import Noted
from xferzone.publish.publish import advance, publish
from xferzone.publish.served import Compiler, compile_all, numbers_of_each
from xferzone.refs import BranchName, LocalRefs, Move, Occasion, Ref, State
from xferzone.store import Reader, Writer, ancestry, places, schema, symbols, unsent

#: Why a mirror's ref stays where the remote's line no longer leads from it.
BESIDE: Final = "it does not come after what is served here"


@dataclass(frozen=True, slots=True)
class Moved:
    """A ref that moved. `old` None: the branch is new here; `serial` None: no version of it has one."""

    branch: BranchName
    old: ArtifactId | None
    new: ArtifactId
    serial: int | None


@dataclass(frozen=True, slots=True)
class Diverged:
    """Check-ins that a branch has left behind, oldest first, and the branch that the first of them is on now."""

    branch: BranchName
    checkins: tuple[ArtifactId, ...]
    now_on: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A branch whose ref stays although the remote's is at `checkin` (None: not known), and why."""

    branch: BranchName
    checkin: ArtifactId | None
    reason: str


@dataclass(frozen=True, slots=True)
class Followed:
    """What following did, each by branch.

    Fields:
        incomplete: the remote's tip, or what it is based on, is not completely here: ask for these refs again.
        invalid: the remote's tip cannot be served here; the last good one still is.
        notices: what publishing reported.
    """

    moved: tuple[Moved, ...] = ()
    diverged: tuple[Diverged, ...] = ()
    incomplete: tuple[Kept, ...] = ()
    invalid: tuple[Kept, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiling:
    """How zones that a sync brought are compiled.

    Fields:
        compiler: compiles new zones, perhaps in another process.
        noted: what the artifacts that came say of serials.
        defers: zones that are new here and published at the remote are compiled later (publish/deferred.py).
    """

    compiler: Compiler = compile_all
    noted: Noted | None = None
    defers: bool = False


_HERE = Compiling()


# many: where, what was told, by whom, and how
def follow(
    writer: Writer,
    refs: LocalRefs,
    told: Mapping[str, ArtifactId | None] | None,
    occasion: Occasion,
    compiling: Compiling = _HERE,
    *,
    accept_clobber: bool = False,
) -> Followed:
    """Move the refs after a sync, in its last transaction.

    Args:
        accept_clobber: a mirror goes to the remote's tip whatever leads there, since the remote was restored.
        told: where the remote's refs that moved stand now, by branch; a tip of None: the zone was removed there. None
            instead of a mapping: the remote is stock and says nothing.
    """
    before = {ref.branch: ref for ref in refs.list()}
    is_stock = told is None
    run = _Run(writer, refs, occasion, before, compiling, is_stock, accept_clobber)
    if writer.role != schema.PRIMARY:
        run.go(run.stock_tips() if told is None else run.wanted(told))
        run.remove_what_is_on_forks(told)
        notices = advance(writer, refs, occasion)
    else:
        notices = publish(writer, refs, occasion)
    moved = (_moved(before.get(ref.branch), ref) for ref in refs.list())
    return Followed(
        moved=tuple(filter(None, moved)),
        diverged=tuple(run.diverged),
        incomplete=tuple(run.incomplete),
        invalid=tuple(run.invalid),
        notices=tuple(notices),
    )


def _moved(was: Ref | None, ref: Ref) -> Moved | None:
    old = None if was is None else was.checkin
    return None if old == ref.checkin else Moved(ref.branch, old, ref.checkin, ref.serial)


@dataclass
class _Run:
    """One call of `follow`, in a repository that is not a primary."""

    writer: Writer
    refs: LocalRefs
    occasion: Occasion
    before: Mapping[BranchName, Ref]
    compiling: Compiling
    is_stock: bool
    accepts_clobber: bool
    diverged: list[Diverged] = field(default_factory=list)
    incomplete: list[Kept] = field(default_factory=list)
    invalid: list[Kept] = field(default_factory=list)

    def stock_tips(self) -> dict[BranchName, ArtifactId]:
        """The latest check-in of each zone branch that a stock remote published."""
        tips = _zone_branches(symbols.branch_tips(self.writer, of_zones=True))
        return {
            branch: tip
            for branch, tip in tips.items()
            if tip is not None
            and (branch in self.before or foreign.stands_for_a_zone(self.writer, branch, tip))
        }

    def wanted(self, told: Mapping[str, ArtifactId | None]) -> dict[BranchName, ArtifactId]:
        """The remote's tip of each branch that it reported, or whose work from here it moved to a fork."""
        tips = {}
        for branch, tip in _zone_branches(told).items():
            found = tip or _removal(self.writer, branch)
            if found is not None:
                tips[branch] = found
            elif (ref := self.before.get(branch)) is not None and ref.state is not State.REMOVED:
                reason = "the zone was removed there, by a check-in that has not come"
                self.incomplete.append(Kept(branch, None, reason))
        for text, at in ancestry.off_their_branch(self.writer):
            base = ancestry.last_on(self.writer, at, text) if text not in told else None
            if base is not None and self._is_on_fork(BranchName.of_row(text), at):
                tips[BranchName.of_row(text)] = base
        return tips

    def go(self, wanted: Mapping[BranchName, ArtifactId]) -> None:
        """Move each ref to where it belongs."""
        tips = {branch: wanted[branch] for branch in sorted(wanted, key=str)}
        tips = {branch: tip for branch, tip in tips.items() if self._is_news(branch, tip)}
        broken = ancestry.broken(self.writer, tips.values())
        chosen: list[tuple[BranchName, ArtifactId, list[ArtifactId]]] = []
        for branch, tip in tips.items():
            if tip in broken:
                self.incomplete.append(
                    Kept(branch, tip, "it, or what it is based on, is not completely here")
                )
            elif (behind := self._left_behind(branch, tip)) is not None:
                chosen.append((branch, tip, behind))
        moves: list[Move] = []
        left: list[Diverged] = []
        for (branch, _, behind), move in zip(chosen, self._moves(chosen), strict=True):
            if move is not None:
                moves.append(move)
            if move is not None and behind:
                placed = places.placed(self.writer, behind[0])
                left.append(Diverged(branch, tuple(behind), (placed and placed.branch) or str(branch)))
        self.writer.fault("follow.compiled", 0.1)
        self.refs.compare_and_set(moves)
        self.writer.fault("follow.moved", 0.1)
        places.let_go(self.writer, (checkin for one in left for checkin in one.checkins))
        self.writer.fault("follow.let-go", 0.1)
        places.settle(self.writer, [move.to.checkin for move in moves])
        self.diverged += left

    def remove_what_is_on_forks(self, told: Mapping[str, ArtifactId | None] | None) -> None:
        """Remove the branches that a clone began, of which the remote has moved all to fork branches."""
        if told is None or self.writer.role != schema.CLONE:
            return
        for text, at in ancestry.off_their_branch(self.writer):
            branch = BranchName.of_row(text)
            ref = self.refs.get(branch)
            if ref is None or ref.state is State.REMOVED or text in told or not self._is_on_fork(branch, at):
                continue
            line = [each for each in ancestry.beyond(self.writer, at, None) if self._is_on_fork(branch, each)]
            placed = places.placed(self.writer, line[0])
            # A move to where the ref stands removes the zone; no other move goes there (repository/rebuild.py).
            self.refs.compare_and_set(
                [Move(at, replace(ref, state=State.REMOVED, numbers=()), self.occasion)]
            )
            self.diverged.append(Diverged(branch, tuple(line), (placed and placed.branch) or str(branch)))

    def _is_news(self, branch: BranchName, tip: ArtifactId) -> bool:
        ref = self.before.get(branch)
        return ref is None or ref.checkin != tip

    def _left_behind(self, branch: BranchName, tip: ArtifactId) -> list[ArtifactId] | None:
        """What a move to `tip` leaves behind, oldest first. None: the ref stays."""
        ref = self.before.get(branch)
        if ref is None or ancestry.leads_to(self.writer, tip, ref.checkin):
            return []
        if self.writer.role == schema.MIRROR and not self.accepts_clobber:
            if not ancestry.leads_to(self.writer, ref.checkin, tip):
                self.invalid.append(Kept(branch, tip, BESIDE))
            return None
        behind = ancestry.beyond(self.writer, ref.checkin, tip)
        is_clone = self.writer.role != schema.MIRROR
        if (
            is_clone
            and ancestry.leads_to(self.writer, ref.checkin, tip)
            and self._is_ahead(branch, ref, behind)
        ):
            return None
        return behind

    def _is_ahead(self, branch: BranchName, ref: Ref, behind: list[ArtifactId]) -> bool:
        """Whether what leads from the remote's tip to the ref is work that the remote may still take."""
        if self.is_stock:
            return unsent.are_unsent(self.writer, behind)
        return not self._is_on_fork(branch, ref.checkin)

    def _is_on_fork(self, branch: BranchName, checkin: ArtifactId) -> bool:
        placed = places.placed(self.writer, checkin)
        now_on = BranchName.parse(None if placed is None else placed.branch)
        return now_on is not None and now_on.fork_of == branch

    def _moves(self, chosen: Sequence[tuple[BranchName, ArtifactId, object]]) -> Iterator[Move | None]:
        """The move of each branch to its tip. None: the tip cannot be served, which is recorded."""
        held = {branch: self.writer.files(tip) for branch, tip, _ in chosen}
        states = {branch: self._state(branch, files) for branch, files in held.items()}
        wanted = [(branch.zone, held[branch]) for branch in held if states[branch] is State.SERVED]
        compiled = numbers_of_each(self.writer, wanted, self.compiling.compiler)
        computed = [
            serials.computed(self.writer, branch.zone, tip, self.compiling.noted) for branch, tip, _ in chosen
        ]
        for (branch, tip, _), line in zip(chosen, computed, strict=True):
            numbers = next(compiled) if states[branch] is State.SERVED else ()
            if isinstance(numbers, ZoneInvalid):
                self.invalid.append(Kept(branch, tip, str(numbers)))
                yield None
                continue
            serials.remember(self.writer, line)
            ref = self.before.get(branch)
            expected = None if ref is None else ref.checkin
            yield Move(expected, Ref(branch, tip, line.serial, states[branch], numbers), self.occasion)

    def _state(self, branch: BranchName, files: Mapping[str, ArtifactId]) -> State:
        """What a move to a check-in with these files makes of the branch."""
        if not files:
            return State.REMOVED
        is_later = self.compiling.defers and not self.is_stock and branch not in self.before
        return State.DEFERRED if is_later else State.SERVED


def _zone_branches(told: Mapping[str, ArtifactId | None]) -> dict[BranchName, ArtifactId | None]:
    """What is said of zone branches; a fork has no ref."""
    named = {BranchName.parse(text): tip for text, tip in told.items()}
    return {branch: tip for branch, tip in named.items() if branch is not None and not branch.is_fork}


def _removal(reader: Reader, branch: BranchName) -> ArtifactId | None:
    """The check-in that took the zone away: the first of the last ones on the branch that hold no files."""
    found = next((at for at in ancestry.of_branch(reader, str(branch)) if not reader.files(at)), None)
    at = found
    while at is not None:
        placed = places.placed(reader, at)
        if placed is None or placed.branch != str(branch) or reader.files(at):
            break
        found = at
        at = placed.parents[0] if placed.parents else None
    return found
