"""What the files of a zone say together: its records, and its default TTL, n.

    files, each read alone (parser.py) ─> a FileText each ─> joined ─> ZoneText

    n               the $TTL in force at the SOA; else the first one below it in its file; else nothing is said
    a bare record   takes the $TTL above it in its file;
                    else, in a file without the SOA, n, if any file has a $TTL;
                    else the TTL given last in its file, else the SOA's minimum: both with a warning

Where the text says nothing of n, n is the SOA's TTL. Of several files with an SOA, the one whose name sorts first
counts. Changing n changes no record that states its TTL. Source: RFC 2308 4 ($TTL); the rest is ours.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xferzone.errors import Fault, ZoneInvalid
from xferzone.wording import and_more
from xferzone.zonefile.rdata import soa
from xferzone.zonefile.rdtypes import SOA
from xferzone.zonefile.record import Record

MAX_TTL: Final = 0x7FFF_FFFF  # seconds; RFC 2181 8
MAX_FAULTS: Final = 20  # of one file; then reading stops
MAX_RECORDS: Final = 1_200_000  # of one zone; ours: a million, and room for DNSSEC's or others beside them
UNKNOWN: Final = -1  # the TTL of a bare record that nothing above it gives one

LAST_GIVEN: Final = "the TTL given last"
MINIMUM: Final = "the SOA's minimum"


class DefaultTTL(NamedTuple):
    """A zone's default TTL in seconds, and the comment that ends its line, from its ";" on; empty if none."""

    ttl: int
    behind: bytes = b""


class ZoneText(NamedTuple):
    """What zone text says.

    Fields:
        records: in the order of the text.
        default: None: it says nothing of the default TTL.
        warnings: of each file with records that took a TTL from where people may not expect it, one a place; and of
            what only its text shows.
    """

    records: list[Record]
    default: DefaultTTL | None = None
    warnings: tuple[Fault, ...] = ()

    @property
    def default_ttl(self) -> DefaultTTL | None:
        """What the zone's default TTL is, said or not. None: there is no SOA either."""
        return self.default or of_soa(self.records)


class Directive(NamedTuple):
    """A $TTL that may give n, with its comments and its line.

    If it does not, the comments go above record number `record` of the file, from 0, behind the first `above` of those
    that stand there anyway.
    """

    ttl: int
    comments: Sequence[bytes]
    line: int
    record: int
    above: int

    def above_it(self, record: Record) -> Record:
        """That record with the comments."""
        above = record.above
        return record._replace(above=(*above[: self.above], *self.comments, *above[self.above :]))


class Generated(NamedTuple):
    """What $GENERATE makes: records, and bytes of text."""

    records: int
    size: int


NOTHING: Final = Generated(0, 0)


@dataclass(slots=True)
class FileText:
    """One file, read alone.

    Fields:
        bare: positions of records that took their TTL from above, or found nothing there (UNKNOWN), and its source.
        said: the $TTL that gives n, if this is the file that does.
        soa: the position of the first SOA record. None: there is none.
        has_ttl: whether there is a $TTL anywhere.
        doubts: warnings of its text that its records do not show.
        generated: what $GENERATE has made, or was to make, in it and in the texts of the zone before it.
    """

    records: list[Record] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    bare: dict[int, str] = field(default_factory=dict)
    said: Directive | None = None
    soa: int | None = None
    has_ttl: bool = False
    doubts: list[Fault] = field(default_factory=list)
    generated: Generated = NOTHING

    @property
    def default(self) -> DefaultTTL | None:
        """What it says of the zone's default TTL, if this is the file that does."""
        return None if self.said is None else DefaultTTL(self.said.ttl, b" ".join(self.said.comments))

    @property
    def needs_others(self) -> bool:
        """Whether TTLs in it may depend on the zone's other files."""
        return bool(self.bare) and self.soa is None

    @property
    def minimum(self) -> int | None:
        """That of its SOA. None: there is no SOA, or it has a fault."""
        held = [] if self.soa is None else self.records[self.soa : self.soa + 1]
        return soa.minimum(held[0].rdata) if held and held[0].rdtype == SOA else None


def joined(files: Mapping[str, FileText]) -> ZoneText:
    """What files, by name, say together, in the order of their names.

    Raises:
        ZoneInvalid: the faults of all of them.
    """
    ordered = sorted(files.items())
    _check_count(ordered)
    first = next((file for _, file in ordered if file.soa is not None), None)
    default = None if first is None else first.default
    known = default or of_soa(record for _, file in ordered for record in file.records)
    n = known.ttl if known and any(file.has_ttl for _, file in ordered) else None
    minimum = None if first is None else first.minimum
    # A line that cannot be read may be the SOA, or the $TTL, that would have given a TTL: it alone is blamed.
    is_readable = not any(file.faults for _, file in ordered)
    every: list[Record] = []
    faults: list[Fault] = []
    warnings: list[Fault] = []
    for name, file in ordered:
        records = file.records
        if file.said is not None and file is not first:
            records = _commented(records, file.said)
        wrong = file.faults
        if file.needs_others and n is not None:
            records = _with_ttls(records, dict.fromkeys(file.bare, n))
        elif file.bare:
            given, unknown = _given(file, minimum)
            records = _with_ttls(records, given)
            wrong = _limited(unknown) if is_readable else wrong
            warnings += [] if unknown else _warnings(name, file, records)
        warnings += [Fault(name, doubt.line, doubt.reason) for doubt in file.doubts]
        faults += [Fault(name, fault.line, fault.reason) for fault in wrong]
        every += records
    if faults:
        raise ZoneInvalid(faults)
    return ZoneText(every, default, tuple(warnings))


def _check_count(files: Iterable[tuple[str, FileText]]) -> None:
    """Raise ZoneInvalid where the files, by name, have more than MAX_RECORDS records; names the first beyond."""
    count = 0
    for name, file in files:
        if count + len(file.records) > MAX_RECORDS:
            line = file.records[MAX_RECORDS - count].line
            raise ZoneInvalid([Fault(name, line, f"the zone has more than {MAX_RECORDS} records")])
        count += len(file.records)


def of_soa(records: Iterable[Record]) -> DefaultTTL | None:
    """The default TTL of a zone whose text says nothing of it: its SOA's TTL. None: there is no SOA."""
    ttls = [record.ttl for record in records if record.rdtype == SOA]
    return DefaultTTL(min(ttls)) if ttls else None


def unread() -> Fault:
    """What the last fault of a file says that has too many."""
    return Fault("", 0, f"the text was not read further after {MAX_FAULTS} faults")


def _commented(records: Sequence[Record], said: Directive) -> list[Record]:
    """The records, with the comments of a $TTL that does not give n."""
    made = list(records)
    at = min(said.record, len(made) - 1)
    made[at] = said.above_it(made[at])
    return made


def _given(file: FileText, minimum: int | None) -> tuple[dict[int, int], list[Fault]]:
    """The TTLs of the bare records that nothing above gives one, by position; and a fault for each without any."""
    unknown = [at for at in file.bare if file.records[at].ttl == UNKNOWN]
    if minimum is not None and minimum <= MAX_TTL and file.soa is None:
        return dict.fromkeys(unknown, minimum), []
    reason = "it has no TTL: give it one, or write $TTL above it"
    return {}, [Fault("", file.records[at].line, reason) for at in unknown[: MAX_FAULTS + 1]]


def _with_ttls(records: Sequence[Record], ttls: Mapping[int, int]) -> list[Record]:
    made = list(records)
    for at, ttl in ttls.items():
        made[at] = made[at]._replace(ttl=ttl)
    return made


def _limited(faults: Sequence[Fault]) -> list[Fault]:
    """Faults in the order of the text, as many as one file may have."""
    ordered = sorted(faults, key=lambda fault: (not fault.line, fault.line))
    return ordered if len(ordered) <= MAX_FAULTS else [*ordered[:MAX_FAULTS], unread()]


def _warnings(name: str, file: FileText, records: Sequence[Record]) -> Iterator[Fault]:
    """One warning for each place where bare records of the file found a TTL, at the first of them."""
    for wanted in (MINIMUM, LAST_GIVEN):
        bare = [at for at, source in file.bare.items() if (source or MINIMUM) == wanted]
        if not bare:
            continue
        ttl, line = records[bare[0]].ttl, records[bare[0]].line
        more = f" ({and_more(len(bare) - 1)})" if len(bare) > 1 else ""
        reason = f"it has no TTL and no $TTL above it, so it takes {wanted}, {ttl}{more}: write $TTL"
        yield Fault(name, line, reason)
