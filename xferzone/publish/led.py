"""A member's ref follows its key (publish/agreed.py): forward only, and without asking a clock or a policy.

the key is at the ref                    nothing to do
not all that it leads to is here         it is fetched first; the branch is left if nobody gives it
the ref is on the line of the key        the ref moves there, and what it has passed is published
it is not                                the branch is left: the key was set back, or clobbered
a joint change lies between (joint.py)   the refs of all its branches move there in one transaction, those that it
                                         builds on before it; the branch is left where one of the others is
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId, short
from xferzone.publish import joint, served
from xferzone.publish.agreed import Agreed
from xferzone.publish.ahead import Ahead
from xferzone.publish.joint import Joint
from xferzone.publish.pending import Pending
from xferzone.publish.plan import Liberties, move
from xferzone.publish.settle import settle
from xferzone.refs import BranchName, LocalRefs, Ref
from xferzone.refs.consensus import Tip
from xferzone.store import ancestry

MAX_EARLIER: Final = 10_000  # joint changes that are settled in one go, since others build on them


def led(refs: LocalRefs, pending: Pending, agreed: Agreed, liberties: Liberties) -> bool:
    """Whether the branch's ref stands at its key now, as far as that was read, so that more may be planned.

    Raises:
        NotYet: a zone is to be compiled before.
    """
    writer, branch, ref = pending.writer, pending.branch, pending.ref
    if branch not in agreed.tips or _is_at(ref, agreed.tips[branch]):
        return True
    tip = agreed.tips[branch]
    if tip is not None and ancestry.broken(writer, [tip.checkin]):
        _lack(agreed, branch, tip)
        return False
    if tip is None or (ref is not None and not ancestry.leads_to(writer, tip.checkin, ref.checkin)):
        # Other runs of ours may have gone on meanwhile, and again while it was read.
        if not agreed.doubt(branch):
            _leave_set_back(agreed, pending, tip)
        return False
    leading = _Leading(refs, pending, agreed, liberties)
    for part in joint.on_line(writer, tip.checkin, None if ref is None else ref.checkin):
        found = joint.of(writer, part)
        if found is None and agreed.lack(branch, tip):
            return False  # a fellow has the list; without it the part is like any other check-in
        if found is not None and not leading.is_led(found, tip.checkin):
            return False
    return leading.is_at(tip.checkin) or leading.is_settled([(pending, tip.checkin)])


@dataclass
class _Leading:
    """One branch while its ref is led."""

    refs: LocalRefs
    pending: Pending
    agreed: Agreed
    liberties: Liberties

    def is_at(self, checkin: ArtifactId) -> bool:
        return _is_past(self.pending, checkin)

    def is_led(self, found: Joint, tip: ArtifactId) -> bool:
        """Whether the joint change is served here; with it what it builds on on other branches."""
        end = found.ends.get(self.pending.branch)
        if end is None or self.is_at(end) or not ancestry.leads_to(self.pending.writer, tip, end):
            return True
        todo = [found]
        for _ in range(MAX_EARLIER):
            goals, earlier = list[tuple[Pending, ArtifactId]](), None
            for branch, to in todo[-1].ends.items():
                other = self._other(branch)
                is_due = self._is_due(other, to)
                if is_due is None:
                    return False
                if is_due:
                    goals.append((other, to))
                    earlier = earlier or next(self._earlier(other, to, todo), None)
            if earlier is not None:
                todo.append(earlier)
            elif not self.is_settled(goals):
                return False
            else:
                todo.pop()
            if not todo:
                return True
        self.agreed.leave([self.pending.branch], f"it builds on over {MAX_EARLIER} joint changes")
        return False

    def _other(self, branch: BranchName) -> Pending:
        own = self.pending
        return own if branch == own.branch else Pending.of(own.writer, self.refs, branch, own.occasion)

    def _earlier(self, other: Pending, to: ArtifactId, todo: Sequence[Joint]) -> Iterator[Joint]:
        """Joint changes that are to be served before, on the way to that end."""
        begun = {each.token for each in todo}
        for part in joint.on_line(other.writer, to, None if other.ref is None else other.ref.checkin):
            found = joint.of(other.writer, part)
            if found is not None and found.token not in begun and other.branch in found.ends:
                yield found

    def _is_due(self, other: Pending, end: ArtifactId) -> bool | None:
        """Whether a ref is to move to the end of a joint change, since its key has. None: that is asked, or left."""
        writer, agreed, branch = self.pending.writer, self.agreed, other.branch
        if _is_past(other, end):
            return False
        if other is self.pending:
            return True
        if branch in agreed.left:
            agreed.leave([self.pending.branch], f"it goes together with {branch}: {agreed.left[branch]}")
            return None
        if branch not in agreed.tips:
            agreed.read(branch)
            return None
        tip = agreed.tips[branch]
        if tip is not None and ancestry.broken(writer, [tip.checkin]):
            _lack(agreed, branch, tip)
            return None
        if tip is not None and ancestry.leads_to(writer, tip.checkin, end):
            return other.ref is None or ancestry.leads_to(writer, end, other.ref.checkin)
        is_here = not ancestry.broken(
            writer, [end]
        )  # else the key was read before it moved there, or was set back
        if tip is not None and is_here and not ancestry.leads_to(writer, end, tip.checkin):
            return False  # the group has given it up there
        if not agreed.doubt(branch):
            agreed.leave([self.pending.branch], f"it goes together with {branch}, whose key is behind")
        return None

    def is_settled(self, goals: Sequence[tuple[Pending, ArtifactId]]) -> bool:
        """Whether refs have moved there, all or none. Raises NotYet."""
        numbers, moved = list[tuple[int, ...]](), set[str]()
        for each, to in goals:
            try:
                numbers.append(_numbers(each, to, self.liberties.ahead))
            except ZoneInvalid as exc:
                why = f"{short(to)} is published, and cannot be served here: {exc}"
                self.agreed.leave([each.branch, self.pending.branch], why)
                return False
        self.liberties.forget()
        for (each, to), found in zip(goals, numbers, strict=True):
            # A move of another branch of the zone has swept what no ref needed.
            fresh = _numbers(each, to, None) if each.branch.zone in moved else found
            settle(self.refs, each, move(each, to, fresh))
            moved.add(each.branch.zone)
            if each is not self.pending:
                self.pending.notices += each.notices
                self.pending.has_released |= each.has_released
        return True


def _numbers(pending: Pending, to: ArtifactId, ahead: Ahead | None) -> tuple[int, ...]:
    files = pending.writer.files(to)
    return served.numbers(pending.writer, pending.branch.zone, files, ahead=ahead) if files else ()


def _is_at(ref: Ref | None, tip: Tip | None) -> bool:
    return (None if ref is None else ref.checkin) == (None if tip is None else tip.checkin)


def _is_past(pending: Pending, checkin: ArtifactId) -> bool:
    """Whether the ref stands there, or has gone on from there."""
    return pending.ref is not None and ancestry.leads_to(pending.writer, pending.ref.checkin, checkin)


def _lack(agreed: Agreed, branch: BranchName, tip: Tip) -> None:
    """Have what the key leads to fetched, or leave the branch if that was done."""
    if not agreed.lack(branch, tip):
        agreed.leave([branch], f"{short(tip.checkin)} is published, and only {tip.member} has all of it")


def _leave_set_back(agreed: Agreed, pending: Pending, tip: Tip | None) -> None:
    assert pending.ref is not None
    stands = "is gone" if tip is None else f"stands at {short(tip.checkin)}"
    agreed.leave(
        [pending.branch],
        f"its key {stands}, which does not follow what is served here, {short(pending.ref.checkin)}: it was set back "
        "or clobbered; see `xferzone group check`",
    )
    agreed.set_back.add(pending.branch)
