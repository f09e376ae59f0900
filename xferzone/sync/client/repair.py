"""A session that asks for artifacts that are here and damaged, and takes nothing else.

pragma xferzone 1 whole, gimme ID ...
    <~ file ID ...        whole, as our servers send it then: replaces what is here
    <~ file ID SOURCE     a delta of SOURCE; if SOURCE cannot be read here either, the next request asks for both
"""

from collections.abc import Iterable, Iterator

from xferzone import delta
from xferzone.cards import Card, CFile, File
from xferzone.cards.extension import WholeWanted
from xferzone.errors import CorruptArtifact, MalformedDelta, NotFound, PeerError
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.check.replace import replace
from xferzone.sync.arriving import payload
from xferzone.sync.client.asking import MAX_ASKED
from xferzone.sync.client.options import Known, Options
from xferzone.sync.client.session import ClientSession


class RepairSession(ClientSession):
    """A session with any server of the project; `repaired` lists the damaged artifacts that were replaced."""

    def __init__(self, project_code: str, options: Options, damaged: Iterable[ArtifactId]) -> None:
        super().__init__(project_code, options, Known(is_origin=False))
        self.repaired: list[ArtifactId] = []
        self._damaged = frozenset(damaged)
        self._left = dict.fromkeys(self._damaged, 0)  # how often asked for
        self._at_once = options.gimmes

    def _opening(self) -> Iterator[Card]:
        yield from super()._opening()
        yield WholeWanted().pragma()

    def _gimmes(self, reader: Reader) -> list[ArtifactId]:
        wanted = [artifact for artifact, times in self._left.items() if times < MAX_ASKED][: self._at_once]
        for artifact in wanted:
            self._left[artifact] += 1
        return wanted

    def keep(self, writer: Writer) -> None:
        """Replace what is damaged. Raises PeerError: an artifact is not what its name says."""
        came, self._came, self._announced = self._came, [], []
        for card in sorted(came, key=lambda card: card.source is not None):
            if card.artifact in self._left and writer.has(card.artifact):
                self._take(writer, card)

    def _take(self, writer: Writer, card: File | CFile) -> None:
        if card.artifact not in self._damaged and _content(writer, card.artifact) is not None:
            del self._left[card.artifact]  # a source that has become readable
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
                raise PeerError(f"the server sends a bad delta: {exc}") from exc
        try:
            replace(writer, card.artifact, content)
        except CorruptArtifact as exc:
            raise PeerError(f"the server sends an artifact that is not what its name says: {exc}") from exc
        del self._left[card.artifact]
        self.repaired.append(card.artifact)


def _content(reader: Reader, artifact: ArtifactId) -> bytes | None:
    """None: it is missing or cannot be read."""
    try:
        return reader.content(artifact)
    except (NotFound, CorruptArtifact):
        return None
