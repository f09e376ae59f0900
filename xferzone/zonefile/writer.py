r"""Records to zone text in canonical form (docs/architecture.md, Data model), fixed for ever.

    $TTL n ; comment behind it               once, before all others: the zone's default TTL

    ; comments that stand above it
    owner TTL type rdata ; comment behind it

    owners        relative to the zone, in lower case, in canonical order, on every line; the apex is @
    per owner     SOA, then types by number; equal types by the octets of their rdata (RFC 4034 6.3)
    per RRset     one TTL, the lowest given; equal records are one, which keeps the comments of all; signatures
                  of each type covered are an RRset of their own
    type, rdata   presentation form for rdtypes.PRESENTED, else and where that would not read back:
                  TYPEn \# length hex

People are shown lines of the same records in the same order, with every type that has a presentation form in it.

Source: the form is ours; RFC 4034 6.1, 6.3 (order), RFC 2181 5.2 (one TTL), RFC 3597 5.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from xferzone.zonefile import names, rdtypes
from xferzone.zonefile.rdata import layouts, values
from xferzone.zonefile.rdata.fields import Form, NameCodec
from xferzone.zonefile.rdata.names import NameWriter
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import DefaultTTL

_THREE = struct.Struct(">3H")
_Sortable = tuple[bytes, int, bytes, tuple[bytes, ...], bytes, Record]


def in_order(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """The records of a zone in canonical order, each once and with the TTL of its RRset; and, for the RRsets
    whose TTLs differed, the record of the lowest."""
    made: list[Record] = []
    differing: list[Record] = []
    for _, group in groupby(sorted(map(_sortable(), records)), key=itemgetter(0, 1)):
        rrset = [entry[5] for entry in group]
        if len(rrset) > 1:
            lowest = min(rrset, key=lambda record: record.ttl)
            if any(record.ttl != lowest.ttl for record in rrset):
                differing.append(lowest)
            rrset = [
                _merged(list(same), lowest.ttl) for _, same in groupby(rrset, key=lambda record: record.rdata)
            ]
        made += rrset
    return made, differing


class LineWriter:
    """Records of one zone to lines, canonical ones or (`is_shown`) those for people; remembers the names it wrote."""

    def __init__(self, origin: Sequence[bytes] | None, *, is_shown: bool = False) -> None:
        self._relative, self._absolute = NameWriter(origin), NameWriter(None)
        self._writers = _writers(self._relative)
        self._is_shown = is_shown

    def line(self, record: Record) -> bytes:
        """The record's line, without comments and line feed."""
        owner, ttl, rdtype, wire = record[:4]
        known = self._writers.get(rdtype)
        if known:
            return b"%b %d %b %b" % (owner, ttl, rdtypes.PRESENTED[rdtype], known(wire))
        kind, text = self.type_and_rdata(rdtype, wire)
        return b"%b %d %b %b" % (owner, ttl, kind, text)

    def type_and_rdata(self, rdtype: int, wire: bytes) -> tuple[bytes, bytes]:
        """The two fields behind a TTL."""
        name = self._relative if rdtype in rdtypes.RELATIVE else self._absolute
        if self._is_shown:
            kind = rdtypes.type_name(rdtype).encode("ascii")
            return kind, layouts.for_people(rdtype, wire, name) or layouts.generic_text(wire)
        text = layouts.presented(rdtype, wire, Form(name))
        if text is None:
            return b"TYPE%d" % rdtype, layouts.generic_text(wire)
        return rdtypes.PRESENTED[rdtype], text

    def text(self, record: Record) -> bytes:
        """The record's line with its comments, line feeds included."""
        if not record.above and not record.behind:
            return self.line(record) + b"\n"
        behind = b" " + record.behind if record.behind else b""
        return b"".join([comment + b"\n" for comment in record.above]) + self.line(record) + behind + b"\n"


def blocks(
    records: Sequence[Record], writer: LineWriter, default: DefaultTTL | None
) -> Iterator[tuple[bytes, bytes]]:
    """Each owner of records that are in order, with the text of its records.

    The apex's begins with the default TTL: that of the SOA, if `default` is None and there is one.
    """
    if default is None and records and records[0].rdtype == rdtypes.SOA:
        default = DefaultTTL(records[0].ttl)
    for owner, group in groupby(records, key=itemgetter(0)):
        head = _default_line(default) if default and owner == b"@" else b""
        yield owner, b"".join([head, *[writer.text(record) for record in group]])


def _default_line(default: DefaultTTL) -> bytes:
    behind = b" " + default.behind if default.behind else b""
    return b"$TTL %d%b\n" % (default.ttl, behind)


def _sortable() -> Callable[[Record], _Sortable]:
    keys: dict[bytes, bytes] = {}

    def sortable(record: Record) -> _Sortable:
        owner, _, rdtype, wire, above, behind, _ = record
        key = keys.get(owner)
        if key is None:
            key = keys[owner] = names.owner_key(owner)
        group = 0 if rdtype == rdtypes.SOA else rdtypes.rrset_of(rdtype, wire)
        return key, group, wire, above, behind, record

    return sortable


def _merged(same: Sequence[Record], ttl: int) -> Record:
    """One record for several that differ in TTL and comments only."""
    first = same[0]
    if len(same) == 1 or not any(record.above or record.behind for record in same):
        return first if first.ttl == ttl else first._replace(ttl=ttl)
    behind, *others = dict.fromkeys(record.behind for record in same if record.behind) or [b""]
    above = b"\n"
    # A block of comments that stands in another already is not repeated: hence the longest first.
    blocks = sorted({record.above for record in same}, key=lambda block: (-len(block), block))
    for block in [*blocks, *((comment,) for comment in others)]:
        text = b"".join([comment + b"\n" for comment in block])
        if b"\n" + text not in above:
            above += text
    return first._replace(ttl=ttl, above=tuple(above.split(b"\n")[1:-1]), behind=behind)


def _writers(name: NameCodec) -> Mapping[int, Callable[[bytes], bytes]]:
    """Types that zones are made of -> what writes their rdata, which always has a text, as layouts.presented does,
    only faster."""

    def mx(wire: bytes) -> bytes:
        return b"%d %b" % (wire[0] << 8 | wire[1], name(wire[2:]))

    def srv(wire: bytes) -> bytes:
        return b"%d %d %d %b" % (*_THREE.unpack_from(wire), name(wire[6:]))

    def txt(wire: bytes) -> bytes:
        if wire[0] == len(wire) - 1:
            return values.quoted(wire[1:])
        return layouts.presented(rdtypes.TXT, wire, Form(name)) or b""

    return {
        rdtypes.A: values.ipv4_text,
        rdtypes.AAAA: values.ipv6_text,
        **dict.fromkeys((rdtypes.NS, rdtypes.CNAME, rdtypes.DNAME, rdtypes.PTR), name),
        rdtypes.MX: mx,
        rdtypes.SRV: srv,
        rdtypes.TXT: txt,
        rdtypes.SPF: txt,
    }
