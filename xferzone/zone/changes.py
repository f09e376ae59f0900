"""Changes to the records of one owner, and the lines that say them.

    set NAME [TTL] TYPE RDATA...      replaces the RRset; of signatures, those of the type covered
    add NAME [TTL] TYPE RDATA...      more records
    delete NAME [TYPE [RDATA...]]     the name, all records of a type or these records; a TTL is ignored

Where RDATA ends and the next one begins: zone/several.py.
TTL may also follow TYPE. Left out, it is that of the RRset, else the zone's default TTL. A TTL that is given applies to
the whole RRset (RFC 2181 5.2). Comments stay with their record. Those of replaced records go to the first new one, and
those above a deleted record to the owner's next one, since they may head more than one record.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.name

from xferzone.errors import Fault, NotFound, UsageError, ZoneInvalid
from xferzone.wording import listed
from xferzone.zone import several
from xferzone.zonefile import names, rdtypes, text
from xferzone.zonefile.rdata.values import parse_interval
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import MAX_TTL

MAX_SHOWN = 10  # records of an RRset that a message lists
_VERBS = ("set", "add", "delete")
_WORD = re.compile(r'(?:"(?:\\.|[^"\\])*"|\\.|[^\s"\\])+', re.ASCII)
#: Which words of a record's data are names that may be meant relative to the zone.
_TARGET_WORDS: Mapping[int, Sequence[int]] = {
    rdtypes.CNAME: (0,),
    rdtypes.DNAME: (0,),
    rdtypes.NS: (0,),
    rdtypes.PTR: (0,),
    rdtypes.SOA: (0, 1),
    rdtypes.MX: (1,),
    rdtypes.SRV: (3,),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `rdtype` None and `rdatas` empty in a delete: all of them. `ttl` None: see above. `place`: its
    line in a batch, for messages; empty: not in a batch. `targets`: the names it leads to that were written without a
    final dot. `if_exists`: a delete of what is not there changes nothing."""

    verb: str
    name: dns.name.Name
    ttl: int | None
    rdtype: int | None
    rdatas: tuple[bytes, ...] = ()
    place: str = ""
    targets: tuple[dns.name.Name, ...] = ()
    if_exists: bool = False

    @property
    def is_ds(self) -> bool:
        """Whether it is about a DS, or a signature over DS: at a zone's apex the zone above has them."""
        covered = {rdata[:2] for rdata in self.rdatas if self.rdtype == rdtypes.RRSIG}
        return self.rdtype == rdtypes.DS or rdtypes.DS.to_bytes(2) in covered


def parse_name(word: str) -> dns.name.Name:
    """An absolute name, with or without its final dot.

    Raises:
        UsageError: it is not a name.
    """
    if not word.isascii():
        raise UsageError(names.not_ascii(word))
    try:
        if word == "@":
            raise ValueError("names are absolute here: write the zone's")
        labels, _ = names.parsed_name(word.encode("ascii"))
        return dns.name.Name([*labels, b""])
    except (dns.exception.DNSException, ValueError) as exc:
        raise UsageError(f"{word[:80]!r} is not a domain name: {exc}") from exc


def parse_change(verb: str, words: Sequence[str]) -> Change:
    """The change that a command line's words say; `words` begin with NAME.

    Raises:
        UsageError, ZoneInvalid: they do not say a change; names the word and the remedy.
    """
    if not words:
        raise UsageError(f"{verb} what? {verb} NAME [TTL] TYPE RDATA...")
    name, rest = parse_name(words[0]), list(words[1:])
    if verb == "delete" and not rest:
        return Change(verb, name, None, None)
    ttl, kind, rest = _ttl_and_type(verb, rest)
    if verb == "delete":
        ttl = None
        if not rest:
            return Change(verb, name, None, text.parse_type(kind))
    elif not rest:
        raise UsageError(
            f"{verb} {words[0]} {kind}: the record's data is missing: {verb} NAME [TTL] TYPE RDATA..."
        )
    if ttl is not None and ttl > MAX_TTL:
        raise ZoneInvalid([Fault("", 0, f"TTL {ttl} is over {MAX_TTL}, the most that RFC 2181 8 allows")])
    try:
        divided = several.divided(kind, rest)
        rdatas = tuple(several.rdata(kind, each)[1] for each in divided)
    except UsageError as exc:
        hint = " (a TTL stands before the type)" if ttl is None and _seconds(rest[0]) is not None else ""
        raise ZoneInvalid([Fault("", 0, f"{exc}{hint}")]) from exc
    rdtype = text.parse_type(kind)
    if len({rdtypes.rrset_of(rdtype, rdata) for rdata in rdatas}) > 1:
        raise UsageError(f"{verb} {words[0]} {kind}: the signatures cover several types: one {verb} for each")
    targets = tuple(target for each in divided for target in _dotless_targets(rdtype, " ".join(each).split()))
    return Change(verb, name, ttl, rdtype, tuple(dict.fromkeys(rdatas)), targets=targets)


def parse_line(line: str) -> Change | None:
    """The change in one line of a batch; None: an empty line or a comment. Raises as parse_change does."""
    if not line.strip() or line.strip()[0] in "#;":
        return None
    if left := _WORD.sub("", line).strip():
        raise UsageError("a quote is not closed" if '"' in left else "it ends with a backslash")
    words = _WORD.findall(line)
    verb = words[0].lower()
    if verb not in _VERBS:
        raise UsageError(f"{words[0]!r} is not set, add or delete")
    return parse_change(verb, words[1:])


def line(change: Change) -> str:
    """The line of a batch that says a change of records."""
    assert change.rdtype is not None
    shown = [text.shown_type_and_rdata(change.rdtype, rdata) for rdata in change.rdatas]
    ttl = "" if change.ttl is None else f"{change.ttl} "
    rdatas = f" {several.AND} ".join(rdata for _, rdata in shown)
    return f"{change.verb} {change.name} {ttl}{shown[0][0]} {rdatas}"


def changed(records: Sequence[Record], owner: bytes, change: Change, default_ttl: int) -> list[Record]:
    """The owner's records after the change.

    Raises:
        NotFound: it deletes what is not there; says what is.
    """
    if change.verb == "delete":
        return _deleted(records, change)
    assert change.rdtype is not None
    wanted = rdtypes.rrset_of(change.rdtype, change.rdatas[0])
    rrset = [record for record in records if rdtypes.rrset_of(record.rdtype, record.rdata) == wanted]
    others = [record for record in records if rdtypes.rrset_of(record.rdtype, record.rdata) != wanted]
    implied = min((record.ttl for record in rrset), default=default_ttl)
    ttl = implied if change.ttl is None else change.ttl
    is_kept = {record.rdata for record in rrset if change.verb == "add" or record.rdata in change.rdatas}
    kept = [record._replace(ttl=ttl) for record in rrset if record.rdata in is_kept]
    new = [Record(owner, ttl, change.rdtype, rdata) for rdata in change.rdatas if rdata not in is_kept]
    heir, *rest = new + kept
    gone = [record for record in rrset if record.rdata == heir.rdata or record.rdata not in is_kept]
    above = tuple(comment for record in gone for comment in record.above)
    behind = [record.behind for record in gone if record.behind]
    heir = heir._replace(above=above + tuple(behind[1:]), behind=behind[0] if behind else b"")
    return [*others, heir, *rest]


def _deleted(records: Sequence[Record], change: Change) -> list[Record]:
    kept: list[Record] = []
    above: tuple[bytes, ...] = ()
    for record in records:
        is_other_type = change.rdtype is not None and record.rdtype != change.rdtype
        if is_other_type or (change.rdatas and record.rdata not in change.rdatas):
            kept.append(record._replace(above=above + record.above))
            above = ()
        else:
            above += record.above
    there = {record.rdata for record in records if record.rdtype == change.rdtype}
    if (len(kept) == len(records) or not there.issuperset(change.rdatas)) and not change.if_exists:
        what = "" if change.rdtype is None else f"{rdtypes.type_name(change.rdtype)} "
        place = f"{change.place}: " if change.place else ""
        raise NotFound(f"{place}{change.name} has no such {what}record: {_held(records, change.rdtype)}")
    return kept


def _held(records: Sequence[Record], rdtype: int | None) -> str:
    """What there is instead of a record of that type."""
    rrset = [record for record in records if record.rdtype == rdtype]
    if rrset:
        rdatas = [text.shown_type_and_rdata(each.rdtype, each.rdata)[1] for each in rrset]
        return f"it has {listed(rdatas, MAX_SHOWN)}"
    there = sorted({rdtypes.type_name(record.rdtype) for record in records})
    return f"it has {', '.join(there)}" if there else "it has no records"


def _dotless_targets(rdtype: int, words: Sequence[str]) -> list[dns.name.Name]:
    """The names without a final dot that a record leads to, in words known to be its data."""
    at = [at for at in _TARGET_WORDS.get(rdtype, ()) if at < len(words)]
    return [parse_name(words[each]) for each in at if not words[each].endswith(".")]


def _ttl_and_type(verb: str, words: list[str]) -> tuple[int | None, str, list[str]]:
    """Take TTL, class IN and TYPE, in any order of the first two, off the front of `words`."""
    ttl, kind = None, None
    while words and (kind is None or ttl is None):
        word = words[0]
        seconds = _seconds(word) if ttl is None else None
        if seconds is not None and (kind is None or _ttl_may_follow(kind, words)):
            ttl = seconds
        elif word.upper() == "IN" and kind is None:
            pass
        elif kind is None:
            kind = word
        else:
            break
        words = words[1:]
    if kind is None:
        raise UsageError(f"the type is missing: {verb} NAME [TTL] TYPE RDATA...")
    text.parse_type(kind)
    return ttl, kind, words


def _ttl_may_follow(kind: str, words: list[str]) -> bool:
    """Whether a number after TYPE is a TTL: the data must be complete without it."""
    if len(words) < 2 or several.is_rdata(kind, words):
        return False
    try:
        several.divided(kind, words[1:])
    except UsageError:
        # Wrong either way: what begins with a number is not blamed for something else.
        return not text.begins_with_number(kind)
    return True


def _seconds(word: str) -> int | None:
    """What a word says as a TTL; None: it is not one."""
    try:
        return parse_interval(word.encode("ascii"))
    except ValueError:
        return None


def owner_in(name: dns.name.Name, zone: str) -> bytes:
    """The owner field of `name` in the zone.

    Raises:
        UsageError: it is not in the zone.
    """
    origin = names.zone_name(zone)
    if not name.is_subdomain(origin):
        hint = f": names are absolute, as in {name}{origin}" if len(name.labels) == 2 else ""
        raise UsageError(f"{name} is not in the zone {origin}{hint}")
    labels = name.labels[: len(name.labels) - len(origin.labels)]
    return names.owner_text(tuple(label.lower() for label in labels))
