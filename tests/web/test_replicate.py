"""The walk on HTTP: targets as they were sent, bounds, places, waits, and bodies that are let go of."""

import contextlib
import json
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import falcon
import falcon.testing
import pytest

from tests.live import within
from tests.publish.project import Project, zone_text
from tests.web.asking import Mirror
from xferzone import metrics
from xferzone.counters import Counters
from xferzone.store import accounts
from xferzone.web import replicate, walked
from xferzone.web.app import create_app
from xferzone.web.limits import Places
from xferzone.web.waiting import ENDING, MAX_WAITING, Waiting

HOST = "falconframework.org"  # as falcon's test client says
LONG_S = 60.0

App = falcon.App[falcon.Request, falcon.Response]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    with project.store.writer() as writer:
        accounts.put_user(writer, "m", "pw", "go")
        accounts.put_user(writer, "w", "pw", "")
    assert project.push(project.manifest(zone_text("www 300 A 192.0.2.1"))) == []
    return project


@pytest.fixture(params=["beside the rest", "alone"])
def client(project: Project, request: pytest.FixtureRequest) -> falcon.testing.TestClient:
    make = create_app if request.param == "beside the rest" else replicate.create_app
    return falcon.testing.TestClient(make(project.path))


@pytest.fixture
def mirror(project: Project) -> Mirror:
    with project.store.reader() as reader:
        return Mirror(reader.project_code, "m", "pw", HOST)


def reason(result: falcon.testing.Result) -> str:
    """The reason in a refusal, which is one line of JSON."""
    assert result.headers["content-type"].startswith("application/json")
    assert result.content.count(b"\n") == 1
    found = json.loads(result.content)
    assert list(found) == ["error"]
    return str(found["error"])


def refs(
    client: falcon.testing.TestClient, mirror: Mirror, known: str = "", wait_s: int = 0, **environ: object
) -> falcon.testing.Result:
    headers = dict(mirror.headers("/v0/refs"))
    headers |= {"If-None-Match": known} if known else {}
    headers |= {"Prefer": f"wait={wait_s}"} if wait_s else {}
    return client.simulate_get("/v0/refs", headers=headers, extras=environ)


def test_a_mirror_reads_refs_and_artifacts(
    client: falcon.testing.TestClient, mirror: Mirror, project: Project
) -> None:
    found = refs(client, mirror)
    assert found.status_code == 200
    (branch,) = found.json["branches"]
    checkin, _ = project.served()
    assert branch["hash"] == checkin
    target = f"/v0/objects/{checkin}"
    for method in ("GET", "HEAD"):
        done = client.simulate_request(method, target, headers=mirror.headers(target, method=method))
        assert (done.status_code, done.headers["x-object-kind"]) == (200, "checkin")
        assert done.headers["etag"] == f'"{checkin}"'
    body = json.dumps({"hashes": [checkin]}).encode()
    target = "/v0/objects/batch"
    headers = mirror.headers(target, body, method="POST")
    done = client.simulate_post(target, body=body, headers=headers)
    assert done.status_code == 200
    with project.store.reader() as reader:
        assert reader.content(checkin) in done.content


@pytest.mark.parametrize(
    "target",
    [
        "/v0",
        "/v0/",
        "/v0//refs",
        "//v0/refs",
        "/v0/refs/",
        "/v0%2Frefs",
        "/%76%30/refs",
        "/v0/%72efs",
        "/v0/../v0/refs",
        "/v0/objects/../refs",
        "/v0/objects%2fwalk",
        "/v0/REFS",
        "/v0/nothing",
    ],
)
def test_a_path_that_something_would_straighten_is_not_found(
    client: falcon.testing.TestClient, mirror: Mirror, target: str
) -> None:
    headers = mirror.headers("/v0/refs")
    for name in ("RAW_URI", "REQUEST_URI"):
        # The server has decoded and straightened the path.
        for path in ("/v0/refs", target):
            done = client.simulate_get(path, headers=headers, extras={"RAW_URI": "", name: target})
            assert done.status_code == 404, (name, path)


def test_without_the_target_as_sent_the_path_that_the_server_has_is_the_target(
    project: Project, mirror: Mirror
) -> None:
    app = create_app(project.path)
    environ = falcon.testing.create_environ("/v0/refs", headers=dict(mirror.headers("/v0/refs")))
    for name in ("RAW_URI", "REQUEST_URI"):
        environ.pop(name, None)
    started = falcon.testing.StartResponseMock()
    app(environ, started)
    assert started.status == "200 OK"


@pytest.mark.parametrize("sent", ["/zones/v0/refs", "http://falconframework.org/zones/v0/refs"])
def test_where_it_is_mounted_what_is_signed_begins_behind_the_mount_point(
    client: falcon.testing.TestClient, mirror: Mirror, sent: str
) -> None:
    done = client.simulate_get(
        "/v0/refs", headers=mirror.headers("/v0/refs"), root_path="/zones", extras={"RAW_URI": sent}
    )
    assert done.status_code == 200
    elsewhere = {"RAW_URI": "/other/v0/refs"}
    assert client.simulate_get("/v0/refs", root_path="/zones", extras=elsewhere).status_code == 404


def test_a_query_goes_on_as_it_was_sent(client: falcon.testing.TestClient, mirror: Mirror) -> None:
    target = "/v0/refs?since=&checkin="
    headers = mirror.headers(target)
    path, _, query = target.partition("?")
    done = client.simulate_get(path, query_string=query, headers=headers, extras={"RAW_URI": target})
    assert done.status_code == 200
    other = client.simulate_get(path, query_string="since=", headers=headers)
    assert (other.status_code, reason(other)) == (401, "the signature does not hold")


def test_bodies_are_bounded(client: falcon.testing.TestClient, mirror: Mirror) -> None:
    target = "/v0/objects/batch"
    large = b'{"hashes": []}' + b" " * (1024 * 1024)
    done = client.simulate_post(target, body=large, headers=mirror.headers(target, large, method="POST"))
    assert (done.status_code, reason(done)) == (413, "at most 1048576 bytes are taken here")
    endless = {**mirror.headers(target, method="POST"), "Transfer-Encoding": "chunked"}
    done = client.simulate_post(target, headers=endless, extras={"CONTENT_LENGTH": ""})
    assert (done.status_code, reason(done)) == (411, "a request states its length here")
    cut = client.simulate_post(
        target, body=b'{"ha', headers=mirror.headers(target, method="POST"), extras={"CONTENT_LENGTH": "20"}
    )
    assert (cut.status_code, reason(cut)) == (400, "the body ends after 4 of 20 bytes")
    body = b'{"hashes": []}'
    typed = {**mirror.headers(target, body, method="POST"), "Content-Type": "application/x-fossil"}
    done = client.simulate_post(target, body=body, headers=typed)
    assert done.status_code == 415
    assert "application/json" in reason(done)
    assert (
        client.simulate_put("/v0/refs", headers=mirror.headers("/v0/refs", method="PUT")).status_code == 405
    )


def test_who_is_nobody_or_may_not_read_hears_why(client: falcon.testing.TestClient, mirror: Mirror) -> None:
    done = client.simulate_get("/v0/refs")
    assert done.status_code == 401
    assert done.headers["www-authenticate"] == f"XFERZONE-HMAC project={mirror.code}"
    assert "account" in reason(done)
    writer = Mirror(mirror.code, "w", "pw", HOST)
    done = client.simulate_get("/v0/refs", headers=writer.headers("/v0/refs"))
    assert (done.status_code, reason(done)) == (403, "the account w may not read here")


@pytest.mark.parametrize(("scheme", "status"), [("http", 401), ("https", 200)])
def test_a_password_is_taken_over_tls_alone(
    client: falcon.testing.TestClient, scheme: str, status: int
) -> None:
    done = client.simulate_get("/v0/refs", headers={"Authorization": "Basic bTpwdw=="}, protocol=scheme)
    assert done.status_code == status
    if status == 401:
        assert reason(done) == "a password is taken over TLS only: sign the request"


def test_a_repository_that_cannot_be_served_is_a_503(tmp_path: Path) -> None:
    client = falcon.testing.TestClient(create_app(tmp_path / "none.xferzone"))
    done = client.simulate_get("/v0/refs")
    assert done.status_code == 503
    assert str(tmp_path) not in reason(done)


def test_alone_there_is_health_and_nothing_else(project: Project) -> None:
    client = falcon.testing.TestClient(replicate.create_app(project.path))
    assert client.simulate_get("/healthz").json == {"status": "ok"}
    for path in ("/", "/metrics", "/readyz"):
        assert client.simulate_get(path).status_code == 404
    body = b"pull x %s\n" % b"0" * 40
    done = client.simulate_post("/", body=body, content_type="application/x-fossil-uncompressed")
    assert done.status_code == 404


def test_with_addresses_of_its_own_it_is_answered_there_and_nothing_else_is(
    project: Project, mirror: Mirror
) -> None:
    client = falcon.testing.TestClient(create_app(project.path, apart=[("127.0.0.9", 8081)]))
    there = {"SERVER_NAME": "127.0.0.9", "SERVER_PORT": "8081"}
    headers = mirror.headers("/v0/refs")
    assert client.simulate_get("/v0/refs", headers=headers, extras=there).status_code == 200
    assert client.simulate_get("/healthz", extras=there).status_code == 200
    pull = {"body": b"pull", "content_type": "application/x-fossil-uncompressed"}
    assert client.simulate_post("/", extras=there, **pull).status_code == 404
    assert client.simulate_get("/metrics", extras=there).status_code == 404
    done = client.simulate_get("/v0/refs", headers=headers)
    assert (done.status_code, reason(done)) == (404, "mirrors have an address of their own here")
    assert client.simulate_post("/", **pull).status_code == 200


def noted(monkeypatch: pytest.MonkeyPatch, kind: type) -> list[Any]:
    """The objects of that kind that are made from now on."""
    made: list[object] = []
    init = kind.__init__  # type: ignore[misc]  # the kind's own

    def note(self: object, *given: object) -> None:
        init(self, *given)
        made.append(self)

    monkeypatch.setattr(kind, "__init__", note)
    return made


@pytest.mark.parametrize("make", [create_app, replicate.create_app])
def test_news_end_a_wait(
    mirror: Mirror, project: Project, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], App]
) -> None:
    made = noted(monkeypatch, Waiting)
    client = falcon.testing.TestClient(make(project.path))
    known = refs(client, mirror).headers["etag"]
    checkin, _ = project.served()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(refs, client, mirror, known, 25)
        assert within(LONG_S, lambda: len(made[0]._waiters) == 1)
        project.push(project.manifest(zone_text("www 300 A 192.0.2.2"), checkin))
        done = waiting.result(LONG_S)
    assert (done.status_code, done.headers["preference-applied"]) == (200, "wait=25")
    assert done.headers["etag"] != known


def test_a_wait_is_capped_and_ends_with_the_server(client: falcon.testing.TestClient, mirror: Mirror) -> None:
    known = refs(client, mirror).headers["etag"]
    ending = threading.Event()
    ending.set()
    done = refs(client, mirror, known, 10_000, **{ENDING: ending})
    assert (done.status_code, done.content) == (304, b"")
    assert done.headers["preference-applied"] == "wait=25"


def test_no_more_than_eight_wait_and_none_of_them_has_a_place(
    project: Project, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noted(monkeypatch, Places)
    client = falcon.testing.TestClient(create_app(project.path))
    known = refs(client, mirror).headers["etag"]
    ending = threading.Event()
    with ThreadPoolExecutor(MAX_WAITING + 1) as pool:
        waits = [
            pool.submit(refs, client, mirror, known, 25, **{ENDING: ending}) for _ in range(MAX_WAITING + 1)
        ]
        assert within(LONG_S, lambda: sum(wait.done() for wait in waits) == 1)
        assert len(made[0]._here) == 0
        ending.set()
        found = [wait.result(LONG_S) for wait in waits]
    assert sorted(each.status_code for each in found) == [304] * MAX_WAITING + [429]
    (refused,) = [each for each in found if each.status_code == 429]
    assert refused.headers["retry-after"] == str(replicate.RETRY_S)
    assert "too many" in reason(refused)


class Octets:
    """A body that knows whether it was let go of."""

    def __init__(self) -> None:
        self.is_closed = False

    def made(self) -> Generator[bytes, None, None]:
        try:
            yield b""
            yield b"x" * 300_000
            yield b"y"
        finally:
            self.is_closed = True


def test_a_body_goes_out_in_steps_and_is_let_go_of_however_the_sending_ends() -> None:
    for taken in (0, 1, 9):
        octets, counters = Octets(), Counters(metrics.SIZE)
        generator = octets.made()
        with contextlib.ExitStack() as stack:
            told = stack.enter_context(walked.Walked("/v0/objects/batch", "", counters))
            told.status = 200
            held = stack.enter_context(contextlib.ExitStack())
            held.enter_context(contextlib.closing(generator))
            visitor = held.enter_context(Places(counters).place(""))
            sending = walked.Sending(generator, told, visitor, None, held)
            sizes = [len(step) for _, step in zip(range(taken), sending, strict=False)]
            sending.close()
        if taken == 9:
            assert sizes == [131_072, 131_072, 37_856, 1]
        assert told.is_whole == (taken == 9)
        assert octets.is_closed == (taken > 0)
        sums = counters.sums()
        assert sums[metrics.WALKS.cell("batch", "ok" if taken == 9 else "cut")] == 1
        assert sums[metrics.WALK_BYTES.cell("out")] == sum(sizes)
