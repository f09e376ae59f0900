"""Whoever reads all of a large repository keeps nobody from writing, at whatever point it is stopped."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.live import XFERZONE, Person, serving
from xferzone.store import Store

pytestmark = pytest.mark.interop

RECORDS = 20_000
BLOBS = 4_000  # of 2,000 bytes that cannot be compressed
STEP_S = 0.015  # that the reader runs between two commits
PATIENCE_S = 20.0  # for one commit; SQLite gives up after 30


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Person, Path]:
    person = Person(tmp_path_factory.mktemp("beside") / "ops")
    path = person.home / "z.xferzone"
    lines = [f"h{number} 300 A 10.0.{number >> 8}.{number & 255}\n" for number in range(RECORDS)]
    (person.home / "e.zone").write_text(
        "$TTL 300\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n" + "".join(lines)
    )
    assert re.search("password: ", person.xferzone("-R", path, "init").out)
    person.xferzone("-R", path, "zone", "add", "example.com", "--from", "e.zone")
    with Store.open(path) as store, store.writer() as writer:
        for _ in range(BLOBS):
            writer.put(os.urandom(2_000))
    return person, path


@pytest.mark.parametrize("verb", [("check",), ("backup", "copy.xferzone"), ("zone", "export", "example.com")])
def test_nobody_waits_for_whoever_reads_all(repository: tuple[Person, Path], verb: tuple[str, ...]) -> None:
    person, path = repository
    (person.home / "copy.xferzone").unlink(missing_ok=True)
    commits = 0
    with serving(path), Store.open(path) as store:
        argv = [*XFERZONE, "-R", str(path), *verb]
        with (
            (person.home / "out").open("wb") as out,
            subprocess.Popen(
                argv, env=person.env, cwd=person.home, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            ) as reader,
        ):
            try:
                while reader.poll() is None:
                    reader.send_signal(signal.SIGSTOP)
                    began = time.monotonic()
                    with store.writer() as writer:
                        writer.put(b"commit %d beside %s\n" % (commits, verb[0].encode()))
                    assert time.monotonic() - began < PATIENCE_S
                    commits += 1
                    reader.send_signal(signal.SIGCONT)
                    time.sleep(STEP_S)
            finally:
                reader.send_signal(signal.SIGCONT)
                reader.wait(PATIENCE_S * 5)
        assert reader.returncode == 0, (person.home / "out").read_text()[-2_000:]
    assert commits > 5
