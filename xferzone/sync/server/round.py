"""The server's end of xfer: one request in, one reply out, nothing remembered in between.

    receive    the cards in order: artifacts are stored, wishes noted, clones answered
    (here the caller publishes what came, in the same transaction)
    finish     file ...     what was asked for, within the budget; igot in its place beyond that
               gimme ...    what the client announced, then what our check-ins name, and is not here
               igot ...     what no cluster sums up and the client is not known to have

    card         needs    without it
    pull         read     error not authorized to read; the end
    push         write    after a pull: message pull only - not authorized to push; else error. A mirror: so for all
    file, cfile  a push   error not authorized to write; the end. Named by SHA1: setup, else it is refused
    igot         a push   means nothing
    gimme        a pull   means nothing
    clone        clone    push, error not authorized to clone; the end
    config       admin    error not authorized to push configuration; the end
    private      -        the next artifact is left out: no private one is kept here

Peers of our own kind may ask where the refs stand that have moved (refs.py); stock never sees the answer.

not_kept.py answers what asks for what is not kept here. A card of no known form restarts the reply with an error; those
after it still count. There is no "# timestamp": a pusher's clock may be off, and stock then stops a commit.

Source: Fossil 2.21, src/xfer.c page_xfer(); tests/vectors/rounds; compared live in tests/web/test_as_stock.py.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from xferzone.cards import (
    Card,
    CFile,
    Clone,
    CloneSeqno,
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
    ReqConfig,
    Unknown,
    UVFile,
    UVGimme,
    UVIGot,
    parse_cards,
)
from xferzone.errors import MalformedCard, PeerError
from xferzone.hashing import ArtifactId, is_forgeable
from xferzone.refs import LocalRefs
from xferzone.store.asked import note_named
from xferzone.store.reader import Reader
from xferzone.store.waiting import begin_push, may_come
from xferzone.store.writer import Writer
from xferzone.sync.server.kinds import bound, bounded
from xferzone.sync.server.login import bar_to_push
from xferzone.sync.server.not_kept import NotKept
from xferzone.sync.server.refs import note_asked, tell
from xferzone.sync.server.reply import Draft, Reply
from xferzone.sync.server.request import Request
from xferzone.sync.server.sending import CFILE_VERSION, Sender
from xferzone.sync.server.taking import FORGEABLE, Judge, Taking, admit_all, told_of
from xferzone.sync.server.terms import Terms

MAX_NAMED: Final = 500_000  # artifacts that one request may announce or ask for; ours: some 100 MB of memory
MAX_EXPECTED: Final = 5_000  # of them that are remembered as missing; the client announces the others again
MAX_UNKNOWN: Final = 1_000  # lines of one request that are not cards; stock's clients send none
MAX_SHOWN: Final = 1_000  # bytes of a line that is not a card, shown to its sender
IN_ZSTD: Final = (
    2  # times its budget that a clone's reply in zstd may have; on the wire it is smaller all the same
)


class Round:
    """One request being answered: `receive`, then `finish`, each once; `choose` and `go_on` between them."""

    def __init__(self, reader: Reader, request: Request, terms: Terms) -> None:
        """`reader` is a Writer where `may_write` asks for one."""
        self._reader = reader
        self._request = request
        self._terms = terms
        self._refs = terms.refs
        self._draft = Draft(terms.budget)
        self._sender = Sender(reader, self._draft)
        self._not_kept = NotKept(self._draft, terms.rights)
        self._taking: Taking | None = None  # of a push that was accepted
        self._taken = 0  # cards
        self._pulling = self._pushing = self._cloning = False
        self._as_stored = False  # the clone is of version 3 or later
        self._oldest_clone = False  # the client names each artifact that it wants, and has to be told of all
        self._catalogue = False  # the client wants to know of everything that is here
        self._asks_clusters = False  # the client wants to know of all clusters
        self._next_is_private = False
        self._bar = ""  # why nobody may push here
        self._wanted: dict[ArtifactId, None] = {}  # by the client, in its order
        self._announced: dict[ArtifactId, None] = {}  # by the client, in its order
        self._missing: list[ArtifactId] = []  # of those, what is not here
        self._gimmes: list[ArtifactId] | None = None  # what the client is asked for; None: not chosen yet
        self._crowded_out = 0  # deltas kept aside, for what it brought
        self._is_ours = False  # the client is of our own kind
        self.last_row = 0  # before what came
        self._unknown = 0  # lines that are no card
        self._asked_refs: dict[str, int] = {}  # epoch -> number of the last move that the client knows

    @property
    def pushed(self) -> bool:
        """Whether a push was accepted, even one of announcements only: publishing is due."""
        return self._pushing

    @property
    def _in_zstd(self) -> bool:
        """Whether the reply is packed whole. Stock never sees that, though a proxy may claim that it reads it."""
        return self._terms.zstd and self._is_ours

    @property
    def has_all(self) -> bool:
        """Whether nothing that the client announced is missing any more: a cluster made now is not soon out of date."""
        return not self._missing

    @property
    def comes_again(self) -> bool:
        """Whether the client will: it brought something, and is asked for more that it announced, or that may come.

        Stock comes again after a reply that asked for what it has (src/xfer.c client_sync()), our clients do, too.
        """
        if self._taking is None or not self._taking.received or self._draft.outcome != "ok":
            return False
        assert isinstance(self._reader, Writer), "may_write was not asked"
        if self._missing or not self._reader.new_phantoms:
            return bool(self._missing)
        # Stock announces all that no cluster of its own names: what it has not announced, and no cluster names that is
        # here, it has not got. Ours announces less, and tells its people itself.
        return self._is_ours or may_come(self._reader, self.last_row)

    @property
    def received(self) -> int:
        """How many artifacts were new here."""
        return 0 if self._taking is None else self._taking.received

    def receive(self) -> None:
        """Do what the cards ask.

        Raises:
            PeerError: a wrong hash, a bad delta, or more than a bound allows. Nothing of the request may be kept.
            TooLarge: an artifact that came is over the budget's `artifact`; as little may be kept.
        """
        try:
            for card in bounded(parse_cards(self._request.text)):
                self._taken += 1
                _TAKERS[type(card)](self, card)
                if self._draft.failed:
                    break
        except MalformedCard as exc:
            # Where the next card begins is unknown. What came before stays, as with stock.
            if not self._terms.cut:
                self._fail(f"malformed {exc.operator.decode('ascii')} line: {exc.reason}")
        if self._terms.cut and self._draft.outcome == "ok":
            self._fail(self._terms.cut)
        if self._pulling:
            self._sender.admit(self._wanted)
        if self._taking is not None:
            self._taking.store()
        if self._pushing:
            self._expect_announced()

    def choose(self) -> None:
        """Choose what to ask the client for. It is the last that writes; `finish` does it if nobody has."""
        assert isinstance(self._reader, Writer), "may_write was not asked"
        self._crowded_out = self._reader.crowded_out
        self._gimmes = self._sender.choose(self._terms.rights.login, self._missing, self._wanted)
        if self.received and self.comes_again:
            begin_push(self._reader, self._terms.rights.login, self.last_row)

    def go_on(self, reader: Reader) -> None:
        """`finish` in this transaction, so that nobody waits for it to write."""
        self._reader, self._refs = reader, self._refs and LocalRefs(reader)
        self._sender.go_on(reader)

    def finish(self, notices: Iterable[str] = ()) -> Reply:
        """The reply; `notices` are what the people at the other end should be told."""
        passwords = () if self._taking is None else tuple(self._taking.passwords)
        for text in (*notices, *map(told_of, passwords)):
            self._draft.notice(text)
        if not self._draft.failed:
            if self._pushing and self._gimmes is None:
                self.choose()
            if self._asked_refs and self._refs is not None:
                tell(self._draft, self._refs, self._asked_refs)
            if self._pulling:
                self._sender.answer(self._wanted)
            self._sender.ask(self._gimmes or ())
            if self._asks_clusters and self._terms.rights.read:
                self._sender.announce_clusters()
            if self._pulling:
                everything = self._catalogue or (self._oldest_clone and not self._wanted)
                self._sender.announce(self._reader.artifacts() if everything else self._reader.unclustered())
        return Reply(
            self._draft.pieces(),
            self._kind(),
            self._draft.outcome,
            login=self._terms.rights.login,
            cards=self._taken,
            received=self.received,
            sent=self._sender.sent,
            as_clone=self._as_stored,
            in_zstd=self._in_zstd,
            damaged=self._sender.damaged,
            passwords=passwords,
            crowded_out=self._crowded_out,
        )

    def _kind(self) -> str:
        if self._cloning:
            return "clone"
        if self._pulling:
            return "sync" if self._pushing else "pull"
        return "push" if self._pushing else "other"

    def _fail(self, text: str) -> None:
        self._draft.fail(Error(text))

    # -- who, what project, which way

    def _login(self, _card: Login) -> None:
        # Rights are settled before any card counts, so that a stranger never holds the write lock.
        if self._taken > 1:
            self._fail("a login card must be the first")

    def _pull(self, card: Pull) -> None:
        if self._is_our_project(card.project_code):
            if self._terms.rights.read:
                self._pulling = True
            else:
                self._fail("not authorized to read")

    def _push(self, card: Push) -> None:
        if self._is_our_project(card.project_code):
            self._bar = bar_to_push(self._reader)
            self._pushing = self._terms.rights.write and not self._bar
            if not self._pushing and self._pulling:
                self._draft.add(Message(f"pull only - not authorized to push{self._bar}"))
            elif not self._pushing:
                self._draft.restart(Error(f"not authorized to write{self._bar}"))

    def _is_our_project(self, code: str) -> bool:
        if code != self._reader.project_code:
            self._fail("wrong project")
        return code == self._reader.project_code

    def _clone(self, card: Clone) -> None:
        if self._cloning:
            return  # each brings an artifact at least: a request of many would have no budget
        self._cloning = True
        if not self._terms.rights.clone:
            # The client needs the project's code to log in with the next request.
            self._draft.fail(self._sender.push_card(), Error("not authorized to clone"))
            return
        if self._taking is not None:
            self._taking.store()  # what came is part of what is sent
        if card.version is not None and card.seqno is not None and card.version >= 2:
            self._as_stored = card.version >= CFILE_VERSION and not self._in_zstd
            if self._in_zstd:
                self._draft.widen(IN_ZSTD)
            self._sender.clone(card.seqno, as_stored=self._as_stored)
        else:
            self._oldest_clone = self._pulling = True
            self._draft.add(self._sender.push_card())

    # -- artifacts

    def _file(self, card: File | CFile) -> None:
        if not self._pushing:
            self._fail(f"not authorized to write{self._bar}")
            return
        if self._next_is_private:
            self._next_is_private = False
            return
        self._sender.came.add(card.artifact)
        if self._reader.has(card.artifact):
            return
        if self._may_bring(card.artifact):
            self._take(card)
        else:
            self._draft.complain(f"artifact {card.artifact} is not taken: {FORGEABLE}")

    def _may_bring(self, artifact: ArtifactId) -> bool:
        return self._terms.sha1_of_all or self._terms.rights.setup or not is_forgeable(artifact)

    def _take(self, card: File | CFile) -> None:
        if self._taking is None:
            assert isinstance(self._reader, Writer), "may_write was not asked"
            admit = admit_all if self._terms.rights.setup else self._terms.admit
            self.last_row = self._reader.last_row()
            judge = Judge(admit, self._draft.complain)
            self._taking = Taking(self._reader, self._terms.budget, self._terms.rights.login, judge)
        self._taking.take(card)

    def _private(self, _card: Private) -> None:
        self._next_is_private = True
        self._not_kept.private()

    def _igot(self, card: IGot) -> None:
        if not self._pushing:
            return
        if card.private:
            self._not_kept.private()
        else:
            self._announced[card.artifact] = None
            bound(self._announced, MAX_NAMED, "announced")

    def _gimme(self, card: Gimme) -> None:
        # Noted without a pull too: what the client lacks, we do not ask it for.
        self._wanted[card.artifact] = None
        bound(self._wanted, MAX_NAMED, "asked for")

    def _expect_announced(self) -> None:
        """Note what the client announced: it has that, and we want what of it is not here."""
        writer = self._reader
        assert isinstance(writer, Writer), "may_write was not asked"
        here = writer.present_in_parts(self._announced)
        self._sender.at_client.update(here, self._sender.came)
        self._missing = [
            artifact for artifact in self._announced if artifact not in here and self._may_bring(artifact)
        ]
        writer.expect_all(self._missing[:MAX_EXPECTED])
        note_named(writer, self._terms.rights.login)

    # -- what is not kept here

    def _config(self, _card: Config) -> None:
        self._not_kept.config()

    def _reqconfig(self, card: ReqConfig) -> None:
        self._not_kept.reqconfig(card.area)

    def _nothing(self, _card: Card) -> None:
        """Take a card that asks for what is not kept here, and needs no answer."""

    # -- pragmas, and cards that are none

    def _pragma(self, card: Pragma) -> None:
        match card.name, card.args:
            case "req-clusters", _:
                self._asks_clusters = True
            case "send-catalog", _:
                self._catalogue = True
            case "xferzone", _:
                self._is_ours = True
                if self._terms.rights.read:
                    self._sender.is_whole |= note_asked(card, self._asked_refs)
            case _:
                self._not_kept.pragma(card)

    def _refuse_line(self, card: Card) -> None:
        """Answer a line that is not a card, or a card that only servers write, as stock does."""
        self._unknown += 1
        if self._unknown > MAX_UNKNOWN:
            raise PeerError(f"over {MAX_UNKNOWN} lines that are not cards")
        shown = card.encode()[:MAX_SHOWN].decode("utf-8", "surrogateescape")
        self._draft.restart(Error(f"bad command: {shown}"))


#: One row a card. Any, since the key is the proof that a method gets the card it wants.
_TAKERS: Mapping[type[Card], Callable[[Round, Any], None]] = {
    Login: Round._login,
    Pull: Round._pull,
    Push: Round._push,
    Clone: Round._clone,
    File: Round._file,
    CFile: Round._file,
    Private: Round._private,
    IGot: Round._igot,
    Gimme: Round._gimme,
    Pragma: Round._pragma,
    Config: Round._config,
    ReqConfig: Round._reqconfig,
    Cookie: Round._nothing,
    UVGimme: Round._nothing,
    UVFile: Round._nothing,
    UVIGot: Round._refuse_line,
    CloneSeqno: Round._refuse_line,
    Message: Round._refuse_line,
    Error: Round._refuse_line,
    Unknown: Round._refuse_line,
}
