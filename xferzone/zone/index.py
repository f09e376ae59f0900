r"""The served form of one zone file: one bytes value, searched in place, without an object for each record.

    0    1          version, 2
    1    3          zero
    4    4          CRC-32 of all that follows
    8    1 + ...    length and wire form of the zone's name, lower case
         4          n, the number of names (here and below little endian)
         4 (n+1)    where each name's sort key begins, ascending; the last: where the last key ends
         4 (n+1)    where each name's node begins, likewise; both counted from the first byte of all
         4 n        CRC-32 of each key, ascending
         4 n        the position in the order of keys that each of these belongs to
                    the sort keys (names.py)
                    their nodes

    node            flags, then its RRsets by ascending type
    RRset           type 2, number of records 4, size in bytes of the records 4 (big endian), the records
    record          C0 0C, type, class IN, TTL, RDLENGTH, RDATA: as in a message that asks for the owner

The names are the owners, and the empty non-terminals between the first owner and the last; these have the node
EMPTY. One that lies before the first owner shows by that owner's key, which begins with its own.
The TTL of an RRset is the lowest given, and of RRSIG records the lowest of those that cover the same type; equal
records count once; their order is that of their rdata.

Source: RFC 2181 5 (RRsets), RFC 4034 6.3 (order of records); the layout is ours.
"""

import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import dns.name

from xferzone.errors import XferzoneError
from xferzone.zonefile.names import owner_key
from xferzone.zonefile.rdtypes import CNAME, DNAME, NS, rrset_of
from xferzone.zonefile.record import Record

VERSION: Final = 2

#: Flags of a node: what a search must know before it looks for a type.
HAS_NS: Final = 1
HAS_CNAME: Final = 2
HAS_DNAME: Final = 4

EMPTY: Final = b"\0"  # the node of an empty non-terminal

_FLAGS: Final = {NS: HAS_NS, CNAME: HAS_CNAME, DNAME: HAS_DNAME}
_HEADER: Final = struct.Struct("<B3xL")
_COUNT: Final = struct.Struct("<L")
_RECORD: Final = struct.Struct(">HHHLH")
RRSET: Final = struct.Struct(">HLL")  # the head of an RRset in a node: type, number of records, bytes of them
_TO_QUESTION: Final = 0xC00C  # a compression pointer to the name of the question


class RRset(NamedTuple):
    """Records of one owner and type, in the form that they have in a node."""

    rdtype: int
    number: int
    records: bytes

    def rdatas(self) -> Iterator[bytes]:
        """The rdata of each record, uncompressed."""
        at = 0
        while at < len(self.records):
            size = int.from_bytes(self.records[at + 10 : at + 12])
            yield self.records[at + 12 : at + 12 + size]
            at += 12 + size

    @property
    def ttl(self) -> int:
        """Seconds; of RRSIG records, which may have several TTLs, that of the first."""
        return int.from_bytes(self.records[6:10])


class Index:
    """A compiled zone file, opened: which names it has, and their nodes.

    Raises:
        XferzoneError: it was made by another release, or its bytes have changed since.
    """

    __slots__ = ("_content", "_count", "_hashes", "_keys", "_nodes", "_positions", "origin", "size")

    def __init__(self, content: bytes) -> None:
        if content[:1] != bytes((VERSION,)):
            raise XferzoneError("a compiled zone file is of another release: run `xferzone rebuild`")
        if len(content) < _HEADER.size or _HEADER.unpack_from(content)[1] != zlib.crc32(
            content[_HEADER.size :]
        ):
            raise XferzoneError(
                "a compiled zone file is damaged: run `xferzone check`, then `xferzone rebuild`"
            )
        at = _HEADER.size + 1 + content[_HEADER.size]
        self.origin = content[_HEADER.size + 1 : at]
        (self._count,) = _COUNT.unpack_from(content, at)
        at += 4
        self._keys = _table(content, at, self._count + 1)
        at += 4 * (self._count + 1)
        self._nodes = _table(content, at, self._count + 1)
        at += 4 * (self._count + 1)
        self._hashes = _table(content, at, self._count)
        self._positions = _table(content, at + 4 * self._count, self._count)
        self._content = content
        self.size = len(content)  # bytes

    def find(self, key: bytes) -> bytes | None:
        """The node of the name of that key; None: no such name is here."""
        hashes = self._hashes
        sought = zlib.crc32(key)
        at = bisect_left(hashes, sought)
        while at < self._count and hashes[at] == sought:
            position = self._positions[at]
            if self.key(position) == key:
                return self._content[self._nodes[position] : self._nodes[position + 1]]
            at += 1
        return None

    def key(self, position: int) -> bytes:
        """The key of the name at `position`, from 0, in the order of keys."""
        return self._content[self._keys[position] : self._keys[position + 1]]

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and node of each owner, in order."""
        for position in range(self._count):
            node = self._content[self._nodes[position] : self._nodes[position + 1]]
            if node != EMPTY:
                yield self.key(position), node

    @property
    def first(self) -> bytes:
        """The first owner's key."""
        return self.key(0)

    @property
    def last(self) -> bytes:
        """The last owner's key."""
        return self.key(self._count - 1)


def compile_index(records: Iterable[Record], origin: dns.name.Name) -> bytes:
    """The served form of at least one of the zone's records, which are valid and come in any order."""
    nodes = {owner_key(owner): _node(types) for owner, types in _by_owner(records).items()}
    owners = sorted(nodes)
    for owner in owners:
        _add_ancestors(nodes, owner, owners[0])
    keys = owners if len(owners) == len(nodes) else sorted(nodes)
    values = [nodes[key] for key in keys]
    hashes = [zlib.crc32(key) for key in keys]
    positions = sorted(range(len(keys)), key=hashes.__getitem__)
    name = origin.canonicalize().to_wire()
    assert name is not None
    head = bytes((len(name),)) + name + _COUNT.pack(len(keys))
    key_offsets = _offsets(_HEADER.size + len(head) + 16 * len(keys) + 8, keys)
    node_offsets = _offsets(key_offsets[-1], values)
    tables = map(_packed, (key_offsets, node_offsets, sorted(hashes), positions))
    body = b"".join([head, *tables, *keys, *values])
    return _HEADER.pack(VERSION, zlib.crc32(body)) + body


def rrset(node: bytes, rdtype: int) -> RRset | None:
    """The node's RRset of that type; None: it has none."""
    at = 1
    end = len(node)
    while at < end:
        found, number, size = RRSET.unpack_from(node, at)
        at += RRSET.size
        if found == rdtype:
            return RRset(found, number, node[at : at + size])
        if found > rdtype:
            return None
        at += size
    return None


def rrsets(node: bytes) -> list[RRset]:
    """All RRsets of the node, by ascending type."""
    found = []
    at = 1
    while at < len(node):
        rdtype, number, size = RRSET.unpack_from(node, at)
        at += RRSET.size
        found.append(RRset(rdtype, number, node[at : at + size]))
        at += size
    return found


def made_rrset(rdtype: int, ttl: int, rdatas: Iterable[bytes]) -> RRset:
    """An RRset out of rdata in the order given; `ttl` in seconds."""
    pack = _RECORD.pack
    records = [pack(_TO_QUESTION, rdtype, 1, ttl, len(rdata)) + rdata for rdata in rdatas]
    return RRset(rdtype, len(records), b"".join(records))


def _by_owner(records: Iterable[Record]) -> dict[bytes, dict[int, list[tuple[int, bytes]]]]:
    owners: dict[bytes, dict[int, list[tuple[int, bytes]]]] = {}
    for owner, ttl, rdtype, rdata, *_ in records:
        owners.setdefault(owner, {}).setdefault(rdtype, []).append((ttl, rdata))
    return owners


def _node(types: dict[int, list[tuple[int, bytes]]]) -> bytes:
    flags = 0
    parts = []
    for rdtype, pairs in sorted(types.items()):
        flags |= _FLAGS.get(rdtype, 0)
        if len(pairs) == 1:
            ((ttl, rdata),) = pairs
            size = 12 + len(rdata)
            parts.append(
                RRSET.pack(rdtype, 1, size) + _RECORD.pack(_TO_QUESTION, rdtype, 1, ttl, len(rdata)) + rdata
            )
        else:
            made = _with_lowest_ttl(rdtype, pairs)
            parts.append(RRSET.pack(rdtype, made.number, len(made.records)) + made.records)
    return bytes((flags,)) + b"".join(parts)


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


def _add_ancestors(nodes: dict[bytes, bytes], owner: bytes, first: bytes) -> None:
    """Give an EMPTY node to each name above `owner` that has none and is not before `first`."""
    end = owner.rfind(b"\0", 0, -1) + 1
    while end and owner[:end] not in nodes and owner[:end] > first:
        nodes[owner[:end]] = EMPTY
        end = owner.rfind(b"\0", 0, end - 1) + 1


def _offsets(start: int, values: Sequence[bytes]) -> list[int]:
    return list(accumulate(map(len, values), initial=start))


def _packed(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}L", *numbers)


def _table(content: bytes, at: int, size: int) -> Sequence[int]:
    table = memoryview(content)[at : at + 4 * size].cast("I")
    if sys.byteorder == "little":
        return table
    swapped = array("I", table)
    swapped.byteswap()
    return swapped
