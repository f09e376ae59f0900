"""What whoever pushed is told of check-ins that another run has decided about, while this one compiled or asked.

    moved to a fork branch      which one, and the way back
    found invalid               why

A run tells of what it decides itself. Several may be under way, each between two parts while it compiles a large zone
or asks the group, and each decides about all that is pending.
"""

from collections.abc import Iterable
from typing import Final

from xferzone.hashing import short
from xferzone.publish import forks
from xferzone.publish.plan import NOT_LOOKED_AT
from xferzone.refs import BranchName
from xferzone.store import Reader, brought, places, schema
from xferzone.store.pushes import Push

MAX_LOOKED: Final = 200  # check-ins of one push, the last to come


def told(reader: Reader, push: Push, notices: Iterable[str]) -> list[str]:
    """Of those that the push has brought; what `notices` say is not said again."""
    text = "\n".join(notices)
    found = []
    for each in brought.checkins(reader, push, MAX_LOOKED):
        placed = places.placed(reader, each)
        branch = None if placed is None else BranchName.parse(placed.branch)
        if placed is None or branch is None:
            continue
        if branch.fork_of is not None:
            line = (
                f"{branch.fork_of}: check-in {short(each)} was moved to branch {branch}, which is not served: "
                f"{forks.LOST_RACE}. {forks.way_back(branch.fork_of, branch)}"
            )
            is_told = str(branch) in text
        elif placed.place == schema.INVALID:
            reason = places.invalid_reason(reader, each)
            line = f"{branch}: check-in {short(each)} is not served: {reason}"
            # The versions between two that were looked at would be as many lines that say nothing new.
            is_told = short(each) in text or reason == NOT_LOOKED_AT
        else:
            continue
        if not is_told:
            found.append(line)
            text += line
    return found
