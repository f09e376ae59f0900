"""Records as a message holds them: a name is written once, then pointed to.

    question     name at 12, type 2, class 2
    body         records; each name in them is  labels not written yet, then a pointer C0 00 + offset, or 00

Offsets are those of the message, and a pointer leads below 4000. Names compare by their octets: all but the question's
are in lower case, and so is that one here. The root is written 00.

Source: RFC 1035 4.1.4 and 3.3, RFC 3597 4 (only the types of RFC 1035 have their names compressed).
"""

import struct
from typing import Final

from xferzone.zonefile.rdtypes import CNAME, MB, MD, MF, MG, MINFO, MR, MX, NS, PTR, SOA

QUESTION: Final = 12  # where the name of the question begins
TO_QUESTION: Final = b"\xc0\x0c"

#: Types whose rdata may be compressed: octets before the names, and how many names. RFC 1035 3.3.
COMPRESSED: Final = {
    **dict.fromkeys((NS, MD, MF, CNAME, MB, MG, MR, PTR), (0, 1)),
    **dict.fromkeys((SOA, MINFO), (0, 2)),
    MX: (2, 1),
}

_POINTER: Final = struct.Struct(">H")


class Body:
    """What follows a question for `name` (wire form, lower case): records, one after the other.

    Fields:
        written: the records.
        pointers: where in `written` pointers to names stand; those of records that were put as they are do not count.
    """

    __slots__ = ("_name", "_offsets", "_start", "pointers", "written")

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._start = QUESTION + len(name) + 4
        self._offsets: dict[bytes, int] = {}  # what has been written where, by wire form
        self.written = bytearray()
        self.pointers: list[int] = []

    def put(self, owner: bytes, rdtype: int, records: bytes) -> None:
        """Write records of an RRset that zone/index.py has laid out."""
        rewriting = COMPRESSED.get(rdtype)
        if rewriting is not None:
            self._put_compressed(owner, records, *rewriting)
        elif owner == self._name:
            self.written += records
        else:
            self._put_owned(owner, records)

    def put_name(self, name: bytes) -> None:
        """Write a name."""
        written = self.written
        if name == self._name:
            self.pointers.append(len(written))
            written += TO_QUESTION
            return
        offsets = self._offsets
        if not offsets:
            _note(offsets, self._name, QUESTION)
        here = self._start + len(written)
        at = 0
        while name[at]:
            offset = offsets.get(name[at:])
            if offset is not None:
                written += name[:at]
                self.pointers.append(len(written))
                written += _POINTER.pack(0xC000 | offset)
                return
            if here + at < 0x4000:
                offsets[name[at:]] = here + at
            at += name[at] + 1
        written += name

    def _put_owned(self, owner: bytes, records: bytes) -> None:
        at = 0
        while at < len(records):
            end = at + 12 + int.from_bytes(records[at + 10 : at + 12])
            self.put_name(owner)
            self.written += records[at + 2 : end]
            at = end

    def _put_compressed(self, owner: bytes, records: bytes, before: int, names: int) -> None:
        written = self.written
        at = 0
        while at < len(records):
            end = at + 12 + int.from_bytes(records[at + 10 : at + 12])
            self.put_name(owner)
            written += records[at + 2 : at + 12 + before]
            begin = len(written) - before
            at += 12 + before
            for _ in range(names):
                end_of_name = name_end(records, at)
                self.put_name(records[at:end_of_name])
                at = end_of_name
            written += records[at:end]
            written[begin - 2 : begin] = (len(written) - begin).to_bytes(2)
            at = end


def name_end(wire: bytes, at: int) -> int:
    """Where the name at `at` ends."""
    while length := wire[at]:
        if length >= 0xC0:
            return at + 2
        if length > 63:
            raise ValueError("an unknown kind of label")
        at += length + 1
    return at + 1


def relative(name: bytes, origin: bytes) -> bytes | None:
    """The labels of a name before those of `origin`, both in wire form and lower case; None: it is not below it."""
    at = 0
    end = len(name) - len(origin)
    while at < end:
        at += name[at] + 1
    return name[:end] if at == end and name[at:] == origin else None


def _note(offsets: dict[bytes, int], name: bytes, offset: int) -> None:
    """Remember that `name` is written at `offset`, and so its ends are."""
    at = 0
    while name[at]:
        offsets[name[at:]] = offset + at
        at += name[at] + 1
