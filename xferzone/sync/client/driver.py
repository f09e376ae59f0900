"""The one loop of a sync: requests out and replies in, until the session has nothing left to say.

The network is used outside of transactions, and what a reply brought is kept in one; but for a clone, of which nobody
else has the file. There the next reply is on its way while the last one is being kept.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Final, Self

from xferzone.cards.body import COMPRESSED, encode_body, expand_body
from xferzone.errors import PeerError
from xferzone.observer import Observer
from xferzone.store import Store
from xferzone.sync.client.session import ClientSession
from xferzone.transport import Body, Transport

MAX_ROUNDS: Final = (
    1_000  # of one sync: 5 GB by stock's budget; a server that never ends is told from one that works
)
MAX_ROUND_S: Final = (
    1_000.0  # seconds; looking up the name, connecting, redirects and the reply's head included
)
MAX_TEXT: Final = 128 * 1024 * 1024  # bytes of one reply when expanded, as of a request to a server of ours
_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes of that; what is more lies in a file


def run(
    store: Store,
    transport: Transport,
    session: ClientSession,
    observer: Observer,
    patience: float = MAX_ROUND_S,
) -> None:
    """Sync until the session is over, each round of which may take `patience` seconds.

    Raises:
        PeerError: the server cannot be reached, breaks the protocol, or goes on for over MAX_ROUNDS rounds. What
            earlier rounds brought stays.
    """
    with _Line(transport, session, patience) as line:
        _converse(store, line, session, observer)


def _converse(store: Store, line: "_Line", session: ClientSession, observer: Observer) -> None:
    with store.reader() as reader:
        line.send(session.request(reader))
    if session.is_cloning:
        # Nobody else has the file yet: one transaction takes all, and parses each manifest once.
        with store.writer() as writer:
            while session.is_cloning:
                _hear(line, session, observer)
                if session.is_cloning:
                    line.send(session.request(None))
                session.keep(writer)
                observer.round_ended(session.traffic)
        with store.reader() as reader:
            line.send(session.request(reader))
    while line.is_busy:
        _hear(line, session, observer)
        if session.has_news:
            with store.writer() as writer:
                session.keep(writer)
        observer.round_ended(session.traffic)
        with store.reader() as reader:
            line.send(session.request(reader))


def _hear(line: "_Line", session: ClientSession, observer: Observer) -> None:
    """Take the next reply in."""
    if session.traffic.rounds >= MAX_ROUNDS:
        raise PeerError(f"{line.name} has not come to an end after {MAX_ROUNDS} rounds")
    heard = len(session.messages)
    with line.reply() as text:
        session.receive(text)
    for message in session.messages[heard:]:
        observer.said(message)


class _Line:
    """One request at a time under way in a thread; an interrupt does not wait for it."""

    def __init__(self, transport: Transport, session: ClientSession, patience: float) -> None:
        self.name = transport.name
        self.is_busy = False
        self._transport = transport
        self._patience = patience
        self._traffic = session.traffic
        self._replies: queue.SimpleQueue[Body | Exception] = queue.SimpleQueue()
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._drop_reply()

    def send(self, text: bytes | None) -> None:
        """Ask; None: there is nothing to be asked."""
        self.is_busy = text is not None
        if text is None:
            return
        octets = encode_body(COMPRESSED, text)
        self._traffic.bytes_out += len(octets)
        threading.Thread(target=self._exchange, args=(octets,), daemon=True).start()

    @contextmanager
    def reply(self) -> Iterator[IO[bytes]]:
        """Card text of the answer; raises what the exchange has raised."""
        try:
            answer = self._replies.get(timeout=self._patience)
        except queue.Empty:
            raise PeerError(
                f"{self.name} has not come to the end of a reply within {self._patience:.0f} s"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        with answer, SpooledTemporaryFile(_IN_MEMORY) as text:
            raw = answer.octets
            self._traffic.bytes_in += raw.seek(0, SEEK_END)
            try:
                is_plain = expand_body(answer.content_type, raw, text, limit=MAX_TEXT)
            except PeerError as exc:
                raise PeerError(f"{self.name} sends a reply that is too large: {exc}") from exc
            yield raw if is_plain else text

    def _exchange(self, octets: bytes) -> None:
        try:
            self._replies.put(self._transport.exchange(Body.of(COMPRESSED, octets)))
        except Exception as exc:  # noqa: BLE001 it comes out of `reply`
            self._replies.put(exc)
        if self._is_over:
            self._drop_reply()

    def _drop_reply(self) -> None:
        """Close a reply that nobody reads: the sync failed or was interrupted while it was on its way."""
        with suppress(queue.Empty):
            reply = self._replies.get_nowait()
            if isinstance(reply, Body):
                reply.octets.close()
