"""What is wrong with a zone as a whole: errors, for which it is not served, and warnings.

    error    no SOA or several at the apex, an SOA elsewhere, no NS at the apex, CNAME beside other data, several CNAMEs
             or DNAMEs, an RRset that no message can carry, an owner with too much text
    warning  TTLs that differ in an RRset, names that lead nowhere or to an alias, records that no answer shows, records
             where one of the usual servers refuses them, and what people mistype (slips.py)

Every error shows in the records of one owner. So a commit to a large zone checks only what it changes, and replicas
that check the whole zone reach the same verdict. Whatever takes two owners to see is therefore a warning.
docs/zone-checks.md has the whole table with what BIND, Knot and NSD say. Source: the RFCs named there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import dns.name

from xferzone.errors import Fault, ZoneInvalid
from xferzone.wording import counted
from xferzone.zone import cut as files
from xferzone.zone.slips import ends_whole, read_as, slips
from xferzone.zonefile import names, text
from xferzone.zonefile.rdata.names import lowered_labels, wire_labels
from xferzone.zonefile.rdtypes import (
    AAAA,
    CNAME,
    CSYNC,
    DNAME,
    DS,
    MX,
    NS,
    NSEC,
    NSEC3,
    NSEC3PARAM,
    RRSIG,
    SOA,
    SRV,
    A,
    rrset_of,
    type_name,
)
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import ZoneText

MAX_MESSAGE = 65_535  # octets of a DNS message over TCP; RFC 1035 4.2.2
MAX_LINE = 32_000  # bytes; Fossil 2.21 takes a file with a line of 32,768 for binary
MAX_WARNINGS = 100  # then they are only counted

_FIXED = 12 + 4 + 11  # octets of header, the question without its name, OPT
_PER_RECORD = 12  # octets of a record with a compressed owner, without rdata

_ALONE = frozenset((SOA, CNAME, DNAME))
BESIDE_CNAME = frozenset((CNAME, NSEC, RRSIG))
_AT_CUT = frozenset((NS, DS, NSEC, RRSIG, A, AAAA))
_ADDRESSES = frozenset((A, AAAA))
_WITH_BITMAP = frozenset((CSYNC, NSEC, NSEC3))  # a bit of it may take ten bytes of text
_SIGNED = frozenset((RRSIG, NSEC, NSEC3, NSEC3PARAM))
_TARGET_AT = {NS: 0, MX: 2, SRV: 6}  # type -> offset of the name in its rdata that must have addresses

_Owners = Mapping[bytes, Sequence[Record]]


def faults(
    records: Iterable[Record], origin: dns.name.Name, *, has_apex: bool = True
) -> tuple[list[Fault], list[Fault]]:
    """Errors and warnings of a zone's records, in any order, as read or as normalised.

    `has_apex` False: the records are some of a zone's, without those of its apex; then nothing is said that would
    need the others. Errors are in the order of the text, warnings by kind; `file` is empty in all.
    """
    owners = _by_owner(records)
    warnings = _Warnings(owners, origin, has_apex=has_apex).all()
    if len(warnings) > MAX_WARNINGS:
        count = len(warnings) - MAX_WARNINGS
        more = Fault("", 0, counted(count, "more warning"))
        warnings = [*warnings[:MAX_WARNINGS], more]
    return _errors(owners, origin, has_apex=has_apex), warnings


def check(zone: str, content: bytes, file: str) -> tuple[ZoneText, list[str]]:
    """What a zone file says, and its warnings. `file` empty: people know of no file, so no line is named.

    Raises:
        ZoneInvalid: the zone could not be served; every fault.
    """
    origin = names.zone_name(zone)
    read = text.read_zone(content, origin, file=file)
    wrong, warnings = faults(read.records, origin)
    if wrong:
        raise ZoneInvalid([replace(fault, file=file) for fault in wrong])
    return read, [
        str(replace(warning, file=file, line=warning.line if file else 0))
        for warning in (*read.warnings, *warnings)
    ]


def errors(records: Iterable[Record], origin: dns.name.Name, *, has_apex: bool = True) -> list[Fault]:
    """The errors alone, as `faults` finds them, at half its price."""
    return _errors(_by_owner(records), origin, has_apex=has_apex)


def _by_owner(records: Iterable[Record]) -> dict[bytes, list[Record]]:
    owners: dict[bytes, list[Record]] = {}
    for record in records:
        owners.setdefault(record[0], []).append(record)
    return owners


def _errors(owners: _Owners, origin: dns.name.Name, *, has_apex: bool) -> list[Fault]:
    found = [fault for owner, own in owners.items() for fault in _owner_faults(owner, own, origin)]
    if has_apex:
        found += _apex_faults(owners, origin)
    return sorted(found, key=lambda fault: fault.line)


def _size(record: Record) -> int:
    """Octets of rdata and comments."""
    size = len(record.rdata) + len(record.behind)
    return size + sum(map(len, record.above)) if record.above else size


def _apex_faults(owners: _Owners, origin: dns.name.Name) -> list[Fault]:
    types = {record.rdtype for record in owners.get(b"@", ())}
    apex = text.owner_name(b"@", origin)
    made = []
    if SOA not in types and not _is_soa_misnamed(owners, origin):
        made.append(Fault("", 0, f"the zone's apex {apex} has no SOA record"))
    if NS not in types:
        made.append(Fault("", 0, f"the zone's apex {apex} has no NS record"))
    return made


def _is_soa_misnamed(owners: _Owners, origin: dns.name.Name) -> bool:
    """Whether an SOA stands at the zone's name without its final dot, which is told by itself."""
    return any(
        record.rdtype == SOA for owner, own in owners.items() if read_as(owner, origin) for record in own
    )


def _owner_faults(owner: bytes, own: Sequence[Record], origin: dns.name.Name) -> list[Fault]:
    """The errors that show in one owner's records."""
    if len(own) == 1 and own[0][2] not in _ALONE and _size(own[0]) < 10_000:
        return []
    types = {record.rdtype for record in own}
    # Nearly every owner ends here: it is small, and has no type that must stand alone.
    if types.isdisjoint(_ALONE) and len(own) < 100 and sum(map(_size, own)) < 10_000:
        return []
    name = text.owner_name(owner, origin)
    made = []
    rrsets: dict[int, dict[bytes, Record]] = {}
    for record in own:
        rrsets.setdefault(record.rdtype, {}).setdefault(record.rdata, record)
    for rdtype in sorted(types & _ALONE):
        _first, *others = rrsets[rdtype].values()
        if others:
            kind = type_name(rdtype)
            made.append(
                Fault("", others[0].line, f"{name} has {len(others) + 1} {kind} records, one is allowed")
            )
    if SOA in types and owner != b"@":
        line = next(iter(rrsets[SOA].values())).line
        reason = read_as(owner, origin) or f"{name} has an SOA record, which belongs to the zone's apex only"
        made.append(Fault("", line, reason))
    if CNAME in types and owner == b"@":
        made.append(apex_cname(rrsets[CNAME].values(), origin))
    elif CNAME in types and (others := [record for record in own if record.rdtype not in BESIDE_CNAME]):
        kind = type_name(others[0].rdtype)
        made.append(Fault("", others[0].line, f"{name} has a CNAME record and {kind}: a CNAME stands alone"))
    return made + _size_faults(name, own, rrsets, origin)


def apex_cname(records: Iterable[Record], origin: dns.name.Name) -> Fault:
    """The fault of CNAME records at the apex."""
    record = next(iter(records))
    target = names.labels_text(wire_labels(record.rdata)).decode("ascii") + "."
    name = text.owner_name(b"@", origin)
    reason = f"{name} has SOA and NS, as every apex, and a CNAME stands alone: use A/AAAA or HTTPS 0 {target}"
    return Fault("", record.line, reason)


def _size_faults(
    name: str, own: Sequence[Record], rrsets: Mapping[int, Mapping[bytes, Record]], origin: dns.name.Name
) -> list[Fault]:
    made = []
    for rdtype, rdatas in rrsets.items():
        size = _FIXED + len(name) + 1 + sum(map(len, rdatas)) + _PER_RECORD * len(rdatas)
        if size > MAX_MESSAGE:
            kind, line = type_name(rdtype), next(iter(rdatas.values())).line
            made.append(
                Fault("", line, f"{name} {kind} makes messages of {size} octets, {MAX_MESSAGE} are possible")
            )
    # An octet of rdata takes four bytes of text at most.
    comments = sum(len(comment) + 1 for record in own for comment in (*record.above, record.behind))
    if comments + sum(4 * len(record.rdata) + len(name) + 40 for record in own) > files.MAX_OWNER:
        written = sum(len(written) for _, written in text.blocks(own, origin))
        if written > files.MAX_OWNER:
            reason = f"{name} has {written} bytes of text, {files.MAX_OWNER} are allowed"
            made.append(Fault("", own[0].line, reason))
    return made


def _is_wildcard(owner: bytes) -> bool:
    return owner == b"*" or owner.startswith(b"*.")


class _Warnings:
    """The warnings of one zone; every method gives those of one kind."""

    def __init__(self, owners: _Owners, origin: dns.name.Name, *, has_apex: bool) -> None:
        self._owners, self._origin, self._has_apex = owners, origin, has_apex
        self._zone = list(lowered_labels(origin))
        self._types = {owner: {record.rdtype for record in own} for owner, own in owners.items()}
        self._cuts = {
            names.owner_key(owner) for owner, types in self._types.items() if NS in types and owner != b"@"
        }
        self._dnames = {names.owner_key(owner) for owner, types in self._types.items() if DNAME in types}
        self._keys: set[bytes] | None = None

    def all(self) -> list[Fault]:
        made = self._ttls() + self._misplaced() + self._long_lines()
        if self._has_apex:
            made = (
                self._dnssec() + made + self._hidden() + self._dangling() + slips(self._owners, self._origin)
            )
        return made

    def _ttls(self) -> list[Fault]:
        """RRsets with several TTLs, and signatures with another TTL than what they cover (RFC 4034 3)."""
        made = []
        for own in self._owners.values():
            if len({record.ttl for record in own}) == 1:
                continue
            lowest: dict[int, Record] = {}
            differ: set[int] = set()
            for record in own:
                rrset = rrset_of(record.rdtype, record.rdata)
                first = lowest.setdefault(rrset, record)
                if record.ttl != first.ttl:
                    differ.add(rrset)
                if record.ttl < first.ttl:
                    lowest[rrset] = record
            made += [text.ttl_warning(lowest[rrset], self._origin) for rrset in sorted(differ)]
            made += [fault for record in lowest.values() for fault in self._signed(record, lowest)]
        return made

    def _signed(self, signature: Record, rrsets: Mapping[int, Record]) -> list[Fault]:
        """The warning for a signature whose TTL differs from that of the RRset it covers; `rrsets`: the owner's."""
        covered = rrsets.get(int.from_bytes(signature.rdata[:2], "big") << 16)
        if signature.rdtype != RRSIG or covered is None or covered.ttl == signature.ttl:
            return []
        reason = (
            f"of {type_name(covered.rdtype)} has TTL {signature.ttl} and the records that it covers {covered.ttl}: "
            "both should be equal"
        )
        return [self._warning(signature.owner, RRSIG, reason, signature.line)]

    def _dnssec(self) -> list[Fault]:
        """What a signed zone lacks here."""
        if all(types.isdisjoint(_SIGNED) for types in self._types.values()):
            return []
        reason = (
            "the zone is signed: its DNSSEC records are kept but not answered yet, and a DS in the zone above makes "
            "it bogus for validating resolvers"
        )
        return [Fault("", 0, reason)]

    def _long_lines(self) -> list[Fault]:
        """Lines of canonical text with which a file is binary for stock Fossil: it is not compared or merged then."""
        made = []
        for owner, own in self._owners.items():
            for record in own:
                longest = max(map(len, record.above), default=0)
                most = 90 if record.rdtype in _WITH_BITMAP else 4  # bytes that an octet of rdata takes
                if max(longest, len(owner) + 60 + most * len(record.rdata) + len(record.behind)) <= MAX_LINE:
                    continue
                line = len(text.line(record, self._origin)) + bool(record.behind) + len(record.behind)
                if (size := max(longest, line)) > MAX_LINE:
                    reason = f"has a line of {size:,} bytes: fossil does not merge a file with one of 32,768"
                    made.append(self._warning(owner, record.rdtype, reason, record.line))
        return made

    def _misplaced(self) -> list[Fault]:
        """Records where one of the usual servers refuses the zone or leaves them out, or that nothing can ask for."""
        made = []
        for owner, types in self._types.items():
            if DS in types and owner == b"@":
                made.append(
                    self._warning(owner, DS, "belongs to the zone above, not here: BIND refuses the zone")
                )
            if b"*" in (owner[1:] if _is_wildcard(owner) else owner):
                reason = "has a * that stands for no other name: it must be the whole first label"
                made.append(self._warning(owner, min(types), reason))
            if _is_wildcard(owner):
                if NS in types:
                    made.append(
                        self._warning(owner, NS, "is at a wildcard and delegates nothing: BIND refuses it")
                    )
                if DNAME in types:
                    made.append(
                        self._warning(owner, DNAME, "is at a wildcard, which RFC 4592 4.4 advises against")
                    )
            if DNAME in types and NS in types and owner != b"@":
                made.append(
                    self._warning(owner, DNAME, "is hidden by the NS beside it: Knot refuses the zone")
                )
        return made

    def _hidden(self) -> list[Fault]:
        """Records at or below a delegation or below a DNAME, which no answer shows."""
        if not self._cuts and not self._dnames:
            return []
        made = []
        above, by = b"", ""
        for key, owner in sorted((names.owner_key(owner), owner) for owner in self._owners):
            types = self._types[owner]
            is_below = bool(by) and key.startswith(above) and key != above
            if is_below and (by == "DNAME" or not types <= _ADDRESSES):
                first = min(types - _ADDRESSES if by == "NS" else types)
                parent = text.owner_name(names.owner_text(names.key_labels(above)), self._origin)
                made.append(self._warning(owner, first, f"is below the {by} at {parent} and never shown"))
            if is_below:
                continue
            above, by = key, "NS" if key in self._cuts else "DNAME" if key in self._dnames else ""
            # What stands beside NS at a wildcard is shown at the names that it stands for.
            if by == "NS" and not _is_wildcard(owner) and (hidden := types - _AT_CUT - {DNAME}):
                made.append(self._warning(owner, min(hidden), "is at a delegation and never shown"))
        return made

    def _dangling(self) -> list[Fault]:
        """Targets in the zone, of NS, MX and SRV, that have no address or are an alias."""
        made = []
        for owner, types in self._types.items():
            if types.isdisjoint(_TARGET_AT):
                continue
            for record in self._owners[owner]:
                at = _TARGET_AT.get(record.rdtype)
                reason = None if at is None else self._flaw(record, wire_labels(record.rdata[at:].lower()))
                if reason:
                    made.append(self._warning(owner, record.rdtype, reason, record.line))
        return made

    def _flaw(self, record: Record, labels: list[bytes]) -> str | None:
        """What is wrong with a target; None: nothing that this zone knows of."""
        own = len(labels) - len(self._zone)
        if own < 0 or labels[own:] != self._zone or (not labels and record.rdtype != NS):
            return None  # elsewhere, or "." which means that there is no host
        target = names.owner_text(labels[:own])
        name = names.labels_text(labels).decode("ascii") + "."
        types = self._types.get(target)
        if types and not types.isdisjoint(_ADDRESSES):
            return None
        keys = [
            names.labels_key(labels[start:own]) for start in range(own + 1)
        ]  # from the target up to the apex
        if any(key in self._dnames for key in keys[1:]):
            return f"leads to {name}, which a DNAME makes an alias"
        if cut := next((key for key in reversed(keys) if key in self._cuts), None):
            # Another zone's name: this one needs its address only to delegate to that very zone.
            needs_glue = record.rdtype == NS and names.owner_key(record.owner) == cut
            return f"leads to {name}, which needs an address here, as glue" if needs_glue else None
        if types is None:
            if self._zone and own and ends_whole(labels[:own], self._zone):
                return None  # slips.py asks whether its final dot is missing
            types = self._types.get(self._wildcard(keys), set())
        if CNAME in types:
            return f"leads to {name}, which is a CNAME"
        return None if types & _ADDRESSES else f"leads to {name}, which has no address in the zone"

    def _wildcard(self, keys: Sequence[bytes]) -> bytes:
        """The owner of the wildcard that stands for a name, given the keys from it up; "" if the name exists."""
        if self._keys is None:
            known: set[bytes] = set()
            for owner in self._owners:
                labels = names.owner_labels(owner)
                known.update(names.labels_key(labels[start:]) for start in range(len(labels) + 1))
            self._keys = known
        if keys[0] in self._keys:
            return b""  # it is there, though it has no records
        encloser = next((key for key in keys if key in self._keys), b"")
        return names.owner_text((b"*", *names.key_labels(encloser)))

    def _warning(self, owner: bytes, rdtype: int, reason: str, line: int = 0) -> Fault:
        """A warning about an owner's records of one type, at the first of them if `line` is 0."""
        line = line or next(record.line for record in self._owners[owner] if record.rdtype == rdtype)
        kind = type_name(rdtype)
        return Fault("", line, f"{text.owner_name(owner, self._origin)} {kind} {reason}")
