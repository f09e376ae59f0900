"""Fork branches: where what lost a race is moved, by an artifact that every primary would make alike (law 4)."""

from xferzone.artifacts import CheckIn, Control, Tag
from xferzone.hashing import ArtifactId

LOST_RACE = "somebody else was first"  # why most are moved

#: Tags that would stop or mislead everybody who commits on top with stock, and how.
HARM = {
    "date": "so people would take it for older or newer than it is",
    "parent": "so people would see it after other versions than it follows",
    "closed": "so its branch was closed before it was sent, and fossil would refuse all commits after it",
    "hidden": "so people would not see it in fossil's lists",
}


def name(branch: str, loser: ArtifactId) -> str:
    """The fork branch for `loser`, the first check-in off the line of `branch`; fork_of() reads it."""
    return f"{branch}-fork-{loser[:16]}"


def artifact(branch: str, loser: ArtifactId, checkin: CheckIn) -> bytes:
    """The control artifact that moves `loser` to its fork branch; its bytes depend on that check-in alone."""
    fork = name(branch, loser)
    tags = (
        Tag("*", "branch", loser, fork),
        Tag("*", f"sym-{fork}", loser, None),
        Tag("-", f"sym-{branch}", loser, None),
    )
    return Control(date_ms=checkin.date_ms + 1, tags=tags, user=checkin.user).encode()


def way_back(branch: str, fork: str) -> str:
    """How people publish what is on `fork` after all."""
    return f"To publish it: fossil update {branch}; fossil merge {fork}; fossil commit"
