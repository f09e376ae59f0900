"""One pull by the walk, from one primary.

    refs      what moved since the cursor, by lists that may be cut
    content   pulled in pages; where much of it may be here already, walked first, and only the rest is asked for
              what came damaged, or did not come, is asked for once more, by id, past any cache
    follow    the refs move, the cursor with them, in the last transaction of a list

What is stored stays, whatever ends the pull, and is not asked for again.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from xferzone.errors import PeerError
from xferzone.exchange.mirror.fetching import Fetching, Record
from xferzone.exchange.mirror.following import Following
from xferzone.exchange.mirror.meanwhile import Meanwhile
from xferzone.exchange.mirror.moving import Moving
from xferzone.exchange.mirror.taking import Taking
from xferzone.faults import fault
from xferzone.hashing import ArtifactId
from xferzone.publish.beforehand import Begin
from xferzone.publish.follow import Followed
from xferzone.publish.noted import Noted
from xferzone.refs import LocalRefs
from xferzone.replicate.batch import Unsent, Why
from xferzone.replicate.client import Client, Cursor, NotThere
from xferzone.replicate.messages import MAX_NAMED, Refs, Walk
from xferzone.store import Store
from xferzone.store.incoming import Helper

MAX_LISTS: Final = 1_000  # of refs, in one pull: ten million refs
MAX_PAGES: Final = 1_000  # of one walk: fifty million artifacts
_MAX_KNOWN: Final = 1_000  # tips of one zone that are sent along
MAX_VAIN: Final = 20  # pages in a row that bring nothing new; ours
MANY_MOVES: Final = (
    2_000  # since the cursor: much of what they brought may be here, from a pull that was interrupted
)


@dataclass
class Walked:
    """What one pull came to, so far.

    Fields:
        is_new: the primary told something.
        cursor: up to where it is known now; None: it told nothing that could be kept.
        behind: moves of refs that were told and are not made here.
        rows: of synced tables, that were older here or new.
    """

    is_new: bool = False
    cursor: Cursor | None = None
    received: int = 0
    behind: int = 0
    rows: int = 0
    followed: list[Followed] = field(default_factory=list)


class Aids(NamedTuple):
    """Other processes that help with a first pull; None: there is none."""

    helper: Helper | None = None
    begin: Begin | None = None


class Pull:
    """One pull."""

    # many: what is pulled from where to where, and how
    def __init__(
        self, store: Store, client: Client, options: Following, moving: Moving, *, is_wary: bool
    ) -> None:
        """`is_wary`: the last pull was broken off, so much may be here already."""
        self.done = Walked()
        self._store = store
        self._client = client
        self._options = options
        self._moving = moving
        self._is_wary = is_wary
        self._fetching = Fetching(options.in_thread, options.cancelled)

    def run(self, told: Refs | None, cursor: Cursor | None, aids: Aids) -> None:
        """Fetch and follow what `told` says, and all that is told after it. `cursor`: what it was asked since.

        Raises:
            PeerError: the primary breaks the protocol, or lacks what it tells of.
        """
        for _ in range(MAX_LISTS):
            if told is None:
                return
            self.done.is_new = True
            behind = (
                told.number - cursor.number if cursor and cursor.epoch == told.epoch else len(told.branches)
            )
            self.done.behind = max(behind, 0)
            fault(self._options.faults, "follower.after-refs", 0.05)
            self._take_in(told, cursor, aids)
            cursor = self.done.cursor = Cursor(told.epoch, told.number, told.position, told.checkin)
            self.done.behind = 0
            if not told.more:
                return
            told = self._fetching.answer(partial(self._client.refs, cursor))
        raise PeerError(f"{self._client.transport.name} tells of refs without end")

    def _take_in(self, told: Refs, cursor: Cursor | None, aids: Aids) -> None:
        noted = Noted()
        taking = Taking(self._store, self._options.env, noted, self._options.faults)
        tips = [(each.zone, ArtifactId(each.hash)) for each in told.branches]
        taking.helper = aids.helper
        self._moving.adopt(told.project)
        with Meanwhile(self._store, aids.begin, tips) as meanwhile:
            taking.stored = meanwhile.look
            for chunk in self._chunks(told, cursor):
                self._fetch(taking, chunk)
            with self._store.reader() as reader:
                controls = {ArtifactId(each) for each in told.controls}
                taking.named |= {each for each in controls if not reader.has(each)}
            self._ask_again(taking)
            self.done.received += taking.new
            fault(self._options.faults, "follower.after-content", 0.05)
            reached = Cursor(told.epoch, told.number, told.position, told.checkin)
            followed = self._moving.follow(told, reached, noted, meanwhile.made)
        self.done.followed.append(followed)
        if followed.incomplete:
            lacking = followed.incomplete[0]
            raise PeerError(
                f"{self._client.transport.name} tells of {lacking.branch} at {lacking.checkin}, and does not send all "
                "that leads there"
            )

    def _chunks(self, told: Refs, cursor: Cursor | None) -> list[Walk]:
        """What to walk: the tips that are told and not followed yet, with the tips of the same zones that are here."""
        marked = [(each.zone, "", ArtifactId(each.hash)) for each in (*told.tags, *told.closed)]
        wanted = [(each.zone, f"{each.zone}/{each.name}", ArtifactId(each.hash)) for each in told.branches]
        with self._store.reader() as reader:
            here = reader.present(tip for _, _, tip in marked)
            stands = {str(ref.branch): ref.checkin for ref in LocalRefs(reader).list()}
        of_zones: dict[str, list[ArtifactId]] = {}
        for branch, checkin in stands.items():
            of_zones.setdefault(branch.partition("/")[0], []).append(checkin)
        wanted = [each for each in wanted if stands.get(each[1]) != each[2]]
        wanted += [each for each in marked if each[2] not in here]
        since = cursor if cursor is not None and not told.whole else None
        chunks, roots, known = [], dict[ArtifactId, None](), dict[ArtifactId, None]()
        for zone, _, tip in wanted:
            ours = dict.fromkeys(of_zones.get(zone, ())[:_MAX_KNOWN])
            if len(roots) + len(known | ours) >= MAX_NAMED:
                chunks.append(_walk(roots, known, since))
                roots, known = {}, {}
            roots[tip] = None
            known |= ours
        return [*chunks, _walk(roots, known, since)] if roots else chunks

    # -- content

    def _fetch(self, taking: Taking, walk: Walk) -> None:
        if self._is_wary or self._options.through_cache:
            self._fetch_rest(taking, walk)
            return
        self._take_all(taking, lambda: self._pulled(walk))

    def _take_all(self, taking: Taking, fetched: Callable[[], Generator[Record, None, None]]) -> None:
        """Store what comes, and what came before a fault."""
        try:
            for piece in self._fetching.records(fetched):
                taking.take(piece)
        except PeerError:
            taking.flush()
            raise
        taking.flush()

    def _pulled(self, walk: Walk) -> Generator[Record, None, None]:
        """All pages of a walk, with content."""
        pages, is_over = Pages(self._client.transport.name), False
        while not is_over:
            page = self._client.pulled(replace(walk, more=pages.more))
            came = 0
            for record in page.records():
                came += 1
                yield record
            fault(self._options.faults, "follower.after-page", 0.02)
            is_over = pages.end_with(page.more, came)

    def _fetch_rest(self, taking: Taking, walk: Walk) -> None:
        """Walk first, and ask for what is not here."""
        fetched = self._singly if self._options.through_cache else self._batches
        pages, is_over = Pages(self._client.transport.name), False
        while not is_over:
            page = self._fetching.answer(partial(self._client.page, replace(walk, more=pages.more)))
            named = [ArtifactId(each) for each in page.missing]
            with self._store.reader(in_parts=True) as reader:
                here = reader.present_in_parts(named)
            self._take_all(taking, partial(fetched, [each for each in named if each not in here]))
            is_over = pages.end_with(page.more, len(named))

    def _batches(self, wanted: Sequence[ArtifactId]) -> Generator[Record, None, None]:
        for start in range(0, len(wanted), MAX_NAMED):
            yield from self._client.batch(wanted[start : start + MAX_NAMED])
            fault(self._options.faults, "follower.after-page", 0.02)

    def _singly(self, wanted: Sequence[ArtifactId]) -> Generator[Record, None, None]:
        for artifact in wanted:
            try:
                yield self._client.one(artifact)
            except NotThere:
                yield Unsent(artifact, Why.ABSENT)

    def _ask_again(self, taking: Taking) -> None:
        """Ask once more for what came damaged, without its source, or not at all; in vain as often as nothing comes."""
        left: set[ArtifactId] = set()
        for _ in range(MAX_PAGES):
            absent = taking.absent()
            if not absent:
                return
            if absent == left:
                break
            taking.named, left = absent, absent
            self._take_all(taking, partial(self._batches, sorted(absent)))
        for artifact, reason in taking.damaged.items():
            if artifact in left:
                raise PeerError(f"{self._client.transport.name} sends an artifact damaged, twice: {reason}")


class Pages:
    """Counts the pages of one walk.

    Fields:
        more: the cursor of the next one; empty: the first.
    """

    def __init__(self, name: str) -> None:
        self.more = ""
        self._name = name
        self._ended = self._vain = 0

    def end_with(self, more: str, came: int) -> bool:
        """A page with `came` artifacts has ended; whether it was the last. Raises PeerError: there is no end."""
        self.more = more
        self._ended += 1
        self._vain = 0 if came else self._vain + 1
        if more and self._vain > MAX_VAIN:
            raise PeerError(f"{self._name} sends pages with nothing in them")
        if more and self._ended == MAX_PAGES:
            raise PeerError(f"{self._name} sends over {MAX_PAGES} pages of one walk")
        return not more


def _walk(roots: dict[ArtifactId, None], known: dict[ArtifactId, None], since: Cursor | None) -> Walk:
    return Walk(
        roots=list(roots),
        known=list(known),
        since=since.tag if since else "",
        checkin=since.checkin if since else "",
    )
