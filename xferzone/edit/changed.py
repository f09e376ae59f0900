"""What a commit changed: the records of the owners that it edited, or of the files that only one version has."""

from collections.abc import Iterable, Mapping, Sequence

from xferzone.hashing import ArtifactId
from xferzone.publish import served
from xferzone.store import Reader
from xferzone.zone import difference
from xferzone.zone.difference import Difference
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record

#: Files of one version of a zone, by name.
_Files = Mapping[str, ArtifactId]


def in_owners(
    zone: str, before: Mapping[bytes, Sequence[Record]], after: Mapping[bytes, Sequence[Record]]
) -> Difference:
    """The difference of the owners in `after`, in canonical order."""
    origin = names.zone_name(zone)
    old = text.write((record for owner in after for record in before[owner]), origin)
    new = text.write((record for records in after.values() for record in records), origin)
    return difference.between([old], [new], origin)


def in_files(reader: Reader, zone: str, before: _Files, after: _Files) -> Difference:
    """The difference of two versions; files that both have are not read."""
    shared = set(before.values()) & set(after.values())
    old, new = (
        _texts(reader, zone, {name: file for name, file in own.items() if file not in shared})
        for own in (before, after)
    )
    return difference.between(old, new, names.zone_name(zone))


def _texts(reader: Reader, zone: str, own: _Files) -> Iterable[bytes]:
    """Canonical text of these files: compiled ones have it already."""
    rows = served.ordered(reader, zone, own)
    if rows is None:
        return [text.write(served.read_all(reader, zone, own), names.zone_name(zone))]
    return [reader.content(row.file) for _, row in rows]
