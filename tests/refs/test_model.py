"""What the model of etcd does when it is told to go wrong."""

from collections.abc import Callable

import pytest

from tests.refs.model import BEHIND, Cluster, Door, Fault
from xferzone.errors import Away
from xferzone.refs.keys import Compacted, Lapsed


class Clock:
    """Seconds, as told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(clock: Clock) -> Cluster:
    return Cluster(clock)


def failing(cluster: Cluster, fault: Fault) -> Door:
    """A door whose every operation goes wrong in this way."""
    return Door(cluster, lambda _operation: fault)


def told(door: Door, revision: int) -> list[dict[str, bytes | None]]:
    return [dict(each.values) for each in door.watch("z/", revision, 1)]


@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.LATE, Fault.LOST, Fault.EMPTY, Fault.CUT])
def test_a_caller_learns_nothing_from_a_fault_of_a_transaction(cluster: Cluster, fault: Fault) -> None:
    with pytest.raises(Away):
        failing(cluster, fault).transact({"z/a": None}, {"z/a": b"1"})
    happened = fault in (Fault.LOST, Fault.EMPTY, Fault.CUT)
    assert Door(cluster).list("z/").values == ({"z/a": b"1"} if happened else {})


OPERATIONS: dict[str, Callable[[Door], object]] = {
    "list": lambda door: door.list("z/"),
    "watch": lambda door: list(door.watch("z/", 1, 1)),
    "grant": lambda door: door.grant(5),
    "keep": lambda door: door.keep(1),
    "revoke": lambda door: door.revoke(1),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.LATE, Fault.LOST, Fault.EMPTY, Fault.CUT])
def test_everything_else_is_away_too(cluster: Cluster, fault: Fault, operation: str) -> None:
    with pytest.raises(Away):
        OPERATIONS[operation](failing(cluster, fault))
    assert cluster.travelling == []


def test_faults_are_asked_for_by_the_name_of_the_operation(cluster: Cluster) -> None:
    asked: list[str] = []

    def fault(operation: str) -> Fault | None:
        asked.append(operation)
        return Fault.DROPPED if operation == "keep" else None

    door = Door(cluster, fault)
    door.transact({}, {"z/a": b"1"})
    lease = door.grant(5)
    with pytest.raises(Away):
        door.keep(lease)
    door.revoke(lease)
    door.list("z/")
    list(door.watch("z/", 1, 1))
    assert asked == ["transact", "grant", "keep", "revoke", "list", "watch"]


def test_a_late_transaction_happens_when_it_is_delivered_if_it_still_can(cluster: Cluster) -> None:
    late, door = failing(cluster, Fault.LATE), Door(cluster)
    for value in (b"1", b"2"):
        with pytest.raises(Away):
            late.transact({"z/a": None}, {"z/a": value})
    assert door.transact({"z/a": None}, {}).found == {}
    cluster.deliver()
    cluster.deliver()
    assert door.list("z/").values == {"z/a": b"1"}
    assert cluster.travelling == []


def test_a_late_transaction_whose_lease_has_ended_does_nothing(cluster: Cluster, clock: Clock) -> None:
    lease = Door(cluster).grant(5)
    with pytest.raises(Away):
        failing(cluster, Fault.LATE).transact({}, {"z/a": b"1"}, lease)
    clock.now = 6.0
    assert isinstance(cluster.deliver(), Lapsed)
    assert Door(cluster).list("z/").values == {}


def test_watches_are_silent_behind_compacted_and_broken_off(cluster: Cluster) -> None:
    door = Door(cluster)
    for number in range(6):
        door.transact({}, {"z/a": b"%d" % number})
    assert len(told(door, 1)) == 7
    assert told(failing(cluster, Fault.SILENT), 1) == [{}]
    behind = list(failing(cluster, Fault.BEHIND).watch("z/", 1, 1))
    assert behind[-1].values == {"z/a": b"%d" % (5 - BEHIND)}
    assert {each.stand.revision for each in behind} == {cluster.stand.revision - BEHIND}
    with pytest.raises(Compacted):
        told(failing(cluster, Fault.COMPACTED), 1)
    broken = failing(cluster, Fault.CUT).watch("z/", 1, 1)
    assert [next(broken).told, next(broken).told] == [0, 2]
    next(broken)
    with pytest.raises(Away):
        next(broken)


@pytest.mark.parametrize("another", [None, "2"], ids=["the same cluster", "another cluster"])
def test_a_backup_takes_keys_revisions_and_leases_back(
    cluster: Cluster, clock: Clock, another: str | None
) -> None:
    door = Door(cluster)
    lease = door.grant(5)
    door.transact({}, {"z/a": b"1"}, lease)
    backup, before = cluster.snapshot(), cluster.stand
    door.revoke(lease)
    last = door.transact({}, {"z/a": b"2", "z/b": b"2"}).stand.revision
    clock.now = 100.0
    cluster.set_back(backup, another)
    assert door.list("z/").values == {"z/a": b"1"}
    assert cluster.stand == type(before)(another or before.cluster, before.revision)
    assert told(door, last) == [{}]
    assert told(door, before.revision) == [{}, {"z/a": b"1"}]
    assert door.keep(lease)
    clock.now = 106.0
    assert door.list("z/").values == {}
    assert not door.keep(lease)


def test_an_emptied_cluster_begins_again(cluster: Cluster) -> None:
    door = Door(cluster)
    door.transact({}, {"z/a": b"1"})
    cluster.compact(2)
    cluster.empty()
    assert (cluster.stand.cluster, cluster.stand.revision) == ("1", 1)
    assert door.list("z/").values == {}
    assert told(door, 1) == [{}]
    cluster.empty("2")
    assert cluster.stand.cluster == "2"


def test_a_lease_ends_by_the_clock_unless_it_is_kept(cluster: Cluster, clock: Clock) -> None:
    door = Door(cluster)
    kept, other = door.grant(5), door.grant(5)
    door.transact({}, {"z/a": b"1"}, kept)
    begin = door.transact({}, {"z/b": b"1", "z/c": b"1"}, other).stand.revision
    clock.now = 4.0
    assert door.keep(kept)
    clock.now = 8.0
    assert door.list("z/").values == {"z/a": b"1"}
    assert told(door, begin + 1) == [{}, {"z/b": None, "z/c": None}]
    assert (door.keep(kept), door.keep(other)) == (True, False)
