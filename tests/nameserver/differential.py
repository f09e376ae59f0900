"""The direct way and the kept answers beside the slow path: the same octets for whatever is asked of whatever zones.

python -m tests.nameserver.differential NUMBER [SEED]     so many questions; what each was, counted

worlds      nested zones of random names with cuts, DNAME, wildcards, empty non-terminals and aliases, in random parts,
            some with an SOA whose names are in the zone; a world answers ASKED questions, and its zones change between
questions   names of the world, mutated ones, random ones; types, flags, spellings, EDNS of all sizes with and without
            options, and octets that were changed, cut and added
"""

import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.nameserver.made import serve, view_of
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.direct import Direct
from xferzone.nameserver.offers import SILENT, Offers
from xferzone.nameserver.respond import respond
from xferzone.nameserver.view import View
from xferzone.nameserver.zones import Zones

ASKED: Final = 250  # of one world
ZONES: Final = ("test.", "example.test.", "a.example.test.", "b.a.example.test.")
CLIENTS: Final = (b"\xc0\0\2\1", b"\xc0\0\2\2", bytes(15) + b"\1")
LABELS: Final = ("a", "b", "c", "ns", "www", "a", "b", "*", r"\000x", r"z\001", "0")
TYPES: Final = (
    *(1, 28, 16, 15, 2, 33) * 4,
    5,
    6,
    12,
    39,
    43,
    64,
    65,
    255,
    46,
    47,
    3,
    7,
    251,
    252,
    41,
    65280,
    200,
)


def compare(chance: random.Random, number: int) -> Counter[str]:
    """How many questions the direct way answered, and how; raises AssertionError at a difference."""
    counts: Counter[str] = Counter()
    while sum(counts.values()) < number:
        zones = Zones()
        origins = chance.sample(ZONES, chance.choice((1, 1, 2, 3)))
        owners: list[str] = []
        for origin in origins:
            serve(zones, _view(chance, origin, owners))
        offers = chance.choice((SILENT, Offers(b"nsid", secrets=[b"secret of cookies"[:16]])))
        direct = Direct(zones)
        batched, responder = (Responder(zones, 20_000, 10_000, offers) for _ in range(2))
        before: list[bytes] = []
        for _ in range(ASKED):
            if chance.random() < 0.01:
                serve(zones, _view(chance, chance.choice(origins), owners))
            is_again = before and chance.random() < 0.4
            wire = chance.choice(before) if is_again else _question(chance, origins, owners)
            before.append(wire)
            expected = respond(wire, zones, tcp=False)  # it opens the views
            said = direct.answer(wire)
            assert said is None or said[0] == expected, (wire, said, expected)
            client = chance.choice(CLIENTS)
            for each in (batched, responder):
                each.client_of = lambda _slot, client=client: client  # type: ignore[misc]  # as a batch has it
            expected = respond(wire, zones, client, tcp=False, offers=offers)
            assert _of_batch(batched, wire) == expected, wire
            assert responder.respond(wire) == expected, wire
            for each in (batched, responder):
                each.free()
            counts["slow" if said is None else _kind(said[0])] += 1
    return counts


def _of_batch(responder: Responder, wire: bytes) -> bytes | None:
    (answer,) = responder.answers([wire[2:]], lambda _slot: _without_id(responder.respond(wire)))
    return None if answer is None else wire[:2] + answer


def _without_id(answer: bytes | None) -> bytes | None:
    return None if answer is None else answer[2:]


def _kind(answer: bytes) -> str:
    rcode, answers, authorities = answer[3] & 15, answer[6:8] != b"\0\0", answer[8:10] != b"\0\0"
    if rcode:
        return "NXDOMAIN"
    return "positive" if answers else "NODATA" if answer[2] & 4 and authorities else "referral"


def _view(chance: random.Random, origin: str, owners: list[str]) -> View:
    """A zone; its names are added to the owners."""
    mname = chance.choice(("ns", "ns.invalid.", "@", "a.b", "ns.example.test.", "."))
    rname = chance.choice(("host", "host.ns", "x.test.", "@"))
    apex = [
        f"@ {chance.randrange(1000)} SOA {mname} {rname} 7 3600 600 86400 300",
        f"@ 300 NS {_host(chance)}",
    ]
    if chance.random() < 0.05:
        apex.append("@ 300 DNAME target.invalid.")
    for rdtype in ("MX", "A", "TXT"):
        if chance.random() < 0.4:
            apex += [f"@ 300 {line}" for line in _rrset(chance, rdtype)]
    names = {_name(chance) for _ in range(chance.choice((3, 10, 40)))} - {"@"}
    owners += [f"{name}.{origin}" for name in sorted(names)] + [origin]
    lines = [f"{name} {chance.randrange(1000)} {line}" for name in sorted(names) for line in _owned(chance)]
    return view_of("\n".join(apex + lines) + "\n", origin, parts=chance.choice((1, 1, 2, 5, 50)))


def _owned(chance: random.Random) -> list[str]:
    match chance.randrange(10):
        case 0:
            return [f"CNAME {_host(chance)}"]
        case 1:
            return [f"DNAME {_host(chance)}"]
        case 2 | 3:
            more = ["DS 1 8 1 00112233445566778899aabbccddeeff00112233"] if chance.random() < 0.3 else []
            return _rrset(chance, "NS") + more + (_rrset(chance, "A") if chance.random() < 0.5 else [])
        case _:
            kinds = chance.sample(("A", "AAAA", "TXT", "MX", "SRV", "PTR", "HTTPS", "TYPE65280", "MB"), 3)
            return [line for kind in kinds[: chance.randint(1, 3)] for line in _rrset(chance, kind)]


def _rrset(chance: random.Random, rdtype: str) -> list[str]:
    made: dict[str, Callable[[], str]] = {
        "A": lambda: f"192.0.{chance.randrange(256)}.{chance.randrange(256)}",
        "AAAA": lambda: chance.choice(("2001:db8::1", "::c00c:1c:1", f"2001:db8::{chance.randrange(99)}")),
        "TXT": lambda: '"' + "x" * chance.choice((1, 9, 200)) + str(chance.randrange(999)) + '"',
        "MX": lambda: f"{chance.randrange(3)} {_host(chance)}",
        "SRV": lambda: f"0 0 {chance.randrange(9)} {_host(chance)}",
        "HTTPS": lambda: f"{chance.randrange(2)} {_host(chance)}",
        "TYPE65280": lambda: rf"\# 2 {chance.randrange(65536):04x}",
    }
    rdata = made.get(rdtype, lambda: _host(chance))
    number = chance.choice((1, 1, 1, 2, 3, 8, 40))
    return sorted({f"{rdtype} {rdata()}" for _ in range(number)})


def _host(chance: random.Random) -> str:
    within = chance.random() < 0.7
    return (
        _name(chance)
        if within
        else chance.choice((".", "ns.invalid.", "test.", "a.example.test.", "x.b.test."))
    )


def _name(chance: random.Random) -> str:
    depth = chance.choice((0, 1, 1, 1, 2, 2, 3))
    return ".".join(chance.choices(LABELS, k=depth)) or "@"


def _question(chance: random.Random, origins: list[str], owners: list[str]) -> bytes:
    labels: list[bytes] = []
    if chance.random() < 0.5:
        labels += [_wire(label) for label in chance.choices(LABELS, k=chance.choice((0, 1, 1, 2, 3)))]
    if chance.random() < 0.05:
        labels.insert(0, chance.randbytes(chance.choice((1, 5, 63))))
    below = chance.choice(owners if chance.random() < 0.8 else origins)
    labels += [_wire(label) for label in below.split(".")[:-1]]
    name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if chance.random() < 0.2:
        name = bytes(
            octet ^ 0x20 if 97 <= octet <= 122 and chance.random() < 0.5 else octet for octet in name
        )
    rdclass = 1 if chance.random() < 0.98 else chance.choice((0, 3, 255))
    asked = name + chance.choice(TYPES).to_bytes(2) + rdclass.to_bytes(2)
    flags = chance.choice((*(0, 0x100, 0x120, 0x130, 0x580) * 20, 0x40, 0x200, 0x800, 0x8000, 0x2800))
    opt, records = b"", 0
    if chance.random() < 0.6:
        size = chance.choice((0, 511, 512, 700, 1231, 1232, 1400, 4096, 65535))
        options = chance.choice(
            (*(b"",) * 20, *(b"\0\x0a\0\x08abcdefgh", b"\0\3\0\0") * 4, b"\xff\xff\0\1x", b"\0\3")
        )
        bits = chance.choice((*(b"\0\0\0\0", b"\0\0\x80\0") * 20, b"\0\1\0\0", b"\1\0\0\0", b"\0\0\x40\0"))
        opt, records = b"\0\0\x29" + size.to_bytes(2) + bits + len(options).to_bytes(2) + options, 1
    wire = bytearray(
        chance.randbytes(2) + flags.to_bytes(2) + bytes((0, 1, 0, 0, 0, 0, 0, records)) + asked + opt
    )
    for _ in range(chance.choice((0,) * 30 + (1, 3))):
        _damage(chance, wire)
    return bytes(wire)


def _wire(label: str) -> bytes:
    return label.replace(r"\000", "\0").replace(r"\001", "\1").encode()


def _damage(chance: random.Random, wire: bytearray) -> None:
    at = chance.randrange(len(wire) + 1)
    match chance.randrange(4):
        case 0:
            wire[at:at] = chance.randbytes(chance.randrange(1, 12))
        case 1:
            del wire[at : at + chance.randrange(1, 6)]
        case 2:
            del wire[at:]
        case _:
            for place in range(at, min(len(wire), at + 2)):
                wire[place] = chance.choice((0, 1, 0x3F, 0x40, 0xC0, 0xFF, chance.randrange(256)))


if __name__ == "__main__":
    found = compare(random.Random(sys.argv[2] if len(sys.argv) > 2 else "direct"), int(sys.argv[1]))
    print(", ".join(f"{kind} {count:,}" for kind, count in sorted(found.items())) + ": no difference")
