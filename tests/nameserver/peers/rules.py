"""What our answer must be, given those of NSD, Knot and BIND.

two of them agree    the same; or, for some messages, what stands below
all three differ     the same as the one named below, or what stands there

docs/dns-answers.md has the reasons.
"""

import struct
from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

import dns.name
import dns.rcode
import dns.rdatatype

from tests.nameserver.made import Said

Peer = Literal["nsd", "knot", "bind"]

#: Questions on which all three differ, by name, and whom we follow.
FOLLOWED: Final[Mapping[str, Peer]] = {
    # Into a zone that is served, but not delegated: to the zone above the name does not exist, or is a wildcard's.
    "hidden.island.example.test.": "knot",
    "toisland.example.test.": "knot",
    "tounder.example.test.": "knot",
    "www.dnunder.example.test.": "knot",
    # Below a DNAME that leads below itself.
    "x.updn.example.test.": "nsd",
    "y.x.updn.example.test.": "nsd",
    # With ANY: Knot puts a DNAME at the name asked for, where the wildcard has it.
    "a.*.wilddname.example.test.": "nsd",
}

#: The shapes of our answers to messages where we do not do what two of them do, or where no two do the same.
DECIDED: Final[Mapping[str, str]] = {
    "opcode 4": "NOTAUTH",
    "NOTIFY": "REFUSED",
    "UPDATE": "REFUSED",
    "UPDATE with a record": "REFUSED",
    "class 255": "REFUSED",
    **{f"CH {what}": "REFUSED" for what in ("version.bind TXT", "id.server TXT", "hostname.bind TXT", "ANY")},
    "IXFR": "REFUSED",
    "IXFR with SOA": "REFUSED",
    "AXFR": "REFUSED",  # by TCP; by UDP two agree
    "bigsub 1 0": "NOERROR tc, 0 answers, 8 authorities",
    "bigsub 1 512": "NOERROR tc opt, 0 answers, 8 authorities",
    "hugesub 1 1232": "NOERROR tc opt, 0 answers, 13 authorities",
    "hugesub 1 4096": "NOERROR tc opt, 0 answers, 13 authorities",
    "pointer into the header": "FORMERR",
    "two questions, OPT": "FORMERR opt",
    "cookie of 5": "FORMERR opt",
    # By TCP, where NSD and Knot close the connection.
    "header only": "FORMERR",
    "name cut": "FORMERR",
    "no root label": "FORMERR",
}


def shape(message: bytes | None) -> str:
    """What of an answer is compared where messages are odd: rcode, AA, TC, OPT, DO, TSIG, and how many records.

    RD is not, for NSD clears it in what it cannot read; nor is how many records stand in the authority section of a
    positive answer, or in the additional section at all.
    """
    if message is None:
        return "silence"
    _id, flags, questions, *counts = struct.unpack_from(">6H", message)
    at = 12
    rcode = flags & 15
    marks = [mark for bit, mark in ((0x0400, "aa"), (0x0200, "tc")) if flags & bit]
    for _ in range(questions):
        at += dns.name.from_wire(message, at)[1] + 4
    for _ in range(sum(counts)):
        at += dns.name.from_wire(message, at)[1]
        rdtype, _size, ttl, length = struct.unpack_from(">HHLH", message, at)
        at += 10 + length
        if rdtype == dns.rdatatype.OPT:
            rcode |= ttl >> 24 << 4
            marks.append("opt do" if ttl & 0x8000 else "opt")
        elif rdtype == dns.rdatatype.TSIG:
            marks.append("tsig")
    assert at == len(message)
    answers, authorities, _additionals = counts
    numbers = f", {answers} answers" if answers or authorities else ""
    if authorities and not (answers and rcode == 0 and flags & 0x0400):
        numbers += f", {authorities} authorities"
    return " ".join([dns.rcode.to_text(dns.rcode.Rcode(rcode)), *marks]) + numbers


def wrong_shape(name: str, answers: Mapping[str, bytes | None], ours: bytes | None) -> str:
    """What our answer to the message of that name should be and is not; empty: it is as it should be."""
    [(most, number), *_] = Counter(map(shape, answers.values())).most_common(1)
    if number > 1 and shape(ours) == most:
        return ""
    wanted = DECIDED.get(name, most if number > 1 else "all differ, and nobody has decided")
    return "" if shape(ours) == wanted else f"{wanted}, not {shape(ours)}"


def wrong(name: str, rdtype: str, answers: Mapping[str, Said], ours: Said) -> str:
    """Whom our answer to a question should agree with and does not; empty: it is as it should be."""
    [(most, number), *_] = Counter(answer.settled for answer in answers.values()).most_common(1)
    if number > 1:
        return "" if ours.settled == most else "two or more"
    followed = FOLLOWED.get(name, "knot" if rdtype == "ANY" else "")  # of the RRsets there, BIND gives all
    if not followed:
        return "all differ, and nobody has decided"
    return "" if ours.settled == answers[followed].settled else followed
