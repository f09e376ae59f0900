"""What a move that was won brings with it, and what becomes of check-ins that no move can publish (law 4).

    settle     the ref moves; what it has passed is marked published; a push is told of changes that it may not mean
    conclude   nothing more is wished for the branch, its ref stands where it should: what left the ref's line before it
               is moved to BRANCH-fork-<16 hex digits of its hash> by a control artifact

Forks are written by `conclude` alone, so never before the ref stands where the branch's authority has it.
"""

from xferzone.errors import XferzoneError
from xferzone.hashing import ArtifactId, short
from xferzone.publish import defaulting, foreign, forks, losing
from xferzone.publish.pending import Pending
from xferzone.refs import BranchName, Door, LocalRefs, Move, Ref
from xferzone.store import ancestry, places, schema
from xferzone.store.places import Placed
from xferzone.zone.loss import Loss


def settle(refs: LocalRefs, pending: Pending, won: Move) -> None:
    """Move the ref as planned. Raises RefConflict: it no longer stands where the plan expected it."""
    refs.compare_and_set([won])
    if pending.ref is not None and pending.occasion.door is Door.PUSH:
        pending.notices += _told(pending, pending.ref, won.to)
    pending.ref = won.to
    _mark_passed(pending, won.to.checkin)


def _told(pending: Pending, before: Ref, after: Ref) -> list[str]:
    """What a pusher is told of a move that changes the default TTL, or takes away much of the zone: nobody was asked
    before, as by our verbs."""
    try:
        default = defaulting.told(pending.writer, before, after)
        lost = losing.between(pending.writer, before, after)
        found = losing.too_much(pending.writer, before, lost)
    except (XferzoneError, ValueError):
        return []  # an index is damaged, which `check` tells; the push itself is sound
    told = [] if default is None else [f"{before.branch}: {default}"]
    return told if found is None else [*told, _loss(before, after, found)]


def _loss(before: Ref, after: Ref, found: Loss) -> str:
    zone, branch = before.branch.zone, before.branch.branch
    on = "" if before.branch.is_main else f" -b {branch}"
    return (
        f"{before.branch}: check-in {short(after.checkin)} is served, and takes away "
        f"{found.told(zone)}. If that was not meant, `xferzone reset {zone} {short(before.checkin)}{on}` "
        "on the server brings them back."
    )


def _mark_passed(pending: Pending, tip: ArtifactId) -> None:
    queue = [tip]
    for at in queue:
        placed = places.placed(pending.writer, at)
        if placed is None or placed.place == schema.PUBLISHED:
            continue
        # Nothing that happens on this branch corrects what is invalid on another one.
        if placed.place != schema.INVALID or placed.branch == str(pending.branch):
            places.place(pending.writer, at, schema.PUBLISHED)
            pending.checkins.pop(at, None)
            pending.passed.append(placed)
        queue.extend(placed.parents)


def conclude(pending: Pending) -> None:
    """Move to fork branches what can no longer be published on this one."""
    losers: dict[ArtifactId, Placed] = {}
    for checkin in [*pending.checkins.values(), *places.invalid(pending.writer, str(pending.branch))]:
        first, base = pending.off_the_line(checkin)
        stays = (base is None) if pending.ref is None else (base == pending.ref.checkin)
        if pending.unfit(first) is not None or not stays:
            losers[first.id] = first
    for loser in losers.values():
        _fork(pending, loser)
    _fork_leaves(pending)


def conclude_fork(pending: Pending, fork: BranchName) -> None:
    """Leave what is pending on a fork branch there, and tell the way back if the branch that it left is a zone's."""
    _fork_leaves(pending)
    for checkin in pending.checkins.values():
        places.place(pending.writer, checkin.id, schema.ELSEWHERE)
    arrived = pending.checkins.values()
    if arrived and (pending.ref is not None or foreign.are_zones(pending.writer, pending.branch, arrived)):
        last = list(arrived)[-1]
        way_back = _way_back(pending, fork, last)
        pending.notices.append(f"{short(last.id)} is on branch {fork}, which is not served. {way_back}")


def _fork(pending: Pending, loser: Placed) -> None:
    writer, fork = pending.writer, forks.name(pending.branch, loser.id)
    writer.put(forks.artifact(pending.branch, loser.id, writer.checkin(loser.id)))
    reason = pending.unfit(loser) or forks.LOST_RACE
    if pending.follows_ahead(loser):
        way_back = forks.operators_way(pending.branch, fork)
    else:
        way_back = _way_back(pending, fork, loser)
    pending.notices.append(
        f"{pending.branch}: check-in {short(loser.id)} was moved to branch {fork}, which is not served: {reason}. "
        f"{way_back}"
    )
    for checkin in places.unplaced(writer):
        if checkin.branch == str(fork):
            places.place(writer, checkin.id, schema.ELSEWHERE)
    merged = (places.placed(writer, parent) for parent in loser.parents)
    pending.passed.extend(placed for placed in merged if placed and placed.place == schema.PUBLISHED)


def _way_back(pending: Pending, fork: BranchName, loser: Placed) -> str:
    """How people with a check-out publish `loser`, on `fork`, after all."""
    if pending.ref is not None:
        return forks.way_back(pending.branch, fork)
    at: Placed | None = loser
    while at is not None and (at is loser or at.branch == str(fork)):
        at = places.placed(pending.writer, at.parents[0]) if at.parents else None
    start = None if at is None else at.branch or short(at.id)
    return forks.way_to_begin(pending.branch, fork, start)


def _fork_leaves(pending: Pending) -> None:
    """Move what was merged by way of other branches alone: on this one it would stay a second leaf."""
    writer, branch = pending.writer, str(pending.branch)
    for checkin in pending.passed:
        placed = places.placed(writer, checkin.id)
        if placed is None or placed.branch != branch or ancestry.has_child(writer, placed.id, branch):
            continue
        if pending.ref is not None and placed.id != pending.ref.checkin:
            writer.put(forks.artifact(pending.branch, placed.id, writer.checkin(placed.id)))
            parents = (places.placed(writer, parent) for parent in placed.parents)
            pending.passed.extend(filter(None, parents))
