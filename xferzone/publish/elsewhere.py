"""What whoever pushed is told of check-ins that another run has decided about, while this one compiled or asked.

    moved to a fork branch      which one, and the way back
    found invalid               why

A run tells of what it decides itself. Several may be under way, each between two parts while it compiles a large zone
or asks the group, and each decides about all that is pending.
"""

from typing import Final, NamedTuple

from xferzone.hashing import short
from xferzone.publish import forks
from xferzone.publish.plan import NOT_LOOKED_AT
from xferzone.refs import BranchName
from xferzone.store import Reader, brought, places, schema
from xferzone.store.pushes import Push

MAX_LOOKED: Final = 200  # check-ins of one push, the last to come


class News(NamedTuple):
    """What is told of a check-in, and what a notice names that says the same."""

    line: str
    mark: str


def news(reader: Reader, push: Push) -> list[News]:
    """Of those that the push has brought."""
    found: dict[str, News] = {}
    for each in brought.settled(reader, push, MAX_LOOKED):
        placed = places.placed(reader, each)
        branch = None if placed is None else BranchName.parse(placed.branch)
        if placed is None or branch is None:
            continue
        if branch.fork_of is not None:
            line = (
                f"{branch.fork_of}: check-in {short(each)} was moved to branch {branch}, which is not served: "
                f"{forks.LOST_RACE}. {forks.way_back(branch.fork_of, branch)}"
            )
            found.setdefault(str(branch), News(line, str(branch)))
        elif placed.place == schema.INVALID:
            reason = places.invalid_reason(reader, each)
            # The versions between two that were looked at would be as many lines that say nothing new.
            if reason != NOT_LOOKED_AT:
                line = f"{branch}: check-in {short(each)} is not served: {reason}"
                found[short(each)] = News(line, short(each))
    return [*found.values()]
