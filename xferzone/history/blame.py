"""Which check-in added each record of a zone, and who made that check-in.

From a version to the one before it, record by record:

    its file is there, too           it was there
    its line is in another file      it was there, if that version was published and no line changes what others mean
    else                             both versions are compared

So few versions are parsed, however long the line is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.history.diff import difference, lines_of
from xferzone.history.log import edited, other_than
from xferzone.history.revision import placed_batches
from xferzone.store import Reader, schema, symbols
from xferzone.store.brought import Bringer
from xferzone.store.places import Placed
from xferzone.zone.cut import first_name, zone_files
from xferzone.zonefile.record import Record

READ_AHEAD: Final = 4 * 2**20  # bytes of contents that are read together
MOST_NAMES: Final = (
    8  # of files that are read ahead among the same versions; a zone in more files changes in few
)

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
    traces = _Traces(reader, zone, open_lines)
    for placed in traces.ahead(placed_batches(reader, tip)):
        at = placed.id
        if traces.lead_to(placed, open_lines) or at == tip:
            newest = at
            continue
        came = open_lines.intersection(difference(reader, zone, at, newest).come)
        found |= dict.fromkeys(came, _blamed(reader, newest))
        open_lines -= came
        newest = at
        if not open_lines:
            break
    found |= dict.fromkeys(open_lines, _blamed(reader, newest))
    return [Blame(record, *found[one]) for one, record in lines.items() if one in found]


class _Traces:
    """Where the lines of records are, in the version that was looked at last."""

    def __init__(self, reader: Reader, zone: str, lines: Collection[bytes]) -> None:
        self._reader, self._zone = reader, zone
        self._files: dict[bytes, ArtifactId] = {}
        self._missing = {*lines}
        self._later: Sequence[Placed] = ()  # versions that come next, of those that were looked up together
        self._names: set[str] = set()  # of files that were read ahead in these
        self._own: dict[ArtifactId, Mapping[str, ArtifactId]] = {}  # the zone's files in these

    def ahead(self, batches: Iterable[Sequence[Placed]]) -> Iterator[Placed]:
        """The versions one by one, with their manifests at hand."""
        for batch in batches:
            self._reader.read_ahead([each.id for each in batch], READ_AHEAD)
            self._names.clear()
            self._own.clear()
            for number, placed in enumerate(batch):
                self._later = batch[number + 1 :]
                yield placed

    def lead_to(self, placed: Placed, lines: Collection[bytes]) -> bool:
        """Whether all these records are in that version, too, for all that can be told without parsing it."""
        own = self._own_files(placed)
        files = {*own.values()}
        self._missing = {one for one in lines if self._files.get(one) not in files}
        if self._missing:
            self._find({name: file for name, file in own.items() if file not in self._files.values()})
        return not self._missing and placed.place == schema.PUBLISHED

    def _own_files(self, placed: Placed) -> Mapping[str, ArtifactId]:
        if (found := self._own.get(placed.id)) is None:
            below = self._reader.files_below(placed.id, first_name(self._zone))
            found = self._own[placed.id] = zone_files(self._zone, below)
        return found

    def _find(self, files: Mapping[str, ArtifactId]) -> None:
        for name, file in files.items():
            self._read_on(name, file)
            content = self._reader.content(file)
            if not _is_plain(content, self._zone):
                continue
            there = self._missing.intersection(content.split(b"\n"))
            self._files |= dict.fromkeys(there, file)
            self._missing -= there

    def _read_on(self, name: str, file: ArtifactId) -> None:
        """Have the next versions of a file at hand: it changes, so each of them is going to be read."""
        if name in self._names or len(self._names) >= MOST_NAMES:
            return
        self._names.add(name)
        versions = {file: None}
        with suppress(NotFound, CorruptArtifact):  # whoever comes to that version is told
            for placed in self._later:
                if (later := self._own_files(placed).get(name)) is not None:
                    versions[later] = None
        self._reader.read_ahead(list(versions), READ_AHEAD)


def _is_plain(content: bytes, zone: str) -> bool:
    """Whether each line means the same whatever stands before it: none goes on, and owners are the zone's."""
    first, _, rest = content.partition(b"\n")
    is_same_origin = (
        not first.startswith(b"$") or first.startswith(b"$TTL ") or first == b"$ORIGIN %b." % zone.encode()
    )
    return is_same_origin and b"$" not in rest and b"(" not in content


def _blamed(reader: Reader, checkin: ArtifactId) -> _Origin:
    manifest = reader.checkin(checkin)
    author = edited(symbols.tags(reader, checkin), "user", manifest.user)
    return checkin, manifest.date_ms, author, other_than(reader, checkin, {author, manifest.user})
