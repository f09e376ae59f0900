"""The one loop of a sync: requests out and replies in, until the session has nothing left to say.

The network is used outside of transactions, and what a reply brought is kept in one; but for a clone, of which nobody
else has the file. There the next reply is on its way while the last one is being kept.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import SEEK_END, BytesIO
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Final, Protocol, Self

from xferzone.cards.body import COMPRESSED, UNCOMPRESSED, expand_body, write_body
from xferzone.cards.coding import NotZstd
from xferzone.errors import Cancelled, PeerError, XferzoneError
from xferzone.faults import fault
from xferzone.observer import Observer, Traffic
from xferzone.store import Store, Writer
from xferzone.sync.client.session import ClientSession
from xferzone.sync.oversize import too_large
from xferzone.transport import Body, Transport
from xferzone.transport.base import PLAIN, ZSTD, Bounded, room
from xferzone.transport.replies import Replies

MAX_ROUNDS: Final = 1_000  # of one sync: 5 GB by stock's budget, so that a server that never ends is noticed
MAX_ROUND_S: Final = (
    1_000.0  # seconds; looking up the name, connecting, redirects and the reply's head included
)
MAX_TEXT: Final = (
    80 * 1024 * 1024
)  # bytes of one reply when expanded: one artifact of 64 MiB beyond the budget
_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes of that; what is more lies in a file
_OUT: Final = (
    "sent",
    "bytes_out",
    "gimmes_out",
    "igots_out",
    "uv_sent",
    "uv_gimmes",
    "rows_sent",
)  # of Traffic, of a request
_LOOK_S: Final = 0.2  # seconds between two looks at whether the sync is cancelled


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many rounds there may be, how many seconds each may take, and what ends the sync from outside."""

    rounds: int
    patience: float
    cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of the rounds, and what its `session_started` returned."""

    observer: Observer
    context: object


class Stages(Protocol):
    """Where a clone is committed while it is under way, so that another one can go on with it."""

    def check(self, session: ClientSession) -> None:
        """A reply was heard. Raises XferzoneError: the clone cannot go on with this server."""
        ...

    def kept(self, writer: Writer, session: ClientSession) -> None:
        """What a reply brought was kept."""
        ...

    def ended(self, writer: Writer) -> None:
        """The clone ends here, before all has come."""
        ...


# many: what, whereby, how far, who watches, and where it is committed
def run(
    store: Store,
    transport: Transport,
    session: ClientSession,
    bounds: Bounds,
    watch: Watch,
    stages: Stages | None = None,
) -> None:
    """Sync until the session is over. `stages` None: a clone is one transaction.

    Raises:
        PeerError: the server cannot be reached, breaks the protocol, or does not come to an end within the bounds. What
            earlier rounds brought stays.
        Cancelled: `bounds.cancelled` said so; the same.
    """
    with _Line(transport, session, bounds) as line:
        rounds = _Rounds(line, session, bounds, watch)
        try:
            _converse(store, session, rounds, stages)
        finally:
            rounds.end_all()


def _converse(store: Store, session: ClientSession, rounds: "_Rounds", stages: Stages | None) -> None:
    with store.reader() as reader:
        rounds.send(session.request(reader))
    if session.is_cloning:
        # Nobody else has the file yet: one transaction takes all, and parses each manifest once.
        with store.writer(in_parts=stages is not None, when_told=True) as writer:
            try:
                _clone(writer, session, rounds, stages)
            except (XferzoneError, KeyboardInterrupt, SystemExit):
                if stages is not None:
                    stages.ended(writer)
                raise
        with store.reader() as reader:
            rounds.send(session.request(reader))
    while rounds.is_under_way:
        rounds.hear()
        if session.has_news:
            fault(store.faults, "client.heard", 0.1)
            with store.writer() as writer:
                session.keep(writer)
                writer.fault("client.kept", 0.1)
            fault(store.faults, "client.round-kept", 0.1)
        rounds.end()
        with store.reader() as reader:
            rounds.send(session.request(reader))


def _clone(writer: Writer, session: ClientSession, rounds: "_Rounds", stages: Stages | None) -> None:
    while session.is_cloning:
        rounds.hear()
        if stages is not None:
            stages.check(session)
        if session.is_cloning:
            rounds.send(session.request(None))
        session.keep(writer)
        writer.fault("clone.round-kept", 0.1)
        rounds.end()
        if stages is not None:
            stages.kept(writer, session)


class _Rounds:
    """The rounds of a session, each told to whoever watches."""

    def __init__(self, line: "_Line", session: ClientSession, bounds: Bounds, watch: Watch) -> None:
        self._line = line
        self._session = session
        self._bounds = bounds
        self._watch = watch
        # Rounds begun, with what their request took, oldest first; while a clone keeps a reply, the next one has begun.
        self._begun: deque[tuple[object, Traffic]] = deque()
        self._at_send = self._at_end = Traffic()
        self._tables: dict[str, object] = {}  # those started, with what their start returned

    @property
    def is_under_way(self) -> bool:
        """Whether a reply is still to come."""
        return self._line.is_busy

    def send(self, text: bytes | None) -> None:
        """Begin a round; None: there is nothing to be asked."""
        if text is None:
            self._line.is_busy = False
            return
        request = self._line.encoded(text, is_ours=self._session.told.is_met)
        now = replace(self._session.traffic)
        gone, self._at_send = now.since(self._at_send), now
        out = Traffic(**{name: getattr(gone, name) for name in _OUT})
        self._begun.append((self._watch.observer.round_started(self._watch.context, out), out))
        self._line.send(request)

    def hear(self) -> None:
        """Take the next reply in; `end` is due when it is kept."""
        session = self._session
        if session.traffic.rounds >= self._bounds.rounds:
            raise PeerError(f"{self._line.name} has not come to an end after {self._bounds.rounds} rounds")
        heard = len(session.messages)
        with self._line.reply() as text:
            session.receive(text)
        for message in session.messages[heard:]:
            self._watch.observer.said(self._watch.context, message)

    def end(self) -> None:
        """The oldest round under way has ended."""
        context, out = self._begun.popleft()
        now = replace(self._session.traffic)
        came, self._at_end = now.since(self._at_end), now
        round_ = replace(came, **{name: getattr(out, name) for name in _OUT})
        self._watch.observer.round_ended(context, round_, now)
        for name, rows in self._session.tables.started.items():
            if name not in self._tables:
                self._tables[name] = self._watch.observer.table_started(self._watch.context, name, rows)

    def end_all(self) -> None:
        """End the rounds in which the session failed, and the tables of the session."""
        while self._begun:
            self.end()
        tables = self._session.tables
        for name, context in self._tables.items():
            self._watch.observer.table_ended(context, tables.sent.get(name, 0), tables.received.get(name, 0))


class _Line:
    """One request at a time under way in a thread; an interrupt does not wait for it."""

    def __init__(self, transport: Transport, session: ClientSession, bounds: Bounds) -> None:
        self.name = transport.name
        self.is_busy = False
        self._transport = transport
        self._bounds = bounds
        self._traffic = session.traffic
        self._replies = Replies()
        self._sends_zstd = (
            False  # the last reply came in it: a server that reads it, and no proxy that strips it
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._replies.__exit__(kind, error, trace)

    def encoded(self, text: bytes, *, is_ours: bool) -> Body:
        """The request with this card text, counted as sent. `is_ours`: the server has sent a pragma of ours."""
        coding = ZSTD if is_ours and self._sends_zstd else PLAIN
        content_type, octets = (COMPRESSED if coding == PLAIN else UNCOMPRESSED), BytesIO()
        write_body(content_type, [text], octets, coding)
        if isinstance(self._transport, Bounded) and octets.tell() > room(most := self._transport.max_payload):
            raise PeerError(f"{self.name}: {too_large(BytesIO(text), octets.tell(), most)}")
        self._traffic.bytes_out += octets.tell()
        octets.seek(0)
        return Body(content_type, octets, coding, takes_zstd=True)

    def send(self, request: Body) -> None:
        """Ask."""
        self.is_busy = True
        threading.Thread(target=self._replies.exchange, args=(self._transport, request), daemon=True).start()

    @contextmanager
    def reply(self) -> Iterator[IO[bytes]]:
        """Card text of the answer; raises what the exchange has raised."""
        answer = self._answer()
        if isinstance(answer, Exception):
            raise answer
        with answer, SpooledTemporaryFile(_IN_MEMORY) as text:
            self._traffic.bytes_in += answer.octets.seek(0, SEEK_END)
            self._sends_zstd = answer.coding != PLAIN
            try:
                is_plain = expand_body(answer, text, limit=MAX_TEXT)
            except NotZstd as exc:
                raise PeerError(f"{self.name} sends {exc}") from exc
            except PeerError as exc:
                raise PeerError(f"{self.name} sends a reply that is too large: {exc}") from exc
            yield answer.octets if is_plain else text

    def _answer(self) -> Body | Exception:
        end = time.monotonic() + self._bounds.patience
        while (left := end - time.monotonic()) > 0:
            if self._bounds.cancelled():
                raise Cancelled(f"the exchange with {self.name} was cancelled")
            answer = self._replies.take(min(left, _LOOK_S))
            if answer is not None:
                return answer
        raise PeerError(
            f"{self.name} has not come to the end of a reply within {self._bounds.patience:.0f} s"
        )
