"""Every exception xferzone raises on purpose, with the exit code it brings.

    XferzoneError           1 root; raised itself where the repository must be mended, or a sync was not complete
    +-- PeerError          69 the other side broke the protocol
    |   +-- MalformedCard     a known operator with wrong arguments or payload
    +-- MalformedDelta      1 bytes that are not a Fossil delta of their source
    +-- CorruptArtifact     1 stored bytes do not hash to their name
    +-- NewerSchema         1 a repository that a newer release has written
    +-- ReadOnly            1 the repository, or its directory, may not be written to
    +-- CannotServe         1 an address cannot be bound, or a part of a server did not start
    +-- Exists              3 what was to be made is there already
    +-- NotFound            5 no such zone, revision, artifact, user or repository
    |   +-- NotReady        5 a zone that is not compiled yet, or a mirror without anything yet
    +-- Ambiguous           2 a prefix or name that means several things
    +-- UsageError          2 a command line that cannot be meant; the message says what can
    +-- RefConflict         4 a ref was moved by somebody else first
    +-- LostRace            4 work done here lost a race; it is kept on another branch
    +-- ZoneInvalid         6 zone text or content; carries every fault found
    +-- Refused             7 a safety threshold or policy says no
    |   +-- RecordsLost       a change would take away much of a zone
    |   +-- DatedAhead        what a commit would follow is dated ahead of the clock
    +-- Denied             77 the other side refuses us
    +-- Busy               75 the repository stayed locked too long; try again
    |   +-- Guessing          too many logins have failed from one network
    |   +-- Locked            somebody else is about to commit on the same check-in
    |   +-- Replaced          its name leads to another file by now
    +-- Away               75 what decides for a group cannot be reached, or does not answer as it should
    |   +-- OnHold            it answers, and what it says is older than what was seen of it
    +-- NoRoom             75 a disk is full, here or at the other side: try again when there is room
    +-- Cancelled           1 the caller has cancelled the sync

Catch the leaf you can act on. `ValueError`, `TypeError` and `AssertionError` mean a bug of ours. They are caught only
where a parser's ValueError becomes one of the errors above.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from typing import Final

FULL: Final = (ENOSPC, EDQUOT)  # of an OSError: there is no room left


class XferzoneError(Exception):
    """Root of the tree above."""

    exit_code = 1  # what the command line returns when this reaches it


class PeerError(XferzoneError):
    """The other side broke the protocol."""

    exit_code = 69


class MalformedCard(PeerError):
    """A known `operator` with bad arguments, at byte `offset` of the body."""

    def __init__(self, operator: bytes, offset: int, reason: str, line: bytes = b"") -> None:
        super().__init__(f"malformed {operator.decode('ascii')} card at byte {offset}: {reason}")
        self.operator = operator
        self.offset = offset
        self.reason = reason
        self.line = line  # the card's line as it came, for stock's `bad command` reply


class MalformedDelta(XferzoneError):
    """Bytes that do not apply as a Fossil delta; `reason` says where and why."""


class CorruptArtifact(XferzoneError):
    """What is stored under `artifact` cannot be read, or hashes to another id."""

    def __init__(self, artifact: str, reason: str) -> None:
        super().__init__(f"artifact {artifact} is damaged: {reason}; see `xferzone check`")
        self.artifact = artifact
        self.reason = reason


class NewerSchema(XferzoneError):
    """A repository that a newer release has written; the message names its schema."""


class ReadOnly(XferzoneError):
    """The repository, or its directory, may not be written to."""


class CannotServe(XferzoneError):
    """An address cannot be bound, or a part of a server did not start; the message says which."""


class Exists(XferzoneError):
    """What was to be made is there already; the message names it, and nothing was changed."""

    exit_code = 3


class NotFound(XferzoneError):
    """Nothing here has that name."""

    exit_code = 5


class NotReady(NotFound):
    """A zone is here but not compiled, or a mirror has not reached its primary; the message says what to do."""


class Ambiguous(XferzoneError):
    """Several things fit; the message names them."""

    exit_code = 2


class UsageError(XferzoneError):
    """A command line, or arguments, that cannot be meant; the message says what can."""

    exit_code = 2


class RefConflict(XferzoneError):
    """`ref` was expected at `expected` but stands at `actual` (None: absent)."""

    exit_code = 4

    def __init__(self, ref: str, expected: str | None, actual: str | None) -> None:
        super().__init__(
            f"{ref} is at {actual}, not at {expected}: somebody else was first; look and try again"
        )
        self.ref = ref
        self.expected = expected
        self.actual = actual


class LostRace(XferzoneError):
    """Work done here lost a race; the message says where it is kept."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a zone: in `file` (empty: the zone as a whole), at `line` from 1 (0: no line)."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line else ""
        where = f"{self.file} {line}".strip()
        return f"{where}: {self.reason}" if where else self.reason


class ZoneInvalid(XferzoneError):
    """A zone that must not be served; at least one of `faults`, in the order of the text."""

    exit_code = 6

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


class Refused(XferzoneError):
    """A safety threshold or a policy says no; the message names the setting and the flag."""

    exit_code = 7


class RecordsLost(Refused):
    """A change would take away much of the zone; the message says how much and where."""


class DatedAhead(Refused):
    """A commit would follow a check-in that is dated too far ahead of this machine's clock."""


class Denied(XferzoneError):
    """The other side refuses us: the password is wrong or not known, the account lacks a right, or a policy says no."""

    exit_code = 77


class Busy(XferzoneError):
    """The repository stayed locked for as long as the caller was willing to wait."""

    exit_code = 75


class Guessing(Busy):
    """Too many logins have failed from one network: none from there is looked at for `wait_s` seconds."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many logins have failed from your network: try again in {wait_s} s")
        self.wait_s = wait_s


class Locked(Busy):
    """`login` is about to commit on `branch`, since `since_s`, in seconds since 1970; nothing was stored."""

    def __init__(self, message: str, branch: str, login: str, since_s: int) -> None:
        super().__init__(message)
        self.branch = branch
        self.login = login
        self.since_s = since_s


class Replaced(Busy):
    """The repository's name no longer leads to the file that was open; the message says what became of the work."""


class Away(XferzoneError):
    """What decides for a group of members cannot be reached, or does not answer as it should.

    What was asked of it may have happened, or happen yet.

    Fields:
        what: the message without the remedy.
        remedy: what an operator can do; empty: the message says it, or whoever shows it does.
    """

    exit_code = 75

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class OnHold(Away):
    """What decides for a group answers, and has been set back: nothing is decided until an operator has looked."""


class NoRoom(XferzoneError):
    """A disk is full, here or at the other side; nothing was stored."""

    exit_code = 75


class Cancelled(XferzoneError):
    """The caller has cancelled the exchange."""
