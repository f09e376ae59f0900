"""Eight clones, four pushes and two backups at once: all succeed, nothing is lost, and no worker gets large.

python -m tests.scale.test_at_once [ZONES VERSIONS]      with so many zones, and check-ins of each; the figures
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from bench import zones
from tests.interop.nodes import now_ms
from tests.live import Person, serving
from tests.robust.site import faults, high_water, workers
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store
from xferzone.zone.changes import parse_change

pytestmark = [pytest.mark.interop, pytest.mark.scale]

ZONES, VERSIONS, RECORDS = 100, 3, 50
LARGE = 12  # artifacts of 2.5 MB, so that replies are as large as they get
CLONES, PUSHES, BACKUPS = 8, 4, 2
MOST_MB = 150.0  # of a worker, at any moment, with what it shares with others
PASSWORD = "correct-horse"


def test_all_that_come_at_once_succeed_and_no_worker_gets_large(tmp_path: Path) -> None:
    at_once(tmp_path, ZONES, VERSIONS)


def at_once(directory: Path, number: int, versions: int) -> float:
    """The megabytes of the largest worker."""
    file, ops = directory / "zones.xferzone", Person(directory / "ops")
    zones.many_zones(file, number, versions, RECORDS)
    rng = random.Random(1)
    with Store.open(file) as store:
        for _ in range(LARGE):
            with store.writer() as writer:
                writer.put(rng.randbytes(2_500_000))
    ops.xferzone("-R", file, "user", "caps", "nobody", "--read")
    ops.xferzone("-R", file, "user", "add", "ann", "--write", "--password-stdin", stdin=f"{PASSWORD}\n")
    stood = artifacts(file)
    with serving(file, "serve") as server:
        url, tasks = server.url("ann", PASSWORD), list[Callable[[], object]]()
        for each in range(PUSHES):
            tasks.append(pusher(Person(directory / f"pusher{each}", "ann"), url, each))
        clones = [directory / f"clone{each}" for each in range(CLONES)]
        for each, clone in enumerate(clones):
            clone_of = ops.xferzone if each % 2 else ops.fossil
            tasks.append(partial(clone_of, "clone", server.url(), clone))
        backups = [directory / f"backup{each}.xferzone" for each in range(BACKUPS)]
        tasks += [partial(ops.xferzone, "-R", file, "backup", backup) for backup in backups]
        with ThreadPoolExecutor(len(tasks)) as pool:
            for done in [pool.submit(task) for task in tasks]:
                done.result()
        largest = max(high_water(worker) for worker in workers(server))
    assert largest <= MOST_MB
    for each in range(PUSHES):
        with Store.open(file) as store, store.reader() as reader:
            assert LocalRefs(reader).get(BranchName(zone_of(each), "main")) is not None
        shown = ops.xferzone("-R", file, "show", f"pushed.{zone_of(each)}", "A").out
        assert shown.split()[-1] == "192.0.2.7"
    for whole in (file, *backups):
        assert faults(whole) == []
        assert artifacts(whole) >= stood
    for clone in clones[1::2]:
        assert artifacts(clone) >= stood
    for clone in clones[::2]:
        listed = ops.fossil("sql", "-R", clone, "--readonly", "SELECT uuid FROM blob WHERE size >= 0")
        assert {line.strip("'") for line in listed.out.split()} >= stood
    return largest


def zone_of(pusher: int) -> str:
    return f"zone{pusher}.example"


def pusher(person: Person, url: str, number: int) -> Callable[[], object]:
    """A push, all but sent, of a change to a zone of its own: by stock and by us in turn."""
    zone, clone = zone_of(number), person.home / "clone"
    if number % 2:
        person.xferzone("clone", url, clone)
        with Store.open(clone) as store, store.writer() as writer:
            writer.put(random.Random(number).randbytes(2_500_000))
            edit = Edit(writer, LocalRefs(writer), BranchName(zone, "main"), Author("ann", now_ms()))
            edit.change([parse_change("set", [f"pushed.{zone}", "300", "A", "192.0.2.7"])], "set")
        return partial(person.xferzone, "-R", clone, "push", url)
    person.clone(url, clone)
    work = person.open(clone, person.home / "work", f"{zone}/main")
    person.fossil("settings", "autosync", "off", at=work)
    text = work / f"{zone}.zone"
    text.write_text(text.read_text() + "pushed 300 A 192.0.2.7\n")
    person.fossil("commit", "-m", "pushed", at=work)
    return partial(person.fossil, "push", "--once", at=work)


def artifacts(file: Path) -> set[str]:
    with Store.open(file) as store, store.reader() as reader:
        return set(reader.artifacts())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        found = at_once(Path(scratch), *map(int, sys.argv[1:] or (ZONES, VERSIONS)))
        print(
            f"{CLONES} clones, {PUSHES} pushes, {BACKUPS} backups: the largest worker {found:.0f} MB; "
            f"{time.monotonic() - began:.0f} s with all preparations"
        )
