"""The private artifacts of one request, for whoever may sync them (x); they are kept in store/private.py.

    pragma send-private    the client wants them: they are sent and announced, each behind a `private` card
    private, file          kept as private, unless it is here publicly; without x it is left out
    igot ID 1              asked for, if it is neither here nor private here

Who may not is told so, as by stock; stock then makes public what such a client sends. Whatever comes is looked at
together, once the public artifacts of the request are stored: a delta may be of any of them. What stays without its
source is dropped. It is asked for again once the client announces it in a request that does not bring it.

Source: Fossil 2.21, src/xfer.c page_xfer(), server_private_xfer_not_authorized(), send_private().
"""

from collections.abc import Collection
from typing import Final

from xferzone import delta
from xferzone.cards import CFile, File, Gimme, IGot, Private
from xferzone.errors import CorruptArtifact, MalformedDelta, NotFound, PeerError
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer, private, shunned
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Received
from xferzone.sync.server.kinds import bound
from xferzone.sync.server.login import Rights
from xferzone.sync.server.reply import Draft
from xferzone.sync.server.taking import AT_ONCE, MAX_EXPANDED, opened

MAX_NAMED: Final = private.MAX_KEPT  # private artifacts that one request may announce
_DENIED: Final = "not authorized to sync private content"


class Secluded:
    """What one request says of private artifacts, and what it is answered.

    Fields:
        is_sent: the client wants private artifacts, and may have them.
        received, sent: how many.
    """

    def __init__(self, reader: Reader, draft: Draft, rights: Rights) -> None:
        self.is_sent = False
        self.received = self.sent = 0
        self._reader = reader
        self._draft = draft
        self._rights = rights
        self._is_next = self._is_denied = False
        self._gathered: list[Received] = []
        self._size = 0  # bytes gathered
        self._expanded = 0  # bytes of all that came
        self._came: set[ArtifactId] = set()
        self._announced: dict[ArtifactId, None] = {}
        self._missing: list[ArtifactId] = []

    def go_on(self, reader: Reader) -> None:
        """Read in this transaction from now on."""
        self._reader = reader

    # -- what the cards say

    def wish(self) -> None:
        """The client wants private artifacts."""
        self.is_sent = self._rights.private
        self._is_denied = not self.is_sent

    def mark(self) -> None:
        """The next artifact is private."""
        self._is_next = True
        self._may()

    def takes(self, card: File | CFile) -> bool:
        """Whether the card brings a private artifact, and is dealt with. Raises PeerError: it is damaged."""
        if not self._is_next:
            return False
        self._is_next = False
        if self._rights.private:
            payload = opened(card, self._draft.budget)
            self._count(len(payload))
            self._came.add(card.artifact)
            self._gathered.append(Received(card.artifact, card.source, payload))
            self._size += len(payload)
            if self._size >= AT_ONCE:
                self._keep()
        return True

    def announce(self, artifact: ArtifactId) -> None:
        """The client has it, as private."""
        if self._may():
            self._announced[artifact] = None
            bound(self._announced, MAX_NAMED, "announced as private")

    def _may(self) -> bool:
        if not self._rights.private:
            self._draft.complain(_DENIED)
        return self._rights.private

    # -- what comes of it

    def store(self) -> None:
        """Keep what came, and note what is missing. Raises PeerError: something is not what its name says."""
        self._keep()
        self._gathered = []
        if self._announced:
            here = self._reader.present_in_parts(self._announced)
            here |= private.present(self._reader, self._announced)
            here |= shunned.among(self._reader, self._announced)
            self._missing = [each for each in self._announced if each not in here and each not in self._came]

    def ask(self, most: int) -> None:
        """Ask for at most `most` of what is missing, and tell whoever may not have private artifacts."""
        if self._is_denied:
            self._draft.complain(_DENIED)
        for artifact in self._missing[: max(most, 0)]:
            self._draft.add(Gimme(artifact))

    def admit(self, wanted: Collection[ArtifactId]) -> None:
        """Raise TooLarge now, while nothing is written, where `answer` might."""
        if self.is_sent:
            self._draft.budget.admit(private.largest(self._reader, wanted))

    def answer(self, wanted: Collection[ArtifactId]) -> None:
        """Send what of `wanted` is private; what has no room is announced instead."""
        held = private.present(self._reader, wanted) if self.is_sent else set[ArtifactId]()
        for artifact in wanted:
            if artifact in held and self._draft.left():
                try:
                    content = private.content(self._reader, artifact)
                except CorruptArtifact:
                    self._draft.complain(f"artifact {artifact} is damaged here and cannot be sent")
                    continue
                except NotFound:  # since the transaction was cut
                    continue
                if self.sent and not self._draft.takes(content):
                    return  # all are announced at the end
                self._draft.add(Private())
                self._draft.add(File(artifact, content))
                self.sent += 1

    def tell(self) -> None:
        """Name all private artifacts; as by stock, those too that the client has."""
        if self.is_sent:
            for artifact in private.ids(self._reader):
                self._draft.add(IGot(artifact, private=True))

    # -- keeping

    def _count(self, size: int) -> None:
        self._expanded += size
        if self._expanded > MAX_EXPANDED:
            raise PeerError(
                f"the private artifacts of a request have over {MAX_EXPANDED} bytes: send fewer at a time"
            )

    def _keep(self) -> None:
        """Keep what of the gathered has its source here; of the others, what is not too much is left for later."""
        left, before = self._gathered, 0
        while left and len(left) != before:
            before = len(left)
            left = [each for each in left if not self._is_kept(each)]
        self._size = sum(len(each.payload) for each in left)
        self._gathered = left if self._size < AT_ONCE else []
        self._size = self._size if self._gathered else 0

    def _is_kept(self, each: Received) -> bool:
        """Whether it has been dealt with; else its source is not here."""
        assert isinstance(self._reader, Writer), "a private artifact came without a push"
        try:
            content = each.payload if each.source is None else self._applied(each, each.source)
            self.received += private.put(self._reader, each.artifact, content)
        except NotFound:
            return False
        except MalformedDelta as exc:
            raise PeerError(f"bad delta for artifact {each.artifact}: {exc}") from exc
        except CorruptArtifact as exc:
            if exc.artifact == each.artifact:
                raise PeerError(f"wrong hash on received artifact {each.artifact}") from exc
            raise PeerError(f"artifact {exc.artifact} is damaged here: send {each.artifact} whole") from exc
        return True

    def _applied(self, each: Received, source: ArtifactId) -> bytes:
        size = min(delta.target_size(each.payload), delta.MAX_SIZE)
        self._draft.budget.admit(size)
        is_public = self._reader.has(source)
        found = self._reader.content(source) if is_public else private.content(self._reader, source)
        self._count(size)
        return delta.apply(found, each.payload, limit=MAX_ARTIFACT)
