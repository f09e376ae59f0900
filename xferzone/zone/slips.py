r"""What people mistype in zones that can be served all the same, each with what they probably meant.

    www.example.com A ...          in example.com: www.example.com.example.com.      a final dot
    MX 10 192.0.2.1.               an address where a host's name belongs            a record A
    CNAME https://example.net/.    a URL where a host's name belongs                 the host
    my_host A ...                  "_" in a host's name                              "-"
    #www A ...                     a comment of another language                     ";"
    TXT v=DMARC1; p=none           ";" begins a comment, in CAA and URI, too         quotes
    TXT v=spf1 mx -all             three strings, joined without blanks: no SPF      quotes
    TXT "“hello”"                  curly quotes, no-break blanks                     plain ones
    SOA ns1 host\@example.net.     "@" in a mailbox                                  a dot

Each shows in the records of one owner, but for whether a name exists elsewhere in the zone.
Source: RFC 1035 5.1 (relative names, comments) and 8 (mailboxes), RFC 952 and RFC 1123 2.1 (hosts).
"""

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import dns.name

from xferzone.errors import Fault
from xferzone.wording import and_more
from xferzone.zonefile import foreign, names, text
from xferzone.zonefile.rdata import fields, layouts
from xferzone.zonefile.rdata.names import lowered_labels, wire_labels, wire_name
from xferzone.zonefile.rdtypes import (
    AAAA,
    AFSDB,
    CAA,
    CNAME,
    DNAME,
    HINFO,
    HTTPS,
    KX,
    MX,
    NAPTR,
    NS,
    NSEC,
    NXT,
    PTR,
    RP,
    RRSIG,
    SIG,
    SOA,
    SPF,
    SRV,
    SVCB,
    TXT,
    URI,
    A,
    type_name,
)
from xferzone.zonefile.record import Record

MAX_OF_A_KIND = 20  # warnings of one kind that are told one by one

#: Last labels of names that are whole without the zone's name.
_LAST: Final = (b"com", b"net", b"org", b"info", b"arpa")
_TEXTS: Final = frozenset((TXT, SPF, HINFO, CAA, URI))
_HOSTS: Final = frozenset((A, AAAA))
_LEADING: Final = frozenset(
    (NS, CNAME, DNAME, MX, SRV, PTR, SVCB, HTTPS, SOA, AFSDB, KX, NAPTR)
)  # to a host, and to nothing else
_TARGETS: Final = frozenset(
    rdtype
    for rdtype, layout in layouts.LAYOUTS.items()
    if any(isinstance(field, fields.Name) for field in layout)
) - {RRSIG, SIG, NSEC, NXT, SOA}
_FOUR_NUMBERS: Final = re.compile(rb"(?:[\1-\3][0-9]{1,3}){4}")  # labels
_TAG: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_-]*=\S*")
_MORE_TAGS: Final = re.compile(rb";\s*[A-Za-z][A-Za-z0-9_-]*\s*=")
_URL: Final = re.compile(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:/+)?([^:/]+)(?::[0-9]+)?(?:/.*)?", re.DOTALL)

_Owners = Mapping[bytes, Sequence[Record]]


def slips(owners: _Owners, origin: dns.name.Name) -> list[Fault]:
    """Warnings of a zone's records by owner, kind by kind; of each kind the first MAX_OF_A_KIND."""
    return [fault for kind in _KINDS for fault in _some(list(kind(_Zone(owners, origin))))]


def read_as(owner: bytes, origin: dns.name.Name) -> str | None:
    """What to say of an owner that ends in the zone's name once more; None: it does not."""
    labels, zone = names.owner_labels(owner), lowered_labels(origin)
    if not zone or labels[len(labels) - len(zone) :] != zone or len(labels) < len(zone):
        return None
    given = _shown(labels)
    return f"{given} is read as {_shown((*labels, *zone))}: write {given}."


class _Zone:
    """What the kinds look at."""

    def __init__(self, owners: _Owners, origin: dns.name.Name) -> None:
        self.owners = owners
        self.labels = lowered_labels(origin)
        self.wire = wire_name(self.labels)
        self.origin = origin
        last = {*_LAST, *self.labels[-1:]} if self.labels else set()
        #: What a target in wire form, and an owner, ends in that is whole without the zone's name.
        self.whole = tuple(bytes((len(label),)) + label + self.wire for label in last)
        self.whole_owners = tuple(b"." + label for label in last)
        self.name = names.owner_text(self.labels)

    def said(self, record: Record, what: str) -> Fault:
        """A warning of one record."""
        name = text.owner_name(record.owner, self.origin)
        return Fault("", record.line, f"{name} {type_name(record.rdtype)} {what}")

    def targets(self, types: Collection[int]) -> Iterator[Record]:
        """Records of those types."""
        return (record for own in self.owners.values() for record in own if record.rdtype in types)

    def own(self, labels: Sequence[bytes]) -> tuple[bytes, ...]:
        """The labels below the zone's; none if the name is not in it."""
        below = len(labels) - len(self.labels)
        return tuple(labels[:below]) if below > 0 and tuple(labels[below:]) == self.labels else ()


def _dotless_owners(zone: _Zone) -> Iterator[Fault]:
    if not zone.whole:
        return
    for owner, own in zone.owners.items():
        if owner.endswith(zone.whole_owners) or owner == zone.name:
            name = text.owner_name(owner, zone.origin)
            given = _shown(names.owner_labels(owner))
            reason = f"{name} is the owner of records: is a final dot missing? write {given}."
            yield Fault("", own[0].line, reason)


def _dotless_targets(zone: _Zone) -> Iterator[Fault]:
    for record in zone.targets(_TARGETS) if zone.whole else ():
        rdata = record.rdata.lower()
        if not any(whole in rdata for whole in zone.whole):
            continue
        for labels in _names(record.rdtype, rdata):
            own = zone.own(labels)
            if record.rdtype in _LEADING and b":" in b"".join(own):
                continue  # a URL, which has its own warning: with a final dot it would be none the better
            if own and ends_whole(own, zone.labels) and names.owner_text(own) not in zone.owners:
                reason = f"names {_shown(labels)}.: is a final dot missing? write {_shown(own)}."
                yield zone.said(record, reason)


def _dotless_soa(zone: _Zone) -> Iterator[Fault]:
    """Names of the SOA that the zone's name completes, though they look whole without it: `ns1.example.net`."""
    for record in zone.owners.get(b"@", ()):
        if record.rdtype != SOA or not zone.labels:
            continue
        mname, rname = _names(SOA, record.rdata.lower())
        for labels, host in ((mname, mname), (rname, rname[1:])):
            own = zone.own(labels)
            is_whole = len(own) > 2 or (bool(own) and ends_whole(own, zone.labels))
            at = names.owner_text(host[: len(host) - len(zone.labels)])
            if is_whole and at not in zone.owners:
                yield zone.said(
                    record, f"names {_shown(labels)}.: is a final dot missing? write {_shown(own)}."
                )


def _addresses(zone: _Zone) -> Iterator[Fault]:
    """Hosts that are addresses."""
    for record in zone.targets(_LEADING):
        # Nearly every record ends here: reading the names of all would double the time that a large zone takes.
        if b":" not in record.rdata and not _FOUR_NUMBERS.search(record.rdata):
            continue
        if address := _address(_written(record, zone)):
            kind = "A" if address.version == 4 else "AAAA"
            remedy = f"give a host the record {kind} {address}, and write its name here"
            yield zone.said(record, f"leads to the address {address} as if it were a name: {remedy}")


def _urls(zone: _Zone) -> Iterator[Fault]:
    for record in zone.targets(_LEADING):
        written = _written(record, zone) if b":" in record.rdata else b""
        if b":" in written and not _address(written):
            match = _URL.fullmatch(written)
            remedy = f"write {match[1].decode('ascii', 'backslashreplace')}." if match else "write its name"
            yield zone.said(record, f"leads to a URL or a port, and only a host can be named here: {remedy}")


def _underscores(zone: _Zone) -> Iterator[Fault]:
    for owner, own in zone.owners.items():
        # Windows keeps addresses below _msdcs; a wildcard is not a host.
        if b"_" not in owner or owner.startswith(b"*") or b"_msdcs" in owner.split(b"."):
            continue
        for record in own:
            if record.rdtype in _HOSTS:
                meant = owner.replace(b"_", b"-").decode("ascii")
                reason = f"has a host name with an underscore, which some programs refuse: write {meant}"
                yield zone.said(record, reason)
                break


def _comments(zone: _Zone) -> Iterator[Fault]:
    for owner, own in zone.owners.items():
        if owner.startswith((b"\\035", b"//")):
            sign = "#" if owner.startswith(b"\\") else "//"
            yield zone.said(own[0], f"is a record of a name that begins with {sign}: comments begin with ;")


def _cut_texts(zone: _Zone) -> Iterator[Fault]:
    for record in zone.targets((TXT, SPF, CAA, URI)):
        if not record.behind or not _MORE_TAGS.match(record.behind):
            continue
        last = _last_text(record)
        # Parameters follow a CA's name (RFC 8659 4.2) and a URI's path, which are not tag=value themselves.
        if record.rdtype in (CAA, URI) or _TAG.fullmatch(last):
            whole = (last + record.behind).decode("utf-8", "replace")
            shown = whole if len(whole) < 80 else f"{whole[:80]}..."
            yield zone.said(record, f'ends at ";", which begins a comment: write it in quotes, "{shown}"')


def _split_spf(zone: _Zone) -> Iterator[Fault]:
    for record in zone.targets((TXT, SPF)):
        strings = _strings(record.rdata)
        # RFC 7208 3.3 joins the strings as they are, and 4.5 wants a blank behind the version.
        if len(strings) > 1 and strings[0].lower() == b"v=spf1" and not strings[1].startswith(b" "):
            shown = b" ".join(strings).decode("ascii", "replace")
            shown = shown if len(shown) < 80 else f"{shown[:80]}..."
            reason = "is not read as SPF: its strings are joined without blanks"
            yield zone.said(record, f'{reason}: write it in quotes, "{shown}"')


def _curly(zone: _Zone) -> Iterator[Fault]:
    for record in zone.targets(_TEXTS):
        if not record.rdata.isascii() and (what := foreign.curly(record.rdata)):
            yield zone.said(record, f"holds {what}")


def _mailboxes(zone: _Zone) -> Iterator[Fault]:
    for record in zone.targets((SOA, RP)):
        labels = _names(record.rdtype, record.rdata)[1 if record.rdtype == SOA else 0]
        if labels and b"@" in labels[0]:
            user, _, domain = labels[0].partition(b"@")
            meant = _shown([user, domain, *labels[1:]] if domain else [user, *labels[1:]])
            yield zone.said(record, f"has an @ in its mailbox, where a dot stands for it: write {meant}.")


_KINDS: Final = (
    _dotless_soa,
    _dotless_owners,
    _dotless_targets,
    _addresses,
    _urls,
    _underscores,
    _comments,
    _cut_texts,
    _split_spf,
    _curly,
    _mailboxes,
)


def _some(found: Sequence[Fault]) -> list[Fault]:
    if len(found) <= MAX_OF_A_KIND:
        return list(found)
    *shown, last = found[:MAX_OF_A_KIND]
    return [*shown, Fault("", last.line, f"{last.reason} ({and_more(len(found) - MAX_OF_A_KIND)} like it)")]


def ends_whole(own: Sequence[bytes], zone: Sequence[bytes]) -> bool:
    """Whether a name looks whole without the zone's: `www.example.com`, and in the zone lan. `lan`.

    Both as labels in lower case; the zone is not the root.
    """
    return tuple(own) == tuple(zone) or (len(own) > 1 and (own[-1] in _LAST or own[-1] == zone[-1]))


def _written(record: Record, zone: _Zone) -> bytes:
    """The host that a record leads to, as it was probably written: without the zone's name."""
    labels = _names(record.rdtype, record.rdata)[0]
    return b".".join(zone.own([label.lower() for label in labels]) or labels)


def _address(written: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a name is written as. None: it is not."""
    try:
        return ipaddress.ip_address(written.decode("ascii", "replace"))
    except ValueError:
        return None


def _names(rdtype: int, rdata: bytes) -> list[list[bytes]]:
    """The labels of each name in rdata, in its order."""
    found = []
    at = 0
    for field in layouts.LAYOUTS[rdtype]:
        end = field.end(rdata, at)
        if isinstance(field, fields.Name):
            found.append(wire_labels(rdata[at:end]))
        at = end
    return found


def _last_text(record: Record) -> bytes:
    """The text that ends a TXT, SPF, CAA or URI."""
    if record.rdtype == CAA:
        return record.rdata[2 + record.rdata[1] :]
    return record.rdata[4:] if record.rdtype == URI else _strings(record.rdata)[-1]


def _strings(rdata: bytes) -> list[bytes]:
    parts = []
    at = 0
    while at < len(rdata):
        parts.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return parts


def _shown(labels: Sequence[bytes]) -> str:
    return names.labels_text(labels).decode("ascii")
