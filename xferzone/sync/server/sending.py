"""What a server sends of its artifacts, within the budget of one reply.

    clone      cfile ... or file ...  clone_seqno N  push     from a position on; N = 0: all is sent. Private artifacts,
                                                              where the client may have them, come last
    answer     file ...                                       what was asked for; igot in its place when over budget
    ask        gimme ...                                      what is missing here
    announce   igot ...                                       what the client is not known to have

Each version goes after the one before it and as a delta of that (store/versions.py), unless the client asked for its
source, too, and did not get it before. For all we know it has any other: a client that lacks it asks for it next.
Source: Fossil 2.21, src/xfer.c send_file(), send_compressed_file(), send_unclustered(), request_phantoms().
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final

from xferzone.cards import CFile, CloneSeqno, Comment, File, Gimme, IGot, Private, Push
from xferzone.cards.body import pack
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import outgoing, private, versions
from xferzone.store.asked import next_for
from xferzone.store.clusters import clusters
from xferzone.store.outgoing import Sendable
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer
from xferzone.sync.server.budget import TooLarge
from xferzone.sync.server.reply import Draft

MAX_GIMMES: Final = 500  # cards a reply; Fossil 2.21, src/xfer.c, request_phantoms(&xfer, 500)
CLONE_STEP: Final = 65_536  # bytes of content between two looks at the clock and the size
CLONE_LEVEL: Final = 1  # of zlib; 3 makes a clone 1 % smaller, 6 makes it 4 %, and its packing twice as slow

CFILE_VERSION: Final = 3  # the version of clone from which artifacts are sent compressed
_FIRST: Final = 1  # the position where a clone begins
_OVERHEAD: Final = 16  # times its content that a small artifact weighs, its card's line included


class Sender:
    """The artifacts of one reply."""

    def __init__(self, reader: Reader, draft: Draft) -> None:
        self._reader = reader
        self._draft = draft
        self.at_client: set[ArtifactId] = set()  # it said so, sent it, or is being sent it
        self.came: set[ArtifactId] = set()  # it sent it in this very request
        self._named: set[ArtifactId] = set()  # in an igot card of this reply
        self.is_whole = False  # the client wants no deltas
        self.damaged: list[ArtifactId] = []  # here, and cannot be sent
        self.sent = 0

    def clone(self, position: int, *, as_stored: bool, secluded: bool) -> None:
        """Artifacts in order of position, at least one; stock stops for good where a round brings none.

        `as_stored`: each compressed, as of CFILE_VERSION on. `secluded`: the client may have private ones, too.

        Raises:
            TooLarge: the first is over the budget's `artifact`.
        """
        # A client has nothing to do until the first reply comes: that is not the longest.
        reserve = self._draft.most - self._draft.budget.bytes if position <= _FIRST else 0
        position = max(position, _FIRST)
        before, left_out = self.sent, 0
        while position and ((left := max(self._draft.left() - reserve, 0)) or self.sent == before):
            largest = self._draft.budget.artifact
            is_private = secluded and position >= private.FIRST
            made = outgoing.private_batch if is_private else outgoing.clone_batch
            batch = made(self._reader, position, min(left // _OVERHEAD + 1, CLONE_STEP), largest)
            for sendable in batch.sendables:
                if self.sent > before and not self._draft.takes(sendable.payload):
                    left_out = sendable.position
                    break
                if sendable.is_private:
                    self._draft.add(Private())
                self._draft.add(_cfile(sendable) if as_stored else _file(sendable))
                self.sent += 1
            self._leave_out(batch.damaged)
            position = left_out or batch.position
            if not position and secluded and not is_private and private.is_any(self._reader):
                position = private.FIRST
            if left_out or batch.too_large:
                if self.sent == before:
                    raise TooLarge
                break  # the next request begins with it
            self._reader.give_way()
        # The client takes the position from here when it sees the push card: the order matters.
        self._draft.add(CloneSeqno(position))
        self._draft.add(self.push_card())

    def push_card(self) -> Push:
        """The card by which a clone learns its project."""
        return Push(self._reader.setting("server-code") or "x", self._reader.project_code)

    def answer(self, wanted: Collection[ArtifactId]) -> None:
        """Send what the client asked for, older versions first; what is not here is passed over. Raises TooLarge."""
        present = self._reader.present(wanted)
        here = {each: None for each in wanted if each in present and each not in self.at_client}
        damaged: dict[ArtifactId, None] = {}
        for artifact, older in versions.ordered(self._reader, here):
            if not self._draft.left():
                break
            self._draft.budget.admit(self._reader.size(artifact))
            try:
                content = self._reader.content(artifact)
            except NotFound:  # since the transaction was cut
                continue
            except CorruptArtifact:
                damaged[artifact] = None
                self._draft.complain(f"artifact {artifact} is damaged here and cannot be sent")
                continue
            source = None if older in here and older not in self.at_client else older
            card = self._as_delta(artifact, source) or File(artifact, content)
            if self.sent and not self._draft.takes(card.payload):
                break
            self._draft.add(card)
            self.at_client.add(artifact)
            self.sent += 1
            self._reader.give_way()
        self.damaged.extend(damaged)
        self.announce(each for each in here if each not in damaged)

    def admit(self, wanted: Collection[ArtifactId]) -> None:
        """Raise TooLarge now, while nothing is written, where `answer` might."""
        self._draft.budget.admit(self._reader.largest(wanted))

    def choose(
        self, login: str, announced: Iterable[ArtifactId], wanted: Collection[ArtifactId]
    ) -> list[ArtifactId]:
        """What of the missing to ask `login` for: first what the client has announced, it surely has that.

        Never what has just come, kept aside or refused: stock would send it again, round after round.
        """
        assert isinstance(self._reader, Writer), "may_write was not asked"
        askable = (artifact for artifact in announced if artifact not in wanted and artifact not in self.came)
        asked = dict.fromkeys(islice(askable, MAX_GIMMES))
        for artifact in next_for(self._reader, login, MAX_GIMMES - len(asked)):
            if artifact not in wanted and artifact not in self.came:
                asked[artifact] = None
        return list(asked)

    def ask(self, artifacts: Iterable[ArtifactId]) -> None:
        """Ask for these."""
        for artifact in artifacts:
            self._draft.add(Gimme(artifact))

    def go_on(self, reader: Reader) -> None:
        """Read in this transaction from now on."""
        self._reader = reader

    def announce(self, artifacts: Iterable[ArtifactId]) -> None:
        """Name what is here, except what the client has or has been told of."""
        for artifact in artifacts:
            if artifact not in self.at_client and artifact not in self._named:
                self._named.add(artifact)
                self._draft.add(IGot(artifact))

    def announce_clusters(self) -> None:
        """Name the clusters between two comments, as stock does since 2.26; the client fills its gaps from them."""
        self._draft.add(Comment("sending-clusters"))
        self.announce(clusters(self._reader))
        self._draft.add(Comment("end-of-clusters"))

    def _leave_out(self, damaged: Sequence[ArtifactId]) -> None:
        """Say what a clone does without; an error card would end it, and the rest with it."""
        self.damaged.extend(damaged)
        for artifact in damaged:
            self._draft.notice(
                f"artifact {artifact} is damaged here and was left out: tell the administrator"
            )

    def _as_delta(self, artifact: ArtifactId, source: ArtifactId | None) -> File | None:
        if source is None or self.is_whole or self._reader.size(source) > self._draft.budget.artifact:
            return None
        try:
            made = versions.as_delta(self._reader, artifact, source)
        except CorruptArtifact:
            return None  # of the source; the artifact itself is sound
        return None if made is None else File(artifact, made, source)


def _file(sendable: Sendable) -> File:
    return File(sendable.id, sendable.payload, sendable.source)


def _cfile(sendable: Sendable) -> CFile:
    payload = pack(sendable.payload, level=CLONE_LEVEL)
    return CFile(sendable.id, sendable.size, payload, sendable.source)
