"""What a branch should serve next: one move of its ref, decided from what is pending (law 4). No ref moves here.

    forward   r is on the first-parent line      -> the ref moves there, as far as it goes
    merge     r is reached by other parents      -> append a check-in: parents r and the tip, content the tip's
    invalid   a child of r that cannot be served -> recorded and told; it stays until a child corrects it

Arrival decides races: of two children of r the one that came first wins. Only what is served must be valid; what is
passed on the way forward is not checked. A branch without a ref begins with its first valid check-in that has no
parent on it.

The bytes of an appended check-in depend on (ref, tip) alone, so any number of authorities make one artifact: date
max(date of r, date of the tip) + 1 ms, comment and user the tip's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Final

from xferzone.artifacts import CheckIn
from xferzone.errors import Fault, ZoneInvalid
from xferzone.hashing import ArtifactId, short
from xferzone.publish import forks, served
from xferzone.publish.agreed import Agreed, Together
from xferzone.publish.ahead import Ahead
from xferzone.publish.pending import Pending
from xferzone.publish.serials import serial_of
from xferzone.refs import Door, Move, Ref, State
from xferzone.store import ancestry, brought, places, schema
from xferzone.store.places import Placed
from xferzone.wording import listed
from xferzone.zone.cut import is_zone_file

NOT_LOOKED_AT: Final = "not looked at: what was committed on it is invalid"  # recorded as the reason
MAX_TOLD: Final = 10  # faults of one check-in, or check-ins, that the pusher is shown


@dataclass(frozen=True, slots=True)
class Liberties:
    """What whoever publishes knows.

    Fields:
        as_cut: check-ins whose files are known to be cut by the rule, since the caller has just cut them.
        ahead: compiles large zones between parts; None: they are compiled where they are met.
        agreed: what the members of a group have agreed on; None: the repository decides alone.
    """

    as_cut: frozenset[ArtifactId] = frozenset()
    ahead: Ahead | None = None
    agreed: Agreed | None = None

    def begin_part(self, is_over: Callable[[], bool]) -> None:
        """A part of the publishing begins, which is to end when `is_over`."""
        if self.ahead is not None:
            self.ahead.begin(is_over)

    def forget(self) -> None:
        """What was compiled ahead has been used."""
        if self.ahead is not None:
            self.ahead.forget()


def plan(pending: Pending, liberties: Liberties) -> Move | None:
    """The next move of the branch, its artifacts made and compiled. None: nothing that is pending can be published.

    Settle the move, then ask again: a second move builds on the first. Raises NotYet: a zone is to be compiled before;
    what was recorded until then stays right.
    """
    return forward(pending, liberties) or merge(pending, liberties)


def forward(pending: Pending, liberties: Liberties) -> Move | None:
    """The move that goes as far as it can down one line of heirs. None: no heir of the ref can be served.

    Of all where a line may begin, the first to arrive is next: so it makes no difference after which of them a part of
    the publishing has ended.
    """
    found = first_forward(pending, liberties, lambda _part: None)
    return None if found is None else found.moves[0]


def first_forward(
    pending: Pending, liberties: Liberties, joined: Callable[[Placed], Together | None]
) -> Together | None:
    """`forward`, in its turn with what `joined` finds for a part of a joint change, where no line goes on by itself."""
    queue = [(start.row, start) for start in pending.starts()]  # in this order it is a heap
    while queue:
        start = heappop(queue)[1]
        if pending.is_part(start):
            if (together := joined(start)) is not None:
                return together
            continue
        line = _line(pending, start)
        # What was found invalid before stays so.
        found = _last_valid(pending, [each for each in line if each.id in pending.checkins], liberties)
        if found is not None:
            return Together([move(pending, *found)])
        for heir in pending.heirs(line[-1].id) if line else ():
            heappush(queue, (heir.row, heir))
    return None


def _last_valid(
    pending: Pending, line: Sequence[Placed], liberties: Liberties
) -> tuple[ArtifactId, tuple[int, ...]] | None:
    """The check-in of a line that can be served, and its indexes: the last one, else found by halving the line.

    So of many invalid versions a few are compiled. What was passed over is looked at with the next move; where nothing
    can be served, it is recorded invalid like what it lies between.
    """
    low, high = 0, len(line)  # from `high` on they are taken for invalid, those before `low` for passed
    at, found = high - 1, None
    # Recorded at the end: after a NotYet the same line is halved again.
    wrong: list[tuple[ArtifactId, ZoneInvalid]] = []
    while low < high:
        numbers = indexed(pending, line[at].id, liberties)
        if isinstance(numbers, ZoneInvalid):
            high = at
            wrong.append((line[at].id, numbers))
        else:
            low, found = at + 1, (line[at].id, numbers)
        at = (low + high) // 2
    liberties.forget()
    for checkin, exc in wrong:
        _record_invalid(pending, checkin, exc)
    if found is None:
        _pass_over(pending, [each for each in line if each.id in pending.checkins])
    return found


def _pass_over(pending: Pending, checkins: Sequence[Placed]) -> None:
    """Record the check-ins of a line as invalid that were not looked at, since others on it are."""
    for checkin in checkins:
        places.record_invalid(pending.writer, checkin.id, NOT_LOOKED_AT)
        pending.note_invalid(checkin)
    if checkins:
        named = listed([short(checkin.id) for checkin in checkins], MAX_TOLD)
        pending.notices.append(f"{pending.branch}: not looked at, between versions that are invalid: {named}")


def _line(pending: Pending, start: Placed) -> list[Placed]:
    """`start` and its heirs while there is just one; it ends before what is unfit, or part of a joint change."""
    line: list[Placed] = []
    heirs = [start]
    while len(heirs) == 1 and pending.unfit(heirs[0]) is None and not pending.is_part(heirs[0]):
        line.append(heirs[0])
        heirs = pending.heirs(heirs[0].id)
    return line


def merge(pending: Pending, liberties: Liberties) -> Move | None:
    """The move to the first valid tip that has the ref among its ancestors by other parents. None: no such tip."""
    ref = pending.ref
    if ref is None:
        return None
    tips = {tip.id: tip for tip in pending.checkins.values() if _may_merge(pending, tip, ref)}
    for each in ancestry.coming_from(pending.writer, ref.checkin) if tips else ():
        tip = tips.get(each)
        if tip is None or pending.is_ahead(tip):
            continue
        at = places.placed(pending.writer, ref.checkin)
        if at is None or pending.leaves_no_step(tip, at):
            continue
        numbers = indexed(pending, tip.id, liberties)
        liberties.forget()
        if not isinstance(numbers, ZoneInvalid):
            made = move(pending, _append(pending, ref, tip), numbers)
            return replace(made, occasion=pending.occasion_of(tip.id))
        _record_invalid(pending, tip.id, numbers)
    return None


def _may_merge(pending: Pending, tip: Placed, ref: Ref) -> bool:
    """Whether a pending check-in is a tip that may have the ref among its ancestors by other parents alone."""
    if pending.is_inner(tip.id) or tip.place == schema.INVALID:
        return False
    return pending.off_the_line(tip)[1] != ref.checkin


def _append(pending: Pending, ref: Ref, tip: Placed) -> ArtifactId:
    """A check-in on the branch whose first parent is the ref, and whose content is the tip's."""
    merged, before = pending.writer.checkin(tip.id), pending.writer.checkin(ref.checkin)
    appended = CheckIn(
        comment=merged.comment or "merge",
        date_ms=max(before.date_ms, merged.date_ms) + 1,
        user=merged.user or forks.ANONYMOUS,
        files=tuple(card._replace(old_name=None) for card in pending.writer.file_cards(tip.id)),
        parents=(ref.checkin, tip.id),
    )
    made = pending.writer.put(appended.encode())
    pending.writer.fault("publish.merge-appended", 0.2)
    # It has the tip's author, so whoever pushed that in somebody else's name answers for it.
    if (bringer := brought.by(pending.writer, tip.id)) is not None:
        brought.note(pending.writer, [made], bringer)
    return made


def move(pending: Pending, to: ArtifactId, numbers: tuple[int, ...]) -> Move:
    """The move of the branch to a check-in with these indexes; without any the zone is removed."""
    expected = None if pending.ref is None else pending.ref.checkin
    state = State.SERVED if numbers else State.REMOVED
    serial = serial_of(pending.writer, pending.branch.zone, to)
    return Move(expected, Ref(pending.branch, to, serial, state, numbers), pending.occasion_of(to))


def indexed(pending: Pending, checkin: ArtifactId, liberties: Liberties) -> tuple[int, ...] | ZoneInvalid:
    """The indexes of a check-in that would be served, or why it is invalid."""
    writer, zone = pending.writer, pending.branch.zone
    if _removes(pending, checkin):
        return ()
    try:
        # A check-in without any file of the zone is not read to say so.
        own = writer.files(checkin) if pending.checkins[checkin].may_hold(zone) else {}
        return served.numbers(writer, zone, own, as_cut=checkin in liberties.as_cut, ahead=liberties.ahead)
    except ZoneInvalid as exc:
        return exc


def _removes(pending: Pending, checkin: ArtifactId) -> bool:
    """Whether the check-in is how a verb of ours takes the zone away; one without files that was pushed is a slip."""
    bringer = brought.by(pending.writer, checkin)
    is_ours = bringer is not None and bringer.door == Door.CLI.value
    return is_ours and pending.ref is not None and not pending.writer.files(checkin)


def _record_invalid(pending: Pending, checkin: ArtifactId, exc: ZoneInvalid) -> None:
    """Keep why the check-in cannot be served, and tell it unless nobody meant a zone."""
    writer, zone = pending.writer, pending.branch.zone
    reason = "it is a symbolic link, and only its target's name was sent: commit the file itself"
    placed = pending.checkins[checkin]
    own = (
        [card for card in writer.file_cards(checkin) if is_zone_file(zone, card.name)]
        if placed.may_hold(zone)
        else []
    )
    links = [Fault(card.name, 0, reason) for card in own if card.perm == "l"]
    exc = ZoneInvalid(links) if links else exc
    if placed.branch == str(pending.branch):
        places.record_invalid(writer, checkin, str(exc))
        pending.note_invalid(placed)
    else:
        # A merge on a fork: what is served moves on without it.
        places.leave(writer, [placed])
        pending.drop(placed)
    if pending.ref is None and not own:
        return
    told = listed([str(fault) for fault in exc.faults], MAX_TOLD, "; ")
    pending.notices.append(
        f"{pending.branch}: check-in {short(checkin)} is kept but not served: {told}; "
        "the last good version is still served: commit a correction on top of it"
    )
