"""Which zone a question is for, and what becomes of views when zones come and go."""

import time

import dns.name
import pytest

from tests.nameserver.made import serve, view_of, zones_of
from xferzone.nameserver.view import View
from xferzone.nameserver.zones import Zones

DS, A = 43, 1


def wire(name: str) -> bytes:
    made = dns.name.from_text(name).to_wire()
    assert made is not None
    return made


def zone(origin: str) -> View:
    return view_of("@ 9 SOA ns h 1 2 3 4 5\n@ 9 NS ns\n", origin)


NESTED = ("test.", "example.test.", "c.b.example.test.")


@pytest.mark.parametrize(
    ("name", "rdtype", "origin"),
    [
        ("test.", A, "test."),
        ("x.test.", A, "test."),
        ("example.test.", A, "example.test."),
        ("b.example.test.", A, "example.test."),
        ("c.b.example.test.", A, "c.b.example.test."),
        ("x.y.c.b.example.test.", A, "c.b.example.test."),
        ("xexample.test.", A, "test."),
        ("c.b.example.test.", DS, "example.test."),
        ("x.c.b.example.test.", DS, "c.b.example.test."),
        ("example.test.", DS, "test."),
        ("test.", DS, "test."),
        ("b.example.test.", DS, "example.test."),
    ],
)
def test_the_deepest_zone_answers_and_for_ds_of_its_apex_the_one_above(
    name: str, rdtype: int, origin: str
) -> None:
    found = zones_of(*map(zone, NESTED)).find(wire(name), rdtype)
    assert found is not None
    assert found.origin == wire(origin)


@pytest.mark.parametrize("name", [".", "other.", "test.other."])
def test_a_name_outside_of_all_zones_has_none(name: str) -> None:
    assert zones_of(*map(zone, NESTED)).find(wire(name), A) is None


def test_the_root_zone_has_what_no_other_has() -> None:
    zones = zones_of(zone("."), zone("test."))
    for name, origin in ((".", "."), ("other.", "."), ("x.test.", "test.")):
        found = zones.find(wire(name), A)
        assert found is not None
        assert found.origin == wire(origin)


def test_a_view_is_opened_at_the_first_question_and_only_then() -> None:
    opened = []

    def open_it() -> View:
        opened.append(1)
        return zone("test.")

    zones = Zones()
    zones.put(wire("test."), open_it)
    assert opened == []
    assert zones.find(wire("a.test."), A) is zones.find(wire("b.test."), A)
    assert opened == [1]


def test_a_view_dies_when_its_zone_changes_and_no_other_does() -> None:
    zones = zones_of(*map(zone, NESTED))
    views = [zones.find(wire(name), A) for name in NESTED]
    serve(zones, zone("example.test."))
    assert [view.live for view in views if view] == [True, False, True]


def test_the_view_above_dies_when_a_zone_comes_or_goes() -> None:
    zones = zones_of(*map(zone, NESTED))
    zones.remove(wire("c.b.example.test."))
    views = [zones.find(wire(name), A) for name in NESTED[:2]]
    serve(zones, zone("c.b.example.test."))
    assert [view.live for view in views if view] == [True, False]
    views = [zones.find(wire(name), A) for name in NESTED]
    zones.remove(wire("c.b.example.test."))
    assert [view.live for view in views if view] == [True, False, False]


def test_removing_what_is_not_served_changes_nothing() -> None:
    zones = zones_of(*map(zone, NESTED))
    view = zones.find(wire("test."), A)
    zones.remove(wire("other.test."))
    assert view is not None
    assert view.live
    assert len(zones) == 3


def test_10_000_zones_make_a_look_no_slower() -> None:
    zones = Zones()
    for number in range(10_000):
        zones.put(wire(f"z{number}.test."), lambda: zone("z1.test."))
    asked = wire("a.b.c.z9999.test.")
    zones.find(asked, A)
    begin = time.process_time()
    for _ in range(1000):
        zones.find(asked, A)
    assert time.process_time() - begin < 0.1  # 1 us each where it was written
