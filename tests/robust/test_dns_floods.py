"""Floods of DNS: forged sources, and connections that only begin. Others are answered, memory is bounded."""

import contextlib
import os
import random
import resource
import socket
import time
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, dig, serving
from tests.nameserver.made import question
from tests.publish.project import NOW, Project
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName
from xferzone.zonefile import names, text

pytestmark = pytest.mark.interop

SECONDS = float(os.environ.get("XFERZONE_FLOOD_S", "5"))
ZONE = b"$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.80\n"
CONNECTIONS = 10_000
GROWTH = 40 * 1024 * 1024  # bytes; the networks of a second, and 16 MiB of answers to invented names


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


def test_ten_thousand_connections_that_only_begin(repository: Path) -> None:
    """Half say nothing, half a part of a message."""
    with serving(repository, "dns", "--workers", "1") as server, contextlib.ExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, CONNECTIONS + 500)), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before = rss(server.process.pid)
        for number in range(CONNECTIONS):
            lone = stack.enter_context(socket.socket())
            lone.bind((f"127.{70 + number % 100}.0.1", 0))
            lone.settimeout(PATIENCE_S)
            lone.connect(("127.0.0.1", server.dns))
            if number % 2:
                lone.sendall(b"\0\x20\1")
            if number % (CONNECTIONS // 5) == 0:
                for way in ("+tcp", "+notcp"):
                    answer = dig(server.dns, "www.example.com", "A", "+short", "+tries=3", way)
                    assert answer == "192.0.2.80\n"
        assert rss(server.process.pid) - before < GROWTH


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
