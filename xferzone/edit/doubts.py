"""What changes to a zone make wrong or doubtful, in words of the changes: the people who make them see no file.

check_owners     refuses what could not be served, as far as the owners that change show it
relative         warns of `CNAME www`, a name that is absolute here and probably not meant to be
lost_comments    warns of comments that no record is left to stand above
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import dns.name

from xferzone.errors import Fault, ZoneInvalid
from xferzone.refs import LocalRefs, lookup
from xferzone.wording import and_more
from xferzone.zone import changes, checks
from xferzone.zone.changes import Change
from xferzone.zone.checks import BESIDE_CNAME
from xferzone.zonefile import names, text
from xferzone.zonefile.rdtypes import CNAME, NS, SOA, type_name
from xferzone.zonefile.record import Record

MAX_COMMENT = 80  # letters of a comment that a message quotes

#: Records of each owner that changes.
_Owners = Mapping[bytes, Sequence[Record]]


def check_owners(zone: str, before: _Owners, after: _Owners) -> None:
    """Raise ZoneInvalid for what is wrong at one owner after the changes."""
    origin = names.zone_name(zone)
    if b"@" in after and not after[b"@"]:
        reason = f"{zone} cannot be served without SOA and NS: `xferzone zone remove {zone}` removes the zone"
        raise ZoneInvalid([Fault("", 0, reason)])
    faults = []
    for owner, records in after.items():
        types = {record.rdtype for record in records}
        held = {record.rdtype for record in before[owner]} & types
        if owner == b"@" and not {SOA, NS} <= types:
            gone = " and ".join(type_name(rdtype) for rdtype in (SOA, NS) if rdtype not in types)
            faults.append(
                Fault("", 0, f"{origin} would have no {gone} record, which every zone needs: set another one")
            )
        elif CNAME in types and owner == b"@":
            wrong = checks.apex_cname([record for record in records if record.rdtype == CNAME], origin)
            faults.append(replace(wrong, line=0))
        elif CNAME in types and types - BESIDE_CNAME and held and held != types:
            there = ", ".join(sorted(map(type_name, held)))
            name = text.owner_name(owner, origin)
            faults.append(
                Fault("", 0, f"{name} has {there} already: delete it first, because a CNAME stands alone")
            )
        else:
            found = checks.errors(records, origin, has_apex=False)
            faults += [replace(fault, line=0) for fault in found]
    if faults:
        raise ZoneInvalid(faults)


def relative(
    refs: LocalRefs, zone: str, change: Change, is_held: Callable[[bytes], bool] | None
) -> str | None:
    """A warning that a target without final dot may be meant relative to the zone. None: it looks absolute.

    `is_held` says whether an owner has records in the zone. None: do not ask.
    """
    if change.target is None or change.verb == "delete":
        return None
    try:
        inside = change.target.relativize(dns.name.root).derelativize(names.zone_name(zone))
    except dns.name.NameTooLong:
        return None  # so it was not meant inside the zone
    if len(change.target.labels) == 2:
        return f"{change.target} has one label, and names are absolute here: did you mean {inside}?"
    if is_held is None or lookup.enclosing(refs, change.target) is not None:
        return None
    if is_held(changes.owner_in(inside, zone)):
        return f"{change.target} is in no zone here, and names are absolute: did you mean {inside}?"
    return None


def lost_comments(before: _Owners, after: _Owners) -> list[str]:
    """A warning for comments above deleted records that had no next record to move to."""
    lost = [
        comment.decode("utf-8", "replace")
        for owner, records in after.items()
        for comment in sorted(_above(before[owner]) - _above(records))
    ]
    if not lost:
        return []
    first = lost[0] if len(lost[0]) <= MAX_COMMENT else f"{lost[0][:MAX_COMMENT]}..."
    more = f" ({and_more(len(lost) - 1)})" if len(lost) > 1 else ""
    return [f"the comment above what was deleted is deleted too: {first}{more}"]


def _above(records: Iterable[Record]) -> set[bytes]:
    return {comment for record in records for comment in record.above}
