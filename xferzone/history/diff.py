"""What changed between two versions of a zone.

It works on canonical lines (`www 300 A 192.0.2.1`), so hand-written and canonical versions compare.
"""

from collections.abc import Iterable, Mapping

from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.store import Reader
from xferzone.zone.cut import zone_files
from xferzone.zone.difference import Difference
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record


def difference(reader: Reader, zone: str, old: ArtifactId | None, new: ArtifactId) -> Difference:
    """What changed in the records from check-in `old` (None: nothing) to `new`; files that both have are not read."""
    before = {} if old is None else zone_files(zone, reader.files(old))
    after = zone_files(zone, reader.files(new))
    shared = set(before.values()) & set(after.values())
    was = lines_of(reader, zone, (file for file in before.values() if file not in shared))
    now = lines_of(reader, zone, (file for file in after.values() if file not in shared))
    return Difference(in_order(set(was) - set(now), was), in_order(set(now) - set(was), now))


def lines_of(reader: Reader, zone: str, own: Iterable[ArtifactId]) -> dict[bytes, Record]:
    """Canonical lines of the files' records; a file that cannot be read, in an invalid version, counts as empty."""
    origin = names.zone_name(zone)
    read: list[Record] = []
    for file in own:
        try:
            read += text.read(reader.content(file), origin)
        except ZoneInvalid:
            continue
    ordered, _ = text.normalised(read, origin)
    return dict(zip(text.lines(ordered, origin), ordered, strict=True))


def in_order(lines: Iterable[bytes], all_lines: Mapping[bytes, Record]) -> tuple[bytes, ...]:
    """The lines, in the order that `all_lines` has them in."""
    wanted = set(lines)
    return tuple(one for one in all_lines if one in wanted)
