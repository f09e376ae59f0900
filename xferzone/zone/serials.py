"""The serial of a check-in (architecture.md law 3), from manifests alone.

    serial(c) = following(serial(first parent of c), floor(c))

floor is the serial in the one SOA line that the pinned scanner finds in c's files for the zone. Computed from the
newest check-in whose serial is known, and remembered.
"""

from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer, indexes
from xferzone.store import serials as remembered
from xferzone.zone import names, serial
from xferzone.zone.files import is_zone_file

def serial_of(writer: Writer, zone: str, checkin: ArtifactId) -> int | None:
    """The serial at which `checkin` serves `zone`; None: no version of the zone in its line has one."""
    line: list[ArtifactId] = []
    at: ArtifactId | None = checkin
    value: int | None = None
    while at is not None:
        known = remembered.get(writer, zone, at)
        if known is not None:
            value = known.serial
            break
        line.append(at)
        parents = writer.checkin(at).parents
        at = parents[0] if parents and writer.placed(parents[0]) else None
    for at in reversed(line):
        value = serial.following(value, floor(writer, zone, at))
        remembered.put(writer, zone, at, value)
    return value


def floor(reader: Reader, zone: str, checkin: ArtifactId) -> int | None:
    """The serial that the text of the check-in asks for; None: no SOA line, or several that differ."""
    known = indexes.of_zone(reader, zone)
    origin = names.zone_name(zone)
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
