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
    config       admin    error not authorized to push configuration; the end (configuring.py)
    uvfile       y        means nothing; these and uvgimme are unversioned.py's
    xtable, ...  write    message; these are tables.py's, and setup's in part
    private      x        error not authorized to sync private content; private igot and send-private, too
    ci-lock      write    means nothing, as from nobody and anonymous (locking.py)

Peers of our own kind may tell their role, and ask where the refs stand that have moved (refs.py); stock sees no answer.

A card of no known form restarts the reply with an error; those after it still count. There is no "# timestamp": a
pusher's clock may be off, and stock then stops a commit.

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
from xferzone.cards.table import KINDS as OF_TABLES
from xferzone.errors import MalformedCard
from xferzone.hashing import ArtifactId, is_forgeable
from xferzone.refs import LocalRefs
from xferzone.store import shunned
from xferzone.store.asked import note_named
from xferzone.store.reader import Reader
from xferzone.store.waiting import may_come
from xferzone.store.writer import Writer
from xferzone.sync.server.anew import wrong_project
from xferzone.sync.server.configuring import Configuring
from xferzone.sync.server.kinds import bound, bounded
from xferzone.sync.server.locking import answer_lock
from xferzone.sync.server.login import bar_to_push
from xferzone.sync.server.private import Secluded
from xferzone.sync.server.pushing import Pushing
from xferzone.sync.server.refs import Wishes, tell
from xferzone.sync.server.reply import Draft, Reply, Rows
from xferzone.sync.server.request import Request
from xferzone.sync.server.sending import CFILE_VERSION, MAX_GIMMES, Sender
from xferzone.sync.server.strays import Strays
from xferzone.sync.server.tables import Tables
from xferzone.sync.server.taking import FORGEABLE, Judge, Taking, admit_all, left_out, told_of
from xferzone.sync.server.terms import Terms
from xferzone.sync.server.unversioned import Unversioned
from xferzone.sync.server.zoned import Zoned

MAX_NAMED: Final = 500_000  # artifacts that one request may announce or ask for; ours: some 100 MB of memory
MAX_EXPECTED: Final = 5_000  # of them that are remembered as missing; the client announces the others again
IN_ZSTD: Final = 2  # times its budget that a clone's reply in zstd may have; on the wire it is smaller


class Round:
    """One request being answered: `receive`, then `finish`, each once; `choose` and `go_on` between them."""

    def __init__(self, reader: Reader, request: Request, terms: Terms) -> None:
        """`reader` is a Writer where `may_write` asks for one."""
        self._reader = reader
        self._request = request
        self._terms = terms
        self._refs = terms.refs
        self._draft = Draft(terms.budget)
        self.pushing = Pushing(request, terms, self._draft)
        self._sender = Sender(reader, self._draft)
        self.configuring = Configuring(reader, self._draft, terms)
        self._strays = Strays(self._draft)
        self._unversioned = Unversioned(reader, self._draft, terms.rights)
        self._secluded = Secluded(reader, self._draft, terms.rights)
        self._tables = Tables(reader, self._draft, terms)
        self._taking: Taking | None = None  # of a push that was accepted
        self._taken = 0  # cards
        self._pulling = self._pushing = self._cloning = False
        self._as_stored = False  # the clone is of version 3 or later
        self._oldest_clone = False  # the client names each artifact that it wants, and has to be told of all
        self._catalogue = False  # the client wants to know of everything that is here
        self._asks_clusters = False  # the client wants to know of all clusters
        self._bar = ""  # why nobody may push here
        self._wanted: dict[ArtifactId, None] = {}  # by the client, in its order
        self.announced: dict[ArtifactId, None] = {}  # by the client, in its order
        self._missing: list[ArtifactId] = []  # of those, what is not here
        self._gimmes: list[ArtifactId] | None = None  # what the client is asked for; None: not chosen yet
        self._crowded_out = 0  # deltas kept aside, for what it brought
        self._wishes = Wishes()  # what a peer of our own kind says

    @property
    def pushed(self) -> bool:
        """Whether a push was accepted, even one of announcements only: publishing is due."""
        return self._pushing

    @property
    def _in_zstd(self) -> bool:
        """Whether the reply is packed whole. Stock never sees that, though a proxy may claim that it reads it."""
        return self._terms.zstd and self._wishes.is_ours

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
        return self._wishes.is_ours or may_come(self._reader, self.pushing.row)

    @property
    def received(self) -> int:
        """How many artifacts were new here, private ones left out."""
        return 0 if self._taking is None else self._taking.received

    def receive(self) -> None:
        """Do what the cards ask.

        Raises:
            PeerError: a wrong hash, a bad delta, another's zone, too much. Nothing of the request may be kept.
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
            self._secluded.admit(self._wanted)
        self._unversioned.admit()
        if self._taking is not None:
            self._taking.end()
        if self._pushing:
            self._secluded.store()
            self._expect_announced()

    def choose(self) -> None:
        """Choose what to ask the client for. It is the last that writes; `finish` does it if nobody has."""
        assert isinstance(self._reader, Writer), "may_write was not asked"
        self._crowded_out = self._reader.crowded_out
        for text in left_out(self._reader.shunned):
            self._draft.notice(text)
        self._gimmes = self._sender.choose(self._terms.rights.login, self._missing, self._wanted)

    def go_on(self, reader: Reader) -> None:
        """`finish` in this transaction, so that nobody waits for it to write."""
        self._reader, self._refs = reader, self._refs and LocalRefs(reader)
        self._sender.go_on(reader)
        self._unversioned.go_on(reader)
        self._secluded.go_on(reader)
        self._tables.go_on(reader)

    def finish(self, notices: Iterable[str] = ()) -> Reply:
        """The reply; `notices` are what the people at the other end should be told."""
        passwords = () if self._taking is None else tuple(self._taking.passwords)
        for text in (*notices, *map(told_of, passwords)):
            self._draft.notice(text)
        if not self._draft.failed:
            if self._pushing and self._gimmes is None:
                self.choose()
            if self._wishes.refs and self._refs is not None:
                tell(self._draft, self._refs, self._wishes.refs)
            if self._pulling:
                self._sender.answer(self._wanted)
                self._secluded.answer(self._wanted)
            self._unversioned.answer(is_first=not (self._sender.sent or self._secluded.sent))
            self._answer_tables()
            self._sender.ask(self._gimmes or ())
            self._secluded.ask(MAX_GIMMES - len(self._gimmes or ()))
            if self._asks_clusters and self._terms.rights.read:
                self._sender.announce_clusters()
            if self._pulling:
                everything = self._catalogue or (self._oldest_clone and not self._wanted)
                self._sender.announce(self._reader.artifacts() if everything else self._reader.unclustered())
                self._secluded.tell()
        return Reply(
            self._draft.pieces(),
            self._kind(),
            self._draft.outcome,
            login=self._terms.rights.login,
            cards=self._taken,
            files=self._unversioned.counts,
            rows=Rows(self._tables.received, self._tables.sent),
            received=self.received + self._secluded.received,
            sent=self._sender.sent + self._secluded.sent,
            why=self._wishes.quarrel,
            as_clone=self._as_stored,
            in_zstd=self._in_zstd,
            damaged=self._sender.damaged,
            passwords=passwords,
            crowded_out=self._crowded_out,
        )

    def _answer_tables(self) -> None:
        beside = self._sender.sent or self._secluded.sent or self._unversioned.counts.sent
        is_met = self._wishes.is_ours and (self._pulling or self._pushing or self._terms.tells_tables)
        self._tables.answer(self._wishes.tables, is_met=is_met, is_first=not beside)

    def _kind(self) -> str:
        ways = {(True, True): "sync", (True, False): "pull", (False, True): "push"}
        return "clone" if self._cloning else ways.get((self._pulling, self._pushing), "other")

    def _fail(self, text: str) -> None:
        self._draft.fail(Error(text))

    # -- who, what project, which way

    def _login(self, _card: Login) -> None:
        # Rights are settled before any card counts, so that a stranger never holds the write lock.
        if self._taken > 1:
            self._fail("a login card must be the first")

    def _pull(self, card: Pull) -> None:
        if self._is_our_project(card.project_code):
            if not self._terms.rights.read:
                self._fail("not authorized to read")
            elif self._wishes.may_meet(self._reader, self._draft):
                self._pulling = True

    def _push(self, card: Push) -> None:
        if self._is_our_project(card.project_code):
            self._bar = bar_to_push(self._reader)
            if self._terms.rights.write and not self._bar:
                self._pushing = self._wishes.may_meet(self._reader, self._draft)
                self.pushing.comes_from(card.server_code)
            elif self._pulling:
                self._draft.add(Message(f"pull only - not authorized to push{self._bar}"))
            else:
                self._draft.restart(Error(f"not authorized to write{self._bar}"))

    def _is_our_project(self, code: str) -> bool:
        is_ours = code == self._reader.project_code
        if not is_ours:
            self._fail(wrong_project(self._reader, code))
        return is_ours

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
            self._sender.clone(card.seqno, as_stored=self._as_stored, secluded=self._secluded.is_sent)
        else:
            self._oldest_clone = self._pulling = True
            self._draft.add(self._sender.push_card())

    # -- artifacts

    def _file(self, card: File | CFile) -> None:
        if not self._pushing:
            self._fail(f"not authorized to write{self._bar}")
            return
        if self._secluded.takes(card):
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
            judge = Judge(admit, self._draft.complain, self._draft.notice, Zoned(self._terms.rights))
            number = self.pushing.begin(self._reader)
            self._taking = Taking(self._reader, self._terms.budget, self._terms.rights.login, number, judge)
        self._taking.take(card)

    def _igot(self, card: IGot) -> None:
        if not self._pushing:
            return
        if card.private:
            self._secluded.announce(card.artifact)
        else:
            self.announced[card.artifact] = None
            bound(self.announced, MAX_NAMED, "announced")

    def _gimme(self, card: Gimme) -> None:
        # Noted without a pull too: what the client lacks, we do not ask it for.
        self._wanted[card.artifact] = None
        bound(self._wanted, MAX_NAMED, "asked for")

    def _expect_announced(self) -> None:
        """Note what the client announced: it has that, and we want what of it is not here."""
        writer = self._reader
        assert isinstance(writer, Writer), "may_write was not asked"
        here = writer.present_in_parts(self.announced)
        self._sender.at_client.update(here, self._sender.came)
        known = here | shunned.among(writer, self.announced)
        self._missing = [each for each in self.announced if each not in known and self._may_bring(each)]
        writer.expect_all(self._missing[:MAX_EXPECTED])
        note_named(writer, self._terms.rights.login)

    # -- pragmas

    def _pragma(self, card: Pragma) -> None:
        match card.name, card.args:
            case "req-clusters", _:
                self._asks_clusters = True
            case "send-catalog", _:
                self._catalogue = True
            case "uv-hash", [catalogue, *_]:
                if self._wishes.may_meet(self._reader, self._draft):
                    self._unversioned.compare(catalogue, is_ours=self._wishes.is_ours)
            case "send-private", _:
                self._secluded.wish()
            case "ci-lock" | "ci-unlock", _:
                answer_lock(self._reader, self._draft, card, self._terms)
            case "xferzone", _:
                self._wishes.note(card, may_read=self._terms.rights.read)
                self._sender.is_whole = self._wishes.is_whole


#: One row a card. Any, since the key is the proof that a method gets the card it wants.
_TAKERS: Mapping[type[Card], Callable[[Round, Any], None]] = {
    Login: Round._login,
    Pull: Round._pull,
    Push: Round._push,
    Clone: Round._clone,
    File: Round._file,
    CFile: Round._file,
    Private: lambda round_, _card: round_._secluded.mark(),
    IGot: Round._igot,
    Gimme: Round._gimme,
    Pragma: Round._pragma,
    Config: lambda round_, card: round_.configuring.config(card),
    ReqConfig: lambda round_, card: round_.configuring.reqconfig(card.area),
    Cookie: lambda _round, _card: None,  # pushing.py has looked for it
    UVGimme: lambda round_, card: round_._unversioned.want(card),
    UVFile: lambda round_, card: round_._unversioned.take(card),
    **dict.fromkeys(OF_TABLES, lambda round_, card: round_._tables.take(card)),
    **dict.fromkeys(
        (UVIGot, CloneSeqno, Message, Error, Unknown), lambda round_, card: round_._strays.refuse(card)
    ),
}
