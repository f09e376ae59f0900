"""The HTTP server's settings: gunicorn takes them, and the operator's file says the same."""

import os
import re
import runpy
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, background, free_port, within
from xferzone.cards.body import UNCOMPRESSED
from xferzone.config import Http
from xferzone.counters import Counters
from xferzone.serve.arbiter import SETTINGS, Served, Server
from xferzone.store import Store
from xferzone.web.limits import MAX_REQUESTS

PROJECT = Path(__file__).resolve().parent.parent.parent

# What an operator who runs gunicorn by himself has to say, or may say differently.
HIS_OWN = {"wsgi_app", "bind", "workers", "graceful_timeout"}


def test_the_operators_file_repeats_the_settings() -> None:
    file = runpy.run_path(str(PROJECT / "deploy" / "gunicorn.conf.py"))
    stated = {
        name: value
        for name, value in file.items()
        if not name.startswith("_") and name not in ("os", "xferzone")
    }
    assert stated.keys() == SETTINGS.keys() | HIS_OWN
    assert {name: value for name, value in stated.items() if name not in HIS_OWN} == {
        name: value for name, value in SETTINGS.items() if name not in HIS_OWN
    }


def test_the_operators_file_hands_its_threads_to_the_app() -> None:
    text = (PROJECT / "deploy" / "gunicorn.conf.py").read_text().replace("threads = 64", "threads = 20")
    made: dict[str, object] = {}
    exec(compile(text, "gunicorn.conf.py", "exec"), made)  # noqa: S102 a file of ours, as gunicorn runs it
    assert made["wsgi_app"] == "xferzone.serve.arbiter:application(threads=20)"


def test_gunicorn_takes_them(tmp_path: Path) -> None:
    server = Server(Served(tmp_path / "zones.xferzone", [], Http(workers=3, threads=99), Counters(1)))
    assert server.cfg.worker_class_str == "xferzone.serve.worker.Worker"
    assert server.cfg.threads == 99
    assert Http().threads >= MAX_REQUESTS + 16
    assert server.cfg.workers == 3
    assert server.cfg.control_socket_disable is True


@pytest.mark.interop
def test_plain_gunicorn_runs_with_the_operators_file(tmp_path: Path) -> None:
    repository, log, port = tmp_path / "zones.xferzone", tmp_path / "log", free_port()
    Store.create(repository).close()
    argv = [sys.executable, "-m", "gunicorn", "-c", str(PROJECT / "deploy" / "gunicorn.conf.py")]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": str(PROJECT),
        "XFERZONE_REPOSITORY": str(repository),
    }
    with background([*argv, "-b", f"127.0.0.1:{port}"], env, log) as process:
        assert within(PATIENCE_S, lambda: log.read_text().count("Booting worker") == 2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_S) as reply:
            assert reply.status == 200
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/", b"pull x " + b"0" * 40 + b"\n", {"Content-Type": UNCOMPRESSED}
        )
        for _ in range(9):
            with urllib.request.urlopen(asked, timeout=PATIENCE_S) as reply:
                assert reply.status == 200
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as reply:
            counted = re.findall(rb"^xferzone_xfer_rounds_total{.*} (\S+)$", reply.read(), re.MULTILINE)
        assert sum(map(float, counted)) == 9
        assert within(PATIENCE_S, lambda: " INFO xfer kind=" in log.read_text())
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert "ERROR" not in log.read_text(), log.read_text()
