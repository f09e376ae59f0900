"""For monitoring: is the server alive, can it serve, what has it done.

/healthz    200 while requests are answered
/readyz     200, or 503, and by check "ok" or the reason: db, migrations
/metrics    the counters, and how many refs are published
"""

import json
import logging
from typing import Final

import falcon
from prometheus_client import CollectorRegistry

from xferzone.errors import NewerSchema, NotFound, XferzoneError
from xferzone.refs import LocalRefs
from xferzone.web.metrics import CONTENT_TYPE, exposition
from xferzone.web.repository import Repository

_OK: Final = "ok"
_UNKNOWN: Final = "unknown"

log = logging.getLogger(__name__)


class Healthz:
    """GET /healthz"""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        _answer(resp, {"status": _OK})

    on_head = on_get


class Readyz:
    """GET /readyz"""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        checks = self._checks()
        ready = all(found == _OK for found in checks.values())
        resp.status = falcon.HTTP_200 if ready else falcon.HTTP_503
        _answer(resp, {"status": _OK if ready else "not ready", "checks": checks})

    on_head = on_get

    def _checks(self) -> dict[str, str]:
        try:
            store = self._repository.store()
        except NotFound:
            return {"db": "the repository file is not there", "migrations": _UNKNOWN}
        except NewerSchema as exc:
            return {"db": _OK, "migrations": self._without_path(exc)}
        except XferzoneError as exc:
            return {"db": self._without_path(exc), "migrations": _UNKNOWN}
        try:
            with store.reader() as reader:
                _ = reader.project_code
        except Exception as exc:  # noqa: BLE001 - whatever keeps us from reading is the answer
            log.warning("not ready: %s", exc)
            return {"db": f"it cannot be read: {type(exc).__name__}", "migrations": _OK}
        return {"db": _OK, "migrations": _OK}

    def _without_path(self, exc: XferzoneError) -> str:
        return str(exc).replace(str(self._repository.path), "the repository")


class MetricsPage:
    """GET /metrics"""

    def __init__(self, repository: Repository, registry: CollectorRegistry) -> None:
        self._repository = repository
        self._registry = registry

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = CONTENT_TYPE
        resp.data = exposition(self._registry) + self._refs()

    on_head = on_get

    def _refs(self) -> bytes:
        try:
            with self._repository.store().reader() as reader:
                count = len(LocalRefs(reader).list())
        except XferzoneError:
            return b""  # /readyz says why
        name = b"xferzone_refs_published"
        return b"# HELP %s Branches of zones that are published\n# TYPE %s gauge\n%s %d\n" % (
            name,
            name,
            name,
            count,
        )


def _answer(resp: falcon.Response, found: dict[str, object]) -> None:
    resp.content_type = falcon.MEDIA_JSON
    resp.data = json.dumps(found).encode() + b"\n"
