"""Which of two views of a zone a client gets: the main one, or the canary.

    prefix      of the client: the first 24 bits of an IPv4 address, the first 48 of an IPv6 one
    cohort      the first 8 octets of SHA-256(salt, 0, zone id, 0, 4 or 6, prefix) as a number modulo 10,000
    canary      where the cohort is below 100 x percent; so more percent only adds networks

The client is who sent the question, or the subnet in it if a listed resolver sent it:

    no subnet                    main or canary by the resolver's own address, nothing said of a subnet
    SOURCE 0                     main, SCOPE 0
    SOURCE below 24 or 48        main, SCOPE = SOURCE
    else                         main or canary by that prefix, SCOPE 24 or 48

Source: RFC 7871 7.2.1; docs/formats.md has the cohort with examples.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Final, Protocol

from xferzone.nameserver.edns import Edns
from xferzone.nameserver.subnet import CODE, Subnet

COHORTS: Final = 10_000
REMEMBERED: Final = 50_000  # prefixes or clients of one zone; some 5 MB

_BITS: Final = {1: 24, 2: 48}  # of a prefix, by the family of ECS
_MAPPED: Final = bytes(10) + b"\xff\xff"  # an IPv4 address in IPv6 form begins so


class Block(Protocol):
    """Some addresses."""

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, /) -> bool: ...


def prefix_of(client: bytes) -> bytes:
    """The prefix of an address of 4 or 16 octets: 3 or 6 octets; an IPv4 address in IPv6 form is one of IPv4."""
    if len(client) == 4:
        return client[:3]
    return client[12:15] if client.startswith(_MAPPED) else client[:6]


def cohort(salt: bytes, zone: str, prefix: bytes) -> int:
    """The cohort, 0 to 9,999, of a prefix of 3 octets (IPv4) or 6 (IPv6) in the zone of that id."""
    version = b"\4" if len(prefix) == 3 else b"\6"
    digest = hashlib.sha256(b"\0".join((salt, zone.encode("ascii"), version + prefix))).digest()
    return int.from_bytes(digest[:8]) % COHORTS


class Cohorts:
    """Which prefixes get the canary of a zone: `hundredths` of a percent of them. Remembers what was asked lately."""

    __slots__ = ("_hundredths", "_known", "_salt", "_zone")

    def __init__(self, zone: str, hundredths: int, salt: bytes) -> None:
        self._zone, self._hundredths, self._salt = zone, hundredths, salt
        self._known: dict[bytes, bool] = {}

    def gets_canary(self, prefix: bytes) -> bool:
        """Whether a prefix of 3 or 6 octets gets the canary."""
        known = self._known.get(prefix)
        if known is None:
            known = cohort(self._salt, self._zone, prefix) < self._hundredths
            _remember(self._known, prefix, known)
        return known


class Resolvers:
    """Clients that are believed when they name their client's subnet: those in one of the networks."""

    __slots__ = ("_known", "_networks")

    def __init__(self, networks: Sequence[Block] = ()) -> None:
        self._networks = networks
        self._known: dict[bytes, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def subnet(self, client: bytes, edns: Edns | None) -> Subnet | None:
        """The subnet that a question with that OPT record names, if its client is believed; None: none is.

        Raises:
            ValueError: it is not one that a question may name.
        """
        if not self._networks or edns is None or not edns.options:
            return None
        value = edns.option(CODE)
        return None if value is None or not self._believes(client) else Subnet.read(value)

    def _believes(self, client: bytes) -> bool:
        known = self._known.get(client)
        if known is None:
            address = ipaddress.ip_address(client) if client else None
            if isinstance(address, ipaddress.IPv6Address):
                address = address.ipv4_mapped or address
            known = address is not None and any(address in network for network in self._networks)
            _remember(self._known, client, known)
        return known


class Route:
    """Who gets the canary of a zone."""

    __slots__ = ("_cohorts", "_resolvers")

    def __init__(self, cohorts: Cohorts, resolvers: Resolvers) -> None:
        self._cohorts, self._resolvers = cohorts, resolvers

    def place(self, client: bytes, edns: Edns | None) -> tuple[bool, bytes]:
        """Whether the client that asks with that OPT record gets the canary, and the option for its answer.

        No address is an address of main's.

        Raises:
            ValueError: it is believed and names what is not a subnet.
        """
        subnet = self._resolvers.subnet(client, edns)
        if subnet is None:
            return bool(client) and self._cohorts.gets_canary(prefix_of(client)), b""
        bits = _BITS[subnet.family]
        if subnet.source < bits:
            return False, subnet.echoed(subnet.source)
        return self._cohorts.gets_canary(subnet.address[: bits // 8]), subnet.echoed(bits)


def _remember(known: dict[bytes, bool], key: bytes, value: bool) -> None:
    if len(known) >= REMEMBERED:
        known.clear()
    known[key] = value
