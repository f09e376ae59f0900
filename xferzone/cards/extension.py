"""What peers of our own kind tell each other, in pragma cards. Stock ignores a pragma whose name it does not know.

    pragma xferzone 1 role ROLE [GROUP]     client, before pull and push: a primary or a member syncs
                                            server, first, to a client that says so: what it is
    pragma xferzone 1 refs EPOCH NUMBER     client: asks for the refs that moved after move NUMBER of EPOCH
    pragma xferzone 1 epoch EPOCH           server: NUMBERs below belong to this epoch, not to the one asked for last
    pragma xferzone-ref NAME HASH NUMBER    server: where a ref stands since move NUMBER, in ascending order
    pragma xferzone 1 told NUMBER           server: these were all refs that moved, up to move NUMBER
    pragma xferzone 1                       client: is of our own kind, and takes replies in zstd where HTTP says so
    pragma xferzone 1 whole                 client: wants artifacts whole, since sources of deltas are damaged there
    pragma xferzone 1 tables HASH MAY       server: has synced tables, or answers the next; cards/table.py has the cards
    pragma xferzone 1 tables HASH           client: wants to exchange them, and has these

    ROLE    primary, clone, mirror or member; another word says nothing
    GROUP   of a member: the life of its group, of the same form as EPOCH
    EPOCH   1 to 64 ASCII letters and digits: one life of a repository, which ends when it is restored or promoted;
            "-" in a question: no epoch is known
    NUMBER  1 to 18 digits
    NAME    a zone branch, escaped, in UTF-8
    HASH    the check-in; "-": the zone was removed. Of tables the catalogue hash, "-": there are none
    MAY     what the client may do with them, one or more letters: o take rows, i bring rows, s define tables, and take
            all rows of the registry of peers; without s it is told of its own there, and HASH counts no others

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

ROLES: Final = ("primary", "clone", "mirror", "member")

_NAME: Final = "xferzone"
_REF: Final = "xferzone-ref"
_VERSION: Final = "1"
_NONE: Final = "-"
_EPOCH: Final = re.compile("[0-9a-zA-Z]{1,64}")
_CATALOGUE: Final = re.compile("[0-9a-f]{64}")
_LETTERS: Final = re.compile("[a-z]{1,20}")
_SHOWN: Final = 80  # bytes of a bad token in a message


@dataclass(frozen=True, slots=True)
class RoleNamed:
    """What a repository is; `group`: the life of the group that a member is of, else empty."""

    role: str
    group: str = ""

    def pragma(self) -> Pragma:
        return Pragma(_NAME, (_VERSION, "role", self.role, *filter(None, [self.group])))


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


@dataclass(frozen=True, slots=True)
class TablesTold:
    """The server's tables hash to `catalogue`, empty: it has none; `may`: letters of what the client may do."""

    catalogue: str
    may: str

    def pragma(self) -> Pragma:
        return Pragma(_NAME, (_VERSION, "tables", self.catalogue or _NONE, self.may))


@dataclass(frozen=True, slots=True)
class TablesAsked:
    """The client's tables hash to `catalogue`, and it wants to exchange them."""

    catalogue: str

    def pragma(self) -> Pragma:
        return Pragma(_NAME, (_VERSION, "tables", self.catalogue or _NONE))


def introduced() -> Pragma:
    """The card by which a client that asks for nothing of ours, as in a clone, is known for one of our own kind."""
    return Pragma(_NAME, (_VERSION,))


Extension: TypeAlias = (
    RoleNamed | RefsWanted | EpochNamed | RefStands | RefsTold | WholeWanted | TablesTold | TablesAsked
)


def parse(card: Pragma) -> Extension | None:
    """What a pragma says to peers of our kind; None: nothing.

    Raises:
        ValueError: it is one of the cards above, with a token that breaks the grammar.
    """
    match card.name, card.args:
        case "xferzone", ("1", "role", role) if role in ROLES:
            return RoleNamed(role)
        case "xferzone", ("1", "role", "member", group):
            return RoleNamed("member", _epoch(group))
        case "xferzone", ("1", "refs", epoch, number):
            return RefsWanted("" if epoch == _NONE else _epoch(epoch), _number(number))
        case "xferzone", ("1", "epoch", epoch):
            return EpochNamed(_epoch(epoch))
        case "xferzone", ("1", "told", number):
            return RefsTold(_number(number))
        case "xferzone", ("1", "whole"):
            return WholeWanted()
        case "xferzone", ("1", "tables", catalogue, may):
            return TablesTold(_catalogue(catalogue), _letters(may))
        case "xferzone", ("1", "tables", catalogue):
            return TablesAsked(_catalogue(catalogue))
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


def _catalogue(token: str) -> str:
    if token == _NONE:
        return ""
    if not _CATALOGUE.fullmatch(token):
        raise ValueError(f"{token[:_SHOWN]!r} is not a catalogue hash")
    return token


def _letters(token: str) -> str:
    if not _LETTERS.fullmatch(token):
        raise ValueError(f"{token[:_SHOWN]!r} does not say what may be done")
    return token


def _branch(token: str) -> str:
    name = octets(token)
    if len(name) > MAX_REF_NAME:
        raise ValueError(f"a branch name of {len(name)} bytes, over {MAX_REF_NAME}")
    try:
        return escape.decode(name).decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ValueError(f"branch name {name[:_SHOWN]!r} is not UTF-8") from exc
