"""Whoever watches sessions and requests: the calls, their order and their counts. Nothing else reports rounds.

    a client                                        a server
    session_started(Session) ─> context             request_started(Asked) ─> context
      round_started(context, out) ─> context        failed(context, error)       before the end, if it fails
      said(context, message)                        request_ended(context, Answered)
      round_ended(context, both ways, so far)
    table_started(context, name, rows here) ─> context, then table_ended(context, sent, received) when all is exchanged
    failed(context, error)                          before the end, if it fails
    session_ended(context, so far)

A `started` call may return anything. The rounds and messages of a session get back what its start returned, and each
`ended` call what its own start returned; `failed` gets the context of the session or request. Whatever has started
ends, also where it fails. Rounds overlap in a clone: the next one starts while the last one is being stored.

One observer may watch many sessions and requests at once, from several threads. What an observer raises ends the
session or request.

Shipped: `Silent` and `Several` here; log.py, progress.py (rich), prometheus.py, otel.py (extra `otel`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from xferzone.hashing import ArtifactId


@dataclass(slots=True)
class Traffic:
    """What a session or round has brought and taken.

    Fields:
        sent, received: artifacts; `linked`: those of them that were new here and are stored.
        bytes_out, bytes_in: of bodies on the wire.
        gimmes_out, gimmes_in: artifacts asked for, by us and by the peer; igots: announced.
        uv_sent, uv_received: unversioned files, deletions included; uv_gimmes: of these asked for, by us.
        rows_sent, rows_received: rows of synced tables, deletions included.
    """

    rounds: int = 0
    sent: int = 0
    received: int = 0
    linked: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    gimmes_out: int = 0
    gimmes_in: int = 0
    igots_out: int = 0
    igots_in: int = 0
    uv_sent: int = 0
    uv_received: int = 0
    uv_gimmes: int = 0
    rows_sent: int = 0
    rows_received: int = 0

    def since(self, before: "Traffic") -> "Traffic":
        """What has come on top of `before`."""
        return Traffic(*(getattr(self, each.name) - getattr(before, each.name) for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Session:
    """A session that starts.

    Fields:
        operation: clone, pull, push, sync, repair or uv (unversioned files alone).
        peer: where the other repository is, without a password.
        project_code: None for a clone, which does not know it yet.
    """

    operation: str
    peer: str
    project_code: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has arrived.

    Fields:
        operation: clone, pull, push, sync or other, according to its first cards.
        project_code: of its first pull or push card; empty if it has none.
        remote: the address it came from, as far as the server knows; empty if it does not.
        size: bytes of the body on the wire.
    """

    operation: str
    project_code: str
    remote: str
    size: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a request.

    Fields:
        operation: clone, pull, push, sync or other, according to all of its cards.
        outcome: ok; error (the reply has an error card); refused (nothing of the request was kept); busy; failed
            (through no fault of the sender).
        login: the account that sent it; if the login failed, the name as it was sent.
        cards: cards processed.
        received, sent: artifacts.
        uv_received, uv_sent: unversioned files that were new here, and that went out; uv_gimmes: of these asked for.
        rows_received, rows_sent: rows of synced tables that were new here, and that went out.
        size: bytes of the reply on the wire.
        seconds: from the opening of the request until the reply was made.
        why: the error, if the reply is nothing else; otherwise empty.
        damaged: artifacts that belong in the reply and cannot be read here.
        passwords: names of files of saved passwords that pushed check-ins hold, and everybody who may clone can read.
        crowded_out: deltas that waited for their source and were dropped, the oldest, since too many came.
    """

    operation: str
    outcome: str
    login: str
    cards: int
    received: int
    sent: int
    size: int
    seconds: float
    why: str = ""
    damaged: Sequence[ArtifactId] = ()
    passwords: Sequence[str] = ()
    crowded_out: int = 0
    uv_received: int = 0
    uv_sent: int = 0
    uv_gimmes: int = 0
    rows_received: int = 0
    rows_sent: int = 0


def size(octets: int) -> str:
    """A number of bytes for people to read."""
    return f"{octets:,} bytes" if octets < 10_000 else f"{octets / 1000:,.0f} kB"


class Observer(Protocol):
    """Watches; the head of this module has the order of calls."""

    def session_started(self, session: Session) -> object:
        """A session starts. Returns its context."""

    def session_ended(self, context: object, so_far: Traffic) -> None:
        """The session is over, well or not; `so_far` is its total."""

    def round_started(self, context: object, out: Traffic) -> object:
        """A request is about to be sent with the counts `out`. Gets the session's context, returns the round's."""

    def round_ended(self, context: object, round_: Traffic, so_far: Traffic) -> None:
        """The reply is stored, or the session fails in this round. `round_` counts the round alone, both ways."""

    def table_started(self, context: object, name: str, rows: int) -> object:
        """A synced table is other at the peer, with `rows` here. Gets the session's context, returns the table's."""

    def table_ended(self, context: object, sent: int, received: int) -> None:
        """So many rows of the table went either way; the session is over, well or not."""

    def said(self, context: object, message: str) -> None:
        """The peer sent a message for people to read. `context` is the session's."""

    def request_started(self, asked: Asked) -> object:
        """A request has been opened. Returns its context."""

    def request_ended(self, context: object, answered: Answered) -> None:
        """The reply is made, and what the request brought is committed."""

    def failed(self, context: object, error: BaseException) -> None:
        """The session ends with this error; or this server cannot answer the request, through no fault of the sender.

        `context` is the session's or the request's.
        """


class Silent:
    """Does nothing: a base for observers that need only some of the calls."""

    def session_started(self, _session: Session, /) -> object:
        return None

    def session_ended(self, _context: object, _so_far: Traffic, /) -> None:
        """Do nothing."""

    def round_started(self, _context: object, _out: Traffic, /) -> object:
        return None

    def round_ended(self, _context: object, _round: Traffic, _so_far: Traffic, /) -> None:
        """Do nothing."""

    def table_started(self, _context: object, _name: str, _rows: int, /) -> object:
        return None

    def table_ended(self, _context: object, _sent: int, _received: int, /) -> None:
        """Do nothing."""

    def said(self, _context: object, _message: str, /) -> None:
        """Do nothing."""

    def request_started(self, _asked: Asked, /) -> object:
        return None

    def request_ended(self, _context: object, _answered: Answered, /) -> None:
        """Do nothing."""

    def failed(self, _context: object, _error: BaseException, /) -> None:
        """Do nothing."""


class Several:
    """Tells several observers, each with contexts of its own."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def session_started(self, session: Session) -> object:
        return [each.session_started(session) for each in self._observers]

    def session_ended(self, context: object, so_far: Traffic) -> None:
        for each, own in self._each(context):
            each.session_ended(own, so_far)

    def round_started(self, context: object, out: Traffic) -> object:
        return [each.round_started(own, out) for each, own in self._each(context)]

    def round_ended(self, context: object, round_: Traffic, so_far: Traffic) -> None:
        for each, own in self._each(context):
            each.round_ended(own, round_, so_far)

    def table_started(self, context: object, name: str, rows: int) -> object:
        return [each.table_started(own, name, rows) for each, own in self._each(context)]

    def table_ended(self, context: object, sent: int, received: int) -> None:
        for each, own in self._each(context):
            each.table_ended(own, sent, received)

    def said(self, context: object, message: str) -> None:
        for each, own in self._each(context):
            each.said(own, message)

    def request_started(self, asked: Asked) -> object:
        return [each.request_started(asked) for each in self._observers]

    def request_ended(self, context: object, answered: Answered) -> None:
        for each, own in self._each(context):
            each.request_ended(own, answered)

    def failed(self, context: object, error: BaseException) -> None:
        for each, own in self._each(context):
            each.failed(own, error)

    def _each(self, context: object) -> list[tuple[Observer, object]]:
        assert isinstance(context, list)
        return list(zip(self._observers, context, strict=True))
