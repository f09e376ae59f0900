"""How much of a zone a change takes away (law 9).

    lost       the sum over owners of max(0, records before - records after)
    too much   more than 30 % of the records before, where there were 10 or more

Neither the SOA nor what signing makes counts, and rdata and TTLs do not matter: a zone that is renumbered or signed
anew loses nothing, one whose owners are all renamed loses all.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xferzone.zone.difference import Difference
from xferzone.zone.index import EMPTY, rrsets
from xferzone.zonefile import names, rdtypes, text
from xferzone.zonefile.rdtypes import NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, ZONEMD

MAX_LOST: Final = 30  # per cent of the records before
MIN_RECORDS: Final = 10  # before; of a smaller zone all may go
MAX_OWNERS: Final = 5  # that a message names

_UNCOUNTED: Final = frozenset((SOA, RRSIG, NSEC, NSEC3, NSEC3PARAM, ZONEMD))

#: Owners as in Record.owner -> how many records fewer they have.
Lost = Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class Loss:
    """Too much of the `before` records of a zone."""

    before: int
    lost: Lost

    def told(self, zone: str) -> str:
        """In words, with the owners that lose most."""
        origin = names.zone_name(zone)
        number = sum(self.lost.values())
        most = sorted(self.lost.items(), key=lambda item: (-item[1], item[0]))[:MAX_OWNERS]
        owners = ", ".join(f"{text.owner_name(owner, origin)} ({count:,})" for owner, count in most)
        return f"{number:,} of {self.before:,} records ({100 * number // self.before} %), most of them at {owners}"


def of_lines(change: Difference) -> Lost:
    """What a change of these canonical lines takes away."""
    fewer = Counter(_owners(change.gone))
    fewer.subtract(_owners(change.come))
    return {owner: count for owner, count in fewer.items() if count > 0}


def of_nodes(gone: Iterable[tuple[bytes, bytes]], come: Iterable[tuple[bytes, bytes]]) -> Lost:
    """What goes when indexes with the owners `gone`, each a key and its node, are replaced by those with `come`."""
    left, fewer = dict(gone), {}
    for key, node in come:
        before = left.pop(key, EMPTY)
        if before != node:
            fewer[key] = _counted(before) - _counted(node)
    fewer |= {key: _counted(node) for key, node in left.items()}
    return {names.owner_text(names.key_labels(key)): count for key, count in fewer.items() if count > 0}


def too_much(lost: Lost, nodes: Iterable[bytes]) -> Loss | None:
    """The loss, if it is too much for a zone that had these nodes, which are read as far as needed. None: it is not."""
    number, before = sum(lost.values()), 0
    for node in nodes:
        if 100 * number <= MAX_LOST * before:
            return None
        before += _counted(node)
    is_over = before >= MIN_RECORDS and 100 * number > MAX_LOST * before
    return Loss(before, lost) if is_over else None


def _owners(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The owner of each record that counts."""
    for line in lines:
        owner, _, kind, _ = line.split(b" ", 3)
        if rdtypes.parse_type(kind) not in _UNCOUNTED:
            yield owner


def _counted(node: bytes) -> int:
    return sum(rrset.number for rrset in rrsets(node) if rrset.rdtype not in _UNCOUNTED)
