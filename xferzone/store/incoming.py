"""Artifacts that came together: each verified, and the form that it is kept in.

    content                                           kept whole
    delta, its source among them or here              applied; kept as that delta unless that leads to a newer version
    delta, its source neither                         left over, to be kept aside

Every source is expanded once, however many versions hang on it, and no longer than they need it. Which version is the
newer one check-ins tell; where they come later, linking puts right what was kept the wrong way round (chains.py).
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from xferzone import artifacts, delta
from xferzone.artifacts import CheckIn, Control
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.hashing import ArtifactId, is_named
from xferzone.store import zstd
from xferzone.store.chains import MAX_ARTIFACT, MAX_STACK, WORTH, depth
from xferzone.store.link import Parsed, replaced
from xferzone.store.reader import Reader

MAX_HELD = (
    64 * 1024 * 1024
)  # bytes of expanded contents at a time; what hangs on others is taken in a next batch


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


#: Is shown each artifact when it has been verified, and what it says.
Witness: TypeAlias = Callable[[ArtifactId, bytes, Parsed], None]


class Batch:
    """Artifacts that are not here, on their way in.

    Fields:
        verified: those that can be stored.
        refused: of those kept aside before, the ones that must come again, whole.
    """

    def __init__(
        self,
        reader: Reader,
        received: Iterable[Received],
        were_aside: Iterable[Received],
        witness: Witness | None = None,
    ) -> None:
        self.verified: list[Verified] = []
        self.refused: list[ArtifactId] = []
        self._reader = reader
        self._witness = witness
        self._left = {each.artifact: each for each in (*were_aside, *received)}
        self._were_aside = {each.artifact for each in were_aside} - {each.artifact for each in received}
        self._places = {artifact: place for place, artifact in enumerate(self._left)}
        self._hanging: dict[ArtifactId, list[Received]] = {}  # on each source
        for each in self._left.values():
            if each.source is not None:
                self._hanging.setdefault(each.source, []).append(each)
        self._checkins: dict[ArtifactId, CheckIn] = {}
        self._replaced: set[tuple[ArtifactId, ArtifactId]] = set()  # older and newer version of a file

    def place(self, taken: Verified) -> int:
        """Where it came, to sort by."""
        return self._places[taken.artifact]

    @property
    def left(self) -> list[Received]:
        """Those whose source is not here, or had to be left for the next batch."""
        return list(self._left.values())

    def verify(self) -> None:
        """Take all that can be.

        Raises:
            CorruptArtifact, MalformedDelta: something is not what its name says.
            PeerError: it is too large.
        """
        here = self._reader.present(set(self._hanging) - set(self._left))
        structural: list[tuple[ArtifactId, bytes]] = []
        blobs: list[tuple[ArtifactId, bytes]] = []
        for artifact, source, content in self.left:
            if source is None:
                parsed = self._parsed(artifact, content)
                self._take(Verified(artifact, len(content), zstd.compress(content), None, parsed))
                self._reader.cache.put(artifact, content)
                (blobs if parsed is None else structural).append((artifact, content))
        # Check-ins come first: they tell which file is an older version of which.
        for artifact, content in structural:
            self._follow(artifact, content, 0)
        checkins = {artifact for artifact in here if self._reader.placed(artifact) is not None}
        self._follow_from(checkins)
        self._note_replaced()
        for artifact, content in blobs:
            self._follow(artifact, content, 0)
        self._follow_from(here - checkins)

    def _follow_from(self, sources: Iterable[ArtifactId]) -> None:
        for source in sources:
            rid = self._reader.rid(source)
            assert rid is not None
            self._follow(source, self._reader.content(source), depth(self._reader.db, rid))

    def _note_replaced(self) -> None:
        for checkin in self._checkins.values():
            older = self._checkin(checkin.parents[0]) if checkin.parents else None
            if older is not None:
                self._replaced.update(replaced(older, checkin))

    def _checkin(self, artifact: ArtifactId) -> CheckIn | None:
        found = self._checkins.get(artifact)
        if found is None and self._reader.placed(artifact) is not None:
            found = self._reader.checkin(artifact)
        return found

    def _parsed(self, artifact: ArtifactId, content: bytes) -> Parsed:
        """What the artifact says, once it is seen to be what its name says."""
        if len(content) > MAX_ARTIFACT:
            raise PeerError(f"an artifact of {len(content)} bytes; the most is {MAX_ARTIFACT}")
        if not is_named(artifact, content):
            raise CorruptArtifact(artifact, "the content that came does not hash to its name")
        parsed = artifacts.parse(content)
        if isinstance(parsed, CheckIn):
            self._checkins[artifact] = parsed
            self._reader.remember(artifact, parsed)
        if self._witness is not None:
            self._witness(artifact, content, parsed)
        return parsed

    def _take(self, verified: Verified) -> None:
        self.verified.append(verified)
        del self._left[verified.artifact]

    def _follow(self, source: ArtifactId, content: bytes, below: int) -> None:
        """Take all that hangs on `source`, which lies `below` deltas under what is whole."""
        ways = [(source, content, below)]
        held = len(content)
        while ways:
            source, content, below = ways.pop()
            held -= len(content)
            for each in self._hanging.pop(source, ()):
                made = self._applied(each, content)
                if made is None:
                    continue
                parsed = self._parsed(each.artifact, made)
                is_delta = (
                    below < MAX_STACK
                    and WORTH * len(each.payload) <= len(made)
                    and not self._is_newer(each.artifact, source)
                )
                frame = zstd.compress(each.payload if is_delta else made)
                self._take(Verified(each.artifact, len(made), frame, source if is_delta else None, parsed))
                if each.artifact in self._hanging and held + len(made) <= MAX_HELD:
                    ways.append((each.artifact, made, below + 1 if is_delta else 0))
                    held += len(made)

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
        if not is_named(each.artifact, made) or _tags_others(made) or artifacts.hazard(made) is not None:
            # What tags others may need a right that whoever sends the source lacks: it must come whole, where the
            # server looks at it. What harms stock is refused there, too.
            self.refused.append(each.artifact)
            del self._left[each.artifact]
            return None
        return made

    def _is_newer(self, artifact: ArtifactId, source: ArtifactId) -> bool:
        """Whether the artifact is known to be a newer version of its source."""
        checkin = self._checkins.get(artifact)
        return (source, artifact) in self._replaced or (checkin is not None and source in checkin.parents)


def _tags_others(content: bytes) -> bool:
    parsed = artifacts.parse(content)
    return isinstance(parsed, CheckIn | Control) and any(tag.target is not None for tag in parsed.tags)
