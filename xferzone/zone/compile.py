"""A zone's files to their served form, all at once. Nothing here reads a repository, so another process can do it.

    texts of the files ─> records, their union checked ─> cut by the rule ─> an index a piece

A piece that is one of the files has that file's id, any other, of a zone written by hand, the hash of its canonical
text.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import dns.name

from xferzone.errors import Fault, ZoneInvalid
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.zone import checks, cut, serial
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import MAX_RECORDS, NOTHING, FileText, ZoneText, joined

MAX_FAULTS: Final = 100  # of a zone; then no more of its files are read


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A canonical zone file in served form: its owners lie from key `first` to key `last`; `soa`: serial in it."""

    number: int
    file: ArtifactId
    first: bytes
    last: bytes
    soa: int | None
    records: int


class Task(NamedTuple):
    """A zone to be compiled: its files by name, with what they hold."""

    zone: str
    contents: Mapping[str, tuple[ArtifactId, bytes]]


class Compiled(NamedTuple):
    """The indexes of a zone, in owner order, each with its row; or why it cannot be served."""

    rows: Sequence[tuple[IndexRow, bytes]]
    faults: Sequence[Fault] = ()


def compile_zone(task: Task) -> Compiled:
    """Check and compile a zone of which nothing is compiled yet."""
    origin = names.zone_name(task.zone)
    read: dict[bytes, tuple[ArtifactId, list[Record]]] = {}
    records: list[Record] = []
    try:
        whole = union(task, read)
        records = whole.records
        name = next(iter(task.contents)) if len(task.contents) == 1 else ""
        check(records, origin, name, has_apex=True)
        pieces = cut.cut(task.zone, records, whole.default)
    except ZoneInvalid as exc:
        return Compiled((), exc.faults)
    made = []
    for _, content in pieces:
        if content in read:
            file, piece = read[content]
        else:
            # Of the only piece the records are known: writing changes nothing that compiling looks at.
            file, piece = artifact_id(content), records if len(pieces) == 1 else text.read(content, origin)
        row, index = compile_file(task.zone, file, piece, content, origin)
        made.append((row, index))
    return Compiled(made)


def union(task: Task, read: dict[bytes, tuple[ArtifactId, list[Record]]] | None = None) -> ZoneText:
    """What all the files say; `read` gets each text with its file and records.

    Raises:
        ZoneInvalid: the faults of all of them; of the first files where there are over MAX_FAULTS.
    """
    origin = names.zone_name(task.zone)
    files: dict[str, FileText] = {}
    once: dict[ArtifactId, FileText] = {}  # many names may have one content
    generated, count, wrong = NOTHING, 0, 0
    for name, (file, content) in sorted(task.contents.items()):
        found = once.get(file)
        if found is None:
            found = text.parse(content, origin, generated)
            if found.generated == generated:  # else it makes more under another name
                once[file] = found
            generated = found.generated
        files[name] = found
        if read is not None:
            read[content] = file, found.records
        count += len(found.records)
        wrong += len(found.faults)
        if count > MAX_RECORDS or wrong > MAX_FAULTS:
            break  # which is told next
    return joined(files)


def compile_file(
    zone: str, file: ArtifactId, records: Sequence[Record], content: bytes, origin: dns.name.Name
) -> tuple[IndexRow, bytes]:
    """The index of a file whose canonical text is `content`, and its row."""
    index = compile_index(records, origin)
    opened = Index(index)
    number = number_of(zone, file)
    row = IndexRow(number, file, opened.first, opened.last, serial.scan(content, origin), _lines(content))
    return row, index


def number_of(zone: str, file: ArtifactId) -> int:
    """The number of a file's index in a zone: the first 63 bits of SHA3-256 over zone, NUL and the file's hash."""
    digest = hashlib.sha3_256(zone.encode("ascii") + b"\0" + bytes.fromhex(file)).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def check(records: Sequence[Record], origin: dns.name.Name, file: str, *, has_apex: bool) -> None:
    """Raises ZoneInvalid if the zone must not be served; `file` is the file of faults that do not name one."""
    errors = checks.errors(records, origin, has_apex=has_apex)
    if errors:
        raise ZoneInvalid([Fault(fault.file or file, fault.line, fault.reason) for fault in errors])


def _lines(content: bytes) -> int:
    """The records of a canonical text, each of which has a line of its own, as have $TTL and each comment above one."""
    return content.count(b"\n") - content.count(b"\n;") - content.startswith((b";", b"$TTL "))
