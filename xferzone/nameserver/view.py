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
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from xferzone.errors import XferzoneError
from xferzone.nameserver.route import Route
from xferzone.zone import index
from xferzone.zone.index import Index, RRset
from xferzone.zonefile import names
from xferzone.zonefile.rdata import soa
from xferzone.zonefile.rdtypes import SOA


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
        "_firsts",
        "_numbers",
        "_opened",
        "apex",
        "canary",
        "live",
        "negative_soa",
        "origin",
        "route",
        "soa",
    )

    def __init__(
        self, origin: bytes, serial: int, parts: Sequence[tuple[bytes, int]], opened: Callable[[int], Index]
    ) -> None:
        self.live = True
        self.route: Route | None = None  # who gets `canary`; None: all get this view
        self.canary: View | None = None
        self.origin = origin
        self._opened = opened
        self._firsts = [first for first, _number in parts]
        self._numbers = [number for _first, number in parts]
        if self._firsts[:1] != [b""] or any(
            a >= b for a, b in zip(self._firsts, self._firsts[1:], strict=False)
        ):
            raise XferzoneError("the compiled files of a zone do not fit together: run `xferzone rebuild`")
        self.apex = self._part(0).find(b"") or index.EMPTY
        text = index.rrset(self.apex, SOA)
        if text is None:
            raise XferzoneError("the compiled files of a zone hold no SOA: run `xferzone rebuild`")
        (rdata,) = text.rdatas()
        rdata = soa.with_serial(rdata, serial)
        self.soa = index.made_rrset(SOA, text.ttl, [rdata])
        self.negative_soa = index.made_rrset(SOA, min(text.ttl, soa.minimum(rdata)), [rdata])

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
        key = b""
        node = self.apex
        for offset in reversed(offsets):
            if node[0] & index.HAS_DNAME:
                return Found(_DNAME, name[at:], node)
            label = name[offset + 1 : at]
            # As labels_key() would have it; this is hot.
            escaped = 0 in label or 1 in label  # of an octet, half as dear as of bytes
            below = key + (names.labels_key((label,)) if escaped else label + b"\0")
            child = self.node(below)
            if child is None:
                return self._synthesised(name, key)
            key, node, at = below, child, offset
            if node[0] & index.HAS_NS:
                return Found(_CUT, name[at:], node)
        return Found(_EXACT, name, node)

    def node(self, key: bytes) -> bytes | None:
        """The node of the name of that sort key, whatever lies above it; None: it does not exist."""
        at = bisect_right(self._firsts, key) - 1
        node = self._part(at).find(key)
        # An empty non-terminal before the first owner of the next part is in no part.
        if node is None and at + 1 < len(self._firsts) and self._firsts[at + 1].startswith(key):
            return index.EMPTY
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

    def key(self, name: bytes) -> bytes | None:
        """The sort key of a name in wire form and lower case; None: it is not in the zone."""
        labels = []
        at = 0
        end = len(name) - len(self.origin)
        while at < end:
            labels.append(name[at + 1 : at + 1 + name[at]])
            at += name[at] + 1
        return names.labels_key(labels) if at == end and name[at:] == self.origin else None

    def _synthesised(self, name: bytes, encloser: bytes) -> Found:
        node = self.node(encloser + b"*\0")
        return Found(Kind.MISSING, name, index.EMPTY) if node is None else Found(Kind.WILDCARD, name, node)

    def _part(self, at: int) -> Index:
        part = self._opened(self._numbers[at])
        if part.origin != self.origin:
            raise XferzoneError("a compiled file belongs to another zone: run `xferzone rebuild`")
        return part
