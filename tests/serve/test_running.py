"""The notes that servers leave beside a repository."""

import os
import subprocess
import sys
from pathlib import Path

from xferzone.serve.running import Listener, announced, listeners

SERVER = """
import sys, pathlib
from xferzone.serve.running import announced
with announced(pathlib.Path(sys.argv[1]), "dns", [("dns", "[::1]:5300")]):
    print("here", flush=True)
    sys.stdin.read()
"""


def server(repository: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(repository)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def test_a_server_is_listed_while_it_runs(tmp_path: Path) -> None:
    repository = tmp_path / "my [zones].xferzone"
    with server(repository) as process:
        assert listeners(repository) == [Listener("dns", "[::1]:5300", "dns", process.pid)]
        assert listeners(tmp_path / "my [zones]") == []
        with announced(repository, "up", [("http", "127.0.0.1:8080"), ("dns", "127.0.0.1:5300")]):
            assert listeners(repository) == [
                Listener("dns", "127.0.0.1:5300", "up", os.getpid()),
                Listener("dns", "[::1]:5300", "dns", process.pid),
                Listener("http", "127.0.0.1:8080", "up", os.getpid()),
            ]
        process.communicate()
    assert listeners(repository) == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_server_is_not_listed_and_its_note_is_swept_by_the_next(tmp_path: Path) -> None:
    repository = tmp_path / "zones.xferzone"
    with server(repository) as process:
        process.kill()
    assert [path.name for path in tmp_path.iterdir()] == [f"zones.xferzone-{process.pid}.run"]
    assert listeners(repository) == []
    with announced(repository, "serve", []):
        assert [path.name for path in tmp_path.iterdir()] == [f"zones.xferzone-{os.getpid()}.run"]
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_is_no_json_is_passed_over(tmp_path: Path) -> None:
    repository = tmp_path / "zones.xferzone"
    with announced(repository, "up", []):
        (tmp_path / f"zones.xferzone-{os.getpid()}.run").write_text("{")
        assert listeners(repository) == []
