"""Mirrors in numbers: those that wait, those that read slowly, and a server that ends or is replaced meanwhile."""

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, Server, free_port, serving, within
from tests.robust.site import LOGIN, PASSWORD, PROJECT, PULL, ask, by_ops, healthy, made
from tests.web.asking import Mirror
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.cards import IGot
from xferzone.hashing import ArtifactId
from xferzone.publish.publish import publish
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.store import Store
from xferzone.web.limits import MAX_REQUESTS
from xferzone.web.waiting import MAX_WAIT_S, MAX_WAITING

pytestmark = pytest.mark.interop

POLLS = 200
SOON_S = 15.0  # on a busy machine; less than anybody waits for news
LARGE = 8 * 1024 * 1024  # bytes of an artifact: more than sockets buffer
_TEXT = b"$TTL 60\n@ 60 SOA ns.example.net. h.example.net. 1 7200 3600 1209600 300\n@ 60 NS ns.example.net.\n"


@dataclass(frozen=True, slots=True)
class Site:
    repository: Path
    large: ArtifactId


@pytest.fixture
def site(tmp_path: Path) -> Site:
    path = made(tmp_path / "z.xferzone")
    with Store.open(path) as store, store.writer() as writer:
        large = writer.put(os.urandom(LARGE))
    publish_another(path)
    return Site(path, large)


def publish_another(path: Path) -> None:
    """News: the zone, or its branch moved on."""
    now = time.time_ns() // 1_000_000
    with Store.open(path) as store, store.writer() as writer:
        refs = LocalRefs(writer)
        ref = next(iter(refs.standing(1)), None)
        tags = (
            ()
            if ref
            else (Tag("*", "branch", None, "a.example/main"), Tag("*", "sym-a.example/main", None, None))
        )
        file = FileCard("a.example.zone", writer.put(_TEXT + b"; %d\n" % now))
        parents = (ref.checkin,) if ref else ()
        checkin = CheckIn(comment="news", date_ms=now, user=LOGIN, files=(file,), parents=parents, tags=tags)
        writer.put(checkin.encode())
        assert list(publish(writer, refs, Occasion(now, LOGIN, Door.CLI))) == []


def mirror(port: int) -> Mirror:
    return Mirror(PROJECT, LOGIN, PASSWORD, f"127.0.0.1:{port}")


def asked(port: int, target: str, headers: Mapping[str, str] = {}, body: bytes = b"") -> HTTPConnection:
    """A request that was sent; its reply has not been read."""
    method = "POST" if body else "GET"
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    signed = mirror(port).headers(target, body, method=method)
    connection.request(method, target, body or None, {**signed, **headers})
    return connection


def answer(connection: HTTPConnection) -> HTTPResponse:
    with contextlib.closing(connection):
        reply = connection.getresponse()
        reply.read()
    return reply


def tag(port: int) -> str:
    reply = answer(asked(port, "/v0/refs"))
    assert reply.status == 200
    return reply.headers["ETag"]


def poll(port: int, known: str) -> HTTPConnection:
    return asked(port, "/v0/refs", {"If-None-Match": known, "Prefer": f"wait={MAX_WAIT_S}"})


@contextlib.contextmanager
def polling(port: int, number: int = MAX_WAITING + 2) -> Iterator[list[HTTPConnection]]:
    """The polls that wait, of so many: as many as may."""
    known = tag(port)
    polls = [poll(port, known) for _ in range(number)]
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for each in polls:
            stack.enter_context(contextlib.closing(each))
            waiting.register(each.sock, selectors.EVENT_READ, each)
        while len(polls) > MAX_WAITING and (ready := waiting.select(SOON_S)):
            for key, _ in ready:
                waiting.unregister(key.fileobj)
                polls.remove(key.data)
                reply = answer(key.data)
                assert (reply.status, reply.headers["Retry-After"]) == (429, "10")
        assert len(polls) == MAX_WAITING
        assert waiting.select(0) == []
        yield polls


def test_of_two_hundred_polls_eight_wait_and_keep_out_nobody(site: Site) -> None:
    with serving(site.repository, "serve") as server, polling(server.http, POLLS) as polls:
        assert healthy(server, SOON_S)
        assert IGot(site.large) in ask(server, by_ops(PULL))
        publish_another(site.repository)
        told = [answer(each) for each in polls]
        assert [reply.status for reply in told] == [200] * MAX_WAITING


def test_who_leaves_makes_room_for_another_to_wait(site: Site) -> None:
    with serving(site.repository, "serve") as server, polling(server.http) as polls:
        known = tag(server.http)
        polls[0].close()

        def is_taken() -> bool:
            another = poll(server.http, known)
            another.sock.settimeout(0.5)
            try:
                return answer(another).status != 429
            except TimeoutError:
                return True

        assert within(SOON_S, is_taken)


def test_a_server_that_ends_answers_those_that_wait(site: Site) -> None:
    with serving(site.repository, "serve") as server, polling(server.http) as polls:
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        told = [answer(each) for each in polls]
        assert [reply.status for reply in told] == [304] * MAX_WAITING
        assert server.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began < MAX_WAIT_S - 5


def test_over_a_reload_those_that_wait_are_answered_and_others_may(site: Site) -> None:
    own = free_port()
    with serving(site.repository, "serve", "--replicate-listen", f"127.0.0.1:{own}") as server:
        assert answer(asked(server.http, "/v0/refs")).status == 404
        with polling(own) as polls:
            server.process.send_signal(signal.SIGHUP)
            assert [answer(each).status for each in polls] == [304] * MAX_WAITING
            assert server.told("reload outcome=done file=none")
        with polling(own) as polls:
            publish_another(site.repository)
            assert [answer(each).status for each in polls] == [200] * MAX_WAITING


def _slow(server: Server, site: Site) -> socket.socket:
    """Somebody who asks for a large batch and does not read it."""
    body = json.dumps({"hashes": [site.large]}).encode()
    connection = asked(server.http, "/v0/objects/batch", body=body)
    sock = connection.sock
    connection.sock = None  # it stays open
    assert isinstance(sock, socket.socket)
    return sock


def test_slow_readers_of_batches_keep_out_nobody(site: Site) -> None:
    with serving(site.repository, "serve") as server, contextlib.ExitStack() as stack:
        for _ in range(MAX_REQUESTS + 4):
            stack.enter_context(_slow(server, site))
        assert healthy(server, SOON_S)
        # A login that stopped reading gives way as soon as it has been slow for some seconds.
        assert within(PATIENCE_S, lambda: answer(asked(server.http, "/v0/refs")).status == 200)
        assert IGot(site.large) in ask(server, by_ops(PULL))
        body = json.dumps({"hashes": [site.large]}).encode()
        with contextlib.closing(asked(server.http, "/v0/objects/batch", body=body)) as reader:
            reply = reader.getresponse()
            assert (reply.status, len(reply.read()) > LARGE) == (200, True)
        assert server.told("outcome=cut")
