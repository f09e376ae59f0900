"""The one loop of a sync: requests out and replies in, until the session has nothing left to say.

The network is used outside of transactions, and what a reply brought is kept in one. While a clone goes on the next
reply is on its way when the last one is being kept.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from xferzone.cards.body import FRAMED, encode_body, expand_body
from xferzone.errors import PeerError
from xferzone.observer import Observer
from xferzone.store import Store
from xferzone.sync.client import ClientSession
from xferzone.transport import Transport

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
    line = _Line(transport, session, patience)
    with store.reader() as reader:
        body = session.request(reader)
    assert body is not None
    line.send(body)
    for _ in range(MAX_ROUNDS):
        heard = len(session.messages)
        with line.reply() as text:
            session.receive(text)
        for message in session.messages[heard:]:
            observer.said(message)
        if session.is_cloning:
            body = session.request(None)
            assert body is not None
            line.send(body)
        if session.has_news:
            with store.writer() as writer:
                session.keep(writer)
        observer.round_ended(session.traffic)
        if session.is_cloning:
            continue
        with store.reader() as reader:
            body = session.request(reader)
        if body is None:
            return
        line.send(body)
    raise PeerError(f"{transport.name} has not come to an end after {MAX_ROUNDS} rounds")


class _Line:
    """One request at a time under way in a thread; an interrupt does not wait for it."""

    def __init__(self, transport: Transport, session: ClientSession, patience: float) -> None:
        self._transport = transport
        self._patience = patience
        self._traffic = session.traffic
        self._replies: queue.SimpleQueue[tuple[str, bytes] | Exception] = queue.SimpleQueue()

    def send(self, text: bytes) -> None:
        octets = encode_body(FRAMED, text)
        self._traffic.bytes_out += len(octets)
        threading.Thread(target=self._exchange, args=(octets,), daemon=True).start()

    @contextmanager
    def reply(self) -> Iterator[IO[bytes]]:
        """Card text of the answer; raises what the exchange has raised."""
        name = self._transport.name
        try:
            answer = self._replies.get(timeout=self._patience)
        except queue.Empty:
            raise PeerError(
                f"{name} has not come to the end of a reply within {self._patience:.0f} s"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        content_type, octets = answer
        self._traffic.bytes_in += len(octets)
        del answer  # in memory once, and no longer than it is read
        with BytesIO(octets) as raw, SpooledTemporaryFile(_IN_MEMORY) as text:
            del octets
            try:
                is_plain = expand_body(content_type, raw, text, limit=MAX_TEXT)
            except PeerError as exc:
                raise PeerError(f"{name} sends a reply that is too large: {exc}") from exc
            yield raw if is_plain else text

    def _exchange(self, octets: bytes) -> None:
        try:
            self._replies.put(self._transport.exchange(FRAMED, octets))
        except Exception as exc:  # noqa: BLE001 it comes out of `reply`
            self._replies.put(exc)
