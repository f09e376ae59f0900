"""The content of a zone at a check-in: its whole text as it is served, or the records of one owner.

The text is canonical, with every comment, and its SOA has the serial of law 3.
"""

from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId, short
from xferzone.history.diff import lines_of
from xferzone.publish import served
from xferzone.publish.serials import serial_in
from xferzone.store import Reader
from xferzone.zone.cut import zone_files
from xferzone.zonefile import names, text
from xferzone.zonefile.rdata import soa
from xferzone.zonefile.rdtypes import SOA
from xferzone.zonefile.record import Record


def export(reader: Reader, zone: str, checkin: ArtifactId) -> bytes:
    """Canonical text of `zone` at a check-in, below an $ORIGIN that names the zone.

    Raises:
        ZoneInvalid: that version cannot be read.
        NotFound: the zone is not in it.
    """
    head = f"$ORIGIN {text.owner_name(b'@', names.zone_name(zone))}\n"
    return head.encode("ascii") + canonical(reader, zone, checkin, serial_in(reader, zone, checkin))


def canonical(reader: Reader, zone: str, checkin: ArtifactId, serial: int | None = None) -> bytes:
    """Canonical text of `zone` at a check-in, its SOA with `serial` (None: as it stands). Raises as export() does."""
    read = served.read_all(reader, zone, reader.files(checkin))
    if not read.records:
        raise NotFound(f"{zone} has no records in {short(checkin)}: `xferzone log {zone}` shows its history")
    records = [with_serial(record, serial) for record in read.records]
    return text.write(records, names.zone_name(zone), read.default)


def with_serial(record: Record, serial: int | None) -> Record:
    """The record, with `serial` in it if it is an SOA; None leaves it as it is."""
    if record.rdtype != SOA or serial is None:
        return record
    return record._replace(rdata=soa.with_serial(record.rdata, serial))


def records_of(reader: Reader, zone: str, checkin: ArtifactId, owner: bytes) -> list[Record]:
    """The owner's records at a check-in, canonical and in order; a canonical zone needs only one file read."""
    own = zone_files(zone, reader.files(checkin))
    key = names.owner_key(owner)
    rows = served.ordered(reader, zone, own)
    held = own if rows is None else {name: row.file for name, row in rows if row.first <= key <= row.last}
    return [record for record in lines_of(reader, zone, held).values() if record.owner == owner]


def wildcard_above(reader: Reader, zone: str, checkin: ArtifactId, owner: bytes) -> str | None:
    """The wildcard, absolute, that may stand for an owner without records; None: no wildcard, or a name in between."""
    labels = names.owner_labels(owner)
    for start in range(1, len(labels) + 1):
        above = names.owner_text((b"*", *labels[start:]))
        if records_of(reader, zone, checkin, above):
            return text.owner_name(above, names.zone_name(zone))
        if records_of(reader, zone, checkin, names.owner_text(labels[start:])):
            return None
    return None
