"""How a repository's refs stand to the keys of a group: on their lines, ahead of them, or beside them.

key    x0 <─ x1 <─ x2        a ref at x0, x1 or x2 is on the key's line; one at x3, or on another line, is not
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from xferzone.errors import Away
from xferzone.exchange.group.fellows import Fellows
from xferzone.hashing import ArtifactId, short
from xferzone.refs import BranchName, LocalRefs, Ref
from xferzone.refs.consensus import Tip
from xferzone.store import Reader, Store, ancestry
from xferzone.wording import listed

MAX_NAMED = 5  # branches named in a message


@dataclass(frozen=True, slots=True)
class OffLine:
    """A branch whose ref here is not on the line of the group's key. `tip` None: there is no key."""

    branch: BranchName
    ref: Ref
    tip: Tip | None
    is_ahead: bool  # the key is on the line of the ref

    def __str__(self) -> str:
        here = f"{self.branch} is at {_at(self.ref.checkin, self.ref.serial)} here"
        if self.tip is None:
            return f"{here}, and the group has no such branch"
        ahead = ", which it follows" if self.is_ahead else ", on another line"
        return f"{here}, and at {_at(self.tip.checkin, self.tip.serial)} in the group{ahead}"


def _at(checkin: ArtifactId, serial: int | None) -> str:
    return short(checkin) + ("" if serial is None else f" (serial {serial})")


def lacking(reader: Reader, tips: Collection[ArtifactId]) -> set[ArtifactId]:
    """Those of the check-ins whose first-parent lines are not completely here."""
    absent = {tip for tip in tips if not reader.is_checkin(tip)}
    return absent | ancestry.broken(reader, [tip for tip in tips if tip not in absent])


def fetch(store: Store, fellows: Fellows, tips: Mapping[BranchName, Tip]) -> None:
    """Have all that the tips lead to here.

    Raises:
        Away: a tip is at no member that can be reached.
    """
    by_checkin = {tip.checkin: (branch, tip) for branch, tip in tips.items()}
    with store.reader() as reader:
        left = lacking(reader, by_checkin)
    if left:
        fellows.fetch(store, [by_checkin[checkin][1] for checkin in sorted(left)])
    with store.reader() as reader:
        left = lacking(reader, left)
    if left:
        named = [
            f"{by_checkin[each][0]} {short(each)} from {by_checkin[each][1].member}" for each in sorted(left)
        ]
        raise Away(
            f"no member that can be reached has {listed(named, MAX_NAMED)}: let the members that have it answer; if "
            "they are lost for ever, `xferzone group clobber BRANCH` at a member comes first"
        )


def off_line(reader: Reader, tips: Mapping[BranchName, Tip]) -> Sequence[OffLine]:
    """The branches whose refs here are not on the lines of the keys, which are completely here."""
    found = []
    for ref in LocalRefs(reader).list():
        tip = tips.get(ref.branch)
        if tip is None or not ancestry.leads_to(reader, tip.checkin, ref.checkin):
            is_ahead = tip is not None and ancestry.leads_to(reader, ref.checkin, tip.checkin)
            found.append(OffLine(ref.branch, ref, tip, is_ahead))
    return found
