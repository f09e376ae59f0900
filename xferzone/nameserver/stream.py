"""A stream of records as the messages of a transfer.

    message     header, the question, records; of the records as many as fit SIZE bytes
    owner       its labels, then a pointer to the nearest name above it that the message has; its further records
                point to it
    rdata       names in the types of RFC 1035 are compressed

A pointer reaches 16,384 bytes far, so that is the size of a message: in a larger one names could not be shortened.

Source: RFC 5936 2.2 (a transfer's messages), 3.4 (compression); RFC 1035 4.1.4; RFC 1995 3 (an IXFR's question).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from xferzone.nameserver.wire import RECORD_FIELDS, Query, of_records
from xferzone.zone.compression import COMPRESSED, name_end
from xferzone.zone.index import Row, RRset, each
from xferzone.zonefile.rdtypes import SOA

SIZE: Final = 16_384  # bytes of a message; knotd's are as long, BIND's 20 kB
_TO_ORIGIN: Final = b"\xc0\x0c"  # a pointer to the question's name
_POINTER: Final = 0xC000
_POINTERS: Final = struct.Struct(">H")


def messages(query: Query, rows: Iterable[Row], reserved: int = 0, limit: int = SIZE) -> Iterator[bytes]:
    """The messages that answer `query`, the name of whose question is the zone's, with these RRsets in their order.

    At most `limit` bytes each, less `reserved` for a signature, unless a single record is longer.
    """
    message = _Message(query, limit - reserved)
    for owner, rdtype, number, records in rows:
        for record in (records,) if number == 1 else each(records):
            if not message.put(owner, record, rdtype):
                yield message.whole()
                message = _Message(query, limit - reserved)
                message.put(owner, record, rdtype)
    if message.count:
        yield message.whole()


class _Message:
    """A message that is being filled."""

    __slots__ = ("_above", "_names", "_query", "_room", "_start", "_written", "count")

    def __init__(self, query: Query, limit: int) -> None:
        self._query = query
        self._start = 12 + len(query.question)
        self._room = limit - self._start - (0 if query.edns is None else 11)
        self._written = bytearray()
        self._above = {b"": _TO_ORIGIN}  # by their labels, pointers to owners written here
        self._names: dict[bytes, int] = {}  # by wire form, pointers to names in rdata
        self.count = 0

    def put(self, owner: bytes, record: bytes, rdtype: int) -> bool:
        """Write a record, given as an index has it; False: it does not fit. A message takes at least one."""
        written, above = self._written, self._above
        mark = len(written)
        pointer = above.get(owner)
        if pointer is None:
            self._put_owner(owner)
        else:
            written += pointer
        if rdtype in COMPRESSED:
            self._put_compressed(record, *COMPRESSED[rdtype])
        else:
            written += record[2:]
        if len(written) > self._room and self.count:
            del written[mark:]
            return False
        self.count += 1
        return True

    def whole(self) -> bytes:
        return of_records(self._query, self.count, self._written)

    def _put_owner(self, owner: bytes) -> None:
        """Write a name by its labels, and a pointer to the rest; from here on it can be pointed to."""
        written, above = self._written, self._above
        pointer = None
        while pointer is None:
            place = self._start + len(written)
            if place < 0x4000:
                above[owner] = _POINTERS.pack(_POINTER | place)
            end = owner[0] + 1
            written += owner[:end]
            owner = owner[end:]
            pointer = above.get(owner)
        written += pointer

    def _put_compressed(self, record: bytes, before: int, names: int) -> None:
        """Write a record, without its owner, whose rdata has so many octets before so many names."""
        written = self._written
        at = 12 + before
        written += record[2:at]
        begin = len(written) - before
        for _ in range(names):
            end = name_end(record, at)
            self._put_name(record[at:end])
            at = end
        written += record[at:]
        written[begin - 2 : begin] = (len(written) - begin).to_bytes(2)

    def _put_name(self, name: bytes) -> None:
        names, written = self._names, self._written
        if not names:
            _note(names, self._query.name, 12)
        at = 0
        while name[at]:
            pointer = names.get(name[at:])
            if pointer is not None:
                written += pointer.to_bytes(2)
                return
            place = self._start + len(written)
            if place < 0x4000:
                names[name[at:]] = _POINTER | place
            written += name[at : at + name[at] + 1]
            at += name[at] + 1
        written.append(0)


def asked_serial(wire: bytes) -> int:
    """The serial that the sender of an IXFR has: that of the SOA record in its authority section.

    Raises:
        ValueError, IndexError, struct.error: there is no such record.
    """
    at = name_end(wire, 12) + 4
    end = name_end(wire, at)
    rdtype, _, _, size = RECORD_FIELDS.unpack_from(wire, end)
    begin = end + RECORD_FIELDS.size
    if rdtype != SOA or wire[6:8] != b"\0\0" or begin + size > len(wire):
        raise ValueError("an IXFR without the SOA of its sender")
    at = name_end(wire, name_end(wire, begin))
    return int.from_bytes(wire[at : at + 4])


def soa(serial: int, of: RRset) -> RRset:
    """The SOA RRset `of`, with that serial."""
    assert of.rdtype == SOA
    return RRset(SOA, 1, of.records[:-20] + serial.to_bytes(4) + of.records[-16:])


def _note(names: dict[bytes, int], name: bytes, place: int) -> None:
    """Remember that `name` is written at `place`, and so its ends are."""
    at = 0
    while name[at]:
        names[name[at:]] = _POINTER | place + at
        at += name[at] + 1
