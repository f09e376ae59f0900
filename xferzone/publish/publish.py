"""Publishing: which check-in each zone branch serves, decided anew from what is pending (law 4).

    a branch that looks like one of a zone           moved to a fork of that (misspelled.py)
    for each zone branch with pending check-ins      plan a move ─> settle it ─> plan again ... ─> conclude
    then for each fork branch                        plan a merge back ─> settle it ─> tell the way back
    any other branch                                 left alone, and zone files on it are told (misplaced.py)

Every decision is a function of the artifacts and the refs, so the next run catches up with a crash at any point. A
primary is its own authority: it wins every move that it plans, in the transaction that stored the artifacts.

A member of a group plans the same, and settles what the group has agreed on (agreed.py, led.py).

In a clone refs only go forward, over check-ins that were made in it; everything else waits for its remote to decide
(publish/follow.py). So a clone makes no fork and appends no merge.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from xferzone.hashing import ArtifactId, short
from xferzone.publish import misplaced, misspelled
from xferzone.publish.agreed import Agreed, Together
from xferzone.publish.ahead import NotYet
from xferzone.publish.jointly import draw
from xferzone.publish.jointly import wanted as jointly
from xferzone.publish.led import led
from xferzone.publish.pending import Pending
from xferzone.publish.plan import MAX_TOLD, Liberties, first_forward, forward, merge, move, plan
from xferzone.publish.settle import conclude, conclude_fork, fork_leaves, settle
from xferzone.refs import BranchName, LocalRefs, Move, Occasion
from xferzone.store import Writer, brought, places, schema, unsent
from xferzone.store.places import Placed
from xferzone.store.rechaining import never
from xferzone.wording import listed

_NONE = Liberties()


class Published(NamedTuple):
    """What came of a part of the publishing.

    Fields:
        notices: what the people who pushed check-ins should be told, in order.
        is_all: nothing is left to decide.
    """

    notices: list[str]
    is_all: bool


def publish(writer: Writer, refs: LocalRefs, occasion: Occasion, liberties: Liberties = _NONE) -> list[str]:
    """Decide about every unplaced check-in. Returns what the people who pushed them should be told, in order."""
    return publish_part(writer, refs, occasion, never, liberties).notices


def publish_part(
    writer: Writer,
    refs: LocalRefs,
    occasion: Occasion,
    is_over: Callable[[], bool],
    liberties: Liberties = _NONE,
) -> Published:
    """`publish` one branch after the other, at least a part of one, until `is_over`; another call goes on.

    The branch on which a check-in has come last is the first. With `liberties.ahead` it ends before a large zone, too.
    """
    liberties.begin_part(is_over)
    if writer.role == schema.MEMBER and liberties.agreed is None:
        return Published([], is_all=True)  # whoever may ask the group decides
    if writer.role not in (schema.PRIMARY, schema.MEMBER):
        return Published(_kept(writer, refs) + advance(writer, refs, occasion, liberties), is_all=True)
    return _decide_all(writer, refs, occasion, is_over, liberties)


def _decide_all(
    writer: Writer, refs: LocalRefs, occasion: Occasion, is_over: Callable[[], bool], liberties: Liberties
) -> Published:
    """In a primary or a member: `publish_part`."""
    agreed = liberties.agreed
    # A fellow may have published what is misspelled here.
    notices = [] if agreed is not None else [*misspelled.moved(writer, refs)]
    places.leave_foreign(writer)
    left, is_done, is_more, is_asked = _by_rank(places.branches_by_arrival(writer)), True, False, False
    strays: list[Placed] = []
    while left:
        text = left.pop()
        if agreed is not None and not agreed.decides(text):
            continue
        arrived = places.unplaced_on(writer, text)
        branch = BranchName.parse(text)
        if branch is None:
            places.leave(writer, arrived)
            strays += arrived if "/" not in text else ()
            continue
        pending = _pending(writer, refs, branch.fork_of or branch, occasion, arrived)
        is_zones = branch.is_fork or pending.ref is not None or pending.begins()
        if is_zones and agreed is not None:  # the group is asked about all branches at once
            is_asked |= not _decided_together(refs, pending, branch, is_over, liberties)
        elif is_zones:
            is_done = _decided(refs, pending, branch, is_over, liberties)
        elif branch.is_main:
            strays += arrived
        notices += pending.notices
        is_more = is_more or pending.has_released
        if is_more and not left:
            left, is_more = _by_rank(places.branches_by_arrival(writer)), False
        if not is_done or is_over():
            break
    return Published([*misplaced.told(writer, strays), *notices], is_done and not left and not is_asked)


# many: where, when, what was agreed on, how, and for how long
def lead(
    writer: Writer,
    refs: LocalRefs,
    occasion: Occasion,
    agreed: Agreed,
    liberties: Liberties,
    is_over: Callable[[], bool] = never,
) -> bool:
    """In a member: move refs to where the keys in `agreed.tips` stand, until `is_over`, and decide nothing else.

    Returns whether all is done; else something of them is to be asked or compiled first, and another call goes on.
    """
    stands = {ref.branch: ref.checkin for ref in refs.list()} if len(agreed.tips) > 1 else {}
    is_done = True
    for branch, tip in sorted(agreed.tips.items(), key=lambda each: str(each[0])):
        if branch in agreed.left or tip is None or stands.get(branch) == tip.checkin:
            continue
        pending = _pending(writer, refs, branch, occasion, places.unplaced_on(writer, str(branch)))
        try:
            is_done &= led(refs, pending, agreed, liberties) or branch in agreed.left
        except NotYet:
            return False
        if is_over():
            return False
    return is_done


def _decided_together(
    refs: LocalRefs, pending: Pending, branch: BranchName, is_over: Callable[[], bool], liberties: Liberties
) -> bool:
    """In a member: decide what can be decided about what is pending on the branch; whether nothing is to be asked."""
    pending.writer.fault("publish.deciding", 0.05)
    agreed, on = liberties.agreed, pending.branch
    assert agreed is not None
    if on in agreed.left:
        pending.notices += agreed.told(on)
        return True
    is_drawn = draw(pending, agreed)
    try:
        if not led(refs, pending, agreed, liberties) or agreed.is_wished(on):
            return False
        joined = partial(jointly, refs, pending, agreed, liberties)
        wish = None if branch.is_fork else first_forward(pending, liberties, joined)
        if wish is None and on in agreed.tips:  # what is appended to an old tip would only be forked
            merged = merge(pending, liberties)
            wish = None if merged is None else Together([merged])
    except NotYet:
        return False
    if wish is not None:
        agreed.wish(wish)
        return False
    if on not in agreed.tips:
        agreed.read(on)
        return False
    if branch.is_fork:
        is_told = _is_own(pending)
        before = len(pending.notices)
        conclude_fork(pending, branch)
        if not is_told:
            del pending.notices[before:]
    elif conclude(pending, is_over):
        pending.notices += pending.told_waiting()
    else:
        return False
    return not is_drawn


def _is_own(pending: Pending) -> bool:
    """Whether any of what is pending was brought by whoever publishes; else it came from a fellow, who told of it."""
    who = pending.occasion.login
    bringers = (brought.by(pending.writer, checkin) for checkin in pending.checkins)
    return any(bringer is not None and bringer.login == who for bringer in bringers)


def _decided(
    refs: LocalRefs, pending: Pending, branch: BranchName, is_over: Callable[[], bool], liberties: Liberties
) -> bool:
    """Decide about what is pending on the branch, at least a part of it, until `is_over`; whether it was all."""
    pending.writer.fault("publish.deciding", 0.05)
    if branch.is_fork:
        try:
            back = merge(pending, liberties)
        except NotYet:
            return False
        if back is not None:
            settle(refs, pending, back)
        conclude_fork(pending, branch)
        return True
    if _settle_all(refs, pending, plan, liberties, is_over):
        is_done = conclude(pending, is_over)
    else:
        fork_leaves(pending)  # what a move has passed is known in this part only
        is_done = False
    if not is_done:
        pending.leave()
    return is_done


def _by_rank(branches: Iterable[str]) -> list[str]:
    """Branches, in the order of their last arrivals, in reverse of the order in which to publish them."""
    return sorted(branches, key=lambda text: _rank(BranchName.parse(text)))


def _rank(branch: BranchName | None) -> int:
    """Higher: published sooner."""
    if branch is None:
        return 2  # before a ref passes some of it, which makes that published
    return 0 if branch.is_fork else 1  # what a branch loses in a run is told of its fork in the same run


def advance(writer: Writer, refs: LocalRefs, occasion: Occasion, liberties: Liberties = _NONE) -> list[str]:
    """In a clone: publish what was made here and follows what is served; leave everything else unpublished.

    Returns what whoever made it should be told, in order.
    """
    liberties = replace(liberties, ahead=None)  # what was made here was compiled with its commit
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
    is_over: Callable[[], bool] = never,
) -> bool:
    """Make one move of the branch after the other, each planned from where the one before has left it.

    Returns whether no more is wished; it ends before, `is_over` after a move, or where a zone is to be compiled first.
    """
    while pending.checkins:
        try:
            wanted = wish(pending, liberties)
        except NotYet:
            return False
        if wanted is None:
            break
        settle(refs, pending, wanted)
        if is_over():
            return not pending.checkins
    return True


def _kept(writer: Writer, refs: LocalRefs) -> list[str]:
    """In a clone: what people are told who pushed check-ins of zones to it that were not made in it."""
    own = {checkin.id for checkin in unsent.checkins(writer)}
    kept = [c for c in places.unplaced(writer) if c.id not in own and _is_of_a_zone(refs, c)]
    if not kept:
        return []
    named = listed([f"{short(checkin.id)} on {checkin.branch}" for checkin in kept], MAX_TOLD)
    return [f"kept: {named}. This repository is a {writer.role}: it serves them when its remote does."]


def _is_of_a_zone(refs: LocalRefs, checkin: Placed) -> bool:
    branch = BranchName.parse(checkin.branch)
    if branch is None:
        return False
    return checkin.may_hold(branch.zone) or refs.get(branch.fork_of or branch) is not None
