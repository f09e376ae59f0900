"""What is compared of answers to messages that chance made, and the classes of differences that were decided.

    said       rcode, AA, TC, and the records that count (of a truncated answer none)
    edns       whether there is an OPT record, and its DO bit
    options    NSID, COOKIE

A server whose answer differs from ours in a way of its own (_OWN_WAYS) is left out. Of the others two say in each of
these what we say, or the one that is left does, or the message is one for which it was decided what we say
(_OF_MESSAGES) and we say that. docs/dns-answers.md has the reasons and how often each occurs.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from tests.nameserver.made import said
from tests.nameserver.peers.programs import ZONES
from xferzone.nameserver.cookies import COOKIE
from xferzone.nameserver.edns import option
from xferzone.nameserver.wire import OUR_SIZE

_TC: Final = "tc"


class Essence(NamedTuple):
    """What of an answer is compared."""

    said: tuple[object, ...]
    edns: str = ""
    options: frozenset[int] = frozenset()

    @property
    def rcode(self) -> object:
        return self.said[0]

    @property
    def answer(self) -> frozenset[str]:
        """The records of the answer section, where they count."""
        records = self.said[-1]
        found = records[0] if isinstance(records, tuple) and records else frozenset[str]()
        assert isinstance(found, frozenset)
        return found


SILENCE: Final = Essence(("silence",))
UNREADABLE: Final = Essence(("unreadable",))


class Case(NamedTuple):
    """A message, and what we said. `labels`: of its name, in lower case; `options`: of its OPT record."""

    asked: bytes
    ours: Essence
    name: dns.name.Name
    rdtype: int
    rdclass: int
    opt: bytes
    options: Sequence[tuple[int, bytes]]

    @property
    def opcode(self) -> int:
        return self.asked[2] >> 3 & 15

    @property
    def labels(self) -> set[bytes]:
        return set(self.name.labels)

    @property
    def cookies(self) -> list[bytes]:
        return [value for code, value in self.options if code == COOKIE]


class OwnWay(NamedTuple):
    """What one server does in its own way. `is_so` is asked where what it said is not what we say."""

    server: str
    name: str
    source: str
    is_so: Callable[[Case, Essence], bool]


class OfMessages(NamedTuple):
    """Messages to which it was decided what we say; `is_so`: it is one of them, and we say that."""

    name: str
    source: str
    is_so: Callable[[Case], object]


def essence(wire: bytes | None) -> Essence:
    """That of an answer; None: there was none."""
    if wire is None:
        return SILENCE
    (flags,) = struct.unpack_from(">H", wire, 2)
    # As if it answered a question: what dnspython wants of other messages is more than anybody says.
    wire = wire[:2] + (flags & ~0x7800).to_bytes(2) + wire[4:]
    try:
        message = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return UNREADABLE
    records = said(wire).settled[2:] if flags & 0x7A00 == 0 else ()  # a question, and not truncated
    edns = "" if message.edns < 0 else "do" if message.ednsflags & 0x8000 else "opt"
    options = frozenset(int(option.otype) for option in message.options) & {3, 10}
    marks = [mark for bit, mark in ((0x0400, "aa"), (0x0200, _TC)) if flags & bit]
    return Essence((dns.rcode.to_text(message.rcode()), *marks, records), edns, options)


def differences(asked: bytes, ours: Essence, theirs: Mapping[str, Essence]) -> Iterator[str]:
    """The names of the classes of differences; "?": one that nobody has decided about."""
    case = _case(asked, ours)
    counted = dict(theirs)
    for way in _OWN_WAYS:
        its = counted.get(way.server)
        if its is not None and its != ours and way.is_so(case, its):
            del counted[way.server]
            yield way.name
    if not counted:
        yield ALONE
    for field in Essence._fields:
        mine = getattr(ours, field)
        same = sum(getattr(each, field) == mine for each in counted.values())
        if same < min(2, len(counted)):
            yield next((each.name for each in _OF_MESSAGES if each.is_so(case)), "?")


def _case(asked: bytes, ours: Essence) -> Case:
    name, size = dns.name.from_wire(asked, 12)
    rdtype, rdclass = struct.unpack_from(">HH", asked, 12 + size)
    opt = asked[16 + size :]
    return Case(asked, ours, name.canonicalize(), rdtype, rdclass, opt, [*_options(opt[11:])])


def _options(left: bytes) -> Iterator[tuple[int, bytes]]:
    while left:
        code, size = struct.unpack_from(">HH", left)
        yield code, left[4 : 4 + size]
        left = left[4 + size :]


# -- the ways of single servers


_BAD_SUBNET: Final = option(8, b"\0\1\x21\0\xc0")
_AT_ALIASES: Final = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)
_ZONES: Final = [dns.name.from_text(zone) for zone in ZONES]
_TTL: Final = re.compile(r" [0-9]+ in soa ")


def _leads_elsewhere(case: Case, its: Essence) -> bool:
    """Whether our answer ends with an alias into another zone served here, and NSD's goes on there."""
    aliases = {}
    for record in case.ours.answer:
        owner, _ttl, _class, kind, rest = record.split(" ", 4)
        if kind == "cname":
            aliases[dns.name.from_text(owner)] = dns.name.from_text(rest)
    at, passed = case.name, set[dns.name.Name]()
    while at in aliases and at not in passed:
        passed.add(at)
        at = aliases[at]
    goes_on = case.ours.answer < its.answer or case.ours.answer == its.answer
    return bool(passed) and _zone_of(at) not in (None, _zone_of(case.name)) and goes_on


def _zone_of(name: dns.name.Name) -> dns.name.Name | None:
    return max((zone for zone in _ZONES if name.is_subdomain(zone)), key=len, default=None)


def _is_ours_with_ttl_0(case: Case, its: Essence) -> bool:
    mine, theirs = (_TTL.sub(" 0 in soa ", repr(each.said)) for each in (case.ours, its))
    return case.rdtype == dns.rdatatype.SOA and case.ours.rcode == "NXDOMAIN" and mine == theirs


def _is_first_of(case: Case, its: Essence) -> bool:
    """Whether its answer is the beginning of our chain of aliases."""
    return its.answer < case.ours.answer and all(" cname " in record for record in its.answer)


_OWN_WAYS: Final = (
    OwnWay(
        "knot",
        "Knot BADCOOKIE",
        "RFC 7873 5.2.3 and 5.2.4: a server may, and need not",
        lambda _case, its: its.rcode == "BADCOOKIE",
    ),
    OwnWay(
        "nsd",
        "NSD unreadable",
        "RFC 6891 6.1.2: it writes an option twice that came twice, and its length once",
        lambda case, its: its == UNREADABLE and len({code for code, _ in case.options}) < len(case.options),
    ),
    OwnWay(
        "bind",
        "BIND silent",
        "RFC 4892 2: it answers class CHAOS three times a second, and then not at all",
        lambda case, its: its == SILENCE and case.rdclass == 3,
    ),
    OwnWay(
        "nsd",
        "NSD refuses an rcode",
        "RFC 1035 4.1.1: it says FORMERR, or nothing, where a question has an rcode, which means nothing",
        lambda case, its: bool(case.asked[3] & 15) and its.rcode in ("FORMERR", "silence"),
    ),
    OwnWay(
        "bind",
        "BIND FORMERR to a subnet",
        "RFC 7871 7.2.1: the option is malformed; who does not use it ignores it",
        lambda case, its: _BAD_SUBNET in case.asked and its.rcode == "FORMERR",
    ),
    OwnWay(
        "bind",
        "BIND SERVFAIL to a circle",
        "RFC 1034 3.6.2: of CNAME or DNAME; software should not fail there",
        lambda case, its: its.rcode == "SERVFAIL" and case.ours.rcode == "NOERROR" and bool(case.ours.answer),
    ),
    OwnWay(
        "bind",
        "BIND SOA of TTL 0",
        "RFC 2308 3: NXDOMAIN to a question for SOA; the TTL is that of every negative answer",
        _is_ours_with_ttl_0,
    ),
    OwnWay(
        "nsd",
        "NSD goes on elsewhere",
        "RFC 1034 4.3.2: a CNAME or DNAME into another zone served here; we stop, and the client asks again",
        _leads_elsewhere,
    ),
    OwnWay(
        "nsd",
        "NSD follows for RRSIG and NSEC",
        "RFC 4035 2.5: these may stand beside a CNAME, so the question is about that name",
        lambda case, its: case.rdtype in _AT_ALIASES and any(" cname " in each for each in its.answer),
    ),
    OwnWay(
        "knot",
        "Knot ends a chain",
        "RFC 1034 3.6.2: of CNAME, after five; we after sixteen",
        _is_first_of,
    ),
    OwnWay(
        "knot",
        "Knot NXDOMAIN for a name too long",
        "RFC 6672 2.2: below a DNAME; YXDOMAIN",
        lambda case, its: case.ours.rcode == "YXDOMAIN" and its.rcode == "NXDOMAIN",
    ),
)

# -- messages to which our answer was decided


_ANY: Final = 255
_META: Final = (*range(128, 251), 253, 254, 0, 41)
_SIZES: Final = (8, *range(16, 41))
_NOT_DELEGATED: Final = {b"island", b"toisland", b"tounder", b"dnunder", b"under"}
_OF_THE_ZONE: Final = ("NOERROR", "NXDOMAIN", "YXDOMAIN", "REFUSED")


def _is_one_rrset(case: Case) -> bool:
    """Whether what we say at the end of all aliases is one RRset, or nothing."""
    kinds = {tuple(record.split()[:4:3]) for record in case.ours.answer}
    return len({kind for kind in kinds if kind[1] not in ("cname", "dname")}) <= 1


_OF_MESSAGES: Final = (
    OfMessages(
        "cookie of a bad size",
        "RFC 7873 5.2.2: FORMERR",
        lambda case: (
            case.ours.rcode == "FORMERR" and any(len(each) not in _SIZES for each in case.cookies[:1])
        ),
    ),
    OfMessages("NOTIFY", "RFC 1996 3.10: nobody may", lambda case: case.opcode == 4 and _is_refused(case)),
    OfMessages(
        "UPDATE", "RFC 2136 3.1 and 3.3: nobody may", lambda case: case.opcode == 5 and _is_refused(case)
    ),
    OfMessages(
        "version",
        "RFC 6891 6.1.3: BADVERS",
        lambda case: case.opt and case.opt[6] and case.ours.rcode == "BADVERS",
    ),
    OfMessages(
        "opcode",
        "RFC 1035 4.1.1: NOTIMP, without a question",
        lambda case: case.opcode not in (0, 4, 5) and case.ours.rcode == "NOTIMP",
    ),
    OfMessages(
        "class",
        "RFC 1035 3.2.4: only class IN is served here",
        lambda case: case.rdclass != 1 and case.ours.rcode == "REFUSED",
    ),
    OfMessages(
        "transfer",
        "RFC 5936 4.2 by UDP, NOTIMP; 5 and 2.2.1 by TCP, REFUSED or NOTAUTH; RFC 1995 2",
        lambda case: case.rdtype in (251, 252) and case.ours.rcode in ("NOTIMP", "REFUSED", "NOTAUTH"),
    ),
    OfMessages("ANY", "RFC 8482 4.1: one RRset", lambda case: case.rdtype == _ANY and _is_one_rrset(case)),
    OfMessages(
        "meta type",
        "RFC 6895 3: types that no zone has are asked for like others",
        lambda case: case.rdtype in _META and case.ours.rcode in _OF_THE_ZONE,
    ),
    OfMessages(
        "second cookie",
        "RFC 7873 5.2: only the first is considered, whatever the size of others",
        lambda case: (
            any(len(each) not in _SIZES for each in case.cookies[1:]) and case.ours.rcode != "FORMERR"
        ),
    ),
    OfMessages(
        "not delegated",
        "RFC 1034 4.3.2: to the zone above, a zone without NS records there is not a zone",
        lambda case: case.labels & _NOT_DELEGATED and case.ours.rcode in ("NOERROR", "NXDOMAIN"),
    ),
    OfMessages(
        "DNAME below itself",
        "RFC 6672 3.2: one substitution; the client goes on",
        lambda case: b"updn" in case.labels and sum(" cname " in each for each in case.ours.answer) == 1,
    ),
    OfMessages(
        "size",
        "RFC 2181 9: where an answer is truncated depends on what goes beside it",
        lambda case: _TC not in case.ours.said and _is_small(case),
    ),
    OfMessages(
        "a long alias",
        "RFC 1035 4.1.4: others write the CNAME below a DNAME in fewer octets, so that it is not truncated",
        lambda case: _TC in case.ours.said and b"dnlong" in case.labels and _is_small(case),
    ),
)


def _is_small(case: Case) -> bool:
    """Whether the client takes less than we would send."""
    return not case.opt or int.from_bytes(case.opt[3:5]) < OUR_SIZE


def _is_refused(case: Case) -> bool:
    return case.ours.rcode in ("REFUSED", "NOTAUTH", "FORMERR")


ALONE: Final = "nobody left"
#: Name: RFC.
CLASSES: Final = {each.name: each.source for each in (*_OWN_WAYS, *_OF_MESSAGES)} | {
    ALONE: "all three have ways of their own: they are asked the bare question too"
}
