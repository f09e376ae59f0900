"""What a server can do to a client with replies that are large, many, or never new: it ends, in little memory.

Each reply comes again in every round, or is new in every round. The peak of memory is what the kernel kept of it.
Clones of the other floods, and 100,000 deltas without a source, were run by hand.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import PROJECT as PROJECT_DIRECTORY
from tests.live import XFERZONE, run
from tests.robust.site import PROJECT
from tests.web.conftest import Served
from xferzone import delta
from xferzone.artifacts import Cluster
from xferzone.cards import CloneSeqno, File, Push
from xferzone.cards.body import COMPRESSED, decode_body, pack
from xferzone.hashing import ArtifactId, artifact_id

pytestmark = pytest.mark.interop

MOST_MB = 150
MOST_S = 240  # on a busy machine; some seconds on a quiet one
LARGE = 2**27

Rounds = Callable[[int], bytes]

MEASURED = """
import atexit, runpy, sys
from pathlib import Path
kept = Path(sys.argv.pop(1))
atexit.register(lambda: kept.write_text(Path("/proc/self/status").read_text()))
runpy.run_module("xferzone", run_name="__main__")
"""


def file(content: bytes) -> bytes:
    return File(artifact_id(content), content).encode()


def lines(form: bytes, count: int, start: int = 0) -> bytes:
    return b"".join(form % number for number in range(start, start + count))


def derived() -> Iterator[bytes]:
    """Deltas, each of the one before."""
    old = base = lines(b"line %d of a text\n", 60)
    for number in range(5_000):
        new = base + b"%d\n" % number
        yield File(artifact_id(new), delta.create(old, new) or b"", artifact_id(old)).encode()
        old = new


def cluster(number: int) -> bytes:
    members = tuple(ArtifactId(f"{number:08x}{member:056x}") for member in range(800))
    return file(Cluster(members).encode())


def same(text: bytes) -> Rounds:
    return lambda _round: text


#: By name: card text of the reply of a round, which counts from 1, and exit codes that `pull` may end with.
FLOODS: dict[str, tuple[Callable[[], Rounds], set[int]]] = {
    "names": (lambda: same(lines(b"igot %064x\n", 400_000)), {1}),
    "new names in each round": (lambda: lambda n: lines(b"igot %064x\n", 20_000, n * 20_000), {0, 1, 69}),
    "questions": (lambda: same(lines(b"gimme %064x\n", 400_000)), {0}),
    "messages": (lambda: same((b"message " + b"\x1b" * 60_000 + b"\n") * 1_000), {0}),
    "refs that never end": (lambda: same(lines(b"pragma xferzone-ref z%d.test/main - 1\n", 90_000)), {69}),
    "a ref that always moves": (
        lambda: lambda n: b"pragma xferzone-ref z.test/main - %d\n" % n,
        {69},
    ),
    "small artifacts": (lambda: same(b"".join(file(b"%d" % number) for number in range(90_000))), {0}),
    "too many of them": (lambda: same(b"".join(file(b"%d" % number) for number in range(100_001))), {69}),
    "a reply over all bounds": (lambda: same(file(bytes(60 * 2**20)) * 2), {69}),
    "deltas on deltas, newest first": (lambda: same(b"".join([*derived()][::-1])), {0, 1}),
    "clusters of nothing": (lambda: lambda n: b"".join(map(cluster, range(n * 100, n * 100 + 100))), {69}),
    "rounds without end": (
        lambda: lambda n: file(b"%d" % n) + b"igot %s\n" % artifact_id(b"%d" % (n + 1)).encode(),
        {69},
    ),
    "comments": (lambda: same(b"#\n" * 900_000), {0}),
    "unversioned files": (lambda: same(lines(b"uvigot f%d 1 " + b"a" * 40 + b" 5\n", 200_000)), {0}),
}


class Flood:
    """A WSGI app that answers each round with what `rounds` gives; a clone is told of one more part each time."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds, self._count = rounds, 0

    def __call__(self, environ, start):  # type: ignore[no-untyped-def]  # WSGI
        octets = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        asked = decode_body(environ["CONTENT_TYPE"], octets, limit=LARGE)
        self._count += 1
        text = self._rounds(self._count)
        if b"clone " in asked:
            text += file(b"part %d" % self._count)
            text += CloneSeqno(self._count + 1).encode() + Push("x", PROJECT).encode()
        answer = pack(text, level=1)
        start("200 OK", [("Content-Type", COMPRESSED), ("Content-Length", str(len(answer)))])
        return [answer]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(PROJECT_DIRECTORY)}
    run(*XFERZONE, "-R", "z.xferzone", "init", "--project-code", PROJECT, env=env, at=tmp_path)
    return tmp_path


def measured(home: Path, *words: str) -> tuple[int, int, str]:
    """Exit code, peak of memory in MB, and what was said."""
    kept = home / "status"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(kept), *words],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(PROJECT_DIRECTORY)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_S,
    )
    assert "Traceback" not in done.stderr
    found = re.search(r"VmHWM:\s+(\d+) kB", kept.read_text())
    assert found is not None
    return done.returncode, int(found[1]) // 1024, done.stdout + done.stderr


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_in_little_memory(home: Path, name: str) -> None:
    make, codes = FLOODS[name]
    with Served(Flood(make())).running() as server:
        code, megabytes, said = measured(home, "-R", "z.xferzone", "pull", server.url())
    assert code in codes, said
    assert megabytes <= MOST_MB
    assert len(said) < 1_000_000


@pytest.mark.parametrize("name", ["names", "messages", "clusters of nothing"])
def test_a_clone_of_one_ends_in_little_memory_and_leaves_nothing(home: Path, name: str) -> None:
    make, _ = FLOODS[name]
    with Served(Flood(make())).running() as server:
        code, megabytes, said = measured(home, "clone", server.url(), "c.xferzone")
    assert code == 69, said
    assert megabytes <= MOST_MB
    assert [each.name for each in home.iterdir() if each.name.startswith((".c", "c"))] == []
