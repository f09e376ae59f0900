"""The compiled indexes of zone files, by the file that they were made from; one of a former layout is read as today's.

A number depends on the zone and the file alone (zone/compile.py), so a rebuild gives the same numbers.
An index is kept while a ref uses it, and one move longer for responders that open it late.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from xferzone.errors import XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.refs.served import MAX_INDEX, expanded
from xferzone.store import frames
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import selected
from xferzone.store.writer import Writer
from xferzone.zone.compile import IndexRow
from xferzone.zone.former import current

_OF_ZONE = "SELECT number, file, first, last, soa, records FROM zone_index WHERE zone = ?"


def of_zone(reader: Reader, zone: str) -> dict[ArtifactId, IndexRow]:
    """The zone's indexes by file."""
    return _by_file(reader.db.execute(_OF_ZONE, (zone,)))


def of_files(reader: Reader, zone: str, files: Iterable[ArtifactId]) -> dict[ArtifactId, IndexRow]:
    """The indexes that files of the zone have, by file."""
    raws = [bytes.fromhex(file) for file in files]
    return _by_file(selected(reader.db, f"{_OF_ZONE} AND file IN (?)", raws, zone))


def _by_file(rows: Iterable[tuple[Any, ...]]) -> dict[ArtifactId, IndexRow]:
    return {row.file: row for row in (IndexRow(row[0], id_of(row[1]), *row[2:]) for row in rows)}


def everything(reader: Reader) -> Iterator[tuple[str, IndexRow, Callable[[], bytes]]]:
    """Zone and row of every index, and what reads it; that raises as `content` does."""
    query = (
        "SELECT zone, number, file, first, last, soa, records, content FROM zone_index ORDER BY zone, first"
    )
    for zone, number, file, *values, frame in reader.db.execute(query):
        yield zone, IndexRow(number, id_of(file), *values), partial(expanded, frame)


def content(reader: Reader, number: int) -> bytes:
    """A compiled index; empty if there is no such number. Raises ValueError or XferzoneError where it is damaged."""
    row = reader.db.execute("SELECT content FROM zone_index WHERE number = ?", (number,)).fetchone()
    return b"" if row is None else expanded(row[0])


def numbers(reader: Reader) -> list[int]:
    """The numbers of all indexes."""
    return [number for (number,) in reader.db.execute("SELECT number FROM zone_index")]


def renewed(reader: Reader, number: int) -> bytes | None:
    """The frame that an index of a former layout has in today's; None: it needs no other, or cannot be read."""
    row = reader.db.execute("SELECT content FROM zone_index WHERE number = ?", (number,)).fetchone()
    try:
        kept = b"" if row is None else frames.expand(row[0], MAX_INDEX)
        made = current(kept)
    except (ValueError, XferzoneError):
        return None
    return None if made is kept else frame(made)


def renew(writer: Writer, frames_: Mapping[int, bytes]) -> None:
    """Keep indexes, by number, as those frames, as far as they are still there."""
    rows = [(kept_as, number) for number, kept_as in frames_.items()]
    writer.db.executemany("UPDATE zone_index SET content = ? WHERE number = ?", rows)


def frame(content: bytes) -> bytes:
    """The zstd frame in which a compiled index is kept."""
    return frames.compress(content)


def put_frame(writer: Writer, zone: str, row: IndexRow, kept_as: bytes) -> None:
    """Keep the frame of a compiled index; an index that is there already stays as it is."""
    values = (row.number, zone, bytes.fromhex(row.file), row.first, row.last, row.soa, row.records)
    writer.db.execute("INSERT OR IGNORE INTO zone_index VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, kept_as))
    kept = writer.db.execute("SELECT zone, file FROM zone_index WHERE number = ?", (row.number,)).fetchone()
    if kept != (zone, values[2]):
        raise XferzoneError(f"{zone}: the index numbers of two files collide: add a comment to one of them")


def sweep(writer: Writer, zone: str, keep: set[int]) -> None:
    """Drop all indexes of the zone except those numbered in `keep`."""
    rows = writer.db.execute("SELECT number FROM zone_index WHERE zone = ?", (zone,)).fetchall()
    gone = [(number,) for (number,) in rows if number not in keep]
    writer.db.executemany("DELETE FROM zone_index WHERE number = ?", gone)
