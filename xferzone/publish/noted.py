"""What artifacts say of serials, noted while they arrive, so that the versions of a whole clone are not read again.

    check-in     its files, if it names few
    zone file    what may be SOA records in it, if it is short

The notes are bounded; publish/serials.py reads what is not in them.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from xferzone.artifacts import CheckIn
from xferzone.hashing import ArtifactId
from xferzone.zone import serial

MAX_NOTES: Final = 100_000  # artifacts, some 100 MB
MAX_ITEMS: Final = 100  # files of a check-in, words of a text
MAX_TEXT: Final = 1024 * 1024  # bytes of one text


class Noted:
    """Notes of the artifacts of one exchange."""

    def __init__(self) -> None:
        self._files: dict[ArtifactId, Sequence[tuple[str, ArtifactId]]] = {}  # of each check-in
        self._entries: dict[ArtifactId, Sequence[serial.Entry]] = {}  # of each file

    @staticmethod
    def note(content: bytes, parsed: object) -> "_Note | None":
        """The note of an artifact. None: it says nothing of serials, or too much."""
        if isinstance(parsed, CheckIn):
            if parsed.baseline is None and len(parsed.files) <= MAX_ITEMS:
                return _Note([(card.name, card.id) for card in parsed.files if card.id is not None], None)
        elif parsed is None and len(content) <= MAX_TEXT:
            read = serial.few_entries(content, MAX_ITEMS)
            if read is not None:
                return _Note(None, read)
        return None

    def keep(self, artifact: ArtifactId, note: "_Note") -> None:
        """Keep the note of an artifact that has been verified."""
        if len(self._files) + len(self._entries) >= MAX_NOTES:
            return
        if note.files is not None:
            self._files[artifact] = note.files
        elif note.entries is not None:
            self._entries[artifact] = note.entries

    def files(self, checkin: ArtifactId) -> Iterable[tuple[str, ArtifactId]] | None:
        """The files of a check-in. None: not noted."""
        return self._files.get(checkin)

    def entries(self, file: ArtifactId) -> Sequence[serial.Entry] | None:
        """What may be SOA records in a file. None: not noted."""
        return self._entries.get(file)


class _Note(NamedTuple):
    """The files of a check-in, or what may be SOA records in a file."""

    files: Sequence[tuple[str, ArtifactId]] | None
    entries: Sequence[serial.Entry] | None
