"""Connections: one a request with stock servers, one for all with a server of our own kind."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, Person, serving, stock_server, within
from tests.transport.servers import (
    BODY,
    HEAD,
    TYPE,
    answering,
    asked,
    hangs_after,
    relayed,
    request_on,
    resets,
    status,
)
from xferzone.errors import PeerError
from xferzone.transport.http import HTTP, Patience

KEPT = f"{HEAD}X-Xferzone: 1\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
Next = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of ours with one worker of 64 threads."""
    directory = tmp_path_factory.mktemp("ours")
    person = Person(directory / "home", "ops")
    person.xferzone("-R", directory / "z.xferzone", "init")
    with serving(directory / "z.xferzone", "serve", "--workers", "1") as server:
        yield server.url()


def _requests(connection: bytes) -> int:
    return connection.count(b"POST / HTTP/1.1\r\n")


@pytest.mark.interop
def test_a_server_of_ours_gets_one_connection_once_it_is_known(ours: str) -> None:
    with relayed(ours) as (url, connections), HTTP(url) as way:
        for _ in range(5):
            assert asked(way, b"\0\0\0\0")[0].startswith("application/x-fossil")
        assert [_requests(each) for each in connections] == [1, 4]
        assert b"\r\nConnection: close\r\n" in connections[0]
        assert b"Connection: close" not in connections[1]


@pytest.mark.interop
def test_a_server_that_was_ours_last_time_gets_one_connection(ours: str) -> None:
    with relayed(ours) as (url, connections), HTTP(url, is_ours=True) as way:
        for _ in range(5):
            asked(way, b"\0\0\0\0")
        with way.get("/healthz") as reply:
            assert reply.octets.read()
        assert [_requests(each) for each in connections] == [5]


@pytest.mark.interop
def test_a_stock_server_gets_a_connection_a_request(tmp_path: Path) -> None:
    person = Person(tmp_path / "home", "ann")
    person.fossil("new", "s.fossil")
    with (
        stock_server(person, person.home / "s.fossil") as stock,
        relayed(stock) as (url, connections),
        HTTP(url, is_ours=True) as way,
    ):
        for _ in range(3):
            asked(way, b"\0\0\0\0")
        assert [_requests(each) for each in connections] == [1, 1, 1]
        assert all(b"\r\nConnection: close\r\n" in each for each in connections[1:])


@pytest.mark.interop
def test_connections_that_are_kept_open_hold_no_thread(ours: str) -> None:
    """150 idle connections to a worker with 64 threads, and each of them is still good for another request."""
    patience = Patience(silence=60)
    with relayed(ours) as (url, connections), contextlib.ExitStack() as held:
        ways = [held.enter_context(HTTP(url, is_ours=True, patience=patience)) for _ in range(150)]
        for _ in range(2):
            for way in ways:
                asked(way, b"\0\0\0\0")
        assert [_requests(each) for each in connections] == [2] * 150


@pytest.mark.interop
def test_a_worker_that_was_replaced_costs_nobody_a_request(tmp_path: Path) -> None:
    person = Person(tmp_path / "home", "ops")
    person.xferzone("-R", tmp_path / "z.xferzone", "init")
    with (
        serving(tmp_path / "z.xferzone", "serve", "--workers", "1") as server,
        HTTP(server.url(), is_ours=True) as way,
    ):
        asked(way, b"\0\0\0\0")
        (worker,) = [
            process
            for process in _descendants(server.process.pid)
            if "http worker" in Path(f"/proc/{process}/cmdline").read_text()
        ]
        os.kill(worker, signal.SIGKILL)
        assert within(PATIENCE_S, lambda: not Path(f"/proc/{worker}").exists())
        asked(way, b"\0\0\0\0")


def _descendants(parent: int) -> set[int]:
    found = {parent}
    for _ in range(3):  # supervisor, arbiter, worker
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) in found:
                    found.add(int(stat.parent.name))
    return found


def _keeps(*then: Next) -> Callable[[socket.socket, bytes], None]:
    """Answer as a server of ours, and do these with the requests that follow on the connection; then it ends."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(KEPT)
        for each in then:
            request_on(connection)
            each(connection)

    return answer


def _half_a_status(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 2")


def _nothing(_connection: socket.socket) -> None: ...


def _reset(connection: socket.socket) -> None:
    resets(connection, b"")


@pytest.mark.parametrize("end", [_nothing, _reset])
def test_a_request_on_a_connection_that_the_server_closes_is_sent_again_on_a_new_one(end: Next) -> None:
    with answering(_keeps(end), _keeps()) as (url, requests), HTTP(url, is_ours=True) as way:
        assert asked(way)[1] == BODY
        assert asked(way)[1] == BODY
        assert len(requests) == 2


def test_it_is_sent_again_once_only() -> None:
    with answering(_keeps(_nothing), lambda *_: None) as (url, requests), HTTP(url, is_ours=True) as way:
        asked(way)
        with pytest.raises(PeerError, match="closed the connection without an answer"):
            asked(way)
        assert len(requests) == 2


def test_it_is_not_sent_again_when_a_reply_has_begun() -> None:
    with answering(_keeps(_half_a_status), _keeps()) as (url, requests), HTTP(url, is_ours=True) as way:
        asked(way)
        with pytest.raises(PeerError, match="cannot be reached"):
            asked(way)
        assert len(requests) == 1


def test_it_is_not_sent_again_when_the_server_is_silent() -> None:
    haste = Patience(connect=5, silence=1, reply=2)
    with (
        answering(_keeps(lambda connection: hangs_after("")(connection, b"")), _keeps()) as (url, requests),
        HTTP(url, is_ours=True, patience=haste) as way,
    ):
        asked(way)
        with pytest.raises(PeerError, match="no answer in time"):
            asked(way)
        assert len(requests) == 1


def test_the_first_request_is_not_sent_again() -> None:
    with answering(lambda *_: None) as (url, requests), HTTP(url, is_ours=True) as way:
        with pytest.raises(PeerError, match="closed the connection without an answer"):
            asked(way)
        assert len(requests) == 1


def test_another_server_is_asked_to_close_whatever_it_offers() -> None:
    keeps = status("200 OK", TYPE.strip(), "Connection: keep-alive", body=BODY)
    with answering(keeps) as (url, requests), HTTP(url) as way:
        for _ in range(2):
            asked(way)
    assert all(b"\r\nConnection: close\r\n" in request for request in requests)
