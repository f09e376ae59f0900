"""What is compared of answers to messages that chance made, and the classes of differences that were decided.

    said       rcode, AA, TC, and the records that count (of a truncated answer none)
    edns       whether there is an OPT record, and its DO bit
    options    NSID, COOKIE

In each of these we agree with two of NSD, Knot and BIND, or the difference has one of the names in CLASSES. A server
whose answer has a name of its own there is left out. docs/dns-answers.md has the reasons and how often each occurs.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.rcode

from tests.nameserver.made import said
from xferzone.nameserver.cookies import COOKIE
from xferzone.nameserver.edns import option

#: Name: RFC.
CLASSES: Final = {
    "Knot BADCOOKIE": "RFC 7873 5.2.3 and 5.2.4: a server may, and need not",
    "NSD unreadable": "RFC 6891 6.1.2: NSD 4.6.1 writes an option twice that came twice, and its length once",
    "BIND silent": "RFC 8906 3.1.2: BIND answers class CHAOS three times a second",
    "NSD FORMERR to an rcode": "RFC 1035 4.1.1: the rcode of a question means nothing",
    "BIND SERVFAIL": "RFC 1034 3.6.2: a circle of CNAME or DNAME",
    "BIND FORMERR to a subnet": "RFC 7871 7.1.2: it is malformed; who does not use it may ignore it",
    "BIND SOA of TTL 0": "RFC 2308 3: the TTL of a negative answer, whatever type was asked for",
    "NSD goes on": "RFC 1034 4.3.2: CNAME or DNAME into another zone served here",
    "ANY": "RFC 8482 4.1: which RRset goes out is the server's choice",
    "second cookie": "RFC 7873 5.2: only the first is considered, the others look at its size too",
    "not delegated": "RFC 1034 4.3.2: to the zone above, a zone without NS records there is not a zone",
    "DNAME below itself": "RFC 6672 3.2",
    "class": "RFC 1035 3.2.4: only class IN is served here",
    "opcode": "RFC 1996, RFC 2136 3.1: nobody may",
    "transfer": "RFC 5936 2.2.1",
    "meta type": "RFC 6895 3.1: types that no zone has are asked for like others",
    "cookie of a bad size": "RFC 7873 5.2.2: FORMERR",
    "version": "RFC 6891 6.1.3: what goes with BADVERS",
    "size": "RFC 6891 6.2.3: where answers are truncated depends on what a server sends beside them",
    "like NSD": "docs/dns-answers.md, where servers differ",
    "like Knot": "docs/dns-answers.md, where servers differ",
    "like BIND": "docs/dns-answers.md, where servers differ",
}


class Essence(NamedTuple):
    """What of an answer is compared."""

    said: tuple[object, ...]
    edns: str = ""
    options: frozenset[int] = frozenset()


_REFUSING: Final = ("FORMERR", "silence")  # NSD 4.6.1 says FORMERR to most of them, and nothing to some
BAD_SUBNET: Final = option(8, b"\0\1\x21\0\xc0")
SILENCE: Final = Essence(("silence",))
UNREADABLE: Final = Essence(("unreadable",))


def essence(wire: bytes | None) -> Essence:
    """That of an answer; None: there was none."""
    if wire is None:
        return SILENCE
    try:
        message = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return UNREADABLE
    (flags,) = struct.unpack_from(">H", wire, 2)
    records = said(wire).settled[2:] if flags & 0x7A00 == 0 else ()  # a question, and not truncated
    edns = "" if message.edns < 0 else "do" if message.ednsflags & 0x8000 else "opt"
    options = frozenset(int(option.otype) for option in message.options) & {3, 10}
    marks = [mark for bit, mark in ((0x0400, "aa"), (0x0200, _TC)) if flags & bit]
    return Essence((dns.rcode.to_text(message.rcode()), *marks, records), edns, options)


def differences(asked: bytes, ours: Essence, theirs: Mapping[str, Essence]) -> Iterator[str]:
    """The names of the classes of differences; "?": one that nobody has decided about."""
    counted = dict(theirs)
    for server, name, is_so in (
        ("knot", "Knot BADCOOKIE", theirs["knot"].said[0] == "BADCOOKIE"),
        ("nsd", "NSD unreadable", theirs["nsd"] == UNREADABLE),
        ("bind", "BIND silent", theirs["bind"] == SILENCE),
        ("nsd", "NSD FORMERR to an rcode", asked[3] & 15 and theirs["nsd"].said[0] in _REFUSING),
        ("bind", "BIND FORMERR to a subnet", BAD_SUBNET in asked and theirs["bind"].said[0] == "FORMERR"),
        ("bind", "BIND SERVFAIL", theirs["bind"].said[0] == "SERVFAIL"),
    ):
        if is_so and ours != theirs[server]:
            del counted[server]
            yield name
    for field in Essence._fields:
        mine = getattr(ours, field)
        values = {server: getattr(each, field) for server, each in counted.items()}
        same = [server for server, value in values.items() if value == mine]
        if len(same) >= min(2, len(values)):
            continue
        found = _of_message(asked, ours, values)
        if not found and field == "said":
            found = _of_others(mine, values, same)
        yield found or "?"


def _of_others(mine: object, values: Mapping[str, object], same: Sequence[str]) -> str:
    """The class of a difference in what is said that the others bring about; empty: none does."""
    if same:
        return f"like {_NAMES[same[0]]}"
    if [*values] == ["nsd"] and " in cname " in str(mine):
        return "NSD goes on"
    return "BIND SOA of TTL 0" if [*values] == ["bind"] and " 0 in soa " in str(values["bind"]) else ""


_NAMES: Final = {"nsd": "NSD", "knot": "Knot", "bind": "BIND"}
_TRANSFERS: Final = (251, 252)
_ANY: Final = 255
_META: Final = (*range(128, 251), 253, 254, 0, 41)
_SIZES: Final = (8, *range(16, 41))
_NOT_DELEGATED: Final = {b"island", b"toisland", b"tounder", b"dnunder", b"under"}
_TC: Final = "tc"


def _of_message(asked: bytes, ours: Essence, values: Mapping[str, object]) -> str:
    """The class of a difference that the message itself brings about; empty: none does."""
    name, size = dns.name.from_wire(asked, 12)
    rdtype, rdclass = struct.unpack_from(">HH", asked, 12 + size)
    opt = asked[16 + size :]
    labels = {label.lower() for label in name.labels}
    cookies = [value for code, value in _options(opt[11:]) if code == COOKIE]
    both = [ours.said, *values.values()]
    for found, is_so in (
        ("opcode", asked[2] & 0x78),
        ("version", opt and opt[6]),
        ("class", rdclass != 1),
        ("transfer", rdtype in _TRANSFERS),
        ("ANY", rdtype == _ANY),
        ("meta type", rdtype in _META),
        ("cookie of a bad size", ours.said[0] == "FORMERR" and cookies),
        ("second cookie", len(cookies) > 1 and any(len(each) not in _SIZES for each in cookies[1:])),
        ("not delegated", labels & _NOT_DELEGATED),
        ("DNAME below itself", b"updn" in labels),
        ("size", any(isinstance(each, tuple) and _TC in each for each in both)),
    ):
        if is_so:
            return found
    return ""


def _options(left: bytes) -> Iterator[tuple[int, bytes]]:
    while left:
        code, size = struct.unpack_from(">HH", left)
        yield code, left[4 : 4 + size]
        left = left[4 + size :]
