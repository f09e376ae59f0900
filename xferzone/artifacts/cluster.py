"""Clusters: artifacts that name many others, so that one id announces them all.

    M ID        one or more, in ascending order

Source: Fossil 2.21, www/fileformat.wiki; src/manifest.c manifest_parse(). Checked against tests/vectors/cluster.json.
"""

from dataclasses import dataclass
from itertools import pairwise

from xferzone.artifacts.grammar import Cards, parse_id, sealed
from xferzone.hashing import ArtifactId


@dataclass(frozen=True, slots=True)
class Cluster:
    """Names `members`, at least one, in ascending order; some of which may be clusters."""

    members: tuple[ArtifactId, ...]

    def encode(self) -> bytes:
        """The artifact, its members sorted and without duplicates. Raises ValueError if there are none."""
        if not self.members:
            raise ValueError("a cluster without members")
        return sealed(b"M " + member.encode("ascii") for member in sorted(set(self.members)))


def parse_cluster(cards: Cards) -> Cluster:
    """The value of a cluster's cards. Raises ValueError."""
    members = tuple([parse_id(member) for member in cards.many[b"M"]])
    if any(later <= earlier for earlier, later in pairwise(members)):
        raise ValueError("M cards are not in order")
    return Cluster(members)
