"""Counters that processes share: they add up, outlive their processes, and tell who works."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from xferzone import counters
from xferzone.counters import FRESH_S, NAMES, Counters, Role


def forked(work: Callable[[], object]) -> None:
    """Run `work` in a process of its own, to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


class Beside:
    """A process that does `work` and then lives until the block ends."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    def __enter__(self) -> int:
        done, tell = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._work()
            os.write(tell, b".")
            while True:
                signal.pause()
        assert os.read(done, 1) == b"."
        os.close(done)
        os.close(tell)
        return self._pid

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def test_sums_are_over_processes_that_are_and_were() -> None:
    shared = Counters(3)
    shared.add({0: 1})
    forked(lambda: shared.add({0: 10, 2: 5}))
    with Beside(lambda: shared.add({0: 100})):
        assert shared.sums() == [111, 0, 5]
    assert shared.sums() == [111, 0, 5]


def test_processes_that_come_and_go_take_the_same_slots() -> None:
    shared = Counters(1)
    for _ in range(20):
        forked(lambda: shared.add({0: 1}))
    assert shared.sums() == [20]
    assert len(list(shared._used())) == 1


def test_processes_that_live_at_once_have_slots_of_their_own() -> None:
    shared = Counters(1)
    with Beside(lambda: shared.add({0: 1})), Beside(lambda: shared.add({0: 1})):
        shared.add({0: 1})
        assert [slot[-1] for slot in shared._used()] == [1, 1, 1]


def test_when_all_slots_are_taken_the_last_one_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "SLOTS", 2)
    shared = Counters(1)
    with Beside(lambda: shared.add({0: 1})), Beside(lambda: shared.add({0: 1})):
        shared.add({0: 1})
        assert shared.sums() == [3]


def test_those_work_who_live_and_have_beaten_a_moment_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Counters(1)
    assert (shared.missing(), shared.zones()) == ("", None)
    shared.expected = 2
    assert shared.missing() == "0 of 2 answerers working, 0 of 1 agent working"
    with (
        Beside(lambda: shared.beat(Role.ANSWERER, 3)),
        Beside(lambda: shared.beat(Role.AGENT, 3)),
        Beside(lambda: shared.beat(Role.ANSWERER, 3)),
    ):
        assert (shared.missing(), shared.zones()) == ("", 3)
        later = time.monotonic_ns() + int((FRESH_S + 1) * 1e9)
        with monkeypatch.context() as patched:
            patched.setattr(time, "monotonic_ns", lambda: later)
            assert shared.zones() is None
    assert shared.missing() == "0 of 2 answerers working, 0 of 1 agent working"


def test_one_process_tells_at_a_time_and_the_next_goes_on() -> None:
    shared = Counters(1)

    def tell() -> None:
        with shared.telling() as alone:
            assert alone
            assert shared.told is None
            shared.told = 0

    forked(tell)
    assert shared.told == 0

    begun = shared.telling()
    with Beside(lambda: begun.__enter__()), shared.telling() as alone:
        assert not alone
    with shared.telling() as alone:
        assert alone


def test_many_counters_leave_no_descriptor_open() -> None:
    program = (
        "import os; from xferzone.counters import Counters\n"
        "before = len(os.listdir('/proc/self/fd'))\n"
        "for _ in range(50): Counters(5).add({0: 1})\n"
        "print(len(os.listdir('/proc/self/fd')) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_what_others_hold_counts_while_they_live() -> None:
    shared = Counters(1)
    shared.hold(5)
    assert shared.held_elsewhere() == 0
    with Beside(lambda: shared.hold(70)):
        assert shared.held_elsewhere() == 70
    assert shared.held_elsewhere() == 0
    forked(lambda: shared.add({0: 1}))  # takes the same slot
    assert shared.held_elsewhere() == 0


def test_names_have_the_same_place_in_every_process_and_are_bounded() -> None:
    shared = Counters(1)
    assert shared.names() == []
    forked(lambda: shared.place("a.example"))
    assert shared.place("b.example") == 1
    assert shared.place("a.example") == 0
    assert shared.names() == ["a.example", "b.example"]
    for number in range(NAMES):
        shared.place("x" * 250 + str(number))
    assert shared.place("c.example") is None
    assert (len(shared.names()), shared.place("b.example")) == (NAMES, 1)
