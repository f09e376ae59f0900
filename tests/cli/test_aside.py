"""Zones compiled by several processes are what one process makes of them, in the same order."""

import itertools
import os
from pathlib import Path

from xferzone.cli.aside import compile_aside
from xferzone.hashing import artifact_id
from xferzone.zone.compiling import Task, compile_all


def tasks(count: int) -> list[Task]:
    made = []
    for number in range(count):
        zone = f"zone{number}.example"
        text = b"@ 300 SOA a. b. %d 1 1 1 1\n@ 300 NS a.\n" % number if number % 7 else b"@ 300 A 192.0.2.1\n"
        made.append(Task(zone, {f"{zone}.zone": (artifact_id(text), text)}))
    return made


def test_many_zones_are_compiled_as_one_after_the_other() -> None:
    wanted = tasks(1_000)
    made = list(compile_aside(iter(wanted)))
    assert made == list(compile_all(wanted))
    assert {bool(one.faults) for one in made} == {True, False}


def test_few_zones_need_no_process() -> None:
    wanted = tasks(8)
    assert list(compile_aside(wanted)) == list(compile_all(wanted))


def test_who_stops_early_leaves_no_process_behind() -> None:
    made = compile_aside(iter(tasks(1_000)))
    assert len(list(itertools.islice(made, 3))) == 3
    del made  # as an exception would, on its way out
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text() == ""
