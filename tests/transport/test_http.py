"""HTTP as servers speak it, sound and broken: which replies are taken, and which are refused in which words."""

import socket
import time
import zlib
from contextlib import suppress
from io import SEEK_END

import pytest

from tests.transport.servers import (
    BODY,
    HEAD,
    TYPE,
    Answer,
    answering,
    asked,
    drips,
    hangs_after,
    resets,
    says,
    status,
)
from xferzone.errors import Denied, PeerError
from xferzone.transport import Body, http
from xferzone.transport.http import HTTP, PATIENCE, Patience

HASTE = Patience(connect=5, silence=1, reply=2)

TAKEN: dict[str, Answer] = {
    "a length": says(f"{HEAD}Content-Length: 13\r\n\r\n".encode() + BODY),
    "HTTP/1.0 without a length": says(f"HTTP/1.0 200 OK\r\n{TYPE}\r\n".encode() + BODY),
    "a connection that is closed": says(f"{HEAD}Connection: close\r\n\r\n".encode() + BODY),
    "chunks": says(
        f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + b"4\r\nfour\r\n9\r\n and more\r\n0\r\n\r\n"
    ),
    "chunks of one octet": says(
        f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()
        + b"".join(b"1;x=y\r\n%c\r\n" % octet for octet in BODY)
        + b"0\r\nTrailer: x\r\n\r\n"
    ),
    "more than its length": says(f"{HEAD}Content-Length: 13\r\n\r\n".encode() + BODY + b"and more than said"),
    "no type": says(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + BODY),
    "a type with parameters": says(
        b"HTTP/1.1 200 OK\r\nCONTENT-TYPE:Application/X-Fossil; charset=x\r\nContent-Length: 13\r\n\r\n"
        + BODY
    ),
    "lines that end in LF": says(f"{HEAD}Content-Length: 13\r\n\r\n".replace("\r", "").encode() + BODY),
    **{
        f"{interim} before": says(f"{''.join(heads)}{HEAD}Content-Length: 13\r\n\r\n".encode() + BODY)
        for interim, heads in {
            "100": ["HTTP/1.1 100 Continue\r\n\r\n"],
            "102": ["HTTP/1.1 102 Processing\r\n\r\n"],
            "103": ["HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 5\r\n\r\n"],
            "100, 103, 102, 103": [
                f"HTTP/1.1 {code} Wait\r\nX-Y: z\r\n\r\n" for code in (100, 103, 102, 103)
            ],
        }.items()
    },
    "nothing packed": says(f"{HEAD}Content-Encoding: identity\r\nContent-Length: 13\r\n\r\n".encode() + BODY),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken(case: str) -> None:
    with answering(TAKEN[case]) as (url, requests):
        content_type, octets = asked(HTTP(url))
    assert octets == BODY
    assert content_type.lower().startswith("application/x-fossil") or case == "no type"
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /repo HTTP/1.1\r\n")
    assert b"Content-Type: application/x-fossil\r\n" in head + b"\r\n"
    assert body == b"the request"


PACKED = zlib.compress(BODY)

#: The answer, and what the error says.
REFUSED: dict[str, tuple[Answer, str]] = {
    **{
        f"status {line[:3]}": (status(line, body=b"<p>\x1b[2J why\n\n not</p>"), f"answers {line}")
        for line in (
            "404 Not Found",
            "500 Oops",
            "503 Busy",
        )
    },
    "status 204": (status("204 No Content"), "answers 204 No Content"),
    "status 103 and an end": (says("HTTP/1.1 103 Early Hints\r\n\r\n"), "cannot be reached"),
    "status 103 for ever": (
        says("HTTP/1.1 103 Early Hints\r\n\r\n" * 200),
        "over 100 replies of the 1xx kind",
    ),
    "status 101": (says("HTTP/1.1 101 Switching Protocols\r\n\r\n"), "answers 101 Switching Protocols"),
    "status 303": (
        status("303 See Other", "Location: /front"),
        "answers 303 See Other and names '/front': that is for browsers",
    ),
    "a web page": (
        status("200 OK", "Content-Type: text/html", body=b"<h1>Log  in</h1>"),
        "is not a Fossil repository: it answers with text/html: <h1>Log in</h1>",
    ),
    "gzip": (status("200 OK", TYPE[:-2], "Content-Encoding: gzip", body=PACKED), "answers in gzip"),
    "an end before its length": (says(f"{HEAD}Content-Length: 99\r\n\r\nshort"), "broke off its reply"),
    "chunks cut off": (says(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n99\r\nshort"), "broke off its reply"),
    "chunks without a size": (
        says(f"{HEAD}Transfer-Encoding: chunked\r\n\r\nzzz\r\n"),
        "broke off its reply",
    ),
    "not HTTP": (says("SSH-2.0-OpenSSH_9.2\r\n"), "cannot be reached"),
    "nothing": (says(""), "cannot be reached"),
    "half a status": (says("HTTP/1.1 20"), "cannot be reached"),
    "half a head": (says(HEAD), "broke off its reply"),
    "a status line of 100 kB": (says("HTTP/1.1 200 " + "x" * 100_000 + "\r\n\r\n"), "cannot be reached"),
    "1,000 headers": (says(HEAD + "X: y\r\n" * 1_000 + "\r\n"), "cannot be reached"),
    "a reset": (resets, "cannot be reached: Connection reset by peer"),
    "silence": (hangs_after(""), "cannot be reached: no answer in time"),
    "silence after the head": (hangs_after(f"{HEAD}Content-Length: 99\r\n\r\nx"), "broke off its reply"),
    "an octet at a time": (drips(f"{HEAD}Content-Length: 999999\r\n\r\n"), "still sending after"),
    "a chunk at a time": (
        drips(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        "still sending after",
    ),
    "redirects without end": (status("302 Found", "Location: /repo"), "redirects over 10 times"),
    "a redirect to nowhere": (
        status("302 Found"),
        "answers 302 Found without saying where to: it has no Location",
    ),
    "a redirect to an empty place": (
        status("308 Moved", "Location: "),
        "answers 308 Moved without saying where to",
    ),
    "a redirect to another protocol": (status("301 Moved", "Location: ftp://x/"), "not an http or https URL"),
    "a redirect to a file": (status("301 Moved", "Location: file:///etc/passwd"), "not an http or https URL"),
    "a redirect to a broken URL": (status("301 Moved", "Location: http://[::1/"), "redirects to"),
    "a redirect to an impossible host": (
        status("301 Moved", "Location: http://a..b\x7f/"),
        "cannot be reached",
    ),
}


#: Cases that only a timeout ends.
ENDLESS = {"silence", "silence after the head", "an octet at a time", "a chunk at a time"}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    answer, said = REFUSED[case]
    with answering(answer) as (url, _):
        way = HTTP(url, patience=HASTE if case in ENDLESS else PATIENCE)
        began = time.monotonic()
        with pytest.raises(PeerError, match=said) as caught:
            asked(way)
        assert time.monotonic() - began < 30
    assert str(caught.value).startswith(url)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("line", ["401 Unauthorized", "403 Forbidden"])
def test_who_is_not_let_in_is_told_as_one_without_a_right(line: str) -> None:
    said = f"/repo answers {line}.* wants a login of its own"
    with (
        answering(status(line, body=b"<p>\x1b[2J why</p>")) as (url, _),
        pytest.raises(Denied, match=said) as caught,
    ):
        asked(HTTP(url))
    assert caught.value.exit_code == 77


def test_a_reply_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_REPLY", 1_000_000)

    def floods(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(f"{HEAD}Connection: close\r\n\r\n".encode())
        while True:
            connection.sendall(bytes(65_536))

    with answering(floods) as (url, _), pytest.raises(PeerError, match="over 1000000 bytes in one reply"):
        asked(HTTP(url), b"")


LOCATIONS = {
    "a URL": "{base}/moved?x=1",
    "a URL with a login": "http://ann:pw@{place}/moved?x=1#y",
    "a path": "/moved?x=1",
    "a relative path": "moved?x=1",
    "a host and path": "//{place}/moved?x=1",
}


def moves(code: int, location: str) -> Answer:
    """A redirect; `location` may hold {base}, the server's URL, and {place}, its host and port."""

    def answer(connection: socket.socket, request: bytes) -> None:
        place = next(line for line in request.decode().split("\r\n") if line.startswith("Host: "))[6:]
        there = location.format(base=f"http://{place}", place=place)
        status(f"{code} Moved", f"Location: {there}")(connection, request)

    return answer


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize(
    ("code", "second"), [(301, "/moved?x=1"), (308, "/moved?x=1"), (302, "/repo"), (307, "/repo")]
)
def test_redirects_are_followed_and_permanent_ones_remembered(code: int, second: str, location: str) -> None:
    with answering(moves(code, LOCATIONS[location]), TAKEN["a length"]) as (url, requests):
        way = HTTP(url, with_login=True)
        for _ in range(2):
            assert asked(way)[1] == BODY
        moved = url.replace("/repo", "/moved?x=1")
        assert way.moved_to == (moved if code in (301, 308) else None)
    assert [request.split()[1].decode() for request in requests] == ["/repo", "/moved?x=1", second]
    assert all(request.endswith(b"the request") for request in requests)
    assert all(b"ann" not in request for request in requests)


@pytest.mark.parametrize(
    ("first", "second", "remembered"),
    [(301, 308, "/two"), (301, 302, "/one"), (302, 301, None), (307, 302, None)],
)
def test_what_is_remembered_of_two_redirects(first: int, second: int, remembered: str | None) -> None:
    with answering(moves(first, "/one"), moves(second, "/two"), TAKEN["a length"]) as (url, _):
        way = HTTP(url)
        assert asked(way)[1] == BODY
        assert way.moved_to == (None if remembered is None else url.replace("/repo", remembered))


def test_a_get_is_of_a_path_beside_the_url_and_of_any_type() -> None:
    page = status("200 OK", "Content-Type: text/plain", body=b"ok")
    with answering(page, moves(301, "/elsewhere"), page) as (url, requests), HTTP(url) as way:
        with way.get("/healthz") as reply:
            assert (reply.content_type, reply.octets.read()) == ("text/plain", b"ok")
        with way.get("v0/refs") as reply:
            assert reply.octets.read() == b"ok"
        assert way.moved_to is None
    assert [request.split(b" HTTP/1.1")[0] for request in requests] == [
        b"GET /healthz",
        b"GET /v0/refs",
        b"GET /elsewhere",
    ]
    assert all(request.endswith(b"\r\n\r\n") for request in requests)


def test_headers_that_a_server_malforms_are_not_logged_with_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    malformed = f"{HEAD}no header\r\nContent-Length: 13\r\n\r\n".encode() + BODY
    with answering(says(malformed)) as (url, _), HTTP(url, patience=HASTE) as way, suppress(PeerError):
        asked(way)
    assert caplog.records == []


def test_a_large_reply_lies_on_disk() -> None:
    large = bytes(20_000_000)
    with (
        answering(says(f"{HEAD}Content-Length: {len(large)}\r\n\r\n".encode() + large)) as (url, _),
        HTTP(url).exchange(Body.of("application/x-fossil", b"")) as reply,
    ):
        assert reply.octets.fileno() > 0  # of a file; what is in memory has none
        assert reply.octets.seek(0, SEEK_END) == len(large)


def test_a_login_is_shown_to_no_other_host() -> None:
    """A server that gets a request with a login could send it on to the right server, and read the answer."""
    with answering(TAKEN["a length"]) as (there, requests):
        other = there.replace("127.0.0.1", "localhost")
        with answering(status("302 Found", f"Location: {other}")) as (url, _):
            with pytest.raises(PeerError, match="another host, and a login is not sent there"):
                asked(HTTP(url, with_login=True), b"login ...")
            assert not requests
            assert asked(HTTP(url), b"pull ...")[1] == BODY


def test_what_cannot_be_connected_to() -> None:
    with pytest.raises(PeerError, match="cannot be reached: Connection refused"):
        asked(HTTP("http://127.0.0.1:1/"), b"")
    with pytest.raises(PeerError, match="cannot be reached"):
        asked(HTTP(f"http://{'a' * 70}.example.net/"), b"")
    with answering(TAKEN["a length"]) as (url, _), pytest.raises(PeerError, match="cannot be reached"):
        asked(HTTP(url.replace("http:", "https:")), b"")
