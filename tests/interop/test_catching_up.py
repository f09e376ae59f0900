"""Who is sixty changes behind catches up for the bytes that stock needs, whoever asks and whoever serves."""

import contextlib
import json
import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import zones
from tests.live import Person, serving, stock_server
from tests.web.conftest import served
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.hashing import ArtifactId
from xferzone.repository import make
from xferzone.store import Store, chains
from xferzone.sync.server.budget import Budget

pytestmark = pytest.mark.interop

CHANGES = 60
OTHER = 15  # changes of another zone among them
KNOWN = (
    chains.MAX_STACK - 20
)  # versions of the large zone that everybody has: a chain of deltas ends in the changes
MOST = 1.5  # times what stock's client and stock's server need
_WIRE = re.compile(r"wire bytes sent: (\d+) +received: (\d+)")


class _Zone:
    """A zone as somebody edits it by hand, one record at a time."""

    def __init__(self, name: str, records: int, rng: random.Random) -> None:
        self.name = name
        self._rng = rng
        self._lines = [f"host{number} 300 A {self._address()}\n" for number in range(records)]
        self._line: list[ArtifactId] = []

    def commit(self, store: Store, changes: int) -> None:
        """Each change in a transaction of its own, as pushes come; clusters are made as they are then."""
        for _ in range(changes):
            number = len(self._line)
            if number:
                at = self._rng.randrange(len(self._lines))
                self._lines[at] = f"host{at} 300 A {self._address()}\n"
            text = zones.apex(self.name, number + 1) + "".join(self._lines)
            branch = f"{self.name}/main"
            begins = (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None))
            with store.writer() as writer:
                card = FileCard(f"{self.name}.zone", writer.put(text.encode()))
                made = CheckIn(
                    comment=f"serial {number + 1}",
                    date_ms=zones.START_MS + 60_000 * number,
                    user="ops",
                    files=(card,),
                    parents=tuple(self._line[-1:]),
                    tags=() if number else begins,
                )
                self._line.append(writer.put(made.encode()))
                writer.make_clusters()

    def _address(self) -> str:
        return f"10.{self._rng.randrange(256)}.{self._rng.randrange(256)}.{self._rng.randrange(256)}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Repositories in `place`: ours, clones of ours and stock's, each "behind" and "ahead" by CHANGES."""

    ops: Person
    place: Path
    password: str

    def copied(self, name: str) -> Path:
        """A copy of one of them, that may be changed."""
        copy = self.ops.home / name
        return Path(shutil.copy(self.place / name, copy))

    @contextlib.contextmanager
    def server(self, kind: str, state: str) -> Iterator[str]:
        """The URL of a server of a copy, to which ops may push."""
        if kind == "us":
            with serving(self.copied(f"{state}.xferzone"), "serve") as server:
                yield server.url("ops", self.password)
        else:
            with stock_server(self.ops, self.copied(f"{state}.fossil")) as url:
                yield url

    def moved(self, client: str, verb: str, state: str, url: str) -> int:
        """Bytes on the wire, both ways, of a pull or push by a client that has `state`."""
        if client == "stock":
            done = self.ops.fossil(verb, "--once", url, "-R", self.copied(f"{state}.fossil"))
            assert "rror" not in done.out, done.out
            return sum(map(int, _WIRE.findall(done.out)[-1]))
        ours = self.copied(f"{state}-clone.xferzone")
        told = json.loads(self.ops.xferzone("-R", ours, "--format", "json", verb, url).out)
        assert told["received" if verb == "pull" else "sent"] >= 2 * (CHANGES + OTHER)
        return int(told["bytes_in"]) + int(told["bytes_out"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    place = tmp_path_factory.mktemp("catching-up")
    ops = Person(place / "ops")
    behind, ahead = place / "behind.xferzone", place / "ahead.xferzone"
    password = make.make(behind, admin="ops", project_code=None, now_ms=zones.START_MS)
    ops.xferzone("-R", behind, "user", "caps", "nobody", "--read")
    rng = random.Random(1)
    large, other = _Zone("large.example", 4_000, rng), _Zone("other.example", 1_000, rng)
    with Store.open(behind) as store:
        large.commit(store, KNOWN)
        other.commit(store, 1)
    shutil.copy(behind, ahead)
    with Store.open(ahead) as store:
        for _ in range(OTHER):
            large.commit(store, CHANGES // OTHER)
            other.commit(store, 1)
    for repository in (behind, ahead):
        with serving(repository, "serve") as server:
            ops.fossil("clone", server.url(), repository.with_suffix(".fossil"))
            ops.xferzone("clone", server.url(), place / f"{repository.stem}-clone.xferzone")
        ops.fossil("user", "capabilities", "nobody", "ghio", "-R", repository.with_suffix(".fossil"))
    return Scene(ops, place, password)


@pytest.mark.parametrize(
    ("verb", "client", "server"), [("pull", "behind", "ahead"), ("push", "ahead", "behind")]
)
def test_sixty_changes_cost_what_they_cost_with_stock(
    scene: Scene, verb: str, client: str, server: str
) -> None:
    bytes_moved = {}
    for kind in ("stock", "us"):
        for who in ("stock", "ours"):
            with scene.server(kind, server) as url:
                bytes_moved[who, kind] = scene.moved(who, verb, client, url)
    peer = bytes_moved["stock", "stock"]
    assert all(moved <= MOST * peer for moved in bytes_moved.values()), bytes_moved


def test_a_stock_client_catches_up_in_many_small_replies(scene: Scene) -> None:
    clone = scene.copied("behind.fossil")
    with served(scene.copied("ahead.xferzone"), Budget(bytes=5_000)) as server:
        scene.ops.fossil("pull", "--once", server.url(), "-R", clone)
        assert len(server.bytes_in) > 4
    assert "0 errors" in scene.ops.fossil("test-integrity", "-R", clone).out
    with sqlite3.connect(clone) as db, sqlite3.connect(scene.place / "ahead.fossil") as other:
        query = "SELECT uuid FROM blob WHERE size >= 0 ORDER BY uuid"
        assert db.execute(query).fetchall() == other.execute(query).fetchall()
        assert db.execute("SELECT count(*) FROM phantom").fetchone() == (0,)
