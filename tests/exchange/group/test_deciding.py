"""A member decides with its group: planned, copied, proposed, settled; races, outages, and keys that went wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.exchange.group.deciders import Asked, Decider, Deciding, on_branch, unlocked
from tests.exchange.group.members import LIFE
from tests.publish.project import MAIN_BRANCH, NOW
from tests.refs.model import Door, Fault
from xferzone.artifacts import CheckIn, Control, FileCard, Tag, parse
from xferzone.errors import Away, OnHold, RefConflict
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.fellows import Copied, nothing
from xferzone.exchange.publishing import follow_keys, publish_in_parts
from xferzone.faults import Faults
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.agreed import KEPT
from xferzone.publish.clobbers import TAG
from xferzone.publish.pending import MAX_AHEAD_MS
from xferzone.refs import BranchName, LocalRefs, Move, State, indexes
from xferzone.refs import Door as Way
from xferzone.refs.consensus import Rules, SharedRefs, Tip
from xferzone.refs.roster import Names
from xferzone.repository import check
from xferzone.store import Store, brought
from xferzone.store.brought import Bringer
from xferzone.zonefile import text
from xferzone.zonefile.names import zone_name

_NET = b"$TTL 3600\n@ SOA ns1.example.com. ops.example.com. 1 7200 3600 1209600 300\n@ NS ns1.example.com.\n"


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Deciding]:
    made = Deciding(tmp_path, "abc")
    for each in made.members:
        each.door.faults = unlocked(each)
    yield made
    made.close()


def test_what_one_member_wins_is_where_all_follow(group: Deciding) -> None:
    a, b, c = group.members
    pushed = group.version("192.0.2.2", group.first)
    assert a.push(*pushed) == []
    tip = artifact_id(pushed[1])
    assert (a.tip(), b.tip()) == (tip, group.first)
    key = group.key()
    assert key is not None
    assert (key.checkin, key.serial, key.member) == (tip, 2, "a")
    assert b.follow() == c.follow() == {}
    assert a.tip() == b.tip() == c.tip() == tip


def test_who_follows_to_what_is_not_here_commits_what_comes_and_the_move(group: Deciding) -> None:
    a, b, _ = group.members
    pushed = group.version("192.0.2.2", group.first)
    a.push(*pushed)
    passed: list[str] = []
    b.store.faults = Faults(lambda site, _p: passed.append(site), lambda _site, _p: False)
    assert b.follow() == {}
    assert b.tip() == artifact_id(pushed[1])
    assert passed.count("store.after-commit") == 2


def test_who_comes_second_at_another_member_is_told_and_finds_the_work_on_a_fork(group: Deciding) -> None:
    a, b, _ = group.members
    first, second = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    assert a.push(*first) == []
    (told,) = b.push(*second)
    loser = artifact_id(second[1])
    assert f"check-in {loser[:16]} was moved to branch example.com/main-fork-{loser[:16]}" in told
    assert b.tip() == artifact_id(first[1])  # fetched from the winner
    assert b.branch_of(loser) == f"example.com/main-fork-{loser[:16]}"
    # On top of what has won it goes through.
    third = group.version("192.0.2.3", artifact_id(first[1]))
    assert b.push(*third) == []
    assert a.follow() == {}
    assert a.tip() == b.tip() == artifact_id(third[1])


class Meanwhile(Asked):
    """Fellows before which something happens, once a wish was made."""

    def __init__(self, decider: Decider, act: Callable[[], object]) -> None:
        super().__init__(decider)
        self._act: Callable[[], object] | None = act

    def copy(
        self,
        store: Store,
        moves: Sequence[Move],
        controls: Sequence[ArtifactId],
        copies: int,
        meanwhile: Callable[[], None] = nothing,
    ) -> Copied:
        act, self._act = self._act, None
        if act is not None:
            act()
        return super().copy(store, moves, controls, copies, meanwhile)


def test_whoever_loses_while_copies_are_made_is_told_so(tmp_path: Path) -> None:
    group = Deciding(tmp_path, "ab", copies=2)
    a, b = group.members
    first, second = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    b.group.fellows = Meanwhile(b, lambda: a.push(*first))
    (told,) = b.push(*second)
    assert "was moved to branch" in told
    assert a.tip() == b.tip() == artifact_id(first[1])
    group.close()


def test_a_fellow_that_is_ahead_of_the_key_keeps_its_branch_from_moving(tmp_path: Path) -> None:
    group = Deciding(tmp_path, "abc", copies=2)
    a, _, c = group.members
    first, second = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    before = group.key()
    assert before is not None
    assert a.push(*first) == []  # with a copy at b
    Door(group.cluster).transact({}, {Names(group.space).ref(MAIN_BRANCH): before.encode()})  # set back
    (told,) = c.push(*second)
    assert KEPT in told
    assert f"a has example.com/main at {artifact_id(first[1])[:16]}, and its key is not" in told
    assert group.key() == before
    assert c.branch_of(artifact_id(second[1])) == "example.com/main"
    group.close()


def test_two_workers_that_wish_for_one_branch_at_once_lose_neither_wish_nor_indexes(group: Deciding) -> None:
    """While one proposes, the other wishes for what follows on the branch, and a move beside it sweeps the indexes."""
    a, b, _ = group.members
    other = Decider(group, a.member)
    one = group.version("192.0.2.2", group.first)
    two = group.version("192.0.2.3", artifact_id(one[1]))
    before = on_branch(group, "192.0.2.9", str(TEST_BRANCH))
    assert b.push(*before) == []
    assert a.follow() == {}
    beside = group.version("192.0.2.10", artifact_id(before[1]))
    transactions, indexed = 0, list[set[int]]()

    def indexes_here() -> set[int]:
        with a.store.reader() as reader:
            return set(indexes.numbers(reader))

    def meanwhile(operation: str) -> Fault | None:
        nonlocal transactions
        transactions += operation == "transact"
        if (
            transactions == 3 and not indexed
        ):  # the rules and the key were read; the wish for the first one travels
            indexed.append(indexes_here())
            other.loses_etcd_after(2)
            assert KEPT in other.answer(*two)
            other.door.faults = unlocked(other)
            assert b.push(*beside) == []
            assert other.follow() == {}
            indexed.append(indexes_here())
        return None

    a.door.faults = meanwhile
    assert a.answer(*one) == ""
    planned, left = indexed
    assert planned - left, "nothing was swept"
    assert other.publish() == []
    assert a.tip() == artifact_id(two[1])
    assert other.tip(TEST_BRANCH) == artifact_id(beside[1])
    with a.store.reader() as reader:
        moves = [each.checkin for each in LocalRefs(reader).publications(MAIN_BRANCH)]
        assert moves[:2] == [artifact_id(two[1]), artifact_id(one[1])]
        assert list(check.everything(reader, LocalRefs(reader))) == []


def test_two_workers_of_a_member_that_settle_in_reverse_take_nothing_back(group: Deciding) -> None:
    a = group.members[0]
    one = group.version("192.0.2.2", group.first)
    two = group.version("192.0.2.3", artifact_id(one[1]))
    assert a.push(*one) == []
    early = group.key()
    assert a.push(*two) == []
    assert early is not None
    with a.store.reader() as reader:
        before = LocalRefs(reader).newest()
    # The first worker's answer is settled only now.
    assert follow_keys(a.store, a.group, {MAIN_BRANCH: early}, a.occasion(), a.env).left == {}
    assert a.tip() == artifact_id(two[1])
    with a.store.reader() as reader:
        assert LocalRefs(reader).newest() == before


@pytest.mark.parametrize("wins", [1, 3, 100], ids=["once", "again", "always"])
def test_a_key_that_another_worker_moves_while_it_is_read_was_not_set_back(
    group: Deciding, monkeypatch: pytest.MonkeyPatch, wins: int
) -> None:
    a = group.members[0]
    other = Group(a.name, SharedRefs(Door(group.cluster), group.space, LIFE), Asked(a))
    old, tip, left = group.key(), group.first, wins

    def win() -> None:
        nonlocal tip
        made = group.version("192.0.2.2", tip)
        a.member.take(made)
        tip = artifact_id(made[1])
        assert list(publish_in_parts(a.store, a.occasion(), a.env, other)) == []

    def read(branches: Iterable[BranchName]) -> Mapping[BranchName, Tip | None]:
        nonlocal left
        found = SharedRefs.read(a.group.refs, branches)
        if left:
            left -= 1
            win()
        return found

    monkeypatch.setattr(a.group.refs, "read", read)
    win()
    agreed = follow_keys(a.store, a.group, {MAIN_BRANCH: old}, a.occasion(), a.env)
    assert agreed.set_back == set()
    assert list(agreed.left.values()) == (["others keep moving the branch: try again"] if left else [])
    assert a.tip() == tip


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.EMPTY, Fault.CUT], ids=lambda each: each.name)
def test_a_reply_that_is_lost_is_asked_for_again(group: Deciding, fault: Fault) -> None:
    a = group.members[0]
    proposals = 0

    def once(operation: str) -> Fault | None:
        nonlocal proposals
        proposals += operation == "transact"
        return fault if proposals == 2 else None

    a.door.faults = once
    pushed = group.version("192.0.2.2", group.first)
    assert a.push(*pushed) == []
    assert a.tip() == artifact_id(pushed[1])


def test_a_proposal_that_still_travels_is_not_settled_by_what_a_read_shows(group: Deciding) -> None:
    a, b, _ = group.members
    x, y = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    asked = 0

    def late(operation: str) -> Fault | None:
        nonlocal asked
        asked += 1
        return Fault.LATE if asked > 1 else None  # the key is read, and then each proposal travels on

    a.door.faults = late
    (told,) = a.push(*x)
    assert KEPT in told
    assert (a.tip(), a.branch_of(artifact_id(x[1]))) == (group.first, "example.com/main")
    group.cluster.deliver()  # it lands
    a.door.faults = lambda _: None
    assert "was moved to branch" in b.push(*y)[0]
    assert a.publish() == []
    assert a.tip() == b.tip() == artifact_id(x[1])
    assert a.branch_of(artifact_id(x[1])) == "example.com/main"


def test_while_the_winner_is_not_here_nothing_is_forked(group: Deciding) -> None:
    a, b, c = group.members
    first, second = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    assert a.push(*first) == []
    a.is_away = True
    (told,) = b.push(*second)
    assert KEPT in told
    assert "only a has all of it" in told
    assert b.branch_of(artifact_id(second[1])) == "example.com/main"
    a.is_away = False
    assert "was moved to branch" in b.publish()[0]
    assert b.tip() == artifact_id(first[1])
    assert c.follow() == {}


def test_no_member_forks_by_its_own_clock(group: Deciding) -> None:
    a, b, _ = group.members
    a.now = NOW + 2 * MAX_AHEAD_MS  # its clock is fast
    pushed = group.version("192.0.2.2", group.first, ahead_ms=2 * MAX_AHEAD_MS)
    (told,) = b.push(*pushed)
    assert "waits and is not served: its date is over 5 minutes ahead" in told
    assert b.branch_of(artifact_id(pushed[1])) == "example.com/main"
    assert a.push(*pushed) == []
    assert b.follow() == {}
    assert b.tip() == artifact_id(pushed[1])


def test_what_is_dated_ahead_is_forked_when_another_is_published_beside_it(group: Deciding) -> None:
    _, b, _ = group.members
    ahead = group.version("192.0.2.2", group.first, ahead_ms=2 * MAX_AHEAD_MS)
    b.push(*ahead)
    beside = group.version("192.0.2.3", group.first)
    assert any("was moved to branch" in each for each in b.push(*beside))
    assert b.tip() == artifact_id(beside[1])


def test_nothing_is_accepted_before_enough_members_hold_it(group: Deciding) -> None:
    a, b, c = group.members
    Door(group.cluster).transact({}, {Names(group.space).group: Rules(a.member.share.group, 2).encode()})
    b.is_away = c.is_away = True
    pushed = group.version("192.0.2.2", group.first)
    (told,) = a.push(*pushed)
    assert KEPT in told
    assert "too few members hold it: 1 of the 2 that have to" in told
    assert a.tip() == group.first
    c.is_away = False
    assert a.publish() == []  # as the group program does
    assert a.tip() == artifact_id(pushed[1])
    assert c.member.has(artifact_id(pushed[0]))
    assert not b.member.has(artifact_id(pushed[0]))


def test_keys_that_were_set_back_move_nothing(group: Deciding) -> None:
    a, b, _ = group.members
    backup = group.cluster.snapshot()
    pushed = group.version("192.0.2.2", group.first)
    assert a.push(*pushed) == []
    group.cluster.set_back(backup)
    with pytest.raises(OnHold, match="was set back"):
        a.follow()
    more = group.version("192.0.2.3", artifact_id(pushed[1]))
    (told,) = a.push(*more)
    assert KEPT in told
    assert a.tip() == artifact_id(pushed[1])
    # Who has not seen the later revision sees a key behind its ref.
    assert b.follow() == {}
    assert b.tip() == group.first


def forget_all_since(group: Deciding) -> Callable[[], None]:
    """Sets etcd back to where it is now, as the cluster that it was, when it is called."""
    backup = group.cluster.snapshot()
    return lambda: group.cluster.set_back(backup)


@pytest.mark.parametrize("attempt", ["the first one", "one whose answer was lost"])
def test_nothing_is_proposed_over_what_a_fellow_has_when_etcd_has_forgotten_it(
    group: Deciding, attempt: str
) -> None:
    a, b, _ = group.members
    b.group.refs.rules()  # so that it has seen the revision of the backup
    forget = forget_all_since(group)
    first, second = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    transactions = 0

    def later(operation: str) -> Fault | None:
        nonlocal transactions
        transactions += operation == "transact"
        if transactions != 2:
            return None
        assert a.push(*first) == []
        forget()
        return Fault.DROPPED

    if attempt == "the first one":
        assert a.push(*first) == []
        forget()
    else:
        b.door.faults = later
    (told,) = b.push(*second)
    assert KEPT in told
    b.door.faults = unlocked(b)
    (told,) = b.publish()
    assert f"a has example.com/main at {artifact_id(first[1])[:16]}, and its key is not" in told
    assert (key := group.key()) is not None
    assert key.checkin == group.first
    assert b.branch_of(artifact_id(second[1])) == str(MAIN_BRANCH)


def test_fellows_that_cannot_be_reached_keep_nobody_from_proposing(group: Deciding) -> None:
    a, b, c = group.members
    b.is_away = c.is_away = True
    pushed = group.version("192.0.2.2", group.first)
    assert a.push(*pushed) == []
    assert a.tip() == artifact_id(pushed[1])


def test_fellows_are_asked_once_as_long_as_the_connection_to_etcd_lasts(
    group: Deciding, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = group.members[0]
    asked: list[BranchName] = []
    beyond = a.group.fellows.beyond

    def noted(store: Store, moves: Sequence[Move]) -> Mapping[BranchName, str]:
        asked.extend(move.to.branch for move in moves)
        return beyond(store, moves)

    monkeypatch.setattr(a.group.fellows, "beyond", noted)
    tip = group.first
    for _ in range(3):
        pushed = group.version("192.0.2.2", tip)
        assert a.push(*pushed) == []
        tip = artifact_id(pushed[1])
    assert asked == [MAIN_BRANCH]
    group.cluster.starts += 1
    assert a.push(*group.version("192.0.2.3", tip)) == []
    assert asked == [MAIN_BRANCH] * 2


def test_a_branch_that_was_clobbered_goes_on_though_a_fellow_stands_on_the_lost_line(group: Deciding) -> None:
    a, b, _ = group.members
    lost = group.version("192.0.2.2", group.first)
    assert b.push(*lost) == []
    text, manifest = group.version("192.0.2.3", group.first)
    parsed = parse(manifest)
    assert isinstance(parsed, CheckIn)
    new = replace(parsed, tags=(Tag("+", TAG, None, artifact_id(lost[1])),)).encode()
    first = Tip(group.first, 1, "a")
    Door(group.cluster).transact({}, {Names(group.space).ref(MAIN_BRANCH): first.encode()})
    assert a.push(text, new) == []
    assert a.push(*group.version("192.0.2.4", artifact_id(new))) == []
    assert b.tip() == artifact_id(lost[1])


def test_a_key_behind_the_ref_is_reported_and_not_followed(group: Deciding) -> None:
    a = group.members[0]
    early = group.key()
    pushed = group.version("192.0.2.2", group.first)
    assert a.push(*pushed) == []
    assert early is not None
    Door(group.cluster).transact({}, {Names(group.space).ref(MAIN_BRANCH): early.encode()})
    (why,) = a.follow().values()
    assert "does not follow what is served here" in why
    assert a.tip() == artifact_id(pushed[1])


def test_a_verb_moves_the_key_and_keeps_nothing_of_what_it_tried(group: Deciding) -> None:
    a, b, _ = group.members
    a.set("192.0.2.7")
    key = group.key()
    assert key is not None
    assert (key.checkin, key.member) == (a.tip(), "a")
    assert b.follow() == {}
    with a.store.reader() as reader:
        moves = [each.occasion.login for each in LocalRefs(reader).publications(MAIN_BRANCH)]
    assert moves[0] == "ann"
    assert len(moves) == 2


def test_a_verb_that_built_on_old_news_keeps_nothing_and_goes_through_again(group: Deciding) -> None:
    a, b, _ = group.members
    a.set("192.0.2.7")
    before = b.member.artifacts()
    with pytest.raises(RefConflict):
        b.set("192.0.2.8")
    assert b.tip() == a.tip()  # what was new has come
    assert b.member.artifacts() == before | a.member.artifacts()
    b.set("192.0.2.8")
    assert a.follow() == {}
    assert a.tip() == b.tip()


def test_a_verb_while_etcd_is_away_keeps_nothing(group: Deciding) -> None:
    a = group.members[0]
    before = a.member.artifacts()
    a.door.faults = lambda _: Fault.DROPPED
    with pytest.raises(Away):
        a.set("192.0.2.7")
    assert a.member.artifacts() == before


@pytest.mark.parametrize("operations", range(3))
def test_a_verb_says_what_was_kept_wherever_etcd_is_lost(group: Deciding, operations: int) -> None:
    a = group.members[0]
    before = a.member.artifacts()
    a.loses_etcd_after(operations)
    told = KEPT if operations == 2 else "nothing was kept"
    with pytest.raises(Away, match=told):
        a.set("192.0.2.7")
    assert (a.member.artifacts() == before) == (told != KEPT)


def test_a_verb_whose_proposal_has_no_outcome_says_that_it_may_still_be_published(group: Deciding) -> None:
    a = group.members[0]
    a.loses_etcd_after(3)
    with pytest.raises(Away, match=KEPT):
        a.set("192.0.2.7")
    a.door.faults = lambda _: None
    assert a.publish() == []
    assert a.tip() != group.first


def test_a_zone_is_removed_everywhere(group: Deciding) -> None:
    a, b, _ = group.members
    with a.changing() as edit:
        edit.remove("no longer ours")
    assert b.follow() == {}
    for each in (a, b):
        with each.store.reader() as reader:
            ref = LocalRefs(reader).get(MAIN_BRANCH)
        assert ref is not None
        assert ref.state is State.REMOVED


def test_a_tag_is_held_by_enough_members_before_it_is_acknowledged(group: Deciding) -> None:
    a, b, c = group.members
    Door(group.cluster).transact({}, {Names(group.space).group: Rules(a.member.share.group, 2).encode()})
    with a.changing() as edit:
        edit.mark("example.com/first", group.first)
    assert b.member.artifacts() == a.member.artifacts()
    b.is_away = c.is_away = True
    with pytest.raises(Away, match="not safe yet"), a.changing() as edit:
        edit.mark("example.com/second", group.first)


def test_a_merge_is_appended_once_whichever_members_make_it(group: Deciding) -> None:
    a, b, _ = group.members
    base, side = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    assert a.push(*base) == []
    _lose(b, side)
    merge = _merge(group, artifact_id(side[1]), artifact_id(base[1]))
    assert a.push(*side, merge) is not None
    b.push(merge)
    assert a.follow() == b.follow() == {}
    assert a.tip() == b.tip()


def _lose(member: Decider, pushed: tuple[bytes, bytes]) -> None:
    assert any("was moved to branch" in each for each in member.push(*pushed))


def _merge(group: Deciding, first: str, other: str) -> bytes:
    text = group.version("192.0.2.4", ArtifactId(first))[0]
    files = (FileCard("example.com.zone", artifact_id(text)),)
    for each in group.members:
        each.member.take([text])
    return CheckIn("merge", NOW - 1_000, "ann", files, (ArtifactId(first), ArtifactId(other))).encode()


def test_whose_push_another_run_decides_about_meanwhile_is_told_what_became_of_it(group: Deciding) -> None:
    a, b, _ = group.members
    winner, loser = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    lost = artifact_id(loser[1])
    is_first = True

    def meanwhile(_operation: str) -> Fault | None:
        # The push is planned, and its key is about to be read: b wins, and the group program of a sees it first.
        nonlocal is_first
        if is_first and a.branch_of(lost) is not None:
            is_first = False
            assert b.push(*winner) == []
            assert "was moved to branch" in a.publish()[0]
        return None

    a.door.faults = meanwhile
    assert f"was moved to branch example.com/main-fork-{lost[:16]}" in a.answer(*loser)
    assert not is_first


TEST_BRANCH = BranchName("example.com", "test")


@pytest.mark.parametrize("way", ["push", "verb"])
def test_nobody_waits_for_what_the_branch_of_somebody_else_lacks(
    group: Deciding, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    a = group.members[0]
    others = on_branch(group, "192.0.2.9", str(TEST_BRANCH))
    a.member.take(others)
    with a.store.writer() as writer:
        brought.note(writer, [artifact_id(others[1])], Bringer("bob", Way.PUSH.value))
    nowhere = Tip(ArtifactId("ab" * 32), 9, "gone")
    Door(group.cluster).transact({}, {Names(group.space).ref(TEST_BRANCH): nowhere.encode()})
    asked: list[Tip] = []
    monkeypatch.setattr(a.group.fellows, "fetch", lambda _store, tips, _zones: asked.extend(tips))
    if way == "push":
        pushed = group.version("192.0.2.2", group.first)
        assert a.answer(*pushed) == ""
        assert a.tip() == artifact_id(pushed[1])
    else:
        a.set("192.0.2.7")
        assert a.tip() != group.first
    assert asked == []
    (told,) = a.publish()  # as the group program does
    assert told.startswith(f"{TEST_BRANCH}: {KEPT}")
    assert nowhere in asked


def test_what_a_push_lets_go_on_is_decided_with_it(group: Deciding) -> None:
    a = group.members[0]
    text, waits = on_branch(group, "192.0.2.9", str(TEST_BRANCH))
    a.member.take([waits])
    assert a.publish() == []
    assert a.answer(text) == ""
    assert a.tip(TEST_BRANCH) == artifact_id(waits)


@pytest.mark.parametrize("new", [(), (b"a file\n",)], ids=["names", "brings"])
@pytest.mark.parametrize("who", [None, "bob"], ids=["nobody knows", "somebody else"])
def test_whoever_names_what_waits_has_it_decided_whoever_brought_it(
    group: Deciding, who: str | None, new: tuple[bytes, ...]
) -> None:
    a = group.members[0]
    pushed = group.version("192.0.2.2", group.first)
    a.member.take(pushed)
    with a.store.writer() as writer:
        brought.note(writer, [artifact_id(pushed[1])] if who else [], Bringer(who or "", Way.PUSH.value))
    assert a.answer(*new, announced=pushed) == ""
    assert a.tip() == artifact_id(pushed[1])


def test_what_was_kept_is_decided_at_once_when_it_is_pushed_again(group: Deciding) -> None:
    a = group.members[0]
    pushed = group.version("192.0.2.2", group.first)
    a.loses_etcd_after(2)
    assert KEPT in a.answer(*pushed)
    a.door.faults = unlocked(a)
    assert a.answer(announced=pushed) == ""
    assert a.tip() == artifact_id(pushed[1])


def test_whoever_has_made_lost_work_again_closes_its_fork_and_no_branch(group: Deciding) -> None:
    a, b, _ = group.members
    winner, loser = group.version("192.0.2.2", group.first), group.version("192.0.2.3", group.first)
    assert a.push(*winner) == []
    _lose(b, loser)
    lost, won = artifact_id(loser[1]), artifact_id(winner[1])

    def closing(target: ArtifactId) -> bytes:
        return Control(NOW, (Tag("+", "closed", target, None),), "ann").encode()

    assert b.answer(closing(lost)) == ""
    assert b.member.has(artifact_id(closing(lost)))
    assert "only an administrator may set the tag closed" in b.answer(closing(won))


def test_a_wish_for_the_first_version_of_a_zone_leaves_nothing_wrong_behind(group: Deciding) -> None:
    a = group.members[0]
    a.loses_etcd_after(3)
    with pytest.raises(Away, match=KEPT), a.changing(BranchName("example.net", "main")) as edit:
        edit.replace(text.read_zone(_NET, zone_name("example.net")), "begin")
    with a.store.reader() as reader:
        assert list(check.everything(reader, LocalRefs(reader))) == []


def test_a_verb_that_changes_nothing_leaves_what_waits_as_it_was(group: Deciding) -> None:
    a = group.members[0]
    waits = group.version("192.0.2.2", group.first)
    a.member.take(waits)  # as a push does whose proposal has no outcome
    a.set("192.0.2.1")
    assert a.publish() == []
    assert a.tip() == artifact_id(waits[1])


def test_a_branch_whose_name_looks_like_another_one_is_not_forked_by_who_has_not_heard_of_it(
    group: Deciding,
) -> None:
    a, b, _ = group.members
    small, large = BranchName("example.com", "dev"), BranchName("example.com", "Dev")
    with a.changing(small) as edit:
        edit.fork_off(group.first, "begin")
    with b.changing(large) as edit:
        edit.fork_off(group.first, "begin")
    tip = b.tip(large)
    assert tip is not None
    b.talk(a)[0].push_new(0)
    assert a.publish() == []
    assert a.branch_of(tip) == "example.com/Dev"
    assert a.tip(large) == tip


def test_a_name_that_no_key_may_have_stops_nobody(group: Deciding) -> None:
    a = group.members[0]
    name = "x" * 1_000
    text, _ = group.version("192.0.2.9", group.first)
    tags = (Tag("*", "branch", None, f"example.com/{name}"), Tag("*", f"sym-example.com/{name}", None, None))
    files = (FileCard("example.com.zone", artifact_id(text)),)
    a.push(text, CheckIn("x", NOW - 1_000, "ann", files, (group.first,), tags=tags).encode())
    pushed = group.version("192.0.2.2", group.first)
    assert a.push(*pushed) == []
    assert a.tip() == artifact_id(pushed[1])


def test_rules_that_change_while_a_wish_travels_are_kept(group: Deciding) -> None:
    a, b, c = group.members
    b.is_away = c.is_away = True
    raised = False

    def raise_copies(operation: str) -> None:
        nonlocal raised
        if operation == "transact" and not raised:
            raised = True
            return  # the read
        if raised:
            Door(group.cluster).transact(
                {}, {Names(group.space).group: Rules(a.member.share.group, 2).encode()}
            )

    a.door.faults = raise_copies
    pushed = group.version("192.0.2.2", group.first)
    (told,) = a.push(*pushed)
    assert KEPT in told
    assert a.tip() == group.first
