"""Branches that a process serves by its terms: which one, which second one, and what it says where one is missing."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.nameserver.made import question, said
from tests.publish.project import NOW, Project
from xferzone.config import Network
from xferzone.dnsd.following import ServedZones, open_zones
from xferzone.dnsd.terms import Canary, Terms, ZoneTerms
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.respond import respond
from xferzone.refs import BranchName
from xferzone.zonefile import names, text

#: Of example.com, with the salt "2026" at 20 %.
IN_CANARY, IN_MAIN = ip_address("198.18.4.1").packed, ip_address("198.18.0.1").packed
CANARY = Canary("next", 2000, b"2026", (Network("203.0.113.53"),))


class World:
    """A repository with example.com, and processes that serve it on their terms."""

    def __init__(self, directory: Path) -> None:
        self.project = Project(directory)
        self._opened: list[ServedZones] = []
        self._now = NOW - 500_000
        self.put("main", "www 300 A 192.0.2.1")

    def serve(self, terms: ZoneTerms) -> ServedZones:
        zones = open_zones(self.project.path, Terms(zones=(("example.com", terms),)))
        self._opened.append(zones)
        return zones

    def close(self) -> None:
        for zones in self._opened:
            zones.close()

    def _edit(self, branch: str) -> tuple[BranchName, Author]:
        self._now += 1000
        return BranchName("example.com", branch), Author("ops", self._now)

    def put(self, branch: str, *lines: str, apex: str = "@ 3600 NS ns.invalid.") -> None:
        soa = "@ 3600 SOA ns.invalid. h.invalid. 1 3600 600 86400 300"
        records = text.read_zone("\n".join((soa, apex, *lines, "")).encode(), names.zone_name("example.com"))
        to, author = self._edit(branch)
        with self.project.writing() as (writer, refs):
            if refs.get(to) is None and branch != "main":
                main = refs.get(BranchName("example.com", "main"))
                assert main is not None
                Edit(writer, refs, to, author).fork_off(main.checkin, "begin")
                to, author = self._edit(branch)
            Edit(writer, refs, to, author).replace(records, "put")

    def remove(self, branch: str) -> None:
        to, author = self._edit(branch)
        with self.project.writing() as (writer, refs):
            Edit(writer, refs, to, author).remove("remove")


def ask(
    zones: ServedZones, client: bytes = IN_MAIN, name: str = "www.example.com.", rdtype: str = "A"
) -> set[str]:
    """The last field of each record now; the rcode if there is none."""
    zones.refresh(now=True)
    answer = said(respond(question(name, rdtype), zones, client, tcp=True))
    return {record.split(" in ")[1] for record in answer.answer} or {answer.rcode}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


# -- the served branch


def test_another_branch_is_served_with_its_own_serial(world: World) -> None:
    world.put("next", "www 300 A 192.0.2.2")
    world.put("next", "www 300 A 192.0.2.3")
    zones = world.serve(ZoneTerms(branch="next"))
    assert ask(zones) == {"a 192.0.2.3"}
    (soa,) = ask(zones, rdtype="SOA", name="example.com.")
    assert soa.split()[3] == "4"
    world.put("main", "www 300 A 192.0.2.9")
    assert ask(zones) == {"a 192.0.2.3"}
    world.put("next", "www 300 A 192.0.2.4")
    assert ask(zones) == {"a 192.0.2.4"}
    assert zones.doubts() == []


def test_a_branch_that_does_not_exist_is_not_served_and_that_is_said_once(world: World) -> None:
    zones = world.serve(ZoneTerms(branch="next"))
    assert ask(zones) == {"REFUSED"}
    assert zones.doubts() == ["zone example.com: branch next does not exist: the zone is not served"]
    world.put("main", "www 300 A 192.0.2.9")
    assert ask(zones) == {"REFUSED"}
    assert zones.doubts() == []
    world.put("next", "www 300 A 192.0.2.3")
    assert ask(zones) == {"a 192.0.2.3"}
    world.remove("next")
    assert ask(zones) == {"REFUSED"}
    assert zones.doubts() == ["zone example.com: branch next was removed: the zone is not served"]


# -- the canary


def test_some_clients_get_the_canary_and_each_move_of_either_branch_is_seen(world: World) -> None:
    world.put("next", "www 300 A 192.0.2.2")
    zones = world.serve(ZoneTerms(canary=CANARY))
    assert (ask(zones, IN_CANARY), ask(zones, IN_MAIN)) == ({"a 192.0.2.2"}, {"a 192.0.2.1"})
    world.put("next", "www 300 A 192.0.2.3")
    assert (ask(zones, IN_CANARY), ask(zones, IN_MAIN)) == ({"a 192.0.2.3"}, {"a 192.0.2.1"})
    world.put("main", "www 300 A 192.0.2.4")
    assert (ask(zones, IN_CANARY), ask(zones, IN_MAIN)) == ({"a 192.0.2.3"}, {"a 192.0.2.4"})
    assert zones.doubts() == []


def test_both_get_the_same_soa(world: World) -> None:
    for number in range(4):
        world.put("next", f"www 300 A 192.0.2.{number}")
    zones = world.serve(ZoneTerms(canary=CANARY))
    for name in ("example.com.", "nothing.example.com."):
        assert ask(zones, IN_CANARY, name, "SOA") == ask(zones, IN_MAIN, name, "SOA")
    (soa,) = ask(zones, IN_CANARY, "example.com.", "SOA")
    assert soa.split()[3] == "1"


def test_answers_that_were_kept_die_with_either_branch(world: World) -> None:
    world.put("next", "www 300 A 192.0.2.2")
    zones = world.serve(ZoneTerms(canary=CANARY))
    responder = Responder(zones)

    def answered(client: bytes) -> set[str]:
        zones.refresh(now=True)
        responder.client_of = lambda _slot: client
        return {
            record.split()[-1] for record in said(responder.respond(question("www.example.com.", "A"))).answer
        }

    for last in (3, 4):
        world.put("next", f"www 300 A 192.0.2.{last}")
        world.put("main", f"www 300 A 192.0.2.{last + 10}")
        for _ in range(2):
            assert answered(IN_CANARY) == {f"192.0.2.{last}"}
            assert answered(IN_MAIN) == {f"192.0.2.{last + 10}"}
    assert responder.made == 4


def test_a_process_has_open_what_both_branches_are_served_from_and_no_more(world: World) -> None:
    world.put("next", "www 300 A 192.0.2.2")
    zones = world.serve(ZoneTerms(canary=CANARY))
    for last in range(3, 9):
        world.put("next" if last % 2 else "main", f"www 300 A 192.0.2.{last}")
        ask(zones, IN_CANARY)
    assert len(zones._parts._open) == 2


def test_the_same_client_gets_the_same_in_every_process(world: World) -> None:
    world.put("next", "www 300 A 192.0.2.2")
    subnets = [bytes((198, 18 + number // 256, number % 256, 1)) for number in range(1000)]
    processes = [world.serve(ZoneTerms(canary=CANARY)) for _ in range(2)]
    answers = [[ask(zones, client) for client in subnets] for zones in processes]
    assert answers[0] == answers[1]
    assert answers[0].count({"a 192.0.2.2"}) == 202


def test_without_its_branch_all_get_main_and_that_is_said_once(world: World) -> None:
    zones = world.serve(ZoneTerms(canary=CANARY))
    assert ask(zones, IN_CANARY) == {"a 192.0.2.1"}
    assert zones.doubts() == ["zone example.com: canary branch next does not exist: all clients get main"]
    world.put("main", "www 300 A 192.0.2.9")
    assert ask(zones, IN_CANARY) == {"a 192.0.2.9"}
    assert zones.doubts() == []
    world.put("next", "www 300 A 192.0.2.2")
    assert ask(zones, IN_CANARY) == {"a 192.0.2.2"}
    world.remove("next")
    assert ask(zones, IN_CANARY) == {"a 192.0.2.9"}
    assert zones.doubts() == ["zone example.com: canary branch next was removed: all clients get main"]


def test_a_removed_zone_has_no_canary(world: World) -> None:
    world.put("next", "www 300 A 192.0.2.2")
    zones = world.serve(ZoneTerms(canary=CANARY))
    world.remove("main")
    assert ask(zones, IN_CANARY) == {"REFUSED"}


def test_what_stays_mains_is_said_when_the_branch_changes_it(world: World) -> None:
    world.put("main", "www 300 A 192.0.2.1", "sub 300 NS ns.invalid.")
    delegations = [f"s{number} 300 NS ns.invalid." for number in range(7)]
    world.put("next", "www 300 A 192.0.2.2", *delegations, apex="@ 3600 NS ns2.invalid.")
    zones = world.serve(ZoneTerms(canary=CANARY))
    assert ask(zones, IN_CANARY, "example.com.", "NS") == {"ns ns.invalid."}
    assert zones.doubts() == [
        "zone example.com: canary branch next changes NS of the apex: main's are sent to all",
        "zone example.com: canary branch next changes the delegations at s0 s1 s2 s3 s4 and 3 more: main's are sent to "
        "all",
    ]


def test_a_signed_zone_is_routed_only_with_the_same_names_and_types(world: World) -> None:
    signed = ("@ 300 NSEC www.example.com. NS SOA NSEC", "www 300 NSEC example.com. A NSEC")
    world.put("main", *signed, "www 300 A 192.0.2.1")
    world.put("next", *signed, "www 300 A 192.0.2.2")
    zones = world.serve(ZoneTerms(canary=CANARY))
    assert ask(zones, IN_CANARY) == {"a 192.0.2.2"}
    assert zones.doubts() == []
    world.put("next", *signed, "www 300 A 192.0.2.3", "new 300 A 192.0.2.4")
    assert ask(zones, IN_CANARY) == {"a 192.0.2.1"}
    assert zones.doubts() == [
        "zone example.com: canary branch next has other names or types, and the zone is signed: all clients get main"
    ]


def test_resolvers_of_any_canary_are_known_to_all_zones(world: World) -> None:
    zones = world.serve(ZoneTerms(canary=CANARY))
    assert zones.resolvers
