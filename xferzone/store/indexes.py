"""The compiled indexes of zone files, by the file that they were made from.

A number is the first 63 bits of SHA3-256 over zone, NUL and the file's hash: a rebuild gives the same ones.
An index is kept while a ref uses it, and one move longer, for responders that open it late.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from xferzone.errors import XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.store import zstd
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.served import MAX_INDEX
from xferzone.store.writer import Writer


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A canonical zone file in served form: its owners lie from key `first` to key `last`; `soa`: serial in it."""

    number: int
    file: ArtifactId
    first: bytes
    last: bytes
    soa: int | None
    records: int


def of_zone(reader: Reader, zone: str) -> dict[ArtifactId, IndexRow]:
    """The zone's indexes by file."""
    query = "SELECT number, file, first, last, soa, records FROM zone_index WHERE zone = ?"
    rows = (IndexRow(row[0], id_of(row[1]), *row[2:]) for row in reader.db.execute(query, (zone,)))
    return {row.file: row for row in rows}


def everything(reader: Reader) -> Iterator[tuple[str, IndexRow, bytes]]:
    """Zone, row and frame of every index."""
    query = (
        "SELECT zone, number, file, first, last, soa, records, content FROM zone_index ORDER BY zone, first"
    )
    for zone, number, file, *values, frame in reader.db.execute(query):
        yield zone, IndexRow(number, id_of(file), *values), frame


def content(reader: Reader, number: int) -> bytes:
    """A compiled index; empty if there is none. Raises ValueError where its frame is damaged."""
    row = reader.db.execute("SELECT content FROM zone_index WHERE number = ?", (number,)).fetchone()
    return b"" if row is None else zstd.expand(row[0], MAX_INDEX)


def number_of(zone: str, file: ArtifactId) -> int:
    """The number of a file's index in a zone."""
    digest = hashlib.sha3_256(zone.encode("ascii") + b"\0" + bytes.fromhex(file)).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def frame(content: bytes) -> bytes:
    """What is kept of a compiled index."""
    return zstd.compress(content)


def put_frame(writer: Writer, zone: str, row: IndexRow, kept_as: bytes) -> None:
    """Keep a compiled index, framed; one that is there already stays as it is."""
    values = (row.number, zone, bytes.fromhex(row.file), row.first, row.last, row.soa, row.records)
    writer.db.execute("INSERT OR IGNORE INTO zone_index VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, kept_as))
    kept = writer.db.execute("SELECT zone, file FROM zone_index WHERE number = ?", (row.number,)).fetchone()
    if kept != (zone, values[2]):
        raise XferzoneError(
            f"{zone}: a file's index number collides with another's: change the file by a comment"
        )


def sweep(writer: Writer, zone: str, keep: set[int]) -> None:
    """Drop the zone's indexes but those numbered in `keep`."""
    rows = writer.db.execute("SELECT number FROM zone_index WHERE zone = ?", (zone,)).fetchall()
    gone = [(number,) for (number,) in rows if number not in keep]
    writer.db.executemany("DELETE FROM zone_index WHERE number = ?", gone)
