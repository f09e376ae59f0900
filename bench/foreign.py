"""Clones of a foreign history from `fossil server`, by stock's client and ours: 600 files, 2,600 check-ins, no zone.

Fossil names all files in each check-in, so what counts is how long manifests are read. The same numbers give the same
bytes.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from bench.clones import imported
from bench.measure import children_seconds, row, timed
from tests.live import Person, stock_server

ROUNDS = 3
FILES = 600
CHECKINS = 2_600  # some 10,000 artifacts
_FOLDERS = ("src", "src/core", "tests", "docs", "tools", ".github/workflows", "lib/x")
_KINDS = ("py", "c", "md", "txt")
_START = 1_600_000_000
#: What the child of `peak` prints: its exit code is the clone's, and the largest process counts.
_MEASURED = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=2).returncode;"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def foreign(directory: Path) -> None:
    ops = Person(directory / "foreign")
    history = directory / "foreign.fossil"
    imported(ops, history, stream())
    stocks, ours, computed = [], [], []
    with stock_server(ops, history) as url:
        for number in range(ROUNDS):
            stocks.append(timed(ops.fossil, "clone", url, directory / f"stock-{number}.fossil", seconds=300))
            before = children_seconds()
            ours.append(timed(ops.xferzone, "clone", url, directory / f"ours-{number}.xferzone"))
            computed.append(children_seconds() - before)
        row("`xferzone clone` of a foreign history", ours, "s", bound="<= 2 x", ratio=("stock's", stocks))
        row("    CPU of it", computed, "s")
        row("    memory of it", [peak(ops, url, directory / "measured.xferzone")], "MB", bound="<= 150 MB")


def peak(ops: Person, url: str, clone: Path) -> float:
    """Megabytes that the largest process of a clone has taken."""
    argv = [sys.executable, "-c", _MEASURED, sys.executable, "-m", "xferzone", "clone", url, str(clone)]
    done = subprocess.run(argv, env=ops.env, cwd=ops.home, capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024 / 1e6


def stream(files: int = FILES, checkins: int = CHECKINS, seed: int = 5) -> Iterator[bytes]:
    """For `fossil import --git`: a third of the files first, then check-ins that change a few or add one."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz_", k=rng.randint(2, 10))) for _ in range(3_000)]

    def line() -> str:
        return " " * rng.choice((0, 4, 8)) + " ".join(rng.choices(words, k=rng.randint(1, 9))) + "\n"

    def added(number: int) -> str:
        name = f"{rng.choice(_FOLDERS)}/{rng.choice(words)}{number}.{rng.choice(_KINDS)}"
        texts[name] = [line() for _ in range(rng.randint(20, 400))]
        return name

    texts: dict[str, list[str]] = {}
    for number in range(files // 3):
        added(number)
    changed = list(texts)
    for mark in range(1, checkins + 1):
        if mark > 1:
            changed = []
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8)) if mark > 1 else 0):
            if len(texts) < files and rng.random() < 0.25:
                changed.append(added(len(texts)))
            else:
                changed.append(rng.choice(list(texts)))
                text, at = texts[changed[-1]], rng.randrange(20)
                text[at : at + rng.randint(0, 3)] = [line() for _ in range(rng.randint(1, 4))]
        yield _checkin(mark, {name: "".join(texts[name]).encode() for name in changed})


def _checkin(mark: int, changed: dict[str, bytes]) -> bytes:
    said = b"change %d" % mark
    head = b"commit refs/heads/master\nmark :%d\ncommitter ann <ann> %d +0000\ndata %d\n%b\n" % (
        mark,
        _START + 60 * mark,
        len(said),
        said,
    )
    cards = [b"from :%d\n" % (mark - 1)] if mark > 1 else []
    for name, content in changed.items():
        mode = b"100755" if crc32(name.encode()) % 9 == 0 else b"100644"
        cards.append(b"M %b inline %b\ndata %d\n%b\n" % (mode, name.encode(), len(content), content))
    return head + b"".join(cards)
