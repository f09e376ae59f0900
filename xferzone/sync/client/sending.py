"""What goes to the server: what is unsent, what it asked for, and what it may lack.

    file ...    what was made here and is unsent, to the origin only; then what the server asked for; within the budget
    igot ...    what no cluster names and the server is not known to have, each once in a session

What was sent counts as arrived when a reply comes that refuses nothing.
Source: Fossil 2.21, src/xfer.c send_unsent(), send_file(), send_unclustered().
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from xferzone.cards import File, IGot
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer, unsent, versions
from xferzone.sync.client.options import Bound

MAX_SENT: Final = 2  # times that one artifact is sent to a server that asks for it again; ours
MAX_WANTED: Final = 50_000  # artifacts that a server waits for; ours, stock asks for 500 at a time


class Sending:
    """What one session sends.

    Fields:
        wanted: what the server asked for and was not sent yet, in its order.
        lacks: the server has asked for what is not here either.
    """

    def __init__(self, bound: Bound, *, is_origin: bool) -> None:
        """`is_origin`: the server gets what is unsent."""
        self._budget, self._overshoots = bound
        self._is_origin = is_origin
        self.wanted: dict[ArtifactId, None] = {}  # by the server, in its order
        self._sent: Counter[ArtifactId] = Counter()
        self._unconfirmed: list[ArtifactId] = []  # sent with the last request
        self._at_server: set[ArtifactId] = set()
        self.lacks = False  # the server has asked for what is not here either

    @property
    def sent(self) -> Collection[ArtifactId]:
        """Every artifact that was sent."""
        return self._sent

    @property
    def awaits_confirmation(self) -> bool:
        """Whether the last request carried artifacts."""
        return bool(self._unconfirmed)

    def want(self, artifact: ArtifactId) -> None:
        """The server asks for it; over MAX_WANTED it must ask again."""
        if len(self.wanted) < MAX_WANTED:
            self.wanted[artifact] = None

    def note_at_server(self, artifacts: Iterable[ArtifactId]) -> None:
        """The server has these; they are not announced to it."""
        self._at_server.update(artifacts)

    def confirm(self, writer: Writer, *, is_taken: bool) -> None:
        """The server answered the last request; `is_taken`: what it carried is no longer unsent."""
        if self._is_origin and is_taken:
            unsent.forget(writer, self._unconfirmed)
        self._unconfirmed = []

    def files(self, reader: Reader) -> Iterator[File]:
        """The artifacts for this request; the next one takes what is over the budget."""
        own = [artifact for artifact in self._unsent(reader) if artifact not in self._sent]
        here = reader.present(self.wanted)
        self.lacks = self.lacks or len(here) < len(self.wanted)
        self.wanted = {artifact: None for artifact in self.wanted if artifact in here}
        left = self._budget
        wanted = dict.fromkeys([*own, *self.wanted])
        for artifact, older in versions.ordered(reader, wanted):
            if left <= 0:
                return
            self.wanted.pop(artifact, None)
            if self._sent[artifact] >= MAX_SENT:
                continue
            # Asked for again: what it was a delta of is not there.
            is_known = older not in wanted or older in self._sent
            card = self._file(reader, artifact, older if is_known and not self._sent[artifact] else None)
            if not self._overshoots and len(card.payload) > left < self._budget:
                self.wanted[artifact] = None  # for the next request, as what is unsent is
                return
            left -= len(card.payload)
            self._sent[artifact] += 1
            self._unconfirmed.append(artifact)
            yield card

    def announcements(self, reader: Reader) -> Iterator[IGot]:
        """What the server may lack."""
        waiting = set(self._unsent(reader))
        for artifact in reader.unclustered():
            if artifact not in self._at_server and artifact not in self._sent and artifact not in waiting:
                self._at_server.add(artifact)
                yield IGot(artifact)

    def _unsent(self, reader: Reader) -> list[ArtifactId]:
        return unsent.artifacts(reader) if self._is_origin else []

    def _file(self, reader: Reader, artifact: ArtifactId, source: ArtifactId | None) -> File:
        made = None if source is None else versions.as_delta(reader, artifact, source)
        return File(artifact, reader.content(artifact)) if made is None else File(artifact, made, source)
