"""Requests of the walk over HTTP, to servers that answer by the book, oddly, or not at all."""

import contextlib
import socket

import pytest

from tests.transport.servers import Answer, answering
from xferzone.errors import PeerError, UsageError
from xferzone.transport.http import Patience
from xferzone.transport.walk import WalkRequest
from xferzone.transport.walk_http import WalkHTTP

REFS = WalkRequest("GET", "/v0/refs?since=a.1.2", {"accept-encoding": "zstd"})
SOON = Patience(connect=5, silence=0.3, reply=5)


def sends(octets: bytes, *, holds: bool = False) -> Answer:
    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(octets)
        if holds:
            with contextlib.suppress(OSError):
                connection.settimeout(5)
                connection.recv(1)

    return answer


def replied(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def asked(
    url: str, request: WalkRequest = REFS, patience: Patience = SOON
) -> tuple[int, dict[str, str], bytes]:
    with WalkHTTP(url, patience=patience) as way, way.ask(request) as reply:
        return reply.status, dict(reply.headers), b"".join(reply.body)


def test_a_request_goes_to_the_repositorys_url_with_the_target_behind_it() -> None:
    with answering(sends(replied(b"told", "200 OK", "ETag: x"))) as (url, requests):
        status, headers, body = asked(url)
    assert (status, headers["etag"], body) == (200, "x", b"told")
    (request,) = requests
    assert request.startswith(b"GET /repo/v0/refs?since=a.1.2 HTTP/1.1\r\n")
    assert b"accept-encoding: zstd\r\n" in request


@pytest.mark.parametrize("status", ["304 Not Modified", "401 Unauthorized", "404 Not Found", "503 Busy"])
def test_any_status_is_handed_on(status: str) -> None:
    body = b"" if status.startswith("304") else b"why"
    with answering(sends(replied(body, status))) as (url, _):
        assert asked(url)[::2] == (int(status[:3]), body)


def test_a_post_carries_its_body() -> None:
    with answering(sends(replied(b""))) as (url, requests):
        asked(
            url,
            WalkRequest("POST", "/v0/objects/walk", {"content-type": "application/json"}, b'{"roots":[]}'),
        )
    assert requests[0].endswith(b'{"roots":[]}')


@pytest.mark.parametrize(
    ("octets", "holds", "words"),
    [
        (b"", False, "closed the connection without an answer"),
        (b"", True, "no answer in time"),
        (b"HTTP/1.1 200 OK\r\n\r\n", False, "empty, and no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour", False, "broke off its reply"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour", True, "broke off its reply: no answer in time"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n", False, "broke off its reply"),
        (b"not HTTP at all\r\n\r\n", False, "cannot be reached"),
    ],
)
def test_what_is_broken_off_is_an_error_that_names_the_server(
    octets: bytes, words: str, *, holds: bool
) -> None:
    with answering(sends(octets, holds=holds)) as (url, _), pytest.raises(PeerError, match=words) as caught:
        asked(url)
    assert url in str(caught.value)


def test_a_redirect_within_the_host_is_followed() -> None:
    moved = replied(b"", "308 Permanent Redirect", "Location: /dns/v0/refs")
    with answering(sends(moved), sends(replied(b"told"))) as (url, requests):
        assert asked(url)[2] == b"told"
    assert requests[1].startswith(b"GET /dns/v0/refs HTTP/1.1\r\n")


@pytest.mark.parametrize("where", ["http://localhost/v0/refs", "ftp://127.0.0.1/", ""])
def test_a_redirect_elsewhere_is_refused(where: str) -> None:
    moved = replied(b"", "302 Found", *([f"Location: {where}"] if where else []))
    with answering(sends(moved)) as (url, requests), pytest.raises(PeerError, match=r"redirect|Location"):
        asked(url)
    assert len(requests) == 1


def test_redirects_without_end_are_refused() -> None:
    moved = replied(b"", "302 Found", "Location: /repo/v0/refs")
    with answering(sends(moved)) as (url, _), pytest.raises(PeerError, match="redirects over 10 times"):
        asked(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://DNS.example.net/", "dns.example.net"),
        ("https://dns.example.net:443/x", "dns.example.net"),
        ("https://dns.example.net:8443/", "dns.example.net:8443"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("http://[2001:db8::1]:8080/", "[2001:db8::1]:8080"),
    ],
)
def test_the_host_is_named_as_requests_name_it(url: str, host: str) -> None:
    assert WalkHTTP(url).host == host


def test_what_is_not_a_url_is_refused() -> None:
    with pytest.raises(UsageError):
        WalkHTTP("dns.example.net")
