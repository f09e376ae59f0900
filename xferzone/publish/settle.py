"""What a move that was won brings with it, and what becomes of check-ins that no move can publish (law 4).

    settle     the ref moves; what it has passed is marked published; a push is told of changes that it may not mean
    conclude   nothing more is wished for the branch, its ref stands where it should: what left the ref's line before it
               is moved to BRANCH-fork-<16 hex digits of its hash> by a control artifact

Forks are written by `conclude` alone, so never before the ref stands where the branch's authority has it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from xferzone.errors import XferzoneError
from xferzone.hashing import ArtifactId, artifact_id, short
from xferzone.publish import defaulting, foreign, forks, losing
from xferzone.publish.pending import Pending
from xferzone.refs import BranchName, Door, LocalRefs, Move, Ref
from xferzone.store import ancestry, places, schema
from xferzone.store.incoming import Received
from xferzone.store.places import Placed
from xferzone.store.rechaining import never
from xferzone.zone.loss import Loss

FORKS: Final = 200  # check-ins moved to fork branches at a time, some 0.2 s


def settle(refs: LocalRefs, pending: Pending, won: Move) -> None:
    """Move the ref as planned. Raises RefConflict: it no longer stands where the plan expected it."""
    pending.writer.fault("publish.planned", 0.05)
    refs.compare_and_set([won])
    pending.writer.fault("publish.settled", 0.05)
    before = pending.ref
    if before is not None and pending.occasion.door is Door.PUSH:
        pending.notices += _told(pending, before, won.to)
    pending.ref = won.to
    passed = _mark_passed(pending, won.to.checkin)
    if before is None:
        loose = places.loosen(pending.writer, str(pending.branch), None)
        pending.has_released = places.release_on(pending.writer, str(pending.branch))
    else:
        rows = [checkin.row for checkin in passed]
        at = places.placed(pending.writer, before.checkin)
        loose = places.loosen(pending.writer, str(pending.branch), rows if at is None else [*rows, at.row])
    pending.note_loose(loose)


def _told(pending: Pending, before: Ref, after: Ref) -> list[str]:
    """What a pusher is told of a move that changes the default TTL, or takes away much of the zone: nobody was asked
    before, as by our verbs."""
    try:
        default = defaulting.told(pending.writer, before, after)
        found = losing.between(pending.writer, before, after)
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


def _mark_passed(pending: Pending, tip: ArtifactId) -> list[Placed]:
    # Nothing that happens on this branch decides what waits for a decision on another one, or corrects it there.
    before = places.not_passed(pending.writer, tip)
    pending.writer.unpassed.difference_update(checkin.row for checkin in before)
    passed = [
        checkin
        for checkin in before
        if checkin.place == schema.ELSEWHERE
        or checkin.branch in (None, str(pending.branch))
        or checkin.id in pending.checkins  # on a fork of this branch
    ]
    places.place_all(pending.writer, passed, schema.PUBLISHED)
    pending.writer.fault("publish.passed", 0.05)
    pending.note_passed(passed)
    return passed


def conclude(pending: Pending, is_over: Callable[[], bool] = never) -> bool:
    """Move to fork branches what can no longer be published on this one, FORKS at a time until `is_over`.

    Returns whether all of it was moved; else another call goes on.
    """
    is_all = False
    pending.writer.fault("publish.concluding", 0.03)
    for some in _parts(list(_losers(pending))):
        # What was made together with a loser is lost, too, on its own branches.
        pending.has_released |= any(pending.is_part(each) for each in pending.checkins.values())
        _fork(pending, some)
        if is_over():
            break
    else:
        is_all = True
    fork_leaves(pending)
    return is_all


def _losers(pending: Pending) -> Iterable[Placed]:
    """The first check-in of each line that can no longer be published."""
    losers: dict[ArtifactId, Placed] = {}
    for checkin in [*pending.checkins.values(), *pending.invalid.values()]:
        first = pending.off_the_line(checkin)[0]
        if first.id not in losers and (not pending.stays(checkin) or pending.lost(first) is not None):
            losers[first.id] = first
    for checkin in pending.checkins.values():  # on top of what is invalid
        if pending.off_the_line(checkin)[0].id not in losers:
            lowest = pending.lowest_unfit(checkin)
            losers |= {} if lowest is None else {lowest.id: lowest}
    return losers.values()


def _parts(losers: Sequence[Placed]) -> Iterator[Sequence[Placed]]:
    for start in range(0, len(losers), FORKS):
        yield losers[start : start + FORKS]


def conclude_fork(pending: Pending, fork: BranchName) -> None:
    """Leave what is pending on a fork branch there, and tell the way back if the branch that it left is a zone's."""
    fork_leaves(pending)
    arrived = pending.checkins.values()
    places.leave(pending.writer, arrived)
    if arrived and (pending.ref is not None or foreign.are_zones(pending.writer, pending.branch, arrived)):
        last = list(arrived)[-1]
        way_back = _way_back(pending, fork, last)
        pending.notices.append(f"{short(last.id)} is on branch {fork}, which is not served. {way_back}")


def _fork(pending: Pending, losers: Sequence[Placed]) -> None:
    writer = pending.writer
    reasons = [pending.lost(loser) or forks.LOST_RACE for loser in losers]
    _move_to_forks(pending, losers)
    writer.fault("publish.forked", 0.1)
    for loser, reason in zip(losers, reasons, strict=True):
        fork = forks.name(pending.branch, loser.id)
        if pending.follows_ahead(loser):
            way_back = forks.operators_way(pending.branch, fork)
        else:
            way_back = _way_back(pending, fork, loser)
        pending.notices.append(
            f"{pending.branch}: check-in {short(loser.id)} was moved to branch {fork}, which is not served: {reason}. "
            f"{way_back}"
        )
    places.leave_unpublished(writer, [str(forks.name(pending.branch, loser.id)) for loser in losers])
    for parent in dict.fromkeys(parent for loser in losers for parent in loser.parents):
        merged = places.placed(writer, parent)
        if merged is not None and merged.place == schema.PUBLISHED:
            pending.passed[parent] = merged


def _way_back(pending: Pending, fork: BranchName, loser: Placed) -> str:
    """How people with a check-out publish `loser`, on `fork`, after all."""
    if pending.ref is not None:
        return forks.way_back(pending.branch, fork)
    at: Placed | None = loser
    while at is not None and (at is loser or at.branch == str(fork)):
        at = places.placed(pending.writer, at.parents[0]) if at.parents else None
    start = None if at is None else at.branch or short(at.id)
    return forks.way_to_begin(pending.branch, fork, start)


def _move_to_forks(pending: Pending, checkins: Sequence[Placed]) -> None:
    """Write the control artifacts that move check-ins, and all that follows them, to fork branches of theirs."""
    made = [forks.artifact(pending.branch, each.id, pending.writer.checkin(each.id)) for each in checkins]
    pending.writer.put_all([Received(artifact_id(content), None, content) for content in made])


def fork_leaves(pending: Pending) -> None:
    """Move what was merged by way of other branches alone: on this one it would stay a second leaf."""
    writer, branch = pending.writer, str(pending.branch)
    wave = list(pending.passed)
    while wave and pending.ref is not None:
        leaves = []
        for checkin in wave:
            placed = places.placed(writer, checkin)
            if placed is None or placed.branch != branch or placed.id == pending.ref.checkin:
                continue
            if not ancestry.has_child(writer, placed.id, branch):
                leaves.append(placed)
        _move_to_forks(pending, leaves)
        # Without them, these may be leaves.
        wave = list(dict.fromkeys(parent for leaf in leaves for parent in leaf.parents))
