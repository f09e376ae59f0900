"""No serial goes back because the configuration changed, whatever an address served before."""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.publish.project import MAIN_BRANCH, ZONE, Project, zone_text
from xferzone.dnsd.following import open_zones
from xferzone.dnsd.onward import MAX_TOLD, above, check, is_known, remember
from xferzone.dnsd.terms import PLAIN, Terms, ZoneTerms
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.errors import Refused
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs
from xferzone.refs.past import MAX_PASTS, pasts

HERE = ["192.0.2.1:53", "[2001:db8::1]:53"]
STABLE = Terms(zones=((ZONE, ZoneTerms("stable")),))


class World:
    """A repository whose zone has branches, and a server that starts again and again."""

    def __init__(self, directory: Path) -> None:
        self.project = Project(directory)
        self._tips: dict[str, ArtifactId] = {}
        self._made = 0

    def put(self, branch: str, serial: int) -> None:
        """Bring the branch to that serial."""
        self._made += 1
        parents = [self._tips[branch]] if branch in self._tips else []
        text = zone_text(f"www A 192.0.2.{self._made}", serial=serial)
        begins = None if parents else f"{ZONE}/{branch}"
        self.project.push(self.project.manifest(text, *parents, branch=begins))
        with self.project.store.reader() as reader:
            ref = LocalRefs(reader).get(BranchName(ZONE, branch))
        assert ref is not None
        assert ref.serial == serial
        self._tips[branch] = ref.checkin

    def start(self, terms: Terms, addresses: list[str] = HERE) -> str:
        """Start or reload; why it was refused, empty: it was not."""
        try:
            with self.project.store.reader() as reader:
                check(reader, addresses, terms)
        except Refused as exc:
            return str(exc)
        with self.project.store.writer() as writer:
            remember(writer, addresses, terms)
            assert is_known(writer, addresses, terms)
        return ""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.put("main", 500)
    yield made
    made.project.store.close()


def at(branch: str = "main") -> Terms:
    return Terms(zones=((ZONE, ZoneTerms(branch, at="2026-01-01")),))


def test_a_branch_with_a_lower_serial_is_refused_until_it_is_above_and_so_is_the_way_back(
    world: World,
) -> None:
    world.put("stable", 400)
    assert world.start(PLAIN) == ""
    assert world.start(STABLE).startswith(
        "example.com cannot be served from stable, which has serial 400: 500 was served, from main. Merge stable into"
    )
    assert "`xferzone reset -b main example.com stable`" in world.start(STABLE)
    assert world.start(PLAIN) == ""
    world.put("stable", 600)
    assert world.start(STABLE) == ""
    assert "serial 500: 600 was served, from stable" in world.start(PLAIN)
    world.put("main", 601)
    assert world.start(PLAIN) == ""


def test_what_was_committed_after_the_start_counts(world: World) -> None:
    world.put("stable", 550)
    world.start(PLAIN)
    world.put("main", 560)
    assert "serial 550: 560 was served, from main" in world.start(STABLE)


def test_a_branch_that_stays_is_never_refused(world: World) -> None:
    world.put("stable", 600)
    world.start(STABLE)
    world.put("main", 700)
    assert world.start(STABLE) == ""
    same = Terms(zones=(("other.example", ZoneTerms("x")), ("*", ZoneTerms("stable", tells_ns=True))))
    assert world.start(same) == ""


def test_a_branch_that_was_just_begun_is_taken_and_an_equal_serial_refused(world: World) -> None:
    world.start(PLAIN)
    with world.project.writing() as (writer, refs):
        stands = refs.get(MAIN_BRANCH)
        assert stands is not None
        Edit(writer, refs, BranchName(ZONE, "next"), Author("ops", world.project.now)).fork_off(
            stands.checkin, "x"
        )
    assert world.start(Terms(zones=((ZONE, ZoneTerms("next")),))) == ""
    world.put("even", 501)
    assert "serial 501: 501 was served, from next" in world.start(Terms(zones=((ZONE, ZoneTerms("even")),)))


def test_serials_are_compared_around_the_end_of_the_numbers(world: World) -> None:
    world.put("high", 2**32 - 5)
    world.put("round", 3)
    assert world.start(Terms(zones=((ZONE, ZoneTerms("high")),))) == ""
    assert world.start(Terms(zones=((ZONE, ZoneTerms("round")),))) == ""


@pytest.mark.parametrize("pinned", [at(), at("stable")])
def test_a_version_of_the_past_is_exempt_and_what_came_before_it_is_remembered(
    world: World, pinned: Terms
) -> None:
    world.put("stable", 400)
    world.start(PLAIN)
    assert world.start(pinned) == ""
    assert world.start(pinned) == ""
    assert "serial 400: 500 was served, from main" in world.start(STABLE)
    assert world.start(PLAIN) == ""
    assert world.start(pinned) == ""
    world.put("stable", 501)
    assert world.start(STABLE) == ""


def test_where_only_the_past_was_served_nothing_is_compared(world: World) -> None:
    world.put("stable", 400)
    assert world.start(at()) == ""
    assert world.start(STABLE) == ""


def test_a_fresh_repository_may_be_served_from_any_branch(world: World) -> None:
    world.put("stable", 400)
    assert world.start(STABLE) == ""


def test_each_address_has_a_past_of_its_own_and_a_new_one_has_the_newest(world: World) -> None:
    world.put("stable", 600)
    world.start(PLAIN)
    assert world.start(STABLE, ["127.0.0.1:5301"]) == ""  # a second server of the same repository
    assert world.start(PLAIN) == ""
    assert world.start(PLAIN, ["127.0.0.1:5302"]) == ""
    assert world.start(STABLE, ["127.0.0.1:5301"]) == ""
    assert "600 was served" in world.start(PLAIN, ["127.0.0.1:5303"])
    assert "600 was served" in world.start(PLAIN, ["192.0.2.1:53", "127.0.0.1:5301"])


def test_the_pasts_are_bounded(world: World) -> None:
    for number in range(MAX_PASTS + 3):
        world.start(PLAIN, [f"192.0.2.{number}:53"])
    with world.project.store.reader() as reader:
        assert len(pasts(reader, [f"192.0.2.{number}:53" for number in range(MAX_PASTS + 3)])) == MAX_PASTS


def test_a_zone_that_is_not_served_or_whose_branch_is_not_there_is_not_refused(world: World) -> None:
    world.put("stable", 400)
    world.start(PLAIN)
    assert world.start(Terms(frozenset(), STABLE.zones)) == ""
    assert world.start(Terms(zones=((ZONE, ZoneTerms("nosuch")),))) == ""


def test_of_many_zones_the_first_are_named(world: World) -> None:
    files = [f"z{number}.example" for number in range(MAX_TOLD + 2)]
    for name in files:
        for branch, serial in (("main", 9), ("stable", 8)):
            text = zone_text(serial=serial)
            world.project.push(
                world.project.manifest(None, branch=f"{name}/{branch}", files={f"{name}.zone": text})
            )
    world.start(PLAIN)
    told = world.start(Terms(zones=(("*", ZoneTerms("stable")),))).split("\n")
    assert len(told) == MAX_TOLD + 1
    assert told[-1] == "and 2 zones more"


@pytest.mark.parametrize("meanwhile", [STABLE, Terms(frozenset(), STABLE.zones)])
def test_what_was_served_counts_when_a_branch_comes_later_or_a_zone_comes_back(
    world: World, meanwhile: Terms
) -> None:
    assert world.start(PLAIN) == ""
    assert world.start(meanwhile) == ""
    world.put("stable", 400)
    assert "serial 400: 500 was served, from main" in world.start(STABLE)
    assert world.start(PLAIN) == ""
    world.put("stable", 501)
    assert world.start(STABLE) == ""


def test_a_branch_that_comes_while_it_is_served_is_served_when_its_serial_is_above(world: World) -> None:
    """Not before: a secondary that has 500 would never take 400, and nobody would be told."""
    assert world.start(PLAIN) == ""
    assert world.start(STABLE) == ""
    with world.project.store.reader() as reader:
        before = above(reader, HERE, STABLE)
        assert above(reader, HERE, PLAIN) == {}
    assert before == {ZONE: ("main", 500)}
    with closing(open_zones(world.project.path, dataclasses.replace(STABLE, above=before))) as zones:

        def look() -> tuple[int, bool, list[str]]:
            zones.refresh(now=True)
            return len(zones), zones.tip(ZONE) is not None, zones.doubts()

        assert look() == (
            0,
            False,
            ["zone example.com: branch stable does not exist: the zone is not served"],
        )
        for serial in (400, 500):
            world.put("stable", serial)
            served, has_tip, (doubt,) = look()
            assert (served, has_tip) == (0, False)
            assert doubt.startswith(
                f"zone example.com: branch stable has serial {serial}, 500 was served, from main: the zone is not "
                "served. Merge stable into main"
            )
        world.put("stable", 501)
        assert look() == (1, True, [])
