"""Who guesses passwords is slowed where he is, and nowhere else."""

import pytest

from xferzone.errors import Guessing
from xferzone.sync.server import guessing
from xferzone.sync.server.guessing import FEW, LOGIN_EACH_S, MANY, NETWORK_EACH_S, OF_LOGIN, OF_NETWORK, Brake

HERE, ELSEWHERE = "198.51.100.7", "203.0.113.9"


class Door:
    """A brake, and a clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.brake = Brake()
        self.now = 1_000.0

    def tries(self, address: str, login: str, *, holds: bool = False, place: str = "") -> int:
        """Seconds that a login has to wait; 0: it was looked at, and held or not."""
        guesser = self.brake.guesser(address, place)
        try:
            guesser.check(login, self.now)
        except Guessing as exc:
            return exc.wait_s
        (guesser.held if holds else guesser.failed)(login, self.now)
        return 0

    def fails(self, address: str, login: str, times: int) -> int:
        """How many of these failed logins were looked at."""
        return sum(self.tries(address, login) == 0 for _ in range(times))


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_login_is_looked_at_some_times_from_one_network_and_from_others_as_before(door: Door) -> None:
    assert door.fails(HERE, "ann", 50) == OF_LOGIN
    assert door.tries(HERE, "ann", holds=True) == LOGIN_EACH_S, "right or wrong, it is not looked at"
    assert door.tries(ELSEWHERE, "ann", holds=True) == 0
    assert door.tries(HERE, "bob", holds=True) == 0
    door.now += LOGIN_EACH_S
    assert door.fails(HERE, "ann", 50) == 1
    door.now += LOGIN_EACH_S
    assert door.tries(HERE, "ann", holds=True) == 0
    assert door.fails(HERE, "ann", 50) == OF_LOGIN


def test_those_that_come_at_once_are_all_counted(door: Door) -> None:
    """Many may be looked at before the first one has failed: the more of them, the longer is the wait."""
    guesser = door.brake.guesser(HERE)
    for _ in range(30):
        guesser.check("ann", door.now)
    for _ in range(30):
        guesser.failed("ann", door.now)
    assert door.tries(HERE, "ann") == 21 * LOGIN_EACH_S


def test_who_tries_many_logins_is_slowed_and_spares_those_that_have_held_there(door: Door) -> None:
    assert door.tries(HERE, "ann", holds=True) == 0
    assert sum(door.tries(HERE, f"user {number}") == 0 for number in range(500)) == OF_NETWORK
    assert door.tries(HERE, "carl", holds=True) == NETWORK_EACH_S
    assert door.tries(HERE, "ann", holds=True) == 0, "a neighbour who guesses slows nobody who was there"
    assert door.tries(ELSEWHERE, "carl", holds=True) == 0
    door.now += guessing.PROVED_S
    assert door.fails(HERE, "ann", 50) == OF_LOGIN


def test_a_login_that_many_networks_guess_is_left_to_its_owner(door: Door) -> None:
    assert door.tries(HERE, "ann", holds=True) == 0
    looked_at = [door.fails(f"192.0.2.{number}", "ann", 20) for number in range(200)]
    before = MANY // OF_LOGIN
    assert looked_at == [OF_LOGIN] * before + [FEW] * (200 - before), (
        "the one that is one too many has had one"
    )
    assert door.fails("192.0.2.250", "ann", 20) == FEW
    assert door.tries(ELSEWHERE, "ann", holds=True) == 0, "from anywhere else there are some tries"
    assert door.fails(HERE, "ann", 20) == OF_LOGIN, "and as many as ever where it has held"
    assert door.fails("192.0.2.250", "bob", 20) == OF_LOGIN


@pytest.mark.parametrize(
    ("one", "other", "is_one_network"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:2::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:101::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_network_is_what_one_customer_has(door: Door, one: str, other: str, is_one_network: bool) -> None:
    door.fails(one, "ann", 20)
    assert (door.tries(other, "ann") > 0) == is_one_network


def test_each_repository_of_a_server_has_logins_of_its_own(door: Door) -> None:
    door.fails(HERE, "ann", 20)
    assert door.tries(HERE, "ann", place="other") == 0


@pytest.mark.parametrize("address", ["", "nats", "a socket"])
def test_who_has_no_address_is_not_slowed(door: Door, address: str) -> None:
    assert door.brake.guesser(address) is guessing.FREE
    guessing.FREE.failed("ann", 0.0)
    guessing.FREE.held("ann", 0.0)
    guessing.FREE.check("ann", 0.0)


def test_what_is_counted_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "MOST", 8)
    for number in range(100):
        door.tries(f"192.0.2.{number}", f"login {number}" * 1_000)
        door.tries(f"198.51.100.{number}", f"login {number}", holds=True)
    brake = door.brake
    kept = (brake._networks._kept, brake._logins._kept, brake._pairs._kept, brake._proved)
    assert [len(each) for each in kept] == [8] * 4
    assert door.fails("192.0.2.99", f"login {99}" * 1_000, 20) == OF_LOGIN - 1, "the last ones are known"
