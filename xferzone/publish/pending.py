"""The check-ins of one zone branch that wait for a decision, and where they hang on the branch's line.

    ref                 where the branch stands
    heirs of a          children of a on this branch that are pending or recorded invalid, in order of arrival
    off the line        from a check-in down its first parents: the last one before the published line
    unfit               it can never be served, whatever a child corrects

`plan` and `settle` both work on it: a plan drops what it finds invalid, settling drops what a move has passed.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from xferzone.hashing import ArtifactId
from xferzone.publish import foreign, forks
from xferzone.refs import BranchName, Door, Occasion, Ref
from xferzone.store import Writer, accounts, ancestry, brought, places, schema, symbols
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
    passed: list[Placed] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _dated_well: set[ArtifactId] = field(default_factory=set)

    def begins(self) -> bool:
        """Whether the branch, which has no ref, is a zone's; then all of it is pending, from its beginning."""
        decided = foreign.begun(self.writer, self.branch, self.checkins.values())
        self.checkins = {checkin.id: checkin for checkin in decided}
        return bool(decided)

    def starts(self) -> list[Placed]:
        """Where the line may go on: the heirs of the ref, or what may begin the branch."""
        if self.ref is not None:
            return self.heirs(self.ref.checkin)
        known = [*places.invalid(self.writer, str(self.branch)), *self.checkins.values()]
        return [checkin for checkin in known if self._is_first(checkin)]

    def _is_first(self, checkin: Placed) -> bool:
        if not checkin.parents:
            return True
        first = places.placed(self.writer, checkin.parents[0])
        # What the ref of another branch has passed was nobody's on this one.
        return first is not None and (first.branch != str(self.branch) or first.place == schema.PUBLISHED)

    def heirs(self, parent: ArtifactId) -> list[Placed]:
        """Children of `parent` on this branch, in order of arrival, pending or recorded invalid."""
        heirs = []
        for child in ancestry.children(self.writer, parent):
            placed = self.checkins.get(child) or places.placed(self.writer, child)
            known = placed is not None and placed.branch == str(self.branch)
            if placed and known and (child in self.checkins or placed.place == schema.INVALID):
                heirs.append(placed)
        return heirs

    def off_the_line(self, checkin: Placed) -> tuple[Placed, ArtifactId | None]:
        """The first check-in down to `checkin` that is not on the ref's line, and what it was made from."""
        while True:
            parent = places.placed(self.writer, checkin.parents[0]) if checkin.parents else None
            if parent is None or parent.branch != str(self.branch):
                return checkin, None
            if parent.place == schema.PUBLISHED:
                return checkin, None if self.ref is None else parent.id
            checkin = parent

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
        return places.placed(self.writer, checkin.parents[0]) if checkin.parents else None
