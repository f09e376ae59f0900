"""What a change to one side of a delegation leaves undone on the other side, where both zones are here.

    set CHILD NS, in the child       the zone above delegates CHILD with other NS
    set CHILD DS, in the zone above  it has no NS there, so nobody asks for the DS
    set CHILD DS, in the child       no zone above is here, or -z said so

Each warning has the command that does the rest. RFC 4035 2.4: DS stands at the parent's side only.
"""

from collections.abc import Mapping, Sequence

from xferzone.edit.pieces import Pieces
from xferzone.publish import served
from xferzone.refs import BranchName, LocalRefs, Ref, State, lookup
from xferzone.store import Reader
from xferzone.zone import changes, cut
from xferzone.zone.changes import Change
from xferzone.zonefile import names, text
from xferzone.zonefile.rdtypes import DS, NS
from xferzone.zonefile.record import Record


def warnings(
    reader: Reader,
    refs: LocalRefs,
    branch: BranchName,
    wanted: Sequence[Change],
    after: Mapping[bytes, Sequence[Record]],
) -> list[str]:
    """The warnings of changes to a branch, in order; `after`: the new records of each owner that they changed."""
    origin = names.zone_name(branch.zone)
    found: list[str] = []
    for change in wanted:
        owner = changes.owner_in(change.name, branch.zone)
        if owner not in after or change.verb == "delete":
            continue
        held = after[owner]
        if change.is_ds and owner == b"@":
            what = (
                ("DS", "BIND refuses the zone") if change.rdtype == DS else ("RRSIG DS", "nobody asks for it")
            )
            found.append(f"{origin} {what[0]} belongs to the zone above, not here: {what[1]}")
        elif change.rdtype == DS and all(record.rdtype != NS for record in held):
            found.append(_without_ns(reader, refs, branch, change))
        elif change.rdtype == NS and owner == b"@":
            found += _other_ns(reader, refs, branch, held)
    return found


def _without_ns(reader: Reader, refs: LocalRefs, branch: BranchName, change: Change) -> str:
    child = change.name.to_text(omit_final_dot=True).lower()
    ns = _records(reader, refs, refs.get(BranchName.parse(f"{child}/{branch.branch}")), b"@")
    return (
        f"{change.name} has no NS in {branch.zone}, so nobody asks for this DS: "
        f"`{_set_ns(child, ns, branch)}` delegates it"
    )


def _other_ns(reader: Reader, refs: LocalRefs, branch: BranchName, held: Sequence[Record]) -> list[str]:
    zone = lookup.above(refs, names.zone_name(branch.zone))
    if zone is None:
        return []
    owner = changes.owner_in(names.zone_name(branch.zone), zone)
    there = _targets(_records(reader, refs, refs.get(BranchName(zone, branch.branch)), owner))
    here = _targets(held)
    if not there or there == here:
        return []
    return [
        f"{zone} delegates {branch.zone} to {', '.join(there)}, and that stays so: "
        f"`{_set_ns(branch.zone, held, BranchName(zone, branch.branch))}` changes it"
    ]


def _records(reader: Reader, refs: LocalRefs, ref: Ref | None, owner: bytes) -> list[Record]:
    """What a zone has at an owner; nothing if it is not served."""
    if ref is None or ref.state is State.REMOVED:
        return []
    zone, own = ref.branch.zone, cut.zone_files(ref.branch.zone, reader.files(ref.checkin))
    if served.ordered(reader, zone, own) is not None:
        return Pieces(reader, zone, own).records(owner)
    return [record for record in served.read_all(reader, zone, own).records if record.owner == owner]


def _targets(records: Sequence[Record]) -> list[str]:
    """The name servers among records, in order."""
    return sorted(text.shown_type_and_rdata(NS, record.rdata)[1] for record in records if record.rdtype == NS)


def _set_ns(child: str, records: Sequence[Record], branch: BranchName) -> str:
    on = "" if branch.is_main else f" -b {branch.branch}"
    return f"xferzone set {child} NS {' '.join(_targets(records)) or 'NAME'} -z {branch.zone}{on}"
