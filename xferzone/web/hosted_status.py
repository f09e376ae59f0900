"""What the operator of a server of many is told, at addresses of its own: never where customers are.

/healthz    200 while requests are answered
/readyz     200, or 503: the directory can be read, and DNS answers where it runs beside; other names: /ready and
            /status. Also how many repositories there are, and why some cannot be served
/metrics    the counters of the server, and those of each repository
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import falcon

from xferzone import metrics, root
from xferzone.counters import Counters
from xferzone.errors import CannotServe
from xferzone.web.app import with_errors
from xferzone.web.health import Healthz
from xferzone.web.hosted_counts import Counts

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_TOLD: Final = 1_000  # repositories that cannot be served, told one by one


@dataclass(frozen=True, slots=True)
class Operated:
    """What is told of: the directory, counters of the server and by repository, and the file that DNS writes.

    `told`: what DNS says is not served, a list of lines; None: there is none.
    """

    root: Path
    counters: Counters
    counts: Counts
    told: Path | None = None


def create_status(operated: Operated, sick: Callable[[], Mapping[str, str]]) -> "WSGIApplication":
    """The app; `sick`: tells why repositories cannot be served, by name."""
    app = falcon.App()
    for path in ("/healthz", "/health"):
        app.add_route(path, Healthz())
    for path in ("/readyz", "/ready", "/status"):
        app.add_route(path, _Status(operated, sick))
    app.add_route("/metrics", _Metrics(operated.counters, operated.counts))
    return with_errors(app)


class _Status:
    """GET /readyz"""

    def __init__(self, operated: Operated, sick: Callable[[], Mapping[str, str]]) -> None:
        self._operated = operated
        self._counters = operated.counters
        self._sick = sick

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        checks, count = {"directory": "ok"}, 0
        try:
            count = len(root.names(self._operated.root))
        except CannotServe as exc:
            checks["directory"] = str(exc)
        if self._counters.expected:
            checks["dns"] = self._counters.missing() or "ok"
        is_ready = set(checks.values()) == {"ok"}
        sick = dict(sorted(self._sick().items())[:MAX_TOLD])
        resp.status = falcon.HTTP_200 if is_ready else falcon.HTTP_503
        resp.content_type = falcon.MEDIA_JSON
        told = {"status": "ok" if is_ready else "not ready", "checks": checks, "repositories": count}
        resp.data = json.dumps(told | {"not_served": sick} | self._dns()).encode() + b"\n"

    on_head = on_get

    def _dns(self) -> dict[str, object]:
        """What DNS does not serve, a line each; nothing where it does not run beside."""
        if not self._counters.expected or self._operated.told is None:
            return {}
        try:
            return {"dns_not_served": json.loads(self._operated.told.read_text())}
        except (OSError, ValueError):
            return {"dns_not_served": []}


class _Metrics:
    """GET /metrics"""

    def __init__(self, counters: Counters, counts: Counts) -> None:
        self._counters = counters
        self._counts = counts

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        sums = self._counters.sums()
        zones = metrics.of_zones(sums, self._counters.names())
        lines = chain(metrics.exposition(sums), zones, self._counts.exposition())
        resp.content_type = metrics.CONTENT_TYPE
        resp.data = "".join(f"{line}\n" for line in lines).encode()

    on_head = on_get
