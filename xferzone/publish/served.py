"""What a check-in is served from: the compiled indexes of its zone files, in owner order.

    files as cut.cut() makes them           one index a file; files that have one already are not read again
    anything else, or all unknown           the union is read, put in canonical form in memory, and cut;
                                            each piece of that has an index (zone/compile.py)

A ref keeps their numbers. So a one-record commit of ours to a large zone reads and checks one file.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from xferzone.errors import Fault, ZoneInvalid
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import indexes
from xferzone.store import Reader, Writer
from xferzone.zone import cut
from xferzone.zone.compile import Compiled, IndexRow, Task, check, compile_file, compile_zone, union
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import MAX_RECORDS, DefaultTTL, ZoneText, joined

#: Compiles zones: each task to what compile_framed makes of it, in order.
Compiler = Callable[[Iterable[Task]], Iterator[Compiled]]


def compile_framed(task: Task) -> Compiled:
    """Check and compile a zone of which nothing is compiled yet; its indexes as zstd frames for the database."""
    compiled = compile_zone(task)
    return compiled._replace(rows=[(row, indexes.frame(index)) for row, index in compiled.rows])


def compile_all(tasks: Iterable[Task]) -> Iterator[Compiled]:
    """`compile_framed` of each."""
    return map(compile_framed, tasks)


def numbers(
    writer: Writer, zone: str, everything: Mapping[str, ArtifactId], *, as_cut: bool = False
) -> tuple[int, ...]:
    """Check the zone's files among `everything` in a check-in, and compile what is not compiled yet.

    `as_cut`: the files are known to be what cut.cut() makes. Otherwise that is checked, which reads them all if there
    are several.

    Raises:
        ZoneInvalid: the zone must not be served; every fault found, by file and line.
    """
    own = cut.zone_files(zone, everything)
    if not own:
        raise ZoneInvalid([Fault("", 0, f"there is no file {cut.first_name(zone)} in the check-in")])
    if (fault := _too_much(writer, own)) is not None:
        raise ZoneInvalid([fault])
    rows = _known_or_cut(writer, zone, own, as_cut=as_cut)
    if rows is None:
        return keep(writer, zone, compile_framed(task(writer, zone, own)))
    if sum(row.records for row in rows) > MAX_RECORDS:
        raise ZoneInvalid([Fault("", 0, f"the zone has more than {MAX_RECORDS} records")])
    return _numbers(rows)


def numbers_of_each(
    writer: Writer, wanted: Sequence[tuple[str, Mapping[str, ArtifactId]]], compiler: Compiler
) -> Iterator[tuple[int, ...] | ZoneInvalid]:
    """`numbers` of each zone and what its check-in holds, in order; the work begins with the call.

    `compiler` does it for the zones of which nothing is known yet, while the caller goes on.
    """
    is_new = [
        bool(own) and not indexes.of_files(writer, zone, own.values()) and _too_much(writer, own) is None
        for zone, own in ((zone, cut.zone_files(zone, held)) for zone, held in wanted)
    ]
    made = compiler(task(writer, *each) for each, new in zip(wanted, is_new, strict=True) if new)

    def results() -> Iterator[tuple[int, ...] | ZoneInvalid]:
        for (zone, held), new in zip(wanted, is_new, strict=True):
            try:
                yield keep(writer, zone, next(made)) if new else numbers(writer, zone, held)
            except ZoneInvalid as exc:
                yield exc

    return results()


def _too_much(reader: Reader, own: Mapping[str, ArtifactId]) -> Fault | None:
    """What is too much of a zone's files, before any of them is read."""
    if len(own) > cut.MAX_FILES:
        return Fault(sorted(own)[cut.MAX_FILES], 0, f"the zone has more than {cut.MAX_FILES} files")
    size, sizes = 0, reader.sizes(own.values())
    for name, file in sorted(own.items()):
        size += sizes.get(file, 0)
        if size > cut.MAX_ZONE:
            return Fault(name, 0, f"the zone's files have more than {cut.MAX_ZONE} bytes")
    return None


def task(reader: Reader, zone: str, everything: Mapping[str, ArtifactId]) -> Task:
    """What compiling the zone's files needs, all of them read."""
    own = cut.zone_files(zone, everything)
    return Task(zone, {name: (file, reader.content(file)) for name, file in own.items()})


def keep(writer: Writer, zone: str, compiled: Compiled) -> tuple[int, ...]:
    """Write down what was compiled; the numbers of its indexes.

    Raises:
        ZoneInvalid: the zone must not be served.
    """
    if compiled.faults:
        raise ZoneInvalid(compiled.faults)
    for row, index in compiled.rows:
        indexes.put_frame(writer, zone, row, index)
    return _numbers([row for row, _ in compiled.rows])


def _numbers(rows: Iterable[IndexRow]) -> tuple[int, ...]:
    return tuple(row.number for row in rows)


def ordered(reader: Reader, zone: str, own: Mapping[str, ArtifactId]) -> list[tuple[str, IndexRow]] | None:
    """Name and index of each of a zone's files, in owner order; None where one has no index of its own."""
    known = indexes.of_files(reader, zone, own.values())
    if any(file not in known for file in own.values()):
        return None
    return sorted(((name, known[file]) for name, file in own.items()), key=lambda pair: pair[1].first)


def read_all(reader: Reader, zone: str, everything: Mapping[str, ArtifactId]) -> ZoneText:
    """What the zone's files say together.

    Raises:
        ZoneInvalid: the faults of all of them.
    """
    return union(task(reader, zone, everything))


def default_ttl(reader: Reader, zone: str, everything: Mapping[str, ArtifactId]) -> DefaultTTL | None:
    """The zone's default TTL: what its files say, else its SOA's. None: there is no SOA.

    Raises:
        ZoneInvalid: they cannot be read.
    """
    own = cut.zone_files(zone, everything)
    first = own.get(cut.first_name(zone))
    if first is not None and indexes.of_files(reader, zone, [first]):  # so it is canonical
        return text.default_of(reader.content(first))
    origin = names.zone_name(zone)
    for _, file in sorted(own.items()):
        head = text.parse_head(reader.content(file), origin)
        if head.soa is not None:
            return head.default or read_all(reader, zone, own).default_ttl
    return None


def _known_or_cut(
    writer: Writer, zone: str, own: Mapping[str, ArtifactId], *, as_cut: bool
) -> list[IndexRow] | None:
    """The indexes of files that are as cut.cut() makes them, where the known ones among them show that.
    None: all files have to be read together."""
    known = indexes.of_files(writer, zone, own.values())
    fresh = {name: file for name, file in own.items() if file not in known}
    if len(fresh) == len(own) and not as_cut:
        return None
    origin = names.zone_name(zone)
    read: dict[str, list[Record]] = {}
    made: dict[ArtifactId, tuple[IndexRow, bytes]] = {}
    for name, file in fresh.items():
        content = writer.content(file)
        parsed = text.parse(content, origin)
        if parsed.needs_others:
            return None
        whole = joined({name: parsed})
        read[name] = whole.records
        if not as_cut and text.write(whole.records, origin, whole.default) != content:
            return None
        made[file] = compile_file(zone, file, read[name], content, origin)
    rows = sorted(
        (made[file][0] if file in made else known[file] for file in own.values()), key=lambda row: row.first
    )
    if rows[0].first != b"" or any(low.last >= high.first for low, high in itertools.pairwise(rows)):
        return None
    for name, records in read.items():
        check(records, origin, name, has_apex=own[name] == rows[0].file)
    if not as_cut and not _is_cut(writer, zone, own, rows):
        return None
    for row, index in made.values():
        indexes.put_frame(writer, zone, row, indexes.frame(index))
    return rows


def _is_cut(reader: Reader, zone: str, own: Mapping[str, ArtifactId], rows: list[IndexRow]) -> bool:
    """Whether canonical, disjoint files, their indexes in owner order, are what cut.cut() makes of them."""
    if len(rows) == 1 and reader.size(rows[0].file) < cut.LIMITS.most:
        return cut.first_name(zone) in own
    blocks = [block for row in rows for block in cut.split(reader.content(row.file))]
    return {name: artifact_id(content) for name, content in cut.cut_blocks(zone, blocks)} == dict(own)
