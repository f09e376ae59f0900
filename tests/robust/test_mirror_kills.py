"""Processes of a mirror and of its primary are killed (-9) while changes go on and questions stream in.

throughout    every answer is an address that was committed, and none is older than the one before
at the end    the mirror stands where the primary does, and `xferzone check` is clean on both
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.nodes import Node, Primary, same
from tests.live import PATIENCE_S, within
from tests.robust.kills import kills

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]

KILLS = kills(6)
SEED = 7
CONVERGED_S = 120.0  # seconds; a back-off may be 60


class Asker:
    """Asks the mirror for www again and again, until stopped."""

    def __init__(self, mirror: Node) -> None:
        self._mirror = mirror
        self._stop = threading.Event()
        self.seen: list[str] = []
        self.lost = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            (found,) = self._mirror.a("www")
            if found == "no answer":  # it was on its way to a process that was killed
                self.lost += 1
            elif not self.seen or self.seen[-1] != found:
                self.seen.append(found)

    def __enter__(self) -> "Asker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def address(number: int) -> str:
    return f"192.0.{number // 250}.{number % 250 + 1}"


def in_order(seen: list[str]) -> bool:
    """Whether the answers are addresses that were committed, each later than the one before."""
    octets = [each.split(".") for each in seen]
    numbers = [250 * int(each[2]) + int(each[3]) - 1 for each in octets if len(each) == 4]
    return len(numbers) == len(seen) and numbers == sorted(numbers)


@contextlib.contextmanager
def changing(primary: Primary) -> Iterator[None]:
    """Commit one address after the other."""
    stop = threading.Event()

    def run() -> None:
        number = 1
        while not stop.wait(0.2):
            primary.set("www", address(number))
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_killed_processes_of_a_mirror_are_not_missed(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    primary, mirror = Primary(tmp_path / "p.xferzone"), Node(tmp_path / "m.xferzone")
    primary.set("www", address(0))
    with primary.up(), mirror.following(primary, interval="1s"):
        assert within(PATIENCE_S, lambda: mirror.a("www") == [address(0)])
        with Asker(mirror) as asker, changing(primary):
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.05, 0.6))
                processes = mirror.processes()
                what = "follower" if chance.random() < 0.6 else chance.choice(sorted(processes))
                if what in processes:
                    os.kill(processes[what], signal.SIGKILL)
        assert within(CONVERGED_S, lambda: same(primary, mirror)), mirror.log.read_text()[-2000:]
        assert in_order(asker.seen), asker.seen
        assert len(asker.seen) > 1
    mirror.check()
    primary.check()


def test_a_killed_primary_is_followed_again(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    primary, mirror = Primary(tmp_path / "p.xferzone"), Node(tmp_path / "m.xferzone")
    primary.set("www", address(0))
    with mirror.following(primary, interval="500ms"):
        with primary.up():
            assert within(PATIENCE_S, lambda: mirror.a("www") == [address(0)])
        with Asker(mirror) as asker, changing(primary):
            for _ in range(KILLS):
                with primary.up():
                    time.sleep(chance.uniform(0.05, 1.5))
                    primary.kill()
        with primary.up():
            assert within(CONVERGED_S, lambda: same(primary, mirror)), mirror.log.read_text()[-2000:]
        assert in_order(asker.seen), asker.seen
        assert asker.lost == 0
    mirror.check()
    primary.check()
