"""Fork branches: where a check-in that lost a race is moved, by an artifact that every primary makes alike (law 4)."""

from xferzone.artifacts import CheckIn, Control, Tag, parse
from xferzone.artifacts.dates import FIRST_DATE
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName

ANONYMOUS = (
    "anonymous"  # the author of what is made of a check-in that names none; so stock reads an empty U card
)
LOST_RACE = "another check-in was published first"  # the usual reason

#: Tags that would stop or mislead people who commit on top with stock, and how.
HARM = {
    "date": "so people would take it for older or newer than it is",
    "parent": "so people would see it after other versions than it follows",
    "closed": "so its branch was closed before it was sent, and fossil would refuse all commits after it",
    "hidden": "so people would not see it in fossil's lists",
}


def name(branch: BranchName, loser: ArtifactId) -> BranchName:
    """The fork branch for `loser`, the first check-in off the line of `branch`."""
    return BranchName(branch.zone, f"{branch.branch}-fork-{loser[:16]}")


def artifact(branch: BranchName, loser: ArtifactId, checkin: CheckIn, left: str | None = None) -> bytes:
    """The control artifact that moves `loser` to its fork of `branch`; its bytes depend on that check-in alone.

    `left`: the branch that it is on; None: `branch`.
    """
    fork = str(name(branch, loser))
    tags = (
        Tag("*", "branch", loser, fork),
        Tag("*", f"sym-{fork}", loser, None),
        Tag("-", f"sym-{left or branch}", loser, None),
    )
    # A check-in may be dated before the year 1, and then anything that can be written is after it.
    date_ms = max(checkin.date_ms + 1, FIRST_DATE)
    return Control(date_ms=date_ms, tags=tags, user=checkin.user or ANONYMOUS).encode()


def is_one(content: bytes) -> bool:
    """Whether an artifact is such a control artifact."""
    parsed = parse(content)
    if not isinstance(parsed, Control):
        return False
    moved = [tag for tag in parsed.tags if tag.name == "branch" and tag.target is not None]
    return any(
        (to := BranchName.parse(tag.value)) is not None
        and to.fork_of is not None
        and to == name(to.fork_of, tag.target)
        for tag in moved
        if tag.target is not None
    )


def operators_way(branch: BranchName, fork: BranchName) -> str:
    """The same where a check-in of stock would again be dated before what it follows."""
    on = "" if branch.is_main else f" -b {branch.branch}"
    return f"An operator publishes it here with: xferzone reset {branch.zone} {fork.branch} --allow-older{on}"


def way_back(branch: BranchName, fork: BranchName) -> str:
    """How people publish what is on `fork` after all."""
    # Without autosync a push brings nothing back, and an update alone stays on the branch as it was.
    return f"To publish it: fossil pull; fossil update {branch}; fossil merge {fork}; fossil commit"


def way_to_begin(branch: BranchName, fork: BranchName, start: str | None) -> str:
    """The same where `branch` has nothing published yet, so that nobody can update to it.

    `start` is the branch or check-in that `fork` left. None: it left none, and is committed on without a change.
    """
    if start is None:
        return (
            f"To publish it: fossil pull; fossil update {fork}; fossil commit --branch {branch} --allow-empty"
        )
    return f"To publish it: fossil pull; fossil update {start}; fossil merge {fork}; fossil commit --branch {branch}"
