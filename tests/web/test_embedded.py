"""The small HTTP server for embedders: it stops when told, answers what is under way, and says nothing by itself."""

import contextlib
import queue
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest

from xferzone import exchange
from xferzone.cards.body import DEBUG
from xferzone.exchange import Reply, Terms
from xferzone.store import Store
from xferzone.transport import Body
from xferzone.web.embedded import serve_http
from xferzone.web.xfer import Answer

PATIENCE_S = 30.0


class Served:
    """`serve_http` in a thread, at `port`; `stop` tells it to stop."""

    def __init__(self, store: Store, host: str, answer: Answer) -> None:
        ports: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=serve_http,
            args=((host, 0), store, self.stop),
            kwargs={"answer": answer, "ready": ports.put},
        )
        self.thread.start()
        self.host, self.port = host, ports.get(timeout=PATIENCE_S)

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"

    def connection(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), PATIENCE_S)


@contextlib.contextmanager
def serving(store: Store, host: str = "127.0.0.1", answer: Answer = exchange.answer) -> Iterator[Served]:
    served = Served(store, host, answer)
    try:
        yield served
    finally:
        served.stop.set()
        served.thread.join(PATIENCE_S)
    assert not served.thread.is_alive()


def post(url: str, octets: bytes = b"pull 00 00\n") -> bytes:
    request = urllib.request.Request(url, octets, {"Content-Type": DEBUG})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        got: bytes = reply.read()
        return got


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_answers_at_an_address_of_either_kind_and_by_name(store: Store, host: str) -> None:
    with serving(store, host) as served:
        assert b"error" in post(served.url)


def test_it_stops_at_once_while_clients_are_idle(store: Store) -> None:
    with serving(store) as served, served.connection() as early:
        assert b"error" in post(served.url)  # and so the idle one has been accepted, too
        began = time.monotonic()
        served.stop.set()
        served.thread.join(PATIENCE_S)
        assert not served.thread.is_alive()
        assert time.monotonic() - began < 10  # a read may take 60 s
        assert early.recv(100) == b""


def test_a_request_under_way_is_answered_before_it_returns(store: Store) -> None:
    came, go_on = threading.Event(), threading.Event()

    def slow(store: Store, body: Body, terms: Terms) -> Reply:
        came.set()
        assert go_on.wait(PATIENCE_S)
        return exchange.answer(store, body, terms)

    replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with serving(store, answer=slow) as served:
        asking = threading.Thread(target=lambda: replies.put(post(served.url)))
        asking.start()
        assert came.wait(PATIENCE_S)
        served.stop.set()
        served.thread.join(0.5)
        assert served.thread.is_alive()
        go_on.set()
    asking.join(PATIENCE_S)
    assert b"error" in replies.get(timeout=PATIENCE_S)


def test_clients_that_leave_put_nothing_on_stderr(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    head = f"POST / HTTP/1.1\r\nContent-Type: {DEBUG}\r\nContent-Length: 100\r\n\r\n".encode()
    with serving(store) as served:
        for octets in (b"", b"PO", head, head + b"pull"):
            with served.connection() as connection:
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                )  # leave by RST
                connection.sendall(octets)
        assert b"error" in post(served.url)
    assert capfd.readouterr().err == ""


def test_an_address_that_is_in_use_is_an_error(store: Store) -> None:
    with serving(store) as served, pytest.raises(OSError, match="in use"):
        serve_http((served.host, served.port), store, threading.Event())
