"""The walk on HTTP: everything below /v0. What it answers is replicate/server.py's; here it gets places, bounds, time.

    a request ─> a place ─> its body, bounded ─> respond ─> the reply's octets, in steps
                                                    |
               nothing new, `Prefer: wait=SECONDS`  +─> the place is given back until there is

    the main app          a sink below /v0; or that only at addresses of its own (Apart)
    create_app            /v0 and /healthz alone, for programs that mount it

A target goes on as it was sent: what is signed is not what servers on the way make of "//" or "%2F".
"""

import json
import logging
import re
from collections.abc import Collection
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

import falcon

from xferzone import metrics
from xferzone.counters import Counters
from xferzone.errors import Busy, XferzoneError
from xferzone.exchange.room import SMALL, Room
from xferzone.logline import REPOSITORY
from xferzone.replicate.server import Terms, TooManyWait, current, most, refusal, respond
from xferzone.replicate.signing import Token
from xferzone.store import Store
from xferzone.transport.base import OURS
from xferzone.transport.walk import WalkReply, WalkRequest
from xferzone.web.health import Healthz
from xferzone.web.limits import THREADS, Places, Visitor
from xferzone.web.repository import Repository
from xferzone.web.targets import is_walk, target_of
from xferzone.web.waiting import ENDING, MAX_WAIT_S, Crowded, Threads, Waiting
from xferzone.web.walked import Sending, Walked
from xferzone.web.xfer import connection_of, pieces

RETRY_S: Final = 10  # seconds after which one that found too many waiting may ask to wait again
BUSY_S: Final = 1  # seconds after which one that found no place may come again
_PREFIX: Final = re.compile(r"/v0(?:/|$)")  # falcon looks for it
_HEALTH: Final = ("/healthz", "/health")

log = logging.getLogger(__name__)


def create_app(
    repository: Path | Store,
    terms: Terms | None = None,
    counters: Counters | None = None,
    *,
    threads: int = THREADS,
) -> "falcon.App[falcon.Request, falcon.Response]":
    """The app that answers mirrors of `repository`, and nobody else; the arguments are as in web.app.create_app."""
    shared, counters = Repository(repository), counters or Counters(metrics.SIZE)
    app = falcon.App(middleware=[Ours()])
    add_walk(app, Walk(shared, Places(counters, threads), counters, terms))
    app.add_route(_HEALTH[0], Healthz())
    app.add_error_handler(Exception, unexpected)
    app.set_error_serializer(as_json)
    return app


def add_walk(app: "falcon.App[falcon.Request, falcon.Response]", walk: "Walk") -> None:
    """Let `walk` answer all that is below /v0."""
    app.add_sink(walk, _PREFIX)


class Walk:
    """Falcon's sink for everything below /v0."""

    # many: an app names each of those that it shares
    def __init__(
        self,
        repository: Repository,
        places: Places,
        counters: Counters,
        terms: Terms | None = None,
        room: Room | None = None,
        threads: Threads | None = None,
    ) -> None:
        """
        Args:
            room: for large bodies; None: one of its own.
            threads: that may wait for news, shared with others; None: its own.
        """
        self._repository = repository
        self._places = places
        self._counters = counters
        self._terms = terms or Terms("")
        self._room = room or Room.beside(repository.path)
        self._waiting = Waiting(repository.path, lambda: current(repository.store()), threads)

    def __call__(self, req: falcon.Request, resp: falcon.Response, **_fields: object) -> None:
        """Answer.

        Raises:
            falcon.HTTPError: no place; a body that is not taken; a repository that cannot be served.
        """
        target = target_of(req)
        with ExitStack() as held:
            walked = held.enter_context(Walked(target, req.remote_addr or "", self._counters))
            if not is_walk(target):  # its path was decoded or straightened on the way
                raise falcon.HTTPNotFound(description="paths of the walk are sent as they are, not escaped")
            try:
                visitor = held.enter_context(
                    self._places.place(walked.remote, connection_of(req), REPOSITORY.get())
                )
                reply = self._reply(req, target, walked, visitor)
            except (XferzoneError, OSError) as exc:
                raise _unavailable(exc) from exc
            held.enter_context(closing(reply.body))
            walked.status = reply.status
            resp.status = falcon.code_to_http_status(reply.status)
            # Each server has a Date of its own.
            resp.set_headers({name: value for name, value in reply.headers.items() if name != "date"})
            if req.method != "HEAD" and reply.status not in (204, 304):
                visitor.sends(0)
                resp.stream = Sending(reply.body, walked, visitor, connection_of(req), held.pop_all())

    def _reply(self, req: falcon.Request, target: str, walked: Walked, visitor: Visitor) -> WalkReply:
        headers = {name.lower(): value for name, value in req.headers.items() if name != "HOST"}
        waited: list[int] = []

        def wait(etag: str, seconds: float) -> None:
            waited.append(min(int(seconds), MAX_WAIT_S))
            try:
                with visitor.away():
                    self._waiting.wait(etag, waited[0], connection_of(req), req.env.get(ENDING))
            except Crowded as exc:
                raise TooManyWait(RETRY_S) from exc

        host, is_secure = req.get_header("Host") or "", req.scheme == "https"
        guesser = self._places.brake.guesser(walked.remote, REPOSITORY.get())
        terms = replace(self._terms, host=host, is_secure=is_secure, waiting=wait, guesser=guesser)
        reply = self._answer(req, WalkRequest(req.method, target, headers), terms, walked, visitor)
        if "authorization" in headers and reply.status not in (401, 403, 429):
            visitor.know()
            token = Token.parse(headers["authorization"])
            walked.login = token.login if token is not None else ""
        if waited and reply.status in (200, 304):
            return replace(reply, headers={**reply.headers, "preference-applied": f"wait={waited[0]}"})
        return reply

    # many: what belongs to one request
    def _answer(
        self, req: falcon.Request, request: WalkRequest, terms: Terms, walked: Walked, visitor: Visitor
    ) -> WalkReply:
        """The reply, to what the body is read for."""
        size = 0
        if req.method == "POST":
            size = _size(req, most(request.target))
            if size > SMALL:  # nobody's but a fellow's
                if (no := refusal(self._repository.store(), request, terms)) is not None:
                    return no
                visitor.know()
        with self._room.file() as raw:
            for octets in pieces(req, visitor) if req.method == "POST" else ():
                raw.write(octets)
            walked.bytes_in = raw.tell()
            raw.seek(0)
            visitor.received()
            with self._room.alone(visitor, size) if size > SMALL else nullcontext():
                whole = replace(request, body=raw.read())
                return respond(self._repository.store(), whole, terms)


class Apart:
    """Middleware: the walk is answered at some addresses alone, and nothing but it there."""

    def __init__(self, addresses: Collection[tuple[str, int]]) -> None:
        self._addresses = {(host, str(port)) for host, port in addresses}

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Raises falcon.HTTPNotFound."""
        # gunicorn names the listener that accepted the connection, whatever the Host header says.
        is_there = (req.env["SERVER_NAME"], req.env["SERVER_PORT"]) in self._addresses
        if is_there != is_walk(req.path) and not (is_there and req.path in _HEALTH):
            raise falcon.HTTPNotFound(description="mirrors have an address of their own here")


class Ours:
    """Middleware that says in every reply what kind of server this is: our clients then keep the connection open."""

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        resp.set_header(OURS, "1")


def as_json(_req: falcon.Request, resp: falcon.Response, exc: falcon.HTTPError) -> None:
    """Falcon's serializer of errors below /v0."""
    resp.content_type = falcon.MEDIA_JSON
    resp.data = json.dumps({"error": exc.description or exc.title}).encode() + b"\n"


def unexpected(req: falcon.Request, resp: falcon.Response, exc: Exception, _params: object) -> None:
    """Falcon's handler of errors that are bugs."""
    log.error("%s %s failed", req.method, req.path, exc_info=exc)
    as_json(req, resp, falcon.HTTPInternalServerError(description="this server's log says why"))
    resp.status = falcon.HTTP_500


def _unavailable(exc: XferzoneError | OSError) -> falcon.HTTPError:
    if isinstance(exc, Busy):
        return falcon.HTTPServiceUnavailable(description=str(exc), retry_after=BUSY_S)
    log.error("walk cannot be answered: %s", exc)
    return falcon.HTTPServiceUnavailable(
        description="this repository cannot be served: the server's log says why"
    )


def _size(req: falcon.Request, most_: int) -> int:
    """The length of a POST's body. Raises falcon.HTTPError: it is not stated, or too large."""
    if req.content_length is None:
        raise falcon.HTTPLengthRequired(description="a request states its length here")
    if req.content_length > most_:
        raise falcon.HTTPContentTooLarge(description=f"at most {most_} bytes are taken here")
    return req.content_length
