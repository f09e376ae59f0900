r"""Zone text: what other parts call to read it, to write it, and to take rdata from a command line.

    read_zone  bytes of one file -> records, in its order, and default TTL  parser.py, scanner.py, fastpath.py
    parse      the same of one of several files                             whole.py puts them together
    write      records, default TTL -> canonical text                       writer.py
    line       one record -> its canonical line
    draft      records -> text for an editor, every type in presentation form
    shown_*    one record -> what people are shown of it
    rdata_*    rdata <- words of a command line                             rdata/

    www.example.com. 1h IN A 192.0.2.1 ; web        hand-written
    www 3600 A 192.0.2.1 ; web                      canonical, in the zone example.com

Source: RFC 1035 5; canonical form is ours (docs/architecture.md, Data model).
"""

from collections.abc import Iterable, Sequence

import dns.name

from xferzone.errors import Fault, UsageError
from xferzone.zonefile import foreign, names, rdtypes, scanner, writer
from xferzone.zonefile.parser import Reading
from xferzone.zonefile.rdata import fields, layouts, values
from xferzone.zonefile.rdata.names import NameReader, lowered_labels
from xferzone.zonefile.record import Record
from xferzone.zonefile.scanner import Token
from xferzone.zonefile.whole import NOTHING, DefaultTTL, FileText, Generated, ZoneText, joined

MAX_TEXT = 64 * 1024 * 1024  # bytes of one zone file; as much as an artifact may have

_HEAD = 4096  # bytes of a file in which most have $TTL and SOA
_SHOWN = 100  # letters of rdata that a message repeats
_JOINED_TYPES = (rdtypes.TXT, rdtypes.SPF)
_NEEDS_QUOTES = frozenset(b" \t;()")


def parse(content: bytes, origin: dns.name.Name, generated: Generated = NOTHING) -> FileText:
    """What one zone file says, read alone with `origin` (absolute); whole.joined puts files together.

    `generated`: of the file of the same zone that was read before.
    """
    reading = Reading(lowered_labels(origin), generated)
    if fault := _not_text(content):
        reading.file.faults.append(fault)
    else:
        reading.read(content)
        reading.finish()
        reading.file.doubts += [Fault("", line, reason) for line, reason in foreign.octal_owners(content)]
    return reading.file


def parse_head(content: bytes, origin: dns.name.Name) -> FileText:
    """What a valid zone file says up to its SOA and the default TTL, and maybe more: the whole file only if need be."""
    head = parse(content[: content.rfind(b"\n", 0, _HEAD) + 1], origin)
    return head if head.soa is not None and head.said is not None else parse(content, origin)


def read_zone(content: bytes, origin: dns.name.Name, *, file: str = "") -> ZoneText:
    """What the text of a whole zone says, in one file.

    Equal records, and an SOA that a transfer repeats, come as often as they stand there; write() makes them one.
    Comments after the last record are above it; a text without records has none, comments or not.

    Raises:
        ZoneInvalid: what is wrong, by line, in `file`; at most 20 faults.
    """
    return joined({file: parse(content, origin)})


def read(content: bytes, origin: dns.name.Name, *, file: str = "") -> list[Record]:
    """The records of read_zone() alone. Raises as it does."""
    return read_zone(content, origin, file=file).records


def write(records: Iterable[Record], origin: dns.name.Name, default: DefaultTTL | None = None) -> bytes:
    """The canonical text of a zone's records, given in any order: equal records, default and comments, equal bytes.

    `default` None: the zone's default TTL is that of its SOA. Without an SOA the text has no $TTL: it is the text of a
    file that is not the zone's first.
    """
    return b"".join([text for _, text in blocks(records, origin, default)])


def blocks(
    records: Iterable[Record], origin: dns.name.Name, default: DefaultTTL | None = None
) -> list[tuple[bytes, bytes]]:
    """Each owner in canonical order with the canonical text of its records; write() in pieces."""
    ordered, _ = writer.in_order(records)
    line_writer = writer.LineWriter(lowered_labels(origin))
    return list(writer.blocks(ordered, line_writer, default))


def draft(records: Iterable[Record], origin: dns.name.Name, default: DefaultTTL | None) -> bytes:
    """The text that write() makes, with every type in presentation form that has any here: for people to edit."""
    ordered, _ = writer.in_order(records)
    shown = writer.LineWriter(lowered_labels(origin), is_shown=True)
    return b"".join([written for _, written in writer.blocks(ordered, shown, default)])


def default_of(canonical: bytes) -> DefaultTTL | None:
    """The default TTL that the canonical text of a zone's first file begins with. None: it begins otherwise."""
    line = canonical.partition(b"\n")[0]
    directive, _, behind = line.partition(b" ;")
    word, _, ttl = directive.partition(b" ")
    if word != b"$TTL":
        return None
    return DefaultTTL(int(ttl), b";" + behind if len(directive) < len(line) else b"")


def normalised(records: Iterable[Record], origin: dns.name.Name) -> tuple[list[Record], list[Fault]]:
    """The records as write() puts them down: in order, each once, RRsets with one TTL; and a warning for each
    RRset whose TTLs differed."""
    ordered, differing = writer.in_order(records)
    return ordered, [ttl_warning(record, origin) for record in differing]


def ttl_warning(lowest: Record, origin: dns.name.Name) -> Fault:
    """The warning for an RRset whose TTLs differed; `lowest` is its record with the lowest."""
    name = owner_name(lowest.owner, origin)
    kind = rrset_name(lowest)
    return Fault(
        "", lowest.line, f"the TTLs of {name} {kind} differ: the lowest, {lowest.ttl}, is taken for all"
    )


def rrset_name(record: Record) -> str:
    """What people call the records of an RRset, as `MX` or `RRSIG A`."""
    kind = rdtypes.type_name(record.rdtype)
    covered = rdtypes.rrset_of(record.rdtype, record.rdata) & 0xFFFF
    return f"{kind} {rdtypes.type_name(covered)}" if covered else kind


def owner_name(owner: bytes, origin: dns.name.Name) -> str:
    """A Record.owner as an absolute name with final dot, for people."""
    labels = names.owner_labels(owner) + lowered_labels(origin)
    return names.labels_text(labels).decode("ascii") + "."


def line(record: Record, origin: dns.name.Name) -> bytes:
    """The record's canonical line, without its comments and without line feed."""
    return writer.LineWriter(lowered_labels(origin)).line(record)


def lines(records: Iterable[Record], origin: dns.name.Name) -> list[bytes]:
    """line() of each record; much faster for many."""
    return list(map(writer.LineWriter(lowered_labels(origin)).line, records))


def shown_lines(records: Iterable[Record], origin: dns.name.Name) -> list[bytes]:
    """The line of each record as people are shown it, no two records alike; without comments and line feed."""
    return list(map(writer.LineWriter(lowered_labels(origin), is_shown=True).line, records))


def shown_type_and_rdata(rdtype: int, wire: bytes) -> tuple[str, str]:
    r"""Type and rdata as people are shown them, names absolute; `\# length hex` where the type has no text."""
    kind, rdata = writer.LineWriter(None, is_shown=True).type_and_rdata(rdtype, wire)
    return kind.decode("ascii"), rdata.decode("ascii")


def rdata_from_words(kind: str, words: Sequence[str], origin: dns.name.Name) -> tuple[int, bytes]:
    """Type and canonical wire form of the rdata that a command line gives in `words`.

    Relative names are completed with `origin`; the root makes "example.net" absolute with or without final dot.
    A word with a quote in it is zone text. Otherwise TXT and SPF take all words, joined by blanks, as one text,
    which is divided into character-strings of 255 octets; in other types a word that a shell has freed of its
    quotes (it has blanks, ";" or parentheses in it, or is empty) is one quoted string, unless it is the only word.

    Raises:
        UsageError: no such type, or no such rdata; says why.
    """
    try:
        rdtype = rdtypes.parse_type(kind.encode("utf-8", "surrogateescape"))
        if not rdtypes.is_stored(rdtype):
            raise ValueError(f"{kind} is not a type that a record in a zone can have")
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    raw = [word.encode("utf-8", "surrogateescape") for word in words]
    try:
        tokens = _joined(raw) if rdtype in _JOINED_TYPES and not _is_zone_text(raw) else _tokens(raw)
        return rdtype, layouts.parsed(rdtype, tokens, NameReader(origin.labels[:-1]))
    except ValueError as exc:
        given = " ".join(words)
        shown = given if len(given) <= _SHOWN else f"{given[:_SHOWN]}..."
        raise UsageError(f"{kind} {shown}: {exc}") from exc


def parse_type(text: str) -> int:
    """The number of a type that a record can have, by mnemonic or TYPEnnn in any case; raises UsageError."""
    try:
        rdtype = rdtypes.parse_type(text.encode("utf-8", "surrogateescape"))
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    if not rdtypes.is_stored(rdtype):
        raise UsageError(f"{text} is not a type that a record in a zone can have")
    return rdtype


def begins_with_number(kind: str) -> bool:
    """Whether the rdata of a type, given as parse_type takes it, begins with a number that is not an interval."""
    return isinstance(layouts.LAYOUTS.get(parse_type(kind), (None,))[0], fields.Number)


def _not_text(content: bytes) -> Fault | None:
    if len(content) > MAX_TEXT:
        return Fault("", 0, f"{len(content)} bytes; a zone file may have {MAX_TEXT}")
    if reason := foreign.encoding(content):
        return Fault("", 1, reason)
    if (at := content.find(b"\0")) >= 0:
        return Fault("", content.count(b"\n", 0, at) + 1, "a NUL byte: this is not zone text")
    return None


def _is_zone_text(words: Sequence[bytes]) -> bool:
    r"""Whether there is a quote that no backslash escapes, or the generic form."""
    return words[:1] == [rb"\#"] or any(b'"' in values.without_escapes(word) for word in words)


def _joined(words: Sequence[bytes]) -> list[Token]:
    """Tokens for a text of any length; every backslash in them escapes, so that none is cut in half."""
    text = values.unescaped(b" ".join(words))
    parts = [text[at : at + values.MAX_STRING] for at in range(0, len(text), values.MAX_STRING)] or [b""]
    return [Token(values.quoted(part)[1:-1], quoted=True) for part in parts] if words else []


def _tokens(words: Sequence[bytes]) -> list[Token]:
    tokens: list[Token] = []
    for word in words:
        if len(words) > 1 and b'"' not in word and (not word or _NEEDS_QUOTES.intersection(word)):
            tokens.append(Token(word, quoted=True))
            continue
        entry = scanner.entry(word, 0, 1)
        if entry.fault:
            raise ValueError(entry.fault)
        tokens += entry.tokens
    return tokens
