"""A session that asks for artifacts that are here and damaged, and takes nothing else.

    gimme ID ...    ~>      file ID ...        whole: put in its place
                    <~      file ID SOURCE     of a source that cannot be read here either: asked for together again

Servers send a delta only of what is not asked for in the same request.
"""

from collections.abc import Iterable
from typing import Final

from xferzone import delta
from xferzone.cards import Card, CFile, File, Gimme
from xferzone.errors import CorruptArtifact, MalformedDelta, NotFound, PeerError
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.check.replace import replace
from xferzone.sync.arriving import payload
from xferzone.sync.client.session import MAX_ASKED, Account, ClientSession, Purpose

_AT_ONCE: Final = 200  # artifacts asked for in one request; stock's clients ask for as many


class RepairSession(ClientSession):
    """One, with any server of the project; `repaired` are those that were put in their place."""

    def __init__(self, project_code: str, account: Account | None, damaged: Iterable[ArtifactId]) -> None:
        super().__init__(project_code, Purpose(pull=True, push=False), account, is_origin=False)
        self.repaired: list[ArtifactId] = []
        self._damaged = frozenset(damaged)
        self._left = dict.fromkeys(self._damaged, 0)  # how often asked for

    def _gimmes(self, reader: Reader) -> list[Card]:
        wanted = [artifact for artifact, times in self._left.items() if times < MAX_ASKED][:_AT_ONCE]
        for artifact in wanted:
            self._left[artifact] += 1
        return [Gimme(artifact) for artifact in wanted]

    def keep(self, writer: Writer) -> None:
        """Put what came in its place. Raises PeerError: it is not what its name says."""
        came, self._came, self._announced = self._came, [], []
        for card in sorted(came, key=lambda card: card.source is not None):
            if card.artifact in self._left and writer.has(card.artifact):
                self._take(writer, card)

    def _take(self, writer: Writer, card: File | CFile) -> None:
        if card.artifact not in self._damaged and _content(writer, card.artifact) is not None:
            del self._left[card.artifact]  # a source that can be read again
            return
        content = payload(card)
        if card.source is not None:
            source = _content(writer, card.source)
            if source is None:
                self._left = {card.artifact: self._left[card.artifact], card.source: 0} | self._left
                return
            try:
                content = delta.apply(source, content, limit=MAX_ARTIFACT)
            except MalformedDelta as exc:
                raise PeerError(f"the server sends a delta that is none: {exc}") from exc
        try:
            replace(writer, card.artifact, content)
        except CorruptArtifact as exc:
            raise PeerError(f"the server sends an artifact that is not what its name says: {exc}") from exc
        del self._left[card.artifact]
        self.repaired.append(card.artifact)


def _content(reader: Reader, artifact: ArtifactId) -> bytes | None:
    """None: it is not here, or cannot be read."""
    try:
        return reader.content(artifact)
    except (NotFound, CorruptArtifact):
        return None
