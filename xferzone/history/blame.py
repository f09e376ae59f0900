"""Which check-in added each record of a zone, and who made that check-in."""

from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.history.diff import difference, in_order, lines_of
from xferzone.history.log import edited
from xferzone.history.revision import line
from xferzone.store import Reader, symbols
from xferzone.zone.cut import zone_files


@dataclass(frozen=True, slots=True)
class Blame:
    """A record of the zone, and the check-in on its first-parent line that added it."""

    line: bytes
    id: ArtifactId
    date_ms: int
    author: str


def blame(reader: Reader, zone: str, tip: ArtifactId, owner: bytes | None) -> list[Blame]:
    """Who added each record of the zone at `tip` (only those of `owner` if given), in canonical order."""
    lines = lines_of(reader, zone, zone_files(zone, reader.files(tip)).values())
    open_lines = {one for one, record in lines.items() if owner is None or record.owner == owner}
    found: dict[bytes, Blame] = {}
    newest = tip
    for at in line(reader, tip):
        if at == tip:
            continue
        came = set(difference(reader, zone, at, newest).come) & open_lines
        found |= dict.fromkeys(came, _blamed(reader, newest))
        open_lines -= came
        newest = at
        if not open_lines:
            break
    found |= dict.fromkeys(open_lines, _blamed(reader, newest))
    return [
        Blame(one, found[one].id, found[one].date_ms, found[one].author)
        for one in in_order(found.keys(), lines)
    ]


def _blamed(reader: Reader, checkin: ArtifactId) -> Blame:
    manifest = reader.checkin(checkin)
    return Blame(b"", checkin, manifest.date_ms, edited(symbols.tags(reader, checkin), "user", manifest.user))
