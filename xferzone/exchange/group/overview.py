"""How a member stands to its group: who else is in it, who of them is alive, and which refs are not where the keys are.

as the keys     the ref is where its key is
behind          on the key's line, or the key names what is not here: the group program fetches it
ahead, beside   the keys were set back, or somebody has lost what he held: `group check`
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xferzone.errors import Away, OnHold
from xferzone.exchange.group import lines
from xferzone.exchange.group.lines import OffLine
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs, membership, serving
from xferzone.refs.consensus import Seen, Tip
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Roster
from xferzone.refs.serving import Rule
from xferzone.store import Reader, Store


@dataclass(frozen=True, slots=True)
class Behind:
    """A branch whose key is ahead of the ref here (None: it has none). `is_here`: what the key names is here."""

    branch: BranchName
    stands: ArtifactId | None
    tip: Tip
    is_here: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """A member and its group.

    Fields:
        roster: None: etcd cannot be reached, or says what no member wrote.
        is_held: it answers, and nothing is decided: the group is on hold.
        why: why there is no roster, or why nothing is decided; empty: all is well.
        remedy: what whoever reaches etcd here has to say of that.
        branches: how many have keys.
    """

    share: Membership
    roster: Roster | None
    is_held: bool
    why: str
    remedy: str = ""
    branches: int = 0
    behind: Sequence[Behind] = ()
    off: Sequence[OffLine] = ()

    @property
    def serving(self) -> tuple[Rule, ...] | None:
        """What the group serves of zones. None: etcd does not say."""
        value = None if self.roster is None else self.roster.serving
        return None if value is None else serving.parse(value)


def overview(store: Store, keys: Keys) -> Overview | None:
    """How the repository stands to its group. None: it is not a member."""
    with store.reader() as reader:
        share, seen = membership.membership(reader), membership.seen(reader)
        if share is None:
            return None
        space = share.space(reader.project_code)
    try:
        roster = Roster.read(keys, space)
        tips = roster.tips()
    except Away as exc:
        return Overview(share, None, isinstance(exc, OnHold), exc.what, exc.remedy)
    why = hold(keys, roster, share, seen)
    with store.reader() as reader:
        return _compared(reader, Overview(share, roster, bool(why), why, branches=len(tips)), tips)


def hold(keys: Keys, roster: Roster, share: Membership, seen: Seen) -> str:
    """Why the keys cannot be trusted to be those of the group that was joined; empty: they can."""
    if why := not_ours(roster, share.group, keys.name):
        return why
    try:
        seen.check(seen.stand, roster.stand, keys.name)
    except OnHold as exc:
        return exc.what
    return ""


def not_ours(roster: Roster, life: str, name: str) -> str:
    """Why the keys of `name` are not those of this life of the group, or not yet, or no longer; empty: they are."""
    if roster.beginning:
        return f"{roster.beginning} is making the group, or gives it another life"
    if roster.last is not None:
        return f"the group has ended: the member at {roster.last.url} left it last"
    if roster.rules is None:
        return f"{name} has no {roster.names.group}: it was emptied, or is another etcd"
    if roster.rules.life != life:
        return f"{name} has another life of the group, {roster.rules.life} and not {life}"
    return ""


def _compared(reader: Reader, found: Overview, tips: dict[BranchName, Tip]) -> Overview:
    refs = {ref.branch: ref for ref in LocalRefs(reader).list()}
    absent = lines.lacking(reader, {tip.checkin for tip in tips.values()})
    behind = []
    here: dict[BranchName, Tip] = {}
    for branch, tip in sorted(tips.items(), key=str):
        ref = refs.get(branch)
        if ref is not None and ref.checkin == tip.checkin:
            here[branch] = tip
        elif tip.checkin in absent or ref is None:
            behind.append(
                Behind(branch, None if ref is None else ref.checkin, tip, tip.checkin not in absent)
            )
        else:
            here[branch] = tip
    off = [each for each in lines.off_line(reader, here) if each.branch not in {one.branch for one in behind}]
    aside = {each.branch for each in off}
    late = [
        Behind(branch, refs[branch].checkin, tip, True)
        for branch, tip in here.items()
        if refs[branch].checkin != tip.checkin and branch not in aside
    ]
    return Overview(
        found.share, found.roster, found.is_held, found.why, "", found.branches, [*behind, *late], off
    )
