"""The zones that a repository serves, followed as its refs move.

    refresh    the repository's version, at most every POLL seconds
                  | changed
               refs that moved since the last move seen ─> their views die; new ones open at the next question
                  | another file has taken the repository's name
               all views die, and the zones are those of that file
    of a zone whose terms name them, two branches are followed: the served one and the canary's; a move of either is one
    of the zone
    pinned     zones that do not move (pinned.py)
    behind     a branch that has come with a serial not above what was served before: not served (onward.py)
    parts      compiled zone files, by number, shared by all views and, with parts.py, by processes

If the repository cannot be read, the views as they are go on answering, and it is tried again after RETRY seconds.
"""

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from xferzone.dnsd import onward
from xferzone.dnsd.canaries import Canaries, Comparison
from xferzone.dnsd.parts import SIZE, Parts
from xferzone.dnsd.terms import PLAIN, Canary, Pin, Terms
from xferzone.errors import CannotServe, NotFound
from xferzone.nameserver.view import View
from xferzone.nameserver.zones import Zones
from xferzone.refs.branch import DEFAULT_BRANCH, BranchName
from xferzone.refs.served import Served, ServedZone, State, Version
from xferzone.store import Store
from xferzone.zone.index import Index
from xferzone.zone.serial import is_ahead
from xferzone.zonefile.names import wire_name
from xferzone.zonefile.rdtypes import SOA

POLL: Final = 0.001  # seconds that an answer may lag behind the repository
EMPTY: Final = "this mirror has not caught up with its primary for the first time yet"
RETRY: Final = 0.1  # seconds between two tries to read a repository that cannot be read


def open_zones(repository: Path, terms: Terms = PLAIN) -> "ServedZones":
    """The zones that the repository serves now, on those terms.

    Raises:
        XferzoneError: it is not there, or cannot be read.
    """
    try:
        served = Served(repository)
        try:
            return ServedZones(served, terms)
        except BaseException:
            served.close()
            raise
    except NotFound:
        raise
    except Exception as exc:
        raise CannotServe(f"cannot read {repository}: {exc}") from exc


class LiveZones(Zones):
    """Zones of one repository, or of several (many.py), followed as they move."""

    def __init__(self, terms: Terms) -> None:
        super().__init__()
        self._terms = terms

    @property
    def terms(self) -> Terms:
        return self._terms

    files = 0  # that a process may have open for them beside those of one repository

    @property
    @abstractmethod
    def file(self) -> int:
        """Changes when another file has taken a repository's name."""

    @abstractmethod
    def refresh(self, *, now: bool = False) -> None:
        """Follow what was committed; unless it must be `now`, at most every POLL seconds.

        Raises:
            Exception: of any kind that the database has; the old views go on, and the next look is RETRY away.
        """

    @abstractmethod
    def doubts(self) -> list[str]:
        """What is not served as it was chosen, and why: each once, and again when it changes.

        Raises:
            XferzoneError: a zone cannot be read; the next call tries again.
        """

    @abstractmethod
    def of(self, zone: str) -> "ServedZones":
        """The zones among which the zone of that id is served. Raises NotFound: it is not served."""

    @abstractmethod
    def by_repository(self) -> "Sequence[ServedZones]":
        """Those of each repository, as of now."""

    @abstractmethod
    def close(self) -> None:
        """Let go of all files."""

    def tip(self, zone: str) -> ServedZone | None:
        """Where the branch stands that is served of the zone of that id. None: nothing of it is."""
        try:
            return self.of(zone).tip(zone)
        except NotFound:
            return None


class ServedZones(LiveZones):
    """The zones that a repository serves."""

    name = ""  # of the repository, among several

    @property
    def rarely(self) -> float:
        """How many times as long those pause who look at it alone, since others look at other repositories."""
        return 1.0

    def __init__(self, served: Served, terms: Terms = PLAIN) -> None:
        super().__init__(terms)
        self._served = served
        self._store: Store | None = None
        self._canaries = Canaries(terms)
        self.resolvers = self._canaries.resolvers
        #: Of zones whose terms name a branch other than main or a canary: where these branches and main stand.
        self._stands: dict[str, dict[str, ServedZone]] = {}
        self._doubtful: set[str] = set()  # those of them that moved since `doubts` was asked
        self._uncompiled: set[str] = set()  # those of them whose canary will be compiled without a move
        self._told: dict[str, list[str]] = {}  # doubts by zone
        self._parts = Parts(terms.parts)
        self._numbers: dict[bytes, tuple[int, ...]] = {}  # by name of a zone: of the parts it had last
        self._version: Version | None = None  # None: nothing was seen yet
        self._is_first_look = True
        self._move = 0  # number of the last move of a ref that was seen
        self._due = 0.0  # monotonic seconds
        self._put_pinned()
        self.refresh()

    @property
    def file(self) -> int:
        return 0 if self._version is None else self._version.file

    @property
    def repository(self) -> Served:
        """What it reads: for more of a zone than its answers."""
        return self._served

    @property
    def store(self) -> Store:
        """The same repository, for more than what is served: opened when it is first asked for."""
        if self._store is None:
            self._store = Store.open(self._served.path)
        return self._store

    def of(self, zone: str) -> "ServedZones":
        return self

    def by_repository(self) -> "Sequence[ServedZones]":
        return [self]

    def tip(self, zone: str) -> ServedZone | None:
        found = self._served.tip(BranchName(zone, self._terms.of(zone).branch))
        return None if found is None or found.state is State.REMOVED or self._is_behind(found) else found

    def refresh(self, *, now: bool = False) -> None:
        clock = time.monotonic()
        if clock < self._due and not now:
            return
        self._due = clock + RETRY
        version = self._served.version()
        if version != self._version:
            is_another = self._version is not None and version.file != self._version.file
            last, moved = self._served.changes(0 if is_another else self._move, self._wants)
            if is_another:
                self.clear()
                for seen in (self._stands, self._doubtful, self._uncompiled):
                    seen.clear()
                self._parts.clear()
                self._numbers.clear()
                self._put_pinned()
            for zone in moved:
                self._follow(zone)
            for uncompiled in self._uncompiled.copy():
                self._put(uncompiled)
            self._move, self._version = last, version
            if self._is_first_look or is_another or self.awaited:  # no mirror becomes empty again
                self.awaited = EMPTY if self._served.is_empty_mirror() else ""
                self._is_first_look = False
        self._due = clock + POLL

    def close(self) -> None:
        self._served.close()
        if self._store is not None:
            self._store.close()

    def doubts(self) -> list[str]:
        told = []
        for zone in sorted(self._doubtful):
            found = list(self._doubts(zone))
            told += [doubt for doubt in found if doubt not in self._told.get(zone, ())]
            self._told[zone] = found
            self._doubtful.remove(zone)
        return told

    def _doubts(self, zone: str) -> Iterator[str]:
        chosen, stands = self._terms.of(zone), self._stands[zone]
        served = stands.get(chosen.branch)
        if served is None:
            if any(each.state is not State.REMOVED for each in stands.values()):
                yield f"zone {zone}: branch {chosen.branch} does not exist: the zone is not served"
        elif served.state is State.REMOVED:
            yield f"zone {zone}: branch {chosen.branch} was removed: the zone is not served"
        elif self._is_behind(served):
            branch, serial = self._terms.above[zone]
            yield (
                f"zone {zone}: branch {chosen.branch} has serial {served.serial}, {serial} was served, from {branch}: "
                f"the zone is not served. {onward.remedy(zone, chosen.branch, branch, serial)}"
            )
        elif chosen.canary is not None:
            main = self.find(wire_name(zone), SOA)
            if main is not None:
                compared = self._compared(zone, main, chosen.canary)
                for doubt in compared.doubts():
                    yield f"zone {zone}: canary branch {chosen.canary.branch} {doubt}"

    def _wants(self, branch: BranchName) -> bool:
        chosen = self._terms.of(branch.zone)
        if chosen.at is not None or not self._terms.serves(branch.zone):
            return False
        canary = None if chosen.canary is None else chosen.canary.branch
        return branch.branch in (DEFAULT_BRANCH, chosen.branch, canary)

    def _follow(self, moved: ServedZone) -> None:
        zone = moved.branch.zone
        chosen = self._terms.of(zone)
        if chosen.branch == DEFAULT_BRANCH and chosen.canary is None and zone not in self._terms.above:
            self._serve(zone, moved)
            return
        self._stands.setdefault(zone, {})[moved.branch.branch] = moved
        self._doubtful.add(zone)
        if moved.branch.branch == chosen.branch or chosen.canary is not None:
            self._put(zone)

    def _put_pinned(self) -> None:
        for zone, pin in self._terms.pins.items():
            self.put(wire_name(zone), partial(_pinned_view, wire_name(zone), pin))

    def _put(self, zone: str) -> None:
        """Serve a zone, whose branches were seen, anew, or no longer."""
        self._uncompiled.discard(zone)
        chosen, stands = self._terms.of(zone), self._stands[zone]
        canary = None if chosen.canary is None else stands.get(chosen.canary.branch)
        self._serve(zone, stands.get(chosen.branch), canary)

    def _serve(self, zone: str, served: ServedZone | None, canary: ServedZone | None = None) -> None:
        name = wire_name(zone)
        numbers = tuple(number for each in (served, canary) if each is not None for number in each.numbers)
        self._parts.drop(set(self._numbers.get(name, ())).difference(numbers))
        self._numbers[name] = numbers
        if served is None or served.state is State.REMOVED or self._is_behind(served):
            self.remove(name)
        else:
            self.put(name, lambda: self._view(name, served))

    def _is_behind(self, served: ServedZone) -> bool:
        """Whether secondaries may have a version with a serial that this one's is not ahead of."""
        before = self._terms.above.get(served.branch.zone)
        return before is not None and not is_ahead(served.serial, before[1])

    def _view(self, name: bytes, served: ServedZone) -> View:
        view = View(name, served.serial, self._served.indexes(served), self._index)
        zone = served.branch.zone
        canary = self._terms.of(zone).canary
        if canary is not None:
            compared = self._compared(zone, view, canary)
            if compared.is_uncompiled:
                self._uncompiled.add(zone)
            if compared.view is not None:
                view.route, view.canary = self._canaries.route(zone, canary), compared.view
        return view

    def _compared(self, zone: str, main: View, canary: Canary) -> Comparison:
        return Comparison(main, self._stands[zone].get(canary.branch), self._served, self._index)

    def _index(self, number: int) -> Index:
        parts = self._parts
        if parts.size > SIZE:
            parts.clear()
            for entry in self.entries.values():
                if entry.view is not None:
                    entry.view.forget()
        return parts.get(number, self._served.index)


def _pinned_view(name: bytes, pin: Pin) -> View:
    parts = [(first, number) for number, (first, _index) in enumerate(pin.parts)]
    return View(name, pin.serial, parts, lambda number: pin.parts[number][1])
