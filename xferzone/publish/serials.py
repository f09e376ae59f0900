"""The serial of a check-in (architecture.md law 3), from manifests alone.

    serial(c) = following(serial(first parent of c), floor(c))

floor is the serial in the one SOA line that the pinned scanner finds in c's files for the zone. Computed from the
newest check-in whose serial is known, and remembered.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from xferzone.artifacts import CheckIn
from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.refs import indexes
from xferzone.refs import serials as remembered
from xferzone.store import Reader, Writer
from xferzone.zone import serial
from xferzone.zone.cut import is_zone_file
from xferzone.zonefile import names

MAX_HEARD: Final = 100_000  # artifacts of which is kept what they say: some 100 MB
MAX_NOTED: Final = 100  # files of a check-in, words of a text
MAX_TEXT: Final = 1024 * 1024  # bytes of one


class Heard:
    """What artifacts said of serials as they came, so that the versions of a whole clone need not be read again.

    Bounded: what it has not kept is read as ever.
    """

    def __init__(self) -> None:
        self._files: dict[ArtifactId, Sequence[tuple[str, ArtifactId]]] = {}  # of each check-in
        self._entries: dict[ArtifactId, Sequence[serial.Entry]] = {}  # of each file

    @staticmethod
    def look(content: bytes, parsed: object) -> "_Note | None":
        """What there is to be noted of an artifact."""
        if isinstance(parsed, CheckIn):
            if parsed.baseline is None and len(parsed.files) <= MAX_NOTED:
                return _Note([(card.name, card.id) for card in parsed.files if card.id is not None], None)
        elif parsed is None and len(content) <= MAX_TEXT:
            read = serial.entries(content)
            if sum(len(tokens) for _, tokens in read) <= MAX_NOTED:
                return _Note(None, read)
        return None

    def take(self, artifact: ArtifactId, note: "_Note") -> None:
        """Keep what was noted of an artifact that has been verified."""
        if len(self._files) + len(self._entries) >= MAX_HEARD:
            return
        if note.files is not None:
            self._files[artifact] = note.files
        elif note.entries is not None:
            self._entries[artifact] = note.entries

    def files(self, checkin: ArtifactId) -> Iterable[tuple[str, ArtifactId]] | None:
        """The files of a check-in; None: not kept."""
        return self._files.get(checkin)

    def entries(self, file: ArtifactId) -> Sequence[serial.Entry] | None:
        """What may be SOA records in a file; None: not kept."""
        return self._entries.get(file)


class _Note(NamedTuple):
    """The files of a check-in, or what may be SOA records in a file."""

    files: Sequence[tuple[str, ArtifactId]] | None
    entries: Sequence[serial.Entry] | None


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


def computed(reader: Reader, zone: str, checkin: ArtifactId, heard: Heard | None = None) -> Line:
    """The serial of a check-in, from the newest on its line that is remembered."""
    line, before = remembered.line(reader, zone, checkin)
    value = None if before is None else before.serial
    floors = _Floors(reader, zone, heard) if line else None
    found = []
    for rid, at in line:
        assert floors is not None
        value = serial.following(value, floors.of(at))
        found.append((rid, value))
    return Line(zone, value, found)


def floor(reader: Reader, zone: str, checkin: ArtifactId) -> int | None:
    """The serial that the text of the check-in asks for; None: no SOA line, or several that differ."""
    return _Floors(reader, zone).of(checkin)


class _Floors:
    """The serials that texts of a zone ask for."""

    def __init__(self, reader: Reader, zone: str, heard: Heard | None = None) -> None:
        self._reader, self._zone = reader, zone
        self._heard = heard or Heard()
        self._known = indexes.of_zone(reader, zone)
        self._origin = names.zone_name(zone)

    def of(self, checkin: ArtifactId) -> int | None:
        own = self._heard.files(checkin)
        found = {
            self._in_file(file)
            for name, file in (self._reader.files(checkin).items() if own is None else own)
            if is_zone_file(self._zone, name)
        }
        found.discard(None)
        return found.pop() if len(found) == 1 else None

    def _in_file(self, file: ArtifactId) -> int | None:
        if file in self._known:
            return self._known[file].soa
        read = self._heard.entries(file)
        if read is not None:
            found = serial.serials_in(read, self._origin)
            return found.pop() if len(found) == 1 else None
        try:
            return serial.scan(self._reader.content(file), self._origin)
        except NotFound:
            return None
