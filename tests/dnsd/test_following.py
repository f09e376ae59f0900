"""Following a repository: what was committed answers, what cannot be read goes on as it was."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.nameserver.made import question, said
from tests.publish.project import NOW, Project
from xferzone.dnsd import following
from xferzone.dnsd.following import POLL, RETRY, open_zones
from xferzone.dnsd.service import Service
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.errors import CannotServe, NotFound
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.respond import respond
from xferzone.refs import BranchName
from xferzone.refs.served import LOOK_S
from xferzone.zonefile import names, text


class World:
    """A repository, and the zones that a process serves from it."""

    def __init__(self, directory: Path) -> None:
        self.project = Project(directory)
        self._now = NOW - 500_000
        self.put("example.com", "www 300 A 192.0.2.1")
        self.put("example.net", "www 300 A 192.0.2.2")
        self.zones = open_zones(self.project.path)

    @contextmanager
    def editing(self, zone: str) -> Iterator[Edit]:
        self._now += 1000
        with self.project.writing() as (writer, refs):
            yield Edit(writer, refs, BranchName(zone, "main"), Author("ops", self._now))

    def put(self, zone: str, *lines: str, serial: int = 1) -> None:
        """Make this the zone's content, beside SOA and NS."""
        apex = f"@ 3600 SOA ns.invalid. h.invalid. {serial} 3600 600 86400 300\n@ 3600 NS ns.invalid.\n"
        records = text.read_zone((apex + "\n".join(lines) + "\n").encode(), names.zone_name(zone))
        with self.editing(zone) as edit:
            edit.replace(records, "put")

    def remove(self, zone: str) -> None:
        with self.editing(zone) as edit:
            edit.remove("remove")

    def ask(self, name: str, rdtype: str = "A") -> set[str]:
        """The answer section now; the rcode if it is empty."""
        self.zones.refresh(now=True)
        answer = said(respond(question(name, rdtype), self.zones, tcp=False))
        return set(answer.answer) or {answer.rcode}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def test_zones_of_the_repository_are_served(world: World) -> None:
    assert len(world.zones) == 2
    assert world.ask("www.example.com.") == {"www.example.com. 300 in a 192.0.2.1"}
    assert world.ask("www.example.org.") == {"REFUSED"}


def test_a_change_is_followed_with_its_serial_and_touches_no_other_zone(world: World) -> None:
    before = [world.zones.find(b"\7example\3%s\0" % tld, 1) for tld in (b"com", b"net")]
    world.put("example.com", "www 300 A 192.0.2.9", serial=1)
    assert world.ask("www.example.com.") == {"www.example.com. 300 in a 192.0.2.9"}
    assert {record.split()[6] for record in world.ask("example.com.", "SOA")} == {"2"}
    assert [view.live for view in before if view] == [False, True]


def test_zones_come_and_go(world: World) -> None:
    assert world.ask("a.sub.example.com.") == {"NXDOMAIN"}
    world.put("sub.example.com", "a 300 A 192.0.2.3")
    assert world.ask("a.sub.example.com.") == {"a.sub.example.com. 300 in a 192.0.2.3"}
    world.remove("sub.example.com")
    assert world.ask("a.sub.example.com.") == {"NXDOMAIN"}
    world.remove("example.com")
    assert world.ask("a.sub.example.com.") == {"REFUSED"}
    world.put("example.com", "www 300 A 192.0.2.4")
    assert world.ask("www.example.com.") == {"www.example.com. 300 in a 192.0.2.4"}


def test_a_branch_that_is_not_main_is_not_served(world: World) -> None:
    with world.project.writing() as (writer, refs):
        ref = refs.get(BranchName("example.com", "main"))
        assert ref is not None
        Edit(writer, refs, BranchName("example.com", "test"), Author("ops", NOW)).fork_off(
            ref.checkin, "branch"
        )
    world.zones.refresh(now=True)
    assert len(world.zones) == 2


def test_a_zone_of_many_files_answers_from_each(world: World) -> None:
    lines = [f'h{number:05} 300 TXT "{number:0200}"' for number in range(2000)]
    world.put("example.com", *lines)
    for number in (0, 1, 999, 1000, 1999):
        (record,) = world.ask(f"h{number:05}.example.com.", "TXT")
        assert record.endswith(f'"{number:0200}"')
    assert world.ask("h02000.example.com.", "TXT") == {"NXDOMAIN"}
    view = world.zones.find(b"\7example\3com\0", 1)
    assert view is not None
    assert len(view.firsts) > 3


def test_the_version_is_read_once_in_a_millisecond(world: World) -> None:
    world.zones.refresh(now=True)
    begin = time.process_time()
    for _ in range(1000):
        world.zones.refresh()
    assert time.process_time() - begin < 0.1
    world.put("example.com", "www 300 A 192.0.2.9")
    time.sleep(2 * POLL)
    world.zones.refresh()
    answer = said(respond(question("www.example.com.", "A"), world.zones, tcp=False))
    assert answer.answer == {"www.example.com. 300 in a 192.0.2.9"}


def test_a_view_opened_after_two_more_moves_is_looked_for_again(world: World) -> None:
    """The parts that a view was to be made of are gone by then."""
    responder = Responder(world.zones)
    service = Service(world.zones, responder.respond)
    for last in (7, 8, 9):
        world.put("example.com", f"www 300 A 192.0.2.{last}")
    with pytest.raises(NotFound):
        responder.respond(question("www.example.com.", "A"))
    answer = said(service.respond(question("www.example.com.", "A"), 0))
    assert answer.answer == {"www.example.com. 300 in a 192.0.2.9"}


def damage(path: Path) -> None:
    """Overwrite all but the header page, and take away the log."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)


def test_a_damaged_repository_leaves_what_was_read(world: World, caplog: pytest.LogCaptureFixture) -> None:
    responder = Responder(world.zones)
    service = Service(world.zones, responder.respond)
    asked = question("www.example.com.", "A")
    before = service.respond(asked, 0)
    world.project.store.close()
    damage(world.project.path)
    time.sleep(2 * POLL)
    for _ in range(3):
        service.refresh()
        assert service.respond(asked, 0) == before
    other = said(service.respond(question("www.example.net.", "A"), 0))
    assert other.rcode in ("NOERROR", "SERVFAIL")  # as much of it as was read before


@pytest.mark.parametrize("seen_by", ["refresh", "failed"])
def test_a_replaced_repository_is_told_whoever_saw_it_first(
    world: World, caplog: pytest.LogCaptureFixture, seen_by: str
) -> None:
    service = Service(world.zones, Responder(world.zones).respond)
    world.project.store.close()
    aside = world.project.path.with_name("aside")
    shutil.copy(world.project.path, aside)
    aside.replace(world.project.path)
    time.sleep(1.1 * LOOK_S)
    service.refresh()
    if seen_by == "refresh":
        time.sleep(1.1 * RETRY)
        service.refresh()
    assert service.failed(question("www.example.com.", "A"), 0)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["the repository was replaced"]


def test_complaints_are_few(world: World, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(world.zones, _fail)
    for _ in range(50):
        assert said(service.respond(question("www.example.com.", "A"), 0)).rcode == "SERVFAIL"
    assert len(caplog.records) == 1
    assert "ZeroDivisionError" in caplog.text


def _fail(_message: bytes, _slot: int) -> bytes | None:
    return bytes(1 // 0)


def test_a_failing_look_is_not_repeated_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.zones.close()
    for retry in (60.0, 0.05):
        monkeypatch.setattr(following, "RETRY", retry)
        with pytest.raises(Exception, match="closed"):
            world.zones.refresh(now=True)
        if retry > 1:
            world.zones.refresh()  # not due yet
    time.sleep(retry)
    with pytest.raises(Exception, match="closed"):
        world.zones.refresh()


def test_what_cannot_be_served_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing-here"):
        open_zones(tmp_path / "nothing-here")
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(CannotServe, match="text"):
        open_zones(tmp_path / "text")
