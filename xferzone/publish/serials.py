"""The serial of a check-in (law 3), from manifests alone.

    serial(c) = following(serial(first parent of c), floor(c))

floor is the serial in the one SOA line that zone/serial.py finds in c's files for the zone. Serials are computed from
the newest check-in whose serial is known, and remembered.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from xferzone.artifacts import CheckIn
from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.publish.noted import Noted
from xferzone.refs import indexes
from xferzone.refs import serials as remembered
from xferzone.store import Reader, Writer
from xferzone.zone import serial
from xferzone.zone.cut import is_zone_file
from xferzone.zonefile import names


class Line(NamedTuple):
    """The serial of a check-in, and those on its line that are not remembered yet, by row."""

    zone: str
    serial: int | None
    found: Sequence[tuple[int, int | None]]


def serial_of(writer: Writer, zone: str, checkin: ArtifactId) -> int | None:
    """As serial_in, and remembered for later calls."""
    line = computed(writer, zone, checkin)
    remember(writer, line)
    return line.serial


def serial_in(reader: Reader, zone: str, checkin: ArtifactId) -> int | None:
    """The serial at which `checkin` serves `zone`. None: no version of the zone in its line has one."""
    return computed(reader, zone, checkin).serial


def remember(writer: Writer, line: Line) -> None:
    """Keep what was computed."""
    remembered.put(writer, line.zone, line.found)


def computed(reader: Reader, zone: str, checkin: ArtifactId, noted: Noted | None = None) -> Line:
    """The serial of a check-in, computed from the newest on its line that is remembered."""
    line, before = remembered.line(reader, zone, checkin)
    value = None if before is None else before.serial
    floors = _Floors(reader, zone, noted) if line else None
    found = []
    for each in line:
        assert floors is not None
        value = serial.following(value, floors.of(each.checkin) if each.may_hold else None)
        found.append((each.rid, value))
    return Line(zone, value, found)


def floor(reader: Reader, zone: str, checkin: ArtifactId) -> int | None:
    """The serial that the text of the check-in asks for. None: no SOA line, or several that differ."""
    return _Floors(reader, zone).of(checkin)


class _Floors:
    """The serials that texts of a zone ask for."""

    def __init__(self, reader: Reader, zone: str, noted: Noted | None = None) -> None:
        self._reader, self._zone = reader, zone
        self._noted = noted or Noted()
        self._baselines: dict[ArtifactId, dict[str, ArtifactId | None]] = {}
        self._origin = names.zone_name(zone)

    def of(self, checkin: ArtifactId) -> int | None:
        noted = self._noted.files(checkin)
        if noted is None:
            own = self._files(checkin)
        else:
            own = [file for name, file in noted if is_zone_file(self._zone, name)]
        # One question less for each of a clone's check-ins, whose files are all noted.
        sought = [file for file in own if self._noted.entries(file) is None]
        known = indexes.of_files(self._reader, self._zone, sought) if sought else {}
        found = {known[file].soa if file in known else self._in_file(file) for file in own}
        found.discard(None)
        return found.pop() if len(found) == 1 else None

    def _files(self, checkin: ArtifactId) -> Collection[ArtifactId]:
        """The zone's files in a check-in. A baseline is looked through once, however many check-ins have it."""
        manifest = self._reader.checkin(checkin)
        found = self._named(manifest)
        if manifest.baseline is not None:
            if manifest.baseline not in self._baselines:
                self._baselines[manifest.baseline] = self._named(self._reader.checkin(manifest.baseline))
            found = self._baselines[manifest.baseline] | found
        return [file for file in found.values() if file is not None]

    def _named(self, manifest: CheckIn) -> dict[str, ArtifactId | None]:
        return {card.name: card.id for card in manifest.files if is_zone_file(self._zone, card.name)}

    def _in_file(self, file: ArtifactId) -> int | None:
        read = self._noted.entries(file)
        if read is not None:
            found = serial.serials_in(read, self._origin)
            return found.pop() if len(found) == 1 else None
        try:
            return serial.scan(self._reader.content(file), self._origin)
        except NotFound:
            return None
