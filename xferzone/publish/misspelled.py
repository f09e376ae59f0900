"""Check-ins on a branch whose name is another spelling of a zone's branch: moved to a fork of that, as losers are.

    Example.com/main    ─>  example.com/main-fork-<16 hex digits of the check-in's hash>

Left where they are, people would take that branch for the zone's. The work is kept, and can be merged.
"""

from collections.abc import Iterator

from xferzone.hashing import short
from xferzone.publish import forks
from xferzone.publish.spelling import Spellings
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Writer, places
from xferzone.store.places import Placed


def moved(writer: Writer, refs: LocalRefs) -> Iterator[str]:
    """Move what waits on branches that look like another one; a notice for each beginning of such a branch."""
    spellings = Spellings(refs)
    for spelled in places.unplaced_branches(writer):
        if (meant := spellings.shadowed(spelled)) is not None:
            yield from _moved(writer, meant, spelled)


def _moved(writer: Writer, meant: BranchName, spelled: str) -> Iterator[str]:
    arrived = places.unplaced_on(writer, spelled)
    for checkin in [each for each in arrived if _begins(writer, each)]:
        fork = forks.name(meant, checkin.id)
        writer.put(forks.artifact(meant, checkin.id, writer.checkin(checkin.id), left=spelled))
        yield (
            f"branch {spelled} would be taken for {meant}: check-in {short(checkin.id)} was moved to branch "
            f"{fork}, which is not served. {forks.way_back(meant, fork)}"
        )
    places.leave(writer, arrived)


def _begins(writer: Writer, checkin: Placed) -> bool:
    """Whether its first parent is on another branch."""
    before = places.placed(writer, checkin.parents[0]) if checkin.parents else None
    return before is None or before.branch != checkin.branch
