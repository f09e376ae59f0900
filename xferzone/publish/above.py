"""What stands above a branch's ref on its first-parent line and was not published: invalid, waiting, or left behind.

    ref <- invalid <- invalid       the newest line of them, oldest first
       \\- invalid

`revertible` is the part of it that a check-in of ours can stand on, so that publishing passes it by (law 4).
"""

from collections.abc import Sequence

from xferzone.errors import ZoneInvalid
from xferzone.publish import served
from xferzone.publish.pending import is_ahead
from xferzone.refs import Ref
from xferzone.store import Reader, Writer, ancestry, places, schema
from xferzone.store.places import Placed


def unpublished(reader: Reader, ref: Ref) -> list[Placed]:
    """The line up to the newest, by date, of the leaves above the ref. Empty: nothing is above it."""
    above: dict[str, Placed] = {}
    leaves: list[Placed] = []
    queue = [ref.checkin]
    for at in queue:
        found = (places.placed(reader, child) for child in ancestry.children(reader, at))
        heirs = [each for each in found if each is not None and _is_left(each, ref)]
        above |= {heir.id: heir for heir in heirs}
        queue += [heir.id for heir in heirs]
        if not heirs and at in above:
            leaves.append(above[at])
    line: list[Placed] = []
    leaf = max(leaves, key=lambda each: each.date_ms, default=None)
    while leaf is not None:
        line.append(leaf)
        leaf = above.get(leaf.parents[0])
    return line[::-1]


def _is_left(checkin: Placed, ref: Ref) -> bool:
    return checkin.place != schema.PUBLISHED and checkin.branch == str(ref.branch)


def revertible(writer: Writer, ref: Ref, line: Sequence[Placed], now_ms: int) -> list[Placed]:
    """The check-ins of `line`, from the ref on, that a check-in of ours can have below it; noted as invalid.

    In a clone they may not be noted yet. One that waits, or is dated too far ahead, can have nothing above it.
    """
    passed: list[Placed] = []
    before = places.placed(writer, ref.checkin)
    for checkin in line:
        if checkin.place in (schema.UNPLACED, schema.WAITING) or is_ahead(checkin, before, now_ms):
            break
        if checkin.place == schema.ELSEWHERE:
            try:
                served.numbers(writer, ref.branch.zone, writer.files(checkin.id))
            except ZoneInvalid as exc:
                places.record_invalid(writer, checkin.id, str(exc))
            else:
                break
        passed.append(checkin)
        before = checkin
    return passed
