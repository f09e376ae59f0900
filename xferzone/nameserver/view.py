"""A view: one zone at one check-in, ready to answer.

    part           0            1             2         one compiled zone file each (zone/index.py)
    first key      "" (apex)    first(1)      first(2)  ascending; a key belongs to the last part that begins
                                                        at it or before it

A search goes from the apex down, one lookup a label, and ends at the first of these:

    OUTSIDE      the name is not in the zone
    CUT          a name at or above it, not the apex, has NS: the zone ends there
    DNAME        a name above it has DNAME
    EXACT        it exists, perhaps only as an empty non-terminal
    WILDCARD     the closest encloser has a child "*", which exists in the same sense
    MISSING      none of these

A view never changes; `live` turns False when its zone has another one, and with it all that was made from it.

Source: RFC 1034 4.3.2, RFC 4592 2.2 and 3.3.1, RFC 6672 3.2; RFC 2308 3 (TTL of a negative answer).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple
from zlib import crc32

from xferzone.errors import XferzoneError
from xferzone.nameserver.route import Route
from xferzone.zone import index, ready
from xferzone.zone.compression import Body, name_end, relative
from xferzone.zone.index import Index, RRset
from xferzone.zonefile import names
from xferzone.zonefile.rdata import soa
from xferzone.zonefile.rdtypes import SOA

_MAX_STARS: Final = 100  # remembered; each is of an encloser that exists


#: The node of an empty non-terminal that lies between parts; no flag says whether it is below a cut.
_IN_NO_PART: Final = bytes((index.BELOW,))


class Kind(Enum):
    """Where a search ended."""

    OUTSIDE = auto()
    CUT = auto()
    DNAME = auto()
    EXACT = auto()
    WILDCARD = auto()
    MISSING = auto()


# Members of an Enum are slow to look up in their class.
_OUTSIDE: Final = Kind.OUTSIDE
_CUT: Final = Kind.CUT
_DNAME: Final = Kind.DNAME
_EXACT: Final = Kind.EXACT


class Found(NamedTuple):
    """The end of a search.

    Fields:
        owner: wire form of the name that has the node: the cut, the one with DNAME, or the name sought itself
            (for a wildcard, too).
        node: see zone/index.py; EMPTY if there is nothing.
    """

    kind: Kind
    owner: bytes
    node: bytes


class View:
    """The zone `origin` (wire form, lower case) out of its parts.

    Args:
        serial: of every SOA, whatever the text says.
        parts: first key and number of each, ascending.
        opened: the part of a number; may be called for the same one again and again.

    Raises:
        XferzoneError: the parts do not make a zone. Methods that open a part raise it too.
    """

    __slots__ = (
        "_negative",
        "_negatives",
        "_numbers",
        "_opened",
        "_stars",
        "apex",
        "canary",
        "covers",
        "firsts",
        "is_plain",
        "live",
        "negative_soa",
        "nothings",
        "odd",
        "origin",
        "parts",
        "route",
        "soa",
        "soa_labels",
    )

    def __init__(
        self, origin: bytes, serial: int, parts: Sequence[tuple[bytes, int]], opened: Callable[[int], Index]
    ) -> None:
        self.live = True
        self.route: Route | None = None  # who gets `canary`; None: all get this view
        self.canary: View | None = None
        self.origin = origin
        self._opened = opened
        self.firsts = [first for first, _number in parts]
        self._numbers = [number for _first, number in parts]
        if self.firsts[:1] != [b""] or any(
            a >= b for a, b in zip(self.firsts, self.firsts[1:], strict=False)
        ):
            raise XferzoneError("the compiled files of a zone do not fit together: run `xferzone rebuild`")
        # By position: the part once it is open, and the key of the name in parts before it that its first names lie
        # below and that has NS or DNAME.
        self.parts: list[Index | None] = [None] * len(parts)
        self.covers: list[bytes | None] = [None] * len(parts)
        self.apex = self.part(0).find(b"") or index.EMPTY
        text = index.rrset(self.apex, SOA)
        if text is None:
            raise XferzoneError("the compiled files of a zone hold no SOA: run `xferzone rebuild`")
        (rdata,) = text.rdatas()
        rdata = soa.with_serial(rdata, serial)
        self.soa = index.made_rrset(SOA, text.ttl, [rdata])
        self.negative_soa = index.made_rrset(SOA, min(text.ttl, soa.minimum(rdata)), [rdata])
        #: Whether nameserver/direct.py may answer from it.
        self.is_plain = origin != b"\0" and not self.apex[0] & index.HAS_DNAME
        self._negative = Body(origin)
        self._negative.put(origin, SOA, self.negative_soa.records)
        self._negatives: dict[int, bytes] = {}  # by how much longer a name is: at most 255
        self.nothings: dict[int, bytes] = {}  # what `nothing` has made: at most 64
        self._stars: dict[bytes, bytes | None] = {}
        #: Of names in the SOA that are below the zone's, the highest labels there; a length before each.
        self.soa_labels = frozenset(_highest_labels(rdata, origin))
        #: Names one label below the zone's of which `nothing` does not hold: those labels, and those that first names
        #: of parts lie below, which may be in no part.
        self.odd = self.soa_labels.union(
            index.wire_labels(first[: first.find(0) + 1]) for first in self.firsts if first.count(0) > 1
        )

    def search(self, name: bytes) -> Found:
        """Look for a name in wire form and lower case."""
        offsets = []
        at = 0
        end = len(name) - len(self.origin)
        while at < end:
            offsets.append(at)
            at += name[at] + 1
        if at != end or name[at:] != self.origin:
            return Found(_OUTSIDE, name, index.EMPTY)
        node = self.apex
        for offset in reversed(offsets):
            if node[0] & index.HAS_DNAME:
                return Found(_DNAME, name[at:], node)
            child = self.node(name[offset:end])
            if child is None:
                return self._synthesised(name, name[at:end])
            node, at = child, offset
            if node[0] & index.HAS_NS:
                return Found(_CUT, name[at:], node)
        return Found(_EXACT, name, node)

    def node(self, labels: bytes) -> bytes | None:
        """The node of the name of those labels, whatever lies above it; None: it does not exist.

        The labels are in wire form and lower case, without those of the zone.
        """
        key = key_of(labels)
        at = bisect_right(self.firsts, key) - 1
        node = (self.parts[at] or self.part(at)).find(labels)
        # An empty non-terminal before the first owner of the next part is in no part.
        if node is None and at + 1 < len(self.firsts) and self.firsts[at + 1].startswith(key):
            return _IN_NO_PART
        return node

    def rrset(self, node: bytes, rdtype: int) -> RRset | None:
        """The RRset of that type at a node of this zone, with the served serial; None: it has none."""
        found = index.rrset(node, rdtype)
        return self.soa if found is not None and rdtype == SOA else found

    @property
    def numbers(self) -> Sequence[int]:
        """The number of each part, in owner order."""
        return self._numbers

    def holding(self, host: bytes) -> "View":
        """The view that has the addresses of a host in wire form and lower case."""
        return self

    @property
    def delegating(self) -> "View":
        """The view that has the delegations, and what goes with them."""
        return self

    def plain_node(self, labels: bytes) -> bytes | None:
        """The node of a name that has no CNAME, NS or DNAME and is below none; None: it is another, or missing."""
        key = key_of(labels)
        at = bisect_right(self.firsts, key) - 1
        node = (self.parts[at] or self.part(at)).find(labels)
        cover = self.covers[at]
        is_plain = node is not None and not node[0] and (cover is None or not key.startswith(cover))
        return node if is_plain else None

    def star(self, above: bytes) -> bytes | None:
        """The node of the wildcard below the name of those labels; None: there is none."""
        try:
            return self._stars[above]
        except KeyError:
            if len(self._stars) == _MAX_STARS:
                self._stars.clear()
            node = self._stars[above] = self.node(b"\1*" + above)
            return node

    def negative(self, beyond: int) -> bytes:
        """The SOA of negative answers behind a question for a name that is `beyond` octets longer than the zone's.

        It shares only the zone's labels with the question.
        """
        made = self._negatives.get(beyond)
        if made is None:
            made = ready.moved(bytes(self._negative.written), self._negative.pointers, beyond)
            self._negatives[beyond] = made
        return made

    def nothing(self, beyond: int) -> bytes:
        """What NXDOMAIN has behind a question for a name one label below the zone's, which is `beyond` octets longer.

        Empty: there is a wildcard for such names.
        """
        made = self.nothings[beyond] = b"" if self.star(b"") else self.negative(beyond)
        return made

    def came_before(self, labels: bytes, number: int) -> bool:
        """Whether this was asked before with that number, from 1 to 255, of the name of those labels.

        A name that shares its bucket counts as this one.
        """
        at = bisect_right(self.firsts, key_of(labels)) - 1
        part = self.parts[at] or self.part(at)
        bucket = crc32(labels) & part.mask
        came = part.asked[bucket] == number
        part.asked[bucket] = number
        return came

    def part(self, at: int) -> Index:
        """The part at a position, opened."""
        part = self._opened(self._numbers[at])
        if part.origin != self.origin:
            raise XferzoneError("a compiled file belongs to another zone: run `xferzone rebuild`")
        self.covers[at] = self._cover(at)
        self.parts[at] = part
        return part

    def forget(self) -> None:
        """Let go of all parts, the canary's too; each is opened again when it is needed."""
        self.parts = [None] * len(self.parts)
        if self.canary is not None:
            self.canary.forget()

    def _cover(self, at: int) -> bytes | None:
        first = self.firsts[at]
        end = first.find(0) + 1
        while 0 < end < len(first):
            labels = index.wire_labels(first[:end])
            if bisect_right(self.firsts, first[:end]) - 1 == at:
                return None  # from here on its own names show it
            node = self.node(labels)
            if node is not None and node[0] & (index.HAS_NS | index.HAS_DNAME):
                return first[:end]
            end = first.find(0, end) + 1
        return None

    def _synthesised(self, name: bytes, encloser: bytes) -> Found:
        node = self.node(b"\1*" + encloser)
        return Found(Kind.MISSING, name, index.EMPTY) if node is None else Found(Kind.WILDCARD, name, node)


def key_of(labels: bytes) -> bytes:
    """The sort key of labels in wire form and lower case."""
    if not labels:
        return b""
    size = labels[0]
    if size == len(labels) - 1 and not (
        0 in labels or 1 in labels
    ):  # the most are such; a length of 1 shows as well
        return labels[1:] + b"\0"
    split = []
    at = 0
    while at < len(labels):
        split.append(labels[at + 1 : at + 1 + labels[at]])
        at += labels[at] + 1
    return names.labels_key(split)


def _highest_labels(rdata: bytes, origin: bytes) -> Iterator[bytes]:
    at = 0
    for _ in range(2):
        end = name_end(rdata, at)
        labels = relative(rdata[at:end], origin)
        while labels:
            highest, labels = labels, labels[labels[0] + 1 :]
            if not labels:
                yield highest
        at = end
