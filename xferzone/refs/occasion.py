"""The occasion of a move: when it is made, by whom, and by which door the wish came in."""

from dataclasses import dataclass
from enum import Enum


class Door(Enum):
    """The way by which a wish to move a ref came in, as the publication log keeps it."""

    PUSH = "push"  # a client's push over xfer
    CLI = "cli"  # a verb of the command line
    PULL = "pull"  # a sync with a remote
    START = "start"  # a server that starts, or `rebuild`
    GROUP = "group"  # a fellow of the group that this repository is a member of
    UNKNOWN = ""  # the move is older than the column


@dataclass(frozen=True, slots=True)
class Occasion:
    """The clock in milliseconds since 1970, the login of whoever moves refs (empty: unknown), and the door."""

    now_ms: int
    login: str
    door: Door
