"""What a commit changed: the records of the owners that it edited, or of the files that only one version has."""

from collections.abc import Mapping, Sequence

from xferzone.hashing import ArtifactId
from xferzone.publish import served
from xferzone.store import Reader
from xferzone.zone import difference
from xferzone.zone.difference import Difference
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import DefaultTTL

#: Files of one version of a zone, by name.
_Files = Mapping[str, ArtifactId]


def in_owners(
    zone: str,
    before: Mapping[bytes, Sequence[Record]],
    after: Mapping[bytes, Sequence[Record]],
    default: DefaultTTL,
) -> Difference:
    """The difference of the owners in `after`, in canonical order; the default TTL stays."""
    origin = names.zone_name(zone)
    old = text.write((record for owner in after for record in before[owner]), origin, default)
    new = text.write((record for records in after.values() for record in records), origin, default)
    return difference.between([old], [new], origin)


def in_files(reader: Reader, zone: str, before: _Files, after: _Files) -> Difference:
    """The difference of two versions; if both are compiled, files that both have are not read."""
    rows = [served.ordered(reader, zone, own) for own in (before, after)]
    if None in rows:
        texts = [[_text(reader, zone, own)] for own in (before, after)]
    else:
        shared = set(before.values()) & set(after.values())
        texts = [[reader.content(row.file) for _, row in own or () if row.file not in shared] for own in rows]
    old, new = texts
    return difference.between(old, new, names.zone_name(zone))


def _text(reader: Reader, zone: str, own: _Files) -> bytes:
    read = served.read_all(reader, zone, own)
    return text.write(read.records, names.zone_name(zone), read.default)
