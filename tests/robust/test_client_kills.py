"""A client is killed during clone, pull and push, at any moment and right inside a write transaction.

half a clone is never seen under its name, and the next one sweeps what it left
`xferzone check` is clean, and the next sync brings both sides to the same
TERM, INT and HUP end it in order: exit 128 + their number, nothing left of a clone, a pull keeps whole rounds
"""

import contextlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Person, run, serving, stock_server
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.hashing import ArtifactId
from xferzone.store import Store, unsent

pytestmark = pytest.mark.interop

KILLS = 1  # of each kind, of each server's client; 20 by hand
DATE = 1_700_000_000_000  # milliseconds since 1970
CHECKINS = 20
BUDGET = 100_000  # bytes of stock's replies; 1,500,000 by hand
SIZE = 30_000  # bytes of a check-in's file, which nothing packs; 250,000 by hand
SEED = 20261121

#: A command line that sends itself a signal: in the write transaction of round N, after round N, or while refs follow.
SUICIDE = """
import importlib, os, sys
from xferzone.cli import main, progress
from xferzone.sync.client.session import ClientSession
clone, sync = map(importlib.import_module, ("xferzone.exchange.clone", "xferzone.exchange.sync"))
place, number, signal = sys.argv.pop(1).split()
def ending(where, act):
    times = []
    def act_and_end(*words, **options):
        done = act(*words, **options)
        times.append(1)
        if (where, len(times)) == (place, int(number)):
            os.kill(os.getpid(), int(signal))
        return done
    return act_and_end
ClientSession.keep = ending("keep", ClientSession.keep)
progress._Said.round_ended = ending("round", progress._Said.round_ended)
clone._begin, sync._follow = ending("follow", clone._begin), ending("follow", sync._follow)
main.main()
"""


def grow(path: Path, first: int) -> None:
    """Put CHECKINS check-ins with a large file each into the repository, on a branch that is no zone's."""
    rng = random.Random(first)
    with Store.open(path) as store, store.writer() as writer:
        parents: tuple[ArtifactId, ...] = ()
        for number in range(first, first + CHECKINS):
            name = unsent.put_own(writer, rng.randbytes(SIZE))
            begins = (Tag("*", "branch", None, f"b{first}"), Tag("*", f"sym-b{first}", None, None))
            manifest = CheckIn(
                comment=f"change {number}",
                date_ms=DATE + number * 1000,
                user="ann",
                files=(FileCard("large", name),),
                parents=parents,
                tags=() if parents else begins,
            )
            parents = (unsent.put_own(writer, manifest.encode()),)


def artifacts(path: Path) -> set[ArtifactId]:
    with Store.open(path) as store, store.reader() as reader:
        return set(reader.artifacts())


class Site:
    """A server of either make, its repository, and a client beside it."""

    def __init__(self, person: Person, url: str, repository: Path) -> None:
        self.person, self.url, self.repository = person, url, repository
        self.rng = random.Random(SEED)
        self.grown = 0

    def everything(self) -> set[str]:
        """The artifacts that the server has."""
        if self.repository.suffix == ".fossil":
            rows = self.person.fossil(
                "sql", "-R", self.repository, "SELECT uuid FROM blob WHERE size >= 0"
            ).out
            return {line.strip("'") for line in rows.split()}
        return set(artifacts(self.repository))

    def grow(self, directory: Path) -> None:
        """Give the server CHECKINS more."""
        self.grown += 1_000
        if self.repository.suffix != ".fossil":
            grow(self.repository, self.grown)
            return
        other = directory / "other.xferzone"
        self.person.xferzone("clone", self.url, other)
        grow(other, self.grown)
        self.person.xferzone("-R", other, "push", self.url)
        other.unlink()

    def argv(self, *words: str | Path, end: str = "") -> list[str]:
        """The command line; with `end`, as SUICIDE takes it, one that ends itself."""
        program = ["-c", SUICIDE, end] if end else ["-m", "xferzone"]
        return [sys.executable, *program, *map(str, words)]

    def start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.argv(*words),
            env=self.person.env,
            cwd=self.person.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def end(self, end: str, *words: str | Path) -> int:
        """The exit code of a command line that ends itself."""
        done = run(*self.argv(*words, end=end), env=self.person.env, at=self.person.home, code=None)
        assert "Traceback" not in done.err, done.err
        return done.code

    def kill(self, seconds: float, *words: str | Path) -> int:
        """The exit code of a command line that is killed after so long."""
        process = self.start(*words)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        process.communicate(timeout=60)
        return process.returncode

    def timed(self, *words: str | Path) -> float:
        began = time.monotonic()
        self.person.xferzone(*words)
        return time.monotonic() - began

    def kills(self, seconds: float) -> Iterator[float]:
        """When to kill what takes `seconds`: mostly where it works, not where it starts."""
        for _ in range(KILLS):
            yield self.rng.uniform(0.15, 1) * seconds

    def assert_same(self, here: Path) -> None:
        self.person.xferzone("-R", here, "check")
        self.person.xferzone("-R", here, "sync", self.url)
        self.person.xferzone("-R", here, "check")
        assert artifacts(here) == self.everything()


@pytest.fixture(scope="module", params=["ours", "stock"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("there")
    person = Person(directory / "home", "ops")
    ours = directory / "there.xferzone"
    person.xferzone("-R", ours, "init")
    grow(ours, 0)
    for login in ("nobody", "anonymous"):
        person.xferzone("-R", ours, "user", "caps", login, "gio")
    with contextlib.ExitStack() as servers:
        url = servers.enter_context(serving(ours, "serve")).url()
        repository = ours
        if request.param == "stock":
            repository = directory / "there.fossil"
            person.fossil("clone", url, repository)
            person.fossil("user", "capabilities", "nobody", "gio", "-R", repository)
            with contextlib.closing(sqlite3.connect(repository)) as db, db:
                db.execute("REPLACE INTO config VALUES ('max-download', ?, unixepoch())", (BUDGET,))
            url = servers.enter_context(stock_server(person, repository))
        yield Site(person, url, repository)


def left(here: Path) -> list[str]:
    """What is beside the file or is it."""
    return sorted(path.name for path in here.parent.iterdir() if here.name in path.name)


def test_half_a_clone_is_never_seen(site: Site, tmp_path: Path) -> None:
    here = tmp_path / "here.xferzone"
    seconds = site.timed("clone", site.url, here)
    here.unlink()
    for after in site.kills(seconds):
        code = site.kill(after, "clone", site.url, here)
        assert here.exists() or code != 0
        if here.exists():
            assert artifacts(here) == site.everything()
            here.unlink()
        assert len(left(here)) <= 1
    for number in range(KILLS):
        assert site.end(f"{('keep', 'follow')[number % 2]} 1 9", "clone", site.url, here) == -signal.SIGKILL
        assert len(left(here)) == 1
    site.person.xferzone("clone", site.url, here)
    assert left(here) == [here.name]
    site.assert_same(here)


def test_a_pull_that_is_killed_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    before, here = tmp_path / "before.xferzone", tmp_path / "here.xferzone"
    site.person.xferzone("clone", site.url, here)
    shutil.copy(here, before)
    site.grow(tmp_path)
    seconds = site.timed("-R", here, "sync", site.url)
    for after in site.kills(seconds):
        _copy(before, here)
        site.kill(after, "-R", here, site.rng.choice(["sync", "pull"]), site.url)
        site.assert_same(here)
    for number in range(KILLS):
        _copy(before, here)
        place = ("keep 2", "follow 1", "round 1")[number % 3]
        assert site.end(f"{place} 9", "-R", here, "pull", site.url) == -signal.SIGKILL
        site.assert_same(here)


def test_a_push_that_is_killed_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    here = tmp_path / "here.xferzone"
    site.person.xferzone("clone", site.url, here)
    grow(here, 100_000)
    mine = artifacts(here)
    for number in range(KILLS):
        site.kill(site.rng.uniform(0.2, 1.5), "-R", here, "push", site.url)
        site.end(f"keep {1 + number // 2} 9", "-R", here, "push", site.url)
        site.person.xferzone("-R", here, "check")
    site.person.xferzone("-R", here, "push", site.url)
    assert mine <= site.everything()
    site.assert_same(here)


def test_a_signal_ends_it_in_order(site: Site, tmp_path: Path) -> None:
    """In a round nothing of it is kept, between rounds all of it."""
    here = tmp_path / "here.xferzone"
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for place, number in zip(("keep 1", "round 1", "follow 1"), signals, strict=True):
        assert site.end(f"{place} {number:d}", "clone", site.url, here) == 128 + number
        assert left(here) == []

    site.person.xferzone("clone", site.url, here)
    whole = artifacts(here)
    before = Path(shutil.copy(here, tmp_path / "before.xferzone"))
    site.grow(tmp_path)
    for place, number in zip(("keep 2", "keep 2", "round 2"), signals, strict=True):
        _copy(before, here)
        assert site.end(f"{place} {number:d}", "-R", here, "pull", site.url) == 128 + number
        assert (artifacts(here) > whole) == (place == "round 2")
    site.assert_same(here)


def test_two_at_once(site: Site, tmp_path: Path) -> None:
    """Two clones to one file: one has it, the other is told; two syncs of one repository: both end well."""
    here = tmp_path / "here.xferzone"
    clones = [site.start("clone", site.url, here) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in clones]
    assert sorted(process.returncode for process in clones) == [0, 3]
    assert sum(b"exists already" in each for each in said) == 1
    assert left(here) == [here.name]
    site.grow(tmp_path)
    grow(here, 200_000)
    syncs = [site.start("-R", here, "sync", site.url) for _ in range(2)]
    for process in syncs:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    site.assert_same(here)


def test_a_full_disk_leaves_no_clone(site: Site, tmp_path: Path) -> None:
    here = tmp_path / "here.xferzone"
    limited = ["prlimit", f"--fsize={400_000}", *site.argv("clone", site.url, here)]
    done = run(*limited, env=site.person.env, at=tmp_path, code=1)
    assert f"{here} cannot be" in done.err
    assert left(here) == []
    site.person.xferzone("clone", site.url, here)
    before = artifacts(here)
    site.grow(tmp_path)
    limited = ["prlimit", f"--fsize={here.stat().st_size}", *site.argv("-R", here, "pull", site.url)]
    assert run(*limited, env=site.person.env, at=tmp_path, code=None).code in (
        0,
        1,
    )  # the WAL may have had room
    assert before <= artifacts(here)
    site.assert_same(here)


def _copy(before: Path, here: Path) -> None:
    for path in here.parent.glob(f"{here.name}*"):
        path.unlink()
    shutil.copy(before, here)
