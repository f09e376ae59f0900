"""The client's half of xfer as a machine: requests out, replies in; no network and no loop (driver.py has both).

Its states, and what moves it on, are in states.py.

cloning asks for the whole repository in parts; meeting asks what is new, and pushes, whatever there is to say; asking
goes on while something is missing here, wanted there, or not told. A request that is not a clone's holds, in order:

    pragma xferzone 1 role ROLE              of a primary or member: our servers tell theirs (sync/meeting.py)
    pragma send-private                      private artifacts go along (private.py)
    pull, push                               the purpose
    pragma xferzone 1 refs EPOCH NUMBER      stock ignores it; our servers tell where their refs stand (refs.py)
    pragma ci-lock, ci-unlock                the first: before a commit; the other: with what was committed
    cookie                                   what the server gave last
    gimme ...                                what is missing here (asking.py)
    file ... igot ...                        what is unsent, wanted by the server, or perhaps new to it (sending.py)
    reqconfig, config                        the project's configuration, which may go alone (configuring.py)
    pragma uv-hash, uvgimme, uvfile          unversioned files, the same (unversioned.py)

    request(reader) ─> body          None: done
    receive(text)   ─> cards noted   no database: while cloning, the next request can be made at once
    keep(writer)    ─> artifacts stored, in the caller's transaction

A login goes with every request but the first of a clone (signing.py). What refuses a push is told by refusals.py.
Source: Fossil 2.21, src/xfer.c client_sync(). Seen against `fossil server` in tests/interop.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import IO, Any, Final

from xferzone.cards import (
    Card,
    CFile,
    CloneSeqno,
    Config,
    Cookie,
    Error,
    File,
    Gimme,
    IGot,
    Message,
    Pragma,
    Private,
    Pull,
    Push,
    UVFile,
    UVIGot,
)
from xferzone.cards.table import KINDS as OF_TABLES
from xferzone.errors import PeerError, XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.observer import Traffic
from xferzone.store import Reader, Writer
from xferzone.store.incoming import Helper, Noter
from xferzone.sync.arriving import Arriving
from xferzone.sync.client import opening, refusals
from xferzone.sync.client.asking import Asking
from xferzone.sync.client.configuring import Configuring
from xferzone.sync.client.locking import Locking
from xferzone.sync.client.options import Known, Options
from xferzone.sync.client.private import Secluded
from xferzone.sync.client.reading import Reading
from xferzone.sync.client.refs import Told
from xferzone.sync.client.sending import Sending
from xferzone.sync.client.signing import Signing
from xferzone.sync.client.states import TRANSITIONS, Event, State
from xferzone.sync.client.tables import Tables
from xferzone.sync.client.unversioned import Unversioned

MAX_ARTIFACTS: Final = 100_000  # in one reply: 150 MB of memory; in stock's 5 MB as many of a few bytes fit
MAX_ANNOUNCED: Final = 250_000  # igots of one reply, or of all of a clone; what is over must come again
MAX_NAMED: Final = 1_000_000  # phantoms that one session makes, beside those whose artifacts came; ours
MAX_MESSAGES: Final = 100  # of one session, kept for people; ours
MAX_TEXT: Final = 2_000  # characters of each; ours

_SHOWN: Final = 100  # bytes of a bad card in a message


class ClientSession:
    """One sync or clone with one server.

    Fields:
        state: of states.py; only `request` and `receive` change it.
        project_code: None until a clone has learnt it.
        server_code: as a clone has learnt it; empty: it has not.
        position: of the part of a clone to ask for.
        traffic: counts; whoever carries the bodies adds their bytes.
        messages: what the server wants people to read, in order.
        errors: why the server ended the session; empty: it did not.
        is_denied: the server takes no push from this account.
        denial: how it said so; empty: it did not.
        told: what the server has told about its refs.
        cookie: the token to send next time.
        unversioned, tables, configuring: what becomes of files, of synced tables, and of the project's configuration.
        locking: what the server says of the check-in to be locked.
    """

    def __init__(
        self,
        project_code: str | None,
        options: Options,
        known: Known | None = None,
        noter: Noter | None = None,
        helper: Helper | None = None,
    ) -> None:
        """
        Args:
            project_code: None: clone, from the beginning; one that goes on may know it.
            known: None: nothing is known about the server.
            noter: is shown what is stored.
            helper: may help to verify it.
        """
        known = known or Known()
        self.state = State.CLONING if known.part or project_code is None else State.MEETING
        self.project_code, self.server_code = project_code, ""
        self.position = known.part or opening.FIRST
        self.traffic = Traffic()
        self.messages: list[str] = []
        self.errors: list[str] = []
        self.is_denied, self.denial = False, ""
        self.told = Told(known.epochs, known.role)
        self.cookie = known.cookie
        self.unversioned, self.tables = Unversioned(options, self.traffic), Tables(options, self.traffic)
        self.locking, self.configuring = Locking(options), Configuring(options)
        self._options = options
        self._own_epoch = known.own_epoch
        self._signing = Signing(options.account, options.env)
        self._asking = Asking(options.gimmes)
        self._sending = Sending(options.bound, is_origin=known.is_origin)
        self._secluded = Secluded(options.bound, is_wanted=options.private)
        self._arriving = Arriving(noter, helper)
        # What the last reply brought, until it is kept.
        self._came: list[File | CFile] = []
        self._announced: list[ArtifactId] = []
        self._names: set[ArtifactId] = set()  # what the parts of a clone brought that came before
        self._reading = Reading()
        self._received = self._named = 0  # artifacts in the last reply; phantoms made

    @property
    def pulls(self) -> bool:
        return self._options.purpose.pull

    @property
    def sent(self) -> Collection[ArtifactId]:
        """Every artifact that was sent."""
        return self._sending.sent

    @property
    def lacks(self) -> bool:
        """Whether the server has asked for what is not here either."""
        return self._sending.lacks

    @property
    def absent(self) -> list[ArtifactId]:
        """Artifacts that the server announced, or that what it sent names, and that did not come, or not whole."""
        return self._asking.absent

    @property
    def withheld(self) -> list[ArtifactId]:
        """What of `absent` the server has, as it says."""
        return self._asking.withheld

    @property
    def is_cloning(self) -> bool:
        """Whether the next request can be made before what came is kept."""
        return self.state is State.CLONING

    @property
    def has_news(self) -> bool:
        """Whether the last reply brought anything for `keep`."""
        came = self._came or self._names or self._announced or self._sending.awaits_confirmation
        beside = (self._secluded, self.unversioned, self.tables, self.configuring)
        return bool(came) or any(each.has_news for each in beside)

    @property
    def _pushes(self) -> bool:
        return self._options.purpose.push and not self.is_denied

    def _happens(self, event: Event) -> None:
        self.state = TRANSITIONS[self.state, event]

    # -- requests

    def request(self, reader: Reader | None) -> bytes | None:
        """Card text of the next request; None: the session is done. `reader` may be None while `is_cloning`."""
        if self.state is State.DONE:
            return None
        if self.state is State.CLONING:
            return self._signed(opening.part(self.position))
        assert reader is not None, "only a clone goes on without the store"
        if not self.traffic.rounds:
            self._asking.begin(reader)
        self.traffic.linked += self._asking.look_again(reader)
        gimmes = self._gimmes(reader) if self.pulls else []
        files: list[Card] = []
        if self._pushes:
            self._secluded.claim(reader, self._sending.wanted)
            files = [*self._sending.files(reader), *self._secluded.files(reader)]
        others = [*self.configuring.cards(reader), *self.unversioned.cards(reader, is_alone=not files)]
        others += self.tables.cards(reader, is_met=self.told.is_met, is_alone=not files)
        if self.state is State.ASKING and not (gimmes or files or others or self.told.is_cut):
            self._happens(Event.OVER)
            return None
        igots: list[IGot] = []
        if self._pushes:
            igots = [*self._sending.announcements(reader), *self._secluded.announcements(reader)]
        self.traffic.gimmes_out += len(gimmes)
        self.traffic.sent += sum(isinstance(card, File) for card in files)
        self.traffic.igots_out += len(igots)
        locks = self.locking.cards(is_first=not self.traffic.rounds, is_push=bool(files))
        return self._signed([*self._opening(), *locks, *map(Gimme, gimmes), *files, *igots, *others])

    def _gimmes(self, reader: Reader) -> list[ArtifactId]:
        public = self._asking.next(reader, self._received)
        return [*public, *self._secluded.gimmes(reader, self._options.gimmes)]

    def _opening(self) -> Iterator[Card]:
        assert self.project_code is not None
        yield opening.VERSION
        yield from self.told.introduction()
        if self._secluded.is_wanted:
            yield Pragma("send-private")
        if self.pulls:
            yield Pull(self._options.peer_id, self.project_code)
        if self._pushes:
            yield Push(self._options.peer_id, self.project_code)
        yield from self.told.questions() if self.pulls or self._pushes else [opening.OURS]
        if self.cookie:
            yield Cookie(self.cookie)

    def _signed(self, cards: Iterable[Card]) -> bytes:
        return self._signing.body(cards, self.project_code, is_first=not self.traffic.rounds)

    # -- replies

    def receive(self, text: bytes | IO[bytes]) -> None:
        """Note the cards of a reply.

        Raises:
            PeerError: the server breaks the protocol. Nothing of the reply may be kept; the session must not go on.
            Refused: the two may not exchange, by their roles; the same.
            XferzoneError: the server is the repository that syncs: it would take its own work for pushed.
        """
        self.traffic.rounds += 1
        position, came, event = self.position, self._all_came, Event.REPLY
        for card in self._reading.cards(text, self._names):
            if event is Event.NO_LOGIN and not isinstance(card, Push):
                continue  # only the project may still be told
            taker = _TAKERS.get(type(card))
            if taker is None or (isinstance(card, Push | CloneSeqno) and self.state is not State.CLONING):
                raise PeerError(
                    f"the server sends a card that means nothing here: {card.encode()[:_SHOWN]!r}"
                )
            event = taker(self, card) or event
            if event in (Event.ERROR, Event.PUSH_REFUSED):
                self.unversioned.ask_again()
                self.tables.ask_again()
                break
        if self.told.epoch == self._own_epoch:
            raise XferzoneError(
                "the server is this repository itself, or a plain copy of its file: `xferzone remote remove origin`, "
                "then `remote add origin URL` names another"
            )
        self._secluded.end_reply()
        self._received = self._all_came - came
        self.traffic.received += self._received
        if event is Event.NO_LOGIN:
            self.position = position
        elif event is not Event.ERROR and self.project_code is None:
            raise PeerError("the server does not say which project it is")
        if event is Event.PART and not self._received:
            raise PeerError(f"the server sends nothing for position {position} of the clone")
        self._happens(event)

    def _take_push(self, card: Push) -> None:
        if self.project_code not in (None, card.project_code):
            raise PeerError(
                f"the server is project {card.project_code} now, before it was {self.project_code}"
            )
        self.project_code, self.server_code = card.project_code, card.server_code

    def _take_seqno(self, card: CloneSeqno) -> Event:
        self.position = card.seqno
        return Event.PART if card.seqno else Event.REPLY

    @property
    def _all_came(self) -> int:
        return len(self._came) + self._secluded.came

    def _take_file(self, card: File | CFile) -> None:
        if self._secluded.takes(card):
            return
        if len(self._came) >= MAX_ARTIFACTS:
            raise PeerError(f"the server sends over {MAX_ARTIFACTS} artifacts in one reply")
        self._came.append(card)

    def _take_igot(self, card: IGot) -> None:
        self.traffic.igots_in += 1
        if card.private:
            self._secluded.note(card.artifact)
        elif len(self._announced) < MAX_ANNOUNCED:
            self._announced.append(card.artifact)

    def _take_gimme(self, card: Gimme) -> None:
        self.traffic.gimmes_in += 1
        self._sending.want(card.artifact)

    def _take_message(self, card: Message) -> None:
        if refusals.ends_push(card.text):
            self.is_denied, self.denial = True, _shortened(refusals.plain(card.text))
        elif len(self.messages) < MAX_MESSAGES and (said := _shortened(card.text)) not in self.messages:
            self.messages.append(said)

    def _take_error(self, card: Error) -> Event:
        if self.state is State.CLONING:
            if self._signing.may_hold(self.project_code):
                return Event.NO_LOGIN
        elif self._pushes and self.pulls and refusals.is_of_push(card.text):
            self.is_denied, self.denial = True, _shortened(refusals.plain(card.text))
            return Event.PUSH_REFUSED
        self.errors.append(_shortened(refusals.plain(card.text)))
        return Event.ERROR

    def _take_cookie(self, card: Cookie) -> None:
        self.cookie = card.text

    def _take_pragma(self, card: Pragma) -> None:
        self.told.take(card)
        self.tables.take_pragma(card)
        self.unversioned.take_pragma(card)
        self.locking.take(card)

    # -- keeping

    def flush(self, writer: Writer) -> None:
        """Store what of a clone was taken in and still waits. Raises PeerError as `keep`."""
        self._arriving.store(writer)

    def keep(self, writer: Writer) -> None:
        """Store what the last reply brought; while cloning, some of it may wait for the next `keep`.

        Raises:
            PeerError: an artifact is not what its name says. Nothing of the reply may be kept.
        """
        came, self._came = self._came, []
        names = {card.artifact for card in came}
        self._secluded.keep(writer)
        self.configuring.keep(writer)
        if self.state is State.CLONING:
            new = names - self._names
            if names and not new:
                raise PeerError("the server sends the same artifacts again for another part of the clone")
            self._names |= new
            self._arriving.take(writer, [card for card in came if card.artifact in new], has_time=True)
            return
        self._reading.allow(self.unversioned.keep(writer) + self.tables.keep(writer, came_beside=bool(came)))
        here = writer.present(names)
        before, self._names = self._names, set()
        is_news = self._asking.is_news(names, here)
        self._arriving.take(writer, came)
        self._arriving.store(writer)
        writer.fault("client.stored", 0.1)
        stored = self._arriving.here(writer, names | before, is_all=bool(before))
        self.traffic.linked += len(stored - (here - before))
        self._asking.note_stored(names | before, stored, is_news=is_news)
        self._sending.note_at_server(stored)
        announced, self._announced = self._announced, []
        self._sending.note_at_server(
            self._asking.note_announced(writer, announced, expects=self.pulls, is_news=is_news)
        )
        self._sending.confirm(writer, is_taken=not (self.errors or self.is_denied))
        self._named += writer.new_phantoms
        if self._named > MAX_NAMED + self.traffic.linked:
            raise PeerError(
                f"the server names {self._named} artifacts and sends {self.traffic.linked} of them"
            )


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


#: One row a card that a server may send, and what it means to the state. Any, since the key is the proof that a method
#: gets the card it wants.
_TAKERS: Mapping[type[Card], Callable[[ClientSession, Any], Event | None]] = {
    Push: ClientSession._take_push,
    CloneSeqno: ClientSession._take_seqno,
    Private: lambda session, _card: session._secluded.mark(),
    File: ClientSession._take_file,
    CFile: ClientSession._take_file,
    IGot: ClientSession._take_igot,
    Gimme: ClientSession._take_gimme,
    Message: ClientSession._take_message,
    Error: ClientSession._take_error,
    Cookie: ClientSession._take_cookie,
    Pragma: ClientSession._take_pragma,
    Config: lambda session, card: session.configuring.take(card),
    UVIGot: lambda session, card: session.unversioned.take(card),
    UVFile: lambda session, card: session.unversioned.take(card),
    **dict.fromkeys(OF_TABLES, lambda session, card: session.tables.take(card)),
}
