"""Many people who change zones at the members of a group at once: by verbs there, by clones of ours, by stock fossil.

Each adds a record of its own, tries again until that is accepted, and notes what it was told each time. Who was refused
waits longer each time, as people do, so that all get their turn.
"""

import random
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.interop.grouped import PASSWORD, ZONE, Site
from tests.live import Done, Person

TRIES = 30  # of one change, until it has to be accepted
NAP_S = 0.25  # before the second of them, at most; before the next ones twice as much each time
MAX_NAP_S = 8.0
_UNSENT = ("\nError: ", "Autosync failed", "not accepted")  # told by stock, which ends with 0 all the same


class Tried(NamedTuple):
    """An attempt to add a record: whether it was accepted, what was told, and how the check-in begins that was made."""

    is_accepted: bool
    told: str
    checkin: str = ""


@dataclass
class Told:
    """What came of all attempts.

    Fields:
        accepted: owners, relative to their zones, by zone.
        refused: the attempts that were not accepted.
        given_up: changes that were never accepted.
        on_accept: called with the zone and the owner of each change, just after it was accepted.
    """

    accepted: dict[str, set[str]] = field(default_factory=dict)
    refused: list[Tried] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    on_accept: Callable[[str, str], object] = lambda _zone, _owner: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, zone: str, owner: str) -> None:
        with self._lock:
            self.accepted.setdefault(zone, set()).add(owner)
        self.on_accept(zone, owner)

    def refuse(self, tried: Tried) -> None:
        with self._lock:
            self.refused.append(tried)

    def give_up(self, what: str) -> None:
        with self._lock:
            self.given_up.append(what)


class Way(Protocol):
    """One person with one way to change zones; one change at a time."""

    def add(self, zone: str, owner: str, address: str) -> Tried:
        """Add a record; what came of it."""
        ...


class Client(Way, Protocol):
    """A way of somebody who has a clone."""

    def keep(self, zone: str, owner: str, address: str) -> None:
        """Commit the record to the clone alone, on what it has."""
        ...

    def push(self, url: str) -> str:
        """Send all that is in the clone to a server; what is told."""
        ...

    def tag(self, zone: str, name: str, url: str) -> str:
        """Name what main is at in the clone, and send that to a server; what is told."""
        ...


class Verbs:
    """At a member itself."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def add(self, zone: str, owner: str, address: str) -> Tried:
        """As Way has it."""
        words = ("-R", self._site.repository, "set", f"{owner}.{zone}", "300", "A", address, "-z", zone)
        done = self._site.ops.xferzone(*words, code=None)
        return Tried(done.code == 0, _said(done))


class Clone:
    """By a clone of ours."""

    def __init__(self, site: Site, home: Path) -> None:
        self._person = Person(home, "ann")
        self._file = home / "clone.xferzone"
        self._password = home / "password"
        self._password.write_text(f"{PASSWORD}\n")
        self._person.xferzone("clone", site.url(), self._file)

    def add(self, zone: str, owner: str, address: str) -> Tried:
        """As Way has it."""
        pulled = self._do("sync", "--pull", "--password-file", str(self._password))
        words = ("set", f"{owner}.{zone}", "300", "A", address, "-z", zone)
        made = self._do(*words)
        if made.code:
            return Tried(False, _said(pulled) + _said(made))
        new = re.search(" ([0-9a-f]{16}) serial", made.out)
        sent = self._do("sync", "--password-file", str(self._password))
        return Tried(sent.code == 0, _said(made) + _said(sent), new[1] if new else "")

    def keep(self, zone: str, owner: str, address: str) -> None:
        """As Client has it."""
        done = self._do("set", f"{owner}.{zone}", "300", "A", address, "-z", zone)
        assert done.code == 0, _said(done)

    def push(self, url: str) -> str:
        """As Client has it."""
        return _said(self._do("push", url))

    def tag(self, zone: str, name: str, url: str) -> str:
        """As Client has it."""
        return _said(self._do("tag", zone, name)) + self.push(url)

    def _do(self, *words: str) -> Done:
        return self._person.xferzone("-R", self._file, *words, code=None)


class CheckOut:
    """By stock fossil."""

    def __init__(self, site: Site, home: Path) -> None:
        self._person = Person(home, "ann")
        self._home = home
        self._file = home / "clone.fossil"
        self._person.clone(site.url(), self._file)

    def add(self, zone: str, owner: str, address: str) -> Tried:
        """As Way has it."""
        work = self._work(zone)
        self._person.fossil("revert", at=work, code=None)
        self._person.fossil("update", f"{zone}/main", at=work, code=None)
        done = self._commit(zone, owner, address)
        told, new = _said(done), re.search("New_Version: ([0-9a-f]{16})", done.out)
        stands = self._person.fossil("status", at=work, code=None).out
        is_lost = new is None or f"{new[1]} was moved to branch" in told or "-fork-" in stands
        is_accepted = done.code == 0 and not is_lost and not any(each in told for each in _UNSENT)
        return Tried(is_accepted, told, new[1] if new else "")

    def keep(self, zone: str, owner: str, address: str) -> None:
        """As Client has it."""
        work = self._work(zone)
        self._person.fossil("settings", "autosync", "off", at=work)
        done = self._commit(zone, owner, address)
        self._person.fossil("settings", "autosync", "on", at=work)
        assert done.code == 0, _said(done)

    def _work(self, zone: str) -> Path:
        work = self._home / zone
        if not work.exists():
            self._person.fossil("pull", "-R", self._file)
            try:
                self._person.open(self._file, work, f"{zone}/main")
            except AssertionError:
                shutil.rmtree(work)
                raise
        return work

    def _commit(self, zone: str, owner: str, address: str) -> Done:
        work = self._work(zone)
        file = work / f"{zone}.zone"
        file.write_text(file.read_text() + f"{owner} 300 A {address}\n")
        return self._person.fossil("commit", "-m", f"add {owner}", at=work, code=None)

    def tag(self, zone: str, name: str, url: str) -> str:
        """As Client has it."""
        done = self._person.fossil("tag", "add", name, f"{zone}/main", "-R", self._file, code=None)
        return _said(done) + self.push(url)

    def push(self, url: str) -> str:
        """As Client has it."""
        return _said(self._person.fossil("push", url, "--once", "-R", self._file, code=None))


def _said(done: Done) -> str:
    return done.out + done.err


def ways(sites: Sequence[Site], directory: Path, each: int = 1) -> list[Way]:
    """`each` of every kind at every member."""
    found: list[Way] = []
    for number in range(each):
        for site in sites:
            home = directory / f"{site.name}{number}"
            found += [Verbs(site), Clone(site, home / "ours"), CheckOut(site, home / "stock")]
    return found


# many: who does what, where, how often
def storm(
    people: Sequence[Way],
    zones: Sequence[str],
    count: int,
    told: Told,
    seed: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Have `count` records added to the zones by turns, by all people at once; `meanwhile` runs beside that."""
    chance, naps = random.Random(seed), random.Random(seed + 1)
    tasks = [(f"r{seed}-{number}", zones[number % len(zones)]) for number in range(count)]
    chance.shuffle(tasks)
    lock = threading.Lock()

    def work(person: Way) -> None:
        while True:
            with lock:
                if not tasks:
                    return
                owner, zone = tasks.pop()
            for attempt in range(TRIES):
                if attempt:
                    time.sleep(naps.uniform(0, min(MAX_NAP_S, NAP_S * 2**attempt)))
                try:
                    tried = person.add(zone, owner, f"192.0.2.{len(owner)}")
                except (
                    AssertionError
                ) as exc:  # of a program that has to succeed, with nobody at the other side
                    tried = Tried(False, f"first of all there was nobody: {exc}")
                if tried.is_accepted:
                    told.accept(zone, owner)
                    break
                told.refuse(tried)
            else:
                told.give_up(f"{owner}.{zone}: {tried.told}")

    with ThreadPoolExecutor(len(people)) as pool:
        done = [pool.submit(work, person) for person in people]
        meanwhile()  # in this thread: what it starts ends with the thread that has started it
        for each in done:
            each.result()


def zones_of(count: int) -> list[str]:
    """Names of zones to be changed, the one that the group begins with first."""
    return [ZONE, *(f"z{number}.example" for number in range(1, count))]
