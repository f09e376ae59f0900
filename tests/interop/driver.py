"""Four people work on one project in an order that a seed decides, until they agree; then everything is compared.

played(site, directory, seed)     COMMITS check-ins by two stock check-outs, a clone of ours and the operator at
                                  the server; syncs until two sweeps move nothing; the comparison (agreement.py)
"""

import random
from collections.abc import Sequence
from pathlib import Path

from tests.interop import agreement
from tests.interop.ours import Cloner, Operator
from tests.interop.site import ADMIN, Site
from tests.interop.stock import Stock
from tests.interop.worker import Worker

COMMITS = 50
_SWEEPS = 12  # syncs of everybody until nothing moves


def played(site: Site, directory: Path, seed: int, commits: int = COMMITS) -> None:
    """Play the seed's story at the site and compare; what was done is printed if that fails."""
    trace = [f"seed {seed}"]
    try:
        _play(site, directory, random.Random(seed), trace, commits)
    finally:
        print("\n".join(trace))  # pytest shows it beside a failure


def _play(site: Site, directory: Path, rng: random.Random, trace: list[str], commits: int) -> None:
    ann = Stock(site, directory / "ann", ADMIN, rng, trace)
    bob = Stock(site, directory / "bob", "bob", rng, trace)
    xena = Cloner(site, directory / "xena", "xena", rng, trace)
    operator = Operator(site, directory / "operator", rng, trace)
    workers: list[Worker] = [ann, bob, xena, operator]
    while sum(worker.commits for worker in workers) < commits:
        if rng.random() < 0.05:
            _race(rng, [ann, bob], xena)
        else:
            rng.choices(workers, (6, 6, 4, 1))[0].act()
    _settle([ann, bob, xena])
    if _publish_beside(operator, ann):
        _settle([ann, bob, xena])
    _compare(site, [ann, bob], xena, operator)


def _race(rng: random.Random, people: Sequence[Stock], xena: Cloner) -> None:
    """Each commits on the same check-in without having seen the others; then all sync."""
    branch = rng.choice(people[0].zone_branches() or ["example.com/main"])
    for person in people:
        person.autosync(False)
        person.fossil("pull")
        person.go_to(branch)
    with_us = rng.random() < 0.5
    if with_us:
        xena.sync()
    for person in people:
        person.edit()
    if with_us and branch in agreement.refs(xena.repository):
        xena.set_on(branch)
    racers: list[Stock | Cloner] = [*people, xena] if with_us else [*people]
    for racer in rng.sample(racers, len(racers)):
        racer.sync()
    for person in people:
        person.autosync(rng.random() < 0.7)


def _settle(people: Sequence[Stock | Cloner]) -> None:
    """Sync everybody until two sweeps have moved nothing."""
    quiet = 0
    for _ in range(_SWEEPS):
        quiet = 0 if sum(person.sync() for person in people) else quiet + 1
        if quiet == 2:
            return
    raise AssertionError(f"artifacts still move after {_SWEEPS} sweeps")


def _publish_beside(operator: Operator, ann: Stock) -> bool:
    """On branches where somebody left what cannot be served, publish something beside it; whether there were any."""
    before = operator.commits
    found = agreement.leaves(ann.file)
    for branch, (checkin, _) in sorted(agreement.refs(operator.repository).items()):
        if found.get(branch) != {checkin}:
            operator.set_on(branch)
    return operator.commits > before


def _compare(site: Site, people: Sequence[Stock], xena: Cloner, operator: Operator) -> None:
    """Everything of agreement.py."""
    assert not [line for person in people for line in person.refused]
    agreement.assert_same_artifacts([site.repository, xena.repository, *(person.file for person in people)])
    served = agreement.refs(site.repository)
    assert agreement.refs(xena.repository) == served
    for person in people:
        agreement.assert_one_leaf_a_ref(served, person.file)
    for branch, (checkin, serial) in served.items():
        zone, _, name = branch.partition("/")
        if name == "main":
            files = people[0].fossil("ls", "-r", checkin).out.split()
            own = [file for file in files if file == f"{zone}.zone" or file.startswith(f"{zone}.zone.d/")]
            texts = [people[0].fossil("cat", "-r", checkin, file).out for file in own]
            agreement.assert_dns(site.dns, zone, serial, texts)
    agreement.assert_log_as_stock(xena.person, xena.repository, people[0].file)
    for person in people:
        agreement.assert_sound(person.person, person.file)
    for repository in (site.repository, xena.repository):
        agreement.assert_ours_sound(operator.person, repository)
