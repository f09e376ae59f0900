"""The text of a zone as it is served: canonical, every comment kept, the SOA with the serial of law 3."""

import struct

import dns.rdatatype

from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.publish import served
from xferzone.publish.serials import serial_in
from xferzone.store import Reader
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record


def export(reader: Reader, zone: str, checkin: ArtifactId) -> bytes:
    """Canonical text of `zone` at a check-in.

    Raises:
        ZoneInvalid: that version cannot be read.
        NotFound: the zone is not in it.
    """
    serial = serial_in(reader, zone, checkin)
    records = served.read_all(reader, zone, reader.files(checkin))
    if not records:
        raise NotFound(
            f"{zone} has no records in {checkin[:16]}: `xferzone log {zone}` shows what happened to it"
        )
    return text.write([with_serial(record, serial) for record in records], names.zone_name(zone))


def with_serial(record: Record, serial: int | None) -> Record:
    """The record, with `serial` in it if it is an SOA; None leaves it as it is."""
    if record.rdtype != dns.rdatatype.SOA or serial is None:
        return record
    # RFC 1035 3.3.13: two names, then five 32-bit numbers, the serial first.
    return record._replace(rdata=record.rdata[:-20] + struct.pack(">I", serial) + record.rdata[-16:])
