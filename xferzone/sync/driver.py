"""The one loop of a sync: requests out and replies in, until the session has nothing left to say.

The network is used outside of transactions, and what a reply brought is kept in one. While a clone goes on the next
reply is on its way when the last one is being kept.
"""

import queue
import threading
from typing import Final

from xferzone.cards.body import FRAMED, decode_body, encode_body
from xferzone.errors import PeerError
from xferzone.observer import Observer
from xferzone.store import Store
from xferzone.sync.client import ClientSession
from xferzone.transport import Transport

MAX_ROUNDS: Final = (
    1_000  # of one sync: 5 GB by stock's budget; a server that never ends is told from one that works
)
MAX_TEXT: Final = 256 * 1024 * 1024  # bytes of one reply when expanded; architecture.md 7


def run(store: Store, transport: Transport, session: ClientSession, observer: Observer) -> None:
    """Sync until the session is over.

    Raises:
        PeerError: the server cannot be reached, breaks the protocol, or goes on for over MAX_ROUNDS rounds. What
            earlier rounds brought stays.
    """
    line = _Line(transport, session)
    with store.reader() as reader:
        body = session.request(reader)
    assert body is not None
    line.send(body)
    for _ in range(MAX_ROUNDS):
        heard = len(session.messages)
        session.receive(line.reply())
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

    def __init__(self, transport: Transport, session: ClientSession) -> None:
        self._transport = transport
        self._traffic = session.traffic
        self._replies: queue.SimpleQueue[tuple[str, bytes] | Exception] = queue.SimpleQueue()

    def send(self, text: bytes) -> None:
        octets = encode_body(FRAMED, text)
        self._traffic.bytes_out += len(octets)
        threading.Thread(target=self._exchange, args=(octets,), daemon=True).start()

    def reply(self) -> bytes:
        """Card text of the answer; raises what the exchange has raised."""
        answer = self._replies.get()
        if isinstance(answer, Exception):
            raise answer
        content_type, octets = answer
        self._traffic.bytes_in += len(octets)
        return decode_body(content_type, octets, limit=MAX_TEXT)

    def _exchange(self, octets: bytes) -> None:
        try:
            self._replies.put(self._transport.exchange(FRAMED, octets))
        except Exception as exc:  # noqa: BLE001 it comes out of `reply`
            self._replies.put(exc)
