"""Keys that were set back, brought forward again by the members that are ahead of them.

    every listed member was asked where its refs stand      else nothing is done
    what the group has given up (publish/clobbers.py)       does not count
    what a key names and no member has                      does not count: its branch stands still
    all else that stands on a branch is on one line         else nothing is done, and both ends are named
    its end is at this member, and its key is not           proposed again, the highest serial first; MAX_MOVES at once,
                                                        all or none, so that what one command changed comes together
    its end is at a fellow                                  that one proposes it
    each key is at the end of its line                      the keys are believed again

Only where the group's own key is there, of the life that this member knows: emptied keys need `xferzone group restore`.
A request from before the loss that is still under way may win all the same; then there are two lines.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from xferzone.errors import OnHold
from xferzone.exchange.group.deciding import Group
from xferzone.hashing import ArtifactId, short
from xferzone.publish.clobbers import clobbers
from xferzone.refs import BranchName, LocalRefs, Ref
from xferzone.refs.consensus import MAX_MOVES, Seen, SharedRefs, Tip, Wish
from xferzone.refs.membership import begin_seen
from xferzone.store import Reader, Store, ancestry
from xferzone.wording import listed

MAX_NAMED: Final = 5  # branches that a reason names

Theirs = Mapping[str, Mapping[BranchName, ArtifactId]]  # where the refs of fellows stand, by their names


def healed(store: Store, group: Group, life: str, theirs: Theirs) -> bool:
    """Whether the keys are as new as all members; the group believes them from then on. Else what could be was done.

    Args:
        life: the group's.
        theirs: of all other members that are listed.

    Raises:
        OnHold: refs of a branch lie on two lines, or the keys are of another life, or gone.
        Away: they do not answer.
    """
    fresh = SharedRefs(group.refs.keys, group.refs.space, life, Seen())
    fresh.rules()
    stand, tips = fresh.all()
    absent = _absent(store, group, tips)
    with store.reader() as reader:
        own = {ref.branch: ref for ref in LocalRefs(reader).list()}
        ends = {
            branch: end
            for branch, end in _ends(reader, own, theirs, tips, absent).items()
            if branch not in absent or clobbers(reader, end, tips[branch].checkin)
        }
    behind = {branch: end for branch, end in ends.items() if end != _at(tips.get(branch))}
    if not behind:
        with store.writer() as writer:
            group.refs.seen = begin_seen(writer, stand)
        return True
    mine = [own[branch] for branch, end in behind.items() if branch in own and own[branch].checkin == end]
    wishes = [
        Wish(ref.branch, tips.get(ref.branch), Tip(ref.checkin, ref.serial, group.name))
        for ref in sorted(mine, key=lambda each: each.serial or 0, reverse=True)
    ]
    for start in range(0, len(wishes), MAX_MOVES):
        fresh.propose(wishes[start : start + MAX_MOVES])
    return False


def _absent(store: Store, group: Group, tips: Mapping[BranchName, Tip]) -> list[BranchName]:
    """The branches whose keys name what is not here, and what no fellow gives."""
    by_checkin = {tip.checkin: tip for tip in tips.values()}
    with store.reader() as reader:
        lacking = ancestry.broken(reader, by_checkin)
    if lacking:
        group.fellows.fetch(store, [by_checkin[each] for each in sorted(lacking)])
        with store.reader() as reader:
            lacking = ancestry.broken(reader, lacking)
    return [branch for branch, tip in tips.items() if tip.checkin in lacking]


def _at(tip: Tip | None) -> ArtifactId | None:
    return None if tip is None else tip.checkin


# many: where everything stands
def _ends(
    reader: Reader,
    own: Mapping[BranchName, Ref],
    theirs: Theirs,
    tips: Mapping[BranchName, Tip],
    absent: Collection[BranchName],
) -> dict[BranchName, ArtifactId]:
    """The end of each branch's line; of those in `absent` the key does not count. Raises OnHold: it has two."""
    stands: dict[BranchName, dict[ArtifactId, str]] = {
        branch: {tip.checkin: "the key"} for branch, tip in tips.items() if branch not in absent
    }
    for branch, ref in own.items():
        stands.setdefault(branch, {}).setdefault(ref.checkin, "this member")
    for name, refs in theirs.items():
        for branch, checkin in refs.items():
            stands.setdefault(branch, {}).setdefault(checkin, name)
    ends, apart = {}, []
    for branch, found in stands.items():
        left = [at for at in found if not any(clobbers(reader, other, at) for other in found)]
        end = _end(reader, left)
        if end is None:
            apart.append(f"{branch} ({', '.join(f'{short(at)} at {found[at]}' for at in left)})")
        else:
            ends[branch] = end
    if apart:
        raise OnHold(
            f"etcd was set back, and two lines have begun of {listed(apart, MAX_NAMED)}: see `xferzone group check`"
        )
    return ends


def _end(reader: Reader, stands: Iterable[ArtifactId]) -> ArtifactId | None:
    """The check-in on whose line all are. None: there is no such."""
    every = list(stands)
    return next((end for end in every if all(ancestry.leads_to(reader, end, at) for at in every)), None)
