"""The requests by which a wish is copied to fellows, packed: which artifacts, in pages, and the body of each request.

    pages      what leads to where refs are to move and not to what the fellow has, oldest first, PAGE bytes a request
    body       of one request, with who brought what it carries
    first      the only request that a fellow needs which is up to date: the same for all, so it is made once

What is sent is read page by page, in short transactions before each request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xferzone.env import SYSTEM, Env
from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs, Move
from xferzone.replicate import copies
from xferzone.replicate.copies import MAX_BRANCHES, At, Head
from xferzone.replicate.messages import Walk
from xferzone.replicate.sending import STEP, Body
from xferzone.replicate.walking import Page, Walking
from xferzone.store import Store, brought, controls
from xferzone.store.brought import Bringer
from xferzone.store.sql import storable

PAGE: Final = (
    4 * 1024 * 1024
)  # bytes of artifacts in one request, as they are here; one that is larger goes alone
MAX_KNOWN: Final = 1_000  # refs of one zone that a fellow is taken to have


class Part(NamedTuple):
    """What one request carries: artifacts, and of some the version before, which the fellow may have."""

    names: Sequence[ArtifactId] = ()
    older: Mapping[ArtifactId, ArtifactId] = {}


@dataclass(frozen=True, slots=True)
class Packing:
    """Of one repository, for one group.

    Fields:
        group: its life.
    """

    store: Store
    group: str
    env: Env = field(default=SYSTEM)

    def asked(self, moves: Sequence[Move], wanted: Sequence[ArtifactId] = ()) -> Head:
        """Does the fellow have all that these lead to, and these?"""
        return Head(
            group=self.group,
            branches=[At(str(each.to.branch), each.to.checkin) for each in moves],
            artifacts=[*wanted],
        )

    def first(self, moves: Sequence[Move]) -> bytes | None:
        """The body that is enough for a fellow that is up to date. None: it takes several, or none."""
        if not 0 < len(moves) <= MAX_BRANCHES:
            return None
        parts = self.wished(moves)
        part = next(parts, Part())
        if next(parts, None) is not None:
            return None
        return self.body(self.asked(moves), part, bringers(moves))

    def wished(self, moves: Sequence[Move]) -> Iterator[Part]:
        """What the moves bring, from where each ref stood here."""
        roots = [*dict.fromkeys(each.to.checkin for each in moves)]
        return self.walked(roots, self._stood(moves)) if roots else iter(())

    def walked(self, roots: Sequence[ArtifactId], known: Sequence[ArtifactId]) -> Iterator[Part]:
        """What leads to `roots` and not to `known`, with the controls on it, oldest first."""
        with self.store.reader(in_parts=True) as reader:
            walking = Walking(reader, Walk(roots=[*roots], known=[*known]), controls.newest(reader), self.env)
            page = walking.page(reader, STEP)
        while True:
            yield from self.cut(page)
            if not page.more:
                return
            with self.store.reader(in_parts=True) as reader:
                page = walking.page(reader, STEP)

    def cut(self, page: Page) -> Iterator[Part]:
        """The page in requests of bounded size."""
        names = [*page.missing]
        with self.store.reader() as reader:
            sizes = reader.sizes(names)
        some: list[ArtifactId] = []
        size = 0
        for name in names:
            one = sizes.get(name, 0)
            if some and size + one > PAGE:
                yield Part(some, page.older)
                some, size = [], 0
            some.append(name)
            size += one
        if some:
            yield Part(some, page.older)

    def body(self, head: Head, part: Part, own: Mapping[ArtifactId, Bringer]) -> bytes:
        """The body of one request. `own`: who made what was made here."""
        with self.store.reader() as reader:
            who = {each: one for each, one in own.items() if each in part.names}
            who |= brought.all_of(reader, part.names)
        whole = Head(
            group=head.group,
            branches=head.branches,
            artifacts=head.artifacts,
            brought=copies.by(who),
            newest=head.newest,
        )
        records = Body(self.store, is_named=True, faults=self.store.faults).records(part.names, part.older)
        return copies.body(whole, records)

    def _stood(self, moves: Sequence[Move]) -> list[ArtifactId]:
        """What the fellow has if it is up to date: where the refs stood, and those of the same zones stand."""
        known = dict.fromkeys(each.expected for each in moves if each.expected is not None)
        with self.store.reader() as reader:
            for zone in {each.to.branch.zone for each in moves}:
                known |= dict.fromkeys(each.checkin for each in LocalRefs(reader).of_zone(zone)[:MAX_KNOWN])
        return [*known]


def bringers(moves: Sequence[Move]) -> dict[ArtifactId, Bringer]:
    """Who has made what these lead to, where that is known."""
    return {each.to.checkin: who for each in moves if (who := _bringer(each)).login}


def _bringer(move: Move) -> Bringer:
    return Bringer(storable(move.occasion.login), move.occasion.door.value)
