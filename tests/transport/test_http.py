"""HTTP as servers, proxies and broken ones speak it: what is taken, and what is refused with which words."""

import contextlib
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import pytest

from xferzone.errors import PeerError
from xferzone.transport import Body, Transport, http
from xferzone.transport.http import HTTP, PATIENCE, Patience

TYPE = "Content-Type: application/x-fossil\r\n"
BODY = b"four and more"
HASTE = Patience(connect=5, silence=1, reply=2)

Answer = Callable[[socket.socket, bytes], None]


def asked(way: Transport, octets: bytes = b"the request") -> tuple[str, bytes]:
    """Content type and octets of the reply."""
    with way.exchange(Body.of("application/x-fossil", octets)) as reply:
        return reply.content_type, reply.octets.read()


@contextlib.contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """A server that does `answers` with its connections, in turn, the last for ever: its URL, and what it was asked."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    requests.append(_request(connection))
                    answers[min(len(requests), len(answers)) - 1](connection, requests[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/repo", requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65_536)
        if request.startswith(b"\x16\x03"):  # the client greets in TLS
            return request
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(
        int(each.split(b":")[1]) for each in head.lower().split(b"\r\n") if b"content-length" in each
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def says(reply: str | bytes) -> Answer:
    """These octets, and the end of the connection."""
    return lambda connection, _: connection.sendall(reply.encode() if isinstance(reply, str) else reply)


def status(line: str, *headers: str, body: bytes = b"") -> Answer:
    head = "".join(f"{header}\r\n" for header in headers)
    return says(f"HTTP/1.1 {line}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def resets(connection: socket.socket, _request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_after(beginning: str) -> Answer:
    """This, and nothing more until the client goes."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(beginning.encode())
        connection.settimeout(20)
        connection.recv(1)

    return answer


def drips(beginning: str, drop: bytes = b"a") -> Answer:
    """A drop every 50 ms, for ever."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(beginning.encode())
        while True:
            connection.sendall(drop)
            time.sleep(0.05)

    return answer


HEAD = f"HTTP/1.1 200 OK\r\n{TYPE}"

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
    "100 before": says(f"HTTP/1.1 100 Continue\r\n\r\n{HEAD}Content-Length: 13\r\n\r\n".encode() + BODY),
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
            "303 See Other",
            "401 Unauthorized",
            "403 Forbidden",
            "404 Not Found",
            "500 Oops",
            "503 Busy",
        )
    },
    "status 204": (status("204 No Content"), "answers 204 No Content"),
    "status 103": (status("103 Early Hints"), "answers 103"),
    "a web page": (
        status("200 OK", "Content-Type: text/html", body=b"<h1>Log  in</h1>"),
        "no Fossil repository, it answers with text/html: <h1>Log in</h1>",
    ),
    "gzip": (status("200 OK", TYPE[:-2], "Content-Encoding: gzip", body=PACKED), "answers in gzip"),
    "an end before its length": (says(f"{HEAD}Content-Length: 99\r\n\r\nshort"), "broke off its reply"),
    "chunks cut off": (says(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n99\r\nshort"), "broke off its reply"),
    "chunks that are none": (says(f"{HEAD}Transfer-Encoding: chunked\r\n\r\nzzz\r\n"), "broke off its reply"),
    "no HTTP": (says("SSH-2.0-OpenSSH_9.2\r\n"), "cannot be reached"),
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
    "a redirect to nowhere": (status("302 Found"), "redirects over 10 times"),
    "a redirect to another protocol": (status("301 Moved", "Location: ftp://x/"), "not an http or https URL"),
    "a redirect to a file": (status("301 Moved", "Location: file:///etc/passwd"), "not an http or https URL"),
    "a redirect to no URL": (status("301 Moved", "Location: http://[::1/"), "redirects to"),
    "a redirect to a host that is none": (
        status("301 Moved", "Location: http://a..b\x7f/"),
        "cannot be reached",
    ),
}


#: Those that only time ends.
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


def test_a_reply_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_REPLY", 1_000_000)

    def floods(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(f"{HEAD}Connection: close\r\n\r\n".encode())
        while True:
            connection.sendall(bytes(65_536))

    with answering(floods) as (url, _), pytest.raises(PeerError, match="over 1000000 bytes in one reply"):
        asked(HTTP(url), b"")


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("location", ["{base}/moved?x=1", "/moved?x=1", "moved?x=1", "//{place}/moved?x=1"])
def test_redirects_are_followed_and_remembered(code: int, location: str) -> None:
    def moves(connection: socket.socket, request: bytes) -> None:
        place = next(line for line in request.decode().split("\r\n") if line.startswith("Host: "))[6:]
        there = location.format(base=f"http://{place}", place=place)
        status(f"{code} Moved", f"Location: {there}")(connection, request)

    with answering(moves, TAKEN["a length"]) as (url, requests):
        way = HTTP(url, with_login=True)
        for _ in range(2):
            assert asked(way)[1] == BODY
    assert [request.split()[1] for request in requests] == [b"/repo", b"/moved?x=1", b"/moved?x=1"]
    assert all(request.endswith(b"the request") for request in requests)


def test_a_login_is_shown_to_no_other_host() -> None:
    """Whoever gets a request with a login can send it again to where it was meant for, and read the answer."""
    with answering(TAKEN["a length"]) as (there, requests):
        other = there.replace("127.0.0.1", "localhost")
        with answering(status("302 Found", f"Location: {other}")) as (url, _):
            with pytest.raises(PeerError, match="another host, which gets no login from here"):
                asked(HTTP(url, with_login=True), b"login ...")
            assert not requests
            assert asked(HTTP(url), b"pull ...")[1] == BODY


def test_nothing_is_sent_in_clear_after_https() -> None:
    way = HTTP("https://dns.example.net/x")
    for location in ("http://dns.example.net/x", "HTTP://dns.example.net/"):
        with pytest.raises(PeerError, match="where nothing is encrypted"):
            way._moved("https://dns.example.net/x", location)


def test_what_cannot_be_connected_to() -> None:
    with pytest.raises(PeerError, match="cannot be reached: Connection refused"):
        asked(HTTP("http://127.0.0.1:1/"), b"")
    with pytest.raises(PeerError, match="cannot be reached"):
        asked(HTTP(f"http://{'a' * 70}.example.net/"), b"")
    with answering(TAKEN["a length"]) as (url, _), pytest.raises(PeerError, match="cannot be reached"):
        asked(HTTP(url.replace("http:", "https:")), b"")
