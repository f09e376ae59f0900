"""Zone text.

read_zone(octets)            records and default TTL, or ZoneInvalid
read(write(read(octets)))    the same records, in canonical order: reading and writing is a fixed point
files of the cut rule        joined, the same records again
draft(...)                   for an editor: read, the same records again
"""

import random
from collections.abc import Sequence
from typing import Final

import dns.name

from tests.fuzz import vectors
from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone.errors import ZoneInvalid
from xferzone.zone.cut import Limits, cut_blocks
from xferzone.zonefile import text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import MAX_FAULTS, DefaultTTL, joined

ORIGIN: Final = dns.name.from_text("example.com.")
ZONE: Final = "example.com"
_LIMITS: Final = Limits(least=200, most=800)  # bytes of a file, so that small texts are cut, too
_APEX: Final = b"$TTL 3600\n@ SOA ns1 host 1 7200 3600 1209600 300\n@ NS ns1\n"
_LINES: Final = (
    b"$ORIGIN sub\n",
    b"$ORIGIN example.com.\n",
    b"$TTL 1h30m\n",
    b"$TTL 60 ; why\n",
    b"$GENERATE 1-5 h$ A 192.0.2.$\n",
    b"$GENERATE 0-300/100 ${0,3,x} 60 CNAME ${-5}.x\n",
    b"$INCLUDE other\n",
    b"; a comment\n",
    b"\n",
    b"  60 A 192.0.2.1 ; behind\n",
    b'a.b.c 1w IN TXT ( "one" ; x\n "two" )\n',
    b"* MX 10 @\n",
    b"_sip._tcp SRV 0 0 5060 sip\n",
    b"\\065\\.b CNAME x\\000y\n",
    b"x TYPE65280 \\# 3 ab cd ef\n",
    b"x \\# 0\n",
    b"sub NS ns.sub\n",
    b"ns.sub AAAA 2001:db8::1\n",
)


def _seeds() -> list[bytes]:
    lines = vectors.record_lines()
    grouped = [_APEX + b"".join(lines[at : at + 40]) for at in range(0, len(lines), 40)]
    single = [_APEX + line for line in lines[::5]]
    return [_APEX + b"".join(_LINES), *vectors.zone_texts(), *grouped, *single]


def _with_line(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """A line more."""
    lines = octets.splitlines(keepends=True)
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(_LINES))
    return b"".join(lines)


def _begun(_chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """With an apex that is right, so that what follows is read to its end."""
    return octets if octets.startswith(_APEX) else _APEX + octets


def _check(octets: bytes) -> Shape:
    try:
        zone = text.read_zone(octets, ORIGIN)
    except ZoneInvalid as exc:
        holds(0 < len(exc.faults) <= MAX_FAULTS + 1, "no faults, or too many")
        return frozenset(kind_of_error(ValueError(fault.reason)) for fault in exc.faults)
    default = zone.default_ttl
    written = text.write(zone.records, ORIGIN, default)
    ordered, _ = text.normalised(zone.records, ORIGIN)
    wanted = [_bare(record) for record in ordered]
    again = text.read_zone(written, ORIGIN)
    holds([_bare(record) for record in again.records] == wanted, "the canonical text says something else")
    holds(text.write(again.records, ORIGIN, again.default_ttl) == written, "the canonical text is not stable")
    _check_draft(ordered, default, wanted)
    _check_files(ordered, default, wanted)
    types = frozenset(record.rdtype for record in zone.records)
    return types, zone.default is None, frozenset(_warning(fault.reason) for fault in zone.warnings)


def _check_draft(records: Sequence[Record], default: DefaultTTL | None, wanted: Sequence[Record]) -> None:
    drafted = text.read_zone(text.draft(records, ORIGIN, default), ORIGIN)
    again, _ = text.normalised(drafted.records, ORIGIN)
    holds([_bare(record) for record in again] == wanted, "the draft says something else")


def _check_files(records: Sequence[Record], default: DefaultTTL | None, wanted: Sequence[Record]) -> None:
    files = cut_blocks(ZONE, text.blocks(records, ORIGIN, default), _LIMITS)
    holds(len({name for name, _ in files}) == len(files), "two files of one name")
    again = joined({name: text.parse(content, ORIGIN) for name, content in files})
    holds([_bare(record) for record in again.records] == wanted, "the files say something else")
    holds(again.default_ttl == default, "the files have another default TTL")


def _bare(record: Record) -> Record:
    return record._replace(line=0)


def _warning(reason: str) -> Shape:
    return kind_of_error(ValueError(reason))[1]


ZONES_LARGEST: Final = 12_000  # bytes
_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_with_line] * 4, *[_begun] * 4)

ZONES: Final = Kind(
    name="zones",
    code=("zonefile/", "zone/cut.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 16_000_000 + 300 * size,
    largest=ZONES_LARGEST,
)
