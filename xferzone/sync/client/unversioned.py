"""The client's half of unversioned files, beside the artifacts of a session or alone.

    pragma uv-hash HASH           once, in the first request that is not a clone's
        <~ nothing                the server has the same files
        <~ uv-push-ok, uvigot ... it takes what is newer here; without uv-push-ok it takes nothing
    uvgimme NAME                  for each uvigot that is newer; a file here stays until its content has come whole
        <~ uvfile, or uvigot      the latter: it had no room, ask again
    uvfile ...                    what is newer here, or not there at all, once it is known what is there. Of a deleted
                                  file only if the server named it; without content if only the time is newer

Source: Fossil 2.21, src/xfer.c client_sync(), which deletes its file before it asks for the newer one.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from xferzone.cards import Card, Pragma, UVFile, UVGimme, UVIGot
from xferzone.cards.unversioned import NO_CONTENT
from xferzone.errors import PeerError, Refused
from xferzone.observer import Traffic
from xferzone.store import Reader, Writer, unversioned
from xferzone.store.unversioned import MAX_FILES
from xferzone.sync.client.options import Options
from xferzone.sync.unversioned import SHOWN, check_wanted, deletion, state_of, store, with_content

MAX_LISTED: Final = 3 * MAX_FILES  # uvigot and uvfile cards of one reply; ours
MAX_GIMMES: Final = 1_000  # in one request; ours, some 100 kB
MAX_VAIN: Final = 3  # requests in a row that ask and bring nothing; as many as stock makes
MAX_LEFT_OUT: Final = 20  # reasons that people are told; ours


class Unversioned:
    """The unversioned files of one session.

    Fields:
        is_denied: the server takes none from this account, and there are newer ones here.
        left_out: why files of the server were not taken.
    """

    def __init__(self, options: Options, traffic: Traffic) -> None:
        self.is_denied = False
        self.left_out: dict[str, None] = {}
        self._takes, self._gives = options.purpose.uv_pull, options.purpose.uv_push
        self._bound = options.bound
        self._traffic = traffic
        self._is_asked = False  # the hash was sent
        self._may_push: bool | None = None  # None: the server has not said
        self._listed: list[UVIGot] = []  # with the last reply, until it is kept
        self._came: list[UVFile] = []
        self._asked: set[str] = set()  # with the last request
        self._vain = 0
        self._wanted: dict[str, None] = {}
        self._absent: dict[str, None] = {}
        self._there: dict[str, UVIGot] = {}  # what the server named
        self._to_send: dict[str, None] = {}

    @property
    def absent(self) -> list[str]:
        """What is newer at the server and did not come."""
        return list(self._absent)

    @property
    def has_news(self) -> bool:
        """Whether the last reply brought anything for `keep`."""
        return bool(self._listed or self._came or self._asked) or self._may_push is not None

    # -- requests

    def cards(self, reader: Reader, *, is_alone: bool) -> list[Card]:
        """What this request carries of them. `is_alone`: no artifact goes with it, so files may."""
        if not (self._takes or self._gives):
            return []
        if not self._is_asked:
            self._is_asked = True
            return [Pragma("uv-hash", (unversioned.catalogue_hash(reader),))]
        wanted = [] if self._vain >= MAX_VAIN else self._next()
        self._asked = set(wanted)
        self._traffic.uv_gimmes += len(wanted)
        files = list(self._files(reader)) if is_alone else []
        self._traffic.uv_sent += len(files)
        return [*map(UVGimme, wanted), *files]

    def _next(self) -> list[str]:
        """What to ask for now: at most MAX_GIMMES, and no more of names than of files."""
        wanted, left = list[str](), self._bound.size
        for name in islice(self._wanted, MAX_GIMMES):
            left -= len(name.encode())
            if left < 0 and wanted:
                break
            wanted.append(name)
        return wanted

    def _files(self, reader: Reader) -> Iterator[UVFile]:
        """The files for this request; the next one takes what is over the bound."""
        left, most = self._bound.size, self._bound.size
        while self._to_send and left > 0:
            name = next(iter(self._to_send))
            state = unversioned.file(reader, name)
            there = self._there.get(name)
            if state is None or (there is not None and state.rank <= state_of(there).rank):
                del self._to_send[name]
                continue
            if state.artifact is None:
                card = deletion(state)
            elif there is not None and there.artifact == state.artifact:
                card = UVFile(name, state.mtime, state.artifact, state.size, NO_CONTENT)
            else:
                card = with_content(state, unversioned.content(reader, name))
            size = len(card.encode())
            if not self._bound.overshoots and size > left < most:
                return
            left -= size
            del self._to_send[name]
            yield card

    # -- replies

    def take(self, card: UVIGot | UVFile) -> None:
        """Note a card. One that was not asked for means nothing. Raises PeerError: they are too many."""
        if not (self._takes or self._gives):
            return
        if isinstance(card, UVIGot):
            self._listed.append(card)
        else:
            self._came.append(card)
        if max(len(self._listed), len(self._came)) > MAX_LISTED:
            raise PeerError(f"the server names over {MAX_LISTED} unversioned files in one reply")

    def take_pragma(self, card: Pragma) -> None:
        """Note whether the server takes files."""
        if self._gives and card.name in ("uv-push-ok", "uv-pull-only"):
            self._may_push = card.name == "uv-push-ok"

    def ask_again(self) -> None:
        """The last reply was not read to its end."""
        self._is_asked = False

    def keep(self, writer: Writer) -> int:
        """Store what came, and see what is to be asked for and sent. Returns the bytes that were stored.

        Raises:
            PeerError: a content is not what its card says. Nothing of the reply may be kept.
        """
        listed, self._listed = self._listed, []
        came, self._came = self._came, []
        for name in self._asked:
            self._wanted.pop(name, None)
        stored = [card for card in came if self._takes and self._stored(writer, card)]
        self._vain = 0 if stored or not self._asked else self._vain + 1
        self._traffic.uv_received += len(stored)
        for card in came:
            self._absent.pop(card.name, None)
        self._asked = set()
        for told in listed:
            self._there[told.name] = told
            if self._takes:
                self._look_at(writer, told)
        if len(self._there) > MAX_LISTED:
            raise PeerError(f"the server names over {MAX_LISTED} unversioned files")
        if self._may_push is not None:
            self._choose(writer, may_push=self._may_push)
            self._may_push = None
        return sum(len(card.payload) for card in stored)

    def _stored(self, writer: Writer, card: UVFile) -> bool:
        try:
            return store(writer, card)
        except Refused as exc:
            return self._leave_out(exc)
        except PeerError as exc:
            raise PeerError(
                f"the server sends an unversioned file that is not what its card says: {exc}"
            ) from exc

    def _look_at(self, writer: Writer, card: UVIGot) -> None:
        """Note a file as wanted, or take what needs no content: a deletion, a newer time."""
        try:
            if check_wanted(writer, card):
                self._wanted[card.name] = self._absent[card.name] = None
            else:
                self._traffic.uv_received += unversioned.put(writer, state_of(card))
        except Refused as exc:
            self._leave_out(exc)

    def _leave_out(self, why: Refused) -> bool:
        if len(self.left_out) < MAX_LEFT_OUT:
            self.left_out[str(why)[: 10 * SHOWN]] = None
        return False

    def _choose(self, reader: Reader, *, may_push: bool) -> None:
        """See what is newer here than what the server named."""
        newer = {
            state.name: None
            for state in unversioned.files(reader, deleted=True)
            if (
                state.artifact is not None
                if (there := self._there.get(state.name)) is None
                else state.rank > state_of(there).rank
            )
        }
        self.is_denied = bool(newer) and not may_push
        self._to_send = newer if may_push else {}
