"""Verbs are killed (-9) at any moment, or the servers that they ask: nothing acknowledged is lost, all is whole.

The verb, or the same with --resume, can then be run again, and has done all of it when it ends. `make soak` kills 25
times during each.

python -m tests.robust.test_care_kills 25       so many kills of each
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.interop.nodes import now_ms
from tests.live import BOUND_S, PATIENCE_S, XFERZONE, Person, background, free_port, serving, within
from tests.robust.site import faults
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store
from xferzone.zone.changes import parse_change

KILLS = 3  # during each verb
CHECKINS = 150
SEED = 20261130
DATE = 1_700_000_000_000  # milliseconds since 1970
ZONE = "example.com"
PASSWORD = "correct-horse"
NEWS = 5  # commits that an exchange brings, and five times as many artifacts beside them
LARGE = 8  # artifacts of 2.5 MB, which a server sends in several replies


class Site:
    """A repository with a zone, and much that came whole; `url`: where it is served, for clones."""

    def __init__(self, directory: Path) -> None:
        self.person, self.file = Person(directory / "home"), directory / "zones.xferzone"
        self.rng = random.Random(SEED)
        self.person.xferzone("-R", self.file, "init")
        self.person.xferzone("-R", self.file, "zone", "add", "example.com")
        self.person.xferzone("-R", self.file, "user", "caps", "nobody", "gio")
        words = ("user", "add", "ann", "--write", "--password-stdin")
        self.person.xferzone("-R", self.file, *words, stdin=f"{PASSWORD}\n")
        self._grow()

    def _grow(self) -> None:
        lines = [self.rng.randbytes(40).hex().encode() for _ in range(400)]
        with Store.open(self.file) as store, store.writer() as writer:
            parents: tuple[ArtifactId, ...] = ()
            writer.rechains_later = True
            for number in range(CHECKINS):
                lines[self.rng.randrange(len(lines))] = self.rng.randbytes(40).hex().encode()
                begins = (Tag("*", "branch", None, "much"), Tag("*", "sym-much", None, None))
                manifest = CheckIn(
                    comment=f"change {number}",
                    date_ms=DATE + number * 1000,
                    user="ann",
                    files=(FileCard("much", writer.put(b"\n".join(lines))),),
                    parents=parents,
                    tags=() if parents else begins,
                )
                parents = (writer.put(manifest.encode()),)

    def begun(self, *words: str | Path) -> subprocess.Popen[bytes]:
        """A command line that goes on."""
        return subprocess.Popen(
            [*XFERZONE, *map(str, words)],
            env=self.person.env,
            cwd=self.person.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def killed(self, seconds: float, *words: str | Path) -> bool:
        """Whether a command line was killed after so long; it had ended well otherwise."""
        process = self.begun(*words)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        code = process.wait(BOUND_S)
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def bereft(self, seconds: float, file: Path, port: int, *words: str | Path) -> bool:
        """Whether a command line ended well beside a server of `file` that is killed after so long."""
        argv = [*XFERZONE, "-R", str(file), "serve", "--listen", f"127.0.0.1:{port}"]
        log = file.with_name("killed.log")
        with background(argv, self.person.env, log) as server:
            assert within(PATIENCE_S, lambda: "serve: ready" in log.read_text()), log.read_text()
            process = self.begun(*words)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            os.killpg(server.pid, signal.SIGKILL)
            return process.wait(BOUND_S) == 0

    def change(self, file: Path) -> None:
        """Commits to the zone there, and other artifacts."""
        with Store.open(file) as store:
            for _ in range(NEWS):
                with store.writer() as writer:
                    for _ in range(5):
                        writer.put(self.rng.randbytes(2_000))
                    edit = Edit(writer, LocalRefs(writer), BranchName(ZONE, "main"), Author("ann", now_ms()))
                    owner = f"h{self.rng.randrange(10**9)}.{ZONE}"
                    edit.change([parse_change("set", [owner, "300", "A", "192.0.2.1"])], "set")
                    writer.make_clusters()

    def timed(self, *words: str | Path) -> float:
        began = time.monotonic()
        self.person.xferzone(*words)
        return time.monotonic() - began

    def copy(self, name: str) -> Path:
        made = self.file.with_name(name)
        self.remove(made)
        self.person.xferzone("-R", self.file, "backup", made)
        return made

    def remove(self, made: Path) -> None:
        for left in made.parent.glob(f"*{made.name}*"):
            if left.is_dir():
                continue  # a killed one's: whoever makes a file here removes it
            left.unlink()

    def is_whole(self, made: Path) -> None:
        assert faults(made) == []


def held(path: Path) -> tuple[set[ArtifactId], list[tuple[str, ArtifactId, int | None]]]:
    with Store.open(path) as store, store.reader() as reader:
        refs = [(str(ref.branch), ref.checkin, ref.serial) for ref in LocalRefs(reader).list()]
        return set(reader.artifacts()), refs


def has_all(file: Path, of: Path) -> bool:
    """Whether everything that `of` has is there, and its zone stands where it does there."""
    (artifacts, refs), (others, stands) = held(file), held(of)
    return others <= artifacts and set(stands) <= set(refs)


def moments(site: Site, seconds: float, kills: int) -> Iterator[float]:
    for _ in range(kills):
        yield site.rng.uniform(0, seconds)


def kill_optimize(site: Site, kills: int) -> None:
    before = held(site.file)
    seconds = site.timed("-R", site.copy("o.xferzone"), "optimize")
    for after in moments(site, seconds, kills):
        made = site.copy("o.xferzone")
        site.killed(after, "-R", made, "optimize")
        site.is_whole(made)
        assert held(made) == before
        site.person.xferzone("-R", made, "optimize")
        assert held(made) == before


def kill_new_file(site: Site, kills: int, words: Sequence[str], name: str) -> None:
    """A verb that makes a new file: that is whole, or not there."""
    made = site.file.with_name(name)
    before = held(site.file)
    seconds = site.timed("-R", site.file, *words, made)
    for after in moments(site, seconds, kills):
        site.remove(made)
        was_killed = site.killed(after, "-R", site.file, *words, made)
        assert was_killed or made.exists()
        if made.exists() and made.suffix == ".xferzone":
            site.is_whole(made)
        site.remove(made)
        site.person.xferzone("-R", site.file, *words, made)
        assert held(site.file) == before
    leftovers = [each.name for each in made.parent.iterdir() if "unfinished" in each.name]
    assert leftovers == []


def kill_clone(site: Site, kills: int, *options: str) -> None:
    with serving(site.file, "serve") as server:
        made, before = site.file.with_name("c.xferzone"), held(site.file)
        words: tuple[str | Path, ...] = ("clone", *options, server.url(), made)
        site.remove(made)
        seconds = site.timed(*words)
        for after in moments(site, seconds, kills):
            site.remove(made)
            was_killed = site.killed(after, *words)
            assert was_killed or made.exists()
            if not made.exists():
                site.person.xferzone(*words)
            site.is_whole(made)
            assert held(made) == before
            assert [each.name for each in made.parent.glob(f"*{made.name}*") if each != made] == []


def kill_exchange(site: Site, kills: int, verb: str) -> None:
    """A push or a pull: of what is told to be done nothing is lost."""
    clone = site.file.with_name(f"{verb}.xferzone")
    site.remove(clone)
    with serving(site.file, "serve") as server:
        url = server.url("ann", PASSWORD)
        site.person.xferzone("clone", url, clone)
        source, to = (clone, site.file) if verb == "push" else (site.file, clone)
        words = ("-R", clone, verb, url)
        site.change(source)
        seconds = site.timed(*words)
        for after in moments(site, seconds, kills):
            site.change(source)
            if not site.killed(after, *words):
                assert has_all(to, source)
            site.is_whole(clone)
            site.person.xferzone(*words)
            assert has_all(to, source)
        site.is_whole(site.file)


def kill_server_of_push(site: Site, kills: int) -> None:
    clone, port = site.file.with_name("pushed.xferzone"), free_port()
    site.remove(clone)
    with serving(site.file, "serve", http=port) as server:
        url = server.url("ann", PASSWORD)
        site.person.xferzone("clone", url, clone)
        words = ("-R", clone, "push", url)
        site.change(clone)
        seconds = site.timed(*words)
    for after in moments(site, seconds, kills):
        site.change(clone)
        if site.bereft(after, site.file, port, *words):
            assert has_all(site.file, clone)
        site.is_whole(site.file)
        with serving(site.file, "serve", http=port):
            site.person.xferzone(*words)
        assert has_all(site.file, clone)


def kill_server_of_clone(site: Site, kills: int) -> None:
    """--resume goes on with what has come, and at last has all."""
    large, port = site.copy("large.xferzone"), free_port()
    with Store.open(large) as store:
        for _ in range(LARGE):
            with store.writer() as writer:
                writer.put(site.rng.randbytes(2_500_000))
    made, before = site.file.with_name("l.xferzone"), held(large)
    site.remove(made)
    with serving(large, "serve", http=port) as server:
        words = ("clone", "--resume", server.url(), made)
        seconds = site.timed(*words)
    for after in moments(site, seconds, kills):
        site.remove(made)
        if not site.bereft(after, large, port, *words):
            assert not made.exists()
            with serving(large, "serve", http=port):
                site.person.xferzone(*words)
        site.is_whole(made)
        assert held(made) == before
        assert [each.name for each in made.parent.glob("*.partial")] == []


ALL: dict[str, Callable[[Site, int], None]] = {
    "optimize": kill_optimize,
    "rollover": lambda site, kills: kill_new_file(site, kills, ["rollover"], "r.xferzone"),
    "backup": lambda site, kills: kill_new_file(site, kills, ["backup"], "b.xferzone"),
    "export-fossil": lambda site, kills: kill_new_file(site, kills, ["export-fossil"], "e.fossil"),
    "clone": kill_clone,
    "clone --resume": lambda site, kills: kill_clone(site, kills, "--resume"),
    "clone --resume, the server": kill_server_of_clone,
    "push": partial(kill_exchange, verb="push"),
    "push, the server": kill_server_of_push,
    "pull": partial(kill_exchange, verb="pull"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("care"))


@pytest.mark.parametrize("verb", ALL)
def test_a_killed_verb_leaves_what_is_whole(site: Site, verb: str) -> None:
    ALL[verb](site, KILLS)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        at = Site(Path(directory))
        for verb, kill in ALL.items():
            began = time.monotonic()
            kill(at, int(sys.argv[1]))
            print(f"{verb}: {sys.argv[1]} kills, all whole; {time.monotonic() - began:.0f} s", flush=True)
