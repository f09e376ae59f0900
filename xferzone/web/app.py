"""The falcon app of one repository.

*    /v0/...                        web/replicate, for mirrors
POST, type application/x-fossil*    web/xfer, at any other path
GET  /                              what this is
GET, POST .../login .../invite      web/owners, at any path
GET  /healthz /readyz               web/health; other names: /health, /ready and /status
GET  /metrics                       web/metrics
else                                404 for GET, 415 for POST, 405
"""

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import falcon

from xferzone import exchange, metrics
from xferzone.counters import Counters
from xferzone.exchange import Terms
from xferzone.exchange.room import Room
from xferzone.observer import Several
from xferzone.observer.counting import Counting
from xferzone.observer.log import Log
from xferzone.store import Store
from xferzone.store.database import CACHE_SIZE
from xferzone.web.health import Healthz, Readyz
from xferzone.web.limits import THREADS, Places
from xferzone.web.metrics import MetricsPage
from xferzone.web.owners import PATH, OwnersPages
from xferzone.web.pages.front import Front, elsewhere
from xferzone.web.replicate import Apart, Ours, Walk, add_walk, as_json, unexpected
from xferzone.web.repository import Repository
from xferzone.web.targets import is_walk
from xferzone.web.xfer import Answer, Sync

log, xfer_log = logging.getLogger(__name__), logging.getLogger("xferzone.web.xfer")


# many: an embedder names each of those that it gives
def create_app(
    repository: Path | Store,
    terms: Terms | None = None,
    answer: Answer = exchange.answer,
    counters: Counters | None = None,
    *,
    threads: int = THREADS,
    apart: Collection[tuple[str, int]] = (),
    cache: int = CACHE_SIZE,
) -> falcon.App[falcon.Request, falcon.Response]:
    """The app that serves `repository`; a path is opened by the first request, so that each process has its own.

    Args:
        terms: budget, clock and observer of sync requests; None: stock's budget. The log and the counters of /metrics
            observe besides.
        answer: makes the replies.
        counters: what /metrics shows, shared with other processes of the server; None: this app's alone.
        apart: host and port of the listeners, of this server's, that alone answer mirrors, and nothing else; none: all
            do, besides.
        cache: bytes of expanded contents that this process keeps; of a store that is given, its own bound counts.
        threads: how many requests the server answers at once in this process; see web/limits.py.
    """
    shared, counters = Repository(repository, cache), counters or Counters(metrics.SIZE)
    terms = terms or Terms(room=Room.beside(shared.path))
    watching = Several(observed_log(), Counting(counters, shared.looked), terms.observer)
    places = Places(counters, threads)
    app = falcon.App(middleware=[Ours()])
    if apart:
        app.add_middleware(Apart(apart))
    app.add_middleware(Sync(shared, replace(terms, observer=watching), answer, places))
    app.add_route("/", Front())
    for path in ("/healthz", "/health"):
        app.add_route(path, Healthz())
    for path in ("/readyz", "/ready", "/status"):
        app.add_route(path, Readyz(shared, counters))
    app.add_route("/metrics", MetricsPage(shared, counters))
    app.add_sink(elsewhere)
    app.add_sink(OwnersPages(shared, terms, places), PATH)
    add_walk(app, Walk(shared, places, counters, room=terms.room))
    return with_errors(app)


def observed_log() -> Log:
    """The observer that logs sync requests."""
    return Log(xfer_log)


def with_errors(
    app: falcon.App[falcon.Request, falcon.Response],
) -> falcon.App[falcon.Request, falcon.Response]:
    """The same, which says what goes wrong in plain text, and in JSON to mirrors."""
    app.add_error_handler(Exception, _unexpected)
    app.set_error_serializer(_told)
    return app


def _told(req: falcon.Request, resp: falcon.Response, exc: falcon.HTTPError) -> None:
    if is_walk(req.path):
        as_json(req, resp, exc)
        return
    resp.content_type = falcon.MEDIA_TEXT
    resp.data = f"{exc.title}{': ' if exc.description else ''}{exc.description or ''}\n".encode()


def _unexpected(req: falcon.Request, resp: falcon.Response, exc: Exception, _params: object) -> None:
    if is_walk(req.path):
        unexpected(req, resp, exc, _params)
        return
    log.error("%s %s failed", req.method, req.path, exc_info=exc)
    resp.status = falcon.HTTP_500
    resp.content_type = falcon.MEDIA_TEXT
    resp.data = b"Something went wrong here; the server's log says what.\n"
