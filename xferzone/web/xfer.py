"""Sync requests: every POST whose content type is xfer's, whatever its path, but the walk's.

    octets off the wire, bounded ─> exchange.answer ─> the reply's octets, in steps

Everything else goes to falcon's routes. What large requests cost in memory is bounded by exchange/room.py, how many
there are and what strangers hold by limits.py, slow clients by deadlines.py. Each reply has its length, since stock
2.21 takes a chunked one for an empty repository.
Source: Fossil 2.21, src/http.c http_exchange(), src/cgi.c cgi_init().
"""

import contextlib
import socket
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import IO, Final, Self
from urllib.parse import unquote_to_bytes

import falcon

from xferzone.cards import coding
from xferzone.cards.body import is_xfer
from xferzone.errors import PeerError, XferzoneError
from xferzone.exchange import Reply, Terms
from xferzone.exchange.answer import MAX_WIRE, most_octets, refusal
from xferzone.exchange.entrance import MAX_STRANGER, MAX_STRANGER_WIRE
from xferzone.exchange.room import IN_MEMORY
from xferzone.logline import REPOSITORY
from xferzone.store import Store
from xferzone.transport import Body
from xferzone.transport.base import PLAIN
from xferzone.web.deadlines import PATIENCE, STEP, STEP_S
from xferzone.web.limits import Places, Visitor
from xferzone.web.repository import Repository
from xferzone.web.targets import is_walk

MAX_DRAINED: Final = 4 * MAX_WIRE  # bytes read and dropped, so that the client still hears why
MAX_STRANGER_DRAINED: Final = (
    4 * 1024 * 1024
)  # of one without rights; reading them costs as much as sending them
PIECE: Final = 16_384  # bytes read at a time, after which it is known how fast they come
LOGIN_COOKIE: Final = "x-f-l-c"
MAX_LOGIN_COOKIE: Final = 4_096  # letters; a login of 100 letters has at most some 1,800, escaped twice
MAX_OTHER: Final = 1024 * 1024  # bytes of the body of a POST that is not xfer's

#: What makes replies: exchange.answer, or an embedder's own.
Answer = Callable[[Store, Body, Terms], Reply]


class Sync:
    """Falcon middleware that answers sync requests before any route is looked at."""

    def __init__(self, repository: Repository, terms: Terms, answer: Answer, places: Places) -> None:
        self._repository = repository
        self._terms = terms
        self._answer = answer
        self._places = places

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.method != "POST" or is_walk(req.path):
            return
        if not is_xfer(req.content_type or ""):
            _bound_other(req)
            return
        with contextlib.ExitStack() as held:
            reply, visitor = self._exchange(req, held)
            resp.content_type = reply.body.content_type
            if reply.body.coding != PLAIN:
                resp.set_header("Content-Encoding", reply.body.coding)
            resp.content_length = reply.size
            resp.stream = _Sending(reply.body.octets, visitor, connection_of(req), held.pop_all())
        resp.complete = True

    def _exchange(self, req: falcon.Request, held: contextlib.ExitStack) -> tuple[Reply, Visitor | None]:
        """The reply, and who asks; what is held until it is sent goes to `held`. None: there was no place."""
        content_type = req.content_type or ""
        remote = req.remote_addr or ""
        guesser = self._places.brake.guesser(remote, REPOSITORY.get())
        terms = replace(self._terms, remote=remote, guesser=guesser)
        came, visitor = 0, None
        try:
            visitor = held.enter_context(
                self._places.place(terms.remote, connection_of(req), REPOSITORY.get())
            )
            with self._terms.room.file() as raw:
                coded = coding.named(req.get_header("Content-Encoding", default=""))
                takes_zstd = coding.is_accepted(req.get_header("Accept-Encoding", default=""))
                body = Body(content_type, raw, coded, takes_zstd, login_of(req))
                came = self._receive(req, body, visitor)
                visitor.received()
                store = self._repository.store()
                reply = self._answer(store, body, replace(terms, guest=visitor))
        except (XferzoneError, OSError) as exc:
            reply = refusal(exc, content_type, came, terms)
        held.enter_context(reply.body)
        if visitor is not None:
            visitor.sends(reply.size)
        return reply, visitor

    def _receive(self, req: falcon.Request, body: Body, visitor: Visitor) -> int:
        """Write the octets of the request's body to `body`, as many as are of use; how many came.

        The others are read to the end and dropped.

        Raises:
            PeerError: more than this sender may send.
            Busy: it was too slow.
            falcon.HTTPLengthRequired: its end is unknown.
            falcon.HTTPBadRequest: it ends before the length that was announced.
        """
        most = MAX_WIRE
        came, reserved, is_asked = 0, 0, False
        with contextlib.closing(pieces(req, visitor)) as came_in:
            for octets in came_in:
                came += len(octets)
                if came > most:
                    if most == MAX_STRANGER_WIRE and came > MAX_STRANGER_DRAINED:
                        break
                    continue
                body.octets.write(octets)
                if came > max(reserved, IN_MEMORY):
                    visitor.hold(len(octets))
                if came >= MAX_STRANGER and not is_asked:
                    most, is_asked = most_octets(self._repository.store(), body), True
                    reserved = min(most, req.content_length or 0)
                    if reserved > IN_MEMORY:
                        visitor.reserve(reserved)
        if came > most != MAX_STRANGER_WIRE:  # a stranger is answered from what there is
            raise PeerError(f"a request of over {most} bytes: send less at a time")
        return came


class _Sending:
    """A reply's octets in steps, each of which the client must take in time."""

    def __init__(
        self,
        octets: IO[bytes],
        visitor: Visitor | None,
        connection: socket.socket | None,
        held: contextlib.ExitStack,
    ) -> None:
        self._octets = octets
        self._visitor = visitor
        self._connection = connection
        self._held = held

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        step = self._octets.read(STEP)
        if not step:
            raise StopIteration
        if self._visitor is not None:
            self._visitor.moved = self._octets.tell()
        if self._connection is not None:
            PATIENCE.begin(self._connection, STEP_S)  # for the step before this is over
        return step

    def close(self) -> None:
        """Let go of all that was held; the server calls it, however the sending ended."""
        if self._connection is not None:
            PATIENCE.end(self._connection)
        self._held.close()


def _bound_other(req: falcon.Request) -> None:
    """Refuse the body of another POST that is longer than MAX_OTHER, or does not state its length.

    Raises:
        falcon.HTTPLengthRequired, falcon.HTTPContentTooLarge
    """
    if req.content_length is None:
        if req.get_header("Transfer-Encoding"):
            raise falcon.HTTPLengthRequired(description="a request states its length here")
        return
    if req.content_length > MAX_OTHER:
        raise falcon.HTTPContentTooLarge(description=f"at most {MAX_OTHER} bytes are taken here")


def pieces(req: falcon.Request, visitor: Visitor) -> Generator[bytes, None, None]:
    """The octets of the request's body, MAX_DRAINED at most; raises as `Sync._receive`."""
    announced = req.content_length
    if announced is None:
        # Only a server that knows where a chunked body ends may be read to its end.
        if not (req.env.get("wsgi.input_terminated") and req.get_header("Transfer-Encoding")):
            raise falcon.HTTPLengthRequired(description="a sync request says how long it is")
        announced = MAX_DRAINED
    end, connection, came = min(announced, MAX_DRAINED), connection_of(req), 0
    while came < end:
        step = min(came + STEP, end)
        with PATIENCE.over(connection, STEP_S):
            while came < step:
                octets = _next(req, visitor, min(PIECE, step - came))
                if not octets:
                    break
                came += len(octets)
                visitor.moved += len(octets)
                yield octets
        if came < step:
            break
    if req.content_length is not None and came < end:
        raise falcon.HTTPBadRequest(description=f"the body ends after {came} of {announced} bytes")


def _next(req: falcon.Request, visitor: Visitor, size: int) -> bytes:
    """The next octets of the body, at most `size`; empty at its end."""
    try:
        octets: bytes = req.stream.read(size)
    except (
        Exception
    ) as exc:  # each server has errors of its own for a chunk without a size, or a client that left
        visitor.check()
        raise falcon.HTTPBadRequest(description=f"the body cannot be read: {type(exc).__name__}") from exc
    visitor.check()
    return octets


def login_of(req: falcon.Request) -> bytes:
    """The line of the login card in a cookie; empty: there is none.

    Stock from 2.27 on sends it so to servers that announce such a version, and libfossil to all. Source: Fossil 2.29,
    src/http.c http_build_header(), src/cgi.c; libfossil, src/xfer.c.
    """
    for value in req.get_cookie_values(LOGIN_COOKIE) or []:
        if len(value) <= MAX_LOGIN_COOKIE:
            return unquote_to_bytes(value.replace("+", " ")).strip() + b"\n"
    return b""


def connection_of(req: falcon.Request) -> socket.socket | None:
    """Where the request came in; None: this is not gunicorn."""
    connection = req.env.get("gunicorn.socket")
    return connection if isinstance(connection, socket.socket) else None
