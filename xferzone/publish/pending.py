"""The check-ins of one zone branch that wait for a decision, and where they hang on the branch's line.

    ref                 where the branch stands
    heirs of a          children of a on this branch that are pending or found invalid, in order of arrival
    what was invalid    before: that hangs on the ref (store/places.py), so nobody goes down a line of it to see that
    off the line        from a check-in down its first parents: the last one before the published line
    unfit               it can never be served, whatever a child corrects

`plan` and `settle` both work on it: a plan drops what it finds invalid, settling drops what a move has passed. It is
read from the database once, so that a push of many check-ins asks about each of them once.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from xferzone.hashing import ArtifactId, short
from xferzone.publish import foreign, forks, joint
from xferzone.refs import BranchName, Door, LocalRefs, Occasion, Ref
from xferzone.store import Writer, accounts, brought, places, schema, symbols
from xferzone.store.places import Placed
from xferzone.wording import instant

MAX_AHEAD_MS: Final = 5 * 60 * 1000  # how far a check-in's date may be ahead of our clock (law 4)
#: The same of a check-in that was pushed without the setup capability: stock refuses commits on it until then.
MAX_PUSHED_AHEAD_MS: Final = 60 * 1000
#: Milliseconds after its parent at which a check-in may be further ahead: it makes nothing worse (law 4).
ALLOWED_STEP_MS: Final = 1


def is_ahead(checkin: Placed, first: Placed | None, now_ms: int) -> bool:
    """Whether a check-in's date is further ahead than any may be; `first`: its first parent, if that is here."""
    if checkin.date_ms <= now_ms + MAX_AHEAD_MS:
        return False
    return first is None or checkin.date_ms != first.date_ms + ALLOWED_STEP_MS


@dataclass
class Pending:
    """One branch of one zone while it is being published.

    Fields:
        checkins: what is pending, by id, in order of arrival; of a fork branch where that is merged back.
        passed: what a move or a fork may have left as a leaf of the branch.
        invalid: the branch's check-ins that were found invalid in this run, and still are.
        notices: what the people who pushed are told, in order.
        has_released: the branch has got a ref, and so there is more to decide about, on it or behind it.
    """

    writer: Writer
    branch: BranchName
    ref: Ref | None
    occasion: Occasion
    checkins: dict[ArtifactId, Placed]
    passed: dict[ArtifactId, Placed] = field(default_factory=dict)
    invalid: dict[ArtifactId, Placed] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    has_released: bool = False
    _dated_well: set[ArtifactId] = field(default_factory=set)
    _found: dict[ArtifactId, Placed | None] = field(default_factory=dict)  # of check-ins that are not pending
    _hangs: dict[ArtifactId, tuple[Placed, ArtifactId | None]] = field(default_factory=dict)
    _unfit: dict[ArtifactId, Placed | None] = field(
        default_factory=dict
    )  # what makes it so that can be nothing more

    @classmethod
    def of(cls, writer: Writer, refs: LocalRefs, branch: BranchName, occasion: Occasion) -> "Pending":
        """The branch with what is pending on it."""
        arrived = {checkin.id: checkin for checkin in places.unplaced_on(writer, str(branch))}
        return cls(writer, branch, refs.get(branch), occasion, arrived)

    def __post_init__(self) -> None:
        self._began = self.ref  # where the ref stood

    @cached_property
    def _own(self) -> list[Placed]:
        """What is pending at first on the branch itself, in order of arrival."""
        own = [checkin for checkin in self.checkins.values() if checkin.branch == str(self.branch)]
        return sorted(own, key=lambda each: each.row)

    @cached_property
    def _heirs(self) -> dict[ArtifactId, list[Placed]]:
        """By first parent, what there is of the branch that is pending, in order of arrival."""
        heirs: dict[ArtifactId, list[Placed]] = {}
        for checkin in self._own:
            if checkin.parents:
                heirs.setdefault(checkin.parents[0], []).append(checkin)
        return heirs

    @cached_property
    def _corrections(self) -> list[Placed]:
        """What is pending on top of what was invalid before, in order of arrival."""
        on_invalid = [
            each for each in self._own if (first := self._first_parent(each)) and self._was_invalid(first)
        ]
        return [each for each in on_invalid if self._follows_the_ref(each)]

    @cached_property
    def _trusts(self) -> bool:
        """Whether what was invalid before hangs on the ref, with nothing unfit between."""
        if self.writer.role != schema.PRIMARY:  # its refs move otherwise, too
            return False
        return not any(
            self.unfit(each) for each in self._own if each.parents and each.parents[0] not in self.checkins
        )

    def _was_invalid(self, checkin: Placed) -> bool:
        """Whether it was recorded invalid on this branch before."""
        is_invalid = checkin.place == schema.INVALID and checkin.branch == str(self.branch)
        return is_invalid and checkin.id not in self.invalid

    def _follows_the_ref(self, checkin: Placed) -> bool:
        """Whether what is invalid below it is on the line of the ref, or begins the branch that has none."""
        at: Placed | None = checkin
        while at is not None and (first := self._first_parent(at)) is not None:
            if self._trusts and self._was_invalid(first):
                return True
            if self.ref is not None and first.id == self.ref.checkin:
                return True
            if first.branch != str(self.branch) or first.place not in (schema.INVALID, schema.UNPLACED):
                break
            if first.id in self.checkins and self.unfit(first) is not None:
                return False
            at = first
        return self.ref is None

    @cached_property
    def _merged(self) -> Counter[ArtifactId]:
        """How many of the pending check-ins name each one as a parent."""
        return Counter(parent for checkin in self.checkins.values() for parent in checkin.parents)

    def is_inner(self, checkin: ArtifactId) -> bool:
        """Whether a pending check-in has it as a parent."""
        return self._merged[checkin] > 0

    def drop(self, checkin: Placed) -> None:
        """It is not pending any more."""
        if self.checkins.pop(checkin.id, None) is not None:
            self._merged.subtract(checkin.parents)

    def note_invalid(self, checkin: Placed) -> None:
        """It is not pending any more, but recorded invalid; a child may correct it."""
        self.drop(checkin)
        self.invalid[checkin.id] = replace(checkin, place=schema.INVALID)

    def note_loose(self, checkins: Iterable[Placed]) -> None:
        """These were invalid, and no longer follow the ref: it is to be decided what becomes of them."""
        for checkin in checkins:
            self.invalid.pop(checkin.id, None)
            self.checkins[checkin.id] = checkin
            self._merged.update(checkin.parents)

    def leave(self) -> None:
        """Another part goes on: what was found invalid and does not follow the ref is looked at again there."""
        places.reconsider(self.writer, [each for each in self.invalid.values() if not self.stays(each)])

    def note_passed(self, checkins: Iterable[Placed]) -> None:
        """The ref has passed these."""
        for checkin in checkins:
            self.drop(checkin)
            self.invalid.pop(checkin.id, None)
            self.passed[checkin.id] = checkin
        self._found.clear()
        self._hangs.clear()

    def begins(self) -> bool:
        """Whether the branch, which has no ref, is a zone's; then all of it is pending, from its beginning."""
        decided = foreign.begun(self.writer, self.branch, self.checkins.values())
        self.checkins = {checkin.id: checkin for checkin in decided}
        return bool(decided)

    def starts(self) -> list[Placed]:
        """Where the line may go on, in order of arrival: on the ref, or on what is invalid, or what may begin the
        branch."""
        if self.ref is None:
            first = [each for each in self.checkins.values() if self._is_first(each)]
        else:
            first = self.heirs(self.ref.checkin)
        if self.ref is self._began:
            first += [each for each in self._corrections if each.id in self.checkins]
        return sorted(first, key=lambda each: each.row)

    def _is_first(self, checkin: Placed) -> bool:
        if not checkin.parents:
            return True
        first = self._first_parent(checkin)
        # What the ref of another branch has passed was nobody's on this one.
        return first is not None and (first.branch != str(self.branch) or first.place == schema.PUBLISHED)

    def heirs(self, parent: ArtifactId) -> list[Placed]:
        """Children of `parent` on this branch, in order of arrival, pending or found invalid."""
        heirs = self._heirs.get(parent, ())
        return [each for each in heirs if each.id in self.checkins or each.id in self.invalid]

    def off_the_line(self, checkin: Placed) -> tuple[Placed, ArtifactId | None]:
        """The first check-in down to `checkin` that is not on the ref's line, and what it was made from."""
        way: list[ArtifactId] = []
        at = checkin
        while at.id not in self._hangs:
            way.append(at.id)
            parent = self._first_parent(at)
            if parent is None or parent.branch != str(self.branch):
                self._hangs[at.id] = at, None
            elif parent.place == schema.PUBLISHED:
                self._hangs[at.id] = at, None if self.ref is None else parent.id
            elif self.ref is self._began and self._trusts and self._was_invalid(parent):
                self._hangs[at.id] = at, None if self.ref is None else self.ref.checkin
            else:
                at = parent
        found = self._hangs[at.id]
        self._hangs.update(dict.fromkeys(way, found))
        return found

    def stays(self, checkin: Placed) -> bool:
        """Whether the check-in may still be published on the branch, once what it follows is corrected."""
        base = self.off_the_line(checkin)[1]
        return base == (None if self.ref is None else self.ref.checkin)

    def lowest_unfit(self, checkin: Placed) -> Placed | None:
        """The last check-in that is pending and lost, down the first parents from this one. None: there is none."""
        way: list[Placed] = []
        at: Placed | None = checkin
        while at is not None and at.id in self.checkins and at.id not in self._unfit:
            way.append(at)
            at = self._first_parent(at)
        found = None if at is None else self._unfit.get(at.id)
        for each in reversed(way):
            found = found or (each if self.lost(each) is not None else None)
            self._unfit[each.id] = found
        return found

    def occasion_of(self, checkin: ArtifactId) -> Occasion:
        """The occasion of a move to `checkin`: whoever brought it made the move, whenever it is published."""
        bringer = brought.by(self.writer, checkin)
        if bringer is None:
            return self.occasion
        return replace(self.occasion, login=bringer.login, door=Door(bringer.door))

    def unfit(self, checkin: Placed) -> str | None:
        """Why the check-in and all that follows it can never be served, whatever a child corrects. None: they can."""
        if self.is_ahead(checkin):
            far = checkin.date_ms > self.occasion.now_ms + MAX_AHEAD_MS
            return f"its date is over {'5 minutes' if far else '60 seconds'} ahead of this server's clock"
        if (reason := self._dated_before(checkin)) is not None:
            return reason
        for name, (prefix, _) in symbols.tags(self.writer, checkin.id).items():
            if name in forks.HARM and prefix != "-" and not self._begins_closed(checkin, name):
                return f"it carries the tag {name}, {forks.HARM[name]}"
        return None

    def lost(self, checkin: Placed) -> str | None:
        """Why the check-in goes to a fork branch although it is on the line of the ref. None: it does not.

        In a member it is only what all members find alike. What is unfit by a clock or a control artifact waits there:
        another member may have it published already.
        """
        if not self._is_member:
            return self.unfit(checkin)
        found = self._dated_before(checkin)
        return joint.lost(self.writer, checkin.id) if found is None and self.is_part(checkin) else found

    @cached_property
    def _is_member(self) -> bool:
        return self.writer.role == schema.MEMBER

    def is_part(self, checkin: Placed) -> bool:
        """In a member: whether the check-in is published with others or not at all."""
        if not self._is_member:
            return False
        if checkin.row not in self._looked_at:
            return joint.token(self.writer, checkin.id) is not None
        return checkin.row in self._parts

    @cached_property
    def _looked_at(self) -> set[int]:
        """The rows of what is pending at first: asked at once which of them are parts of joint changes."""
        return {checkin.row for checkin in self.checkins.values()}

    @cached_property
    def _parts(self) -> set[int]:
        return joint.parts(self.writer, self._looked_at)

    def follows(self, checkin: Placed, token: str) -> bool:
        """Whether the ref may move to this part of a joint change: down its first parents there is nothing unfit, and
        no part of another one."""
        at: Placed | None = checkin
        while at is not None and self.unfit(at) is None:
            is_open = at.id in self.checkins or at.place == schema.INVALID
            if not is_open or joint.token(self.writer, at.id) not in (None, token):
                return False
            first = self._first_parent(at)
            if self._is_first(at) if self.ref is None else first is not None and first.id == self.ref.checkin:
                return True
            at = first if first is not None and first.branch == str(self.branch) else None
        return False

    def told_waiting(self) -> list[str]:
        """In a member: what is told of check-ins that are unfit for now, and stay."""
        first = [
            each
            for each in self.checkins.values()
            if not each.parents or each.parents[0] not in self.checkins
        ]
        reasons = ((each, self.unfit(each) or self._apart(each)) for each in first if self.lost(each) is None)
        return [
            f"{self.branch}: check-in {short(each.id)} waits and is not served: {reason}"
            for each, reason in reasons
            if reason is not None
        ]

    def _apart(self, checkin: Placed) -> str | None:
        """Why a part of a joint change waits. None: it is none."""
        return (
            "what it was made together with is not all here yet, or waits" if self.is_part(checkin) else None
        )

    def _dated_before(self, checkin: Placed) -> str | None:
        first = self._first_parent(checkin)
        if first is None or first.date_ms < checkin.date_ms:
            return None
        ahead = f", {instant(first.date_ms)}, which is ahead of this server's clock"
        return f"its date is not after its parent's{ahead if self.follows_ahead(checkin) else ''}"

    def _begins_closed(self, checkin: Placed, name: str) -> bool:
        """Whether the tag closes a branch that begins: nobody works on it yet, and its author may be done with it.

        A check-in that is closed by itself (`fossil commit --close`) was meant to close the branch that it left.
        """
        is_beginning = name == "closed" and self.ref is None and not self.branch.is_main
        return is_beginning and all(tag.name != name for tag in self.writer.checkin(checkin.id).tags)

    def is_ahead(self, checkin: Placed) -> bool:
        """Whether its date, or one on its line since what is published, is too far ahead of our clock."""
        passed = []
        at = checkin
        while self._is_over(at, 0) and at.id not in self._dated_well:
            first = self._first_parent(at)
            if first is None or at.date_ms != first.date_ms + ALLOWED_STEP_MS:
                return True
            passed.append(at.id)
            if first.place == schema.PUBLISHED:
                break
            at = first
        self._dated_well.update(passed)
        return False

    def leaves_no_step(self, tip: Placed, ref: Placed) -> bool:
        """Whether what is appended for the merge `tip`, 1 ms after it, would be dated too far ahead of our clock."""
        return self._is_over(tip, ALLOWED_STEP_MS) and tip.date_ms != ref.date_ms

    def _is_over(self, checkin: Placed, more_ms: int) -> bool:
        """Whether `more_ms` after its date is further ahead of our clock than whoever brought it may be."""
        ahead = checkin.date_ms + more_ms - self.occasion.now_ms
        return ahead > MAX_PUSHED_AHEAD_MS and ahead > self._allowed_ms(checkin.id)

    def _allowed_ms(self, checkin: ArtifactId) -> int:
        """How far ahead of our clock the check-in may be dated."""
        bringer = brought.by(self.writer, checkin)
        may_more = bringer is None or "s" in accounts.letters(self.writer, bringer.login)
        return MAX_AHEAD_MS if may_more else MAX_PUSHED_AHEAD_MS

    def follows_ahead(self, checkin: Placed) -> bool:
        """Whether its first parent is dated too far ahead of our clock, so that only a step of ours can follow it."""
        first = self._first_parent(checkin)
        return first is not None and first.date_ms > self.occasion.now_ms + MAX_AHEAD_MS

    def _first_parent(self, checkin: Placed) -> Placed | None:
        if not checkin.parents:
            return None
        self.writer.step()
        parent = checkin.parents[0]
        known = self.checkins.get(parent) or self.invalid.get(parent)
        if known is not None:
            return known
        if parent not in self._found:
            self._found[parent] = places.placed(self.writer, parent)
        return self._found[parent]
