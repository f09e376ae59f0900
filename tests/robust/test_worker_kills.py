"""Workers killed (-9) under pushes by stock fossil: nothing acknowledged is lost, and the next push succeeds.

    body           the request is half read
    transaction    what came is stored and published, and not committed
    reply          it is committed, and nothing is said yet
    any            some moment of a push

Five of each were run by hand. The server is our command line with one line put in at each point, that
kills the worker where a file of the point's name is found.
"""

import contextlib
import os
import random
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, PROJECT, Person, Server, background, free_port, within
from tests.robust.site import LOGIN, PASSWORD, PUSH, ask, begun, by_ops, faults, healthy, made, workers
from xferzone.artifacts import CheckIn, Tag
from xferzone.cards import File
from xferzone.hashing import artifact_id
from xferzone.store import Store

KILLS = 2  # of each kind
SEED = 4

MORTAL = """
import os, runpy, signal, sys
from pathlib import Path
from xferzone.exchange.answer import _Answering as Answering
from xferzone.exchange.pushed import Push
from xferzone.web import xfer

flags = Path(sys.argv.pop(1))

def die(point):
    if (flags / point).exists():
        (flags / point).unlink()
        os.kill(os.getpid(), signal.SIGKILL)

def pieces(req, visitor, was=xfer.pieces):
    came = 0
    for octets in was(req, visitor):
        yield octets
        came += len(octets)
        if came >= req.content_length // 2:
            die("body")

def published(push, *args, was=Push._published, **named):
    part = was(push, *args, **named)
    die("transaction")
    return part

def written(answering, reply, error=None, was=Answering._written):
    if reply.received:
        die("reply")
    return was(answering, reply, error)

xfer.pieces, Push._published, Answering._written = pieces, published, written
runpy.run_module("xferzone", run_name="__main__")
"""


@contextlib.contextmanager
def mortal(repository: Path, flags: Path) -> Iterator[Server]:
    port, log = free_port(), repository.with_suffix(".log")
    argv = [
        sys.executable,
        "-c",
        MORTAL,
        str(flags),
        "-R",
        str(repository),
        "serve",
        "--listen",
        f"127.0.0.1:{port}",
    ]
    env = {"PATH": os.environ["PATH"], "HOME": str(repository.parent), "PYTHONPATH": str(PROJECT)}
    with background(argv, env, log) as process:
        server = Server(process, port, 0, log)
        assert within(PATIENCE_S, lambda: "serve: ready" in log.read_text()), log.read_text()
        yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in log.read_text(), log.read_text()


def _is_replaced(server: Server, gone: int) -> bool:
    return workers(server) not in ([gone], [])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = made(tmp_path / "z.xferzone")
    tags = (Tag("*", "branch", None, "trunk"), Tag("*", "sym-trunk", None, None))
    with Store.open(path) as store, store.writer() as writer:
        writer.put(CheckIn(comment="root", date_ms=1_700_000_000_000, user="ops", tags=tags).encode())
    return path


def held(clone: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(clone)) as db:
        return {row[0] for row in db.execute("SELECT uuid FROM blob WHERE size >= 0")}


def ours(repository: Path) -> set[str]:
    with Store.open(repository) as store, store.reader() as reader:
        return set(reader.artifacts())


def test_nothing_acknowledged_is_lost_and_the_next_push_succeeds(repository: Path, tmp_path: Path) -> None:
    flags, clone, chance = tmp_path / "flags", tmp_path / "ann.fossil", random.Random(SEED)
    flags.mkdir()
    ann = Person(tmp_path / "ann")
    acknowledged: set[str] = set()
    with mortal(repository, flags) as server:
        url = server.url(LOGIN, PASSWORD)
        ann.clone(url, clone)
        work = ann.open(clone, tmp_path / "work")
        ann.fossil("settings", "autosync", "off", at=work)
        for number, point in enumerate(("body", "transaction", "reply", "any") * KILLS):
            (work / f"{number}.txt").write_text(f"{number}\n" * 3000)
            ann.fossil("add", ".", at=work)
            ann.fossil("commit", "-m", f"change {number}", "--no-warnings", at=work)
            (worker,) = workers(server)
            if point == "any":
                timer = threading.Timer(chance.uniform(0, 0.05), os.kill, (worker, signal.SIGKILL))
                timer.start()
                ann.fossil("push", at=work, code=None)
                timer.join()
            else:
                (flags / point).touch()
                ann.fossil("push", at=work, code=None)
                assert not (flags / point).exists()
            assert within(PATIENCE_S, partial(_is_replaced, server, worker))
            assert within(PATIENCE_S, lambda: healthy(server, PATIENCE_S))
            assert faults(repository) == []
            here = ours(repository)
            assert acknowledged <= here
            assert (held(clone) <= here) or point != "reply"
            done = ann.fossil("push", at=work)
            assert "rror" not in done.out
            acknowledged = held(clone)
            assert acknowledged <= ours(repository)
        ann.fossil("sync", at=work)
        again = tmp_path / "again.fossil"
        ann.clone(url, again)
    assert held(again) == held(clone) == ours(repository)
    for each in (clone, again):
        ann.fossil("rebuild", each)
        assert " 0 errors" in ann.fossil("test-integrity", "-R", each).out


def test_a_worker_killed_over_half_a_body_takes_nobody_along(repository: Path, tmp_path: Path) -> None:
    content = random.Random(SEED).randbytes(3_000_000)
    body = by_ops(PUSH, File(artifact_id(content), content))
    with mortal(repository, tmp_path) as server:
        for _ in range(KILLS):
            before = ours(repository)
            with begun(server, body, len(body) // 2) as connection:
                assert healthy(server, PATIENCE_S)  # who came later was answered: this one has been taken in
                (worker,) = workers(server)
                os.kill(worker, signal.SIGKILL)
                with contextlib.suppress(OSError):
                    assert connection.recv(1) == b""
            assert within(PATIENCE_S, lambda: healthy(server, PATIENCE_S))
            assert ours(repository) == before
            assert faults(repository) == []
        assert ask(server, body) == []
    assert artifact_id(content) in ours(repository)
    assert not [each for each in repository.parent.iterdir() if each.name.startswith("tmp")]
