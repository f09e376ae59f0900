"""The branches of a zone, or of the whole repository."""

from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs, State
from xferzone.store import Reader, places, symbols, timeline


@dataclass(frozen=True, slots=True)
class BranchEntry:
    """A branch: where it stands, else the latest of it by edited date.

    `is_published`: it has a valid version. `is_served`: DNS answers from it, so it is the zone's main branch.
    """

    name: str
    tip: ArtifactId
    date_ms: int
    is_closed: bool
    is_published: bool
    is_served: bool


def branches(reader: Reader, refs: LocalRefs, zone: str | None) -> list[BranchEntry]:
    """The branches of a zone, or all, by name."""
    standing = {ref.branch: ref for ref in (refs.list() if zone is None else refs.of_zone(zone))}
    begun = timeline.branches(reader, timeline.ALL if zone is None else timeline.of_zone(zone))
    rows = {at.name: BranchEntry(at.name, at.tip, at.date_ms, at.is_closed, False, False) for at in begun}
    for name, ref in standing.items():
        placed = places.placed(reader, ref.checkin)
        if placed is not None:
            closed = symbols.tags(reader, ref.checkin).get("closed", ("-",))[0] != "-"
            is_up = ref.state is not State.REMOVED
            rows[str(name)] = BranchEntry(
                str(name), ref.checkin, placed.date_ms, closed, is_up, is_up and name.is_main
            )
    return [row for _, row in sorted(rows.items())]
