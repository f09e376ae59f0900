"""A new life of a primary's serials: after a restore or a promotion, others may hold serials of the life that was lost.

    lost life    10, backup, 11
    new life     10, then 1010        without the step: 11 again, for other records, and who has the first 11 keeps it

Each served zone gets one check-in, whose text asks for the serial STEP above. It is made before anything is answered.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from xferzone.artifacts import CheckIn, FileCard
from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.publish import served
from xferzone.publish.pending import Pending
from xferzone.publish.plan import move
from xferzone.publish.settle import conclude, settle
from xferzone.refs import LocalRefs, Move, Occasion, Ref, State
from xferzone.store import Writer, schema
from xferzone.zone.cut import is_zone_file
from xferzone.zone.serial import with_serial
from xferzone.zonefile.names import zone_name

STEP: Final = 1_000  # serials; more than a lost life is likely to have gone on after a backup of the day
_MODULUS: Final = 2**32
COMMENT: Final = "a new life of the serial"


class Stepped(NamedTuple):
    """What was done: the refs as they stand now, and what people should be told."""

    refs: Sequence[Ref]
    notices: Sequence[str]


def step_serials(writer: Writer, refs: LocalRefs, occasion: Occasion) -> Stepped:
    """Step the serial of every zone that is served. A clone or mirror moves no ref of its own, and is left alone."""
    stepped: list[Ref] = []
    notices: list[str] = []
    for ref in refs.list() if writer.role == schema.PRIMARY else ():
        if not ref.branch.is_main or ref.state is State.REMOVED or ref.serial is None:
            continue
        pending = Pending(writer, ref.branch, ref, occasion, {})
        wanted = _wanted(pending, ref, (ref.serial + STEP) % _MODULUS or 1)
        if wanted is None:
            notices.append(
                f"{ref.branch} keeps serial {ref.serial}: its SOA could not be rewritten. If secondaries may have a "
                "later one, set a higher one"
            )
            continue
        settle(refs, pending, wanted)
        conclude(pending)
        stepped.append(wanted.to)
        notices += pending.notices
    return Stepped(stepped, notices)


def _wanted(pending: Pending, ref: Ref, serial: int) -> Move | None:
    """The move to a new check-in whose text asks for `serial`. None: the text cannot be made so."""
    writer, zone = pending.writer, ref.branch.zone
    before = writer.checkin(ref.checkin)
    cards = cards_with_serial(writer, zone, ref.checkin, serial)
    if cards is None:
        return None
    checkin = writer.put(
        CheckIn(
            comment=COMMENT,
            date_ms=max(pending.occasion.now_ms, before.date_ms + 1),
            user=pending.occasion.login,
            files=cards,
            parents=(ref.checkin,),
        ).encode()
    )
    if ref.state is State.DEFERRED:
        made = move(pending, checkin, ())
        return Move(made.expected, Ref(ref.branch, checkin, made.to.serial, State.DEFERRED), made.occasion)
    try:
        numbers = served.numbers(writer, zone, writer.files(checkin))
    except ZoneInvalid:  # this release finds a fault that the one which published it did not
        return None
    return move(pending, checkin, numbers)


def cards_with_serial(
    writer: Writer, zone: str, checkin: ArtifactId, serial: int
) -> tuple[FileCard, ...] | None:
    """The files of a check-in, with a text of the zone that asks for that serial, which is stored. None: it cannot be
    made so.
    """
    cards, is_changed = list(writer.file_cards(checkin)), False
    for number, card in enumerate(cards):
        if card.id is not None and is_zone_file(zone, card.name):
            text = with_serial(writer.content(card.id), zone_name(zone), serial)
            if text is not None:
                cards[number], is_changed = card._replace(id=writer.put(text)), True
    return tuple(card._replace(old_name=None) for card in cards) if is_changed else None
