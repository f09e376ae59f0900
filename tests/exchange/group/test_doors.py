"""Pushes over xfer to a member: what its requests are told, whether or not the group can decide."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.exchange.group.deciders import Deciding
from tests.publish.project import NOW
from tests.refs.model import Fault
from xferzone.artifacts import Control, Tag
from xferzone.exchange.publishing import Later
from xferzone.hashing import artifact_id
from xferzone.publish.agreed import KEPT
from xferzone.sync.client.options import ANY_PEER


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Deciding]:
    made = Deciding(tmp_path, "ab")
    yield made
    made.close()


def test_a_request_without_artifacts_decides_about_what_came_before(group: Deciding) -> None:
    a, b = group.members
    first, second = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    assert a.push(*first) == []
    more = group.version("192.0.2.4", artifact_id(second[1]))
    with closing(Later(b.store.path, b.env)) as later:  # it is given no time to publish
        assert "message" not in b.answer(*second, announced=more, later=later)  # it comes again
        assert "was moved to branch" in b.answer(later=later)
    assert b.tip() == artifact_id(first[1])


def test_while_the_group_cannot_decide_artifacts_are_refused_and_nothing_else(group: Deciding) -> None:
    b = group.members[1]
    b.door.faults = lambda _: Fault.DROPPED
    pushed = group.version("192.0.2.2", group.first)
    before = b.member.artifacts()
    assert "nothing was kept" in b.answer(*pushed)
    assert b.member.artifacts() == before
    assert "error" not in b.answer()


@pytest.mark.parametrize("copies", [1, 2], ids=["one holds it", "two hold it"])
def test_a_push_asks_the_keys_three_times(tmp_path: Path, copies: int) -> None:
    """For the rules before anything is kept, where the branch stands, and to move it."""
    with closing(Deciding(tmp_path, "ab", copies)) as deciding:
        a = deciding.members[0]
        text, manifest = deciding.version("192.0.2.2", deciding.first)
        asked: list[str] = []
        a.door.faults = asked.append
        a.answer(text, manifest)
        assert a.tip() == artifact_id(manifest)
        assert asked == ["transact"] * 3


def test_a_pusher_hears_of_a_race_that_the_group_program_lost_between_two_of_his_requests(
    group: Deciding,
) -> None:
    a, b = group.members
    loser = group.version("192.0.2.2", group.first)
    assert b.push(*group.version("192.0.2.3", group.first)) == []
    with closing(Later(a.store.path, a.env)) as later:  # it is given no time to publish
        before = a.answer(*loser, announced=[b"a file\n"], later=later)
        assert "message" not in before
        a.member.take([b"a file\n"])  # a fellow has sent it
        assert "was moved to branch" in a.publish()[0]
        told = a.answer(announced=[b"a file\n"], later=later, going_on=before)
    assert f"was moved to branch example.com/main-fork-{artifact_id(loser[1])[:16]}" in told


@pytest.mark.parametrize("copies", [1, 2], ids=["one holds it", "two hold it"])
@pytest.mark.parametrize("peer", [ANY_PEER, "ab" * 20], ids=["ours, which sends the cookie back", "stock"])
def test_a_pusher_about_whose_work_the_group_could_not_decide_hears_later_what_became_of_it(
    tmp_path: Path, copies: int, peer: str
) -> None:
    with closing(Deciding(tmp_path, "ab", copies)) as deciding:
        a, b = deciding.members
        loser = deciding.version("192.0.2.2", deciding.first)
        a.loses_etcd_after(1)
        kept = a.answer(*loser, peer=peer)
        assert KEPT in kept
        a.door.faults = lambda _: None
        b.push(*deciding.version("192.0.2.3", deciding.first))
        a.publish()
        before = kept if peer == ANY_PEER else ""
        told = a.answer(announced=loser, peer=peer, going_on=before)
        fork = f"was moved to branch example.com/main-fork-{artifact_id(loser[1])[:16]}"
        assert fork in told
        assert fork not in a.answer(announced=loser, peer=peer, going_on=told or kept)
        with a.store.reader() as reader:
            assert reader.db.execute("SELECT count(*) FROM pushing").fetchone() == (0,)


def test_whoever_closes_a_fork_that_has_not_come_is_not_kept_from_sending_it(group: Deciding) -> None:
    """A member that was lost has only this clone to get it from."""
    b = group.members[1]
    loser = group.version("192.0.2.2", group.first)
    closes = Control(
        date_ms=NOW, tags=(Tag("+", "closed", artifact_id(loser[1]), None),), user="ann"
    ).encode()
    assert b.push(*group.version("192.0.2.3", group.first)) == []
    told = b.answer(closes, announced=loser)
    assert "error" not in told
    assert f"it is about {artifact_id(loser[1])}, which has not come" in told
    assert all(f"gimme {artifact_id(each)}" in told for each in loser)
    assert "was moved to branch" in b.answer(*loser, announced=[closes])
    assert "administrator" not in b.answer(closes)
    assert artifact_id(closes) in b.member.artifacts()
