"""Publishing: which check-in each zone branch serves, decided anew from what is pending (law 4).

    for each zone branch with pending check-ins      plan a move ─> settle it ─> plan again ... ─> conclude
    then for each fork branch                        plan a merge back ─> settle it ─> tell the way back
    any other branch                                 left alone, and zone files on it are told (misplaced.py)

Every decision is a function of the artifacts and the refs, so the next run catches up with a crash at any point. A
primary is its own authority: it wins every move that it plans, in the transaction that stored the artifacts.

Only a primary does all of that. In a clone refs only go forward, over check-ins that were made in it; everything else
waits for its remote to decide (publish/follow.py). So a clone makes no fork and appends no merge.
"""

from collections.abc import Callable, Iterable

from xferzone.hashing import ArtifactId, short
from xferzone.publish import misplaced
from xferzone.publish.pending import Pending
from xferzone.publish.plan import MAX_TOLD, Liberties, forward, merge, move, plan
from xferzone.publish.settle import conclude, conclude_fork, settle
from xferzone.refs import BranchName, LocalRefs, Move, Occasion
from xferzone.store import Writer, places, schema, unsent
from xferzone.store.places import Placed
from xferzone.wording import listed

_NONE = Liberties()


def publish(writer: Writer, refs: LocalRefs, occasion: Occasion, liberties: Liberties = _NONE) -> list[str]:
    """Decide about every unplaced check-in. Returns what the people who pushed them should be told, in order."""
    if writer.role != schema.PRIMARY:
        return _kept(writer) + advance(writer, refs, occasion, liberties)
    notices: list[str] = []
    by_branch: dict[str, list[Placed]] = {}
    for checkin in places.unplaced(writer):
        by_branch.setdefault(checkin.branch or "", []).append(checkin)
    named = {text: BranchName.parse(text) for text in by_branch}
    # Forks come last: what a branch loses in this run is told of its fork in the same run.
    for text, branch in sorted(named.items(), key=lambda item: item[1] is not None and item[1].is_fork):
        if branch is None:
            for checkin in by_branch[text]:
                places.place(writer, checkin.id, schema.ELSEWHERE)
                notices += misplaced.told(writer, checkin)
            continue
        home = branch.fork_of
        pending = _pending(writer, refs, home or branch, occasion, by_branch[text])
        if home is None:
            _settle_all(refs, pending, plan, liberties)
            conclude(pending)
        else:
            if (back := merge(pending, liberties)) is not None:
                settle(refs, pending, back)
            conclude_fork(pending, branch)
        notices += pending.notices
    return notices


def advance(writer: Writer, refs: LocalRefs, occasion: Occasion, liberties: Liberties = _NONE) -> list[str]:
    """In a clone: publish what was made here and follows what is served; leave everything else unpublished.

    Returns what whoever made it should be told, in order.
    """
    notices: list[str] = []
    own: dict[BranchName, list[Placed]] = {}
    for checkin in unsent.checkins(writer):
        branch = BranchName.parse(checkin.branch)
        if branch is not None and not branch.is_fork:
            own.setdefault(branch, []).append(checkin)
    for branch, made in own.items():
        pending = _pending(
            writer, refs, branch, occasion, (each for each in made if each.place != schema.INVALID)
        )
        _settle_all(refs, pending, forward, liberties)
        pending.notices += [
            f"{branch}: check-in {short(checkin.id)} is kept but not served here, since it does not follow "
            "what is served. Push it: the primary decides what becomes of it."
            for checkin in pending.checkins.values()
            if checkin.place == schema.UNPLACED
        ]
        notices += pending.notices
    places.leave_unpublished(writer)
    return notices


def withdraw(writer: Writer, refs: LocalRefs, branch: BranchName, to: ArtifactId, occasion: Occasion) -> None:
    """Move the ref of `branch` to check-in `to`, its heir, which has no files: the zone is no longer served."""
    pending = _pending(writer, refs, branch, occasion, ())
    settle(refs, pending, move(pending, to, ()))
    if writer.role == schema.PRIMARY:
        conclude(pending)


def _pending(
    writer: Writer, refs: LocalRefs, branch: BranchName, occasion: Occasion, arrived: Iterable[Placed]
) -> Pending:
    checkins = {checkin.id: checkin for checkin in arrived}
    return Pending(writer, branch, refs.get(branch), occasion, checkins)


def _settle_all(
    refs: LocalRefs,
    pending: Pending,
    wish: Callable[[Pending, Liberties], Move | None],
    liberties: Liberties,
) -> None:
    """Make one move of the branch after the other, each planned from where the one before has left it."""
    while pending.checkins and (wanted := wish(pending, liberties)) is not None:
        settle(refs, pending, wanted)


def _kept(writer: Writer) -> list[str]:
    """In a clone: what people are told who pushed check-ins to it that were not made in it."""
    own = {checkin.id for checkin in unsent.checkins(writer)}
    kept = [c for c in places.unplaced(writer) if c.id not in own and BranchName.parse(c.branch) is not None]
    if not kept:
        return []
    named = listed([f"{short(checkin.id)} on {checkin.branch}" for checkin in kept], MAX_TOLD)
    return [f"kept: {named}. This repository is a {writer.role}: it serves them when its remote does."]
