"""What the app answers, status by status: sync requests on any path, pages, health; bounds; no surprises."""

import importlib
import json
import logging
import random
import re
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import falcon.testing
import pytest

from tests.publish.project import Project, zone_text
from tests.sync.recorded import signed
from tests.web.conftest import PROJECT
from xferzone.cards import (
    Card,
    Clone,
    CloneSeqno,
    Error,
    File,
    IGot,
    Message,
    Push,
    coding,
    encode_cards,
    parse_cards,
)
from xferzone.cards.body import COMPRESSED, DEBUG, UNCOMPRESSED, decode_body, encode_body, pack
from xferzone.exchange import Room, Terms
from xferzone.hashing import artifact_id
from xferzone.store import Store, accounts
from xferzone.web import metrics as web_metrics
from xferzone.web import xfer
from xferzone.web.app import create_app
from xferzone.web.repository import Repository

#: The module, whose name in the package is the function's.
answer = importlib.import_module("xferzone.exchange.answer")

CODE = PROJECT.encode()
PULL = b"pull x %s\n" % CODE
PUSH = b"push x %s\n" % CODE
NOT_TO_READ = [Error("not authorized to read")]


def post(
    client: falcon.testing.TestClient, text: bytes, content_type: str = COMPRESSED, path: str = "/"
) -> falcon.testing.Result:
    return client.simulate_post(path, body=encode_body(content_type, text), content_type=content_type)


def said(result: falcon.testing.Result) -> list[Card]:
    """The cards of a reply, which is well formed as stock 2.21 wants it."""
    assert result.status_code == 200
    content_type = result.headers["content-type"]
    assert result.headers["content-length"] == str(len(result.content))
    assert "transfer-encoding" not in result.headers
    return list(parse_cards(decode_body(content_type, result.content, limit=10**7)))


def by_ops(*parts: bytes | Card) -> bytes:
    rest = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return signed("ops", "secret", rest, PROJECT)


# -- sync requests


@pytest.mark.parametrize(
    "path", ["/", "/xfer", "/p/q/", "/healthz", "/metrics", "/a.b", "/%41%20b", "/x?y=z"]
)
def test_a_sync_request_is_answered_on_any_path(client: falcon.testing.TestClient, path: str) -> None:
    assert said(post(client, PULL, path=path)) == NOT_TO_READ


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (COMPRESSED, COMPRESSED),
        (DEBUG, DEBUG),
        (UNCOMPRESSED, UNCOMPRESSED),
        ("application/x-fossil; charset=utf-8", COMPRESSED),
        ("application/x-fossil-debug;charset=utf-8", DEBUG),
        ("Application/X-Fossil", COMPRESSED),
        ("application/x-fossil-of-tomorrow", COMPRESSED),
    ],
)
def test_a_reply_goes_as_its_request_came(
    client: falcon.testing.TestClient, asked: str, answered: str
) -> None:
    result = post(client, PULL, asked)
    assert said(result) == NOT_TO_READ
    assert result.headers["content-type"] == answered


@pytest.mark.parametrize("asked", [COMPRESSED, DEBUG, UNCOMPRESSED])
def test_a_clone_goes_uncompressed(client: falcon.testing.TestClient, asked: str) -> None:
    result = post(client, by_ops(Clone(3, 1)), asked)
    assert [type(card) for card in said(result)] == [CloneSeqno, Push]
    assert result.headers["content-type"] == UNCOMPRESSED
    assert post(client, by_ops(Clone(2, 1)), asked).headers["content-type"] == asked


@pytest.mark.parametrize("body", [b"", b"#\n", pack(b""), pack(b"# nothing\n"), pack(b"", level=0)])
def test_a_request_for_nothing_gets_nothing(client: falcon.testing.TestClient, body: bytes) -> None:
    headers = {"Content-Type": COMPRESSED, "Content-Length": str(len(body))}
    assert said(client.simulate_post("/", body=body, headers=headers)) == []


def test_text_that_is_not_packed_is_understood_under_any_type(client: falcon.testing.TestClient) -> None:
    assert said(client.simulate_post("/", body=PULL, content_type=COMPRESSED)) == NOT_TO_READ


def test_rubbish_is_a_bad_command(client: falcon.testing.TestClient) -> None:
    (error,) = said(client.simulate_post("/", body=b"\x00\x00\x00\x09rubbish", content_type=COMPRESSED))
    assert isinstance(error, Error)
    assert error.text.startswith("bad command: ")


def test_what_is_pushed_is_there_for_the_next_request(client: falcon.testing.TestClient) -> None:
    content = b"hello\n"
    new = File(artifact_id(content), content)
    assert said(post(client, by_ops(PUSH, new))) == []
    assert said(post(client, by_ops(PULL))) == [IGot(new.artifact)]


def test_of_a_refused_push_nothing_is_there(client: falcon.testing.TestClient, store: Store) -> None:
    good, bad = b"good\n", b"bad\n"
    cards = [File(artifact_id(good), good), File(artifact_id(b"other"), bad)]
    (error,) = said(post(client, by_ops(PUSH, *cards)))
    assert error == Error(f"wrong hash on received artifact {artifact_id(b'other')}")
    assert said(post(client, by_ops(PULL))) == []


def test_a_hundred_new_artifacts_are_summed_up_in_a_cluster(client: falcon.testing.TestClient) -> None:
    contents = [b"number %d\n" % number for number in range(100)]
    said(post(client, by_ops(PUSH, *(File(artifact_id(content), content) for content in contents[:99]))))
    assert len(said(post(client, by_ops(PULL)))) == 99
    last = File(artifact_id(contents[99]), contents[99])
    assert said(post(client, by_ops(PULL, PUSH, last)))[0] != IGot(last.artifact)
    assert len(said(post(client, by_ops(PULL)))) == 1


def test_a_wrong_password_is_told_and_logged(
    client: falcon.testing.TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "xferzone.web"):
        assert said(post(client, signed("ops", "wrong", PULL, PROJECT))) == [Error("login failed")]
    assert "why='login failed'" in caplog.text


def test_logs_hold_no_secret(client: falcon.testing.TestClient, caplog: pytest.LogCaptureFixture) -> None:
    content = b"www 300 A 192.0.2.1\n"
    body = by_ops(PULL, PUSH, b"cookie crumble\n", File(artifact_id(content), content))
    with caplog.at_level(logging.DEBUG, "xferzone"):
        said(post(client, body))
    words = body.split(b"\n")[0].split()[2:]
    assert "kind=sync outcome=ok user=ops received=1" in caplog.text
    assert not any(word.decode() in caplog.text for word in [*words, b"crumble", b"192.0.2.1"])


# -- bounds


def test_a_request_that_is_too_long_is_told_so(
    client: falcon.testing.TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xfer, "MAX_WIRE", 1000)
    assert said(client.simulate_post("/", body=b"#" * 1000, content_type=DEBUG)) == []
    (error,) = said(client.simulate_post("/", body=b"#" * 1001, content_type=DEBUG))
    assert error == Error("a request of over 1000 bytes: send less at a time")


def test_a_request_that_swells_too_much_is_told_so(
    client: falcon.testing.TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "MAX_BODY", 10_000)
    (error,) = said(post(client, by_ops(PUSH, b"#" * 10_000)))
    assert isinstance(error, Error)
    assert "10000" in error.text


def test_a_zip_bomb_is_stopped_at_the_bound(client: falcon.testing.TestClient) -> None:
    packer = zlib.compressobj(1)
    bomb = b"".join(packer.compress(bytes(2**24)) for _ in range(20)) + packer.flush()
    body = (20 * 2**24).to_bytes(4, "big") + bomb
    (error,) = said(client.simulate_post("/", body=body, content_type=COMPRESSED))
    assert isinstance(error, Error)


def test_a_body_cut_short_is_not_looked_at(client: falcon.testing.TestClient, store: Store) -> None:
    content = b"hello\n"
    body = by_ops(PUSH, File(artifact_id(content), content))
    headers = {"Content-Type": DEBUG, "Content-Length": str(len(body) + 1)}
    assert client.simulate_post("/", body=body, headers=headers).status_code == 400
    with store.reader() as reader:
        assert not reader.has(artifact_id(content))


def test_without_a_length_a_request_is_refused_unless_the_server_knows_its_end(store: Store) -> None:
    app = create_app(store.path)

    def asked(**more: object) -> bytes:
        environ = falcon.testing.create_environ(method="POST", headers={"Content-Type": DEBUG})
        environ.pop("CONTENT_LENGTH", None)
        environ |= {"wsgi.input": BytesIO(PULL)} | more
        reply = app(environ, lambda _status, _headers, _error=None: lambda _octets: None)
        octets = b"".join(reply)
        getattr(reply, "close", lambda: None)()
        return octets

    refused = b"411 Length Required: a sync request says how long it is\n"
    assert asked() == refused
    assert asked(**{"wsgi.input_terminated": True}) == refused
    assert asked(HTTP_TRANSFER_ENCODING="chunked") == refused
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    assert asked(**chunked) == encode_cards(NOT_TO_READ)


def test_a_busy_repository_asks_to_try_again(
    client: falcon.testing.TestClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xferzone.store.pool.BUSY_TIMEOUT", 0.05)
    fresh = falcon.testing.TestClient(create_app(store.path))
    with store.writer():
        assert said(post(fresh, by_ops(PUSH))) == [Error("the repository is busy: try again")]
        assert said(post(fresh, by_ops(PULL))) == []  # who only reads need not wait
        assert said(post(fresh, PUSH)) == [Error("not authorized to write")]  # nor who may not write


def test_a_repository_that_is_gone_is_told_without_naming_a_path(
    client: falcon.testing.TestClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    said(post(client, PULL))
    store.path.unlink()
    (error,) = said(post(client, PULL))
    assert error == Error("this server cannot read its repository: tell its administrator")
    assert str(store.path) in caplog.text


def test_a_bug_of_ours_is_a_500_without_a_trace_and_one_line_in_the_log(
    client: falcon.testing.TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise ZeroDivisionError("inner thoughts")

    monkeypatch.setattr(answer, "may_write", broken)
    result = post(client, by_ops(PULL))
    assert result.status_code == 500
    assert "inner" not in result.text
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None


# -- everything else


def test_the_front_page_says_how_to_clone_and_nothing_of_what_is_here(
    client: falcon.testing.TestClient, store: Store
) -> None:
    result = client.simulate_get("/", host="dns.example.net", port=8080)
    assert result.status_code == 200
    assert result.headers["content-type"].startswith("text/html")
    assert "fossil clone --save-http-password http://LOGIN@dns.example.net:8080/" in result.text
    assert "<script" not in result.text
    assert PROJECT not in result.text
    head = client.simulate_head("/")
    assert (head.status_code, head.content) == (200, b"")


def test_a_host_header_cannot_write_the_front_page(client: falcon.testing.TestClient) -> None:
    result = client.simulate_get("/", headers={"Host": "<b>evil"})
    assert "<b>" not in result.text


@pytest.mark.parametrize("path", ["/zones", "/xfer", "/robots.txt", "/healthz/more", "/a/b/c"])
def test_other_paths_are_404_with_the_way(client: falcon.testing.TestClient, path: str) -> None:
    result = client.simulate_get(path)
    assert result.status_code == 404
    assert "fossil clone" in result.text


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/", "GET, HEAD, OPTIONS"), ("/healthz", "GET, HEAD, OPTIONS"), ("/zones", "GET, HEAD, POST")],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_405_from_the_routes(
    client: falcon.testing.TestClient, path: str, allowed: str, method: str
) -> None:
    result = client.simulate_request(method, path)
    assert (result.status_code, result.headers["allow"]) == (405, allowed)


OTHER_TYPES = ["text/plain", "application/json", "application/fossil", ""]


@pytest.mark.parametrize("content_type", OTHER_TYPES)
@pytest.mark.parametrize(("path", "status"), [("/", 405), ("/healthz", 405), ("/zones", 415)])
def test_other_posts_reach_the_routes(
    client: falcon.testing.TestClient, content_type: str, path: str, status: int
) -> None:
    result = client.simulate_post(path, body=PULL, headers={"Content-Type": content_type})
    assert result.status_code == status


def test_other_posts_have_a_bound_of_their_own(client: falcon.testing.TestClient) -> None:
    length = {"Content-Type": "application/json", "Content-Length": str(1024 * 1024)}
    assert client.simulate_post("/zones", headers=length).status_code == 415
    length["Content-Length"] = str(1024 * 1024 + 1)
    assert client.simulate_post("/zones", headers=length).status_code == 413
    chunked = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", "Content-Length": ""}
    assert client.simulate_post("/zones", headers=chunked).status_code == 411


def test_a_route_added_beside_the_sync_gets_its_posts(store: Store) -> None:
    class Echo:
        def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
            resp.data = req.bounded_stream.read()

    app = create_app(store.path)
    app.add_route("/echo", Echo())
    client = falcon.testing.TestClient(app)
    posted = client.simulate_post("/echo", body=b"hello", headers={"Content-Type": "text/plain"})
    assert (posted.status_code, posted.content) == (200, b"hello")
    assert said(client.simulate_post("/echo", body=b"# x\n", content_type=DEBUG)) == []


def test_health_is_200_while_the_process_answers(client: falcon.testing.TestClient, store: Store) -> None:
    store.path.unlink()
    result = client.simulate_get("/healthz")
    assert (result.status_code, result.json) == (200, {"status": "ok"})


def test_ready_means_that_the_database_can_be_read(client: falcon.testing.TestClient) -> None:
    result = client.simulate_get("/readyz")
    assert result.status_code == 200
    assert result.json == {"status": "ok", "checks": {"db": "ok", "migrations": "ok"}}


@pytest.mark.parametrize(
    ("path", "same"), [("/health", "/healthz"), ("/ready", "/readyz"), ("/status", "/readyz")]
)
def test_pages_for_monitoring_have_the_names_that_others_give_them(
    client: falcon.testing.TestClient, path: str, same: str
) -> None:
    assert client.simulate_get(path).json == client.simulate_get(same).json


def _remove(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"no database at all" * 1000)


@pytest.mark.parametrize(
    ("damage", "opened_before", "reason"),
    [
        (_remove, False, "the repository file is not there"),
        (_remove, True, "the repository file is not there"),
        (_replace, False, "not an xferzone repository"),
    ],
)
def test_not_ready_is_503_and_says_why(
    store: Store, damage: Callable[[Path], None], opened_before: bool, reason: str
) -> None:
    client = falcon.testing.TestClient(create_app(store.path))
    if opened_before:
        assert client.simulate_get("/readyz").status_code == 200
    store.close()
    damage(store.path)
    result = client.simulate_get("/readyz")
    assert result.status_code == 503
    found = json.loads(result.text)
    assert reason in found["checks"]["db"]
    assert str(store.path) not in result.text


def test_a_repository_of_a_newer_release_is_told_under_migrations(store: Store) -> None:
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    result = falcon.testing.TestClient(create_app(store.path)).simulate_get("/readyz")
    assert result.status_code == 503
    assert result.json["checks"]["db"] == "ok"
    assert "has schema 9999" in result.json["checks"]["migrations"]
    assert str(store.path) not in result.text


def test_a_body_for_which_there_is_no_room_is_told_so(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "o")
    client = falcon.testing.TestClient(create_app(store, Terms(room=Room(tmp_path / "gone"))))
    (error,) = said(client.simulate_post("/", body=b"#" * 500_000, content_type=DEBUG))
    assert error == Error("this server cannot take the request: tell its administrator")
    assert "xfer cannot be answered: [Errno 2] No such file" in caplog.text


def test_a_repository_that_comes_later_is_served(tmp_path: Path) -> None:
    client = falcon.testing.TestClient(create_app(tmp_path / "z.xferzone"))
    assert client.simulate_get("/readyz").status_code == 503
    with Store.create(tmp_path / "z.xferzone"):
        assert client.simulate_get("/readyz").status_code == 200


def test_metrics_count_what_was_done(client: falcon.testing.TestClient) -> None:
    content = b"hello\n"
    new = File(artifact_id(content), content)
    sent = [
        by_ops(PUSH, new),
        by_ops(Clone(3, 1)),
        by_ops(PULL),
        by_ops(PULL),
        PULL,
        by_ops(PUSH, b"file x\n"),
    ]
    for body in sent:
        post(client, body, DEBUG)
    result = client.simulate_get("/metrics")
    assert result.headers["content-type"].startswith("text/plain")
    found = dict(re.findall(r"^(xferzone_\S+) (\S+)$", result.text, re.MULTILINE))
    assert found['xferzone_xfer_rounds_total{kind="push",outcome="ok"}'] == "1.0"
    assert found['xferzone_xfer_rounds_total{kind="push",outcome="error"}'] == "1.0"
    assert found['xferzone_xfer_rounds_total{kind="clone",outcome="ok"}'] == "1.0"
    assert found['xferzone_xfer_rounds_total{kind="pull",outcome="ok"}'] == "2.0"
    assert found['xferzone_xfer_rounds_total{kind="other",outcome="error"}'] == "1.0"
    assert found['xferzone_xfer_artifacts_total{direction="in"}'] == "1.0"
    assert found['xferzone_xfer_artifacts_total{direction="out"}'] == "1.0"
    assert float(found['xferzone_xfer_bytes_total{direction="in"}']) == sum(map(len, sent))
    assert found['xferzone_xfer_seconds_count{kind="push"}'] == "2.0"
    assert found["xferzone_refs_published"] == "0"
    assert found["xferzone_unversioned_files"] == "0"


def test_unversioned_files_are_counted(client: falcon.testing.TestClient, store: Store) -> None:
    with store.writer() as writer:
        accounts.put_user(writer, "ops", "secret", "oy")
    files = b"".join(
        b"uvfile %s 1700000000 %s 3 0\none" % (name, artifact_id(b"one").encode()) for name in (b"a", b"b")
    )
    post(client, by_ops(PULL, files, b"uvfile b 1700000001 - 0 1\n", b"uvgimme a\n"), DEBUG)
    text = client.simulate_get("/metrics").text
    assert 'xferzone_xfer_unversioned_total{direction="in"} 3.0' in text
    assert 'xferzone_xfer_unversioned_total{direction="out"} 1.0' in text
    assert "xferzone_unversioned_files 1\n" in text
    assert "xferzone_unversioned_bytes 3\n" in text


def test_contents_are_kept_within_the_bound_and_counted(tmp_path: Path) -> None:
    size = 50_000
    with Store.create(tmp_path / "z.xferzone") as made, made.writer() as writer:
        names = [writer.put(random.Random(number).randbytes(size)) for number in range(10)]
    for kept, (hits, misses) in ((2**20, (10, 10)), (2 * size, (0, 20))):
        shared = Repository(tmp_path / "z.xferzone", kept)
        store = shared.store()
        for name in names * 2:
            with store.reader() as reader:
                reader.content(name)
        assert shared.looked() == (hits, misses)
        store.close()


def _zone(project: Project, name: str) -> bytes:
    return project.manifest(None, branch=f"{name}/main", files={f"{name}.zone": zone_text()})


def test_of_very_many_zones_the_first_by_name_are_told_and_how_many_more_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_metrics, "MAX_ZONES", 2)
    project = Project(tmp_path)
    for name in ("b", "c", "a"):
        assert project.push(_zone(project, f"{name}.test")) == []
    with closing(project.store):
        text = falcon.testing.TestClient(create_app(project.store)).simulate_get("/metrics").text
    assert re.findall(r'^xferzone_zone_serial{zone="(\S+)"} 1$', text, re.MULTILINE) == ["a.test", "b.test"]
    assert "\nxferzone_zones_left_out 1\n" in text


def test_two_apps_in_a_process_count_apart(client: falcon.testing.TestClient, store: Store) -> None:
    post(client, by_ops(PULL))
    other = falcon.testing.TestClient(create_app(store.path))
    assert 'kind="pull"' not in other.simulate_get("/metrics").text


def test_an_error_card_shows_as_one_line_whatever_it_says() -> None:
    assert encode_cards([Error("a b\nc"), Message("d e")]) == b"error a\\sb\\nc\nmessage d\\se\n"


# -- zstd


def _clone_by(client: falcon.testing.TestClient, text: bytes, accepts: str) -> falcon.testing.Result:
    headers = {"Content-Type": UNCOMPRESSED, "Accept-Encoding": accepts}
    return client.simulate_post("/", body=text, headers=headers)


@pytest.mark.parametrize("accepts", ["zstd", "gzip, deflate, br, zstd"])
def test_one_of_our_own_kind_is_answered_in_zstd(client: falcon.testing.TestClient, accepts: str) -> None:
    result = _clone_by(client, by_ops(b"pragma xferzone 1\n", Clone(3, 1)), accepts)
    assert result.headers["content-encoding"] == "zstd"
    assert result.headers["content-type"] == UNCOMPRESSED
    assert result.headers["content-length"] == str(len(result.content))
    text = decode_body(UNCOMPRESSED, result.content, limit=10**7, coded="zstd")
    assert [type(card) for card in parse_cards(text)] == [CloneSeqno, Push]


@pytest.mark.parametrize(
    ("text", "accepts"),
    [(b"", "zstd"), (b"pragma xferzone 1\n", "gzip"), (b"pragma xferzone 1\n", "zstd;q=0")],
)
def test_others_are_not(client: falcon.testing.TestClient, text: bytes, accepts: str) -> None:
    result = _clone_by(client, by_ops(text, Clone(3, 1)), accepts)
    assert "content-encoding" not in result.headers
    assert [type(card) for card in said(result)] == [CloneSeqno, Push]


def test_a_request_may_come_in_zstd_and_in_no_other_coding(client: falcon.testing.TestClient) -> None:
    into = BytesIO()
    coding.pack([PULL], into)
    headers = {"Content-Type": UNCOMPRESSED, "Content-Encoding": "zstd"}
    assert said(client.simulate_post("/", body=into.getvalue(), headers=headers)) == NOT_TO_READ
    (card,) = said(client.simulate_post("/", body=PULL, headers=headers))
    assert isinstance(card, Error)
    assert "is said to be in zstd is not" in card.text
    (card,) = said(client.simulate_post("/", body=PULL, headers=headers | {"Content-Encoding": "br"}))
    assert isinstance(card, Error)
    assert "the coding 'br'" in card.text
