"""The private artifacts of one session, where its caller wants them (`--private`) and the server allows that (x).

    pragma send-private     in each request but those for the parts of a clone: the first of these has no login
    <~ igot ID 1            asked for, at most MAX_ASKED times in vain, unless it is here
    <~ private, file        kept as private, unless it is here publicly
    <~ gimme ID             sent behind a `private` card
    igot ID 1               all that is private here, in each request of a push, as stock does

Where the caller does not want them, they are left out. Source: Fossil 2.21, src/xfer.c client_sync(), send_private().
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from xferzone import delta
from xferzone.cards import Card, CFile, File, IGot, Private
from xferzone.errors import CorruptArtifact, MalformedDelta, NotFound, PeerError
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer, private, shunned
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Received
from xferzone.sync.arriving import MAX_EXPANDED, payload
from xferzone.sync.client.asking import MAX_ASKED
from xferzone.sync.client.options import Bound
from xferzone.sync.client.sending import MAX_SENT

MAX_CAME: Final = 64 * 1024 * 1024  # bytes of private artifacts in one reply; ours, stock's budget is 5 MB


class Secluded:
    """What one session takes and sends of private artifacts."""

    def __init__(self, bound: Bound, *, is_wanted: bool) -> None:
        self.is_wanted = is_wanted
        self._budget, self._overshoots = bound
        self._is_next = False
        self._came: list[Received] = []
        self._size = 0  # bytes that came and are not kept yet
        self._announced: dict[ArtifactId, None] = {}  # by the server
        self._asked: Counter[ArtifactId] = Counter()
        self._sent: Counter[ArtifactId] = Counter()
        self._wanted: dict[ArtifactId, None] = {}  # by the server

    @property
    def has_news(self) -> bool:
        """Whether the last reply brought anything for `keep`."""
        return bool(self._came)

    @property
    def came(self) -> int:
        """How many artifacts came and are not kept yet."""
        return len(self._came)

    # -- replies

    def mark(self) -> None:
        """The next artifact is private."""
        self._is_next = True

    def takes(self, card: File | CFile) -> bool:
        """Whether the card brings a private artifact, and is dealt with. Raises PeerError: it is too much."""
        if not self._is_next:
            return False
        self._is_next = False
        if self.is_wanted:
            self._came.append(Received(card.artifact, card.source, payload(card)))
            self._size += len(self._came[-1].payload)
            if self._size > MAX_CAME:
                raise PeerError(f"the server sends over {MAX_CAME} bytes of private artifacts in one reply")
        return True

    def note(self, artifact: ArtifactId) -> None:
        """The server has it, as private."""
        if self.is_wanted and len(self._announced) < private.MAX_KEPT:
            self._announced[artifact] = None

    def end_reply(self) -> None:
        """What a reply says of its next artifact means nothing to the next reply."""
        self._is_next = False

    def keep(self, writer: Writer) -> int:
        """Keep what the last reply brought; how many artifacts were new.

        Raises:
            PeerError: one is not what its name says. Nothing of the reply may be kept.
        """
        left, self._came, self._size = self._came, [], 0
        count, before, expanded = 0, 0, 0
        while left and len(left) != before:
            before, waiting = len(left), list[Received]()
            for each in left:
                try:
                    content = self._content(writer, each)
                    expanded += len(content)
                    if expanded > MAX_EXPANDED:
                        raise PeerError(f"the server sends over {MAX_EXPANDED} bytes of private artifacts")
                    count += private.put(writer, each.artifact, content)
                except NotFound:
                    waiting.append(each)  # for its source: without it, it is asked for again
                except (MalformedDelta, CorruptArtifact) as exc:
                    raise PeerError(f"the server sends a private artifact that is damaged: {exc}") from exc
            left = waiting
        return count

    # -- requests

    def gimmes(self, reader: Reader, most: int) -> list[ArtifactId]:
        """What to ask for now, which counts as asked."""
        here = reader.present(self._announced) | private.present(reader, self._announced)
        here |= shunned.among(reader, self._announced)
        left = [each for each in self._announced if each not in here and self._asked[each] < MAX_ASKED]
        self._asked.update(left[:most])
        return left[:most]

    def claim(self, reader: Reader, wanted: dict[ArtifactId, None]) -> None:
        """Take over those of `wanted`, what the server asks for, that are private here."""
        if self.is_wanted:
            for artifact in private.present(reader, wanted):
                del wanted[artifact]
                self._wanted[artifact] = None

    def files(self, reader: Reader) -> Iterator[Card]:
        """The artifacts for this request, each with its mark; the next request takes what is over the budget."""
        left = self._budget
        for artifact in list(self._wanted):
            if left <= 0:
                return
            if self._sent[artifact] < MAX_SENT:
                content = private.content(reader, artifact)
                if not self._overshoots and len(content) > left < self._budget:
                    return
                left -= len(content)
                yield Private()
                yield File(artifact, content)
            self._sent[artifact] += 1
            del self._wanted[artifact]

    def announcements(self, reader: Reader) -> Iterator[IGot]:
        """All that is private here."""
        if self.is_wanted:
            for artifact in private.ids(reader):
                yield IGot(artifact, private=True)

    @staticmethod
    def _content(reader: Reader, each: Received) -> bytes:
        """Raises NotFound: the source of its delta is not here."""
        if each.source is None:
            return each.payload
        is_public = reader.has(each.source)
        source = reader.content(each.source) if is_public else private.content(reader, each.source)
        return delta.apply(source, each.payload, limit=MAX_ARTIFACT)
