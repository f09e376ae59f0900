"""The log of one name: the check-ins that changed its records."""

import re
from collections.abc import Iterator

from xferzone.errors import ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.history.log import LogEntry, entry
from xferzone.refs import LocalRefs
from xferzone.store import Reader, places, timeline
from xferzone.zone.cut import zone_files
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record

#: What changes the meaning of other lines of a zone file, or spells an owner differently.
_CONTEXT = re.compile(rb"^[ \t$]|^[^ \t\n;]*\\|[()\r]", re.MULTILINE)

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
        self._files: dict[ArtifactId, tuple[bytes, ...]] = {}
        absolute = text.owner_name(owner, self._origin).encode("ascii")
        self._lines = re.compile(
            rb"^(?:%b|%b)[ \t]+(\d)?[^\n]*" % (re.escape(owner), re.escape(absolute)),
            re.MULTILINE | re.IGNORECASE,
        )

    def at(self, checkin: ArtifactId) -> tuple[bytes, ...]:
        if places.placed(self._reader, checkin) is None:
            return ()
        own = set(zone_files(self._zone, self._reader.files(checkin)).values())
        return tuple(sorted({line for file in own for line in self._of(file)}))

    def _of(self, file: ArtifactId) -> tuple[bytes, ...]:
        if file not in self._files:
            records = self._records(self._reader.content(file))
            ordered, _ = text.normalised(records, self._origin)
            self._files[file] = tuple(text.lines(ordered, self._origin))
        return self._files[file]

    def _records(self, content: bytes) -> list[Record]:
        """The owner's records in a file; none if the file cannot be read."""
        # The owner's escapes may be spelt otherwise in text written by hand.
        if b"\\" not in self._owner and _CONTEXT.search(content) is None:
            found = list(self._lines.finditer(content))
            if all(line[1] for line in found):  # each has its TTL, so each stands alone
                content = b"".join(line[0] + b"\n" for line in found)
        try:
            read = text.read(content, self._origin)
        except ZoneInvalid:
            return []
        return [record for record in read if record.owner == self._owner]
