"""Serials that were computed once (architecture.md law 3), by check-in and zone."""

from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Remembered:
    """A serial that was computed; None: the line has none."""

    serial: int | None


def get(reader: Reader, zone: str, checkin: ArtifactId) -> Remembered | None:
    """What was computed for the check-in; None: nothing yet."""
    query = "SELECT serial FROM serial JOIN blob ON rid = checkin WHERE hash = ? AND zone = ?"
    row = reader.db.execute(query, (bytes.fromhex(checkin), zone)).fetchone()
    return None if row is None else Remembered(row[0])


def put(writer: Writer, zone: str, checkin: ArtifactId, serial: int | None) -> None:
    row = (writer.rid(checkin), zone, serial)
    writer.db.execute("INSERT OR REPLACE INTO serial VALUES (?, ?, ?)", row)
