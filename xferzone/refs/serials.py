"""Serials that were computed once (law 3), by check-in and zone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.store import zoned
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Remembered:
    """A serial that was computed. None: the line has none."""

    serial: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """A remembered serial, that of the first parent, and that of a move to the check-in. None: not known.

    `is_strange`: there is a serial, though neither the check-in nor its first parent can have one for the zone.
    """

    zone: str
    checkin: ArtifactId
    serial: int | None
    before: int | None
    published: int | None
    is_strange: bool


def steps(reader: Reader) -> Iterator[Step]:
    """All of them."""
    query = """SELECT DISTINCT own.zone, hash, own.serial, older.serial, publication.serial, older.checkin IS NULL,
                   coalesce(checkin.zones, -1)
               FROM serial AS own JOIN blob ON blob.rid = own.checkin
               LEFT JOIN checkin ON checkin.rid = own.checkin
               LEFT JOIN parent ON child = own.checkin AND position = 0
               LEFT JOIN serial AS older ON older.checkin = parent AND older.zone = own.zone
               LEFT JOIN publication ON publication.checkin = own.checkin
                 AND publication.branch >= own.zone || '/' AND publication.branch < own.zone || '0'"""
    for zone, raw, serial, before, published, is_first, bits in reader.db.execute(query):
        is_strange = serial is not None and is_first and not bits & zoned.bit(zone)
        yield Step(zone, id_of(raw), serial, before, published, bool(is_strange))


def get(reader: Reader, zone: str, checkin: ArtifactId) -> Remembered | None:
    """What was computed for the check-in. None: nothing yet."""
    query = "SELECT serial FROM serial JOIN blob ON rid = checkin WHERE hash = ? AND zone = ?"
    row = reader.db.execute(query, (bytes.fromhex(checkin), zone)).fetchone()
    return None if row is None else Remembered(row[0])


@dataclass(frozen=True, slots=True)
class Unknown:
    """A check-in whose serial is not remembered: its row, and whether it may hold files of the zone."""

    rid: int
    checkin: ArtifactId
    may_hold: bool


def line(reader: Reader, zone: str, checkin: ArtifactId) -> tuple[list[Unknown], Remembered | None]:
    """The check-ins on the first-parent line down to `checkin`, oldest first, whose serials are not remembered; and the
    serial of the one before these.

    The line begins where the zone does: what is before its first files has no serial, and may be a long history of
    something else.
    """
    rows = reader.db.execute(
        """WITH RECURSIVE line(rid, depth) AS (
               SELECT rid, 0 FROM blob WHERE hash = ?1
               UNION ALL
               SELECT parent.parent, depth + 1 FROM line JOIN parent ON child = line.rid AND position = 0
               JOIN checkin ON checkin.rid = parent.parent
               WHERE NOT EXISTS (SELECT 1 FROM serial WHERE serial.checkin = line.rid AND zone = ?2)
               LIMIT (SELECT max(rid) FROM checkin))
           SELECT rid, hash, coalesce(zones, -1) & ?3, serial.checkin, serial FROM line JOIN blob USING (rid)
           LEFT JOIN checkin USING (rid)
           LEFT JOIN serial ON serial.checkin = rid AND zone = ?2 ORDER BY depth DESC""",
        (bytes.fromhex(checkin), zone, zoned.bit(zone)),
    ).fetchall()
    before = Remembered(rows[0][4]) if rows and rows[0][3] is not None else None
    unknown = [Unknown(rid, id_of(raw), bool(bits)) for rid, raw, bits, known, _ in rows if known is None]
    if before is None:
        begins = next((number for number, each in enumerate(unknown) if each.may_hold), len(unknown))
        unknown = unknown[min(begins, len(unknown) - 1) :]
    return unknown, before


def put(writer: Writer, zone: str, serials: Iterable[tuple[int, int | None]]) -> None:
    """Remember the serials of check-ins, by row."""
    rows = [(rid, zone, serial) for rid, serial in serials]
    writer.db.executemany("INSERT OR REPLACE INTO serial VALUES (?, ?, ?)", rows)
