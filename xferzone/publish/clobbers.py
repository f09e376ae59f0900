"""Lines that a group has given up: a check-in whose tag TAG names the last check-in of a lost line.

x0 <─ x1 <─ x2 <─ x3    lost up to x2 or further, with the members that had it
  ^── y1                xferzone-clobbers = x2: whoever stands at x1, x2 or x3 is told, and nobody takes it for a mishap

Where x2 is not here, nothing tells what its line was: then all that follows x0 beside y1 counts as given up; where y1
begins the branch, all that does not follow y1.
"""

from typing import Final

from xferzone.hashing import ArtifactId, parse_artifact_id
from xferzone.store import Reader, ancestry, symbols

TAG: Final = "xferzone-clobbers"


def clobbers(reader: Reader, tip: ArtifactId, at: ArtifactId) -> bool:
    """Whether a check-in on the first-parent line of `tip` gives up a line that `at` is on."""
    return any(
        _gives_up(reader, checkin, at) and ancestry.leads_to(reader, tip, checkin)
        for checkin in symbols.tagged(reader, TAG)
    )


def gives_up(reader: Reader, checkin: ArtifactId) -> ArtifactId | None:
    """The last check-in of the line that this one gives up; None: it gives up none."""
    _, value = symbols.tags(reader, checkin).get(TAG, ("", None))
    try:
        return None if value is None else parse_artifact_id(value.encode())
    except ValueError:
        return None  # somebody else's tag


def _gives_up(reader: Reader, checkin: ArtifactId, at: ArtifactId) -> bool:
    lost = gives_up(reader, checkin)
    if lost is None or lost == at:
        return lost == at
    if not ancestry.broken(reader, [lost]):
        return ancestry.leads_to(reader, lost, at) or ancestry.leads_to(reader, at, lost)
    parents = reader.checkin(checkin).parents
    if ancestry.leads_to(reader, at, checkin):
        return False
    if not parents:
        return not ancestry.broken(reader, [at])  # what is not here may follow it
    return at != parents[0] and ancestry.leads_to(reader, at, parents[0])
