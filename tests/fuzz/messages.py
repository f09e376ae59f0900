"""DNS messages, of UDP and TCP, at a zone that has a bit of everything.

respond(octets, zones)            an answer or None; of the same id, no longer than was offered, and dnspython reads it
Responder(zones).respond(octets)  the same, first and second time, from its cache
"""

import random
from collections.abc import Sequence
from functools import cache
from typing import Final

from tests.dnsd.test_servers import ZONE
from tests.fuzz.harms import OF_OCTETS
from tests.fuzz.kind import Harm, Kind, Shape, holds
from tests.nameserver.made import view_of, zones_of
from tests.nameserver.peers.messages import MESSAGES
from tests.nameserver.test_fuzz import assert_reads, limit_of, messages
from xferzone.nameserver import wire
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.respond import respond
from xferzone.nameserver.zones import Zones

SEEDS: Final = 400


@cache
def _zones() -> Zones:
    text = "\n".join(
        (
            "$TTL 300",
            "@ SOA ns1.example.net. host.example.net. 1 7200 3600 1209600 300",
            "@ NS ns1.example.net.",
            *ZONE,
        )
    )
    return zones_of(view_of(f"{text}\n", "example.com."))


def _seeds() -> list[bytes]:
    return [*MESSAGES.values(), *messages(random.Random(1), SEEDS)]


def _recounted(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Other counts in the header, or other flags."""
    at = chance.randrange(2, 12)
    return (
        octets[:at] + bytes((chance.choice((0, 1, 2, 0x80, 0xFF, chance.randrange(256))),)) + octets[at + 1 :]
    )


def _pointed(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """A pointer somewhere."""
    at = chance.randrange(12, max(13, len(octets)))
    return (
        octets[:at]
        + bytes((0xC0 | chance.randrange(64), chance.randrange(256)))
        + octets[at + chance.choice((0, 2)) :]
    )


def _fresh(chance: random.Random, _octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    return next(messages(chance, 1))


def _check(octets: bytes) -> Shape:
    by_udp, by_tcp = (respond(octets, _zones(), tcp=tcp) for tcp in (False, True))
    responder = Responder(_zones())
    holds(responder.respond(octets) == by_udp, "through the cache it is answered otherwise")
    holds(responder.respond(octets) == by_udp, "from the cache it is answered otherwise")
    if by_udp is None or by_tcp is None:
        holds(by_udp is by_tcp and limit_of(octets) == 0, "answered by one way only, or not at all")
        return None
    assert_reads(octets, by_udp, limit_of(octets))
    assert_reads(octets, by_tcp, 65_535)
    query = wire.parse(octets)
    assert query is not None
    return by_udp[2:4], len(by_udp) > 512, query.opcode, query.fault, query.edns is None, bool(query.tsig)


_HARMS: Final[Sequence[Harm]] = (*OF_OCTETS, *[_recounted] * 2, *[_pointed] * 2, *[_fresh] * 4)

MESSAGES_KIND: Final = Kind(
    name="messages",
    code=("nameserver/",),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 4_000_000 + 200 * size,
    largest=1_000,
)
