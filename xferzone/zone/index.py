r"""The served form of one zone file: one run of bytes, searched in place, without an object for each record.

    0    1          version, 3
    1    3          zero
    4    4          CRC-32 of all that follows
    8    1 + ...    length and wire form of the zone's name, lower case
         4          n, the number of names (here and below little endian)
         4          m, the number of buckets: the least power of two that is not below n
         4          where the last name begins; counted, as all places, from the first byte of all
         4 m        where the first name of each bucket begins; 0: it has no name
                    the names, in the order of their sort keys (names.py)

    name            where the next name of its bucket begins 4 (0: none does), size in bytes of the rest 4, labels, 00,
                    node. The labels are in wire form and lower case, relative to the zone; their CRC-32 modulo m is the
                    bucket
    node            flags, then its RRsets by ascending type
    RRset           type 2, number of records 4, sizes in bytes of the records 4 and of their ready form 4 (big endian),
                    the records, their ready form (ready.py)
    record          C0 0C, type, class IN, TTL, RDLENGTH, RDATA: as in a message that asks for the owner

The names are the owners, and the empty non-terminals between the first owner and the last; these have a node of flags
alone. One that lies before the first owner shows by that owner's key, which begins with its own.
The TTL of an RRset is the lowest given, and of RRSIG records the lowest of those that cover the same type; equal
records count once; their order is that of their rdata.

Source: RFC 2181 5 (RRsets), RFC 4034 6.3 (order of records); the layout is ours.
"""

import mmap
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import dns.name

from xferzone.errors import XferzoneError
from xferzone.zone import ready
from xferzone.zonefile.names import key_labels, labels_key, owner_key
from xferzone.zonefile.rdtypes import CNAME, DNAME, NS, rrset_of
from xferzone.zonefile.record import Record

VERSION: Final = 3

#: Flags of a node: what a search must know before it looks for a type.
HAS_NS: Final = 1
HAS_CNAME: Final = 2
HAS_DNAME: Final = 4
BELOW: Final = 8  # a name above it in this file, not the apex, has NS or DNAME

EMPTY: Final = b"\0"  # the node of an empty non-terminal

_FLAGS: Final = {NS: HAS_NS, CNAME: HAS_CNAME, DNAME: HAS_DNAME}
_HEADER: Final = struct.Struct("<B3xL")
_COUNTS: Final = struct.Struct("<LLL")
NAME: Final = struct.Struct("<LL")  # the head of a name: the place of the next, and the size of the rest
_RECORD: Final = struct.Struct(">HHHLH")
RRSET: Final = struct.Struct(
    ">HLLL"
)  # the head of an RRset in a node: type, number of records, the two sizes
_PLAIN_NODE: Final = struct.Struct(">BHLLL")  # flags, and the head of the only RRset
_SPECIAL: Final = ready.TYPES | _FLAGS.keys()  # types that have a ready form, or a flag
_TO_QUESTION: Final = 0xC00C  # a compression pointer to the name of the question


#: A record of an owner: its type, TTL and rdata.
_Typed = tuple[int, int, bytes]

#: An RRset with its owner: labels in wire form and lower case, relative to the zone and without an end; the rest as in
#: RRset. Not a class: a zone that is sent has a million of them.
Row = tuple[bytes, int, int, bytes]


class RRset(NamedTuple):
    """Records of one owner and type, in the form that they have in a node."""

    rdtype: int
    number: int
    records: bytes

    def rdatas(self) -> Iterator[bytes]:
        """The rdata of each record, uncompressed."""
        for record in each(self.records):
            yield record[12:]

    @property
    def ttl(self) -> int:
        """Seconds; of RRSIG records, which may have several TTLs, that of the first."""
        return int.from_bytes(self.records[6:10])


def each(records: bytes) -> Iterator[bytes]:
    """Each of an RRset's records."""
    at = 0
    while at < len(records):
        end = at + 12 + int.from_bytes(records[at + 10 : at + 12])
        yield records[at:end]
        at = end


class Index:
    """A compiled zone file, opened: which names it has, and their nodes.

    Fields:
        content: all of it.
        places: where the first name of each bucket begins in it; 0: it has no name.
        mask: to be laid on a name's CRC-32 for its bucket.
        asked: an octet for each bucket, for whoever answers from it; 0 at first.
        size: bytes.

    Raises:
        XferzoneError: it was made by another release, or its bytes have changed since.
    """

    __slots__ = ("_last", "_names", "asked", "content", "mask", "origin", "places", "size")

    def __init__(self, content: bytes | mmap.mmap) -> None:
        if content[:1] != bytes((VERSION,)):
            raise XferzoneError("a compiled zone file is of another release: run `xferzone rebuild`")
        with memoryview(content) as whole:
            if len(whole) < _HEADER.size or _HEADER.unpack_from(whole)[1] != zlib.crc32(
                whole[_HEADER.size :]
            ):
                raise XferzoneError(
                    "a compiled zone file is damaged: run `xferzone check`, then `xferzone rebuild`"
                )
        at = _HEADER.size + 1 + content[_HEADER.size]
        self.origin = content[_HEADER.size + 1 : at]
        _number, buckets, self._last = _COUNTS.unpack_from(content, at)
        table = at + _COUNTS.size
        self._names = table + 4 * buckets
        self.content = content
        self.places = _words(memoryview(content)[table : self._names])
        self.mask: int = buckets - 1
        self.asked = bytearray(buckets)
        self.size = len(content)

    def find(self, name: bytes) -> bytes | None:
        """The node of a name: labels in wire form and lower case, relative to the zone; None: it is not here."""
        content, head, step = self.content, NAME.unpack_from, NAME.size
        at = self.places[zlib.crc32(name) & self.mask]
        sought = name + b"\0"
        while at:
            following, size = head(content, at)
            found = content[at + step : at + step + size]
            if found.startswith(sought):
                return found[len(sought) :]
            at = following
        return None

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and node of each owner, in order; what it is below does not show."""
        content, at = self.content, self._names
        while at < self.size:
            begin = at + NAME.size
            at = begin + NAME.unpack_from(content, at)[1]
            end = begin + content[begin] + 1
            key = content[begin + 1 : end] + b"\0"  # of one label: the most are
            if content[end] or 1 in key or key.count(0) > 1 or end == begin + 1:
                labels, end = _labels(content, begin)
                key = labels_key(labels)
            else:
                end += 1
            if at - end > 1:
                node = content[end:at]
                yield key, bytes((node[0] & ~BELOW,)) + node[1:] if node[0] & BELOW else node

    def rows(self) -> Iterator[Row]:
        """All RRsets in order: `__iter__` and `rrsets` in one, for those who send a whole zone."""
        content, at, last = self.content, self._names, self.size
        name, head, step = NAME.unpack_from, RRSET.unpack_from, RRSET.size
        while at < last:
            begin = end = at + NAME.size
            at = begin + name(content, at)[1]
            while content[end]:
                end += content[end] + 1
            labels = content[begin:end]
            here = end + 2  # behind the labels' end and the flags
            while here < at:
                rdtype, number, size, more = head(content, here)
                here += step
                yield labels, rdtype, number, content[here : here + size]
                here += size + more

    @property
    def first(self) -> bytes:
        """The first owner's key."""
        return self._key(self._names)

    @property
    def last(self) -> bytes:
        """The last owner's key."""
        return self._key(self._last)

    def _key(self, at: int) -> bytes:
        return labels_key(_labels(self.content, at + NAME.size)[0])


def compile_index(records: Iterable[Record], origin: dns.name.Name) -> bytes:
    """The served form of at least one of the zone's records, which are valid and come in any order."""
    owners = {owner_key(owner): _rrsets(found) for owner, found in _by_owner(records).items()}
    name = origin.canonicalize().to_wire()
    assert name is not None
    return laid_out(owners, name)


def laid_out(owners: Mapping[bytes, Sequence[RRset]], origin: bytes) -> bytes:
    """The index of owners, by key, with their RRsets by ascending type; `origin` in wire form and lower case."""
    keys = _with_ancestors(owners)
    buckets = 1 << (len(keys) - 1).bit_length()
    table = [0] * buckets
    at = _HEADER.size + 1 + len(origin) + _COUNTS.size + 4 * buckets
    cover = None  # the key of the cut or DNAME that the next keys may lie below
    last = 0
    names = []
    for key in keys:
        labels = wire_labels(key)
        is_below = cover is not None and key.startswith(cover)
        node = _node(owners.get(key, ()), labels, origin, BELOW if is_below else 0)
        if key and not is_below and node[0] & (HAS_NS | HAS_DNAME):
            cover = key
        bucket = zlib.crc32(labels) & (buckets - 1)
        name = b"".join((NAME.pack(table[bucket], len(labels) + 1 + len(node)), labels, b"\0", node))
        names.append(name)
        table[bucket] = last = at
        at += len(name)
    head = bytes((len(origin),)) + origin + _COUNTS.pack(len(keys), buckets, last)
    body = b"".join((head, struct.pack(f"<{buckets}L", *table), *names))
    return _HEADER.pack(VERSION, zlib.crc32(body)) + body


def wire_labels(key: bytes) -> bytes:
    """The labels, in wire form and relative to the zone, of which `key` is the sort key."""
    if 1 not in key and key.count(0) == 1:
        return bytes((len(key) - 1,)) + key[:-1]
    return b"".join([bytes((len(label),)) + label for label in key_labels(key)])


def rrset(node: bytes, rdtype: int) -> RRset | None:
    """The node's RRset of that type; None: it has none."""
    at = 1
    end = len(node)
    while at < end:
        found, number, size, more = RRSET.unpack_from(node, at)
        at += RRSET.size
        if found == rdtype:
            return RRset(found, number, node[at : at + size])
        if found > rdtype:
            return None
        at += size + more
    return None


def rrsets(node: bytes) -> list[RRset]:
    """All RRsets of the node, by ascending type."""
    found = []
    at = 1
    while at < len(node):
        rdtype, number, size, more = RRSET.unpack_from(node, at)
        at += RRSET.size
        found.append(RRset(rdtype, number, node[at : at + size]))
        at += size + more
    return found


def made_rrset(rdtype: int, ttl: int, rdatas: Iterable[bytes]) -> RRset:
    """An RRset out of rdata in the order given; `ttl` in seconds."""
    pack = _RECORD.pack
    records = [pack(_TO_QUESTION, rdtype, 1, ttl, len(rdata)) + rdata for rdata in rdatas]
    return RRset(rdtype, len(records), b"".join(records))


def _by_owner(records: Iterable[Record]) -> dict[bytes, list[_Typed]]:
    owners: dict[bytes, list[_Typed]] = {}
    for owner, ttl, rdtype, rdata, _above, _behind, _line in records:
        if owner in owners:
            owners[owner].append((rdtype, ttl, rdata))
        else:
            owners[owner] = [(rdtype, ttl, rdata)]
    return owners


def _rrsets(found: Sequence[_Typed]) -> list[RRset]:
    if len(found) == 1:  # the most are such
        ((rdtype, ttl, rdata),) = found
        return [RRset(rdtype, 1, _RECORD.pack(_TO_QUESTION, rdtype, 1, ttl, len(rdata)) + rdata)]
    types: dict[int, list[tuple[int, bytes]]] = {}
    for rdtype, ttl, rdata in found:
        types.setdefault(rdtype, []).append((ttl, rdata))
    made = []
    for rdtype, pairs in sorted(types.items()):
        if len(pairs) == 1:
            made.append(made_rrset(rdtype, pairs[0][0], [pairs[0][1]]))
        else:
            made.append(_with_lowest_ttl(rdtype, pairs))
    return made


def _node(rrsets: Sequence[RRset], labels: bytes, origin: bytes, flags: int) -> bytes:
    if len(rrsets) == 1:
        ((rdtype, number, records),) = rrsets
        if rdtype not in _SPECIAL:
            return _PLAIN_NODE.pack(flags, rdtype, number, len(records), 0) + records
    parts = [b""]
    for rdtype, number, records in rrsets:
        flags |= _FLAGS.get(rdtype, 0)
        form = ready.form(labels, origin, rdtype, records) if rdtype in ready.TYPES else b""
        parts += RRSET.pack(rdtype, number, len(records), len(form)), records, form
    parts[0] = bytes((flags,))
    return b"".join(parts)


def _with_lowest_ttl(rdtype: int, pairs: Iterable[tuple[int, bytes]]) -> RRset:
    """The RRset, or all signatures in one, of TTLs and rdatas."""
    groups: dict[int, list[tuple[int, bytes]]] = {}
    for pair in pairs:
        groups.setdefault(rrset_of(rdtype, pair[1]), []).append(pair)
    made = [
        made_rrset(rdtype, min(group)[0], sorted({rdata for _ttl, rdata in group}))
        for _, group in sorted(groups.items())
    ]
    return RRset(rdtype, sum(each.number for each in made), b"".join([each.records for each in made]))


def _with_ancestors(owners: Iterable[bytes]) -> list[bytes]:
    """The keys of owners and of all names above them that are not before the first, in order."""
    found = set(owners)
    ordered = sorted(found)
    for owner in ordered:
        end = owner.rfind(0, 0, -1) + 1
        while end and owner[:end] not in found and owner[:end] > ordered[0]:
            found.add(owner[:end])
            end = owner.rfind(0, 0, end - 1) + 1
    return ordered if len(ordered) == len(found) else sorted(found)


def _words(table: memoryview) -> Sequence[int]:
    """Numbers of 4 bytes, little endian, without a copy where that can be."""
    words = table.cast("I")
    if sys.byteorder == "little":
        return words
    turned = array("I", words)
    turned.byteswap()
    return turned


def _labels(content: bytes | mmap.mmap, at: int) -> tuple[list[bytes], int]:
    """The labels at `at`, and where they end."""
    labels = []
    while size := content[at]:
        labels.append(content[at + 1 : at + 1 + size])
        at += 1 + size
    return labels, at + 1
