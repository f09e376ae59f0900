"""The zones of the repositories of a directory, served as one.

    roster     the names of at most MOST repositories, which the agent decides and all processes of the server read:
               those that were on it stay while they are there, others come in by name while there is room
    refresh    looks at one repository after the other, one each POLL: looking costs as much as at a single one, and a
               change is seen after as many POLL as there are repositories; whoever asks after a pause sees all of them
    a zone that several have    is served from that in which it was published first, by its clock; then by name. Every
               process finds the same. When it is removed there, the next one's is served
    a repository that cannot be read    its last good zones go on; it is opened anew when that is possible, also if it
               is of another project; one that is gone from the directory is no longer served

An answer costs what it costs from one repository: all zones are in the same two tables.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from xferzone import root
from xferzone.dnsd.following import POLL, LiveZones, ServedZones
from xferzone.dnsd.parts import SIZE
from xferzone.dnsd.terms import Terms
from xferzone.dnsd.transfer import zone_of
from xferzone.errors import CannotServe, NotFound
from xferzone.nameserver.view import View
from xferzone.refs.served import Served, ServedZone
from xferzone.zone.index import Index
from xferzone.zonefile.names import wire_name

MOST: Final = 64  # repositories
FILES: Final = 4  # that a process has open of each
LOOK_S: Final = 1.0  # seconds between two looks at which there are
LONGEST_S: Final = (
    10.0  # the same, where the directory says that nothing came or went; links lead elsewhere silently
)
MAX_TOLD: Final = 100  # zones and repositories of which it is told that they are not served
AS_MANY: Final = 8  # times as many looks as at a single repository are made by what looks at each alone
_NEVER: Final = 2**63  # milliseconds
ROSTER: Final = "roster"  # beside what processes share
TOLD: Final = "told"  # the same: what the operator is told


class ManyZones(LiveZones):
    """Those of the repositories in `directory`. `decides`: this process is the agent."""

    files = FILES * MOST

    def __init__(self, directory: Path, terms: Terms, *, decides: bool = False) -> None:
        """Raises CannotServe: the directory cannot be read."""
        super().__init__(terms)
        self._roster = _Roster(directory, terms.parts, decides=decides)
        self._directory = directory
        self._ones: dict[str, _One] = {}
        self._ring: deque[_One] = deque()
        self._sick: dict[str, str] = {}  # why, by name
        self._claims: dict[bytes, dict[str, tuple[_One, Callable[[], View]]]] = {}  # by zone and repository
        self._holders: dict[bytes, _One] = {}
        self._told: set[str] = set()
        self._looked = self._due = self._look_due = 0.0  # monotonic seconds
        self._look(first=True)

    @property
    def file(self) -> int:
        return 0  # a repository that is replaced is none of the others' business

    def refresh(self, *, now: bool = False) -> None:
        clock = time.monotonic()
        if clock < self._due and not now:
            return
        if clock >= self._look_due:
            self._look()
        turns = min(len(self._ring), 1 + int((clock - self._looked) / POLL))
        self._looked, self._due = clock, clock + POLL
        for _ in range(len(self._ring) if now else turns):
            self._ring.rotate(-1)
            one = self._ring[-1]
            try:
                one.refresh(now=now)
            except Exception as exc:  # noqa: BLE001 - a database has many ways to fail, and none may touch the others
                self._sick[one.name] = str(exc)
            else:
                if self._sick:
                    self._sick.pop(one.name, None)
                if one.file > 1:
                    self._begin(one.name)

    def doubts(self) -> list[str]:
        found = [each for one in self._ring for each in one.doubts()]
        standing = list(self._standing())
        new = [each for each in standing if each not in self._told]
        if new or len(standing) != len(self._told):
            self._told = set(standing)
            self._roster.tell(standing)
        return found + new

    def of(self, zone: str) -> ServedZones:
        holder = self._holders.get(wire_name(zone))
        if holder is None:
            raise NotFound(f"zone {zone} is not served any longer")
        return holder

    def by_repository(self) -> Sequence[ServedZones]:
        return list(self._ring)

    def close(self) -> None:
        for one in self._ring:
            one.close()
        self._ring.clear()

    # -- what the repositories have

    def claim(self, name: bytes, one: "_One", opened: Callable[[], View]) -> None:
        """Take note that a repository has a zone, or has it anew."""
        self._claims.setdefault(name, {})[one.name] = one, opened
        self._settle(name)

    def release(self, name: bytes, one: "_One") -> None:
        """Take note that a repository has a zone no longer."""
        claims = self._claims.get(name, {})
        if claims.pop(one.name, None) is not None:
            self._settle(name)

    def holder(self, name: bytes) -> "_One | None":
        """The one that a zone is served from."""
        return self._holders.get(name)

    def bound(self) -> None:
        """Let go of compiled zone files, if they are too large together."""
        if sum(one.size for one in self._ring) > SIZE:
            for one in self._ring:
                one.let_go()
            for entry in self.entries.values():
                if entry.view is not None:
                    entry.view.forget()

    def _settle(self, name: bytes) -> None:
        claims = self._claims[name]
        if not claims:
            del self._claims[name]
            self._holders.pop(name, None)
            self.remove(name)
            return
        order = (
            claims
            if len(claims) == 1
            else sorted(claims, key=lambda each: (claims[each][0].since(name), each))
        )
        one, opened = claims[next(iter(order))]
        self._holders[name] = one
        self.put(name, opened)

    def _standing(self) -> Iterator[str]:
        """What is not served as somebody may think, as of now."""
        for name, why in sorted(self._sick.items())[:MAX_TOLD]:
            yield f"repository {name} cannot be read: {why}"
        for name in self._roster.refused[:MAX_TOLD]:
            yield f"repository {name} is not answered for: DNS has {MOST} others, which is the most"
        several = sorted(name for name, claims in self._claims.items() if len(claims) > 1)
        for zone in several[:MAX_TOLD]:
            holder = self._holders[zone].name
            others = ", ".join(sorted(each for each in self._claims[zone] if each != holder))
            yield f"zone {zone_of(zone)} of repository {others} is not served: repository {holder} had it before"

    # -- which repositories there are

    def _look(self, *, first: bool = False) -> None:
        self._look_due = time.monotonic() + LOOK_S
        names = self._roster.names(first=first)
        for name in [name for name in self._ones if name not in names]:
            self._end(self._ones[name])
            self._sick.pop(name, None)
        again = next((name for name in self._sick if name in names), None)
        for name in names:
            if name == again or (name not in self._ones and name not in self._sick):
                self._begin(name)
        self._sick = {name: why for name, why in self._sick.items() if name in names}

    def _begin(self, name: str) -> None:
        """Open it, in place of what is open; if it cannot be opened that goes on, and it is the last of the sick."""
        self._sick.pop(name, None)
        try:
            one = self._opened(name)
        except Exception as exc:  # noqa: BLE001 - as in `refresh`
            self._sick[name] = str(exc)
            return
        if name in self._ones:
            self._end(self._ones[name])
        self._ones[name] = one
        self._ring.append(one)
        one.attach()

    def _opened(self, name: str) -> "_One":
        path = root.found(self._directory, name)
        if path is None:
            raise NotFound("it is gone")
        served = Served(path, patience=0.0)
        try:
            shared = self.terms.parts
            own = (
                None if shared is None else shared / f"{name}-{path.stat().st_ino}"
            )  # numbers are a file's own
            if own is not None:
                own.mkdir(exist_ok=True)
            return _One(self, name, served, replace(self.terms, parts=own))
        except BaseException:
            served.close()
            raise

    def _end(self, one: "_One") -> None:
        del self._ones[one.name]
        self._ring.remove(one)
        one.clear()
        one.close()


class _One(ServedZones):
    """A repository among them; its zones are put where those of all are."""

    def __init__(self, many: ManyZones, name: str, served: Served, terms: Terms) -> None:
        self._many = many
        self.name = name
        self._own: dict[bytes, Callable[[], View]] = {}
        self._since: dict[bytes, int] = {}
        self._is_attached = False
        super().__init__(served, terms)

    def attach(self) -> None:
        """Have its zones served from now on."""
        self._is_attached = True
        for zone, opened in self._own.items():
            self._many.claim(zone, self, opened)

    @property
    def size(self) -> int:
        """Bytes of compiled zone files that it has open."""
        return self._parts.size

    @property
    def rarely(self) -> float:
        return max(1.0, len(self._many.by_repository()) / AS_MANY)

    def let_go(self) -> None:
        """Close them; they are opened again."""
        self._parts.clear()

    def since(self, name: bytes) -> int:
        """When the zone was first published here, in milliseconds since 1970; while that cannot be read, in no time."""
        if name not in self._since:
            try:
                self._since[name] = self._served.begun(zone_of(name))
            except Exception:  # noqa: BLE001 - as in `refresh` of all
                return _NEVER
        return self._since[name]

    def put(self, name: bytes, opened: Callable[[], View]) -> None:
        self._own[name] = opened
        if self._is_attached:
            self._many.claim(name, self, opened)

    def remove(self, name: bytes) -> None:
        if self._own.pop(name, None) is not None and self._is_attached:
            self._since.pop(name, None)
            self._many.release(name, self)

    def clear(self) -> None:
        for name in list(self._own):
            self.remove(name)

    def has(self, name: bytes) -> bool:
        return self._many.holder(name) is self

    def find(self, name: bytes, rdtype: int) -> View | None:
        return self._many.find(name, rdtype)

    def tip(self, zone: str) -> ServedZone | None:
        return super().tip(zone) if self.has(wire_name(zone)) else None

    def _index(self, number: int) -> Index:
        self._many.bound()
        return self._parts.get(number, self._served.index)


class _Roster:
    """Which repositories are served, as the agent decides."""

    def __init__(self, directory: Path, shared: Path | None, *, decides: bool) -> None:
        self.refused: list[str] = []
        self._directory = directory
        self._shared = shared
        self._decides = decides
        self._names: list[str] = []
        self._stamp: object = None  # of what was read last
        self._until = 0.0  # monotonic seconds

    def names(self, *, first: bool) -> Sequence[str]:
        """As of now. Raises CannotServe: they cannot be read for the `first` time."""
        try:
            if self._decides or self._shared is None or not (self._shared / ROSTER).exists():
                self._decide()
            else:
                self._read()
        except (CannotServe, OSError, ValueError):
            if first:
                raise
        return self._names

    def tell(self, standing: Sequence[str]) -> None:
        """Let the server's page for the operator have that."""
        if self._shared is not None:
            _write(self._shared / TOLD, standing)

    def _decide(self) -> None:
        clock, stamp = (
            time.monotonic(),
            self._directory.stat().st_mtime_ns if self._directory.is_dir() else None,
        )
        if stamp is not None and stamp == self._stamp and clock < self._until:
            return
        if not self._names and self._shared is not None and (self._shared / ROSTER).exists():
            self._read()  # an agent before this one decided
        there = root.names(self._directory)
        kept = [name for name in self._names if name in there]
        others = [name for name in there if name not in kept]
        names = kept + others[: MOST - len(kept)]
        self.refused = others[MOST - len(kept) :]
        if names != self._names and self._decides and self._shared is not None:
            _write(self._shared / ROSTER, names)
        self._names, self._stamp, self._until = names, stamp, clock + LONGEST_S

    def _read(self) -> None:
        assert self._shared is not None
        path = self._shared / ROSTER
        stamp = path.stat().st_mtime_ns
        if self._decides or stamp != self._stamp:
            self._names, self._stamp = [str(name) for name in json.loads(path.read_text())], stamp


def _write(path: Path, lines: Sequence[str]) -> None:
    """Whole from the moment it can be seen; where nothing can be written, as it was."""
    with suppress(OSError):
        new = path.with_suffix(".new")
        new.write_text(json.dumps(lines))
        new.rename(path)
