"""What refs of the group name and is not here, pulled from one fellow. Nothing but artifacts is stored.

the check-ins themselves    they tell of which zones they are, and what comes is what the fellow has
the walk                    what leads there, from where the refs of these zones stand here
by name                     what the walk did not bring, or brought as a delta of what is not here
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from xferzone.env import Env
from xferzone.errors import PeerError
from xferzone.exchange.mirror.fetching import Record
from xferzone.exchange.mirror.taking import Taking
from xferzone.exchange.mirror.walked import Pages
from xferzone.hashing import ArtifactId
from xferzone.publish import joint
from xferzone.publish.noted import Noted
from xferzone.refs import BranchName, LocalRefs
from xferzone.replicate.client import Client
from xferzone.replicate.messages import MAX_NAMED, Walk
from xferzone.store import Reader, Store, closure, places
from xferzone.store.incoming import Received

MAX_ROUNDS: Final = 20  # of asking by name; each brings what the ones before have named
MAX_TIPS: Final = 2_000  # of one walk
MAX_KNOWN: Final = MAX_NAMED - MAX_TIPS  # refs that are sent along


def incomplete(reader: Reader, tips: Sequence[ArtifactId]) -> list[ArtifactId]:
    """Those of the check-ins that are not here with all that leads to them, and the lists of joint changes."""
    is_whole = not closure.lacking(reader, tips, 1)
    return [
        each
        for each in tips
        if joint.is_unlisted(reader, each) or (not is_whole and closure.lacking(reader, [each], 1))
    ]


def fetch(
    store: Store, client: Client, tips: Sequence[ArtifactId], env: Env, is_over: Callable[[], bool]
) -> None:
    """Store what leads to `tips`, as far as the fellow has it.

    Raises:
        PeerError, Denied: it cannot be reached, or refuses, or it is over.
    """
    fetching = _Fetching(store, client, Taking(store, env, Noted(), store.faults), is_over)
    for start in range(0, len(tips), MAX_TIPS):
        fetching.fetch(tips[start : start + MAX_TIPS])


@dataclass(frozen=True, slots=True)
class _Fetching:
    store: Store
    client: Client
    taking: Taking
    is_over: Callable[[], bool]

    def fetch(self, tips: Sequence[ArtifactId]) -> None:
        had = self._take(self.client.batch(tips))
        if not had:
            return
        walk, pages, has_ended = Walk(roots=[*had], known=self._known(had)), self._pages(), False
        while not has_ended:
            page = self.client.pulled(Walk(roots=walk.roots, known=walk.known, more=pages.more))
            came = self._take(page.records())
            has_ended = pages.end_with(page.more, len(came))
        before: list[ArtifactId] = []
        for _ in range(MAX_ROUNDS):
            with self.store.reader() as reader:
                left = closure.lacking(reader, had, MAX_NAMED)
            if not left or left == before:
                return
            before = left
            self._take(self.client.batch(left))

    def _take(self, records: Iterable[Record]) -> list[ArtifactId]:
        """What came, which is stored."""
        came: list[ArtifactId] = []

        def noted() -> Iterator[Record]:
            for record in records:
                if isinstance(record, Received):
                    came.append(record.artifact)
                yield record
                if self.is_over():
                    raise PeerError(f"{self.client.transport.name} takes too long")

        try:
            self.taking.take(noted())
        finally:
            self.taking.flush()
        return came

    def _known(self, tips: Sequence[ArtifactId]) -> list[str]:
        """Where the refs of the zones that these are of stand."""
        with self.store.reader() as reader:
            placed = [places.placed(reader, tip) for tip in tips]
            branches = [BranchName.parse(each.branch) for each in placed if each is not None]
            zones = dict.fromkeys(branch.zone for branch in branches if branch is not None)
            refs = LocalRefs(reader)
            return [*islice((ref.checkin for zone in zones for ref in refs.of_zone(zone)), MAX_KNOWN)]

    def _pages(self) -> Pages:
        return Pages(self.client.transport.name)
