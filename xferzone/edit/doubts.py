"""What changes to a zone make wrong or doubtful, in words of the changes: the people who make them see no file.

check_owners     refuses what could not be served, as far as the owners that change show it
relative         warns of `CNAME www`, a name that is absolute here and probably not meant to be
lost_comments    warns of comments that no record is left to stand above
"""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import dns.name

from xferzone.errors import Fault, ZoneInvalid
from xferzone.refs import BranchName, LocalRefs, lookup
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


def check_owners(branch: BranchName, wanted: Sequence[Change], before: _Owners, after: _Owners) -> None:
    """Raise ZoneInvalid for what is wrong at one owner after the changes."""
    zone, origin = branch.zone, names.zone_name(branch.zone)
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
            faults.append(Fault("", 0, _not_alone(branch, owner, held, wanted)))
        else:
            found = checks.errors(records, origin, has_apex=False)
            faults += [replace(fault, line=0) for fault in found]
    if faults:
        raise ZoneInvalid(faults)


def _not_alone(branch: BranchName, owner: bytes, held: AbstractSet[int], wanted: Sequence[Change]) -> str:
    """Why the owner, which had these types, cannot get what is wanted; and the batch that gives it without a gap."""
    name = text.owner_name(owner, names.zone_name(branch.zone))
    there = sorted(map(type_name, held - BESIDE_CNAME or {CNAME}))
    reason = f"{name} has {', '.join(there)} already: delete it first, because a CNAME stands alone"
    if len(wanted) > 1:
        return reason
    lines = [*(f"delete {name} {kind}" for kind in there), changes.line(wanted[0])]
    on = "" if branch.is_main else f" -b {branch.branch}"
    words = " ".join(map(shlex.quote, lines))
    return f"{reason}; without a gap: printf '%s\\n' {words} | xferzone apply {branch.zone} -{on}"


def relative(
    refs: LocalRefs, zone: str, target: dns.name.Name, is_held: Callable[[bytes], bool] | None
) -> str | None:
    """A warning that a target without final dot may be meant relative to the zone. None: it looks absolute.

    `is_held` says whether an owner has records in the zone. None: do not ask.
    """
    try:
        inside = target.relativize(dns.name.root).derelativize(names.zone_name(zone))
    except dns.name.NameTooLong:
        return None  # so it was not meant inside the zone
    if len(target.labels) == 2:
        return f"{target} has one label, and names are absolute here: did you mean {inside}?"
    if is_held is None or lookup.enclosing(refs, target) is not None:
        return None
    if is_held(changes.owner_in(inside, zone)):
        return f"{target} is in no zone here, and names are absolute: did you mean {inside}?"
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
