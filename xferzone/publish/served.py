"""What a check-in is served from: the compiled indexes of its zone files, in owner order.

    files as cut.cut() makes them           one index a file; files that have one already are not read again
    anything else, or all unknown           the union is read, put in canonical form in memory, and cut;
                                            each piece of that has an index (zone/compile.py)

A ref keeps their numbers. So a one-record commit of ours to a large zone reads and checks one file.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from xferzone.errors import Fault, ZoneInvalid
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.ahead import LARGE, Ahead, Wanted
from xferzone.refs import indexes
from xferzone.store import Reader, Store, Writer
from xferzone.zone import cut
from xferzone.zone.compile import Compiled, IndexRow, Task, check, compile_file, compile_zone, union
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import MAX_RECORDS, DefaultTTL, ZoneText, joined

#: Compiles zones: each task to what compile_framed makes of it, in order.
Compiler = Callable[[Iterable[Task]], Iterator[Compiled]]

_KEPT: Final = b""  # instead of the frame of an index that is in the database already


def compile_framed(task: Task) -> Compiled:
    """Check and compile a zone of which nothing is compiled yet; its indexes as zstd frames for the database."""
    compiled = compile_zone(task)
    return compiled._replace(rows=[(row, indexes.frame(index)) for row, index in compiled.rows])


def compile_all(tasks: Iterable[Task]) -> Iterator[Compiled]:
    """`compile_framed` of each."""
    return map(compile_framed, tasks)


def numbers(
    writer: Writer,
    zone: str,
    everything: Mapping[str, ArtifactId],
    *,
    as_cut: bool = False,
    ahead: Ahead | None = None,
) -> tuple[int, ...]:
    """Check the zone's files among `everything` in a check-in, and compile what is not compiled yet.

    Args:
        as_cut: the files are known to be what cut.cut() makes. Otherwise that is checked, which reads them all if there
            are several.
        ahead: compiles what is large; None: it is compiled here.

    Raises:
        ZoneInvalid: the zone must not be served; every fault found, by file and line.
        NotYet: `ahead` is to compile it before.
    """
    own = cut.zone_files(zone, everything)
    if not own:
        raise ZoneInvalid([Fault("", 0, f"there is no file {cut.first_name(zone)} in the check-in")])
    if (fault := _too_much(writer, own)) is not None:
        raise ZoneInvalid([fault])
    made = None
    if ahead is not None:
        made = ahead.made(Wanted(zone, own), is_large=_is_large(writer, own))
    if made is None or _lacks(writer, zone, made):
        made = _as_they_are(writer, zone, own, as_cut=as_cut) or compile_framed(task(writer, zone, own))
    return keep(writer, zone, made)


def compile_wanted(store: Store, ahead: Ahead) -> None:
    """Compile what a part of the publishing has ended for, if anything. Not to be called in a transaction.

    Raises:
        XferzoneError: the files cannot be read.
    """
    if ahead.wanted is not None:
        zone, own = ahead.wanted
        with store.reader() as reader:
            made = _as_they_are(reader, zone, own, as_cut=False)
            read = task(reader, zone, own if made is None else {})
        ahead.put(made or compile_framed(read))


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


def _is_large(reader: Reader, files: Mapping[str, ArtifactId]) -> bool:
    """Whether compiling these, or reading them to see what is compiled, takes long.

    A few bytes of $GENERATE may make 65,536 records.
    """
    sizes = reader.sizes(files.values())
    if sum(sizes.get(file, 0) for file in files.values()) > LARGE:
        return True
    return any(b"$GENERATE" in reader.content(file).upper() for file in dict.fromkeys(files.values()))


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
        if index != _KEPT:
            indexes.put_frame(writer, zone, row, index)
    return tuple(row.number for row, _ in compiled.rows)


def _lacks(reader: Reader, zone: str, compiled: Compiled) -> bool:
    """Whether an index that was in the database when this was made has gone."""
    files = [row.file for row, index in compiled.rows if index == _KEPT]
    return len(indexes.of_files(reader, zone, files)) < len(set(files))


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


def _as_they_are(
    reader: Reader, zone: str, own: Mapping[str, ArtifactId], *, as_cut: bool
) -> Compiled | None:
    """A zone each of whose files has an index of its own. None: all files have to be read together."""
    try:
        rows = _known_or_cut(reader, zone, own, as_cut=as_cut)
    except ZoneInvalid as exc:
        return Compiled((), exc.faults)
    if rows is not None and sum(row.records for row, _ in rows) > MAX_RECORDS:
        return Compiled((), [Fault("", 0, f"the zone has more than {MAX_RECORDS} records")])
    return None if rows is None else Compiled(rows)


def _known_or_cut(
    reader: Reader, zone: str, own: Mapping[str, ArtifactId], *, as_cut: bool
) -> list[tuple[IndexRow, bytes]] | None:
    """The indexes of files that are as cut.cut() makes them, where the known ones among them show that.
    None: all files have to be read together."""
    known = indexes.of_files(reader, zone, own.values())
    fresh = {name: file for name, file in own.items() if file not in known}
    if len(fresh) == len(own) and not as_cut:
        return None
    origin = names.zone_name(zone)
    read: dict[str, list[Record]] = {}
    made: dict[ArtifactId, tuple[IndexRow, bytes]] = {}
    for name, file in fresh.items():
        content = reader.content(file)
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
    if not as_cut and not _is_cut(reader, zone, own, rows):
        return None
    return [(row, indexes.frame(made[row.file][1]) if row.file in made else _KEPT) for row in rows]


def _is_cut(reader: Reader, zone: str, own: Mapping[str, ArtifactId], rows: list[IndexRow]) -> bool:
    """Whether canonical, disjoint files, their indexes in owner order, are what cut.cut() makes of them."""
    if len(rows) == 1 and reader.size(rows[0].file) < cut.LIMITS.most:
        return cut.first_name(zone) in own
    blocks = [block for row in rows for block in cut.split(reader.content(row.file))]
    return {name: artifact_id(content) for name, content in cut.cut_blocks(zone, blocks)} == dict(own)
