"""A canary's view of a zone: what a second branch says, where that may differ from main.

    apex         SOA, NS, DNSKEY, CDS, CDNSKEY, ZONEMD, NSEC3PARAM are main's; all else is the canary's
    delegation   its NS, DS, and all at and below it are main's; one that the canary alone has is not there
    above it     a name that main has for its delegations' sake exists, without records where the canary has none
    else         the canary's, also what does not exist

So resolvers that mix answers from both never lose a delegation, a key, or the order of serials.

    Differences    of two views, from the parts that they do not share; None where these are over COMPARED names

A signed zone has denials (NSEC) that resolvers use for other names too. So its canary must have main's names and types.

Source: RFC 8020 (NXDOMAIN means nothing below), RFC 8198 (denials used for other names).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from xferzone.nameserver.view import Found, Kind, View
from xferzone.zone import index
from xferzone.zone.index import Index, RRset
from xferzone.zonefile.names import key_labels, labels_text
from xferzone.zonefile.rdata import soa
from xferzone.zonefile.rdtypes import (
    CDNSKEY,
    CDS,
    DNSKEY,
    DS,
    NS,
    NSEC,
    NSEC3PARAM,
    RRSIG,
    SOA,
    ZONEMD,
)

COMPARED: Final = 50_000  # names of each view; 0.1 s

#: Types that are main's at the apex, by name.
MAINS: Final[Mapping[int, str]] = {
    SOA: "SOA",
    NS: "NS",
    DNSKEY: "DNSKEY",
    CDS: "CDS",
    CDNSKEY: "CDNSKEY",
    ZONEMD: "ZONEMD",
    NSEC3PARAM: "NSEC3PARAM",
}
_SIGNED: Final = (RRSIG, NSEC, NSEC3PARAM)  # one of them is at the apex of a signed zone
_DELEGATION: Final = (NS, DS)


class CanaryView(View):
    """The view of `parts`, as View has them, beside `main`, whose `live` counts for both."""

    __slots__ = ("_kept_above", "main")

    def __init__(
        self,
        main: View,
        parts: Sequence[tuple[bytes, int]],
        opened: Callable[[int], Index],
        differences: "Differences | None",
    ) -> None:
        super().__init__(main.origin, 0, parts, opened)
        self.main = main
        self.soa, self.negative_soa = main.soa, main.negative_soa
        self._kept_above = None if differences is None else differences.kept_above

    def search(self, name: bytes) -> Found:
        mains = self.main.search(name)
        if mains.kind is Kind.CUT or mains.kind is Kind.OUTSIDE:
            return mains
        found = super().search(name)
        if found.kind is Kind.CUT:
            return mains
        if found.kind is not Kind.EXACT and mains.kind is Kind.EXACT:
            kept = self._kept_above
            # Where nobody knows what lies below, "no such records" is the answer that breaks nothing.
            if found.kind is Kind.MISSING if kept is None else name[: -len(self.origin)] in kept:
                return Found(Kind.EXACT, name, index.EMPTY)
        return found

    def rrset(self, node: bytes, rdtype: int) -> RRset | None:
        if rdtype in MAINS and node is self.apex:
            return self.main.rrset(self.main.apex, rdtype)
        return super().rrset(node, rdtype)

    def holding(self, host: bytes) -> View:
        kinds = self.main.search(host).kind, super().search(host).kind
        return self.main if Kind.CUT in kinds else self

    @property
    def delegating(self) -> View:
        return self.main


@dataclass(frozen=True, slots=True)
class Differences:
    """Of a canary from main. Names are sort keys.

    Fields:
        nodes: main's node and the canary's of each name where they differ; empty: it has none.
        kept_above: labels in wire form, relative to the zone, of the names above delegations that only main has.
    """

    nodes: Mapping[bytes, tuple[bytes, bytes]]
    kept_above: frozenset[bytes]

    @classmethod
    def of(cls, main: Iterable[Index], canary: Iterable[Index]) -> "Differences | None":
        """The differences of views, from all the parts that they do not share; None: these have too many names."""
        mains, others = _nodes(main), _nodes(canary)
        if mains is None or others is None:
            return None
        nodes = {
            key: (mains.get(key, b""), others.get(key, b""))
            for key in sorted(mains.keys() | others.keys())
            if mains.get(key) != others.get(key)
        }
        kept: set[bytes] = set()
        for key, (was, now) in nodes.items():
            if key and _is_cut(was) and not _is_cut(now):
                labels = key_labels(key)
                kept.update(_wire(labels[at:]) for at in range(1, len(labels)))
        return cls(nodes, frozenset(kept))

    @property
    def in_types(self) -> bool:
        """Whether names or their types differ."""
        return any(_types(was) != _types(now) for was, now in self.nodes.values())

    def at_apex(self) -> list[str]:
        """The types that are main's and that the canary changes at the apex; the serial does not count."""
        was, now = self.nodes.get(b"", (index.EMPTY, index.EMPTY))
        return [
            name
            for rdtype, name in MAINS.items()
            if _without_serial(was, rdtype) != _without_serial(now, rdtype)
        ]

    def at_delegations(self, main: View) -> list[str]:
        """The names, relative to the zone, at or below which a delegation or its glue differs."""
        return [
            labels_text(labels).decode("ascii")
            for key, (was, now) in self.nodes.items()
            if key
            and (
                _is_cut(was)
                or _is_cut(now)
                or main.search(_wire(key_labels(key)) + main.origin).kind is Kind.CUT
            )
            for labels in [key_labels(key)]
        ]


def is_signed(main: View, canary: View) -> bool:
    """Whether either has signatures or denials among its records."""
    return any(index.rrset(view.apex, rdtype) is not None for view in (main, canary) for rdtype in _SIGNED)


def _nodes(parts: Iterable[Index]) -> dict[bytes, bytes] | None:
    nodes: dict[bytes, bytes] = {}
    for key, node in chain.from_iterable(parts):
        if len(nodes) == COMPARED:
            return None
        nodes[key] = node
    return nodes


def _is_cut(node: bytes) -> bool:
    return bool(node and node[0] & index.HAS_NS)


def _types(node: bytes) -> set[int]:
    return {rrset.rdtype for rrset in index.rrsets(node)} if node else set()


def _without_serial(node: bytes, rdtype: int) -> object:
    found = index.rrset(node, rdtype)
    if found is None or rdtype != SOA:
        return found
    return found.ttl, [soa.with_serial(rdata, 0) for rdata in found.rdatas()]


def _wire(labels: Iterable[bytes]) -> bytes:
    return b"".join([bytes((len(label),)) + label for label in labels])
