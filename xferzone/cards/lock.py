"""Check-in locks, in pragma cards of stock's. A token that breaks the grammar means that the card means nothing.

    pragma ci-lock CHECKIN CLIENT        client: is about to commit on CHECKIN
    pragma ci-unlock CLIENT              client: has committed, or given up
    pragma ci-lock-fail LOGIN SECONDS    server: LOGIN was given the lock, SECONDS after 1970 began

    CLIENT  an artifact id's form: 40 random digits that a check-out, or a clone of ours, made for itself
    LOGIN   escaped; never empty, else stock passes the card over

Source: Fossil 2.21, src/xfer.c page_xfer(), client_sync(). Recorded in tests/vectors/rounds/ci-*.json.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from xferzone import escape
from xferzone.cards.base import octets, text
from xferzone.cards.session import Pragma
from xferzone.hashing import ArtifactId, parse_artifact_id

_MAX_DIGITS: Final = 10  # of seconds: until the year 2286


@dataclass(frozen=True, slots=True)
class LockWanted:
    """A client is about to commit on a check-in."""

    checkin: ArtifactId
    client: str

    def pragma(self) -> Pragma:
        return Pragma("ci-lock", (self.checkin, self.client))


@dataclass(frozen=True, slots=True)
class LockFreed:
    """A client needs what it locked no longer."""

    client: str

    def pragma(self) -> Pragma:
        return Pragma("ci-unlock", (self.client,))


@dataclass(frozen=True, slots=True)
class Locked:
    """Who else holds the lock that was asked for, and since when, in seconds since 1970."""

    login: str
    since_s: int

    def pragma(self) -> Pragma:
        return Pragma("ci-lock-fail", (text(escape.encode(self.login)), str(self.since_s)))


Lock: TypeAlias = LockWanted | LockFreed | Locked


def parse(card: Pragma) -> Lock | None:
    """What a pragma says of locks; None: nothing."""
    try:
        match card.name, card.args:
            case "ci-lock", (checkin, client):
                return LockWanted(parse_artifact_id(octets(checkin)), parse_artifact_id(octets(client)))
            case "ci-unlock", (client,):
                return LockFreed(parse_artifact_id(octets(client)))
            case "ci-lock-fail", (login, since) if (
                since.isascii() and since.isdigit() and len(since) <= _MAX_DIGITS
            ):
                return Locked(escape.decode(octets(login)).decode("utf-8", "replace"), int(since))
    except ValueError:
        pass
    return None
