"""Sync requests: every POST whose content type is xfer's, whatever its path.

    octets off the wire, bounded ─> exchange.answer ─> the reply's octets, in steps

Everything else goes to falcon's routes. What large requests cost in memory is bounded by exchange/room.py, slow clients
by deadlines.py. Each reply has its length, since stock 2.21 takes a chunked one for an empty repository.
Source: Fossil 2.21, src/http.c http_exchange(), src/cgi.c cgi_init().
"""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Final, Self

import falcon

from xferzone.cards.body import is_xfer
from xferzone.errors import PeerError, XferzoneError
from xferzone.exchange import Reply, Terms
from xferzone.exchange.answer import MAX_WIRE, refusal
from xferzone.store import Store
from xferzone.transport import Body
from xferzone.web.deadlines import PATIENCE, STEP, STEP_S
from xferzone.web.limits import Admission
from xferzone.web.repository import Repository

MAX_DRAINED: Final = 4 * MAX_WIRE  # bytes read and dropped, so that the client still hears why
MAX_OTHER: Final = 1024 * 1024  # bytes of the body of a POST that is not xfer's

#: What makes replies: exchange.answer, or an embedder's own.
Answer = Callable[[Store, Body, Terms], Reply]


class Sync:
    """Falcon middleware that answers sync requests before any route is looked at."""

    def __init__(self, repository: Repository, terms: Terms, answer: Answer) -> None:
        self._repository = repository
        self._terms = terms
        self._answer = answer
        self._admission = Admission()

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.method != "POST":
            return
        if not is_xfer(req.content_type or ""):
            _bound_other(req)
            return
        with contextlib.ExitStack() as held:
            reply = self._exchange(req, held)
            resp.content_type = reply.body.content_type
            resp.content_length = reply.size
            resp.stream = _Sending(reply.body.octets, _connection(req), held.pop_all())
        resp.complete = True

    def _exchange(self, req: falcon.Request, held: contextlib.ExitStack) -> Reply:
        """The reply; what is held until it is sent goes to `held`."""
        content_type = req.content_type or ""
        terms = replace(self._terms, remote=req.remote_addr or "")
        came = 0
        try:
            held.enter_context(self._admission.admitted())
            with self._terms.room.file() as raw:
                came = _receive(req, raw)
                if came > MAX_WIRE:
                    raise PeerError(f"a request of over {MAX_WIRE} bytes: send less at a time")
                reply = self._answer(self._repository.store(), Body(content_type, raw), terms)
        except (XferzoneError, OSError) as exc:
            reply = refusal(exc, content_type, came, terms)
        held.enter_context(reply.body)
        return reply


class _Sending:
    """A reply's octets in steps, each of which the client must take in time."""

    def __init__(
        self, octets: IO[bytes], connection: socket.socket | None, held: contextlib.ExitStack
    ) -> None:
        self._octets = octets
        self._connection = connection
        self._held = held

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        step = self._octets.read(STEP)
        if not step:
            raise StopIteration
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


def _receive(req: falcon.Request, raw: IO[bytes]) -> int:
    """Write the octets of the request's body to `raw`; how many came.

    Over MAX_WIRE they are read to the end and dropped.

    Raises:
        falcon.HTTPLengthRequired: its end is unknown.
        falcon.HTTPBadRequest: it ends before the length that was announced.
    """
    announced = req.content_length
    if announced is None:
        # Only a server that knows where a chunked body ends may be read to its end.
        if not (req.env.get("wsgi.input_terminated") and req.get_header("Transfer-Encoding")):
            raise falcon.HTTPLengthRequired(description="a sync request says how long it is")
        announced = MAX_DRAINED
    came, connection = 0, _connection(req)
    while came < min(announced, MAX_DRAINED):
        with PATIENCE.over(connection, STEP_S):
            octets = _next(req, min(STEP, announced - came))
        if not octets:
            break
        came += len(octets)
        if came <= MAX_WIRE:
            raw.write(octets)
    if req.content_length is not None and came < min(announced, MAX_DRAINED):
        raise falcon.HTTPBadRequest(description=f"the body ends after {came} of {announced} bytes")
    return came


def _next(req: falcon.Request, size: int) -> bytes:
    """The next octets of the body, at most `size`; empty at its end."""
    try:
        octets: bytes = req.stream.read(size)
    except (
        Exception
    ) as exc:  # each server has errors of its own for a chunk without a size, or a client that left
        raise falcon.HTTPBadRequest(description=f"the body cannot be read: {type(exc).__name__}") from exc
    return octets


def _connection(req: falcon.Request) -> socket.socket | None:
    """Where the request came in; None: this is not gunicorn."""
    connection = req.env.get("gunicorn.socket")
    return connection if isinstance(connection, socket.socket) else None
