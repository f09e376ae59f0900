"""Zones served as they were: by revision, by date, and what is said where there was nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.nameserver.made import question, said
from tests.publish.project import NOW as PROJECT_NOW
from tests.publish.project import Project, zone_text
from xferzone.dnsd.following import open_zones
from xferzone.dnsd.pinned import TOLD, Pins, pin
from xferzone.dnsd.terms import Terms, ZoneTerms
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.errors import NotFound, UsageError
from xferzone.hashing import ArtifactId, artifact_id, short
from xferzone.nameserver.respond import respond
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository import make
from xferzone.store import Store
from xferzone.zonefile import names, text

DAY = 86_400_000  # milliseconds
BEGIN = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
NOW = BEGIN + 20 * DAY


class World:
    """A repository whose changes are dated and published when a test says."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "zones.xferzone"
        make.make(self.path, admin="ops", project_code=None, now_ms=BEGIN - DAY)
        self.store = Store.open(self.path)

    def put(self, day: int, address: str, zone: str = "example.com", branch: str = "main") -> ArtifactId:
        """On that day www gets this address (none: the zone is removed); the check-in."""
        time_ms, to = BEGIN + day * DAY, BranchName(zone, branch)
        with self.store.writer() as writer:
            refs, author = LocalRefs(writer), Author("ops", time_ms)
            edit = Edit(writer, refs, to, author, allow_loss=True)
            if not address:
                edit.remove("remove")
            else:
                lines = f"@ 9 SOA ns h 1 2 3 4 5\n@ 9 NS ns.invalid.\nwww 9 A {address}\n"
                edit.replace(text.read_zone(lines.encode(), names.zone_name(zone)), "put")
            ref = refs.get(to)
            assert ref is not None
            return ref.checkin

    def pin(self, at: str, *zones: tuple[str, ZoneTerms], only: frozenset[str] | None = None) -> Pins:
        return pin(self.store, Terms(only, zones or (("*", ZoneTerms(at=at)),)), NOW)

    def ask(self, pins: Pins, zone: str = "example.com", rdtype: str = "A") -> str:
        """The last address or serial; the rcode if there is none."""
        zones = open_zones(self.path, pins.terms)
        try:
            asked = question(f"www.{zone}." if rdtype == "A" else f"{zone}.", rdtype)
            answer = said(respond(asked, zones, tcp=True))
        finally:
            zones.close()
        fields = [record.split(" in ")[1].split() for record in answer.answer]
        return fields[0][1 if rdtype == "A" else 3] if fields else answer.rcode


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_two_versions_at_once_each_with_its_serial(world: World) -> None:
    world.put(1, "192.0.2.1")
    second = world.put(2, "192.0.2.2")
    world.put(3, "192.0.2.3")
    by_name, by_hash = world.pin("main~2"), world.pin(second[:12])
    assert (world.ask(by_name), world.ask(by_name, rdtype="SOA")) == ("192.0.2.1", "1")
    assert (world.ask(by_hash), world.ask(by_hash, rdtype="SOA")) == ("192.0.2.2", "2")
    assert by_hash.pinned == [
        f"zone example.com is served as of check-in {short(second)}, serial 2: revision {second[:12]}"
    ]


def test_a_pinned_zone_does_not_move(world: World) -> None:
    world.put(1, "192.0.2.1")
    pins = world.pin("main")
    world.put(2, "192.0.2.2")
    assert world.ask(pins) == "192.0.2.1"
    zones = open_zones(world.path, pins.terms)
    world.put(3, "192.0.2.3")
    zones.refresh(now=True)
    assert said(respond(question("www.example.com.", "A"), zones, tcp=True)).answer == {
        "www.example.com. 9 in a 192.0.2.1"
    }
    zones.close()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-03", "192.0.2.2"),
        ("2026-11-02", "192.0.2.1"),
        ("2026-11-02T23:59:59Z", "192.0.2.1"),
        ("2026-11-03T00:59:59+01:00", "192.0.2.1"),
        ("2026-11-03T01:00:00+01:00", "192.0.2.2"),
        ("2026-11-21", "192.0.2.3"),
    ],
)
def test_a_date_means_what_was_served_then(world: World, at: str, expected: str) -> None:
    world.put(1, "192.0.2.1")
    world.put(2, "192.0.2.2")
    world.put(3, "192.0.2.3")
    pins = world.pin(at)
    assert world.ask(pins) == expected
    assert "served at 2026-11-" in pins.pinned[0]


def test_a_date_counts_by_the_log_and_not_by_what_check_ins_say_of_themselves(world: World) -> None:
    """What was dated on the second and came on the fourth was not served on the third."""
    world.put(1, "192.0.2.1")
    world.put(2, "192.0.2.2")
    with world.store.writer() as writer:
        writer.db.execute("UPDATE publication SET time_ms = ? WHERE number = 2", (BEGIN + 4 * DAY,))
    assert world.ask(world.pin("2026-11-04")) == "192.0.2.1"
    assert world.ask(world.pin("2026-11-05")) == "192.0.2.2"
    assert world.ask(world.pin("@2026-11-04")) == "192.0.2.2"


def test_before_the_log_begins_the_line_of_first_parents_counts(world: World) -> None:
    world.put(1, "192.0.2.1")
    world.put(2, "192.0.2.2")
    with world.store.writer() as writer:  # as a clone's log does, that begins when it was cloned
        writer.db.execute("UPDATE publication SET time_ms = ?", (BEGIN + 9 * DAY,))
    pins = world.pin("2026-11-02T12:00Z")
    assert world.ask(pins) == "192.0.2.1"
    assert pins.pinned[0].endswith(
        "the last check-in dated before 2026-11-02 12:00:00 UTC, when the publication log had not begun"
    )


def test_a_zone_that_was_not_there_is_named_and_not_served(world: World) -> None:
    world.put(1, "192.0.2.1")
    world.put(5, "192.0.2.5", "example.net")
    pins = world.pin("2026-11-03")
    assert (world.ask(pins), world.ask(pins, "example.net")) == ("192.0.2.1", "REFUSED")
    assert pins.refused == [
        "zone example.net is not served: example.net/main had not been published at 2026-11-03 00:00:00 UTC"
    ]
    world.put(6, "192.0.2.6", "example.org")
    assert world.ask(pins, "example.org") == "REFUSED"


def test_a_zone_that_was_removed_then_is_not_served_and_one_removed_since_is(world: World) -> None:
    world.put(1, "192.0.2.1")
    world.put(1, "192.0.2.7", "example.net")
    world.put(2, "", "example.net")
    world.put(4, "192.0.2.9", "example.net")
    world.put(5, "")
    pins = world.pin("2026-11-04")
    assert (world.ask(pins), world.ask(pins, "example.net")) == ("192.0.2.1", "REFUSED")
    assert pins.refused == [
        "zone example.net is not served: served at 2026-11-04 00:00:00 UTC: the zone was removed"
    ]


def test_a_revision_is_looked_up_in_each_zone(world: World) -> None:
    for day in (1, 2):
        world.put(day, f"192.0.2.{day}")
    world.put(3, "192.0.2.9", "example.net")
    pins = world.pin("~1")
    assert (world.ask(pins), world.ask(pins, "example.net")) == ("192.0.2.1", "REFUSED")
    assert pins.refused == ["zone example.net is not served: ~1: example.net does not go back that far"]


@pytest.mark.parametrize("is_hash", [True, False])
def test_what_names_one_zone_pins_that_alone(world: World, is_hash: bool) -> None:
    first = world.put(1, "192.0.2.1")
    world.put(2, "192.0.2.2")
    world.put(1, "192.0.2.9", "example.net")
    pins = world.pin(first[:16] if is_hash else "example.com/main~1")
    world.put(3, "192.0.2.3")
    world.put(3, "192.0.2.10", "example.net")
    assert (world.ask(pins), world.ask(pins, "example.net")) == ("192.0.2.1", "192.0.2.10")
    assert pins.terms.of("example.com").at is not None
    assert pins.terms.of("example.net").at is None
    assert len(pins.pinned) == 1
    assert not pins.refused


def test_each_zone_may_have_its_own(world: World) -> None:
    for zone in ("example.com", "example.net", "example.org"):
        world.put(1, "192.0.2.1", zone)
        world.put(2, "192.0.2.2", zone)
    pins = world.pin("", ("example.com", ZoneTerms(at="~1")), ("example.net", ZoneTerms(at="2026-11-02")))
    world.put(3, "192.0.2.3", "example.org")
    answers = [world.ask(pins, zone) for zone in ("example.com", "example.net", "example.org")]
    assert answers == ["192.0.2.1", "192.0.2.1", "192.0.2.3"]


def test_the_branch_that_is_served_counts(world: World) -> None:
    world.put(1, "192.0.2.1")
    with world.store.writer() as writer:
        refs = LocalRefs(writer)
        ref = refs.get(BranchName("example.com", "main"))
        assert ref is not None
        author = Author("ops", BEGIN + 2 * DAY)
        Edit(writer, refs, BranchName("example.com", "next"), author).fork_off(ref.checkin, "begin")
    world.put(3, "192.0.2.3", branch="next")
    world.put(4, "192.0.2.4", branch="next")
    pins = world.pin("", ("*", ZoneTerms(branch="next", at="2026-11-04")))
    assert world.ask(pins) == "192.0.2.3"


BAD = {
    "2026-11-31": (UsageError, "is not a date: write 2026-11-21, "),
    "2026-11-21T10:00": (UsageError, "has no time zone: write 2026-11-21T10:00Z for UTC"),
    "2026-12-24": (UsageError, "is in the future"),
    "~x": (UsageError, "is not a revision"),
    "nothing": (NotFound, "no zone can be served as of nothing: example.com has no revision nothing"),
    "2026-10-01": (NotFound, "no zone can be served as of 2026-10-01: 2026-10-01: nothing existed yet at"),
    "~9": (NotFound, "does not go back that far"),
}


@pytest.mark.parametrize(("at", "error", "why"), [(at, *row) for at, row in BAD.items()], ids=BAD)
def test_what_is_not_there_is_an_error_with_its_reason(world: World, at: str, error: type, why: str) -> None:
    world.put(1, "192.0.2.1")
    with pytest.raises(error) as caught:
        world.pin(at)
    assert why in str(caught.value)


def test_a_hash_of_a_zone_that_is_not_served_is_an_error(world: World) -> None:
    first = world.put(1, "192.0.2.1")
    world.put(1, "192.0.2.9", "example.net")
    with pytest.raises(NotFound, match=r"is of example\.com, which is not to be served as of it"):
        world.pin(first[:12], only=frozenset({"example.net"}))


def test_an_invalid_version_is_an_error_with_its_faults(tmp_path: Path) -> None:
    project = Project(tmp_path)
    first = project.manifest(zone_text("www 300 A 192.0.2.1"))
    second = project.manifest(zone_text("www 300 CNAME a", "www 300 A 192.0.2.1"), artifact_id(first))
    project.push(first, second)
    with pytest.raises(NotFound, match=r"is invalid: .*CNAME"):
        pin(project.store, Terms(None, (("*", ZoneTerms(at=artifact_id(second))),)), PROJECT_NOW)


def test_what_is_told_at_start_is_bounded(world: World) -> None:
    for number in range(TOLD + 3):
        world.put(1, "192.0.2.1", f"z{number:02}.example")
    pins = world.pin("main")
    assert len(pins.pinned) == TOLD + 1
    assert pins.pinned[-1] == "and 3 zones more"


def test_nothing_is_written(world: World) -> None:
    world.put(1, "192.0.2.1")
    world.put(2, "192.0.2.2")
    with world.store.reader() as reader:
        before = reader.db.execute("SELECT count(*) FROM zone_index").fetchall()
    assert world.ask(world.pin("~1")) == "192.0.2.1"
    with world.store.reader() as reader:
        assert reader.db.execute("SELECT count(*) FROM zone_index").fetchall() == before
