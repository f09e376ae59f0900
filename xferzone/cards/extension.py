"""What peers of our own kind tell each other, in pragma cards. Stock ignores a pragma whose name it does not know.

    pragma xferzone 1 refs EPOCH NUMBER     client: asks for the refs that moved after move NUMBER of EPOCH
    pragma xferzone 1 epoch EPOCH           server: NUMBERs below belong to this epoch, not to the one asked for last
    pragma xferzone-ref NAME HASH NUMBER    server: where a ref stands since move NUMBER, in ascending order
    pragma xferzone 1 told NUMBER           server: these were all refs that moved, up to move NUMBER
    pragma xferzone 1                       client: is of our own kind, and takes replies in zstd where HTTP says so
    pragma xferzone 1 whole                 client: wants artifacts whole, since sources of deltas are damaged there

    EPOCH   1 to 64 ASCII letters and digits: one life of a repository, which ends when it is restored or promoted;
            "-" in a question: no epoch is known
    NUMBER  1 to 18 digits
    NAME    a zone branch, escaped, in UTF-8
    HASH    the check-in; "-": the zone was removed

Without `told` the server had no room for all; the client asks again from the last NUMBER. A client that remembers
several epochs of a remote asks for each, the latest one last. Another version than 1 and other words mean nothing.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from xferzone import escape
from xferzone.cards.base import octets, text
from xferzone.cards.session import Pragma
from xferzone.hashing import ArtifactId, parse_artifact_id

MAX_EPOCHS: Final = 8  # of one remote, in one request; ours: the members of a group behind one name
MAX_DIGITS: Final = 18  # of a move's number: any of them fits SQLite's integers
MAX_REF_NAME: Final = 300  # bytes, escaped; a zone id has at most 200

_NAME: Final = "xferzone"
_REF: Final = "xferzone-ref"
_VERSION: Final = "1"
_NONE: Final = "-"
_EPOCH: Final = re.compile("[0-9a-zA-Z]{1,64}")
_SHOWN: Final = 80  # bytes of a bad token in a message


@dataclass(frozen=True, slots=True)
class RefsWanted:
    """A question for the refs that moved after move `number` of `epoch`; empty: no epoch is known."""

    epoch: str
    number: int

    def pragma(self) -> Pragma:
        return Pragma(_NAME, (_VERSION, "refs", self.epoch or _NONE, str(self.number)))


@dataclass(frozen=True, slots=True)
class EpochNamed:
    """The server's epoch, where it is not the one that the client asked for last."""

    epoch: str

    def pragma(self) -> Pragma:
        return Pragma(_NAME, (_VERSION, "epoch", self.epoch))


@dataclass(frozen=True, slots=True)
class RefStands:
    """Where the ref of `branch` stands since move `number`; None: its zone was removed."""

    branch: str
    checkin: ArtifactId | None
    number: int

    def pragma(self) -> Pragma:
        return Pragma(_REF, (text(escape.encode(self.branch)), self.checkin or _NONE, str(self.number)))


@dataclass(frozen=True, slots=True)
class RefsTold:
    """The end of an answer that holds every ref moved up to move `number`."""

    number: int

    def pragma(self) -> Pragma:
        return Pragma(_NAME, (_VERSION, "told", str(self.number)))


@dataclass(frozen=True, slots=True)
class WholeWanted:
    """Nothing is to be sent as a delta."""

    def pragma(self) -> Pragma:
        return Pragma(_NAME, (_VERSION, "whole"))


def introduced() -> Pragma:
    """The card by which a client that asks for nothing of ours, as in a clone, is known for one of our own kind."""
    return Pragma(_NAME, (_VERSION,))


Extension: TypeAlias = RefsWanted | EpochNamed | RefStands | RefsTold | WholeWanted


def parse(card: Pragma) -> Extension | None:
    """What a pragma says to peers of our kind; None: nothing.

    Raises:
        ValueError: it is one of the cards above, with a token that breaks the grammar.
    """
    match card.name, card.args:
        case "xferzone", ("1", "refs", epoch, number):
            return RefsWanted("" if epoch == _NONE else _epoch(epoch), _number(number))
        case "xferzone", ("1", "epoch", epoch):
            return EpochNamed(_epoch(epoch))
        case "xferzone", ("1", "told", number):
            return RefsTold(_number(number))
        case "xferzone", ("1", "whole"):
            return WholeWanted()
        case "xferzone-ref", (name, checkin, number):
            stands = None if checkin == _NONE else parse_artifact_id(octets(checkin))
            return RefStands(_branch(name), stands, _number(number))
    return None


def _epoch(token: str) -> str:
    if not _EPOCH.fullmatch(token):
        raise ValueError(f"{token[:_SHOWN]!r} is not an epoch")
    return token


def _number(token: str) -> int:
    if not (token.isascii() and token.isdigit() and len(token) <= MAX_DIGITS):
        raise ValueError(f"{token[:_SHOWN]!r} is not the number of a move")
    return int(token)


def _branch(token: str) -> str:
    name = octets(token)
    if len(name) > MAX_REF_NAME:
        raise ValueError(f"a branch name of {len(name)} bytes, over {MAX_REF_NAME}")
    try:
        return escape.decode(name).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ValueError(f"branch name {name[:_SHOWN]!r} is not UTF-8") from exc
