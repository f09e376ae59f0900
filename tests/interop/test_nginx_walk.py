"""Mirrors behind nginx with the operator's own file: the cache answers nobody whom the server would not."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path

import pytest

from tests.interop.nginx import nginx
from tests.interop.site import Site, copied, make_project
from tests.live import PATIENCE_S, Person, Server, serving, within
from tests.web.asking import Mirror
from xferzone.cards import coding
from xferzone.exchange.mirror.follower import Follower
from xferzone.exchange.mirror.following import Following
from xferzone.refs import LocalRefs
from xferzone.repository import make
from xferzone.store import Store, accounts
from xferzone.sync.client.options import Account

pytestmark = pytest.mark.interop

TARGET = "/v0/objects/"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def cached(self) -> str:
        """nginx's word: HIT, MISS; empty: it did not look into the cache."""
        return self.headers.get("X-Cache-Status", "")


@dataclass(frozen=True, slots=True)
class Served:
    """A server behind nginx, two mirrors with accounts, and the hash of an artifact; `place`: nginx's."""

    server: Server
    place: str
    first: Mirror
    second: Mirror
    hash: str

    def ask(
        self, target: str, headers: Mapping[str, str] = {}, method: str = "GET", body: bytes = b""
    ) -> Reply:
        """A request below nginx's path prefix, sent exactly so."""
        return self.ask_raw(f"/dns{target}", headers, method, body)

    def ask_raw(self, path: str, headers: Mapping[str, str], method: str = "GET", body: bytes = b"") -> Reply:
        with contextlib.closing(HTTPConnection(self.place, timeout=PATIENCE_S)) as connection:
            connection.putrequest(method, path, skip_accept_encoding=True)
            sized = {"Content-Length": str(len(body))} if body else {}
            for name, value in {**headers, **sized}.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())

    def has_answered(self, kind: str, number: int) -> bool:
        """Whether the server has answered so many requests of that kind: it counts one once its answer has gone."""
        return within(PATIENCE_S, lambda: self.asked(kind) == number)

    def asked(self, kind: str) -> int:
        """How many requests of that kind the server has counted."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.server.http)) as connection:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        counts = re.findall(rf'xferzone_walk_requests_total\{{kind="{kind}".*\}} ([0-9.]+)', page)
        return int(sum(map(float, counts)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = make_project(tmp_path_factory.mktemp("project"))
    with Store.open(site.repository) as store, store.writer() as writer:
        for login in ("m1", "m2"):
            accounts.put_user(writer, login, f"pw-{login}", "go")
        accounts.put_user(writer, "mute", "pw-mute", "")
    return site


@pytest.fixture
def served(project: Site, tmp_path: Path) -> Iterator[Served]:
    own = copied(project, tmp_path)
    with Store.open(own.repository) as store, store.reader() as reader:
        code = reader.project_code
    with serving(own.repository, "serve") as server, nginx(server.http) as place:
        first, second = (Mirror(code, login, f"pw-{login}", place) for login in ("m1", "m2"))
        found = Served(server, place, first, second, "")
        refs = json.loads(found.ask("/v0/refs", first.headers("/v0/refs")).body)
        yield Served(server, place, first, second, refs["branches"][0]["hash"])


def test_the_second_mirror_is_served_from_the_cache(served: Served) -> None:
    target = f"{TARGET}{served.hash}"
    first = served.ask(target, served.first.headers(target))
    assert (first.status, first.cached) == (200, "MISS")
    second = served.ask(target, served.second.headers(target))
    assert (second.status, second.cached, second.body) == (200, "HIT", first.body)
    head = served.ask(target, served.second.headers(target, method="HEAD"), method="HEAD")
    assert (head.status, head.cached, head.body) == (200, "HIT", b"")
    assert head.headers["X-Object-Kind"] == second.headers["X-Object-Kind"] == "checkin"
    assert served.has_answered("object", 1)
    assert served.has_answered("auth", 3)
    etag = {"If-None-Match": first.headers["ETag"]}
    assert served.ask(target, {**served.first.headers(target), **etag}).status == 304


def test_a_whole_mirror_comes_from_the_cache(served: Served, tmp_path: Path) -> None:
    counts, tips = [], []
    for login in ("m1", "m2"):
        path = tmp_path / f"{login}.xferzone"
        make.make_mirror(path)
        options = Following(account=Account(login, f"pw-{login}"), through_cache=True)
        with Store.open(path) as store:
            with contextlib.closing(
                Follower(store, [f"http://{served.place}/dns"], options=options)
            ) as follower:
                follower.pull()
            with store.reader() as reader:
                tips.append({str(ref.branch): ref.checkin for ref in LocalRefs(reader).list()})
        time.sleep(0.5)  # for the last to be counted
        counts.append(served.asked("object"))
    assert tips[0] == tips[1] != {}
    assert counts[0] == counts[1] > len(tips[0])


def test_a_head_that_comes_first_fills_the_cache_with_the_whole(served: Served) -> None:
    target = f"{TARGET}{served.hash}"
    head = served.ask(target, served.first.headers(target, method="HEAD"), method="HEAD")
    assert (head.status, head.cached) == (200, "MISS")
    done = served.ask(target, served.first.headers(target))
    assert (done.status, done.cached) == (200, "HIT")
    assert done.body.startswith(b"C ")


def test_the_cache_answers_nobody_whom_the_server_would_not(served: Served) -> None:
    target = f"{TARGET}{served.hash}"
    good = served.first.headers(target)
    assert served.ask(target, good).status == 200
    assert served.ask(target, good).cached == "HIT"
    code, place = served.first.code, served.place
    other = f"{TARGET}{'0' * 64}"
    refused: dict[str, Mapping[str, str]] = {
        "no token": {},
        "a wrong password": Mirror(code, "m1", "guess", place).headers(target),
        "an unknown login": Mirror(code, "m9", "pw-m9", place).headers(target),
        "expired": served.first.headers(target, ahead_s=-1),
        "too far ahead": served.first.headers(target, ahead_s=3_600),
        "for another server": Mirror(code, "m1", "pw-m1", "127.0.0.1:1").headers(target),
        "for another artifact": served.first.headers(other),
        "for another request": served.first.headers("/v0/refs"),
        "as nginx says it": {"X-Original-URI": "/dns/v0/refs", **served.first.headers("/v0/refs")},
        "as a method": {"X-Original-Method": "POST", **served.first.headers(target, method="POST")},
        "a password in clear": {"Authorization": "Basic bTE6cHctbTE="},
        "which claims TLS": {"Authorization": "Basic bTE6cHctbTE=", "X-Forwarded-Proto": "https"},
    }
    for what, headers in refused.items():
        for method in ("GET", "HEAD"):
            done = served.ask(target, headers, method=method)
            assert (done.status, done.cached) == (401, ""), what
            assert done.headers["WWW-Authenticate"] == f"XFERZONE-HMAC project={code}", what
    mute = Mirror(code, "mute", "pw-mute", place).headers(target)
    assert served.ask(target, mute).status == 403
    # What was refused has not become an answer for those who may.
    assert served.ask(target, served.second.headers(target)).cached == "HIT"
    assert served.has_answered("object", 1)


@pytest.mark.parametrize(
    "path",
    [
        "/dns//v0/objects/{}",
        "/dns/v0//objects/{}",
        "//dns/v0/objects/{}",
        "/dns/v0/objects%2F{}",
        "/dns/v0/objects/../objects/{}",
        "/dns/v0/objects/./{}",
        "/dns/x/../v0/objects/{}",
        "/dns/v0/objects/%30{}",
        "/dns/%76%30/objects/{}",
        "/dns/v0/objects/{}?",
        "/dns/v0/objects/{}?a=b",
        "/dns/v0/objects/{}/",
        "/dns/v0/auth/../objects/{}",
        "/dns/v0//refs",
        "/dns/v0/refs%3F",
        "/dns//v0/refs",
        "/_xferzone_auth",
        "/dns/_xferzone_auth",
    ],
)
def test_another_way_to_write_a_path_leads_nowhere(served: Served, path: str) -> None:
    target = f"{TARGET}{served.hash}"
    assert served.ask(target, served.first.headers(target)).status == 200
    for signed in (target, "/v0/refs", "/v0/auth"):
        done = served.ask_raw(path.format(served.hash), served.first.headers(signed))
        assert (done.status, done.cached) == (404, "")
    assert served.has_answered("object", 1)


def test_each_client_gets_what_it_can_unpack(served: Served, project: Site) -> None:
    content = b"a long text that packs\n" * 200
    with (
        Store.open(Path(served.server.log.parent, project.repository.name)) as store,
        store.writer() as writer,
    ):
        target = f"{TARGET}{writer.put(content)}"
    packed, plain = {"Accept-Encoding": "zstd"}, {"Accept-Encoding": "identity"}
    for first, second in ((packed, plain), (plain, packed), (packed, {})):
        for accepted, status in ((first, None), (second, None), (first, "HIT"), (second, "HIT")):
            done = served.ask(target, {**served.second.headers(target), **accepted})
            assert done.status == 200
            assert "accept-encoding" in done.headers["Vary"].lower()
            is_packed = done.headers.get("Content-Encoding") == "zstd"
            assert is_packed == (accepted is packed)
            body = b"".join(coding.expanded((done.body,), 10_000)) if is_packed else done.body
            assert body == content
            assert status in (None, done.cached)


def test_where_nobody_may_read_everybody_does(served: Served) -> None:
    target = f"{TARGET}{served.hash}"
    assert served.ask(target).status == 401
    operator = Person(served.server.log.parent / "operator")
    repository = served.server.log.parent / "zones.xferzone"
    operator.xferzone("-R", repository, "user", "caps", "nobody", "--read")
    assert (served.ask(target).status, served.ask(target).cached) == (200, "HIT")
    operator.xferzone("-R", repository, "user", "caps", "nobody", "")
    assert served.ask(target).status == 401


def test_batches_and_waits_go_through(served: Served) -> None:
    target, body = "/v0/objects/batch", json.dumps({"hashes": [served.hash]}).encode()
    done = served.ask(target, served.first.headers(target, body, method="POST"), "POST", body)
    assert (done.status, done.cached) == (200, "")
    assert b"C add\\szone\\s" in done.body
    large = b" " * (1024 * 1024 + 1)
    done = served.ask(target, served.first.headers(target, large, method="POST"), "POST", large)
    assert (done.status, json.loads(done.body)) == (413, {"error": "at most 1048576 bytes are taken here"})
    etag = served.ask("/v0/refs", served.first.headers("/v0/refs")).headers["ETag"]
    wait = {**served.first.headers("/v0/refs"), "If-None-Match": etag, "Prefer": "wait=1"}
    done = served.ask("/v0/refs", wait)
    assert (done.status, done.headers["Preference-Applied"]) == (304, "wait=1")


def test_a_password_is_taken_where_nginx_ends_tls(served: Served) -> None:
    """As its X-Forwarded-Proto says; here the test says it, to the server itself."""
    head = (
        "GET /v0/refs HTTP/1.0\r\nHost: dns.example.com\r\nAuthorization: Basic bTE6cHctbTE=\r\n"
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: {}\r\n\r\n"
    )
    for scheme, status in (("https", b"200"), ("http", b"401")):
        with socket.create_connection(("127.0.0.1", served.server.http), PATIENCE_S) as client:
            client.sendall(head.format(scheme).encode())
            assert client.recv(100).split()[1] == status
