"""Branches of the form of a zone's, as feature/x, that are nobody's: no check-in on them holds the zone's file.

    no ref, no check-in that may hold a file of the zone     nobody's: settled unread, nothing is said, no fork is made
    no ref, one that may                                     its manifest is asked; if it holds none: as above
    a ref, or a check-in that holds one                      a zone's: all of it is decided upon (publish/plan.py)

What may hold one is noted when check-ins arrive (store/zoned.py), so histories from elsewhere cost no manifest.
"""

from collections.abc import Iterable
from itertools import chain

from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName
from xferzone.store import Reader, Writer, places
from xferzone.store.places import Placed
from xferzone.zone.cut import is_zone_file


def holds(reader: Reader, checkin: Placed, zone: str) -> bool:
    """Whether the check-in has a file of the zone of that id. Raises as `Reader.checkin` does."""
    return checkin.may_hold(zone) and any(is_zone_file(zone, name) for name in reader.files(checkin.id))


def are_zones(reader: Reader, branch: BranchName, checkins: Iterable[Placed]) -> bool:
    """Whether one of these check-ins of the branch holds a file of its zone."""
    return any(holds(reader, checkin, branch.zone) for checkin in checkins)


def stands_for_a_zone(reader: Reader, branch: BranchName, tip: ArtifactId) -> bool:
    """Whether a branch that is at `tip` elsewhere, and has no ref here, is a zone's there, or was and was removed."""
    placed = places.placed(reader, tip)
    if placed is None or holds(reader, placed, branch.zone):
        return True
    others = places.that_may_hold(reader, str(branch), branch.zone)
    return are_zones(reader, branch, others) and not reader.files(tip)


def begun(writer: Writer, branch: BranchName, arrived: Iterable[Placed]) -> list[Placed]:
    """What is to be decided of a branch that has no ref, once these have arrived. Empty: it is nobody's zone.

    A branch that has just become a zone's is decided upon from its beginning.
    """
    arrived = list(arrived)
    invalid = places.invalid_last_first(writer, str(branch))
    if are_zones(writer, branch, chain(reversed(arrived), invalid)):
        places.reopen(writer, [str(branch)])
        return places.unplaced_on(writer, str(branch))
    places.leave(writer, [*places.invalid(writer, str(branch)), *arrived])
    return []
