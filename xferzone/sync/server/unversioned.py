"""Unversioned files, as a server takes and gives them; no pull or push card is needed.

    pragma uv-hash HASH     needs read. Where HASH is not ours: pragma uv-push-ok, or uv-pull-only where the sender may
                            not write, and a uvigot for each file, deleted ones too. Once in a request.
                            Without the right clients of our own kind get an error, others nothing, as from stock
    uvgimme NAME            needs read, which stock does not ask for. uvfile, or uvigot where the reply has no room
    uvfile ...              needs unversioned; passed over without it, as by stock, and from whoever is held to zones.
                            Stored if it is newer (sync/unversioned.py); what is left out is told by a message, a wrong
                            HASH ends the round

A mirror takes none.
Source: Fossil 2.21, src/xfer.c page_xfer(), xfer_accept_unversioned_file(), send_unversioned_file(); tests/vectors.
"""

from collections.abc import Iterator
from typing import Final

from xferzone.cards import Error, Pragma, UVFile, UVGimme
from xferzone.errors import CorruptArtifact, PeerError, Refused
from xferzone.store import unversioned
from xferzone.store.reader import Reader
from xferzone.store.unversioned import Unversioned as State
from xferzone.store.writer import Writer
from xferzone.sync.server.login import Rights, bar_to_push
from xferzone.sync.server.reply import Draft, Files
from xferzone.sync.unversioned import check, deletion, igot, store, with_content

PUSH_OK: Final = Pragma("uv-push-ok")
PULL_ONLY: Final = Pragma("uv-pull-only")


class Unversioned:
    """The unversioned files of one request."""

    def __init__(self, reader: Reader, draft: Draft, rights: Rights) -> None:
        self._received = self._sent = 0
        self._reader = reader
        self._draft = draft
        self._rights = rights
        self._is_told = False
        self._wanted: dict[str, None] = {}

    @property
    def _may_write(self) -> bool:
        return self._rights.unversioned and not bar_to_push(self._reader)

    @property
    def counts(self) -> Files:
        return Files(self._received, self._sent, len(self._wanted))

    def go_on(self, reader: Reader) -> None:
        """Read in this transaction from now on."""
        self._reader = reader

    def compare(self, catalogue: str, *, is_ours: bool) -> None:
        """Answer a client whose files hash to `catalogue`. `is_ours`: it is of our own kind."""
        if not self._rights.read and is_ours:
            self._draft.complain("not authorized to read")
        if self._is_told or not self._rights.read:
            return
        self._is_told = True
        if catalogue == unversioned.catalogue_hash(self._reader):
            return
        self._draft.add(PUSH_OK if self._may_write else PULL_ONLY)
        for state in unversioned.files(self._reader, deleted=True):
            self._draft.add(igot(state))

    def take(self, card: UVFile) -> None:
        """Store what the client brings, if it may."""
        try:
            check(card)
            if self._may_write:
                assert isinstance(self._reader, Writer), "may_write was not asked"
                self._received += store(self._reader, card)
        except PeerError as exc:
            self._draft.fail(Error(str(exc)))
        except Refused as exc:
            self._draft.notice(str(exc))

    def want(self, card: UVGimme) -> None:
        """Note what the client asks for."""
        if self._rights.read:
            self._wanted[card.name] = None

    def admit(self) -> None:
        """Raise TooLarge now, while nothing is written, where `answer` might."""
        self._draft.budget.admit(max((state.size for state in self._found()), default=0))

    def answer(self, *, is_first: bool) -> None:
        """Send what the client asked for. `is_first`: there is no artifact in the reply. Raises TooLarge."""
        for state in self._found():
            if state.artifact is None:
                self._draft.add(deletion(state))
                continue
            if not self._draft.left():
                self._draft.add(igot(state))
                continue
            self._draft.budget.admit(state.size)
            try:
                content = unversioned.content(self._reader, state.name)
            except CorruptArtifact:
                self._draft.complain(f"unversioned file {state.name} is damaged here and cannot be sent")
                continue
            if (self._sent or not is_first) and not self._draft.takes(content):
                self._draft.add(igot(state))
                continue
            self._draft.add(with_content(state, content))
            self._sent += 1

    def _found(self) -> Iterator[State]:
        """What of it was ever here, in the order in which it was asked for."""
        return filter(None, (unversioned.file(self._reader, name) for name in self._wanted))
