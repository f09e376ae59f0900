"""What is an answer of etcd, and what becomes of everything else: servers of ours that say odd things in its place."""

import json
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pytest

from tests.live import free_port
from tests.transport.servers import Answer, answering, drips, hangs_after, resets, says, status
from xferzone.errors import Away, UsageError
from xferzone.refs import endpoint
from xferzone.refs.etcd import Etcd
from xferzone.refs.gateway import Login, Patience
from xferzone.refs.keys import Keys, Stand

HEADER: Final = {"cluster_id": "7", "revision": "5"}
SHORT: Final = Patience(connect=1.0, reply=0.5, total=2.0)


def told(body: object, line: str = "200 OK") -> Answer:
    """A reply whose body is this, in JSON."""
    return status(line, "Content-Type: application/json", "Connection: close", body=json.dumps(body).encode())


def refusing(code: int, message: str, line: str = "400 Bad Request") -> Answer:
    return told({"error": message, "message": message, "code": code}, line)


OPERATIONS: Final[dict[str, Callable[[Keys], object]]] = {
    "transact": lambda keys: keys.transact({"z/a": None}, {"z/a": b"1"}),
    "transact without a put": lambda keys: keys.transact({"z/a": b"1"}, {}),
    "transact without a condition": lambda keys: keys.transact({}, {"z/a": b"1"}),
    "list": lambda keys: keys.list("z/"),
    "watch": lambda keys: list(keys.watch("z/", 1, 0.3)),
    "grant": lambda keys: keys.grant(5),
    "keep": lambda keys: keys.keep(7),
    "revoke": lambda keys: keys.revoke(7),
}
WHOLE: Final = json.dumps({"header": HEADER, "succeeded": True, "ID": "7", "TTL": "5"}).encode()
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
NO_ANSWERS: Final[dict[str, Answer]] = {
    "an empty object": told({}),
    "null": told(None),
    "a list": told([]),
    "an empty body": status("200 OK"),
    "a page of HTML": status("200 OK", "Content-Type: text/html", body=b"<html>please log in</html>"),
    "an empty header": told({"header": {}, "succeeded": True}),
    "no revision": told({"header": {"cluster_id": "7"}, "succeeded": True}),
    "revision 0": told({"header": {"cluster_id": "7", "revision": "0"}, "succeeded": True}),
    "a revision below 0": told({"header": {"cluster_id": "7", "revision": "-5"}, "succeeded": True}),
    "a revision that is no string": told({"header": {"cluster_id": "7", "revision": 5}, "succeeded": True}),
    "a revision of 40 digits": told({"header": {"cluster_id": "7", "revision": "5" * 40}}),
    "no cluster": told({"header": {"revision": "5"}, "succeeded": True}),
    "brackets without end": status("200 OK", body=b"[" * 100_000),
    "brackets": status("200 OK", body=b"[" * 100_000 + b"]" * 100_000),
    "octets that are not text": status("200 OK", body=b'{"header":"\xff\xfe"}'),
    "gzip": status("200 OK", "Content-Encoding: gzip", body=b"\x1f\x8b"),
    "another status": status("202 Accepted", body=WHOLE),
    "no content": says("HTTP/1.1 204 No Content\r\n\r\n"),
    "an error": refusing(14, "etcdserver: request timed out", "503 Service Unavailable"),
    "an error with status 200": told({"error": {"grpc_code": 14, "http_code": 503, "message": "no leader"}}),
    "an error that is not JSON": status("502 Bad Gateway", body=b"<html>"),
    "a path that is not there": status("404 Not Found", "Content-Type: text/plain", body=b"Not Found\n"),
    "a cut body": says(HEAD + b"Content-Length: 4000\r\n\r\n" + WHOLE),
    "a cut chunk": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n" + WHOLE),
    "no last chunk": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
    "a chunk without size": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "half a head": says(HEAD[:30]),
    "another protocol": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a line without end": says(b"HTTP/1.1 200 " + b"x" * 100_000),
    "nothing": says(b""),
    "a reset": resets,
}
NEVER: Final[dict[str, Answer]] = {
    "nothing at all": hangs_after(""),
    "a head": hangs_after(HEAD.decode() + "Content-Length: 4000\r\n\r\n{"),
    "a head by drops": drips("HTTP/1.1 200 OK\r\nA: "),
    "lines of a head by drops": drips("HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "a body by drops": drips(HEAD.decode() + "Content-Length: 400000\r\n\r\n"),
    "chunks by drops": drips(HEAD.decode() + "Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


_made: list[Etcd] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def keys_at(*urls: str, login: Login | None = None, patience: Patience = SHORT) -> Etcd:
    _made.append(Etcd(urls, login=login, patience=patience))
    return _made[-1]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("answer", [pytest.param(each, id=name) for name, each in NO_ANSWERS.items()])
def test_what_is_not_an_answer_is_away_and_asked_for_once(answer: Answer, operation: str) -> None:
    with answering(answer) as (url, requests):
        with pytest.raises(Away) as caught:
            OPERATIONS[operation](keys_at(url))
        assert url in str(caught.value)
        assert len(requests) == 1
        assert requests[0].startswith(b"POST /repo/v3/")


@pytest.mark.parametrize("operation", ["transact", "list", "watch"])
@pytest.mark.parametrize("answer", [pytest.param(each, id=name) for name, each in NEVER.items()])
def test_an_answer_that_does_not_end_ends_by_the_deadline(answer: Answer, operation: str) -> None:
    with answering(answer) as (url, requests):
        with pytest.raises(Away, match="no answer in time"):
            OPERATIONS[operation](keys_at(url))
        assert len(requests) == 1


def test_a_reply_that_is_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MAX_BODY", 100_000)
    endless = says(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b" " * 65_536 + b"\r\n" * 100
    )
    with answering(says(HEAD + b"Content-Length: 200000\r\n\r\n" + b" " * 200_000)) as (url, _):
        for operation in ("transact", "list", "watch"):
            with pytest.raises(Away, match="over 100000 bytes"):
                OPERATIONS[operation](keys_at(url))
    with answering(endless) as (url, _), pytest.raises(Away):
        OPERATIONS["list"](keys_at(url))


def test_a_transaction_that_says_neither_is_away() -> None:
    """`succeeded` is left out when it is false; then what is there must be told."""
    there = {"kvs": [{"key": "ei9i", "value": "MQ=="}]}  # z/b
    oddities: list[list[object]] = [
        [],
        [{}],
        [{"response_put": {}}],
        [{"response_range": there}],
        [{"response_range": {}}] * 2,
    ]
    for responses in oddities:
        with answering(told({"header": HEADER, "responses": responses})) as (url, _), pytest.raises(Away):
            OPERATIONS["transact"](keys_at(url))
    with answering(told({"header": HEADER, "succeeded": "yes"})) as (url, _), pytest.raises(Away):
        OPERATIONS["transact"](keys_at(url))
    with answering(told({"header": HEADER, "responses": [{"response_range": {}}]})) as (url, _):
        done = keys_at(url).transact({"z/a": b"1"}, {})
        assert (done.stand, done.succeeded, done.found) == (Stand("7", 5), False, {})


def a_key(name: bytes, **fields: str) -> dict[str, str]:
    return {"key": b64encode(name).decode(), "value": "MQ==", **fields}


@pytest.mark.parametrize(
    ("keys", "more"),
    [
        ([b"y/a"], False),
        ([b"z0"], False),
        ([b"z/b", b"z/a"], False),
        ([b"z/a", b"z/a"], False),
        ([], True),
    ],
    ids=["before", "after", "disordered", "twice", "none and more"],
)
def test_a_list_of_other_keys_is_away(keys: Sequence[bytes], more: bool) -> None:
    page = {"header": HEADER, "kvs": [a_key(each) for each in keys], "more": more}
    with answering(told(page)) as (url, _), pytest.raises(Away, match="not asked for"):
        OPERATIONS["list"](keys_at(url))


def test_a_list_whose_second_page_is_of_another_cluster_is_away() -> None:
    first = {"header": HEADER, "kvs": [a_key(b"z/a")], "more": True}
    second = {"header": HEADER | {"cluster_id": "8"}, "kvs": [a_key(b"z/b")]}
    with answering(told(first), told(second)) as (url, _), pytest.raises(Away, match="another cluster"):
        OPERATIONS["list"](keys_at(url))


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xferzone.refs.etcd.MAX_KEYS", 3)
    pages = [
        told({"header": HEADER, "kvs": [a_key(b"z/%03d" % number)], "more": True}) for number in range(100)
    ]
    with answering(*pages) as (url, requests):
        with pytest.raises(Away, match="over 3 keys below z/"):
            OPERATIONS["list"](keys_at(url))
        assert len(requests) == 4


def lines(*results: object, chunk: int = 1_000_000, and_then: str = "") -> Answer:
    """A reply of lines that goes on, `chunk` octets at a time."""
    octets = b"".join(json.dumps(each).encode() + b"\n" for each in results)
    chunks = [octets[at : at + chunk] for at in range(0, len(octets), chunk)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks)
    return hangs_after((HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body).decode() + and_then)


CREATED: Final = {"result": {"header": HEADER, "created": True}}


def event(name: bytes, revision: int, **more: object) -> dict[str, object]:
    events = [{"kv": a_key(name, mod_revision=str(revision))}]
    return {"result": {"header": HEADER, "events": events, **more}}


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 100_000])
def test_lines_may_be_split_anywhere(chunk: int) -> None:
    with answering(lines(CREATED, event(b"z/a", 3), event(b"z/b", 4), chunk=chunk)) as (url, _):
        told = list(keys_at(url).watch("z/", 3, 0.3))
    assert [(each.told, dict(each.values)) for each in told] == [
        (2, {}),
        (3, {"z/a": b"1"}),
        (4, {"z/b": b"1"}),
    ]


def test_a_part_of_a_revision_is_not_told_as_all_of_it() -> None:
    parts = (event(b"z/a", 3), event(b"z/b", 4, fragment=True), event(b"z/c", 4))
    with answering(lines(CREATED, *parts)) as (url, _):
        assert [each.told for each in keys_at(url).watch("z/", 3, 0.3)] == [2, 3, 3, 4]


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"result": {}},
        {"result": {"events": [{"kv": a_key(b"z/a")}]}},
        {
            "error": {
                "grpc_code": 13,
                "http_code": 500,
                "message": "etcdserver: mvcc: database space exceeded",
            }
        },
        event(b"y/a", 4),
        {"result": {"header": {"cluster_id": "7"}, "events": [{"kv": a_key(b"z/a", mod_revision="4")}]}},
        {"result": {"header": HEADER, "canceled": True}},
        {"result": {"header": HEADER, "canceled": True, "cancel_reason": "etcdserver: permission denied"}},
    ],
    ids=[
        "empty",
        "no header",
        "bare",
        "error",
        "other keys",
        "no revision",
        "canceled",
        "canceled with a reason",
    ],
)
def test_a_watch_breaks_off_at_a_line_that_is_not_one(line: object) -> None:
    with answering(lines(CREATED, line)) as (url, _):
        watch = keys_at(url).watch("z/", 3, 20)
        assert next(watch).values == {}
        with pytest.raises(Away, match="a watch broke off"):
            next(watch)
        assert list(watch) == []


def test_half_a_line_and_silence_end_a_watch() -> None:
    with answering(lines(CREATED, and_then='3\r\n{"r\r\n')) as (url, _):
        assert len(list(keys_at(url).watch("z/", 3, 0.3))) == 1


def test_half_a_line_and_an_end_break_it_off() -> None:
    half = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    line = json.dumps(CREATED).encode() + b'\n{"result'
    for end in (b"0\r\n\r\n", b""):
        with answering(says(half + b"%x\r\n%b\r\n" % (len(line), line) + end)) as (url, _):
            watch = keys_at(url).watch("z/", 3, 20)
            next(watch)
            with pytest.raises(Away, match="a watch broke off"):
                next(watch)


def test_the_endpoint_that_answered_is_asked_first_from_then_on() -> None:
    good = told({"header": HEADER})
    with (
        answering(status("503 Service Unavailable")) as (bad, bad_requests),
        answering(good) as (url, requests),
    ):
        keys = keys_at(bad, url)
        for _ in range(3):
            assert keys.list("z/").stand == Stand("7", 5)
        assert (len(bad_requests), len(requests)) == (1, 3)


@pytest.mark.parametrize("operation", ["list", "watch", "grant", "keep", "revoke", "transact without a put"])
@pytest.mark.parametrize("answer", ["an error", "a cut body", "an empty object", "nothing", "a page of HTML"])
def test_what_may_be_repeated_goes_on_to_the_next_endpoint(answer: str, operation: str) -> None:
    good = {
        "list": told({"header": HEADER}),
        "transact without a put": told({"header": HEADER, "succeeded": True}),
        "watch": lines(CREATED),
        "grant": told({"header": HEADER, "ID": "7"}),
        "keep": told({"result": {"header": HEADER, "ID": "7", "TTL": "5"}}),
        "revoke": told({"header": HEADER}),
    }
    with answering(NO_ANSWERS[answer]) as (bad, _), answering(good[operation]) as (url, requests):
        OPERATIONS[operation](keys_at(bad, url))
        assert len(requests) == 1


@pytest.mark.parametrize("answer", [pytest.param(each, id=name) for name, each in NO_ANSWERS.items()])
def test_a_transaction_that_may_have_been_read_does_not_go_on(answer: Answer) -> None:
    good = told({"header": HEADER, "succeeded": True})
    with answering(answer) as (bad, bad_requests), answering(good) as (url, requests):
        keys = keys_at(bad, url)
        with pytest.raises(Away):
            OPERATIONS["transact"](keys)
        assert (len(bad_requests), len(requests)) == (1, 0)
        OPERATIONS["transact"](keys)  # the caller decides, and the other endpoint has its turn
        assert (len(bad_requests), len(requests)) == (1, 1)


def test_a_transaction_goes_on_from_an_endpoint_that_is_not_there() -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with answering(told({"header": HEADER, "succeeded": True})) as (url, requests):
        assert keys_at(dead, url).transact({}, {"z/a": b"1"}).succeeded
        assert len(requests) == 1


def test_all_endpoints_are_named_when_none_answers() -> None:
    dead = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    with pytest.raises(Away) as caught:
        keys_at(*dead).list("z/")
    assert str(caught.value) == "no answer from etcd: " + "; ".join(
        f"{url}: Connection refused" for url in dead
    )


def test_endpoints_that_hang_are_given_up_together() -> None:
    """Sixteen that accept and say nothing: all are tried until the time for all of them is over."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        keys = keys_at(*(f"{url}/{number}" for number in range(16)))
        with pytest.raises(Away) as caught:
            keys.list("z/")
        assert 1 < str(caught.value).count("no answer in time") < 16


def test_redirects_are_not_followed() -> None:
    with answering(told({"header": HEADER})) as (there, requests):
        with (
            answering(status("307 Temporary Redirect", f"Location: {there}")) as (url, _),
            pytest.raises(Away),
        ):
            OPERATIONS["list"](keys_at(url))
        assert requests == []


def test_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(told({"header": HEADER})) as (url, _), answering(resets) as (proxy, requests):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        OPERATIONS["list"](keys_at(url))
        assert requests == []


ACCOUNT: Final = Login("joe", lambda: "a-password")
GIVEN: Final = told({"header": HEADER, "token": "a-token"})


def echoing(line: str) -> Answer:
    """A server that repeats in its error what it was sent."""

    def answer(connection: socket.socket, request: bytes) -> None:
        refusing(13, request.decode(), line)(connection, request)

    return answer


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_message_has_a_secret(operation: str) -> None:
    for answers in (
        [echoing("400 Bad Request")],
        [GIVEN, echoing("400 Bad Request")],
        [GIVEN, echoing("200 OK")],
    ):
        with answering(*answers) as (url, requests):
            with pytest.raises(Away) as caught:
                OPERATIONS[operation](keys_at(url, login=ACCOUNT))
            assert b"a-token" in requests[-1] or b"a-password" in requests[-1]
        said = f"{caught.value!r} {caught.value.__cause__!r}"
        assert "a-password" not in said
        assert "a-token" not in said
    assert "a-password" not in repr(ACCOUNT)


def test_a_token_that_lapses_is_renewed_once() -> None:
    lapsed = refusing(16, "etcdserver: invalid auth token", "401 Unauthorized")
    good = told({"header": HEADER, "succeeded": True})
    with answering(GIVEN, lapsed, GIVEN, good, good) as (url, requests):
        keys = keys_at(url, login=ACCOUNT)
        assert keys.transact({}, {"z/a": b"1"}).succeeded
        assert keys.transact({}, {"z/a": b"1"}).succeeded
        paths = [each.split()[1].decode().removeprefix("/repo/v3/") for each in requests]
        assert paths == ["auth/authenticate", "kv/txn", "auth/authenticate", "kv/txn", "kv/txn"]
    with answering(GIVEN, lapsed, GIVEN, lapsed) as (url, requests):
        with pytest.raises(Away, match="invalid auth token"):
            OPERATIONS["transact"](keys_at(url, login=ACCOUNT))
        assert len(requests) == 4


@pytest.mark.parametrize(
    "token", ["", "a\r\nX-Evil: 1", "ü", "x" * 10_000], ids=["empty", "line feed", "not ASCII", "long"]
)
def test_a_token_that_is_not_one_is_not_sent(token: str) -> None:
    with answering(told({"header": HEADER, "token": token})) as (url, requests):
        with pytest.raises(Away, match="a token that cannot be sent"):
            OPERATIONS["transact"](keys_at(url, login=ACCOUNT))
        assert len(requests) == 1


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        ([], "give 1 to 16 URLs"),
        ([f"http://127.0.0.1:{port}" for port in range(1, 18)], "give 1 to 16 URLs"),
        (["127.0.0.1:2379"], "is not the URL of an etcd endpoint"),
        (["ftp://127.0.0.1"], "is not the URL of an etcd endpoint"),
        (["http://joe:a-password@127.0.0.1"], "has a login in its URL"),
    ],
    ids=["none", "too many", "no scheme", "another scheme", "with an account"],
)
def test_what_is_not_a_list_of_endpoints_is_refused(urls: Sequence[str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Etcd(urls)
    assert "a-password" not in str(caught.value)
