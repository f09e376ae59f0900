"""How much of a zone a change takes away (law 9).

    lost       the sum over owners of max(0, records before - records after)
    too much   more than 30 % of the records before, where there were 10 or more

Neither the SOA nor what signing makes counts, and rdata and TTLs do not matter: a zone that is renumbered or signed
anew loses nothing, one whose owners are all renamed loses all.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from xferzone.zone.difference import Difference
from xferzone.zone.index import EMPTY, RRSET
from xferzone.zonefile import names, rdtypes, text
from xferzone.zonefile.rdtypes import NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, ZONEMD

MAX_LOST: Final = 30  # per cent of the records before
MIN_RECORDS: Final = 10  # before; of a smaller zone all may go
MAX_OWNERS: Final = 5  # that a message names

_UNCOUNTED: Final = frozenset((SOA, RRSIG, NSEC, NSEC3, NSEC3PARAM, ZONEMD))

#: Owners -> how many records fewer they have. Each is named as the function that counted says.
Lost = Mapping[bytes, int]

_HEAD: Final = RRSET.size


@dataclass(frozen=True, slots=True)
class Loss:
    """Too much of the records of a zone.

    Fields:
        before: how many there were.
        number: how many go.
        most: the owners that lose most, as in Record.owner, and how many each.
    """

    before: int
    number: int
    most: Sequence[tuple[bytes, int]]

    def told(self, zone: str) -> str:
        """In words, with the owners that lose most."""
        origin = names.zone_name(zone)
        owners = ", ".join(f"{text.owner_name(owner, origin)} ({count:,})" for owner, count in self.most)
        share = 100 * self.number // self.before
        return f"{self.number:,} of {self.before:,} records ({share} %), most of them at {owners}"


def of_lines(change: Difference) -> Lost:
    """What a change of these canonical lines takes away, by owners as in Record.owner."""
    fewer = Counter(_owners(change.gone))
    fewer.subtract(_owners(change.come))
    return {owner: count for owner, count in fewer.items() if count > 0}


def of_nodes(gone: Iterable[tuple[bytes, bytes]], come: Iterable[tuple[bytes, bytes]]) -> Lost:
    """What goes when indexes with the owners `gone`, each a key and its node, are replaced by those with `come`; by
    keys."""
    left, fewer = dict(gone), {}
    for key, node in come:
        before = left.pop(key, EMPTY)
        if before != node:
            fewer[key] = _counted(before) - _counted(node)
    fewer |= {key: _counted(node) for key, node in left.items()}
    return {key: count for key, count in fewer.items() if count > 0}


def owner_of(key: bytes) -> bytes:
    """The owner whose key it is, as in Record.owner."""
    return names.owner_text(names.key_labels(key))


def too_much(
    lost: Lost, nodes: Iterable[bytes], named: Callable[[bytes], bytes] = lambda owner: owner
) -> Loss | None:
    """The loss, if it is too much for a zone that had these nodes, which are read as far as needed. None: it is not.

    `named`: the owner as in Record.owner, for the few that are told.
    """
    number, before = sum(lost.values()), 0
    for node in nodes:
        if 100 * number <= MAX_LOST * before:
            return None
        before += _counted(node)
    is_over = before >= MIN_RECORDS and 100 * number > MAX_LOST * before
    if not is_over:
        return None
    # As many may lose the same: the names decide which of them are told.
    least = heapq.nlargest(MAX_OWNERS, lost.values())[-1]
    most = [(named(owner), count) for owner, count in lost.items() if count > least]
    ties = (named(owner) for owner, count in lost.items() if count == least)
    most += [(owner, least) for owner in islice(ties, MAX_OWNERS - len(most))]
    return Loss(before, number, sorted(most, key=lambda item: (-item[1], item[0])))


def _owners(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The owner of each record that counts."""
    for line in lines:
        owner, _, kind, _ = line.split(b" ", 3)
        if rdtypes.parse_type(kind) not in _UNCOUNTED:
            yield owner


def _counted(node: bytes) -> int:
    number, at = 0, 1  # as rrsets() does; a loss may be of hundreds of thousands of nodes
    while at < len(node):
        rdtype, records, size, more = RRSET.unpack_from(node, at)
        number += 0 if rdtype in _UNCOUNTED else records
        at += _HEAD + size + more
    return number
