"""The client's end of xfer: requests out, replies in; no network and no loop (sync/client/driver.py has both).

    clone 3 N ...                            until the server says position 0; then, as any later time:
    pull, push                               what the session is for
    pragma xferzone 1 refs EPOCH NUMBER      stock passes it over; ours tell where their refs stand
    cookie                                   what the server gave last
    gimme ...                                what is named and not here, each asked for at most MAX_ASKED times
    file ...                                 what was made here; then what the server asked for; within the budget
    igot ...                                 what no cluster sums up and the server is not known to have

    request(reader) ─> body          None: nothing is left to be said
    receive(text)   ─> cards noted   no database: while a clone goes on, the next request can be made at once
    keep(writer)    ─> artifacts stored, in the caller's transaction

A login goes with every request but the first of a clone, where the project code that it is made with is not known.
Source: spec xfer 4; Fossil 2.21, src/xfer.c client_sync(). Seen against `fossil server` in tests/interop.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from xferzone.cards import (
    Card,
    CFile,
    Clone,
    CloneSeqno,
    Comment,
    Config,
    Cookie,
    Error,
    File,
    Gimme,
    IGot,
    Login,
    Message,
    Pragma,
    Private,
    Pull,
    Push,
    UVFile,
    UVIGot,
    encode_cards,
    parse_cards,
)
from xferzone.cards.session import nonce, shared_secret, signature
from xferzone.errors import PeerError, UsageError
from xferzone.hashing import ArtifactId
from xferzone.observer import Traffic
from xferzone.store import Reader, Writer, outgoing, unsent
from xferzone.store.incoming import Aside, Witness
from xferzone.sync.arriving import Arriving
from xferzone.sync.client.refs import Told

MAX_REQUEST: Final = 250_000  # bytes of artifacts in one request; Fossil's max-upload default
MAX_ASKED: Final = 3  # times that an artifact is asked for in vain; one that was missing before, once
MAX_VAIN: Final = 3  # requests in a row that ask and bring nothing new
MAX_SENT: Final = 2  # times that one artifact is sent to a server that asks for it again
MAX_EXPECTED: Final = 50_000  # artifacts of one reply remembered as missing; servers announce others again
MAX_ARTIFACTS: Final = 200_000  # in one reply; stock's budget of 5 MB has room for some 50,000 of a few bytes
MAX_WANTED: Final = 50_000  # artifacts that a server waits for; stock asks for 500 at a time
MAX_MESSAGES: Final = 100  # of a session that are kept for people
_FEWEST_GIMMES: Final = 200  # in one request; Fossil 2.21, twice as many as came last time if that is more

#: The release whose protocol this is.
_VERSION: Final = Pragma("client-version", ("22100", "20230226", "192424"))
_CLONE: Final = 3  # the version of clone from which artifacts come compressed
_ANY_CODE: Final = "0" * 40  # a server code; servers pass it over
_PULL_ONLY: Final = "pull only "  # how the message begins by which a server refuses a push and goes on
_NO_WRITING: Final = "not authorized to write"  # how the error begins by which it answers artifacts
_TOGETHER: Final = 50_000  # artifacts that are looked up together
_SHOWN: Final = 100  # bytes of what a server says wrong


@dataclass(frozen=True, slots=True)
class Account:
    """Whom requests speak for; `password` as people type it, or 40 hex digits (spec xfer 3.2)."""

    login: str
    password: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """Which way artifacts go."""

    pull: bool
    push: bool


class ClientSession:
    """One sync or clone with one server.

    Fields, for whoever looks when it is over:
        project_code: None until a clone has learnt it.
        messages: what the server wants people to read, in order.
        errors: why the server ended the session; empty: it did not.
        is_denied: it takes no push from this account.
        told: what the server has told of its refs.
        cookie: the token to be brought back next time.
    """

    def __init__(
        self,
        project_code: str | None,
        purpose: Purpose,
        account: Account | None = None,
        since: tuple[str, int] = ("", 0),
        cookie: str = "",
        *,
        is_origin: bool = True,
        own_epoch: str | None = None,
        witness: Witness | None = None,
        aside: Aside | None = None,
    ) -> None:
        """
        Args:
            project_code: None: clone.
            since: epoch and number of the last move of the server's refs known here.
            is_origin: what was made here is to be pushed to this server; another is asked what it lacks.
            own_epoch: the repository's that syncs; a server that names it is no other. None: do not look.
            witness: is shown what is stored.
            aside: may help to verify it.
        """
        self.project_code = project_code
        self.traffic = Traffic()
        self.messages: list[str] = []
        self.errors: list[str] = []
        self.is_denied = False
        self.told = Told(*since)
        self.cookie = cookie
        self._purpose = purpose
        self._account = account
        self._is_origin = is_origin
        self._own_epoch = own_epoch
        self._arriving = Arriving(witness, aside)
        self._position = 1 if project_code is None else 0  # in a clone: where to go on
        self._has_met = False  # a request that is no clone's has been made
        self._skips_next = False  # the next artifact is private
        # What the last reply brought, until it is kept.
        self._came: list[File | CFile] = []
        self._names: set[ArtifactId] = set()  # of that and, in a clone, of what came before
        self._announced: list[ArtifactId] = []
        # What the server wants and has.
        self._wanted: dict[ArtifactId, None] = {}
        self._sent: Counter[ArtifactId] = Counter()
        self._unconfirmed: list[ArtifactId] = []  # sent with the last request
        self._at_server: set[ArtifactId] = set()
        # What is missing here.
        self._asked: dict[ArtifactId, int] = {}  # how often in vain
        self._vain = 0  # requests that asked, since something new came
        self._came_before: set[ArtifactId] = set()  # and is not here: a delta without its source
        self._missing_before: set[ArtifactId] = set()
        self._last_received = 0

    @property
    def pulls(self) -> bool:
        return self._purpose.pull

    @property
    def has_account(self) -> bool:
        """Whether requests carry a login."""
        return self._account is not None

    @property
    def sent(self) -> Collection[ArtifactId]:
        return self._sent

    @property
    def absent(self) -> list[ArtifactId]:
        """Artifacts that the server announced, or that what it sent names, and that did not come, or not whole."""
        missing = (artifact for artifact in self._asked if artifact not in self._missing_before)
        return list(dict.fromkeys([*missing, *sorted(self._came_before)]))

    @property
    def is_cloning(self) -> bool:
        """Whether the next request can be made before what came is kept."""
        return self._position > 0 and not self.errors

    @property
    def has_news(self) -> bool:
        """Whether the last reply brought anything for `keep`."""
        return bool(self._came or self._names or self._announced or self._unconfirmed)

    # -- requests

    def request(self, reader: Reader | None) -> bytes | None:
        """Card text of the next request; None: nothing is left to be said. `reader`: None while `is_cloning`."""
        if self.errors:
            return None
        if self.is_cloning:
            return self._signed([_VERSION, Clone(_CLONE, self._position)])
        assert reader is not None, "only a clone goes on without the store"
        if not self._has_met and not self.traffic.rounds:
            self._missing_before = set(reader.phantoms(MAX_EXPECTED))
        self._came_before -= reader.present(self._came_before)
        for artifact in reader.present(self._asked):
            del self._asked[artifact]  # by another way: a delta's source came, or another sync ran
        gimmes = self._gimmes(reader)
        files = list(self._files(reader))
        if self._has_met and not (gimmes or files or self.told.is_cut):
            return None
        self._has_met = True
        return self._signed([*self._opening(), *gimmes, *files, *self._announcements(reader)])

    def _opening(self) -> Iterator[Card]:
        assert self.project_code is not None
        yield _VERSION
        if self._purpose.pull:
            yield Pull(_ANY_CODE, self.project_code)
        if self._pushes:
            yield Push(_ANY_CODE, self.project_code)
        yield self.told.question()
        if self.cookie:
            yield Cookie(self.cookie)

    @property
    def _pushes(self) -> bool:
        return self._purpose.push and not self.is_denied

    def _gimmes(self, reader: Reader) -> list[Card]:
        if not self._purpose.pull or self._vain >= MAX_VAIN:
            return []
        given_up = sum(map(self._is_given_up, self._asked))
        budget = max(_FEWEST_GIMMES, 2 * self._last_received)
        missing = reader.phantoms(budget + given_up)
        wanted = [artifact for artifact in missing if not self._is_given_up(artifact)][:budget]
        for artifact in wanted:
            self._asked[artifact] = self._asked.get(artifact, 0) + 1
        self._vain += bool(wanted)
        return [Gimme(artifact) for artifact in wanted]

    def _is_given_up(self, artifact: ArtifactId) -> bool:
        times = self._asked.get(artifact, 0)
        return times >= MAX_ASKED or (times > 0 and artifact in self._missing_before)

    def _files(self, reader: Reader) -> Iterator[File]:
        """What was made here, then what the server wants; what is over the budget waits for the next request."""
        if not self._pushes:
            return
        own = [artifact for artifact in self._unsent(reader) if artifact not in self._sent]
        here = reader.present(self._wanted)
        self._wanted = {artifact: None for artifact in self._wanted if artifact in here}
        left = MAX_REQUEST
        for artifact in dict.fromkeys([*own, *self._wanted]):
            if left <= 0:
                return
            self._wanted.pop(artifact, None)
            if self._sent[artifact] >= MAX_SENT:
                continue
            found = self._file(reader, artifact)
            left -= len(found.payload)
            self._sent[artifact] += 1
            self._unconfirmed.append(artifact)
            self.traffic.sent += 1
            yield found

    def _unsent(self, reader: Reader) -> list[ArtifactId]:
        return unsent.artifacts(reader) if self._is_origin else []

    def _file(self, reader: Reader, artifact: ArtifactId) -> File:
        found = outgoing.as_delta(reader, artifact)
        # A server that lacks the source, too, would have to keep the delta aside.
        if found is None or found[0] in self._wanted:
            return File(artifact, reader.content(artifact))
        source, delta = found
        return File(artifact, delta, source)

    def _announcements(self, reader: Reader) -> Iterator[IGot]:
        if not self._pushes:
            return
        waiting = set(self._unsent(reader))
        for artifact in reader.unclustered():
            if artifact not in self._at_server and artifact not in self._sent and artifact not in waiting:
                self._at_server.add(artifact)  # it is told once
                yield IGot(artifact)

    def _signed(self, cards: Iterable[Card]) -> bytes:
        # The comment makes each message another one, as stock's do.
        body = encode_cards([*cards, Comment(secrets.token_hex(20).upper())])
        if self._account is None or self.project_code is None:
            return body
        secret = shared_secret(self.project_code, self._account.login, self._account.password)
        proof = nonce(body)
        return Login(self._account.login, proof, signature(proof, secret)).encode() + body

    # -- replies

    def receive(self, text: bytes | IO[bytes]) -> None:
        """Note the cards of a reply.

        Raises:
            PeerError: the server breaks the protocol. Nothing of the reply may be kept.
            UsageError: it is the repository itself, which would take its own work for pushed.
        """
        self.traffic.rounds += 1
        cloning, self._position = self._position, 0
        knew_project = self.project_code is not None
        for card in parse_cards(text):
            taker = _TAKERS.get(type(card))
            if taker is None or (isinstance(card, Push | CloneSeqno) and not cloning):
                raise PeerError(
                    f"the server sends a card that means nothing here: {card.encode()[:_SHOWN]!r}"
                )
            taker(self, card)
            if self.errors:
                break
        if self.told.epoch == self._own_epoch:
            raise UsageError(
                "the server is this repository itself, or a plain copy of its file: `xferzone remote remove origin`, "
                "then `remote add origin URL` names another"
            )
        self._last_received = len(self._came)
        self.traffic.received += len(self._came)
        if cloning:
            self._go_on_cloning(cloning, is_first=not knew_project)

    def _go_on_cloning(self, position: int, is_first: bool) -> None:
        if is_first and self.errors and self.project_code is not None and self._account is not None:
            # Refused without a login, which only now can be made.
            self.errors.clear()
            self._position = position
            return
        if self.errors:
            return
        if self.project_code is None:
            raise PeerError("the server does not say which project it is")
        if self._position and not self._came:
            raise PeerError(f"the server sends nothing for position {position} of the clone")

    def _take_push(self, card: Push) -> None:
        if self.project_code not in (None, card.project_code):
            raise PeerError(
                f"the server is project {card.project_code} now, before it was {self.project_code}"
            )
        self.project_code = card.project_code

    def _take_seqno(self, card: CloneSeqno) -> None:
        self._position = card.seqno

    def _take_file(self, card: File | CFile) -> None:
        if self._skips_next:
            self._skips_next = False
        elif len(self._came) >= MAX_ARTIFACTS:
            raise PeerError(f"the server sends over {MAX_ARTIFACTS} artifacts in one reply")
        else:
            self._came.append(card)

    def _take_private(self, _card: Private) -> None:
        self._skips_next = True

    def _take_igot(self, card: IGot) -> None:
        if not card.private:
            self._announced.append(card.artifact)

    def _take_gimme(self, card: Gimme) -> None:
        if len(self._wanted) < MAX_WANTED:
            self._wanted[card.artifact] = None

    def _take_message(self, card: Message) -> None:
        if card.text.startswith(_PULL_ONLY):
            self.is_denied = True
        elif len(self.messages) < MAX_MESSAGES:
            self.messages.append(card.text)

    def _take_error(self, card: Error) -> None:
        if card.text.startswith(_NO_WRITING) and self._pushes and self._purpose.pull:
            self.is_denied = True
            self._has_met = False  # what it would have sent is asked for again, without a push
        else:
            self.errors.append(card.text)

    def _take_cookie(self, card: Cookie) -> None:
        self.cookie = card.text

    def _take_pragma(self, card: Pragma) -> None:
        self.told.take(card)

    def _pass_over(self, _card: Card) -> None:
        """Take a card about what is not kept here."""

    # -- keeping

    def keep(self, writer: Writer) -> None:
        """Store what the last reply brought; while a clone goes on, perhaps not before a next one.

        Raises:
            PeerError: an artifact that is not what its name says. Nothing of the reply may be kept.
        """
        came, self._came = self._came, []
        names = {card.artifact for card in came}
        self._names |= names
        if self.is_cloning:
            self._arriving.take(writer, came)
            return
        # What was asked for counts though another sync of this repository had it first.
        news = (names - writer.present(names) | names & self._asked.keys()) - self._came_before
        self._arriving.take(writer, came)
        self._arriving.store(writer)
        names, self._names = self._names, set()
        here = writer.present(names)
        for artifact in here:
            self._asked.pop(artifact, None)
        self._came_before |= names - here
        self._at_server |= here
        if news:
            self._vain = 0
        self._note_announced(writer, is_over_budget=bool(news))
        if self._is_origin and not (self.errors or self.is_denied):
            unsent.forget(writer, self._unconfirmed)
        self._unconfirmed = []

    def _note_announced(self, writer: Writer, *, is_over_budget: bool) -> None:
        """Remember what the server has, as far as it is here, and what is to be asked for."""
        announced, self._announced = self._announced, []
        room = MAX_EXPECTED if self._purpose.pull else 0
        for start in range(0, len(announced), _TOGETHER):
            some = announced[start : start + _TOGETHER]
            here = writer.present(some)
            self._at_server |= here
            missing = [artifact for artifact in some if artifact not in here]
            writer.expect_all(missing[:room])
            room -= len(missing[:room])
            if is_over_budget:
                # What was asked for is announced instead: it is to be had.
                self._asked.update((artifact, 0) for artifact in missing if artifact in self._asked)


#: One row a card that a server may send. Any, since the key is the proof that a method gets the card it wants.
_TAKERS: Mapping[type[Card], Callable[[ClientSession, Any], None]] = {
    Push: ClientSession._take_push,
    CloneSeqno: ClientSession._take_seqno,
    File: ClientSession._take_file,
    CFile: ClientSession._take_file,
    Private: ClientSession._take_private,
    IGot: ClientSession._take_igot,
    Gimme: ClientSession._take_gimme,
    Message: ClientSession._take_message,
    Error: ClientSession._take_error,
    Cookie: ClientSession._take_cookie,
    Pragma: ClientSession._take_pragma,
    Config: ClientSession._pass_over,
    UVIGot: ClientSession._pass_over,
    UVFile: ClientSession._pass_over,
}
