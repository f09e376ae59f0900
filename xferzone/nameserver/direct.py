"""The direct way: a plain question straight to the octets of its answer. The same octets as `respond`, or none.

    id flags counts   question         OPT or nothing
         |               |                 |
         |               |                 +──> how much room there is, and our OPT
         |               +──> zone ─> view ─> part ─> node ─> RRset, which lies there as the answer has it
         +──> RD

    the name           flags          the type                  answer
    exists             none           records are ready         these
                                      ready form (ready.py)     this, and addresses of its hosts
                                      not there                 NODATA
                       CNAME          another                   CNAME, and what its target has
                       NS, not apex   not DS                    referral
    does not, above it NS                                       referral
              else with a child *     records are ready         these
                                      not there                 NODATA
              else without                                      NXDOMAIN

Everything else is left to the slow path (`respond`): odd messages, names below DNAME or that a cut hides, chains, what
does not fit. A test holds the two to the same octets, over generated zones and questions.

The records behind an answer's question hold pointers that count from its name. Those of the SOA with a negative answer,
and of a delegation, were made behind the zone's name or the cut's: each is greater by what this question's name is
longer. That is right unless a name in them shares a label more with the question, which the slow path sees to.

Source: as nameserver/answer.py.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from xferzone.nameserver.edns import check_options
from xferzone.nameserver.view import View, key_of
from xferzone.nameserver.wire import AA, NXDOMAIN, OUR_SIZE, QR, RD, SMALLEST_SIZE
from xferzone.nameserver.zones import Zones
from xferzone.zone import ready
from xferzone.zone.compression import QUESTION
from xferzone.zone.index import EMPTY, HAS_CNAME, HAS_NS, RRSET
from xferzone.zone.ready import Host
from xferzone.zonefile.rdtypes import AAAA, ANY, CNAME, DS, NS, NSEC, OPT, RRSIG, A

#: A message, and the view that has the name itself, for as long as which the answer holds; None: it is not to be kept.
Answered = tuple[bytes, View | None]

#: Bytes that an answer may have, and its OPT record.
Reply = tuple[int, bytes]

#: Whether the client in a slot gets the main view of a zone with a canary.
IsMains = Callable[[View, int], bool]

MAX_NAME: Final = 255  # octets
_BARE_OPT: Final = 11  # octets of an OPT record without options
_MAX_REPLIES: Final = 1_000  # OPT records without options that are remembered
_IN: Final = b"\0\1"
_ONE_QUESTION: Final = b"\0\1"
_OPT: Final = b"\0" + OPT.to_bytes(2)  # the root, type OPT

#: Left to the slow path: those are about the zone above, the message, or many types.
_OTHER_TYPES: Final = frozenset(number.to_bytes(2) for number in (OPT, DS, *range(128, ANY + 1)))
_BESIDE_CNAME: Final = frozenset(number.to_bytes(2) for number in (CNAME, RRSIG, NSEC))
_CNAME: Final = CNAME.to_bytes(2)
_NS: Final = NS.to_bytes(2)
_OUR_SIZE: Final = OUR_SIZE.to_bytes(2)
_COUNTS: Final = struct.Struct(">HHH")
_ADDRESSES: Final = (A.to_bytes(2), AAAA.to_bytes(2))


@dataclass(frozen=True, slots=True)
class Heads:
    """What a header leads to.

    Fields:
        has_opt: whether it says that one record follows the question.
        replies: by what follows the question, without options.
        positive, referral: the answer's flags, and that it has one question.
        none, missing: the same, and that it has an SOA.
    """

    has_opt: bool
    replies: dict[bytes, Reply]
    positive: bytes
    none: bytes
    missing: bytes
    referral: bytes


class _Asked(NamedTuple):
    """A question that was read, for the answers that take longer anyway.

    Fields:
        end: where the question ends.
        labels: of its name, relative to the zone, in lower case.
        limit: bytes that the answer may have.
    """

    wire: bytes
    end: int
    labels: bytes
    rdtype: bytes
    view: View
    heads: Heads
    limit: int
    opt: bytes


def _nobody(_view: View, _slot: int) -> bool:
    return False


class Direct:
    """Plain questions about zones that are open, answered in one go."""

    __slots__ = ("_entries", "heads")

    def __init__(self, zones: Zones) -> None:
        self._entries = zones.entries
        #: By flags and counts of a message.
        self.heads: dict[bytes, Heads] = {}
        for has_opt in (0, 1):
            replies: dict[bytes, Reply] = {} if has_opt else {b"": (SMALLEST_SIZE, b"")}
            counts = _ONE_QUESTION + bytes((0, 0, 0, 0, 0, has_opt))
            soa = bytes((0, 0, 0, 1, 0, has_opt))
            for recursion in (0, RD):
                answers = ((QR | AA, b""), (QR | AA, soa), (QR | AA | NXDOMAIN, soa), (QR, b""))
                heads = Heads(
                    bool(has_opt),
                    replies,
                    *((recursion | flags).to_bytes(2) + _ONE_QUESTION + more for flags, more in answers),
                )
                # Without QR, opcode, TC and Z.
                for more in range(0x800):
                    if not more & ~0x4BF:
                        self.heads[(recursion | more).to_bytes(2) + counts] = heads

    def answer(self, wire: bytes, slot: int = 0, is_mains: IsMains = _nobody) -> Answered | None:
        """The answer to the message in a slot; None: the slow path has one.

        A zone with a canary answers those without options of whom `is_mains` says that they get main.

        Raises:
            XferzoneError: a part of the zone cannot be read.
        """
        end = wire.find(0, QUESTION) + 5
        heads = self.heads.get(wire[2:12])
        if heads is None or wire[end - 2 : end] != _IN:
            return None
        after = wire[end:]
        reply = heads.replies.get(after) or reply_to(heads, after)
        if reply is None:
            return None
        name = wire[QUESTION : end - 4].lower()
        entries = self._entries
        at = last = 0
        try:
            while (entry := entries.get(name[at:])) is None:
                size = name[at]
                if not 0 < size < 64:
                    return None
                last = at
                at += size + 1
        except IndexError:  # a label ends behind the name: a zero octet is in it
            return None
        view = entry.view
        rdtype = wire[end - 4 : end - 2]
        if (
            view is None
            or not view.is_plain
            or rdtype in _OTHER_TYPES
            or len(name) > MAX_NAME
            or (view.route is not None and (len(after) > _BARE_OPT or not is_mains(view, slot)))
        ):
            return None
        return _said(wire, end, name[:at], last, rdtype, view, heads, *reply)


# many: a question in pieces, for a tuple of them would take as long as the search
def _said(
    wire: bytes,
    end: int,
    labels: bytes,
    last: int,
    rdtype: bytes,
    view: View,
    heads: Heads,
    limit: int,
    opt: bytes,
) -> Answered | None:  # long: for the same reason
    """What the view says of the name of those labels, of which the `last` begins there."""
    key = key_of(labels)
    firsts = view.firsts
    position = bisect_right(firsts, key) - 1
    node = (view.parts[position] or view.part(position)).find(labels)
    cover = view.covers[position]
    if cover is not None and key.startswith(cover):
        return None
    kept: View | None = view
    negative = heads.none
    if node is None:
        if position + 1 < len(firsts) and firsts[position + 1].startswith(key):
            return None  # an empty non-terminal
        above, flags = _above(view, labels)
        if flags:
            asked = _Asked(wire, end, labels, rdtype, view, heads, limit, opt)
            return _referral(asked, above) if flags == HAS_NS else None
        kept = None
        node = view.star(above)
        if node is None:
            node, negative = EMPTY, heads.missing
        elif node[0]:
            return None
    elif node[0] and (labels or node[0] != HAS_NS):
        return _flagged(_Asked(wire, end, labels, rdtype, view, heads, limit, opt), node)
    place = 1
    while not node.startswith(rdtype, place):
        if place == len(node):
            if labels[last:] in view.soa_labels:
                return None
            made = b"".join((wire[:2], negative, wire[QUESTION:end], view.negative(len(labels)), opt))
            return None if len(made) > limit else (made, kept)
        _, _, size, more = RRSET.unpack_from(node, place)
        place += RRSET.size + size + more
    _, number, size, more = RRSET.unpack_from(node, place)
    begin = place + RRSET.size
    if more:
        asked = _Asked(wire, end, labels, rdtype, view, heads, limit, opt)
        return None if kept is None else _with_hosts(asked, number, node[begin + size : begin + size + more])
    # Of the header's counts that of authority is 0, and that of additional records is as in the question.
    made = b"".join(
        (wire[:2], heads.positive, node[place + 4 : place + 6], wire[8:end], node[begin : begin + size], opt)
    )
    return None if len(made) > limit else (made, kept)


def _above(view: View, labels: bytes) -> tuple[bytes, int]:
    """The closest encloser of a name that does not exist, and its flags; those of the apex do not count."""
    above = labels[labels[0] + 1 :]
    while above:
        node = view.node(above)
        if node is not None:
            return above, node[0]
        above = above[above[0] + 1 :]
    return above, 0


def _flagged(asked: _Asked, node: bytes) -> Answered | None:
    """The answer at a name with NS or CNAME."""
    if node[0] == HAS_NS:
        return _referral(asked, asked.labels)
    alias = _rrset(node, _CNAME)
    if node[0] != HAS_CNAME or asked.rdtype in _BESIDE_CNAME or alias is None or alias[2] == ready.NOT_READY:
        return None
    found = ready.read(alias[2])
    body = [found.records]
    count = 1
    for target in found.hosts:  # one, or none if it is not in the zone
        node_of_target = asked.view.plain_node(target.labels)
        rrset = None if node_of_target is None else _rrset(node_of_target, asked.rdtype)
        if rrset is None or rrset[2]:
            return None
        count += rrset[0]
        body += [target.owner + record for record in _without_owner(rrset[1])]
    return _made(asked, asked.heads.positive, (count, 0, 0), body)


def _with_hosts(asked: _Asked, number: int, form: bytes) -> Answered | None:
    """The answer that has the records of a ready form, and addresses of its hosts."""
    if form == ready.NOT_READY:
        return None
    found = ready.read(form)
    body = [found.records]
    more = _put_addresses(asked, found.hosts, body, 0)
    return None if more is None else _made(asked, asked.heads.positive, (number, 0, more), body)


def _referral(asked: _Asked, cut: bytes) -> Answered | None:
    """The referral to the zone at the name of those labels, which the question's end with."""
    labels, node = asked.labels, asked.view.node(cut)
    delegation = None if node is None else _rrset(node, _NS)
    if delegation is None or delegation[2] == ready.NOT_READY:
        return None
    found = ready.read(delegation[2])
    beyond = len(labels) - len(cut)
    if beyond:
        at = 0
        while (following := at + labels[at] + 1) < beyond:
            at = following
        if any(host.labels.endswith(labels[at:]) for host in found.hosts):
            return None
    body = [ready.moved(found.records, found.places, beyond)]
    more = _put_addresses(asked, found.hosts, body, beyond)
    return None if more is None else _made(asked, asked.heads.referral, (0, delegation[0], more), body)


def _put_addresses(asked: _Asked, hosts: Sequence[Host], body: list[bytes], beyond: int) -> int | None:
    """Add the address records of hosts to a body; how many there are. None: one of the hosts does not exist.

    All pointers are greater by `beyond`.
    """
    count, at = 0, asked.end + len(body[0])
    for owner, labels in hosts:
        node = asked.view.node(labels)
        if node is None:
            return None
        begin = ready.moved(owner, (len(owner) - 2,), beyond)
        for rdtype in _ADDRESSES:
            rrset = _rrset(node, rdtype)
            if rrset is None:
                continue
            count += rrset[0]
            for record in _without_owner(rrset[1]):
                body.append(begin + record)
                if len(begin) > 2:  # now it stands there
                    begin = (0xC000 | at).to_bytes(2)
                at += len(body[-1])
    return count


def _rrset(node: bytes, rdtype: bytes) -> tuple[int, bytes, bytes] | None:
    """Number, records and ready form of the RRset of that type; None: the node has none."""
    place = 1
    while place < len(node):
        _, number, size, more = RRSET.unpack_from(node, place)
        begin = place + RRSET.size
        if node.startswith(rdtype, place):
            return number, node[begin : begin + size], node[begin + size : begin + size + more]
        place = begin + size + more
    return None


def _without_owner(records: bytes) -> list[bytes]:
    """Each record from its type on."""
    found = []
    at = 0
    while at < len(records):
        end = at + 12 + int.from_bytes(records[at + 10 : at + 12])
        found.append(records[at + 2 : end])
        at = end
    return found


# many: a question, the head of its answer, and what that holds
def _made(asked: _Asked, head: bytes, counts: tuple[int, int, int], body: Sequence[bytes]) -> Answered | None:
    wire, end, opt = asked.wire, asked.end, asked.opt
    answers, authorities, additionals = counts
    numbers = _COUNTS.pack(answers, authorities, additionals + bool(opt))
    made = b"".join((wire[:2], head, numbers, wire[QUESTION:end], *body, opt))
    return None if len(made) > asked.limit else (made, asked.view if authorities == 0 else None)


def reply_to(heads: Heads, after: bytes) -> Reply | None:
    """How to answer a question with that OPT record behind it; None: it is not just one, or an odd one."""
    if not heads.has_opt or len(after) < 11 or after[:3] != _OPT or after[6] or after[7] & 0x7F or after[8]:
        return None
    try:
        check_options(after[11:])
    except (ValueError, struct.error):
        return None
    if int.from_bytes(after[9:11]) != len(after) - 11:
        return None
    limit = OUR_SIZE if after[3:5] >= _OUR_SIZE else SMALLEST_SIZE
    made = limit, _OPT + _OUR_SIZE + b"\0\0" + after[7:8] + b"\0\0\0"
    if len(after) == 11:
        if len(heads.replies) == _MAX_REPLIES:
            heads.replies.clear()
        heads.replies[after] = made
    return made
