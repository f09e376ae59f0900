"""Sync requests: every POST whose content type begins with application/x-fossil, whatever its path.

    octets off the wire, bounded ─> cards/body, bounded ─> login ─> a Round in one transaction ─> commit ─> reply
                                                                     └ pushed: zone/publish, clusters

What people should read goes out as 200 with an error card: a stock client shows that, and of any other status only
the number. Each reply has its length, since stock 2.21 takes a chunked one for an empty repository.
Source: Fossil 2.21, src/http.c http_exchange(), src/cgi.c cgi_init().
"""

import logging
import time
from collections.abc import Sequence
from io import BytesIO
from typing import Final

import falcon

from xferzone.cards.body import DEBUG, FRAMED, UNCOMPRESSED, decode_body, encode_body, is_xfer
from xferzone.errors import Busy, PeerError, XferzoneError
from xferzone.refs import LocalRefs
from xferzone.store import Reader
from xferzone.sync.budget import Budget
from xferzone.sync.login import Rights, authenticate
from xferzone.sync.reply import Reply, failure
from xferzone.sync.server import Round, Terms, may_write
from xferzone.web.metrics import Metrics
from xferzone.web.repository import Repository
from xferzone.zone import policy
from xferzone.zone.publish import publish

MAX_WIRE: Final = 64 * 1024 * 1024  # bytes of a request as it travels; architecture.md 7
MAX_BODY: Final = (
    2 * MAX_WIRE
)  # bytes of it when expanded: an artifact and all names fit; a worker stays below 300 MB
MAX_DRAINED: Final = 4 * MAX_WIRE  # bytes read and dropped, so that the client still hears why
_STEP: Final = 1024 * 1024  # bytes read at a time

log = logging.getLogger(__name__)


class Sync:
    """Falcon middleware that answers sync requests before any route is looked at; routes see GET and HEAD only."""

    def __init__(self, repository: Repository, metrics: Metrics, budget: Budget) -> None:
        self._repository = repository
        self._metrics = metrics
        self._budget = budget

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.method in ("GET", "HEAD"):
            return
        content_type = req.content_type or ""
        if req.method != "POST":
            raise falcon.HTTPMethodNotAllowed(["GET", "HEAD", "POST"])
        if not is_xfer(content_type):
            raise falcon.HTTPUnsupportedMediaType(description=f"only {FRAMED} is taken here")
        began = time.monotonic()
        raw = _read(req)
        reply = self._reply(content_type, raw)
        resp.content_type = _reply_type(content_type, reply)
        resp.data = encode_body(resp.content_type, reply.cards)
        resp.complete = True
        seconds = time.monotonic() - began
        self._metrics.count(reply, len(raw or b""), len(resp.data), seconds)
        _log(reply, len(raw or b""), len(resp.data), seconds)

    def _reply(self, content_type: str, raw: bytes | None) -> Reply:
        try:
            if raw is None:
                raise PeerError(f"a request of over {MAX_WIRE} bytes: send less at a time")
            return self._answer(decode_body(content_type, raw, limit=MAX_BODY))
        except PeerError as exc:
            return failure("refused", str(exc))
        except Busy:
            return failure("busy", "the repository is busy: try again")
        except XferzoneError as exc:
            log.error("xfer cannot be answered: %s", exc)
            return failure("failed", "this server cannot read its repository: tell its administrator")

    def _answer(self, body: bytes) -> Reply:
        store = self._repository.store()
        with store.reader() as reader:
            rights = authenticate(reader, body)
            if rights is None:
                return failure("error", "login failed")
            if not may_write(body, rights):
                round_ = Round(reader, body, self._terms(reader, rights))
                round_.receive()
                return round_.finish()
        with store.writer() as writer:
            round_ = Round(writer, body, self._terms(writer, rights))
            round_.receive()
            notices: Sequence[str] = ()
            if round_.pushed:
                notices = publish(writer, LocalRefs(writer), time.time_ns() // 1_000_000)
                if round_.has_all:
                    writer.make_clusters()
            return round_.finish(notices)

    def _terms(self, reader: Reader, rights: Rights) -> Terms:
        refs = LocalRefs(reader)
        return Terms(rights, self._budget, lambda content: policy.refusal(reader, refs, content), refs)


def _read(req: falcon.Request) -> bytes | None:
    """The octets of the request's body; None: more than MAX_WIRE, read to the end and dropped.

    Raises:
        falcon.HTTPBadRequest: it ends before the length that was announced.
    """
    announced = req.content_length
    if announced is None:
        # Without a length only a server that knows where a chunked body ends may be read to its end.
        announced = MAX_DRAINED if req.env.get("wsgi.input_terminated") else 0
    kept, came = BytesIO(), 0
    while came < min(announced, MAX_DRAINED):
        octets = _next(req, min(_STEP, announced - came))
        if not octets:
            break
        came += len(octets)
        if came <= MAX_WIRE:
            kept.write(octets)
    if req.content_length is not None and came < min(announced, MAX_DRAINED):
        raise falcon.HTTPBadRequest(description=f"the body ends after {came} of {announced} bytes")
    return kept.getvalue() if came <= MAX_WIRE else None


def _next(req: falcon.Request, size: int) -> bytes:
    """The next octets of the body, at most `size`; empty at its end."""
    try:
        octets: bytes = req.stream.read(size)
    except (
        Exception
    ) as exc:  # each server has errors of its own for a chunk without a size, or a client that left
        raise falcon.HTTPBadRequest(description=f"the body cannot be read: {type(exc).__name__}") from exc
    return octets


def _reply_type(content_type: str, reply: Reply) -> str:
    """A reply goes as its request came, except for a clone, whose artifacts are compressed one by one."""
    asked = content_type.partition(";")[0].strip().lower()
    if reply.as_clone or asked == UNCOMPRESSED:
        return UNCOMPRESSED
    return DEBUG if asked == DEBUG else FRAMED


def _log(reply: Reply, came: int, went: int, seconds: float) -> None:
    # A clone begins with a round that is refused, since stock sends no login in it.
    refused = reply.outcome != "ok" and reply.kind != "clone"
    log.log(
        logging.INFO if reply.received or reply.sent or refused else logging.DEBUG,
        "xfer kind=%s outcome=%s user=%s received=%d sent=%d bytes_in=%d bytes_out=%d ms=%.1f%s",
        reply.kind,
        reply.outcome,
        reply.login,
        reply.received,
        reply.sent,
        came,
        went,
        1000 * seconds,
        f" why={reply.why!r}" if reply.why else "",
    )
