"""The served form of a check-in: compiled indexes of its zone files, in owner order.

    files as files.cut() makes them           one index a file; those known already are not read again
    anything else (written by hand)           the union is read, put in canonical form in memory, and cut;
                                              each piece of that has an index, under the piece's own hash

So a one-record commit of ours to a large zone reads and checks one file.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dns.name

from xferzone.errors import Fault, ZoneInvalid
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Reader, Writer, indexes
from xferzone.store.indexes import IndexRow
from xferzone.zone import files, names, serial, text, validate
from xferzone.zone.index import compile_index
from xferzone.zone.records import Record


@dataclass(frozen=True, slots=True)
class Form:
    """What a ref keeps of the check-in it serves: index numbers in owner order."""

    numbers: tuple[int, ...]


def served_form(
    writer: Writer, zone: str, everything: Mapping[str, ArtifactId], *, as_cut: bool = False
) -> Form:
    """Check the zone's files among `everything` in a check-in, and compile what is not compiled yet.

    `as_cut`: they are known to be what files.cut() makes; else that is checked, which reads them all if there are
    several.

    Raises:
        ZoneInvalid: the zone must not be served; every fault found, by file and line.
    """
    own = {name: file for name, file in everything.items() if files.is_zone_file(zone, name)}
    if not own:
        raise ZoneInvalid([Fault("", 0, f"there is no file {files.first_name(zone)} in the check-in")])
    rows = _canonical_rows(writer, zone, own, as_cut=as_cut)
    if rows is not None and not as_cut and not _is_cut(writer, zone, own, rows):
        rows = None
    if rows is None:
        rows = _written_by_hand(writer, zone, own)
    return Form(tuple(row.number for row in rows))


def ordered(reader: Reader, zone: str, own: Mapping[str, ArtifactId]) -> list[tuple[str, IndexRow]] | None:
    """Name and index of each of a zone's files, in owner order; None where one has no index of its own."""
    known = indexes.of_zone(reader, zone)
    if any(file not in known for file in own.values()):
        return None
    return sorted(((name, known[file]) for name, file in own.items()), key=lambda pair: pair[1].first)


def read_all(reader: Reader, zone: str, everything: Mapping[str, ArtifactId]) -> list[Record]:
    """Every record of the zone's files, the union of what each says when read alone.

    Raises:
        ZoneInvalid: the faults of all of them.
    """
    origin = names.zone_name(zone)
    records: list[Record] = []
    faults: list[Fault] = []
    for name in sorted(everything):
        if files.is_zone_file(zone, name):
            try:
                records += text.read(reader.content(everything[name]), origin, file=name)
            except ZoneInvalid as exc:
                faults += exc.faults
    if faults:
        raise ZoneInvalid(faults)
    return records


def _canonical_rows(
    writer: Writer, zone: str, own: Mapping[str, ArtifactId], *, as_cut: bool
) -> list[IndexRow] | None:
    """The indexes of files that are all canonical and disjoint; None: they are not."""
    known = indexes.of_zone(writer, zone)
    fresh = {name: file for name, file in own.items() if file not in known}
    if len(fresh) > 1 and len(fresh) == len(own) and not as_cut:
        return None  # nothing is known: reading it all in one go is cheaper than finding out file by file
    origin = names.zone_name(zone)
    made: dict[ArtifactId, tuple[IndexRow, list[Record], str]] = {}
    for name, file in fresh.items():
        content = writer.content(file)
        records = text.read(content, origin, file=name)
        if not as_cut and text.write(records, origin) != content:
            return None
        made[file] = (_row(zone, file, records, content, origin), records, name)
    rows = sorted(
        (made[file][0] if file in made else known[file] for file in own.values()), key=lambda row: row.first
    )
    if rows[0].first != b"" or any(low.last >= high.first for low, high in itertools.pairwise(rows)):
        return None
    for row, records, name in made.values():
        _check(records, origin, name, has_apex=row is rows[0])
    for row, records, _ in made.values():
        indexes.put(writer, zone, row, compile_index(records, origin))
    return rows


def _is_cut(reader: Reader, zone: str, own: Mapping[str, ArtifactId], rows: list[IndexRow]) -> bool:
    """Whether canonical, disjoint files, their indexes in owner order, are what files.cut() makes of them."""
    if len(rows) == 1 and reader.size(rows[0].file) < files.LIMITS.most:
        return files.first_name(zone) in own
    blocks = [block for row in rows for block in files.split(reader.content(row.file))]
    return {name: artifact_id(content) for name, content in files.cut_blocks(zone, blocks)} == dict(own)


def _written_by_hand(writer: Writer, zone: str, own: Mapping[str, ArtifactId]) -> list[IndexRow]:
    origin = names.zone_name(zone)
    records = read_all(writer, zone, own)
    _check(records, origin, next(iter(own)) if len(own) == 1 else "", has_apex=True)
    rows = []
    for _, content in files.cut(zone, records):
        piece = text.read(content, origin)
        row = _row(zone, artifact_id(content), piece, content, origin)
        indexes.put(writer, zone, row, compile_index(piece, origin))
        rows.append(row)
    return rows


def _row(
    zone: str, file: ArtifactId, records: list[Record], content: bytes, origin: dns.name.Name
) -> IndexRow:
    keys = [names.owner_key(record.owner) for record in records]
    soa = serial.scan(content, origin)
    return IndexRow(indexes.number_of(zone, file), file, min(keys), max(keys), soa, len(records))


def _check(records: Iterable[Record], origin: dns.name.Name, file: str, *, has_apex: bool) -> None:
    errors, _ = validate.faults(records, origin, has_apex=has_apex)
    if errors:
        raise ZoneInvalid([Fault(fault.file or file, fault.line, fault.reason) for fault in errors])
