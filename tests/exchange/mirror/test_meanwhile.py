"""Zones of a first pull that are compiled while the rest of it comes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.exchange.mirror.test_follower import FIRST, OPS, Make, mirror, network, primary, serials
from tests.publish.project import ZONE, Project, zone_text
from xferzone.exchange.mirror import meanwhile
from xferzone.exchange.mirror.following import Following
from xferzone.exchange.mirror.meanwhile import Meanwhile
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.served import compile_all
from xferzone.refs import LocalRefs, State
from xferzone.repository import check
from xferzone.serve.helpers import compiling
from xferzone.zone.compile import Compiled, Task

__all__ = ["mirror", "network", "primary"]  # fixtures


@dataclass
class Process:
    """Compiles in this process, and tells what it was asked for. `fails`: it never answers."""

    fails: bool = False
    asked: list[str] = field(default_factory=list)
    is_asked: threading.Event = field(default_factory=threading.Event)

    def begin(self, tasks: Sequence[Task]) -> Callable[[float], Sequence[Compiled] | None]:
        made = None if self.fails else list(compile_all(tasks))
        self.asked += [task.zone for task in tasks]
        self.is_asked.set()
        return lambda _seconds: made


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.store.close()


def stored(project: Project) -> tuple[str, ArtifactId]:
    """A version of the zone that is here, though no ref stands on it."""
    content = project.manifest(zone_text("www 300 A 192.0.2.1"))
    with project.store.writer() as writer:
        return ZONE, writer.put(content)


def test_a_zone_is_compiled_once_its_tip_is_here(project: Project) -> None:
    process, absent = Process(), ("absent.example", artifact_id(b"absent"))
    with Meanwhile(project.store, process.begin, [stored(project), absent]) as compiled:
        assert process.is_asked.wait(30)
        made = compiled.made()
    assert process.asked == [ZONE]
    assert [zone for zone, _ in made.made] == [ZONE]


def test_what_comes_later_is_compiled_later(project: Project) -> None:
    content = project.manifest(zone_text("www 300 A 192.0.2.1"))
    process = Process()
    with Meanwhile(project.store, process.begin, [(ZONE, artifact_id(content))]) as compiled:
        assert not process.is_asked.wait(0.1)
        with project.store.writer() as writer:
            writer.put(content)
        compiled.look()
        assert process.is_asked.wait(30)


def test_what_is_large_is_left_to_whoever_needs_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    large = stored(project)
    monkeypatch.setattr(meanwhile, "READ", 50)
    small = ("small.example", project.manifest(None, files={"small.example.zone": b"@ 300 A 192.0.2.1\n"}))
    with project.store.writer() as writer:
        tip = writer.put(small[1])
    process = Process()
    with Meanwhile(project.store, process.begin, [large, (small[0], tip)]) as compiled:
        assert process.is_asked.wait(30)
        compiled.made()
    assert process.asked == ["small.example"]


def test_a_process_that_fails_is_done_without(project: Project) -> None:
    process = Process(fails=True)
    with Meanwhile(project.store, process.begin, [stored(project)]) as compiled:
        assert process.is_asked.wait(30)
        assert compiled.made().made == {}


def test_what_it_fails_at_is_raised_where_its_zones_are_wanted(project: Project) -> None:
    begun = threading.Event()

    def begin(_tasks: Sequence[Task]) -> Callable[[float], Sequence[Compiled] | None]:
        begun.set()
        raise OSError("no room")

    with Meanwhile(project.store, begin, [stored(project)]) as compiled:
        assert begun.wait(30)
        with pytest.raises(OSError, match="no room"):
            compiled.made()


def test_a_pull_that_fails_leaves_no_thread(project: Project) -> None:
    before = threading.active_count()
    with (
        pytest.raises(KeyError),
        Meanwhile(project.store, Process().begin, [(ZONE, artifact_id(b"absent"))]),
    ):
        raise KeyError
    assert threading.active_count() == before


def test_a_mirror_has_all_zones_whoever_compiled_them(primary: Project, mirror: Make) -> None:
    for zone in [f"z{number}.example" for number in range(40)]:
        files = {f"{zone}.zone": zone_text("www 300 A 192.0.2.1")}
        assert primary.push(primary.manifest(None, branch=f"{zone}/main", files=files)) == []
    copy = mirror(FIRST, options=Following(account=OPS, beginning=compiling))
    copy.pull()
    assert serials(copy.store) == serials(primary.store)
    with copy.store.reader() as reader:
        refs = LocalRefs(reader)
        assert [ref.state for ref in refs.list()] == 41 * [State.SERVED]
        assert list(check.everything(reader, refs)) == []
