"""Zones for tests, straight from their text to a view; and messages in a form that is easy to compare.

view = view_of(TEXT, "example.test.", parts=3)
zones = zones_of(view, ...)
said(respond(question("www.example.test.", "A"), zones, tcp=False)) == Said("NOERROR", True, {...}, ...)
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from xferzone.nameserver.view import View
from xferzone.nameserver.zones import Zones
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile import text
from xferzone.zonefile.names import owner_key
from xferzone.zonefile.record import Record


@dataclass(frozen=True)
class Said:
    """An answer: each section as a set of records in lower-case presentation form."""

    rcode: str
    authoritative: bool
    answer: frozenset[str]
    authority: frozenset[str]
    additional: frozenset[str]

    @property
    def settled(self) -> tuple[object, ...]:
        """What right servers agree on: the authority section counts on negative answers and referrals only."""
        positive = self.answer and self.authoritative and self.rcode == "NOERROR"
        bare = positive and not any(" in soa " in record for record in self.authority)
        return self.rcode, self.authoritative, self.answer, frozenset() if bare else self.authority


def view_of(zone: str, origin: str, *, serial: int | None = None, parts: int = 1) -> View:
    """The zone of that text; its own serial if None is given; compiled into about so many parts."""
    name = dns.name.from_text(origin)
    return view_of_records(text.read(zone.encode(), name), name, serial=serial, parts=parts)


def view_of_records(
    records: list[Record], origin: dns.name.Name, *, serial: int | None = None, parts: int = 1
) -> View:
    """The zone of those records, which may be in any order."""
    if serial is None:
        (soa,) = [record for record in records if record.rdtype == 6]
        serial = int.from_bytes(soa.rdata[-20:-16])
    made = [Index(compile_index(piece, origin)) for piece in pieces(records, parts)]
    wire = origin.canonicalize().to_wire()
    assert wire is not None
    return View(wire, serial, [(part.first, number) for number, part in enumerate(made)], made.__getitem__)


def pieces(records: list[Record], parts: int) -> list[list[Record]]:
    """The records in owner order, cut into about `parts` pieces between owners."""
    owners = sorted({record.owner for record in records}, key=owner_key)
    size = -(-len(owners) // parts)
    place = {owner: number // size for number, owner in enumerate(owners)}
    cut: list[list[Record]] = [[] for _ in range(place[owners[-1]] + 1)]
    for record in records:
        cut[place[record.owner]].append(record)
    return cut


def zones_of(*views: View) -> Zones:
    """These zones, served."""
    zones = Zones()
    for view in views:
        serve(zones, view)
    return zones


def serve(zones: Zones, view: View) -> None:
    """Add or replace a zone."""
    zones.put(view.origin, lambda: view)


def question(name: str, rdtype: str, *, size: int = 1232, dnssec_ok: bool = False) -> bytes:
    """A question by UDP, with the same id in each run; `size` 0: without EDNS."""
    query = dns.message.make_query(
        name,
        rdtype,
        use_edns=0 if size else -1,
        payload=size,
        want_dnssec=dnssec_ok,
        id=zlib.crc32(f"{name} {rdtype} {size} {dnssec_ok}".encode()) & 0xFFFF,
    )
    return query.to_wire()


def said(wire: bytes | None) -> Said:
    """What a message that came says."""
    assert wire is not None
    message = dns.message.from_wire(wire)
    sections = [
        frozenset(_written(section)) for section in (message.answer, message.authority, message.additional)
    ]
    authoritative = bool(message.flags & dns.flags.AA)
    return Said(dns.rcode.to_text(message.rcode()), authoritative, *sections)


def _written(section: list[dns.rrset.RRset]) -> Iterable[str]:
    for rrset in section:
        yield from rrset.to_text().lower().splitlines()
