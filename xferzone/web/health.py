"""For monitoring: is the server alive, can it serve.

/healthz    200 while requests are answered
/readyz     200, or 503, and by check "ok" or the reason: db, migrations, mirror in one that is empty, and dns where DNS
            runs beside this server. In a member of a group also its state, which decides nothing: it answers whatever
            the group does
"""

import json
import logging
import os
from typing import Final

import falcon

from xferzone.counters import Counters
from xferzone.errors import NewerSchema, NotFound, XferzoneError
from xferzone.exchange.group.standing import of_role
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

    def __init__(self, repository: Repository, counters: Counters) -> None:
        self._repository = repository
        self._counters = counters

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        checks = self._checks() | self._dns()
        ready = all(found == _OK for found in checks.values())
        resp.status = falcon.HTTP_200 if ready else falcon.HTTP_503
        found: dict[str, object] = {"status": _OK if ready else "not ready", "checks": checks}
        _answer(resp, found | self._group())

    on_head = on_get

    def _group(self) -> dict[str, object]:
        try:
            with self._repository.store().reader() as reader:
                found = of_role(self._repository.path, reader.role)
        except XferzoneError:
            return {}  # the checks say why
        return {} if found is None else {"group": found.state}

    def _dns(self) -> dict[str, str]:
        return {"dns": self._counters.missing() or _OK} if self._counters.expected else {}

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
                if why := reader.emptiness:
                    return {"db": _OK, "migrations": _OK, "mirror": why}
                _ = reader.project_code
        except Exception as exc:  # noqa: BLE001 - whatever keeps us from reading is the answer
            log.warning("not ready: %s", exc)
            return {"db": f"it cannot be read: {type(exc).__name__}", "migrations": _OK}
        return {"db": _OK, "migrations": _OK}

    def _without_path(self, exc: XferzoneError) -> str:
        told = str(exc)
        for path in (os.path.realpath(self._repository.path), str(self._repository.path)):
            told = told.replace(path, "the repository")
        return told


def _answer(resp: falcon.Response, found: dict[str, object]) -> None:
    resp.content_type = falcon.MEDIA_JSON
    resp.data = json.dumps(found).encode() + b"\n"
