"""The serial of a check-in (architecture.md law 3), from manifests alone.

    serial(c) = following(serial(first parent of c), floor(c))

floor is the serial in the one SOA line that the pinned scanner finds in c's files for the zone. Computed from the
newest check-in whose serial is known, and remembered.
"""

from collections.abc import Mapping

import dns.name

from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer, indexes
from xferzone.store import serials as remembered
from xferzone.store.indexes import IndexRow
from xferzone.zone import names, serial
from xferzone.zone.files import is_zone_file


def serial_of(writer: Writer, zone: str, checkin: ArtifactId) -> int | None:
    """As serial_in, and remembered."""
    computed = _computed(writer, zone, checkin)
    for at, value in computed:
        remembered.put(writer, zone, at, value)
    return computed[-1][1] if computed else serial_in(writer, zone, checkin)


def serial_in(reader: Reader, zone: str, checkin: ArtifactId) -> int | None:
    """The serial at which `checkin` serves `zone`; None: no version of the zone in its line has one."""
    known = remembered.get(reader, zone, checkin)
    return known.serial if known is not None else _computed(reader, zone, checkin)[-1][1]


def _computed(reader: Reader, zone: str, checkin: ArtifactId) -> list[tuple[ArtifactId, int | None]]:
    """The serials that are not remembered yet on the line down to `checkin`, oldest first."""
    line: list[ArtifactId] = []
    at: ArtifactId | None = checkin
    value: int | None = None
    while at is not None:
        known = remembered.get(reader, zone, at)
        if known is not None:
            value = known.serial
            break
        line.append(at)
        parents = reader.checkin(at).parents
        at = parents[0] if parents and reader.placed(parents[0]) else None
    known_files, origin = indexes.of_zone(reader, zone), names.zone_name(zone)
    serials = []
    for at in reversed(line):
        value = serial.following(value, _floor(reader, zone, at, known_files, origin))
        serials.append((at, value))
    return serials


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
