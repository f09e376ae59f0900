"""Groups of real servers and a real etcd: races, members that die, an etcd that goes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.interop.grouped import IN_STEP_S, Group, Site, cut, grouped
from tests.interop.judged import check_all, check_unlocked_within, kill_acceptors, serve_all
from tests.interop.storm import CheckOut, Clone, Told, storm, ways
from tests.live import Person, within
from xferzone.errors import Busy, Denied
from xferzone.publish.agreed import KEPT
from xferzone.transport.forms import post

pytestmark = pytest.mark.interop

KILLS = (
    9  # of the member that has just accepted a change: once at each, in each way; `make soak` has a hundred
)
STORM = 12  # changes of one zone, and as many of three; `make soak` has hundreds
STORMED = [f"storm{number}.example" for number in range(4)]
KILLED, HALVED, AWAY, UNREACHED, UNHEARD, SLOW, WIPED = ZONES = [
    f"{name}.example" for name in ("killed", "halved", "away", "unreached", "unheard", "slow", "wiped")
]


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """Each test has zones of its own; all members are there again after each."""
    with grouped(tmp_path_factory.mktemp("group"), zones=[*STORMED, *ZONES]) as made:
        yield made


@pytest.fixture
def twice(group: Group) -> Iterator[Group]:
    """Two members have to hold a change, meanwhile."""
    group.sites[0].join("--copies", "2")
    yield group
    group.sites[0].join("--copies", "1")


def test_people_at_all_members_change_zones_at_once(group: Group, tmp_path: Path) -> None:
    told = Told()
    people = ways(group.sites, tmp_path)
    storm(people, STORMED[:1], STORM, told, seed=1)
    storm(people, STORMED[1:], STORM, told, seed=2)
    check_all(group, STORMED, told)


def test_a_member_that_dies_after_it_has_accepted_has_lost_nothing(twice: Group, tmp_path: Path) -> None:
    kill_acceptors(twice, tmp_path, KILLS, KILLED)


def test_stock_hears_with_its_next_push_that_what_a_member_kept_has_lost(
    twice: Group, tmp_path: Path
) -> None:
    a, b, c = twice.sites
    stock = Person(tmp_path / "stock", "ann")
    stock.clone(a.url(), tmp_path / "z.fossil")
    work = stock.open(tmp_path / "z.fossil", tmp_path / "work", f"{HALVED}/main")
    with (work / f"{HALVED}.zone").open("a") as text:
        text.write("loses 60 A 192.0.2.9\n")
    stock.fossil("commit", "--no-warnings", "--nosync", "-m", "loses", at=work)
    with cut(b.to_it, c.to_it):
        first = stock.fossil("push", at=work, code=None)
        assert KEPT in first.out + first.err
        b.xferzone("set", f"wins.{HALVED}", "A", "192.0.2.8")
    assert twice.is_in_step()
    assert within(IN_STEP_S, lambda: f"{HALVED}/main-fork-" in a.xferzone("status"))
    second = stock.fossil("push", at=work)
    assert f"was moved to branch {HALVED}/main-fork-" in second.out + second.err
    third = stock.fossil("push", at=work)
    assert "was moved to branch" not in third.out + third.err


def test_one_member_alone_accepts_nothing_that_two_have_to_hold(twice: Group) -> None:
    a, b, c = twice.sites
    c.end()
    with cut(b.to_it):  # it is alive, and cannot be reached
        assert KEPT in a.xferzone("set", f"kept.{HALVED}", "A", "192.0.2.7", code=75)
    assert within(IN_STEP_S, partial(serve_all, (a, b), "kept", HALVED))
    b.end()
    told = "too few members are alive: 1 of the 2 that have to hold a change: nothing was kept"
    before = a.refs()
    assert within(IN_STEP_S, lambda: told in a.xferzone("set", f"not.{HALVED}", "A", "192.0.2.7", code=None))
    assert a.refs() == before
    b.serve()
    assert within(
        IN_STEP_S,
        lambda: (
            a.ops.xferzone("-R", a.repository, "set", f"at-last.{HALVED}", "A", "192.0.2.7", code=None).code
            == 0
        ),
    )
    c.serve()
    assert twice.is_in_step()


def test_while_etcd_is_away_nothing_is_kept_and_all_is_answered(group: Group, tmp_path: Path) -> None:
    a, b, c = group.sites
    stock = CheckOut(a, tmp_path / "stock")
    assert stock.add(AWAY, "before", "192.0.2.8")[0]
    with cut(*(site.to_etcd for site in group.sites)):
        before = a.refs()
        assert "nothing was kept" in a.xferzone("set", f"x.{AWAY}", "A", "192.0.2.7", code=75)
        is_accepted, told, _ = stock.add(AWAY, "meanwhile", "192.0.2.8")
        assert not is_accepted
        assert "nothing was kept" in told
        for site in group.sites:
            assert site.server is not None
            assert site.server.dig(f"www.{AWAY}") == ["192.0.2.1"]
        Clone(b, tmp_path / "clone")  # reading goes on
        assert a.refs() == before
    b.xferzone("set", f"y.{AWAY}", "A", "192.0.2.9")
    assert within(IN_STEP_S, partial(serve_all, (a, b, c), "y", AWAY))


def test_a_member_that_does_not_reach_etcd_refuses_and_then_follows(group: Group) -> None:
    a, b, c = group.sites
    with cut(b.to_etcd):
        b.xferzone("set", f"x.{UNREACHED}", "A", "192.0.2.7", code=75)
        a.xferzone("set", f"y.{UNREACHED}", "A", "192.0.2.7")
        assert within(IN_STEP_S, partial(serve_all, (a, c), "y", UNREACHED))
        assert b.server is not None
        assert b.server.dig(f"www.{UNREACHED}") == ["192.0.2.1"]
    assert within(IN_STEP_S, partial(serve_all, (b,), "y", UNREACHED))
    assert not serve_all((a,), "x", UNREACHED)


def test_what_etcd_has_done_without_a_reply_is_found_out(group: Group) -> None:
    a, b, c = group.sites

    def drop_from_the_proposal_on(octets: bytes) -> None:
        if b"request_put" in octets:
            a.to_etcd.drops = True

    a.to_etcd.before = drop_from_the_proposal_on
    a.to_etcd.hang_up()
    said = a.xferzone("set", f"x.{UNHEARD}", "A", "192.0.2.7", code=None)
    assert KEPT in said
    a.to_etcd.before, a.to_etcd.drops = (lambda _octets: None), False
    a.to_etcd.hang_up()
    assert within(IN_STEP_S, partial(serve_all, (a, b, c), "x", UNHEARD))


def test_while_etcd_is_slow_no_transaction_waits_for_it(group: Group) -> None:
    """What is sent to it is on its way until others could write, and were answered."""
    a, b, c = group.sites
    waited: list[Exception | None] = []

    def see(_octets: bytes) -> None:
        assert a.server is not None
        try:
            check_unlocked_within(a.repository, 5)
            assert a.server.dig(f"www.{SLOW}") == ["192.0.2.1"]
        except Exception as exc:  # noqa: BLE001 - of another thread
            waited.append(exc)
        else:
            waited.append(None)

    a.to_etcd.before = see
    a.to_etcd.hang_up()
    a.xferzone("set", f"x.{SLOW}", "A", "192.0.2.7")
    a.to_etcd.before = lambda _octets: None
    assert waited
    assert {*waited} == {None}
    assert within(IN_STEP_S, partial(serve_all, (a, b, c), "x", SLOW))


def test_a_member_that_was_wiped_joins_again(group: Group) -> None:
    a, b, c = group.sites
    c.kill()
    for file in c.repository.parent.glob("zones.xferzone*"):
        file.unlink()
    a.xferzone("set", f"x.{WIPED}", "A", "192.0.2.7")
    assert "another" in c.xferzone("group", "join", *c.ways, "--name", "c", code=None)
    assert within(IN_STEP_S, lambda: "alive" not in b.xferzone("group", "remove", "c", code=None))
    c.join()
    c.serve()
    assert group.is_in_step()
    c.xferzone("set", f"y.{WIPED}", "A", "192.0.2.7")
    assert within(IN_STEP_S, partial(serve_all, (a, b, c), "y", WIPED))


def test_an_account_that_is_made_at_one_member_gets_its_password_at_another(group: Group) -> None:
    a, b, _ = group.sites

    def done(site: Site, page: str, **fields: str) -> bool:
        try:
            post(f"http://127.0.0.1:{site.port}/", page, {"u": "eve", **fields, "n2": fields["n1"]})
        except (Denied, Busy):  # it may not be up yet
            return False
        return True

    token = a.xferzone("invite", "add").split()[1]
    assert within(IN_STEP_S, lambda: done(b, "invite", t=token, n1="first"))
    assert not done(a, "invite", t=token, n1="first")
    assert within(IN_STEP_S, lambda: done(a, "login", p="first", n1="second"))
    assert within(IN_STEP_S, lambda: done(b, "login", p="second", n1="third"))
    assert not done(b, "login", p="second", n1="fourth")
    assert within(IN_STEP_S, lambda: not done(a, "login", p="second", n1="second"))
