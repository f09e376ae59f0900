"""The zones that a repository serves, followed as its refs move.

    refresh    the repository's version, at most every POLL seconds
                  | changed
               refs that moved since the last move seen ─> their views die; new ones open at the next question
                  | another file has taken the repository's name
               all views die, and the zones are those of that file
    parts      compiled zone files, by number, shared by all views; what does not fit INDEXES_SIZE is read again

If the repository cannot be read, the views as they are go on answering, and it is tried again after RETRY seconds.
"""

import time
from pathlib import Path
from typing import Final

from xferzone.dnsd.terms import PLAIN, Terms
from xferzone.errors import CannotServe, NotFound
from xferzone.nameserver.generations import Generations
from xferzone.nameserver.view import View
from xferzone.nameserver.zones import Zones
from xferzone.refs.branch import BranchName
from xferzone.refs.served import Served, ServedZone, State, Version
from xferzone.store import Store
from xferzone.zone.index import Index
from xferzone.zonefile.names import zone_name

INDEXES_SIZE: Final = 512 * 1024 * 1024  # bytes of compiled zone files kept in a process
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


class ServedZones(Zones):
    """The zones that a repository serves."""

    def __init__(self, served: Served, terms: Terms = PLAIN) -> None:
        super().__init__()
        self._served = served
        self._terms = terms
        self._store: Store | None = None
        self._indexes: Generations[Index] = Generations(INDEXES_SIZE)
        self._version: Version | None = None  # None: nothing was seen yet
        self._is_first_look = True
        self._move = 0  # number of the last move of a ref that was seen
        self._due = 0.0  # monotonic seconds
        self.refresh()

    @property
    def file(self) -> int:
        """Counts the files that have had the repository's name."""
        return 0 if self._version is None else self._version.file

    @property
    def terms(self) -> Terms:
        return self._terms

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

    def tip(self, zone: str) -> ServedZone | None:
        """Where the branch stands that is served of the zone of that id. None: nothing of it is."""
        found = self._served.tip(BranchName(zone, self._terms.of(zone).branch))
        return None if found is None or found.state is State.REMOVED else found

    def refresh(self, *, now: bool = False) -> None:
        """Follow what was committed; unless it must be `now`, at most every POLL seconds.

        Raises:
            Exception: of any kind that the database has; the old views go on, and the next look is RETRY away.
        """
        clock = time.monotonic()
        if clock < self._due and not now:
            return
        self._due = clock + RETRY
        version = self._served.version()
        if version != self._version:
            is_another = self._version is not None and version.file != self._version.file
            last, moved = self._served.changes(0 if is_another else self._move)
            if is_another:
                self.clear()
                self._indexes = Generations(INDEXES_SIZE)
            for zone in moved:
                if self._terms.serves(zone.branch.zone):
                    self._follow(zone)
            self._move, self._version = last, version
            if self._is_first_look or is_another or self.awaited:  # no mirror becomes empty again
                self.awaited = EMPTY if self._served.is_empty_mirror() else ""
                self._is_first_look = False
        self._due = clock + POLL

    def close(self) -> None:
        self._served.close()
        if self._store is not None:
            self._store.close()

    def _follow(self, zone: ServedZone) -> None:
        name = _wire(zone.branch.zone)
        if zone.state is State.REMOVED:
            self.remove(name)
        else:
            self.put(name, lambda: View(name, zone.serial, self._served.indexes(zone), self._index))

    def _index(self, number: int) -> Index:
        indexes = self._indexes
        index = indexes.young.get(number)
        if index is None:
            index = indexes.old.get(number) or Index(self._served.index(number))
            indexes.put(number, index, index.size)
            indexes.free()
        return index


def _wire(zone: str) -> bytes:
    """The name of a zone id that was published."""
    if "%" not in zone:  # at once: ten thousand are read before a process answers
        return b"".join(bytes((len(label),)) + label for label in zone.encode().split(b".")) + b"\0"
    name = zone_name(zone).to_wire()
    assert name is not None
    return name
