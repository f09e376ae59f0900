"""Histories of three members and their programs that chance makes: cut off from etcd, from each other, stopped, late.

A seed is one history. After each step refs have only moved forward, and everybody's refs are on one line with the key;
once faults stop all stand where the key does, and nothing is pending.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exchange.group.test_program import AT_ONCE, STEP_S, Running, Site
from tests.publish.project import MAIN_BRANCH
from tests.refs.model import Fault
from xferzone.exchange.group.following import PENDING_S
from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs
from xferzone.store import ancestry, places

STEPS = 40
SEEDS = 12
_FAULTS = (Fault.DROPPED, Fault.LATE, Fault.LOST, Fault.EMPTY, Fault.SILENT, Fault.BEHIND, Fault.COMPACTED)


class History:
    """One seed's."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.site = Site(directory)
        self.stood: list[ArtifactId] = [self.site.deciding.first] * 3
        self.number = 1

    def step(self) -> None:
        site, chance = self.site, self.chance
        one = chance.choice(site.running)
        act = chance.random()
        if act < 0.4 and not one.is_stopped:
            self.push(one)
        elif act < 0.55:
            one.fault = self.faults(chance.choice((0.0, 0.3, 1.0)))
        elif act < 0.65:
            one.decider.is_away = not one.is_stopped and not one.decider.is_away
        elif act < 0.75:
            one.is_stopped = not one.is_stopped
        elif act < 0.85 and site.deciding.cluster.travelling:
            site.deciding.cluster.deliver()
        site.turns(chance.choice((1, 1, 2, 10)), only="".join(chance.sample("abc", chance.randint(1, 3))))

    def push(self, one: Running) -> None:
        """A client's work at one member, on top of what is served there, or there and then nobody decides about it."""
        self.number += 1
        made, _ = self.site.version(f"192.0.2.{self.number}", one.decider.tip())
        if self.chance.random() < 0.7:
            one.decider.push(*made)
        else:
            one.decider.member.take(made)

    def faults(self, rate: float) -> Callable[[str], Fault | None]:
        return lambda _operation: self.chance.choice(_FAULTS) if self.chance.random() < rate else None

    def rest(self) -> None:
        """All is well again, and time passes."""
        for each in self.site.running:
            each.fault = lambda _operation: None
            each.is_stopped = False
        while self.site.deciding.cluster.travelling:
            self.site.deciding.cluster.deliver()
        self.site.turns(2 * int(PENDING_S / STEP_S) + 10 * AT_ONCE)

    def check(self) -> None:
        """Refs only move forward, and lie on the key's line as far as that is here."""
        key = self.site.deciding.key()
        assert key is not None
        for number, each in enumerate(self.site.running):
            tip = each.decider.tip()
            assert tip is not None
            with each.decider.store.reader() as reader:
                assert ancestry.leads_to(reader, tip, self.stood[number]), "a ref went back, or aside"
                if reader.has(key.checkin):
                    assert ancestry.leads_to(reader, key.checkin, tip), "a ref that is not on the key's line"
                moves = [move.checkin for move in LocalRefs(reader).publications(MAIN_BRANCH)]
                assert len(moves) == len(set(moves)), "two rows for one move"
            self.stood[number] = tip


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_befalls_members_they_are_alike_in_the_end(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path, seed)
    for _ in range(STEPS):
        history.step()
        history.check()
    history.rest()
    history.check()
    site = history.site
    key = site.deciding.key()
    assert key is not None
    assert site.tips() == [key.checkin] * 3
    assert site.states() == ["up"] * 3
    for each in site.running:
        with each.decider.store.writer() as writer:
            assert places.branches_by_arrival(writer) == []
        each.program.close()
    artifacts = [each.decider.member.artifacts() for each in site.running]
    assert artifacts[0] == artifacts[1] == artifacts[2]
    site.deciding.close()
