"""How a member stands to its group, for people, metrics and its own doors: a small file beside the repository.

    zones.xferzone-group        {"state": "up", "since_ms": ..., "answered_ms": ..., "fellows": [...], ...}
    zones.xferzone-group-lock   empty; the process that runs the group program holds flock(2) on it

    up           the keys answer, and the refs of all listed members were compared with them
    away         etcd does not answer
    comparing    it answers again, and not all members could be asked yet where their refs stand
    hold         it answers, and what it says is older than what was seen of it, or of another life

The file is replaced after each change, and every few seconds while the program runs.
"""

from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from xferzone.errors import Away, OnHold
from xferzone.exchange import beside
from xferzone.replicate.copies import Newest
from xferzone.store import schema

MAX_WHY: Final = 2_000  # characters of a reason that are kept; peers choose some of them
STALE_MS: Final = 15_000  # after which nobody writes the file any more: the program does not run

State: TypeAlias = Literal["up", "away", "comparing", "hold"]
STATES: Final[tuple[State, ...]] = get_args(State)


class Fellow(msgspec.Struct, frozen=True, kw_only=True):
    """Another member. Dates are milliseconds since 1970; 0: never.

    Fields:
        life: the one of its lives that this is about.
        is_alive: its own group program runs, and reaches etcd.
        success_ms: when all that it has was fetched last.
        error_ms, error: when and why it could not be reached last; it was reached since if `success_ms` is later.
        sent: the row here up to which it was sent what is new.
        own: what had come last here when that was begun; None: nothing was sent.
        newest: what had come last there when it answered last; None: it never did.
    """

    name: str
    life: str = ""
    url: str = ""
    is_alive: bool = False
    success_ms: int = 0
    error_ms: int = 0
    error: str = ""
    sent: int = 0
    own: Newest | None = None
    newest: Newest | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a member stands to its group. Dates are milliseconds since 1970; 0: never.

    Fields:
        name, group: the member's name, and the life of the group.
        why: the reason of a state other than "up".
        since_ms: when the state began.
        answered_ms: when etcd answered last.
        written_ms: when this was written.
        behind: branches whose ref does not stand where its key does.
        remarks: what else somebody should look at.
    """

    name: str
    group: str = ""
    state: State
    why: str = ""
    since_ms: int = 0
    answered_ms: int = 0
    written_ms: int = 0
    behind: int = 0
    remarks: tuple[str, ...] = ()
    fellows: tuple[Fellow, ...] = ()

    def is_stale(self, now_ms: int) -> bool:
        """Whether the program that wrote this has ended."""
        return now_ms - self.written_ms > STALE_MS


def of_role(repository: Path, role: str) -> Standing | None:
    """`standing` of a repository of that role; None, too: it is not a member, or none any more."""
    return standing(repository) if role == schema.MEMBER else None


def standing(repository: Path) -> Standing | None:
    """As it was written last. None: the group program never ran, or that cannot be read."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(beside.beside(repository, "group").read_bytes(), type=Standing)
    return None


def check(repository: Path, group: str) -> None:
    """See that a member of that life of the group may propose something, as far as its group program has found out.

    Where that never ran nothing is known, and nothing speaks against it.

    Raises:
        OnHold, Away: it may not.
    """
    found = standing(repository)
    if found is None or found.group != group or found.state == "up":
        return
    kind = Away if found.state == "away" else OnHold
    raise kind(found.why)


def unreached(repository: Path, now_ms: int) -> frozenset[str]:
    """The fellows that its group program could not reach when it tried last; none, if it does not run."""
    found = standing(repository)
    if found is None or found.is_stale(now_ms):
        return frozenset()
    return frozenset(each.name for each in found.fellows if each.error_ms > each.success_ms)


def record(repository: Path, stands: Standing) -> None:
    """Let `standing` find this. Raises OSError: nothing can be written there."""
    beside.replace(repository, "group", msgspec.json.encode(stands))


def text(reason: object) -> str:
    """What is kept of a reason. A peer may put octets in it that are not UTF-8: they come as surrogates."""
    return str(reason)[:MAX_WHY].encode("utf-8", "replace").decode()


def running(repository: Path) -> AbstractContextManager[bool]:
    """Be the one who runs the group program, as long as the block lasts; False: another process does.

    Raises:
        OSError: nothing can be written beside the repository.
    """
    return beside.alone(repository, "group-lock")
