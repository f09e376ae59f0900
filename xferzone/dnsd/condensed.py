"""What came of a zone's records from one version to another, for an IXFR: no journal is kept, the two are compared.

    files that both have                        not read
    files whose lines can be compared           lines that only one of them has, name by name
    a version that was written by hand          all of both versions is read, if that is not much

A file can be compared by its lines if each of them states owner, TTL and type, and no RRset of an owner that changes
has two TTLs: then a line is a record as it is served. So are all files of ours (docs/architecture.md, Canonical form).

Source: RFC 1995 3 (differences, condensed).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from xferzone.errors import NotFound, ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.nameserver.view import key_of
from xferzone.refs import indexes, line
from xferzone.refs.served import ServedZone
from xferzone.store import Reader
from xferzone.zone import compile as compiling
from xferzone.zone import cut, index
from xferzone.zone.difference import between
from xferzone.zone.index import Index, Row, RRset, made_rrset
from xferzone.zonefile import names, text
from xferzone.zonefile.rdtypes import SOA
from xferzone.zonefile.record import Record

MAX_READ: Final = 1_000_000  # bytes of a version written by hand that is read; some 0.3 s
_LINES: Final = re.compile(
    rb"(?:\$TTL [0-9]+(?: ;[^\n]*)?\n)?(?:(?:;[^\n]*|[^\s;$()\"A-Z]*[^\s;$()\"A-Z.] [0-9]+ [A-Z0-9]+ [^\n]*)\n)*"
)
_SEVERAL: Final = (b"RRSIG", b"SIG")  # signatures of one owner are several RRsets

#: Records, each as if it were an RRset, in owner order.
Rows = tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Records that went and came, without the SOA; `soa`: that of the older version, None: of both alike.

    `records`: how many; `size`: bytes of them.
    """

    gone: Rows
    come: Rows
    soa: RRset | None
    records: int
    size: int


def changes(reader: Reader, zone: str, serial: int, tip: ServedZone) -> Changes | None:
    """What came between the version of that serial and the one that is served. None: that is not known, or too much.

    It gives way between two files (Reader.give_way).
    """
    for before in line.with_serial(reader, zone, tip.checkin, serial):
        own = cut.zone_files(zone, reader.files(before))
        if own:
            return _between(reader, zone, own, tip)
    return None


def records_of(reader: Reader, tip: ServedZone) -> int:
    """How many records the served version has."""
    query = "SELECT records FROM zone_index WHERE number = ?"
    rows = (reader.db.execute(query, (number,)).fetchone() for number in tip.numbers)
    return sum(row[0] for row in rows if row is not None)


def _between(reader: Reader, zone: str, old: Mapping[str, ArtifactId], tip: ServedZone) -> Changes | None:
    new = cut.zone_files(zone, reader.files(tip.checkin))
    is_ours = {compiling.number_of(zone, file) for file in new.values()} == set(tip.numbers)
    found = _by_lines(reader, zone, old, new) if is_ours else None
    if (
        found is not None and len(old) > 1
    ):  # by hand a record can be in several files, and one of them still be here
        found = replace(found, gone=tuple(_no_longer_served(reader, tip, found)))
    return found or _by_records(reader, zone, old, new)


def _no_longer_served(reader: Reader, tip: ServedZone, found: Changes) -> Iterator[Row]:
    """Of the rows that went those that the served version does not have, or has anew, with another TTL."""
    anew = {(owner, rdtype, records[10:]) for owner, rdtype, _, records in found.come}
    query = "SELECT first FROM zone_index WHERE number = ?"
    firsts = [bytes(first) for number in tip.numbers for (first,) in reader.db.execute(query, (number,))]
    opened: tuple[int, Index] | None = None
    for row in found.gone:
        owner, rdtype, number, records = row
        at = max(0, bisect_right(firsts, key_of(owner)) - 1)
        if opened is None or opened[0] != at:
            reader.give_way()
            opened = at, Index(indexes.content(reader, tip.numbers[at]))
        node = opened[1].find(owner)
        there = None if node is None else index.rrset(node, rdtype)
        is_there = there is not None and {*RRset(rdtype, number, records).rdatas()} <= {*there.rdatas()}
        if not is_there or (owner, rdtype, records[10:]) in anew:
            yield row


def _by_lines(
    reader: Reader, zone: str, old: Mapping[str, ArtifactId], new: Mapping[str, ArtifactId]
) -> Changes | None:
    """The changes by lines; None: they cannot be compared so."""
    origin = names.zone_name(zone)
    gone: dict[bytes, None] = {}
    come: dict[bytes, None] = {}
    shared = set(old.values()) & set(new.values())
    for name in sorted(old.keys() | new.keys()):
        was, now = ({file} - shared - {None} for file in (old.get(name), new.get(name)))
        if was == now:
            continue
        reader.give_way()
        # Nobody asks for the versions between. A served one may be far from the newest, too: after a reset, for one.
        before, after = ([reader.content(file, alone=True) for file in files if file] for files in (was, now))
        if not all(map(_LINES.fullmatch, before)):
            return None
        found = between(before, after, origin)
        if not _has_one_ttl_each(before, {*found.gone, *found.come}):
            return None
        gone |= dict.fromkeys(found.gone)
        come |= dict.fromkeys(found.come)
    try:
        # What went from one file may have come in the next.
        sides = [_read(only, zone) for only in (gone.keys() - come.keys(), come.keys() - gone.keys())]
    except ZoneInvalid:
        return None
    return _made(*sides)


def _has_one_ttl_each(contents: Iterable[bytes], changed: Iterable[bytes]) -> bool:
    """Whether no RRset has two TTLs there, of owners that have changed; others are served as before."""
    owners = {line[: line.index(b" ")].lower() for line in changed}
    lines = (line for content in contents for line in content.split(b"\n"))
    fields = (line.split(b" ", 3)[:3] for line in lines if line[: line.find(b" ")].lower() in owners)
    rows = {(owner.lower(), ttl, kind) for owner, ttl, kind in fields if kind not in _SEVERAL}
    return len(rows) == len({(owner, kind) for owner, _, kind in rows})


def _read(lines: Iterable[bytes], zone: str) -> list[Record]:
    written = sorted(lines)
    return text.read(b"\n".join(written) + b"\n", names.zone_name(zone)) if written else []


def _by_records(
    reader: Reader, zone: str, old: Mapping[str, ArtifactId], new: Mapping[str, ArtifactId]
) -> Changes | None:
    """The changes of two versions, each read whole. None: they are long, or one cannot be read."""
    sides = []
    for own in (old, new):
        if sum(reader.sizes(set(own.values())).values()) > MAX_READ:
            return None
        try:
            task = compiling.Task(zone, {name: (file, reader.content(file)) for name, file in own.items()})
            sides.append(text.normalised(compiling.union(task).records, names.zone_name(zone))[0])
        except (NotFound, ZoneInvalid):
            return None
        reader.give_way()
    return _made(*sides)


def _made(before: Iterable[Record], after: Iterable[Record]) -> Changes:
    was, now = ({record[:4]: None for record in side} for side in (before, after))
    gone, come = (row for row in was if row not in now), (row for row in now if row not in was)
    soa = None
    sides = []
    for is_old, rows in ((True, gone), (False, come)):
        made = []
        for owner, ttl, rdtype, rdata in rows:
            rrset = made_rrset(rdtype, ttl, [rdata])
            if rdtype != SOA:
                labels = b"".join(bytes((len(label),)) + label for label in names.owner_labels(owner))
                made.append((names.owner_key(owner), (labels, *rrset)))
            elif is_old:
                soa = rrset
        sides.append(tuple(row for _, row in sorted(made)))
    size = sum(len(owner) + len(records) + _OVERHEAD for side in sides for owner, _, _, records in side)
    return Changes(sides[0], sides[1], soa, len(sides[0]) + len(sides[1]), size)


_OVERHEAD: Final = 250  # bytes that CPython spends on a row beside its octets
