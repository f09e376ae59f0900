"""What an operator chose for DNS beside the zones' data, ready for the processes that answer.

    zones      by zone: which branch is served, to whom; who may transfer it; who is told of its changes
    keys       of TSIG, by name
    options    what answers say of the server itself, and what each client may ask of it

It is made from the configuration once (configured.py), and never changes in a process.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from xferzone.config import Address, Network
from xferzone.hashing import ArtifactId
from xferzone.nameserver.cache import OWN_SIZE
from xferzone.nameserver.offers import Offers
from xferzone.nameserver.siphash import KEY_SIZE
from xferzone.nameserver.tsig import Key as Key  # others take it from here
from xferzone.refs import serving
from xferzone.refs.branch import DEFAULT_BRANCH
from xferzone.refs.serving import Rule
from xferzone.zone import patterns
from xferzone.zone.index import Index


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who may: from one of `networks` (none: from anywhere), and signed by one of `keys` (none: signed or not).

    `rule` says where that was configured, for the log.
    """

    networks: tuple[Network, ...]
    keys: frozenset[bytes]
    rule: str


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to tell of a change, and the key to sign that with; None: unsigned."""

    address: Address
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Canary:
    """A second branch for some clients: `hundredths` of a percent of them, 0 to 10,000.

    Resolvers in `ecs_from` are believed when they name their client's subnet.
    """

    branch: str
    hundredths: int
    salt: bytes = b""
    ecs_from: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneTerms:
    """What holds for one zone. `at`: a revision or date instead of the branch's tip; None: the tip."""

    branch: str = DEFAULT_BRANCH
    canary: Canary | None = None
    at: str | None = None
    transfer: tuple[Allowed, ...] = ()
    tells_ns: bool = False  # NOTIFY goes to the addresses of its NS records
    also_tells: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Pin:
    """A version of a zone, served instead of its branch's tip; `parts`: first key and index, in owner order."""

    checkin: ArtifactId
    serial: int
    parts: Sequence[tuple[bytes, Index]]


_PLAIN: Final = ZoneTerms()

ALL_KEPT: Final = 192 * 1024 * 1024  # bytes of answers that all answerers keep for names that zones have
LEAST_RATE: Final = 50  # answers a second of one answerer; a resolver's questions may all come to the same


@dataclass(frozen=True, slots=True)
class Rate:
    """Bounds of answers: so many a second to one client network for one thing; every `slip`th of the rest is TC."""

    per_second: int = 200
    slip: int = 2
    exempt: tuple[Network, ...] = (Network("127.0.0.0/8"), Network("::1"))


@dataclass(frozen=True, slots=True)
class Options:
    """What answers say of this server, and what clients may ask of it; what is empty is not said."""

    nsid: bytes = b""
    version: str = ""  # to version.bind and version.server, class CHAOS
    identity: str = ""  # to hostname.bind and id.server
    cookies: tuple[
        bytes, ...
    ] = ()  # secrets of 16 octets; cookies are made with the first; none: by chance, per start
    rate: Rate | None = None
    log_each: int = 0  # one of so many questions is logged; 0: none

    def offers(self) -> Offers:
        """What the answers of a process say of this server."""
        return Offers(
            self.nsid, self.version, self.identity, self.cookies or (secrets.token_bytes(KEY_SIZE),)
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it. `only`: zone ids to serve, None: all. `zones`: pattern of zone ids, terms; the first match wins.

    `pins` (pinned.py): by zone id; a zone whose terms have `at` and that is not there is not served. `above`
    (onward.py): by id of zones whose branch may come later: the branch and the serial that were served before.
    `parts` (parts.py): where processes share compiled zone files; None: each has its own. `kept`: bytes of
    answers that each keeps for names that zones have.
    """

    only: frozenset[str] | None = None
    zones: tuple[tuple[str, ZoneTerms], ...] = ()
    keys: Mapping[bytes, Key] = field(default_factory=dict)
    options: Options = Options()
    pins: Mapping[str, Pin] = field(default_factory=dict)
    above: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    parts: Path | None = None
    kept: int = OWN_SIZE
    _first: Mapping[str, int] = field(init=False, repr=False, compare=False)  # place of a pattern in `zones`

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first", patterns.firsts(pattern for pattern, _ in self.zones))

    def for_answerers(self, number: int, secret: bytes) -> "Terms":
        """These for each of so many: its share of the rate and of the memory for answers.

        Cookies are made with that secret if none was chosen.
        """
        rate = self.options.rate
        if rate is not None:
            rate = replace(
                rate, per_second=max(min(LEAST_RATE, rate.per_second), -(-rate.per_second // number))
            )
        cookies = self.options.cookies or (secret,)
        options = replace(self.options, rate=rate, cookies=cookies)
        return replace(self, options=options, kept=min(OWN_SIZE, ALL_KEPT // number))

    def serves(self, zone: str) -> bool:
        """Whether the zone of that id is to be served."""
        return self.only is None or zone in self.only

    def of(self, zone: str) -> ZoneTerms:
        """What holds for the zone of that id. A pattern is a zone id, `*.` and one for all below it, or `*`."""
        place = self.place(zone)
        return _PLAIN if place is None else self.zones[place][1]

    def place(self, zone: str) -> int | None:
        """Where in `zones` the first pattern stands that matches a zone id, or all that a pattern does. None: there is
        none.
        """
        return patterns.place(self._first, zone)

    def rules(self) -> tuple[Rule, ...]:
        """What is served of zones as a group has it, one for each of `zones`."""
        return tuple(Rule(pattern, each.branch, _shared(each.canary)) for pattern, each in self.zones)


def _shared(canary: Canary | None) -> serving.Canary | None:
    if canary is None:
        return None
    return serving.Canary(canary.branch, canary.hundredths, canary.salt.decode())


#: All zones, each from its main branch; no transfers, nobody told, no bounds.
PLAIN: Final = Terms()
