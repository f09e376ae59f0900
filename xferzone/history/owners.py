"""The log of one name: the check-ins that changed its records."""

import re
from collections.abc import Iterator

from xferzone.hashing import ArtifactId
from xferzone.history.diff import lines_of
from xferzone.history.log import LogEntry, entry
from xferzone.refs import LocalRefs
from xferzone.store import Reader, places, timeline
from xferzone.zone.cut import zone_files
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record

#: What changes the meaning of other lines of a zone file, or spells an owner differently.
_CONTEXT = re.compile(rb"^[ \t]|^\$(?!TTL )|^[^ \t\n;]*\\|[()\r]", re.MULTILINE)

MAX_SEARCHED = 5_000  # check-ins in which the changes of one name are looked for


def log_of_name(
    reader: Reader, refs: LocalRefs, zone: str, owner: bytes, limit: int
) -> Iterator[LogEntry | None]:
    """The check-ins among the zone's newest MAX_SEARCHED, forks' too, that changed the owner's records, newest first.

    A None at the end means that there are older check-ins, which were not searched.
    """
    history = timeline.entries(reader, MAX_SEARCHED + 1, timeline.of_zone(zone))
    found, known = 0, _OwnerLines(reader, zone, owner)
    for shown in history[:MAX_SEARCHED]:
        parents = shown.placed.parents
        if known.at(shown.placed.id) == (known.at(parents[0]) if parents else ()):
            continue
        yield entry(reader, refs, shown)
        found += 1
        if found == limit:
            return
    if len(history) > MAX_SEARCHED:
        yield None


class _OwnerLines:
    """The canonical lines of one owner at any check-in; each file is read once, and no more of it than necessary."""

    def __init__(self, reader: Reader, zone: str, owner: bytes) -> None:
        self._reader, self._zone, self._owner = reader, zone, owner
        self._origin = names.zone_name(zone)
        self._files: dict[ArtifactId, tuple[bytes, ...] | None] = {}
        absolute = text.owner_name(owner, self._origin).encode("ascii")
        self._lines = re.compile(
            rb"^(?:%b|%b)[ \t]+(\d)?[^\n]*" % (re.escape(owner), re.escape(absolute)),
            re.MULTILINE | re.IGNORECASE,
        )

    def at(self, checkin: ArtifactId) -> tuple[bytes, ...]:
        if places.placed(self._reader, checkin) is None:
            return ()
        own = zone_files(self._zone, self._reader.files(checkin))
        each = [self._of(file) for file in own.values()]
        if None in each:
            lines = lines_of(self._reader, self._zone, own)
            return tuple(sorted(line for line, record in lines.items() if record.owner == self._owner))
        return tuple(sorted({line for lines in each for line in lines or ()}))

    def _of(self, file: ArtifactId) -> tuple[bytes, ...] | None:
        """The lines in one file. None: they depend on the zone's other files."""
        if file not in self._files:
            records = self._records(self._reader.content(file))
            ordered = None if records is None else text.normalised(records, self._origin)[0]
            self._files[file] = None if ordered is None else tuple(text.lines(ordered, self._origin))
        return self._files[file]

    def _records(self, content: bytes) -> list[Record] | None:
        """The owner's records in a file, nothing if the file cannot be read. None: TTLs depend on other files."""
        # The owner's escapes may be spelt otherwise in text written by hand.
        if b"\\" not in self._owner and _CONTEXT.search(content) is None:
            found = list(self._lines.finditer(content))
            if all(line[1] for line in found):  # each has its TTL, so each stands alone
                content = b"".join(line[0] + b"\n" for line in found)
        parsed = text.parse(content, self._origin)
        if parsed.needs_others:
            return None
        return [] if parsed.faults else [record for record in parsed.records if record.owner == self._owner]
