"""The serial of a check-in (architecture.md law 3), from manifests alone.

    serial(c) = following(serial(first parent of c), floor(c))

floor is the serial in the one SOA line that the pinned scanner finds in c's files for the zone. Computed from the
newest check-in whose serial is known, and remembered.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dns.name

from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer, indexes
from xferzone.store import serials as remembered
from xferzone.store.indexes import IndexRow
from xferzone.zone import names, serial
from xferzone.zone.files import is_zone_file


class Line(NamedTuple):
    """The serial of a check-in, and those on the way to it that are not remembered yet, by row."""

    zone: str
    serial: int | None
    found: Sequence[tuple[int, int | None]]


def serial_of(writer: Writer, zone: str, checkin: ArtifactId) -> int | None:
    """As serial_in, and remembered."""
    line = computed(writer, zone, checkin)
    remember(writer, line)
    return line.serial


def serial_in(reader: Reader, zone: str, checkin: ArtifactId) -> int | None:
    """The serial at which `checkin` serves `zone`; None: no version of the zone in its line has one."""
    return computed(reader, zone, checkin).serial


def remember(writer: Writer, line: Line) -> None:
    """Keep what was computed."""
    remembered.put(writer, line.zone, line.found)


def computed(reader: Reader, zone: str, checkin: ArtifactId) -> Line:
    """The serial of a check-in, from the newest on its line that is remembered."""
    line, before = remembered.line(reader, zone, checkin)
    value = None if before is None else before.serial
    known, origin = indexes.of_zone(reader, zone) if line else {}, names.zone_name(zone)
    found = []
    for rid, at in line:
        value = serial.following(value, _floor(reader, zone, at, known, origin))
        found.append((rid, value))
    return Line(zone, value, found)


def floor(reader: Reader, zone: str, checkin: ArtifactId) -> int | None:
    """The serial that the text of the check-in asks for; None: no SOA line, or several that differ."""
    return _floor(reader, zone, checkin, indexes.of_zone(reader, zone), names.zone_name(zone))


def _floor(
    reader: Reader,
    zone: str,
    checkin: ArtifactId,
    known: Mapping[ArtifactId, IndexRow],
    origin: dns.name.Name,
) -> int | None:
    found = set()
    for name, file in reader.files(checkin).items():
        if not is_zone_file(zone, name):
            continue
        if file in known:
            value = known[file].soa
        else:
            try:
                value = serial.scan(reader.content(file), origin)
            except NotFound:
                value = None
        if value is not None:
            found.add(value)
    return found.pop() if len(found) == 1 else None
