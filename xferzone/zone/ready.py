"""The ready form of an RRset whose records hold names of hosts: what goes behind a question for its owner.

    empty                               the records themselves
    FF                                  none was made
    pointers 1, places 2 each           places, in the records below, of pointers to names
    hosts 1, hosts                      those whose addresses go with it
    records

    host         size 1, owner; size 1, labels in wire form relative to the zone
    owner        what its first address record begins with: a pointer, as to a name that the records hold, or labels
                 before one, which other records of the host point to

With CNAME the host is the name to go on with. Behind a question for a name below the owner, of a delegation, all
pointers are greater by as many octets as that name is longer. Of a delegation those hosts come first that are at or
below the owner. Hosts outside the zone do not count.

Source: RFC 1034 4.3.2 step 3b and 6 (additional records), RFC 9471 3.1 (glue); the form is ours.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from xferzone.zone.compression import QUESTION, Body, name_end, relative
from xferzone.zonefile.rdtypes import CNAME, HTTPS, MB, MD, MF, MG, MINFO, MR, MX, NS, PTR, SOA, SRV, SVCB

NOT_READY: Final = b"\xff"

#: Where a host's name begins in the rdata of the types that have a ready form; PTR names no host to go on with.
_OFFSETS: Final = {NS: 0, CNAME: 0, PTR: 0, MX: 2, SRV: 6}

#: Types whose records are not what an answer holds.
TYPES: Final = frozenset((*_OFFSETS, SOA, MD, MF, MB, MG, MR, MINFO, SVCB, HTTPS))

_POINTER: Final = struct.Struct(">H")
_MAX_RECORDS: Final = 1200  # bytes of records as they are; those that need more fit no UDP answer of ours
_MAX_HOSTS: Final = 32
_MAX_PLACES: Final = 254  # one octet counts them, and FF means something else


class Host(NamedTuple):
    """A host of the zone: what its address records begin with, and its labels relative to the zone."""

    owner: bytes
    labels: bytes


class Ready(NamedTuple):
    """A ready form, read."""

    places: list[int]
    hosts: list[Host]
    records: bytes


def form(labels: bytes, origin: bytes, rdtype: int, records: bytes) -> bytes:
    """The ready form of records as zone/index.py lays them out; `labels` are the owner's, relative to the zone."""
    offset = _OFFSETS.get(rdtype)
    # Of the root every name would be a host, and pointers to it are none.
    if offset is None or len(records) > _MAX_RECORDS or origin == b"\0":
        return NOT_READY
    owner = labels + origin
    body = Body(owner)
    body.put(owner, rdtype, records)
    written = bytes(body.written)
    # Only a delegation's go behind another name.
    places = body.pointers[:] if rdtype == NS and labels else []
    hosts = [] if rdtype == PTR else list(dict.fromkeys(_hosts(records, offset, origin)))
    if rdtype == NS:
        hosts.sort(key=lambda host: relative(host, labels) is None)
    if len(hosts) > _MAX_HOSTS or len(places) > _MAX_PLACES:
        return NOT_READY
    parts = [bytes((len(places),)), *(place.to_bytes(2) for place in places), bytes((len(hosts),))]
    for host in hosts:
        at = len(body.written)
        body.put_name(host + origin)
        first = bytes(body.written[at:])
        if int.from_bytes(first[-2:]) >= 0xC000 + QUESTION + len(owner) + 4 + len(written):
            return NOT_READY  # it shares labels with a host before it, and where those stand is not known yet
        parts += bytes((len(first),)), first, bytes((len(host),)), host
    return b"".join((*parts, written))


def read(ready: bytes) -> Ready:
    """What a ready form that was made says."""
    at = 1 + 2 * ready[0]
    places = [int.from_bytes(ready[place : place + 2]) for place in range(1, at, 2)]
    number, at = ready[at], at + 1
    hosts = []
    for _ in range(number):
        middle = at + 1 + ready[at]
        end = middle + 1 + ready[middle]
        hosts.append(Host(ready[at + 1 : middle], ready[middle + 1 : end]))
        at = end
    return Ready(places, hosts, ready[at:])


def moved(records: bytes, places: Iterable[int], beyond: int) -> bytes:
    """The records behind a name that is longer by so many octets; pointers stand at `places`."""
    if not beyond:
        return records
    made = bytearray(records)
    for place in places:
        _POINTER.pack_into(made, place, _POINTER.unpack_from(made, place)[0] + beyond)
    return bytes(made)


def _hosts(records: bytes, offset: int, origin: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(records):
        begin = at + 12 + offset
        labels = relative(records[begin : name_end(records, begin)], origin)
        if labels is not None:
            yield labels
        at += 12 + int.from_bytes(records[at + 10 : at + 12])
