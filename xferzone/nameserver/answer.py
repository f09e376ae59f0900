"""What a view answers to a question: DNS logic, without messages and sockets.

    OUTSIDE    stop; only after CNAME or DNAME, what was gathered is the answer
    CUT        referral, with AA only after CNAME or DNAME; but DS of the cut itself is answered here
    DNAME      DNAME and a CNAME made of it, go on there; YXDOMAIN if that would be too long a name
    EXACT      CNAME, unless what was asked for may stand beside it (CNAME, RRSIG, NSEC, ANY): go on there
               the type: done
               else NODATA: SOA
    WILDCARD   as EXACT, with the name asked for as owner
    MISSING    NXDOMAIN: SOA

ANY gets one RRset, that of the lowest type, over UDP and TCP (RFC 8482 4.1; NSD and Knot also give one). The
addresses of hosts in the zone go with NS, MX, SRV, SVCB and HTTPS records; before them, with SVCB and HTTPS in
AliasMode, the records of the same type that they lead to. A positive answer carries no NS records, as Knot's does not:
resolvers have them from the referral.

Source: RFC 1034 4.3.2, RFC 2308 2 and 3, RFC 4592, RFC 6604 3 (the last name decides the rcode), RFC 6672 3,
RFC 9460 4.1 (SVCB), RFC 4035 2.5 (what a CNAME may have beside it) and 3.1.4.1 (DS), RFC 9471 (glue).
"""

from collections.abc import Iterator
from typing import Final

from xferzone.nameserver.view import Found, Kind, View
from xferzone.nameserver.wire import NXDOMAIN, YXDOMAIN, Answer
from xferzone.zone import index
from xferzone.zone.compression import name_end, relative
from xferzone.zone.index import RRset
from xferzone.zonefile.rdtypes import AAAA, ANY, CNAME, DNAME, DS, HTTPS, MX, NS, NSEC, RRSIG, SRV, SVCB, A

MAX_STEPS: Final = (
    16  # CNAME and DNAME followed for a question; BIND's max-query-restarts is 11, NSD's chain longer
)

_EXACT: Final = Kind.EXACT
_WILDCARD: Final = Kind.WILDCARD
_DNAME_ABOVE: Final = Kind.DNAME
_CUT: Final = Kind.CUT
_MISSING: Final = Kind.MISSING

_BESIDE_CNAME: Final = (CNAME, ANY, RRSIG, NSEC)
_MAX_NAME: Final = 255  # octets

#: Where in the rdata the name of a host begins whose addresses the asker will want next: NS, MX, SRV, SVCB, HTTPS.
_HOSTS: Final = {NS: 0, MX: 2, SRV: 6, SVCB: 2, HTTPS: 2}
_SERVICES: Final = (SVCB, HTTPS)
_ALIAS: Final = b"\0\0"  # SvcPriority of AliasMode


def answer(name: bytes, rdtype: int, view: View) -> Answer:
    """The answer to a question of class IN for a name of the view's zone, in wire form and lower case."""
    made = Answer()
    found = view.search(name)
    made.own = found.kind is _EXACT
    following = _step(made, found, name, rdtype, view)
    if following is None:
        return made
    seen = {name}
    while following is not None and following not in seen and len(seen) < MAX_STEPS:
        seen.add(following)
        following = _step(made, view.search(following), following, rdtype, view)
    return made


def _step(made: Answer, found: Found, name: bytes, rdtype: int, view: View) -> bytes | None:
    """Add what is `found` at `name`; the name to go on with, None at the end."""
    kind, _owner, node = found
    if kind is _EXACT or kind is _WILDCARD:
        if node[0] & index.HAS_CNAME and rdtype not in _BESIDE_CNAME:
            return _follow_cname(made, node, name)
        _add_type(made, node, name, rdtype, view)
        return None
    if kind is _DNAME_ABOVE:
        return _follow_dname(made, found, name, rdtype)
    if kind is _CUT:
        if rdtype == DS and found.owner == name:
            _add_type(made, node, name, rdtype, view)
        else:
            _refer(made, found, view.delegating)
    elif kind is _MISSING:
        made.rcode = NXDOMAIN
        made.authority.append((view.origin, view.negative_soa))
    return None


def _follow_cname(made: Answer, node: bytes, name: bytes) -> bytes:
    cname = index.rrset(node, CNAME)
    assert cname is not None
    made.answer.append((name, cname))
    return next(cname.rdatas())


def _add_type(made: Answer, node: bytes, name: bytes, rdtype: int, view: View) -> None:
    rrset = _any(node, view) if rdtype == ANY else view.rrset(node, rdtype)
    if rrset is None:
        made.authority.append((view.origin, view.negative_soa))
        return
    made.answer.append((name, rrset))
    if rrset.rdtype in _HOSTS:
        _add_hosts(made, name, rrset, view)


def _any(node: bytes, view: View) -> RRset | None:
    for rrset in index.rrsets(node):
        return view.rrset(node, rrset.rdtype)
    return None


def _follow_dname(made: Answer, found: Found, name: bytes, rdtype: int) -> bytes | None:
    dname = index.rrset(found.node, DNAME)
    assert dname is not None
    if (found.owner, dname) not in made.answer:
        made.answer.append((found.owner, dname))
    base = next(dname.rdatas())
    target = name[: -len(found.owner)] + base
    if len(target) > _MAX_NAME:
        made.rcode = YXDOMAIN
        return None
    made.answer.append((name, index.made_rrset(CNAME, dname.ttl, [target])))
    # One that leads below itself has no end: once shows it. So does NSD; others go on for 5 or 16 steps.
    return None if rdtype == CNAME or _is_below(base, found.owner) else target


def _refer(made: Answer, found: Found, view: View) -> None:
    made.authoritative = bool(made.answer)
    delegation = index.rrset(found.node, NS)
    assert delegation is not None
    made.authority.append((found.owner, delegation))
    for host in delegation.rdatas():
        # In-domain glue must be there (RFC 9471 3.1); that of others in the zone only helps.
        (made.glue if _is_below(host, found.owner) else made.additional).extend(_addresses(host, view))


def _is_below(name: bytes, owner: bytes) -> bool:
    """Whether the name is `owner` or below it."""
    at = 0
    while at < len(name) - len(owner):
        at += name[at] + 1
    return name[at:] == owner


def _add_hosts(made: Answer, owner: bytes, rrset: RRset, view: View) -> None:
    # Several services of one host name it several times: its addresses go once.
    hosts = dict.fromkeys(_hosts(owner, rrset))
    if rrset.rdtype in _SERVICES:
        for target, service in _aliased(owner, rrset, view):
            made.additional.append((target, service))
            hosts.update(dict.fromkeys(_hosts(target, service)))
    for host in hosts:
        made.additional.extend(_addresses(host, view))


def _aliased(owner: bytes, rrset: RRset, view: View) -> Iterator[tuple[bytes, RRset]]:
    """The RRsets of the zone that AliasMode leads to from one of SVCB or HTTPS, one after the other."""
    seen = {owner}
    ahead = [rrset]
    while ahead:
        for rdata in ahead.pop().rdatas():
            target = rdata[2 : name_end(rdata, 2)].lower()
            if rdata[:2] != _ALIAS or target in seen or len(seen) == MAX_STEPS:
                continue
            seen.add(target)
            found = view.search(target)
            service = view.rrset(found.node, rrset.rdtype) if found.kind in (_EXACT, _WILDCARD) else None
            if service is not None:
                yield target, service
                ahead.append(service)


def _hosts(owner: bytes, rrset: RRset) -> Iterator[bytes]:
    offset = _HOSTS[rrset.rdtype]
    for rdata in rrset.rdatas():
        if rrset.rdtype not in _SERVICES:
            yield rdata[offset:]
            continue
        host = rdata[offset : name_end(rdata, offset)].lower()
        if host != b"\0":
            yield host
        elif rdata[:offset] != _ALIAS:  # that is: here; as an alias it leads nowhere
            yield owner


def _addresses(host: bytes, view: View) -> list[tuple[bytes, RRset]]:
    """The A and AAAA RRsets that the zone holds for a host, as data, a wildcard's too, or as glue."""
    view = view.holding(host)
    labels = relative(host, view.origin)
    if labels is None:
        return []
    node = view.node(labels)
    if node is None:
        found = view.search(host)
        if found.kind is not _WILDCARD:
            return []
        node = found.node
    return [(host, rrset) for rrset in index.rrsets(node) if rrset.rdtype in (A, AAAA)]
