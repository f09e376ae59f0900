"""What refs of the group name and is not here, pulled from one fellow. Nothing but artifacts is stored.

the walk                    what leads there, from where the refs of their zones stand here: one request, as a rule
the check-ins themselves    before it, where the zones are not known, or the fellow lacks some of them: they tell of
                            which zones they are, and what comes is what the fellow has
by name                     what the walk did not bring, or brought as a delta of what is not here
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
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
from xferzone.replicate.client import Client, NotThere
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


# many: what is fetched, from whom, for how long
def fetch(
    store: Store,
    client: Client,
    tips: Sequence[ArtifactId],
    env: Env,
    is_over: Callable[[], bool],
    zones: Collection[str] = (),
) -> None:
    """Store what leads to `tips`, as far as the fellow has it.

    Args:
        zones: of which they are; empty: that is not known, and costs another request.

    Raises:
        PeerError, Denied: it cannot be reached, or refuses, or it is over.
    """
    fetching = _Fetching(store, client, Taking(store, env, Noted(), store.faults), is_over, frozenset(zones))
    for start in range(0, len(tips), MAX_TIPS):
        fetching.fetch(tips[start : start + MAX_TIPS])


@dataclass(frozen=True, slots=True)
class _Fetching:
    store: Store
    client: Client
    taking: Taking
    is_over: Callable[[], bool]
    zones: frozenset[str]

    def fetch(self, tips: Sequence[ArtifactId]) -> None:
        had = self._walked(tips)
        if not had:
            return
        before: list[ArtifactId] = []
        for _ in range(MAX_ROUNDS):
            with self.store.reader() as reader:
                left = closure.lacking(reader, had, MAX_NAMED)
            if not left or left == before:
                return
            before = left
            self._take(self.client.batch(left))

    def _walked(self, tips: Sequence[ArtifactId]) -> Sequence[ArtifactId]:
        """Those of the tips that the fellow has, with what it gives of what leads there."""
        if self.zones:
            with suppress(NotThere):  # one of them: what comes of the others is asked for by name
                self._walk(tips, self.zones)
                return tips
        if had := self._take(self.client.batch(tips)):
            self._walk(had, self._zones(had))
        return had

    def _walk(self, roots: Sequence[ArtifactId], zones: Iterable[str]) -> None:
        walk, pages, has_ended = Walk(roots=[*roots], known=self._known(zones)), self._pages(), False
        while not has_ended:
            page = self.client.pulled(Walk(roots=walk.roots, known=walk.known, more=pages.more))
            came = self._take(page.records())
            has_ended = pages.end_with(page.more, len(came))

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

    def _zones(self, tips: Sequence[ArtifactId]) -> list[str]:
        with self.store.reader() as reader:
            placed = [places.placed(reader, tip) for tip in tips]
        branches = [BranchName.parse(each.branch) for each in placed if each is not None]
        return [*dict.fromkeys(branch.zone for branch in branches if branch is not None)]

    def _known(self, zones: Iterable[str]) -> list[str]:
        """Where the refs of these zones stand."""
        with self.store.reader() as reader:
            refs = LocalRefs(reader)
            return [*islice((ref.checkin for zone in zones for ref in refs.of_zone(zone)), MAX_KNOWN)]

    def _pages(self) -> Pages:
        return Pages(self.client.transport.name)
