"""The wish for a joint change (joint.py): a move on each of its branches, or none.

    part ─> its list ─> each end follows the ref of its branch here, and can be served     else all parts wait
                        an end that a ref has passed already needs no move

Whichever branch is looked at first wishes for all of them. What is decided about one is decided about all, so the run
decides about the other branches, too.
"""

from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.publish import joint
from xferzone.publish.agreed import Agreed, Together
from xferzone.publish.pending import Pending
from xferzone.publish.plan import Liberties, indexed, move
from xferzone.refs import LocalRefs, Move
from xferzone.store import ancestry
from xferzone.store.places import Placed


def draw(pending: Pending, agreed: Agreed) -> bool:
    """Have the run decide about all branches of the joint changes that are pending here; whether it did not yet."""
    is_drawn = False
    if agreed.own is not None:
        for checkin in pending.checkins.values():
            found = joint.of(pending.writer, checkin.id) if pending.is_part(checkin) else None
            is_drawn |= found is not None and agreed.draw(found.ends)
    return is_drawn


def wanted(
    refs: LocalRefs, pending: Pending, agreed: Agreed, liberties: Liberties, part: Placed
) -> Together | None:
    """The moves of the joint change that a part on this branch is of. None: they are not all possible now.

    Raises:
        NotYet: a zone is to be compiled before.
    """
    writer = pending.writer
    found = joint.of(writer, part.id)
    if found is None or joint.lost(writer, part.id) is not None:
        return None
    moves: list[Move] = []
    for branch, end in found.ends.items():
        if branch in agreed.left:
            return None
        is_here = branch == pending.branch
        other = pending if is_here else Pending.of(writer, refs, branch, pending.occasion)
        if other.ref is not None and ancestry.leads_to(writer, other.ref.checkin, end):
            continue
        wished = _move(other, end, found.token, liberties)
        if wished is None:
            return None
        moves.append(wished)
    liberties.forget()
    return Together(moves, [found.control])


def _move(pending: Pending, end: ArtifactId, token: str, liberties: Liberties) -> Move | None:
    if pending.ref is None and not pending.begins():
        return None
    placed = pending.checkins.get(end)
    if placed is None or not pending.follows(placed, token):
        return None
    numbers = indexed(pending, end, liberties)
    return None if isinstance(numbers, ZoneInvalid) else move(pending, end, numbers)
