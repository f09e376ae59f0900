"""The server's half of xfer: one body in, one reply out, by whatever way they travel.

    body ─> who claims to send it (entrance.py) ─> expanded once into a Request ─> the login holds ─> a Round
        it may write      in a write transaction, of several parts if it is long; published, clusters made; commit
        it may not        in a read transaction
    ─> the reply is made in a read transaction ─> sent

Nothing is sent before the commit. What people should read goes out as a reply with an error card: stock clients show
that, and of an HTTP status only the number. So `answer` raises nothing for what a peer or the repository does wrong.
Source: Fossil 2.21, src/http.c http_exchange(), src/xfer.c page_xfer().
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import SEEK_END
from traceback import clear_frames
from typing import IO, Final, NamedTuple

from xferzone.cards.body import COMPRESSED, DEBUG, UNCOMPRESSED, expand_body, stated_size, write_body
from xferzone.env import SYSTEM, Env
from xferzone.errors import FULL, Away, Busy, NoRoom, NotReady, PeerError, ReadOnly, Replaced, XferzoneError
from xferzone.exchange import entrance
from xferzone.exchange.entrance import MAX_ASKING, MAX_STRANGER_WIRE, Opening
from xferzone.exchange.group.deciding import Group, Groups
from xferzone.exchange.publishing import Later
from xferzone.exchange.pushed import Push
from xferzone.exchange.room import SMALL, Room
from xferzone.exchange.said import BUSY, EMPTY, FAILED, NO_ROOM, OWN_WORDS, REPLACED
from xferzone.exchange.slots import Guest
from xferzone.faults import Faults, fails, fault
from xferzone.observer import Answered, Asked, Observer, Silent
from xferzone.publish.policy import Policy
from xferzone.refs import LocalRefs
from xferzone.store import Reader, Store
from xferzone.store.walnote import ForeignLog
from xferzone.sync.server import reply as server_reply
from xferzone.sync.server.budget import Budget, TooLarge
from xferzone.sync.server.guessing import FREE, Guesser
from xferzone.sync.server.login import Claim, Rights, may_write
from xferzone.sync.server.request import Request
from xferzone.sync.server.round import Round
from xferzone.sync.server.terms import Terms as RoundTerms
from xferzone.transport import Body
from xferzone.transport.base import PLAIN, ZSTD

MAX_WIRE: Final = 64 * 1024 * 1024  # bytes of a request as it travels; ours
MAX_BODY: Final = 2 * MAX_WIRE  # bytes of it when expanded: an artifact and all names fit

#: The outcome and the error of a request that met these; the first that fits.
_ANSWERS: Mapping[type[Exception], tuple[str, str]] = {
    Replaced: ("busy", f"{REPLACED} while it was written: what was sent is not there; try again"),
    ForeignLog: ("busy", f"{REPLACED}, and cannot be read yet: try again in a few seconds"),
    Busy: ("busy", f"{BUSY}: try again"),
    NotReady: ("busy", f"{EMPTY}: try again in a while, or ask its primary"),
    NoRoom: ("failed", f"{NO_ROOM}: nothing was stored; try again when its administrator has made room"),
    ReadOnly: ("failed", f"{FAILED} write to its repository: tell its administrator"),
    OSError: ("failed", f"{FAILED} take the request: tell its administrator"),
    Exception: ("failed", f"{FAILED} read its repository: tell its administrator"),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator of a server decides; give the same one to every answer of a process.

    Fields:
        budget: of one reply.
        room: what the process does at the same time.
        env: the clock by which check-ins are dated too far ahead, and the one that times answers.
        faults: what may go wrong by itself (faults.py); None: nothing.
        observer: is told of each request; several threads may call it.
        remote: the address that the request came from, for the observer.
        guesser: whoever sent this one request, and may be guessing a password.
        guest: this one request, among those that the room lets in; None: it competes with no other.
        later: publishes what a request leaves since its sender comes again; None: each request publishes all of it.
        groups: knows the group of a repository that is a member; None: it is none.
    """

    budget: Budget = field(default_factory=Budget)
    room: Room = field(default_factory=Room)
    env: Env = SYSTEM
    faults: Faults | None = None
    observer: Observer = field(default_factory=Silent)
    remote: str = ""
    guesser: Guesser = FREE
    guest: Guest | None = None
    later: Later | None = None
    groups: Groups | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to one request: its body, which the sender closes, and the body's length in bytes."""

    body: Body
    size: int
    outcome: str  # of observer.Answered

    def octets(self) -> bytes:
        """All of the body, in memory."""
        self.body.octets.seek(0)
        octets: bytes = self.body.octets.read()
        return octets


def answer(store: Store, body: Body, terms: Terms | None = None) -> Reply:
    """The reply to `body`, after all that it brought is committed; `body` is not closed.

    It raises for bugs only: what the peer does wrong, and what keeps the repository from answering, is in the reply.
    """
    terms = terms or Terms()
    store = store.with_faults(terms.faults)
    return _Answering(terms, body, _size(body.octets)).of(store)


def most_octets(store: Store, body: Body) -> int:
    """How many octets of a request are of any use; what comes beyond can be dropped. Its beginning is enough to tell.

    Raises:
        XferzoneError: the repository cannot be read.
    """
    rights = entrance.opening_of(store, body).claim.rights
    body.octets.seek(0, SEEK_END)
    if not rights.any:
        return MAX_STRANGER_WIRE
    return MAX_WIRE if rights.brings else MAX_ASKING


def refusal(exc: Exception, content_type: str, came: int, terms: Terms) -> Reply:
    """The reply to a request of `came` bytes that could not be asked of a store at all, since `exc` was raised."""
    return _Answering(terms, Body.of(content_type, b""), came).refused(exc)


class _Answering:
    """One request being answered."""

    def __init__(self, terms: Terms, body: Body, came: int) -> None:
        self._terms = terms
        self._guest = terms.guest or Guest()
        self._body = body
        self._came = came
        self._began = terms.env.monotonic()
        self._context: object = None
        self._is_told = self._is_over = False  # the observer knows of the request, and of its end
        self._held = contextlib.ExitStack()  # the room, until the reply is made or the network is waited for

    def of(self, store: Store) -> Reply:
        try:
            try:
                made = self._made(store)
            except (XferzoneError, OSError) as exc:
                made = self._refusal(exc)
        except BaseException as exc:
            if self._is_told:
                self._ended(server_reply.failure("failed", "the request was not answered"), 0, exc)
            raise
        return self._over(made)

    def refused(self, exc: Exception) -> Reply:
        """The reply that tells of what went wrong; nothing of the request was kept."""
        return self._over(self._refusal(exc))

    def _over(self, made: "_Made") -> Reply:
        """The reply, after the observer was told; what that raises is no fault of the request, which is committed."""
        try:
            self._ended(made.facts, made.reply.size, made.error)
        except BaseException:
            made.reply.body.octets.close()
            raise
        finally:
            if made.error is not None:
                # Its traceback reaches this reply, a circle: what the frames hold of a large request is let go of now.
                clear_frames(made.error.__traceback__)
        return made.reply

    def _made(self, store: Store) -> "_Made":
        if self._came > MAX_WIRE:
            raise PeerError(f"a request of over {MAX_WIRE} bytes: send less at a time")
        fault(self._terms.faults, "server.asked", 0.03)
        opening = entrance.opening_of(store, self._body, self._terms.env)
        claim = opening.claim
        if claim.secret is not None:
            self._terms.guesser.check(claim.rights.login, self._terms.env.monotonic())
        if not claim.rights.any:
            return self._for_stranger(store, opening)
        limit = MAX_BODY if claim.rights.brings else MAX_ASKING
        if self._came > limit:
            raise PeerError(
                f"a request of over {limit} bytes from a sender without the right to write: send less at a time"
            )
        size = max(self._came, stated_size(self._body))
        if size <= SMALL:
            with contextlib.suppress(TooLarge):
                return self._round(store, opening, replace(self._terms.budget, artifact=SMALL))
        elif claim.card is not None:
            with self._terms.room.check(self._guest, size):
                hashed = entrance.hashed(claim, self._body, limit)
                if not claim.holds(hashed):
                    return self._login_failed(claim, hashed)
            self._know(claim)
        is_push = size > SMALL and claim.rights.brings
        if is_push and (group := self._group(store)) is not None:
            self._check(group)  # whoever waits for it holds no room
        with self._held:
            self._held.enter_context(self._terms.room.alone(self._guest, size))
            return self._round(store, opening, self._terms.budget, is_checked=is_push)

    def _know(self, claim: Claim) -> None:
        """Note that the claim holds: the sender is a stranger no longer."""
        if claim.secret is not None:
            self._guest.know()
            self._terms.guesser.held(claim.rights.login, self._terms.env.monotonic())

    def _for_stranger(self, store: Store, opening: Opening) -> "_Made":
        """The reply to one who has no rights here, or says to be somebody who is not known here."""
        claim = opening.claim
        text, is_cut = entrance.stranger_text(self._body)
        request = Request(text, opening.request)
        self._tell(request)
        if not (is_cut and claim.secret is None) and not claim.is_true_of(request):
            return self._login_failed(claim, request.hashed())
        with store.reader() as reader:
            cut = entrance.CUT if is_cut else ""
            terms = RoundTerms(claim.rights, self._terms.budget, cut=cut, zstd=self._body.takes_zstd)
            round_ = Round(reader, request, terms)
            round_.receive()
            return self._written(round_.finish())

    def _login_failed(self, claim: Claim, hashed: str) -> "_Made":
        if claim.is_guess(hashed):
            self._terms.guesser.failed(claim.rights.login, self._terms.env.monotonic())
        return self._written(replace(server_reply.failure("error", "login failed"), login=claim.rights.login))

    def _refusal(self, exc: Exception) -> "_Made":
        if isinstance(exc, OWN_WORDS):
            reply = server_reply.failure("refused", str(exc))
        elif isinstance(exc, Away):
            reply = server_reply.failure("busy", str(exc))
        elif isinstance(exc, OSError) and exc.errno in FULL:
            reply = server_reply.failure(*_ANSWERS[NoRoom])
        else:
            reply = server_reply.failure(
                *next(told for kind, told in _ANSWERS.items() if isinstance(exc, kind))
            )
        return self._written(reply, exc)

    def _round(self, store: Store, opening: Opening, budget: Budget, *, is_checked: bool = False) -> "_Made":
        room, guest, claim, rights = self._terms.room, self._guest, opening.claim, opening.claim.rights
        limit = MAX_BODY if rights.brings else MAX_ASKING
        with room.file() as expanded:
            as_it_came = expand_body(self._body, expanded, limit=limit)
            request = Request(self._body.octets if as_it_came else expanded, opening.request)
            self._tell(request)
            if not claim.is_true_of(request):
                return self._login_failed(claim, request.hashed())
            self._know(claim)
            if may_write(request, rights):
                group = self._group(store)
                if group is not None and not is_checked and request.has_files():
                    self._check(group)  # what was brought before is decided about all the same
                push = Push(rights.login, self._terms, group, self._away, self._seconds)
                round_, notices = push.taken_in(
                    store, lambda writer: Round(writer, request, self._round_terms(writer, rights, budget))
                )
            else:
                round_, notices = None, []
            if fails(self._terms.faults, "server.crowded", 0.03):
                raise Busy("others take too long")
            with room.seat(guest):
                with store.reader(in_parts=True) as reader:
                    if round_ is None:
                        round_ = Round(reader, request, self._round_terms(reader, rights, budget))
                        round_.receive()
                    else:
                        round_.go_on(reader)
                    reply = round_.finish(notices)
                made = self._written(reply)
        try:
            fault(self._terms.faults, "server.replied", 0.1)
            store.check_in_place()
        except BaseException:
            made.reply.body.octets.close()
            raise
        return made

    def _round_terms(self, reader: Reader, rights: Rights, budget: Budget) -> RoundTerms:
        refs = LocalRefs(reader)
        admit = Policy(reader, refs, rights.login).refusal
        is_new = refs.newest() == 0
        return RoundTerms(
            rights,
            budget,
            admit,
            refs,
            sha1_of_all=is_new,
            zstd=self._body.takes_zstd,
            now_ms=self._terms.env.clock_ms(),
            token=self._terms.env.token(8).hex(),
        )

    def _group(self, store: Store) -> Group | None:
        return None if self._terms.groups is None else self._terms.groups.of(store)

    def _check(self, group: Group) -> None:
        """Raise Away while the group cannot decide: nothing is kept then."""
        with self._guest.away():
            try:
                group.check()
            except Away as exc:
                raise type(exc)(f"{exc}: nothing was kept; try again") from exc

    @contextlib.contextmanager
    def _away(self) -> Iterator[None]:
        """Hold nothing that others may wait for, while the network is waited for."""
        self._held.close()
        with self._guest.away():
            yield

    def _seconds(self) -> float:
        """How long the request has taken."""
        return self._terms.env.monotonic() - self._began

    def _tell(self, request: Request) -> None:
        if not self._is_told:  # else it began again, in the room
            asked = Asked(request.operation, request.project_code, self._terms.remote, self._came)
            self._context, self._is_told = self._terms.observer.request_started(asked), True

    def _written(self, reply: server_reply.Reply, error: Exception | None = None) -> "_Made":
        """The reply, encoded as its request was."""
        content_type, coding = _reply_type(self._body, reply)
        out = self._terms.room.file()
        try:
            write_body(content_type, reply.pieces, out, coding)
            size = out.tell()
        except BaseException:
            out.close()
            raise
        out.seek(0)
        return _Made(
            Reply(Body(content_type, out, coding), size, reply.outcome), replace(reply, pieces=()), error
        )

    def _ended(self, reply: server_reply.Reply, size: int, error: BaseException | None) -> None:
        if self._is_over:  # what an observer raised at the end of a request is no other end of it
            return
        observer, self._is_over = self._terms.observer, True
        if not self._is_told:
            self._context = observer.request_started(Asked("other", "", self._terms.remote, self._came))
        if error is not None and reply.outcome == "failed":
            observer.failed(self._context, error)
        answered = Answered(
            operation=reply.kind,
            outcome=reply.outcome,
            login=reply.login,
            cards=reply.cards,
            received=reply.received,
            sent=reply.sent,
            uv_received=reply.files.received,
            uv_sent=reply.files.sent,
            uv_gimmes=reply.files.asked,
            rows_received=reply.rows.received,
            rows_sent=reply.rows.sent,
            size=size,
            seconds=self._seconds(),
            why=reply.why,
            damaged=reply.damaged,
            passwords=reply.passwords,
            crowded_out=reply.crowded_out,
        )
        observer.request_ended(self._context, answered)


class _Made(NamedTuple):
    """A reply, what the observer is told of it, and the error that it tells of."""

    reply: Reply
    facts: server_reply.Reply
    error: Exception | None


def _reply_type(asked: Body, reply: server_reply.Reply) -> tuple[str, str]:
    """Content type and coding: a reply goes as its request came, except for a clone, whose artifacts are compressed one
    by one, and in zstd to whoever reads that.
    """
    if reply.in_zstd:
        return UNCOMPRESSED, ZSTD
    plain = asked.content_type.partition(";")[0].strip().lower()
    if reply.as_clone or (plain == UNCOMPRESSED and asked.coding == PLAIN):
        return UNCOMPRESSED, PLAIN
    return (DEBUG if plain == DEBUG else COMPRESSED), PLAIN


def _size(octets: IO[bytes]) -> int:
    size = octets.seek(0, SEEK_END)
    octets.seek(0)
    return size
