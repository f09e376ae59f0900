"""What changed between two versions of a zone.

It works on canonical lines (`www 300 A 192.0.2.1`), so hand-written and canonical versions compare.
"""

from collections.abc import Container, Iterable, Mapping

from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.store import Reader
from xferzone.zone.cut import zone_files
from xferzone.zone.difference import Difference, default_change
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import FileText, joined


def difference(reader: Reader, zone: str, old: ArtifactId | None, new: ArtifactId) -> Difference:
    """What changed from check-in `old` (None: nothing) to `new`: records, and the default TTL.

    Files that both have are not read, unless TTLs in them may depend on others.
    """
    before = {} if old is None else zone_files(zone, reader.files(old))
    after = zone_files(zone, reader.files(new))
    shared = set(before.values()) & set(after.values())
    sides = [_read(reader, zone, own, shared) for own in (before, after)]
    defaults = [_default(side) for side in sides]
    if shared and (
        defaults[0] != defaults[1] or any(file.needs_others for side in sides for file in side.values())
    ):
        sides = [_read(reader, zone, own, ()) for own in (before, after)]
    was, now = (_lines(side, zone) for side in sides)
    gone, come = in_order(set(was) - set(now), was), in_order(set(now) - set(was), now)
    return Difference(gone, come, default_change(*defaults))


def lines_of(reader: Reader, zone: str, own: Mapping[str, ArtifactId]) -> dict[bytes, Record]:
    """Canonical lines of the records of a zone's files; a file that cannot be read, in an invalid version, counts as
    empty."""
    return _lines(_read(reader, zone, own, ()), zone)


def _read(
    reader: Reader, zone: str, own: Mapping[str, ArtifactId], without: Container[ArtifactId]
) -> dict[str, FileText]:
    origin = names.zone_name(zone)
    read = {
        name: text.parse(reader.content(file), origin) for name, file in own.items() if file not in without
    }
    return {name: file for name, file in read.items() if not file.faults}


def _lines(files: Mapping[str, FileText], zone: str) -> dict[bytes, Record]:
    origin = names.zone_name(zone)
    try:
        read = joined(files)
    except ZoneInvalid:
        read = joined({name: file for name, file in files.items() if not file.bare})
    ordered, _ = text.normalised(read.records, origin)
    return dict(zip(text.lines(ordered, origin), ordered, strict=True))


def _default(files: Mapping[str, FileText]) -> int | None:
    """The default TTL. None: the SOA is not in these files."""
    try:
        default = joined({name: file for name, file in files.items() if file.soa is not None}).default_ttl
    except ZoneInvalid:
        return None
    return None if default is None else default.ttl


def in_order(lines: Iterable[bytes], all_lines: Mapping[bytes, Record]) -> tuple[bytes, ...]:
    """The lines, in the order that `all_lines` has them in."""
    wanted = set(lines)
    return tuple(one for one in all_lines if one in wanted)
