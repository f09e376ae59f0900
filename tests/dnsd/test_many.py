"""DNS for the repositories of a directory: who answers for which zone, and what looking costs."""

import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest

from tests.nameserver.made import question, said
from tests.publish.project import NOW
from xferzone.dnsd import following, many
from xferzone.dnsd.following import POLL, LiveZones
from xferzone.dnsd.many import ManyZones
from xferzone.dnsd.terms import PLAIN, Terms
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.respond import respond
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.repository import make
from xferzone.repository.rollover import roll_over
from xferzone.store import Store
from xferzone.zonefile import names, text

APEX = "@ 3600 SOA ns.invalid. h.invalid. 1 3600 600 86400 300\n@ 3600 NS ns.invalid.\n"


class Root:
    """A directory of repositories, whose clock goes on by a second with each change."""

    def __init__(self, path: Path) -> None:
        self.path = path / "root"
        self.path.mkdir()
        self._now = NOW

    def put(self, name: str, zone: str, address: str | None) -> Path:
        """Give a zone of a repository the address www; None: remove it. The repository is made if it is not there."""
        path = self.path / f"{name}.xferzone"
        if not path.exists():
            make.make(path, admin="ops", project_code=None, now_ms=NOW)
        self._now += 1000
        with Store.open(path) as store, store.writer() as writer:
            edit = Edit(writer, LocalRefs(writer), BranchName(zone, "main"), Author("ops", self._now))
            if address is None:
                edit.remove("remove")
            else:
                content = f"{APEX}www 300 A {address}\n".encode()
                edit.replace(text.read_zone(content, names.zone_name(zone)), "put")
        return path


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes and goes is seen at each look."""
    monkeypatch.setattr(many, "LOOK_S", 0.0)
    monkeypatch.setattr(many, "LONGEST_S", 0.0)
    monkeypatch.setattr("xferzone.refs.served.LOOK_S", 0.0)


def ask(zones: LiveZones, name: str) -> str:
    """The address of www in that zone now, or the rcode."""
    zones.refresh(now=True)
    answer = said(respond(question(f"www.{name}.", "A"), zones, tcp=False))
    return next((record.rpartition(" ")[2] for record in answer.answer), answer.rcode)


def test_repositories_come_change_go_and_are_replaced(root: Root) -> None:
    root.put("a", "a.example", "192.0.2.1")
    with closing(ManyZones(root.path, PLAIN, decides=True)) as zones:
        assert (ask(zones, "a.example"), ask(zones, "b.example")) == ("192.0.2.1", "REFUSED")
        path = root.put("b", "b.example", "192.0.2.2")
        assert ask(zones, "b.example") == "192.0.2.2"
        root.put("b", "b.example", "192.0.2.3")
        assert ask(zones, "b.example") == "192.0.2.3"
        root.put("made", "c.example", "192.0.2.4").rename(path)  # another project
        zones.refresh(now=True)
        assert (ask(zones, "b.example"), ask(zones, "c.example")) == ("REFUSED", "192.0.2.4")
        path.rename(path.with_suffix(".old"))
        assert (ask(zones, "c.example"), ask(zones, "a.example")) == ("REFUSED", "192.0.2.1")
        assert len(zones) == 1


def test_a_zone_that_two_have_is_served_from_where_it_was_first_and_told(root: Root, tmp_path: Path) -> None:
    root.put("z", "example.com", "192.0.2.1")
    root.put("a", "example.com", "192.0.2.2")
    shared = tmp_path / "shared"
    shared.mkdir()
    with closing(ManyZones(root.path, Terms(parts=shared), decides=True)) as zones:
        assert ask(zones, "example.com") == "192.0.2.1"
        told = "zone example.com of repository a is not served: repository z had it before"
        assert (zones.doubts(), zones.doubts()) == ([told], [])
        assert json.loads((shared / many.TOLD).read_text()) == [told]
        root.put("a", "example.com", "192.0.2.3")
        assert ask(zones, "example.com") == "192.0.2.1"
        assert zones.of("example.com").name == "z"
        assert [each.tip("example.com") is None for each in zones.by_repository()] == [True, False]
        root.put("z", "example.com", None)
        assert ask(zones, "example.com") == "192.0.2.3"
        assert (zones.doubts(), json.loads((shared / many.TOLD).read_text())) == ([], [])
        root.put("z", "example.com", "192.0.2.4")
        assert ask(zones, "example.com") == "192.0.2.4"
        (root.path / "z.xferzone").unlink()
        assert ask(zones, "example.com") == "192.0.2.3"


def test_a_project_that_goes_on_keeps_its_zones_and_those_that_it_had(root: Root) -> None:
    old = root.put("z", "example.com", "192.0.2.1")
    root.put("z", "gone.example", "192.0.2.1")
    root.put("z", "gone.example", None)
    for zone in ("example.com", "gone.example"):
        root.put("a", zone, "192.0.2.2")
    new = root.path / "b.xferzone"
    for number in range(2):  # and again, a year after
        with Store.open(old) as store:
            roll_over(store, new, "ops", Occasion(NOW + 10_000_000 * (number + 1), "ops", Door.CLI))
        with closing(ManyZones(root.path, PLAIN, decides=True)) as zones:
            assert ask(zones, "example.com") == "192.0.2.1"
            assert zones.of("example.com").name == "z", "until the old file is taken away"
        new.replace(old)
    with closing(ManyZones(root.path, PLAIN, decides=True)) as zones:
        assert ask(zones, "example.com") == "192.0.2.1"
        assert ask(zones, "gone.example") == "192.0.2.2"
        root.put("z", "gone.example", "192.0.2.3")
        assert ask(zones, "gone.example") == "192.0.2.3"


def test_one_more_than_the_most_is_refused_by_name_and_waits_for_a_place(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "MOST", 2)
    shared = tmp_path / "shared"
    shared.mkdir()
    for name in ("b", "c"):
        root.put(name, f"{name}.example", "192.0.2.1")
    terms = Terms(parts=shared)
    with closing(ManyZones(root.path, terms, decides=True)) as agent:
        with closing(ManyZones(root.path, terms)) as answerer:
            root.put("a", "a.example", "192.0.2.1")
            for zones in (agent, answerer):
                assert [ask(zones, f"{name}.example") for name in "abc"] == [
                    "REFUSED",
                    "192.0.2.1",
                    "192.0.2.1",
                ]
            assert agent.doubts() == ["repository a is not answered for: DNS has 2 others, which is the most"]
        # One that starts again finds the same, and does not go by names.
        with (
            closing(ManyZones(root.path, terms)) as again,
            closing(ManyZones(root.path, terms, decides=True)) as agent_again,
        ):
            for zones in (again, agent_again):
                assert ask(zones, "a.example") == "REFUSED"
        (root.path / "b.xferzone").unlink()
        assert ask(agent, "a.example") == "192.0.2.1"


def _rubbish(path: Path) -> Callable[[], None]:
    good = path.read_bytes()
    path.write_bytes(b"rubbish" * 1000)

    def end() -> None:
        path.write_bytes(good)

    return end


def _locked(path: Path) -> Callable[[], None]:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=DELETE")
    db.execute("BEGIN EXCLUSIVE")

    def end() -> None:
        db.rollback()
        db.execute("PRAGMA journal_mode=WAL")
        db.close()

    return end


@pytest.mark.parametrize("sick", [_rubbish, _locked], ids=["rubbish", "locked"])
def test_one_that_cannot_be_read_is_told_and_heals_and_the_others_go_on(
    root: Root, sick: Callable[[Path], Callable[[], None]]
) -> None:
    path = root.put("a", "a.example", "192.0.2.1")
    root.put("b", "b.example", "192.0.2.2")
    heal = sick(path)
    with closing(ManyZones(root.path, PLAIN, decides=True)) as zones:
        for address in ("192.0.2.2", "192.0.2.3"):
            root.put("b", "b.example", address)
            assert (ask(zones, "a.example"), ask(zones, "b.example")) == ("REFUSED", address)
        (told,) = zones.doubts()
        assert told.startswith("repository a cannot be read: ")
        heal()
        assert ask(zones, "a.example") == "192.0.2.1"
        assert (zones.doubts(), zones._told) == ([], set())


def test_looking_at_many_costs_as_much_as_at_one(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 20
    first = root.put("r00", "a.example", "192.0.2.1")
    for number in range(1, count):
        shutil.copy(first, root.path / f"r{number:02}.xferzone")
    monkeypatch.setattr(many, "LOOK_S", 1e6)
    statements: list[str] = []
    with closing(ManyZones(root.path, PLAIN, decides=True)) as zones:
        zones.refresh(now=True)
        for one in zones.by_repository():
            one.repository._db.set_trace_callback(statements.append)
        began = time.monotonic()
        for _ in range(2_000):
            zones.refresh()
        took = time.monotonic() - began
        assert all("data_version" in each for each in statements)
        assert len(statements) <= took / POLL + count
        statements.clear()
        time.sleep(2 * count * POLL)  # after a pause, a question sees all of them
        zones.refresh()
        assert len(statements) == count


def test_an_answer_takes_the_same_steps_from_many_as_from_one(root: Root) -> None:
    paths = [root.put(f"r{number}", f"z{number}.example", "192.0.2.1") for number in range(8)]
    with closing(following.open_zones(paths[3])) as one, closing(ManyZones(root.path, PLAIN)) as several:
        for name in ("www.z3.example.", "nosuch.z3.example.", "z3.example."):
            asked = question(name, "A")
            assert _steps(one, asked) == _steps(several, asked)


def _steps(zones: LiveZones, asked: bytes) -> list[int]:
    """How many lines of Python the first answer takes, and the next ones."""
    responder, counts = Responder(zones), list[int]()
    responder.client_of = lambda _slot: b"\x7f\0\0\1"
    responder.respond(question("www.z3.example.", "A"), 0)  # the view is open

    def traced(_frame: FrameType, event: str, _arg: object) -> object:
        counts[-1] += event == "line"
        return traced

    for _ in range(3):
        counts.append(0)
        sys.settrace(traced)  # type: ignore[arg-type]  # it gives itself
        try:
            responder.respond(asked, 0)
        finally:
            sys.settrace(None)
    return counts
