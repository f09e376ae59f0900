"""The check-ins of one zone branch that wait for a decision, and where they hang on the branch's line.

    ref                 where the branch stands
    heirs of a          children of a on this branch that are pending or recorded invalid, in order of arrival
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

from xferzone.hashing import ArtifactId
from xferzone.publish import foreign, forks
from xferzone.refs import BranchName, Door, Occasion, Ref
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
        notices: what the people who pushed are told, in order.
    """

    writer: Writer
    branch: BranchName
    ref: Ref | None
    occasion: Occasion
    checkins: dict[ArtifactId, Placed]
    passed: dict[ArtifactId, Placed] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    _dated_well: set[ArtifactId] = field(default_factory=set)
    _found: dict[ArtifactId, Placed | None] = field(default_factory=dict)  # of check-ins that are not pending
    _hangs: dict[ArtifactId, tuple[Placed, ArtifactId | None]] = field(default_factory=dict)

    @cached_property
    def invalid(self) -> dict[ArtifactId, Placed]:
        """The branch's check-ins that are recorded invalid."""
        return {checkin.id: checkin for checkin in places.invalid(self.writer, str(self.branch))}

    @cached_property
    def _heirs(self) -> dict[ArtifactId, list[Placed]]:
        """By first parent, what there is of the branch that is pending or invalid, in order of arrival."""
        heirs: dict[ArtifactId, list[Placed]] = {}
        own = [checkin for checkin in self.checkins.values() if checkin.branch == str(self.branch)]
        for checkin in sorted([*self.invalid.values(), *own], key=lambda each: each.row):
            if checkin.parents:
                heirs.setdefault(checkin.parents[0], []).append(checkin)
        return heirs

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
        """Where the line may go on: the heirs of the ref, or what may begin the branch."""
        if self.ref is not None:
            return self.heirs(self.ref.checkin)
        return [each for each in [*self.invalid.values(), *self.checkins.values()] if self._is_first(each)]

    def _is_first(self, checkin: Placed) -> bool:
        if not checkin.parents:
            return True
        first = self._first_parent(checkin)
        # What the ref of another branch has passed was nobody's on this one.
        return first is not None and (first.branch != str(self.branch) or first.place == schema.PUBLISHED)

    def heirs(self, parent: ArtifactId) -> list[Placed]:
        """Children of `parent` on this branch, in order of arrival, pending or recorded invalid."""
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
            else:
                at = parent
        found = self._hangs[at.id]
        self._hangs.update(dict.fromkeys(way, found))
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
        first = self._first_parent(checkin)
        if first is not None and first.date_ms >= checkin.date_ms:
            ahead = f", {instant(first.date_ms)}, which is ahead of this server's clock"
            return f"its date is not after its parent's{ahead if self.follows_ahead(checkin) else ''}"
        for name, (prefix, _) in symbols.tags(self.writer, checkin.id).items():
            if name in forks.HARM and prefix != "-":
                return f"it carries the tag {name}, {forks.HARM[name]}"
        return None

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
