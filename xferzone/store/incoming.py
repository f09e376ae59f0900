"""Incoming artifacts: each is verified, and stored whole or as the delta that it arrived as.

    content                                    stored whole
    delta, its source among them or here       applied; stored as that delta unless that makes a newer version
    delta, its source neither                  left over, to be kept aside (orphans.py)

Each source is expanded once, however many deltas hang on it, and no longer than they need it. Check-ins tell which
version is the newer one; where they arrive later, linking turns round what was stored the wrong way (chains.py). Plain
blobs need no repository until they are stored: when many arrive, another process may help to verify them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from xferzone import artifacts, delta
from xferzone.artifacts import CheckIn, Control, Parsed, replaced
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.hashing import ArtifactId, is_named
from xferzone.store import frames
from xferzone.store.chains import MAX_ARTIFACT, MAX_STACK, WORTH, depth
from xferzone.store.reader import Reader

MAX_HELD = 32 * 2**20  # bytes of expanded contents at a time; what hangs on others is taken in the next turn
MAX_CARDS = 1_000_000  # files that check-ins of one turn name, behind the first: 8 bytes each that are shared, else 200
HELPER_SHARE: Final = 0.33  # of all artifacts: zone files take longer than manifests, and go there and back
WORTH_HELPING: Final = 500  # artifacts, some 40 ms of verifying


class Received(NamedTuple):
    """An artifact as it arrived: `payload` is its content, or a delta against `source`."""

    artifact: ArtifactId
    source: ArtifactId | None
    payload: bytes


class Verified(NamedTuple):
    """An artifact whose content hashes to its name: its size, the frame to store, and what it says.

    `source`: of the delta in the frame; None: the frame holds the content.
    """

    artifact: ArtifactId
    size: int
    frame: bytes
    source: ArtifactId | None
    parsed: Parsed


#: The note to keep of an artifact, from its content and what that says; None: no note.
Note: TypeAlias = Callable[[bytes, Parsed], object]

#: Why an artifact with this content, which says this, must not be stored; None: it may be.
Refuse: TypeAlias = Callable[[ArtifactId, bytes, Parsed], str | None]


class Noter(Protocol):
    """Is shown each artifact when it has been verified, and keeps notes."""

    @staticmethod
    def note(content: bytes, parsed: Parsed, /) -> object:
        """A Note; it may run in another process."""
        ...

    def keep(self, artifact: ArtifactId, note: Any, /) -> None:
        """Keep what `note` returned, which was not None."""
        ...


class Help(NamedTuple):
    """What a helper did: the artifacts that it verified, and its notes of them."""

    verified: Sequence[Verified]
    notes: Sequence[tuple[ArtifactId, object]]


#: Begins `verify_alone` in another process. Call the result to wait; it returns None if the process failed.
Helper: TypeAlias = Callable[[Sequence[Received], Note | None], Callable[[], Help | None]]


class Early(NamedTuple):
    """What was verified before all had come: `received`, that and nothing else of its name, and the note of it."""

    received: Received
    verified: Verified
    note: object


def verify_early(received: Iterable[Received], note: Note | None) -> dict[ArtifactId, Early]:
    """Verify of these what may be a manifest and came whole, which says nothing of what is to come.

    Raises as Intake.verify does.
    """
    whole = [each for each in received if each.source is None and artifacts.may_be_structural(each.payload)]
    trees = _Trees(whole, frozenset(), note)
    came = trees.left.copy()
    for each in came.values():
        trees.take_whole(each)
    notes = dict(trees.notes)
    return {
        each.artifact: Early(came[each.artifact], each, notes.get(each.artifact)) for each in trees.verified
    }


def verify_alone(received: Sequence[Received], note: Note | None) -> Help:
    """Verify without a repository what is whole, and what hangs on that; anything else is left out.

    Raises as Intake.verify does.
    """
    trees = _Trees(received, frozenset(), note)
    for each in received:
        if each.source is None:
            trees.take_whole(each)
            trees.follow(each.artifact, each.payload, 0)
    return Help(trees.verified, trees.notes)


class Intake:
    """One turn of taking in artifacts that are not here.

    Fields:
        verified: those that can be stored.
        refused: those that `refuse` gave a reason for.
        dropped: of those kept aside before, the ones that must come again, whole.
        steps: of check-ins whose first parent is known: what they replace, that parent included, and by what.
    """

    def __init__(
        self,
        reader: Reader,
        received: Sequence[Received],
        were_aside: AbstractSet[ArtifactId],
        noter: Noter | None = None,
        refuse: Refuse | None = None,
    ) -> None:
        """`were_aside`: those of `received` that were kept aside before; nobody present answers for them."""
        self._reader = reader
        self._noter = noter
        self._note = None if noter is None else noter.note
        self._trees = _Trees(received, were_aside, self._note, refuse)
        self._positions = {artifact: position for position, artifact in enumerate(self._trees.left)}
        self.verified = self._trees.verified
        self.steps: dict[ArtifactId, Sequence[tuple[ArtifactId, ArtifactId]]] = {}
        self.refused = self._trees.refused
        self.dropped = self._trees.dropped

    def position(self, taken: Verified) -> int:
        """Its position in the order of arrival, to sort by."""
        return self._positions[taken.artifact]

    @property
    def left(self) -> list[Received]:
        """Those whose source is not here, or that had to be left for the next turn."""
        return list(self._trees.left.values())

    def verify(self, helper: Helper | None = None, early: Mapping[ArtifactId, Early] | None = None) -> None:
        """Verify all that can be; `helper` takes a share where that is much; `early`: what was verified before.

        Raises:
            CorruptArtifact, MalformedDelta: an artifact is not what its name says.
            PeerError: an artifact is too large.
        """
        self._trees.early = early or {}
        given = self._trees.give_away() if helper is not None else []
        finished = helper(given, self._note) if helper is not None and given else None
        self._verify()
        if finished is not None:
            self._trees.take_back(given, finished() or verify_alone(given, self._note))
        for artifact, checkin in self._trees.checkins.items():
            self._reader.remember(artifact, checkin)
        if self._noter is not None:
            for artifact, note in self._trees.notes:
                self._noter.keep(artifact, note)

    def _verify(self) -> None:
        trees = self._trees
        here = self._reader.present(set(trees.hanging) - set(trees.left))
        structural: list[Received] = []
        blobs: list[Received] = []
        for each in self.left:
            if each.source is None:
                taken = trees.take_whole(each)
                if taken is not None:
                    (blobs if taken.parsed is None else structural).append(each)
                    self._reader.cache.put(each.artifact, each.payload)
        # Check-ins come first: they tell which file is an older version of which.
        for each in structural:
            trees.follow(each.artifact, each.payload, 0)
        checkins = {artifact for artifact in here if self._reader.is_checkin(artifact)}
        self._follow_from(checkins)
        self._find_replaced()
        for each in blobs:
            trees.follow(each.artifact, each.payload, 0)
        self._follow_from(here - checkins)

    def _follow_from(self, sources: Iterable[ArtifactId]) -> None:
        for source in sources:
            rid = self._reader.rid(source)
            assert rid is not None
            self._trees.follow(source, self._reader.content(source), depth(self._reader.db, rid))

    def _find_replaced(self) -> None:
        for artifact, checkin in self._trees.checkins.items():
            older = self._checkin(checkin.parents[0]) if checkin.parents else None
            if older is not None:
                pairs = replaced(older, checkin)
                self._trees.replaced.update(pairs)
                self.steps[artifact] = [*pairs, (checkin.parents[0], artifact)]

    def _checkin(self, artifact: ArtifactId) -> CheckIn | None:
        found = self._trees.checkins.get(artifact)
        if found is None and self._reader.is_checkin(artifact):
            found = self._reader.checkin(artifact)
        return found


class _Trees:
    """Artifacts and the deltas that hang on them: what is whole or has its source is verified, and its frame made.

    Fields:
        left: the artifacts not verified yet, in order of arrival.
        hanging: the deltas among them, by source.
        checkins: the check-ins verified.
        replaced: older and newer versions of files, as far as known.
        early: what of them was verified before.
    """

    def __init__(
        self,
        received: Sequence[Received],
        were_aside: AbstractSet[ArtifactId],
        note: Note | None,
        refuse: Refuse | None = None,
    ) -> None:
        self.left = {each.artifact: each for each in received}
        self.hanging: dict[ArtifactId, list[Received]] = {}
        for each in self.left.values():
            if each.source is not None:
                self.hanging.setdefault(each.source, []).append(each)
        self.verified: list[Verified] = []
        self.refused: list[ArtifactId] = []
        self.dropped: list[ArtifactId] = []
        self.notes: list[tuple[ArtifactId, object]] = []
        self.checkins: dict[ArtifactId, CheckIn] = {}
        self.replaced: set[tuple[ArtifactId, ArtifactId]] = set()
        self._cards = 0  # that the check-ins verified have
        self._note = note
        self._were_aside = were_aside
        self._refuse = refuse
        self.early: Mapping[ArtifactId, Early] = {}

    def give_away(self) -> list[Received]:
        """A helper's share: plain blobs and all that hangs on them; empty if it would be small.

        Nothing of it was kept aside before.
        """
        given: dict[ArtifactId, Received] = {}
        for each in self.left.values():
            if len(given) >= HELPER_SHARE * len(self.left):
                break
            if each.source is None and not artifacts.may_be_structural(each.payload):
                tree = {each.artifact: each}
                ways = [each.artifact]
                while ways:
                    for hung in self.hanging.get(ways.pop(), ()):
                        tree[hung.artifact] = hung
                        ways.append(hung.artifact)
                if self._were_aside.isdisjoint(tree):
                    given |= tree
        if len(given) < WORTH_HELPING:
            return []
        for artifact in given:
            del self.left[artifact]
            self.hanging.pop(artifact, None)
        return list(given.values())

    def take_back(self, given: Sequence[Received], done: Help) -> None:
        """Take back what was given away, with what the helper did."""
        self.left |= {each.artifact: each for each in given}
        for verified in done.verified:
            self._take(verified)
        self.notes += done.notes

    def take_whole(self, each: Received) -> Verified | None:
        """Verify an artifact that arrived whole; None: it is refused."""
        early = self.early.get(each.artifact)
        if early is not None and early.received is each:
            if early.note is not None:
                self.notes.append((each.artifact, early.note))
            return self._take(early.verified)
        parsed = self._parsed(each.artifact, each.payload)
        if self._is_refused(each, each.payload, parsed):
            return None
        frame = frames.compress(each.payload)
        return self._take(Verified(each.artifact, len(each.payload), frame, None, parsed))

    def follow(self, source: ArtifactId, content: bytes, below: int) -> None:
        """Verify all that hangs on `source`, which is read through `below` deltas."""
        ways = [(source, content, below)]
        held = len(content)
        while ways:
            source, content, below = ways.pop()
            held -= len(content)
            for each in self.hanging.pop(source, ()):
                if self._cards > MAX_CARDS:
                    return
                way = self._made(each, content, below)
                if way is not None and held + len(way[1]) <= MAX_HELD:
                    ways.append(way)
                    held += len(way[1])
                del way  # a content may have 64 MiB, and the next one is about to be made

    def _made(self, each: Received, content: bytes, below: int) -> tuple[ArtifactId, bytes, int] | None:
        """Verify what hangs on `content`; where to go on if others hang on it: id, content, deltas below."""
        made = self._applied(each, content)
        if made is None:
            return None
        parsed = self._parsed(each.artifact, made)
        if self._is_refused(each, made, parsed):
            return None
        assert each.source is not None
        is_delta = (
            below < MAX_STACK
            and WORTH * len(each.payload) <= len(made)
            and not self._is_newer(each.artifact, each.source)
        )
        frame = frames.compress(each.payload if is_delta else made)
        self._take(Verified(each.artifact, len(made), frame, each.source if is_delta else None, parsed))
        if each.artifact not in self.hanging:
            return None
        return each.artifact, made, below + 1 if is_delta else 0

    def _parsed(self, artifact: ArtifactId, content: bytes) -> Parsed:
        """What the artifact says, after a check of its content against its name."""
        if len(content) > MAX_ARTIFACT:
            raise PeerError(
                f"artifact {artifact} has {len(content)} bytes; at most {MAX_ARTIFACT} are allowed"
            )
        if not is_named(artifact, content):
            raise CorruptArtifact(artifact, "the content that came does not hash to its name")
        parsed = artifacts.parse(content)
        if self._note is not None and (note := self._note(content, parsed)) is not None:
            self.notes.append((artifact, note))
        return parsed

    def _take(self, verified: Verified) -> Verified:
        self.verified.append(verified)
        del self.left[verified.artifact]
        if isinstance(verified.parsed, CheckIn):
            self.checkins[verified.artifact] = verified.parsed
            self._cards += len(verified.parsed.files)
        return verified

    def _is_refused(self, each: Received, content: bytes, parsed: Parsed) -> bool:
        """Whether the caller refuses the artifact: then it goes, and what hangs on it is left over."""
        # What was aside has passed a guard of its own; the reason would be told to somebody who did not send it.
        if self._refuse is None or each.artifact in self._were_aside:
            return False
        if self._refuse(each.artifact, content, parsed) is None:
            return False
        del self.left[each.artifact]
        self.refused.append(each.artifact)
        return True

    def _applied(self, each: Received, content: bytes) -> bytes | None:
        """What the delta makes of its source's content; None: it is dropped."""
        try:
            made = delta.apply(content, each.payload, limit=MAX_ARTIFACT)
        except MalformedDelta as exc:
            if each.artifact not in self._were_aside:
                raise MalformedDelta(f"{exc}, for artifact {each.artifact}") from exc
            made = b""
        if each.artifact not in self._were_aside:
            return made
        if not is_named(each.artifact, made) or _needs_a_right(made):
            # Whoever sends the source may lack the right to set its tags: it must come again, whole, when its own
            # sender is asked. What would harm stock's readers is refused then, too.
            self.dropped.append(each.artifact)
            del self.left[each.artifact]
            return None
        return made

    def _is_newer(self, artifact: ArtifactId, source: ArtifactId) -> bool:
        """Whether the artifact is known to be a newer version of its source."""
        checkin = self.checkins.get(artifact)
        return (source, artifact) in self.replaced or (checkin is not None and source in checkin.parents)


def _needs_a_right(content: bytes) -> bool:
    """Whether it tags other artifacts, or has a name besides its branch's, or would harm stock's readers."""
    parsed = artifacts.parse(content)
    if artifacts.hazard(content, parsed) is not None:
        return True
    if not isinstance(parsed, CheckIn | Control):
        return False
    own = {f"sym-{tag.value}" for tag in parsed.tags if tag.name == "branch"}
    return any(
        tag.target is not None or (tag.name.startswith("sym-") and tag.name not in own) for tag in parsed.tags
    )
