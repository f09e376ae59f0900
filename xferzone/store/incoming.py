"""Artifacts that came together: each verified, and the form that it is kept in.

    content                                           kept whole
    delta, its source among them or here              applied; kept as that delta unless that leads to a newer version
    delta, its source neither                         left over, to be kept aside

Every source is expanded once, however many versions hang on it, and no longer than they need it. Which version is the
newer one check-ins tell; where they come later, linking puts right what was kept the wrong way round (chains.py).
Plain blobs need no repository until they are stored: of many at once another process may verify them meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from xferzone import artifacts, delta
from xferzone.artifacts import CheckIn, Control, Parsed, replaced
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.hashing import ArtifactId, is_named
from xferzone.store import frames
from xferzone.store.chains import MAX_ARTIFACT, MAX_STACK, WORTH, depth
from xferzone.store.reader import Reader

MAX_HELD = 64 * 2**20  # bytes of expanded contents at a time; what hangs on others is taken in a next batch
SHARE_ASIDE: Final = 0.33  # of all artifacts: zone files take longer than manifests, and go there and back
WORTH_ASIDE: Final = 500  # artifacts, some 40 ms of verifying


class Received(NamedTuple):
    """An artifact as it came: its content, or what makes it out of `source`."""

    artifact: ArtifactId
    source: ArtifactId | None
    payload: bytes


class Verified(NamedTuple):
    """An artifact whose content hashes to its name, the frame that it is kept in, and what it says.

    `source`: of the delta in the frame; None: it holds the content.
    """

    artifact: ArtifactId
    size: int
    frame: bytes
    source: ArtifactId | None
    parsed: Parsed


#: What there is to be noted of an artifact, by its content and what that says; None: nothing.
Look: TypeAlias = Callable[[bytes, Parsed], object]


#: Why an artifact of this content, which says this, must not be stored; None: it may.
Refuse: TypeAlias = Callable[[ArtifactId, bytes, Parsed], str | None]


class Witness(Protocol):
    """Somebody to whom each artifact is shown when it has been verified."""

    @staticmethod
    def look(content: bytes, parsed: Parsed, /) -> object:
        """A Look, which another process can do."""
        ...

    def take(self, artifact: ArtifactId, note: Any, /) -> None:
        """Keep what `look` found."""
        ...


class Apart(NamedTuple):
    """Artifacts that were verified without a repository, and what is to be noted of them."""

    verified: Sequence[Verified]
    notes: Sequence[tuple[ArtifactId, object]]


#: Begins `verify_apart` in another process; what it returns waits for the end: None: that process could not.
Aside: TypeAlias = Callable[[Sequence[Received], Look | None], Callable[[], Apart | None]]


def verify_apart(received: Sequence[Received], look: Look | None) -> Apart:
    """Verify what is whole, and what hangs on that, without a repository; what is left over is not told of.

    Raises as Batch.verify does.
    """
    trees = _Trees(received, frozenset(), look)
    for each in received:
        if each.source is None:
            trees.take_whole(each)
            trees.follow(each.artifact, each.payload, 0)
    return Apart(trees.verified, trees.notes)


class Batch:
    """Artifacts that are not here, on their way in.

    Fields:
        verified: those that can be stored.
        refused: of those kept aside before, the ones that must come again, whole.
        declined: those that `refuse` gave a reason for.
    """

    def __init__(
        self,
        reader: Reader,
        received: Sequence[Received],
        were_aside: AbstractSet[ArtifactId],
        witness: Witness | None = None,
        refuse: Refuse | None = None,
    ) -> None:
        """`were_aside` are those of `received` that were kept aside before, and that nobody here answers for."""
        self._reader = reader
        self._witness = witness
        self._look = None if witness is None else witness.look
        self._trees = _Trees(received, were_aside, self._look, refuse)
        self._apart: list[Received] = []
        self._places = {artifact: place for place, artifact in enumerate(self._trees.left)}
        self.verified = self._trees.verified
        self.refused = self._trees.refused
        self.declined = self._trees.declined

    def place(self, taken: Verified) -> int:
        """Where it came, to sort by."""
        return self._places[taken.artifact]

    @property
    def left(self) -> list[Received]:
        """Those whose source is not here, or had to be left for the next batch."""
        return list(self._trees.left.values())

    def verify(self, aside: Aside | None = None) -> None:
        """Take all that can be; `aside` may help where that is much.

        Raises:
            CorruptArtifact, MalformedDelta: something is not what its name says.
            PeerError: it is too large.
        """
        apart = self._trees.set_apart() if aside is not None else []
        finished = aside(apart, self._look) if aside is not None and apart else None
        self._verify()
        if finished is not None:
            self._trees.join(apart, finished() or verify_apart(apart, self._look))
        for artifact, checkin in self._trees.checkins.items():
            self._reader.remember(artifact, checkin)
        if self._witness is not None:
            for artifact, note in self._trees.notes:
                self._witness.take(artifact, note)

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
        self._note_replaced()
        for each in blobs:
            trees.follow(each.artifact, each.payload, 0)
        self._follow_from(here - checkins)

    def _follow_from(self, sources: Iterable[ArtifactId]) -> None:
        for source in sources:
            rid = self._reader.rid(source)
            assert rid is not None
            self._trees.follow(source, self._reader.content(source), depth(self._reader.db, rid))

    def _note_replaced(self) -> None:
        for checkin in self._trees.checkins.values():
            older = self._checkin(checkin.parents[0]) if checkin.parents else None
            if older is not None:
                self._trees.replaced.update(replaced(older, checkin))

    def _checkin(self, artifact: ArtifactId) -> CheckIn | None:
        found = self._trees.checkins.get(artifact)
        if found is None and self._reader.is_checkin(artifact):
            found = self._reader.checkin(artifact)
        return found


class _Trees:
    """Artifacts and what hangs on them: what is whole or has its source is verified, and its form chosen.

    Fields:
        left: what was not verified yet, in order of arrival.
        hanging: the deltas of it by their source.
        checkins: those verified.
        replaced: older and newer version of a file, as far as known.
    """

    def __init__(
        self,
        received: Sequence[Received],
        were_aside: AbstractSet[ArtifactId],
        look: Look | None,
        refuse: Refuse | None = None,
    ) -> None:
        self.left = {each.artifact: each for each in received}
        self.hanging: dict[ArtifactId, list[Received]] = {}
        for each in self.left.values():
            if each.source is not None:
                self.hanging.setdefault(each.source, []).append(each)
        self.verified: list[Verified] = []
        self.refused: list[ArtifactId] = []
        self.notes: list[tuple[ArtifactId, object]] = []
        self.checkins: dict[ArtifactId, CheckIn] = {}
        self.replaced: set[tuple[ArtifactId, ArtifactId]] = set()
        self._look = look
        self._were_aside = were_aside
        self._refuse = refuse
        self.declined: list[ArtifactId] = []

    def set_apart(self) -> list[Received]:
        """Give away plain blobs and all that hangs on them, if that is much; nothing of it was kept aside before."""
        apart: dict[ArtifactId, Received] = {}
        for each in self.left.values():
            if len(apart) >= SHARE_ASIDE * len(self.left):
                break
            if each.source is None and not artifacts.may_be_structural(each.payload):
                tree = {each.artifact: each}
                ways = [each.artifact]
                while ways:
                    for hung in self.hanging.get(ways.pop(), ()):
                        tree[hung.artifact] = hung
                        ways.append(hung.artifact)
                if self._were_aside.isdisjoint(tree):
                    apart |= tree
        if len(apart) < WORTH_ASIDE:
            return []
        for artifact in apart:
            del self.left[artifact]
            self.hanging.pop(artifact, None)
        return list(apart.values())

    def join(self, apart: Sequence[Received], done: Apart) -> None:
        """Take back what was set apart."""
        self.left |= {each.artifact: each for each in apart}
        for verified in done.verified:
            self._take(verified)
        self.notes += done.notes

    def take_whole(self, each: Received) -> Verified | None:
        """Verify what came whole; None: it is refused."""
        parsed = self._parsed(each.artifact, each.payload)
        if self._is_refused(each, each.payload, parsed):
            return None
        frame = frames.compress(each.payload)
        return self._take(Verified(each.artifact, len(each.payload), frame, None, parsed))

    def follow(self, source: ArtifactId, content: bytes, below: int) -> None:
        """Take all that hangs on `source`, which lies `below` deltas under what is whole."""
        ways = [(source, content, below)]
        held = len(content)
        while ways:
            source, content, below = ways.pop()
            held -= len(content)
            for each in self.hanging.pop(source, ()):
                made = self._applied(each, content)
                if made is None:
                    continue
                parsed = self._parsed(each.artifact, made)
                if self._is_refused(each, made, parsed):
                    continue
                is_delta = (
                    below < MAX_STACK
                    and WORTH * len(each.payload) <= len(made)
                    and not self._is_newer(each.artifact, source)
                )
                frame = frames.compress(each.payload if is_delta else made)
                self._take(Verified(each.artifact, len(made), frame, source if is_delta else None, parsed))
                if each.artifact in self.hanging and held + len(made) <= MAX_HELD:
                    ways.append((each.artifact, made, below + 1 if is_delta else 0))
                    held += len(made)

    def _parsed(self, artifact: ArtifactId, content: bytes) -> Parsed:
        """What the artifact says, once it is seen to be what its name says."""
        if len(content) > MAX_ARTIFACT:
            raise PeerError(f"an artifact of {len(content)} bytes; the most is {MAX_ARTIFACT}")
        if not is_named(artifact, content):
            raise CorruptArtifact(artifact, "the content that came does not hash to its name")
        parsed = artifacts.parse(content)
        if self._look is not None and (note := self._look(content, parsed)) is not None:
            self.notes.append((artifact, note))
        return parsed

    def _take(self, verified: Verified) -> Verified:
        self.verified.append(verified)
        del self.left[verified.artifact]
        if isinstance(verified.parsed, CheckIn):
            self.checkins[verified.artifact] = verified.parsed
        return verified

    def _is_refused(self, each: Received, content: bytes, parsed: Parsed) -> bool:
        """Whether the caller will not have it: then it goes, and what hangs on it waits for it in vain."""
        if self._refuse is None or self._refuse(each.artifact, content, parsed) is None:
            return False
        del self.left[each.artifact]
        self.declined.append(each.artifact)
        return True

    def _applied(self, each: Received, content: bytes) -> bytes | None:
        """What the delta makes of its source's content; None: it is refused."""
        try:
            made = delta.apply(content, each.payload, limit=MAX_ARTIFACT)
        except MalformedDelta as exc:
            if each.artifact not in self._were_aside:
                raise MalformedDelta(f"{exc}, for artifact {each.artifact}") from exc
            made = b""
        if each.artifact not in self._were_aside:
            return made
        if not is_named(each.artifact, made) or _needs_a_look(made):
            # What tags others may need a right that whoever sends the source lacks: it must come whole, where the
            # server looks at it. What harms stock is refused there, too.
            self.refused.append(each.artifact)
            del self.left[each.artifact]
            return None
        return made

    def _is_newer(self, artifact: ArtifactId, source: ArtifactId) -> bool:
        """Whether the artifact is known to be a newer version of its source."""
        checkin = self.checkins.get(artifact)
        return (source, artifact) in self.replaced or (checkin is not None and source in checkin.parents)


def _needs_a_look(content: bytes) -> bool:
    """Whether it tags other artifacts, or would harm stock's readers."""
    parsed = artifacts.parse(content)
    if artifacts.hazard(content, parsed) is not None:
        return True
    return isinstance(parsed, CheckIn | Control) and any(tag.target is not None for tag in parsed.tags)
