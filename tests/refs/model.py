"""A linearizable model of etcd in this process: the other implementation of the keys that a group shares.

    Cluster             the keys, their history and leases; the clock is handed in
        set_back, empty, compact, end_lease, deliver      what befalls it
    Door                Keys, as one member reaches the cluster; `faults` is asked before each operation

    DROPPED     the message is lost on its way                    Away, and nothing happened
    LATE        it waits in `travelling` until `deliver`          Away, and it happens then
    LOST, EMPTY, CUT    it happens; no reply, `{}`, a part of one     Away, and it happened
    SILENT      a watch tells where it begins, and no more
    BEHIND      a watch of a server that has not heard of the last changes
    COMPACTED   a watch whose changes are no longer kept

An outage is DROPPED for every operation. A watch that meets one of the first five breaks off: at once, or half way. A
watch that begins after the last revision, as one does when the cluster was set back, tells of a stand before it, and no
more. Nothing waits and nothing is by chance: a watch tells what is there and ends.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

from xferzone.errors import Away
from xferzone.refs.keys import Changes, Compacted, Lapsed, Listed, Stand, Transacted, check

BEHIND = 3  # revisions, of a watch


class Fault(Enum):
    """What goes wrong with one operation; see the table above."""

    DROPPED = auto()
    LATE = auto()
    LOST = auto()
    EMPTY = auto()
    CUT = auto()
    SILENT = auto()
    BEHIND = auto()
    COMPACTED = auto()


_BEFORE = {Fault.DROPPED: "cannot be reached", Fault.LATE: "no answer in time"}
_AFTER = {
    Fault.LOST: "closed the connection without an answer",
    Fault.EMPTY: "answers {}",
    Fault.CUT: "broke off its reply",
}

T = TypeVar("T")
Faults = Callable[[str], Fault | None]
Puts = Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a backup holds."""

    revision: int
    compacted: int
    values: Mapping[str, tuple[bytes, int | None]]
    history: tuple[tuple[int, Puts], ...]
    leases: Mapping[int, int]  # seconds


@dataclass(slots=True)
class _Lease:
    seconds: int
    end: float


@dataclass(slots=True)
class Cluster:
    """The keys. `clock` gives seconds, by which leases end."""

    clock: Callable[[], float]
    cluster: str = "1"
    travelling: list[Callable[[], object]] = field(default_factory=list)  # late transactions, oldest first
    _revision: int = 1  # as of an empty etcd
    _values: dict[str, tuple[bytes, int | None]] = field(default_factory=dict)
    _history: list[tuple[int, Puts]] = field(default_factory=list)
    _compacted: int = 0
    _leases: dict[int, _Lease] = field(default_factory=dict)
    _granted: int = 0
    starts: int = 1  # of the server

    @property
    def stand(self) -> Stand:
        self._end_leases()
        return Stand(self.cluster, self._revision)

    def transact(self, expected: Puts, puts: Puts, lease: int | None) -> Transacted:
        self._end_leases()
        there = {key: self._values[key][0] for key in expected if key in self._values}
        if any(there.get(key) != value for key, value in expected.items()):
            return Transacted(self.stand, False, there)
        if (
            lease is not None
            and lease not in self._leases
            and any(each is not None for each in puts.values())
        ):
            raise Lapsed(f"lease {lease} has ended")
        self._put(puts, lease)
        return Transacted(self.stand, True, {})

    def values(self, prefix: str) -> Listed:
        self._end_leases()
        chosen = {key: self._values[key][0] for key in sorted(self._values) if key.startswith(prefix)}
        return Listed(self.stand, chosen)

    def since(self, prefix: str, revision: int, upto: int) -> Iterator[Changes]:
        """What a watch tells: where it begins, then each revision by itself. Raises Compacted."""
        self._end_leases()
        stand = Stand(self.cluster, upto)
        yield Changes(stand, {}, revision - 1)
        if revision < self._compacted:
            raise Compacted(f"no changes before {self._compacted} any more")
        for at, puts in self._history:
            chosen = {key: value for key, value in puts.items() if key.startswith(prefix)}
            if revision <= at <= upto and chosen:
                yield Changes(stand, chosen, at)

    def grant(self, seconds: int) -> int:
        self._granted += 1
        self._leases[self._granted] = _Lease(seconds, self.clock() + seconds)
        return self._granted

    def keep(self, lease: int) -> bool:
        self._end_leases()
        kept = self._leases.get(lease)
        if kept is None:
            return False
        kept.end = self.clock() + kept.seconds
        return True

    def end_lease(self, lease: int) -> None:
        """Its keys go with it, in one revision."""
        if self._leases.pop(lease, None) is not None:
            self._put(dict.fromkeys(key for key, (_, held) in self._values.items() if held == lease), None)

    def deliver(self) -> object:
        """The oldest late transaction happens now, if it still can; nobody gets its answer but who calls this."""
        try:
            return self.travelling.pop(0)()
        except Lapsed as exc:
            return exc

    def compact(self, revision: int) -> None:
        """Keep no changes before that one. Of itself etcd 3.4 keeps what was put, and loses what was deleted."""
        self._compacted = max(self._compacted, revision)
        put = {
            at: {key: value for key, value in puts.items() if value is not None} for at, puts in self._history
        }
        self._history = [
            (at, put[at] if at == revision else puts) for at, puts in self._history if at >= revision
        ]

    def snapshot(self) -> Snapshot:
        leases = {lease: each.seconds for lease, each in self._leases.items()}
        revision = self.stand.revision
        return Snapshot(revision, self._compacted, dict(self._values), tuple(self._history), leases)

    def set_back(self, to: Snapshot, cluster: str | None = None) -> None:
        """Restore a backup, as the cluster it was or as another one. Revisions come again; leases begin anew."""
        self.starts += 1
        self._revision = to.revision
        self._values = dict(to.values)
        self._history = list(to.history)
        self._compacted = to.compacted
        now = self.clock()
        self._leases = {lease: _Lease(seconds, now + seconds) for lease, seconds in to.leases.items()}
        self.cluster = cluster or self.cluster

    def empty(self, cluster: str | None = None) -> None:
        """Begin again without anything."""
        self.set_back(Snapshot(1, 0, {}, (), {}), cluster)

    def _end_leases(self) -> None:
        now = self.clock()
        for lease in [lease for lease, each in self._leases.items() if each.end < now]:
            self.end_lease(lease)

    def _put(self, puts: Puts, lease: int | None) -> None:
        changed = {key: value for key, value in puts.items() if value is not None or key in self._values}
        if not changed:
            return
        self._revision += 1
        self._history.append((self._revision, changed))
        for key, value in changed.items():
            if value is None:
                del self._values[key]
            else:
                self._values[key] = (value, lease)


def _no_fault(_operation: str) -> Fault | None:
    return None


@dataclass(slots=True)
class Door:
    """Keys, as one member has them. `faults`: what goes wrong with an operation, by its name; None: nothing."""

    cluster: Cluster
    faults: Faults = _no_fault
    name: str = "the model"

    @property
    def connections(self) -> int:
        """As Keys has it: one for each start."""
        return self.cluster.starts

    def transact(self, expected: Puts, puts: Puts, lease: int | None = None) -> Transacted:
        check(expected, puts)
        sent = dict(expected), dict(puts), lease
        return self._answer("transact", lambda: self.cluster.transact(*sent))

    def list(self, prefix: str) -> Listed:
        if not prefix:
            raise ValueError("an empty prefix")
        return self._answer("list", lambda: self.cluster.values(prefix))

    def watch(self, prefix: str, revision: int, seconds: float) -> "Watched":
        if revision < 1:
            raise ValueError(f"a watch begins at revision 1 or later, not at {revision}")
        return Watched(lambda: self._told(prefix, revision))

    def grant(self, seconds: int) -> int:
        return self._answer("grant", lambda: self.cluster.grant(seconds))

    def keep(self, lease: int) -> bool:
        return self._answer("keep", lambda: self.cluster.keep(lease))

    def revoke(self, lease: int) -> None:
        self._answer("revoke", lambda: self.cluster.end_lease(lease))

    def _told(self, prefix: str, revision: int) -> Iterator[Changes]:
        fault = self.faults("watch")
        if fault in _BEFORE:
            raise Away(f"{self.name} {_BEFORE[fault]}")
        last = self.cluster.stand.revision - (BEHIND if fault is Fault.BEHIND else 0)
        told = self.cluster.since(prefix, revision, last)
        if fault in _AFTER:
            parts = list(told)
            yield from parts[: len(parts) // 2]
            raise Away(f"{self.name} {_AFTER[fault]}")
        yield next(told)
        if fault is Fault.COMPACTED:
            raise Compacted("no changes from there on any more")
        if fault is not Fault.SILENT:
            yield from told

    def _answer(self, name: str, operation: Callable[[], T]) -> T:
        fault = self.faults(name)
        if fault in _BEFORE:
            if fault is Fault.LATE and name == "transact":
                self.cluster.travelling.append(operation)
            raise Away(f"{self.name} {_BEFORE[fault]}")
        answer = operation()
        if fault in _AFTER:
            raise Away(f"{self.name} {_AFTER[fault]}")
        return answer


class Watched:
    """What a watch of the model tells; it looks when it is first asked."""

    def __init__(self, told: Callable[[], Iterator[Changes]]) -> None:
        self._begin = told
        self._told: Iterator[Changes] | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[Changes]:
        return self

    def __next__(self) -> Changes:
        if self._is_closed:
            raise StopIteration
        self._told = self._told or self._begin()
        return next(self._told)

    def close(self) -> None:
        self._is_closed = True
