"""Floods of DNS: questions, forged sources, connections that only begin, and such that go on octet by octet.

Each lasts SECONDS, or as long as it needs to show what it can do; `make soak` has ten minutes of it. Others are
answered meanwhile, by UDP and by TCP, and memory is bounded.
"""

import contextlib
import multiprocessing
import os
import random
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.live import PATIENCE_S, Server, dig, run, serving, within
from tests.live import PROJECT as PROJECT_DIRECTORY
from tests.nameserver.made import question
from tests.nameserver.peers.asking import by_tcp
from tests.publish.project import NOW, Project
from xferzone.dnsd.agent import IDLE
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName
from xferzone.zonefile import names, text

pytestmark = pytest.mark.interop

LASTING: Final = "FLOOD_S"  # tests see nothing whose name begins as our own variables do (tests/conftest.py)
SECONDS: Final = float(os.environ.get(LASTING, "6"))
SLOWLY_S: Final = max(
    SECONDS, IDLE + 4
)  # until those without a whole message were closed, and have begun again
ZONE: Final = b"$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.80\n"
ASKED: Final = question("www.example.com.", "A")
CONNECTIONS: Final = 10_000
SLOW: Final = 800  # connections: half as many again as there are places
GROWTH: Final = 40 * 1024 * 1024  # bytes; the networks of a second, and 16 MiB of answers to invented names
TRIES: Final = 5  # of a client beside a flood, as resolvers have
MOST_LOST: Final = 0.1  # of their questions; the kernel drops what finds no room


def rss(pid: int) -> int:
    """Bytes that a process and its children have."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return own + sum(rss(int(child)) for child in children)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    project = Project(tmp_path)
    with project.writing() as (writer, refs):
        edit = Edit(writer, refs, BranchName("example.com", "main"), Author("ops", NOW - 500_000))
        edit.replace(text.read_zone(ZONE, names.zone_name("example.com")), "a zone")
    return project.path


@contextlib.contextmanager
def flooded(server: Server, flood: Callable[[int], None], seconds: float = SECONDS) -> Iterator[None]:
    """While a process floods the port, others are answered, and memory is bounded."""
    before = rss(server.process.pid)
    flooding = multiprocessing.get_context("fork").Process(target=flood, args=(server.dns,), daemon=True)
    flooding.start()
    try:
        asked, lost, end = 0, 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for ask in (_by_udp, _by_tcp):
                asked += 1
                lost += not any(ask(server.dns) for _ in range(TRIES))
            time.sleep(0.1)
        yield
        assert flooding.is_alive()
        assert rss(server.process.pid) - before < GROWTH
    finally:
        flooding.kill()
        flooding.join()
    assert asked > seconds
    assert lost <= MOST_LOST * asked, f"{lost} of {asked}"
    assert within(PATIENCE_S, lambda: _by_udp(server.dns) and _by_tcp(server.dns))


def _by_udp(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        client.connect(("127.0.0.1", port))
        try:
            client.send(ASKED)
            return client.recv(512)[:2] == ASKED[:2]
        except OSError:
            return False


def _by_tcp(port: int) -> bool:
    try:
        return [answer[:2] for answer in by_tcp(port, ASKED, seconds=2.0)] == [ASKED[:2]]
    except OSError:
        return False


def _questions(port: int) -> None:
    """Half for one name, half for names that do not exist, from a hundred sockets that nobody reads."""
    chance = random.Random(1)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(100)]
        for client in clients:
            client.connect(("127.0.0.1", port))
        while True:
            for client in clients:
                invented = question("n0000000000.example.com.", "A")
                name = str(chance.randrange(10**9, 10**10)).encode()
                client.send(ASKED)
                client.send(invented.replace(b"0000000000", name))


def _octets(port: int) -> None:
    """Messages of which an octet comes each second, on SLOW connections; one that is closed begins again."""
    clients: list[socket.socket | None] = [None] * SLOW
    while True:
        began = time.monotonic()
        for number, client in enumerate(clients):
            try:
                if client is None:
                    client = clients[number] = socket.socket()
                    client.bind((f"127.{70 + number % 100}.0.1", 0))
                    client.settimeout(PATIENCE_S)
                    client.connect(("127.0.0.1", port))
                client.send(b"\0")
            except OSError:
                if client is not None:
                    client.close()
                clients[number] = None
        time.sleep(max(0.0, began + 1.0 - time.monotonic()))


def test_the_soak_says_how_long_a_flood_lasts() -> None:
    assert f"{LASTING}=600 " in (PROJECT_DIRECTORY / "Makefile").read_text()
    seen = "import os, tests.conftest; print(os.environ.get('FLOOD_S'))"
    env = {**os.environ, LASTING: "600", "PYTHONPATH": str(PROJECT_DIRECTORY)}
    assert run(sys.executable, "-c", seen, env=env, at=PROJECT_DIRECTORY).out == "600\n"


def test_a_flood_of_questions(repository: Path) -> None:
    with serving(repository, "dns", "--workers", "1") as server, flooded(server, _questions):
        pass


def test_messages_that_come_octet_by_octet(repository: Path) -> None:
    with serving(repository, "dns", "--workers", "1") as server, flooded(server, _octets, SLOWLY_S):
        pass


def test_ten_thousand_connections_that_only_begin(repository: Path) -> None:
    """Half say nothing, half a part of a message; when all are there, the first begin again."""
    with serving(repository, "dns", "--workers", "1") as server, contextlib.ExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, CONNECTIONS + 500)), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before, end, number = rss(server.process.pid), time.monotonic() + SECONDS, 0
        places = [stack.enter_context(contextlib.ExitStack()) for _ in range(CONNECTIONS)]
        while number < CONNECTIONS or time.monotonic() < end:
            places[number % CONNECTIONS].close()
            lone = places[number % CONNECTIONS].enter_context(socket.socket())
            lone.bind((f"127.{70 + number % 100}.0.1", 0))
            lone.settimeout(PATIENCE_S)
            lone.connect(("127.0.0.1", server.dns))
            if number % 2:
                lone.sendall(b"\0\x20\1")
            number += 1
            if number % (CONNECTIONS // 5) == 0:
                for way in ("+tcp", "+notcp"):
                    answer = dig(server.dns, "www.example.com", "A", "+short", "+tries=3", way)
                    assert answer == "192.0.2.80\n"
        assert rss(server.process.pid) - before < GROWTH


@pytest.mark.alone
def test_a_flood_with_forged_sources(repository: Path) -> None:
    Path(f"{repository}.toml").write_text("[dns.rate]\nenabled = true\nexempt = []\n")
    chance = random.Random(1)
    with serving(repository, "dns", "--workers", "1") as server:
        before, sent, came = rss(server.process.pid), 0, 0
        end = time.monotonic() + SECONDS
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
            victim.bind(("127.66.6.6", 0))
            victim.setblocking(False)
            while time.monotonic() < end:
                for _ in range(50):
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forged:
                        forged.bind((f"127.{chance.randrange(70, 250)}.{chance.randrange(256)}.1", 0))
                        name = f"n{chance.randrange(10**9)}.example.com."
                        forged.sendto(question(name, "A"), ("127.0.0.1", server.dns))
                    victim.sendto(question("www.example.com.", "A"), ("127.0.0.1", server.dns))
                    sent += 1
                try:
                    while True:
                        came += not victim.recv(4096)[2] & 2
                except BlockingIOError:
                    continue
        assert dig(server.dns, "www.example.com", "A", "+short", "+tries=5") == "192.0.2.80\n"
        assert came <= 2 * 200  # the first second may have twice the rate
        assert sent > 200 * 5
        assert rss(server.process.pid) - before < GROWTH
