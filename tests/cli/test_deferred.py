"""A clone's zones are compiled when that is needed first, and stand as if they had always been."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import serving
from xferzone.artifacts import CheckIn, FileCard
from xferzone.publish import beforehand, deferred
from xferzone.publish.served import compile_all
from xferzone.refs import BranchName, Door, LocalRefs, Move, Occasion, Ref, State, serials
from xferzone.repository import check as zone_inspect
from xferzone.store import Store, chains
from xferzone.zone.compile import Compiled, Task

pytestmark = pytest.mark.interop

ZONES = ("example.com", "example.net", "example.org")


@pytest.fixture
def origin(zone: Run, tmp_path: Path) -> Iterator[str]:
    """The URL of a server of ours with three zones, the last of them removed; everybody may read."""
    assert zone("user", "caps", "nobody", "--read").code == 0
    for name in ZONES[1:]:
        assert zone("zone", "add", name).code == 0
    assert zone("zone", "remove", ZONES[2]).code == 0
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        yield server.url()


@pytest.fixture
def clone(zone: Run, origin: str, tmp_path: Path) -> Path:
    assert zone("clone", origin, "c.xferzone").code == 0
    return tmp_path / "c.xferzone"


def left(path: Path) -> list[str]:
    """The branches that are not compiled yet."""
    with Store.open(path) as store, store.reader() as reader:
        return [str(ref.branch) for ref in deferred.deferred(LocalRefs(reader))]


def test_nothing_tells_that_it_is_not_compiled_yet(zone: Run, clone: Path) -> None:
    assert left(clone) == ["example.com/main", "example.net/main"]
    for words in (["zone", "list"], ["log", "example.com"], ["show", "example.com"], ["log"]):
        assert zone("-R", "c.xferzone", *words).out == zone(*words).out
    assert zone("-R", "c.xferzone", "check").code == 0
    assert zone("-R", "c.xferzone", "rebuild").code == 0
    assert zone("-R", "c.xferzone", "check").code == 0
    assert left(clone) == ["example.com/main", "example.net/main"]


def test_an_answer_finds_all_compiled(clone: Path) -> None:
    with serving(clone, "dns") as server:
        assert left(clone) == []
        for name in ZONES[:2]:
            assert len(server.dig(name, "SOA")) == 1
        assert "status: REFUSED" in server.dig_all(ZONES[2], "SOA")
        assert "compiling 2 zones" in server.log.read_text()
    with serving(clone, "dns") as server:
        assert "compiling" not in server.log.read_text()


def test_a_server_of_http_compiles_nothing(clone: Path) -> None:
    with serving(clone, "serve"):
        assert left(clone) == ["example.com/main", "example.net/main"]


def test_an_edit_is_one_checkin(zone: Run, clone: Path) -> None:
    before = zone("-R", "c.xferzone", "log", "example.com").out.splitlines()
    assert zone("-R", "c.xferzone", "set", "new.example.com.", "A", "300", "192.0.2.1").code == 0
    assert len(zone("-R", "c.xferzone", "log", "example.com").out.splitlines()) == len(before) + 1
    assert left(clone) == ["example.net/main"]
    assert zone("-R", "c.xferzone", "check").code == 0


def test_a_clone_that_is_stored_in_many_parts_is_the_same(
    zone: Run, origin: str, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xferzone.sync.arriving._AT_ONCE", 300)  # bytes
    assert zone("clone", origin, "d.xferzone").code == 0
    other = clone.with_name("d.xferzone")
    with Store.open(clone) as one, Store.open(other) as two, one.reader() as this, two.reader() as that:
        assert set(this.artifacts()) == set(that.artifacts())
        assert LocalRefs(this).list() == LocalRefs(that).list()
    assert zone("-R", "d.xferzone", "check").code == 0


def test_what_moves_at_a_pull_is_compiled(zone: Run, clone: Path) -> None:
    assert zone("set", "new.example.com.", "A", "300", "192.0.2.1").code == 0
    assert zone("zone", "add", "example.edu").code == 0
    assert zone("-R", "c.xferzone", "pull").code == 0
    assert left(clone) == ["example.net/main"]
    assert zone("-R", "c.xferzone", "check").code == 0


def test_a_promoted_clone_serves_all(zone: Run, clone: Path) -> None:
    assert zone("-R", "c.xferzone", "promote").code == 0
    with serving(clone, "up") as server:
        assert len(server.dig("example.net", "SOA")) == 1
    assert zone("-R", "c.xferzone", "check").code == 0


def test_what_cannot_be_served_stays_and_is_told(tmp_path: Path) -> None:
    with Store.create(tmp_path / "z") as store, store.writer() as writer:
        file = writer.put(b"@ 300 A 192.0.2.1\n")
        card = FileCard("example.com.zone", file)
        at = writer.put(CheckIn("bad", 1_700_000_000_000, "ops", (card,)).encode())
        refs = LocalRefs(writer)
        bad = Ref(BranchName("example.com", "main"), at, 1, State.DEFERRED)
        serials.put(writer, "example.com", [(writer.rid(at) or 0, 1)])
        refs.compare_and_set([Move(None, bad, Occasion(1_700_000_000_000, "ann", Door.CLI))])
        ((found, invalid),) = deferred.compile_deferred(writer, refs, [bad], compile_all)
        assert found == bad
        assert "SOA" in str(invalid)
        assert refs.list() == [bad]
        (fault,) = zone_inspect.faults(writer, refs)
        assert "example.com/main stands on a zone that is not valid" in fault


def test_one_that_is_damaged_keeps_no_other_from_being_served(zone: Run, clone: Path) -> None:
    with Store.open(clone) as store, store.writer() as writer:
        ref = LocalRefs(writer).get(BranchName("example.com", "main"))
        assert ref is not None
        (file,) = writer.files(ref.checkin).values()
        chains.keep(writer.db, writer.rid(file) or 0, b"no frame", None)
    with serving(clone, "dns") as server:
        assert left(clone) == ["example.com/main"]
        assert len(server.dig("example.net", "SOA")) == 1
        failed = server.dig_all("example.com", "SOA")
        assert "status: SERVFAIL" in failed
        assert "EDE: 14 (Not Ready)" in failed
        assert f"example.com/main is not served: artifact {file} is damaged" in server.log.read_text()
    done = zone("-R", "c.xferzone", "set", "new.example.com.", "A", "300", "192.0.2.1")
    assert done.code == 1
    assert f"artifact {file} is damaged" in done.err


def test_zones_are_compiled_while_others_may_write(clone: Path) -> None:
    wrote = []

    def compiler(tasks: Iterable[Task]) -> Iterator[Compiled]:
        with Store.open(clone) as other, other.writer() as writer:
            wrote.append(writer.put(b"meanwhile\n"))
        return compile_all(tasks)

    with Store.open(clone) as store:
        with store.reader() as reader:
            waiting = deferred.deferred(LocalRefs(reader))
        which, made = beforehand.some_made(store, waiting, compiler)
        assert (len(which), len(made.made), len(wrote)) == (2, 2, 1)
        with store.writer() as writer:
            assert deferred.compile_deferred(writer, LocalRefs(writer), which, made.compile) == []
    assert left(clone) == []
