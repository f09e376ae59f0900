"""Two changed versions of a zone and the version that both began with, made one: record by record.

    in base   in theirs, in yours          merged
    x         x, and y instead of x        y: one side changed it
    x         y, and z instead of x        conflict: both did, each in its way
    x         nothing, and x               nothing
    nothing   y, and z                     y and z

Comments are merged with their record, the TTL with its RRset, the default TTL for itself. Of two serials the SOA gets
the later one, whatever else of it changed. Two sides that are sound can make an owner that is not, as a CNAME beside
an A: a conflict, too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import dns.name

from xferzone.zone import checks
from xferzone.zone.serial import is_ahead
from xferzone.zonefile import names, text
from xferzone.zonefile.rdata import soa
from xferzone.zonefile.rdtypes import CNAME, DNAME, SOA, rrset_of
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import DefaultTTL, ZoneText

_SINGLE = frozenset((CNAME, DNAME))  # RRsets of one record

_Value = TypeVar("_Value")
#: Owner, and which of its RRsets.
_Key = tuple[bytes, int]
_RRset = Sequence[Record]


@dataclass(frozen=True, slots=True)
class Conflict:
    """What both sides changed, each in its way: an RRset, or (`rdtype` None) all records of an owner."""

    owner: bytes
    rdtype: int | None
    base: _RRset
    theirs: _RRset
    yours: _RRset


class Merged(NamedTuple):
    """The records of both sides in no order, their default TTL, and what could not be merged.

    Fields:
        conflicts: of records, in canonical order.
        defaults: the default TTLs of base, theirs and yours, if both sides changed it; else empty.
    """

    records: list[Record]
    default: DefaultTTL | None
    conflicts: Sequence[Conflict]
    defaults: Sequence[DefaultTTL]


class _Clash(Exception):
    """Both sides changed it, each in its way."""


def merged(base: ZoneText, theirs: ZoneText, yours: ZoneText, origin: dns.name.Name) -> Merged:
    """What `theirs` and `yours` say, both of which are valid zones made from `base`.

    If `yours` says nothing of the default TTL, it means that of `base`.
    """
    sides = [_rrsets(side.records, origin) for side in (base, theirs, yours)]
    made: dict[bytes, list[Record]] = {}
    conflicts: list[Conflict] = []
    keys = {key for side in sides for key in side}
    for owner, group in sorted(keys, key=lambda key: (names.owner_key(key[0]), key[1])):
        three = [side.get((owner, group), ()) for side in sides]
        rdtype = next(record.rdtype for side in three for record in side)
        try:
            made.setdefault(owner, []).extend(_rrset(rdtype, *three))
        except _Clash:
            conflicts.append(Conflict(owner, rdtype, *three))
    clashing = {conflict.owner for conflict in conflicts}
    for owner in _changed_by_both(sides) - clashing:
        if checks.errors(made[owner], origin, has_apex=False):
            own = [[r for key, rrset in side.items() if key[0] == owner for r in rrset] for side in sides]
            conflicts.append(Conflict(owner, None, *own))
    defaults = (base.default_ttl, theirs.default_ttl, yours.default or base.default_ttl)
    every = [record for records in made.values() for record in records]
    try:
        return Merged(every, _either(*defaults), conflicts, ())
    except _Clash:
        return Merged(every, None, conflicts, tuple(filter(None, defaults)))


def _rrsets(records: Iterable[Record], origin: dns.name.Name) -> dict[_Key, _RRset]:
    ordered, _ = text.normalised(records, origin)
    rrsets: dict[_Key, list[Record]] = {}
    for record in ordered:
        key = record.owner, rrset_of(record.rdtype, record.rdata)
        rrsets.setdefault(key, []).append(record._replace(line=0))
    return {key: tuple(rrset) for key, rrset in rrsets.items()}


def _changed_by_both(sides: Sequence[dict[_Key, _RRset]]) -> set[bytes]:
    base, *changed = sides
    by_theirs, by_yours = (
        {key[0] for key in base.keys() | side.keys() if base.get(key) != side.get(key)} for side in changed
    )
    return by_theirs & by_yours


def _rrset(rdtype: int, base: _RRset, theirs: _RRset, yours: _RRset) -> _RRset:
    """One RRset. Raises _Clash."""
    if theirs in (base, yours):
        return yours
    if yours == base:
        return theirs
    if rdtype == SOA:
        return [_soa(*(side[0] if side else None for side in (base, theirs, yours)))]
    ttls = (side[0].ttl if side else None for side in (base, theirs, yours))
    ttl = _either(*ttls)
    was, here, there = ({record.rdata: record for record in side} for side in (base, theirs, yours))
    both_replace = not (was.keys() - here.keys()).isdisjoint(was.keys() - there.keys())
    if both_replace and here.keys() - was.keys() != there.keys() - was.keys():
        raise _Clash
    kept = []
    for rdata in {**was, **here, **there}:
        values = (side.get(rdata) for side in (was, here, there))
        comments = _either(*(None if value is None else (value.above, value.behind) for value in values))
        if comments is not None:
            record = here.get(rdata) or there[rdata]
            kept.append(
                record._replace(ttl=record.ttl if ttl is None else ttl, above=comments[0], behind=comments[1])
            )
    if (theirs and yours and not kept) or (rdtype in _SINGLE and len(kept) > 1):
        raise _Clash
    return kept


def _soa(base: Record | None, theirs: Record | None, yours: Record | None) -> Record:
    if base is None or theirs is None or yours is None:
        raise _Clash
    three = (base, theirs, yours)
    serials = [soa.serial(record.rdata) for record in three]
    try:
        serial = _either(*serials)
    except _Clash:
        serial = _later(*serials[1:])
    rdata = _either(*(soa.with_serial(record.rdata, 0) for record in three))
    ttl = _either(*(record.ttl for record in three))
    above, behind = _either(*((record.above, record.behind) for record in three))
    return Record(yours.owner, ttl, SOA, soa.with_serial(rdata, serial), above, behind)


def _later(one: int, other: int) -> int:
    """The serial that is ahead by RFC 1982 3.2."""
    return other if is_ahead(other, one) else one


def _either(base: _Value, theirs: _Value, yours: _Value) -> _Value:
    """The value of whoever changed it. Raises _Clash if both did, each in its way."""
    if theirs in (base, yours):
        return yours
    if yours == base:
        return theirs
    raise _Clash
