"""Sync requests: every POST whose content type begins with application/x-fossil, whatever its path.

    octets off the wire, bounded ─> cards/body, bounded ─> login ─> a Round in one transaction ─> commit ─> reply
                                                                     └ pushed: zone/publish, clusters

What large requests cost in memory and time is bounded by web/room, slow clients by web/patience.

What people should read goes out as 200 with an error card: a stock client shows that, and of any other status only
the number. Each reply has its length, since stock 2.21 takes a chunked one for an empty repository.
Source: Fossil 2.21, src/http.c http_exchange(), src/cgi.c cgi_init().
"""

import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from io import SEEK_END
from typing import IO, Final, Self

import falcon

from xferzone.cards.body import COMPRESSED, DEBUG, UNCOMPRESSED, expand_body, is_xfer, stated_size, write_body
from xferzone.errors import Busy, PeerError, XferzoneError
from xferzone.hashing import short
from xferzone.publish import policy
from xferzone.publish.publish import publish
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.store import Reader
from xferzone.sync.server.budget import Budget, TooLarge
from xferzone.sync.server.login import Rights, authenticate, claimed_login
from xferzone.sync.server.reply import Reply, failure
from xferzone.sync.server.round import Round, Terms, may_write
from xferzone.web.deadlines import PATIENCE, STEP, STEP_S
from xferzone.web.limits import SMALL, Room
from xferzone.web.metrics import Metrics
from xferzone.web.repository import Repository

MAX_WIRE: Final = 64 * 1024 * 1024  # bytes of a request as it travels; architecture.md 7
MAX_BODY: Final = 2 * MAX_WIRE  # bytes of it when expanded: an artifact and all names fit
MAX_DRAINED: Final = 4 * MAX_WIRE  # bytes read and dropped, so that the client still hears why

_SHOWN: Final = 100  # letters of a login in the log

log = logging.getLogger(__name__)


class Sync:
    """Falcon middleware that answers sync requests before any route is looked at; routes see GET and HEAD only."""

    def __init__(self, repository: Repository, metrics: Metrics, budget: Budget) -> None:
        self._repository = repository
        self._metrics = metrics
        self._budget = budget
        self._room = Room(repository.path)

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.method in ("GET", "HEAD"):
            return
        content_type = req.content_type or ""
        if req.method != "POST":
            raise falcon.HTTPMethodNotAllowed(["GET", "HEAD", "POST"])
        if not is_xfer(content_type):
            raise falcon.HTTPUnsupportedMediaType(description=f"only {COMPRESSED} is taken here")
        began = time.monotonic()
        with contextlib.ExitStack() as held:
            out = held.enter_context(self._room.file())
            reply, came = self._exchange(req, content_type, out, held)
            resp.content_type = _reply_type(content_type, reply)
            resp.content_length = went = out.seek(0, SEEK_END)
            resp.stream = _Sending(out, _connection(req), held.pop_all())
        resp.complete = True
        seconds = time.monotonic() - began
        self._metrics.count(reply, came, went, seconds)
        _log(reply, came, went, seconds)

    def _exchange(
        self, req: falcon.Request, content_type: str, out: IO[bytes], held: contextlib.ExitStack
    ) -> tuple[Reply, int]:
        """The reply, written to `out`, and how many bytes came; what is held until it is sent goes to `held`."""
        came = 0
        try:
            held.enter_context(self._room.place())
            with self._room.file() as raw:
                came = _receive(req, raw)
                if came > MAX_WIRE:
                    raise PeerError(f"a request of over {MAX_WIRE} bytes: send less at a time")
                return self._reply(content_type, raw, out), came
        except PeerError as exc:
            reply = failure("refused", str(exc))
        except Busy:
            reply = failure("busy", "the repository is busy: try again")
        except XferzoneError as exc:
            log.error("xfer cannot be answered: %s", exc)
            reply = failure("failed", "this server cannot read its repository: tell its administrator")
        except OSError as exc:
            log.error("xfer cannot be answered, for want of a file: %s", exc)
            reply = failure("failed", "this server has no room for the request: tell its administrator")
        out.seek(0)
        out.truncate()
        write_body(_reply_type(content_type, reply), reply.pieces, out)
        return reply, came

    def _reply(self, content_type: str, raw: IO[bytes], out: IO[bytes]) -> Reply:
        """The reply to the body in `raw`, written to `out`; in the room, if it needs that."""
        if max(raw.seek(0, SEEK_END), stated_size(content_type, raw)) <= SMALL:
            with contextlib.suppress(TooLarge):
                return self._round(content_type, raw, out, replace(self._budget, artifact=SMALL))
        with self._room.alone():
            return self._round(content_type, raw, out, self._budget)

    def _round(self, content_type: str, raw: IO[bytes], out: IO[bytes], budget: Budget) -> Reply:
        with self._room.file() as expanded:
            as_it_came = expand_body(content_type, raw, expanded, limit=MAX_BODY)
            text = raw if as_it_came else expanded
            store = self._repository.store()
            with store.reader() as reader:
                rights = authenticate(reader, text)
            if rights is None:
                failed = replace(failure("error", "login failed"), login=claimed_login(text))
                return self._written(failed, content_type, out)
            if not may_write(text, rights):
                with self._room.seat(), store.reader() as reader:
                    round_ = Round(reader, text, self._terms(reader, rights, budget))
                    round_.receive()
                    return self._written(round_.finish(), content_type, out)
            with store.writer() as writer:
                round_ = Round(writer, text, self._terms(writer, rights, budget))
                round_.receive()
                notices: Sequence[str] = ()
                if round_.pushed:
                    occasion = Occasion(time.time_ns() // 1_000_000, rights.login, Door.PUSH)
                    notices = publish(writer, LocalRefs(writer), occasion)
                    if round_.has_all:
                        writer.make_clusters()
                reply = round_.finish(notices)
        with self._room.seat():
            return self._written(reply, content_type, out)

    def _written(self, reply: Reply, content_type: str, out: IO[bytes]) -> Reply:
        """The reply without its text, which goes to `out`."""
        write_body(_reply_type(content_type, reply), reply.pieces, out)
        return replace(reply, pieces=())

    def _terms(self, reader: Reader, rights: Rights, budget: Budget) -> Terms:
        refs = LocalRefs(reader)
        return Terms(rights, budget, lambda content: policy.refusal(reader, refs, content), refs)


class _Sending:
    """A reply's octets in steps, each of which the client must take in time."""

    def __init__(
        self, octets: IO[bytes], connection: socket.socket | None, held: contextlib.ExitStack
    ) -> None:
        octets.seek(0)
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


def _receive(req: falcon.Request, raw: IO[bytes]) -> int:
    """Write the octets of the request's body to `raw`; how many came.

    Over MAX_WIRE they are read to the end and dropped.

    Raises:
        falcon.HTTPLengthRequired: nobody knows where it ends.
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


def _reply_type(content_type: str, reply: Reply) -> str:
    """A reply goes as its request came, except for a clone, whose artifacts are compressed one by one."""
    asked = content_type.partition(";")[0].strip().lower()
    if reply.as_clone or asked == UNCOMPRESSED:
        return UNCOMPRESSED
    return DEBUG if asked == DEBUG else COMPRESSED


def _log(reply: Reply, came: int, went: int, seconds: float) -> None:
    for artifact in reply.damaged:
        log.error("artifact %s is damaged and was not sent: `xferzone check` says more", short(artifact))
    # A clone begins with a round that is refused, since stock sends no login in it.
    refused = reply.outcome != "ok" and reply.kind != "clone"
    log.log(
        logging.INFO if reply.received or reply.sent or refused else logging.DEBUG,
        "xfer kind=%s outcome=%s user=%s received=%d sent=%d bytes_in=%d bytes_out=%d ms=%.1f%s",
        reply.kind,
        reply.outcome,
        # Of a login that failed, the name is anything that somebody sent.
        reply.login if reply.login.isalnum() and reply.login.isascii() else ascii(reply.login[:_SHOWN]),
        reply.received,
        reply.sent,
        came,
        went,
        1000 * seconds,
        f" why={reply.why!r}" if reply.why else "",
    )
