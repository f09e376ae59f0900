"""A group of three under many people at once, as things go well and as they fail.

python -m tests.scale.groups [ONE [MANY [KILLS [COURSE ...]]]]     some 40 minutes; ends at the first fault

Sixteen people change zones: by verbs at the members, by clones of ours, by stock fossil. In each course ONE changes are
of one zone, then MANY of eight zones; those with a fault have a SHORT-th of them, if no course is named.

    calm              nothing happens
    a member dies     killed and served again, over and over
    etcd stops        it neither reads nor answers for 30 s
    etcd dies         killed, and there again after 15 s
    etcd is slow      5 s more until anything gets there
    cut off           one member from etcd, then from its fellows, then from both
    no replies        etcd does what one member asks, and that does not hear of it; then another one
    acknowledged      two members have to hold a change; whoever has accepted it is killed at once, KILLS times

What people noticed of each is printed: answers by DNS, reads, waits for the write lock, and how long it took until a
change that was accepted was answered by all three.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.interop.grouped import Group, cut, grouped
from tests.interop.judged import check_all, kill_acceptors
from tests.interop.measured import Measured
from tests.interop.storm import Told, Way, storm, ways, zones_of

ONE: Final = 200
MANY: Final = 200
KILLS: Final = 100
SHORT: Final = 4
ZONES: Final = 9
PEOPLE: Final = 16
SLOW_S: Final = 5.0
MOST_LOCKED_S: Final = 3.0  # of a write lock while etcd takes SLOW_S more


def dies(group: Group) -> None:
    for site in (group.sites[1], group.sites[2]):
        time.sleep(5)
        with site.dead():
            time.sleep(5)


def stops(group: Group) -> None:
    time.sleep(3)
    with group.etcd.asleep():
        time.sleep(30)


def goes(group: Group) -> None:
    time.sleep(3)
    with group.without_etcd():
        time.sleep(15)


def is_slow(group: Group) -> None:
    with contextlib.ExitStack() as slow:
        for relay in (site.to_etcd for site in group.sites):
            relay.before = lambda _octets: time.sleep(SLOW_S)
            slow.callback(setattr, relay, "before", lambda _octets: None)
        time.sleep(60)


def is_cut_off(group: Group) -> None:
    site = group.sites[2]
    for relays in ((site.to_etcd,), (site.to_it,), (site.to_etcd, site.to_it)):
        with cut(*relays, is_told=False):
            time.sleep(10)
        time.sleep(5)


def hears_nothing(group: Group) -> None:
    for relay in [site.to_etcd for site in group.sites] * 2:
        relay.is_mute = True
        time.sleep(4)
        relay.is_mute = False
        relay.hang_up()
        time.sleep(3)


COURSES: Final[dict[str, Callable[[Group], None]]] = {
    "calm": lambda _group: None,
    "a member dies": dies,
    "etcd stops": stops,
    "etcd dies": goes,
    "etcd is slow": is_slow,
    "cut off": is_cut_off,
    "no replies": hears_nothing,
}
ACKNOWLEDGED: Final = "acknowledged"


def main(one: int, many: int, kills: int, named: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        chosen = {name: fault for name, fault in COURSES.items() if not named or name in named}
        if chosen:
            zones = zones_of(ZONES)
            with grouped(directory / "group", zones=zones[1:]) as group:
                people = ways(group.sites, directory / "people", each=2)[:PEOPLE]
                for seed, (name, fault) in enumerate(chosen.items(), 1):
                    part = SHORT if not named and name != "calm" else 1
                    _course(group, zones, people, (one // part, many // part), name, fault, seed)
        if not named or ACKNOWLEDGED in named:
            began = time.monotonic()
            with grouped(directory / "two", copies=2) as group:
                kill_acceptors(group, directory / "two-people", kills)
            print(
                f"{ACKNOWLEDGED}: {kills} kills, nothing lost; {time.monotonic() - began:.0f} s", flush=True
            )
    return 0


# many: who does what, where, and what happens meanwhile
def _course(
    group: Group,
    zones: Sequence[str],
    people: Sequence[Way],
    counts: tuple[int, int],
    name: str,
    fault: Callable[[Group], None],
    seed: int,
) -> None:
    """Run one, and print what was seen."""
    told = Told()
    with Measured(group) as measured:
        told.on_accept = measured.accepted

        def meanwhile() -> None:
            fault(group)
            measured.fault_is_over()

        for count, among in zip(counts, (zones[:1], zones[1:]), strict=True):
            began = time.monotonic()
            storm(people, among, count, told, 2 * seed + len(among), meanwhile)
            print(f"{name}: {count} of {len(among)} in {time.monotonic() - began:.0f} s", flush=True)
        in_step_s = measured.served()
    became = check_all(group, zones, told)
    accepted = sum(map(len, told.accepted.values()))
    print(f"  {accepted} accepted, {len(told.refused)} times refused, {len(told.given_up)} given up by stock")
    print(f"  of refused ones: {became}")
    print(
        f"{measured}\n  all served by all {in_step_s:.2f} s after the last was accepted and the fault over",
        flush=True,
    )
    assert measured.answers.failed == 0
    if fault is is_slow:
        assert measured.longest_lock_s < MOST_LOCKED_S


if __name__ == "__main__":
    _one, _many, _kills = [*map(int, sys.argv[1:4]), *(ONE, MANY, KILLS)[len(sys.argv[1:4]) :]]
    sys.exit(main(_one, _many, _kills, sys.argv[4:]))
