"""Which check-in added each record of a zone, and who made that check-in."""

from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.history.diff import difference, lines_of
from xferzone.history.log import edited, other_than
from xferzone.history.revision import line
from xferzone.store import Reader, symbols
from xferzone.store.brought import Bringer
from xferzone.zone.cut import zone_files
from xferzone.zonefile.record import Record

_Origin = tuple[ArtifactId, int, str, Bringer | None]  # check-in, its date, its author, who else pushed it


@dataclass(frozen=True, slots=True)
class Blame:
    """A record of the zone, and the check-in on its first-parent line that added it.

    Fields:
        brought: who pushed that check-in, if it was somebody else than its author.
    """

    record: Record
    id: ArtifactId
    date_ms: int
    author: str
    brought: Bringer | None


def blame(reader: Reader, zone: str, tip: ArtifactId, owner: bytes | None) -> list[Blame]:
    """Who added each record of the zone at `tip` (only those of `owner` if given), in canonical order."""
    lines = lines_of(reader, zone, zone_files(zone, reader.files(tip)))
    open_lines = {one for one, record in lines.items() if owner is None or record.owner == owner}
    found: dict[bytes, _Origin] = {}
    newest = tip
    for at in line(reader, tip):
        if at == tip:
            continue
        came = open_lines.intersection(difference(reader, zone, at, newest).come)
        found |= dict.fromkeys(came, _blamed(reader, newest))
        open_lines -= came
        newest = at
        if not open_lines:
            break
    found |= dict.fromkeys(open_lines, _blamed(reader, newest))
    return [Blame(record, *found[one]) for one, record in lines.items() if one in found]


def _blamed(reader: Reader, checkin: ArtifactId) -> _Origin:
    manifest = reader.checkin(checkin)
    author = edited(symbols.tags(reader, checkin), "user", manifest.user)
    return checkin, manifest.date_ms, author, other_than(reader, checkin, {author, manifest.user})
