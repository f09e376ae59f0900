"""Clients that take their time: they hold a thread, not the server."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Server, serving
from tests.robust.site import LOGIN, PULL, PUSH, ask, begun, by_ops, cpu_s, healthy, made, post, workers
from xferzone.cards import File, IGot
from xferzone.cards.body import COMPRESSED
from xferzone.hashing import artifact_id
from xferzone.serve.arbiter import THREADS
from xferzone.serve.worker import MAX_HEAD
from xferzone.store import Store
from xferzone.web.deadlines import Patience
from xferzone.web.limits import MAX_REQUESTS
from xferzone.web.xfer import MAX_OTHER

CONTENT = b"slowly\n" * 1000
SLOW = 20
SLOW_HEADS = 2 * THREADS
SOON_S = 10.0  # far less than anybody is waited for


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return made(tmp_path / "z.xferzone")


@pytest.fixture
def server(repository: Path) -> Iterator[Server]:
    with serving(repository, "serve") as server:
        yield server


def test_slow_bodies_stop_nobody_else(server: Server) -> None:
    body = by_ops(PUSH, File(artifact_id(CONTENT), CONTENT))
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(begun(server, body, 10)) for _ in range(SLOW)]
        assert ask(server, by_ops(PULL)) == []
        assert healthy(server, SOON_S)
        for connection in slow:
            connection.sendall(body[-10:])
            assert connection.recv(100).startswith(b"HTTP/1.0 200 ")
    assert ask(server, by_ops(PULL)) == [IGot(artifact_id(CONTENT))]


def test_beyond_a_bound_slow_bodies_give_way_and_neither_requests_nor_pages_wait(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(begun(server, by_ops(PULL), 10)) for _ in range(MAX_REQUESTS + 1)]
        with selectors.DefaultSelector() as waiting:
            for connection in slow:
                waiting.register(connection, selectors.EVENT_READ)
            turned_away = [key.fileobj for key, _ in waiting.select(60)]
        assert turned_away
        for connection in slow:
            if connection in turned_away:
                assert connection.recv(100).startswith(b"HTTP/1.0 200 ")  # and an error card
        assert ask(server, by_ops(PULL)) == []
        assert healthy(server, SOON_S)


def test_slow_heads_hold_no_thread(server: Server) -> None:
    (worker,) = workers(server)
    with contextlib.ExitStack() as stack:
        # The third is part of a request that came together with one before it, and was read with that.
        ahead = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal"
        beginnings = [b"", b"P", ahead, b"x" * 2 * MAX_HEAD, b"\x16\x03\x01"]
        slow = []
        for number in range(SLOW_HEADS):
            slow.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.http), 60)))
            slow[-1].sendall(beginnings[number % len(beginnings)])
        assert healthy(server, SOON_S)
        assert ask(server, by_ops(PULL)) == []
        before = cpu_s(worker)
        time.sleep(1)
        assert cpu_s(worker) - before < 0.5  # the loop sleeps while they wait
        for octet in b"OST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n":
            slow[1].sendall(bytes([octet]))
        assert slow[1].recv(12) == b"HTTP/1.0 405"
        assert slow[2].recv(15) == b"HTTP/1.1 200 OK"
        slow[2].sendall(b"thz HTTP/1.0\r\nX: pending\r\n\r\n")
        assert b"HTTP/1.0 200 OK" in b"".join(iter(lambda: slow[2].recv(10_000), b""))
        slow[6].shutdown(socket.SHUT_WR)
        assert slow[6].recv(100) == b""  # an end in the midst of a head is seen
        for number in (3, 4):  # too long, and no request
            assert slow[number].recv(12) == b"HTTP/1.0 400"


def test_who_waits_for_the_write_lock_delays_no_page_and_no_pull(server: Server, repository: Path) -> None:
    pushes = []
    with Store.open(repository) as store, store.writer():
        for number in range(SLOW):
            content = b"%d\n" % number
            body = by_ops(PUSH, File(artifact_id(content), content))
            pushes.append(threading.Thread(target=ask, args=(server, body)))
            pushes[-1].start()
        assert healthy(server, SOON_S)
        assert ask(server, by_ops(PULL)) == []
        assert all(push.is_alive() for push in pushes)
    for push in pushes:
        push.join(60)
    assert len(ask(server, by_ops(PULL))) == SLOW


@pytest.mark.parametrize("reads", [True, False])
def test_time_that_is_over_ends_a_connection_whoever_waits_for_it(reads: bool) -> None:
    patience = Patience()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30)
        thread = threading.Timer(0.1, patience.enforce)
        with patience.over(ours, 0.05):
            thread.start()
            if reads:
                assert ours.recv(1) == b""
            else:
                with pytest.raises(BrokenPipeError):
                    ours.sendall(bytes(10**7))
        thread.join()


def test_who_was_in_time_is_left_alone() -> None:
    patience = Patience()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with patience.over(ours, -1):
            pass
        patience.enforce()
        theirs.send(b"x")
        assert ours.recv(1) == b"x"


def test_a_request_without_a_length_is_told_so(server: Server) -> None:
    for head in (b"POST / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.0\r\n"):
        with socket.create_connection(("127.0.0.1", server.http), timeout=30) as connection:
            connection.sendall(head + f"Content-Type: {COMPRESSED}\r\n\r\n".encode())
            assert b" 411 " in connection.recv(100)
    assert post(server, b"").cards == []
    assert len(workers(server)) == 1
    assert LOGIN not in server.log.read_text().split("ready")[1]


@pytest.mark.parametrize(("size", "ends"), [(10, False), (MAX_OTHER + 1, True)])
def test_who_is_refused_a_large_body_is_told_that_the_connection_ends(
    server: Server, size: int, ends: bool
) -> None:
    """What nobody reads of it is not always dropped in time, and a proxy may send another request where it was."""
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    with socket.create_connection(("127.0.0.1", server.http), 60) as client:
        client.sendall(head + b" " * min(size, 100))
        assert (b"\r\nConnection: close\r\n" in client.recv(10_000)) is ends
