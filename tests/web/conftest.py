"""Repositories for web tests, an app over one, and real programs that talk to it."""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import falcon.testing
import pytest

from xferzone.artifacts import CheckIn, Tag
from xferzone.exchange import Terms
from xferzone.store import Store, accounts
from xferzone.sync.server.budget import Budget
from xferzone.web.app import create_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PROJECT = "0123456789abcdef0123456789abcdef01234567"

#: Logins and their capability letters; the password is the login behind "pw-".
USERS = {"ops": "s", "ann": "gio", "bob": "gio", "rose": "go", "priv": "gioxy", "cleo": "g", "none": ""}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty repository, in which nobody may do anything and ops everything."""
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "nobody", None, "")
            accounts.put_user(writer, "anonymous", None, "")
            accounts.put_user(writer, "ops", "secret", "s")
        yield store


@pytest.fixture
def client(store: Store) -> falcon.testing.TestClient:
    return falcon.testing.TestClient(create_app(store.path))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository that stock clients can open, with USERS; nobody may do anything."""
    path = tmp_path / "p.xferzone"
    root = CheckIn(
        comment="initial empty check-in",
        date_ms=1_700_000_000_000,
        user="ops",
        files=(),
        parents=(),
        tags=(Tag("*", "branch", None, "trunk"), Tag("*", "sym-trunk", None, None)),
    )
    with Store.create(path, PROJECT) as store, store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "")
        accounts.put_user(writer, "anonymous", None, "")
        for login, caps in USERS.items():
            accounts.put_user(writer, login, f"pw-{login}", caps)
        writer.put(root.encode())
    return path


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Served:
    """The app over real HTTP/1.0, in this process; `bytes_in` are the lengths of the bodies that came."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._server = make_server("127.0.0.1", 0, self._answer, _Server, _Quiet)
        self.bytes_in: list[int] = []

    def url(self, login: str = "", path: str = "/") -> str:
        account = f"{login}:pw-{login}@" if login else ""
        return f"http://{account}127.0.0.1:{self._server.server_port}{path}"

    def _answer(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        self.bytes_in.append(int(environ.get("CONTENT_LENGTH") or 0))
        return self._app(environ, start)

    @contextlib.contextmanager
    def running(self) -> Iterator["Served"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def served(repository: Path, budget: Budget | None = None) -> contextlib.AbstractContextManager[Served]:
    return Served(create_app(repository, Terms(budget=budget or Budget()))).running()
