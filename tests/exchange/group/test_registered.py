"""A member's registration, against the model of etcd."""

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from tests.refs.model import Cluster, Door, Fault
from xferzone.env import Env
from xferzone.errors import Away, Exists, OnHold
from xferzone.exchange.group.registered import ALIVE_S, KEEP_S, Registration
from xferzone.refs.consensus import Rules, SharedRefs
from xferzone.refs.membership import Membership

SPACE = "xferzone/1234/"
SHARE = Membership(
    etcd=("http://127.0.0.1:2379",),
    prefix="xferzone",
    name="ns1",
    life="11" * 16,
    group="22" * 16,
    url="http://ns1/",
    secret="33" * 32,
)


@dataclass
class Site:
    """The keys of a group, a clock, and what goes wrong."""

    now: float = 0.0
    faults: list[Fault | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster = Cluster(lambda: self.now)
        self.put("group", Rules(SHARE.group).encode())

    def put(self, name: str, value: bytes | None) -> None:
        self.cluster.transact({}, {SPACE + name: value}, None)

    def values(self) -> dict[str, bytes]:
        return {
            key.removeprefix(SPACE): value
            for key, value in self.cluster.values(SPACE).values.items()
            if not key.endswith("/group")
        }

    def registration(self, share: Membership = SHARE) -> Registration:
        def fault(_operation: str) -> Fault | None:
            return self.faults.pop(0) if self.faults else None

        refs = SharedRefs(Door(self.cluster, fault), SPACE, share.group)
        return Registration(refs, share, Env(monotonic=lambda: self.now))


REGISTERED = {
    "member/ns1": b'{"life":"%s","url":"http://ns1/"}' % SHARE.life.encode(),
    "alive/ns1": b'{"life":"%s"}' % SHARE.life.encode(),
}
AWAY = {"member/ns1": REGISTERED["member/ns1"]}


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_member_is_registered_and_alive_as_long_as_it_says_so(site: Site) -> None:
    one = site.registration()
    for _ in range(10):
        one.turn()
        assert site.values() == REGISTERED
        assert one.next_at == site.now + KEEP_S
        site.now = one.next_at
    site.now += ALIVE_S + 1
    assert site.values() == AWAY


def test_a_lease_that_has_lapsed_is_followed_by_another(site: Site) -> None:
    one = site.registration()
    one.turn()
    site.now += ALIVE_S + 1
    one.turn()
    assert site.values() == REGISTERED


def test_a_registration_that_was_lost_is_made_again(site: Site) -> None:
    one = site.registration()
    one.turn()
    for name in REGISTERED:
        site.put(name, None)
    one.lost()
    assert one.next_at == 0.0
    one.turn()
    assert site.values() == REGISTERED


def test_a_process_that_follows_a_killed_one_takes_its_registration_over(site: Site) -> None:
    site.registration().turn()
    site.now += 1
    again = site.registration()
    again.turn()
    site.now += ALIVE_S - 0.5  # the first one's lease has ended
    assert site.values() == REGISTERED


def test_a_member_that_moved_tells_its_new_url(site: Site) -> None:
    site.registration().turn()
    site.registration(replace(SHARE, url="http://new/")).turn()
    assert b"http://new/" in site.values()["member/ns1"]


def test_another_member_of_the_same_name_is_told_and_not_fought(site: Site) -> None:
    site.registration().turn()
    before = site.values()
    other = site.registration(replace(SHARE, life="44" * 16))
    for _ in range(3):
        with pytest.raises(Exists, match="another member is registered as ns1"):
            other.turn()
        assert site.values() == before
        site.now = other.next_at


def test_nothing_is_registered_in_another_life_of_the_group(site: Site) -> None:
    one = site.registration()
    one.turn()
    site.now += ALIVE_S + 1
    site.put("group", Rules("55" * 16).encode())
    with pytest.raises(OnHold, match="another life"):
        one.turn()
    assert site.values() == AWAY


@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.LATE, Fault.LOST, Fault.EMPTY])
@pytest.mark.parametrize("operation", range(4))
def test_whatever_operation_fails_the_next_turn_registers(site: Site, operation: int, fault: Fault) -> None:
    site.faults = [*[None] * operation, fault]
    one = site.registration()
    with pytest.raises(Away):
        one.turn()
    while site.cluster.travelling:
        site.cluster.deliver()
    site.now = one.next_at
    one.turn()
    site.now += ALIVE_S - 0.5
    assert site.values() == REGISTERED


def test_whoever_ends_in_order_is_away_at_once(site: Site) -> None:
    one = site.registration()
    one.turn()
    one.end()
    assert site.values() == AWAY
