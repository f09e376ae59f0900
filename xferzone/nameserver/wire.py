"""DNS messages by hand: a question in, an answer out.

    header      id 2, flags 2, QDCOUNT 2, ANCOUNT 2, NSCOUNT 2, ARCOUNT 2
    flags       QR 8000 opcode 7800 AA 0400 TC 0200 RD 0100 RA 0080 Z 0040 AD 0020 CD 0010 RCODE 000F
    question    name, type 2, class 2
    record      name, type 2, class 2, TTL 4, RDLENGTH 2, RDATA
    OPT         00, 00 29, UDP size 2, high bits of RCODE 1, version 1, DO and 15 zero bits 2, RDLENGTH 2, options
    options     edns.py
    TSIG        key, 00 FA, 00 FF, TTL 0, RDLENGTH 2, algorithm, time 6, fudge 2, MAC size 2, MAC, ID 2, error 2,
                size 2, other

Parsing is strict where a sloppy reading would be a guess: what the counts announce must be there, and a question's
name holds no pointers (nothing stands before it). Records other than OPT and TSIG are walked over, and so is what
stands behind the last. What cannot be read is answered FORMERR, with the question if that was readable. A
signed message that nobody has verified before is told that its key is unknown: a TSIG without MAC, its error BADKEY.

Names compare and compress without regard to case. Since names in a zone are kept in lower case, the bytes after
the question are the same for every spelling of it; the question itself goes back as it came.

Source: RFC 1035 4.1, RFC 6891 6.1, RFC 3597 4 (only the types of RFC 1035 have their names compressed),
RFC 2181 9 (TC), RFC 9471 (glue), RFC 4035 3.1.6 (CD is cleared), RFC 8945 4.2, 5.1 and 5.2 (TSIG).
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from xferzone.nameserver.edns import Edns, check_options
from xferzone.zone.compression import Body, name_end
from xferzone.zone.index import RRset
from xferzone.zonefile.rdtypes import OPT, TSIG

NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
YXDOMAIN: Final = 6
NOTAUTH: Final = 9
BADVERS: Final = 16
BADCOOKIE: Final = 23

OUR_SIZE: Final = 1232  # bytes of a UDP answer at most, and what our OPT offers; DNS flag day 2020
SMALLEST_SIZE: Final = 512  # bytes of a UDP answer that everybody takes, RFC 1035 2.3.4
LARGEST_SIZE: Final = 65535  # bytes of a TCP answer

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
OPCODES: Final = 0x7800
DO: Final = 0x8000  # in the OPT record's flags

_CLASS_ANY: Final = 255
_BADKEY: Final = 17
_MAX_NAME: Final = 255
_HEADER: Final = struct.Struct(">HHHHH")
_SHORTEST_RECORD: Final = 11  # bytes
_OPT_RECORD: Final = struct.Struct(">BHHBBHH")
_OPT_FIELDS: Final = struct.Struct(">HHBBHH")
RECORD_FIELDS: Final = struct.Struct(">HHLH")
_TSIG_TIME: Final = 8  # bytes, with the fudge
_TSIG_END: Final = struct.Struct(">HHH")
_TYPE_AND_CLASS: Final = struct.Struct(">HH")


class Query(NamedTuple):
    """A message to be answered.

    Fields:
        id: its two bytes.
        question: name, type and class as they came; empty if they could not be read or were not just one.
        name: wire form in lower case.
        edns: None: no OPT that could be read.
        tsig: the record that goes with the answer NOTAUTH; empty: it is not signed, or there is no room for that.
        fault: FORMERR, BADVERS, NOTAUTH (signed), or NOERROR if it can be answered by what it asks.
        asks_nothing: it has no question, and else no fault.
    """

    id: bytes
    flags: int
    question: bytes = b""
    name: bytes = b""
    rdtype: int = 0
    rdclass: int = 0
    edns: Edns | None = None
    fault: int = NOERROR
    tsig: bytes = b""
    asks_nothing: bool = False

    @property
    def opcode(self) -> int:
        return (self.flags & OPCODES) >> 11


class Answer:
    """What a view answers, before it is fitted into a message.

    Every RRset comes with its owner in wire form and lower case. If `glue` does not fit, the message is truncated; of
    `additional`, as much is sent as fits. `own` is set if the zone itself has the question's name: clients cannot
    invent more of those.
    """

    __slots__ = ("additional", "answer", "authoritative", "authority", "glue", "own", "rcode")

    def __init__(self) -> None:
        self.rcode = NOERROR
        self.authoritative = True
        self.own = False
        self.answer: list[tuple[bytes, RRset]] = []
        self.authority: list[tuple[bytes, RRset]] = []
        self.glue: list[tuple[bytes, RRset]] = []
        self.additional: list[tuple[bytes, RRset]] = []


def parse(wire: bytes) -> Query | None:
    """What the message asks; None: it deserves no answer, being one itself or shorter than a header."""
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    flags, questions, *counts = _HEADER.unpack_from(wire, 2)
    question = name = b""
    rdtype = rdclass = 0
    edns = tsig = None
    fault = FORMERR
    asks_nothing = False
    try:
        at = _question_end(wire, 12) if questions else 12
        if questions == 1:
            question = wire[12:at]
            name = question[:-4].lower()
            rdtype, rdclass = _TYPE_AND_CLASS.unpack_from(wire, at - 4)
        for _ in range(questions - 1):
            at = _question_end(wire, at)
        version = 0
        if any(counts):
            edns, version, tsig = _records(wire, at, counts)
        if questions == 1:
            fault = BADVERS if version else NOERROR if tsig is None else NOTAUTH
        asks_nothing = not (questions or version or tsig)
    except (IndexError, struct.error, ValueError):
        pass  # FORMERR, with what was read so far
    if tsig is None or 12 + len(question) + _OPT_RECORD.size + len(tsig) > SMALLEST_SIZE:
        tsig = b""
    return Query(wire[:2], flags, question, name, rdtype, rdclass, edns, fault, tsig, asks_nothing)


def size_limit(query: Query) -> int:
    """Bytes that an answer by UDP should have: one of two sizes, so that few kinds of answers are cached."""
    return OUR_SIZE if query.edns is not None and query.edns.size >= OUR_SIZE else SMALLEST_SIZE


def size_offered(query: Query) -> int:
    """Bytes that an answer by UDP may have."""
    return SMALLEST_SIZE if query.edns is None else min(max(SMALLEST_SIZE, query.edns.size), OUR_SIZE)


def error(query: Query, rcode: int, options: bytes = b"") -> bytes:
    """The answer that holds nothing but `rcode`, and `options` if it was asked with an OPT record."""
    return _message(query, 0, rcode, (0, 0, 0), b"", options)


def truncated(query: Query, rcode: int, flags: int, options: bytes = b"") -> bytes:
    """The answer without records that has those `flags`, and tells the client to ask again by TCP."""
    return _message(query, flags | TC, rcode, (0, 0, 0), b"", options)


def render(query: Query, answer: Answer, limit: int, options: bytes = b"") -> bytes:
    """The message that says `answer` in at most `limit` bytes, with `options` if it was asked with an OPT record.

    RRsets are whole or left out; TC means that a needed one was left out, and that nothing follows.
    """
    body = _Fitted(query, limit - len(options))
    flags = AA if answer.authoritative else 0
    for section, rrsets in enumerate((answer.answer, answer.authority, answer.glue)):
        if rrsets and not body.put_all(section, rrsets):
            return _message(query, flags | TC, answer.rcode, body.counts, body.written, options)
    if answer.additional:
        body.put_all(2, answer.additional)
    return _message(query, flags, answer.rcode, body.counts, body.written, options)


def of_records(query: Query, count: int, records: bytes | bytearray) -> bytes:
    """The authoritative answer that holds these `count` records, made elsewhere."""
    return _message(query, AA, NOERROR, (count, 0, 0), records)


def with_options(message: bytes, options: bytes) -> bytes:
    """The message, which ends with an OPT record that has no options, with these."""
    return message[:-2] + len(options).to_bytes(2) + options


def _question_end(wire: bytes, at: int) -> int:
    start = at
    while length := wire[at]:
        if length > 63:
            raise ValueError("a pointer or an unknown kind of label in a question")
        at += length + 1
    if at + 1 - start > _MAX_NAME or at + 5 > len(wire):
        raise ValueError("a name of over 255 octets, or no type and class after it")
    return at + 5


def _records(wire: bytes, at: int, counts: Sequence[int]) -> tuple[Edns | None, int, bytes | None]:
    """The OPT record of the records from `at` on, its version, and the answer to a TSIG; None: no TSIG."""
    edns = tsig = None
    version = 0
    for section, count in enumerate(counts):
        for _ in range(count):
            begin = at
            at = name_end(wire, at)
            rdtype, size, _extended, opt_version, flags, length = _OPT_FIELDS.unpack_from(wire, at)
            at += 10 + length
            if tsig is not None:
                raise ValueError("something follows TSIG")
            if rdtype == TSIG:
                if section != 2 or size != _CLASS_ANY:
                    raise ValueError("TSIG is misplaced, or its class is wrong")
                tsig = _bad_key(wire, begin, wire[at - length : at])
            if rdtype != OPT:
                continue
            if edns is not None or section != 2 or wire[begin]:
                raise ValueError("OPT is there twice, or misplaced, or not at the root")
            if length:
                check_options(wire[at - length : at])
            edns = Edns(size, bool(flags & DO), wire[at - length : at])
            version = opt_version
    if at > len(wire):
        raise ValueError("a record is cut short")
    return edns, version, tsig


def _bad_key(wire: bytes, begin: int, rdata: bytes) -> bytes:
    """The TSIG record that says that the key of the one at `begin`, of that rdata, is unknown."""
    key = expanded(wire, begin)
    expanded(rdata, 0)
    at = name_end(rdata, 0)
    signed = rdata[: at + _TSIG_TIME]
    at += _TSIG_TIME + 2 + int.from_bytes(rdata[at + _TSIG_TIME : at + _TSIG_TIME + 2])
    original, _error, other = _TSIG_END.unpack_from(rdata, at)
    if at + _TSIG_END.size + other != len(rdata):
        raise ValueError("TSIG is cut short, or something follows it")
    rdata = signed + b"\0\0" + _TSIG_END.pack(original, _BADKEY, 0)
    return key + RECORD_FIELDS.pack(TSIG, _CLASS_ANY, 0, len(rdata)) + rdata


def expanded(wire: bytes, at: int) -> bytes:
    """The name at `at`, without pointers; those that are there lead backwards."""
    name = b""
    begin = at
    while length := wire[at]:
        if length >= 0xC0:
            at = (length & 0x3F) << 8 | wire[at + 1]
            if at >= begin:
                raise ValueError("a pointer that does not lead backwards")
            begin = at
        elif length > 63 or len(name) + length + 2 > _MAX_NAME:
            raise ValueError("an unknown kind of label, or a name of over 255 octets")
        else:
            name += wire[at : at + length + 1]
            at += length + 1
    return name + b"\0"


# many: what a header says, and its message
def _message(
    query: Query, flags: int, rcode: int, counts: Sequence[int], body: bytes | bytearray, options: bytes = b""
) -> bytes:
    flags |= QR | query.flags & (OPCODES | RD) | rcode & 15
    answers, authorities, additionals = counts
    opt = b""
    if query.edns is not None:
        additionals += 1
        do = DO if query.edns.dnssec_ok else 0
        opt = _OPT_RECORD.pack(0, OPT, OUR_SIZE, rcode >> 4, 0, do, len(options)) + options
    if rcode == NOTAUTH and query.tsig:
        additionals += 1
        opt += query.tsig
    header = _HEADER.pack(flags, 1 if query.question else 0, answers, authorities, additionals)
    return b"".join((query.id, header, query.question, body, opt))


class _Fitted(Body):
    """Records, written one RRset after the other until one does not fit."""

    __slots__ = ("_room", "counts")

    def __init__(self, query: Query, limit: int) -> None:
        super().__init__(query.name)
        self.counts = [0, 0, 0]
        self._room = limit - 12 - len(query.question) - (0 if query.edns is None else _OPT_RECORD.size)

    def put_all(self, section: int, rrsets: Sequence[tuple[bytes, RRset]]) -> bool:
        """Write RRsets into a section; whether all of them fitted. Nothing may be put after one that did not fit."""
        written = self.written
        for owner, rrset in rrsets:
            mark = len(written)
            if rrset.number * _SHORTEST_RECORD > self._room:
                return False
            self.put(owner, rrset.rdtype, rrset.records)
            if len(written) > self._room:
                del written[mark:]
                return False
            self.counts[section] += rrset.number
        return True
