"""What a group gives up of a branch, and who goes along."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.exchange.group.deciders import Asked, Decider, Deciding, on_branch
from tests.publish.project import MAIN_BRANCH, zone_text
from tests.refs.model import Door
from xferzone.artifacts import CheckIn, Tag, parse
from xferzone.errors import Away, PeerError, Refused
from xferzone.exchange.group.asking import Heard
from xferzone.exchange.group.clobbering import Terms, accept, clobber
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.fellows import Copied, nothing
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.clobbers import TAG, clobbers
from xferzone.refs import BranchName, LocalRefs, Move, State
from xferzone.refs.consensus import Tip
from xferzone.refs.roster import Names
from xferzone.store import Store, ancestry
from xferzone.zonefile import names, text

GONE = ArtifactId("ab" * 32)  # no member has it
TEST_BRANCH = BranchName("example.com", "test")


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Deciding]:
    made = Deciding(tmp_path, "ab")
    yield made
    made.close()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Deciding]:
    """Members of which two have to hold what is accepted."""
    made = Deciding(tmp_path, "abc", copies=2)
    yield made
    made.close()


class Returning(Asked):
    """Fellows of which `late` answers once copies were made."""

    def __init__(self, decider: Decider, late: Decider) -> None:
        super().__init__(decider)
        self._late = late

    def copy(
        self,
        store: Store,
        moves: Sequence[Move],
        controls: Sequence[ArtifactId],
        copies: int,
        meanwhile: Callable[[], None] = nothing,
    ) -> Copied:
        """As Fellows has it."""
        copied = super().copy(store, moves, controls, copies, meanwhile)
        self._late.is_away = False
        return copied


def clobbering(group: Deciding, address: str, parent: ArtifactId, lost: ArtifactId) -> tuple[bytes, bytes]:
    """A version that goes on without `lost`."""
    text, manifest = group.version(address, parent)
    parsed = parse(manifest)
    assert isinstance(parsed, CheckIn)
    return text, replace(parsed, tags=(Tag("+", TAG, None, lost),)).encode()


def set_back(group: Deciding, tip: Tip | None) -> None:
    assert tip is not None
    Door(group.cluster).transact({}, {Names(group.space).ref(MAIN_BRANCH): tip.encode()})


def accepted(member: Decider) -> Tip:
    return accept(member.store, member.group, MAIN_BRANCH, "ops", member.env)


def test_an_old_clobber_does_not_give_up_what_came_after_it(group: Deciding) -> None:
    a, _ = group.members
    one = clobbering(group, "192.0.2.2", group.first, GONE)
    assert a.push(*one) == []
    before = group.key()
    two = group.version("192.0.2.3", artifact_id(one[1]))
    assert a.push(*two) == []
    set_back(group, before)
    with pytest.raises(Refused, match=f"nobody has given up {artifact_id(two[1])[:16]} there"):
        accepted(a)
    assert a.tip() == artifact_id(two[1])
    assert a.branch_of(artifact_id(two[1])) == str(MAIN_BRANCH)


def test_what_was_given_up_is_left_on_a_fork_branch(group: Deciding) -> None:
    a, b = group.members
    before = group.key()
    lost = group.version("192.0.2.2", group.first)
    assert a.push(*lost) == []
    set_back(group, before)
    new = clobbering(group, "192.0.2.3", group.first, artifact_id(lost[1]))
    assert b.push(*new) == []
    assert accepted(a).checkin == a.tip() == artifact_id(new[1])
    a.publish()
    assert "-fork-" in str(a.branch_of(artifact_id(lost[1])))


def test_whoever_comes_back_with_the_lost_one_before_the_key_moves_ends_the_clobber(three: Deciding) -> None:
    a, _, c = three.members
    lost = three.version("192.0.2.2", three.first)
    c.member.take(lost)
    c.is_away = True
    before = Tip(artifact_id(lost[1]), 1, "c")
    set_back(three, before)
    group = Group(a.name, a.group.refs, Returning(a, c))
    terms = Terms({}, unheard, lambda _: True, "ops", a.env)
    with pytest.raises(Refused, match="nothing is lost"):
        clobber(a.store, group, MAIN_BRANCH, terms)
    assert not c.is_away
    assert three.key() == before


def unheard(name: str, _url: str) -> Heard:
    raise PeerError(f"{name} does not answer")


@pytest.mark.parametrize("is_here", [True, False], ids=["the lost one is here", "it is not"])
def test_what_a_clobber_gives_up(group: Deciding, is_here: bool) -> None:
    a, _ = group.members
    x1, before_it = group.version("192.0.2.2", group.first), group.first
    x2 = group.version("192.0.2.3", artifact_id(x1[1]))
    y1 = clobbering(group, "192.0.2.4", before_it, artifact_id(x2[1]))
    y2 = group.version("192.0.2.5", artifact_id(y1[1]))
    x3 = group.version("192.0.2.6", artifact_id(x2[1]))
    a.member.take([*x1, *y1, *y2, *((*x2, *x3) if is_here else ())])
    one, lost, tip, after, beyond = (artifact_id(each[1]) for each in (x1, x2, y1, y2, x3))
    with a.store.reader() as reader:
        assert clobbers(reader, tip, one)
        assert clobbers(reader, after, one)
        assert clobbers(reader, tip, lost)
        assert clobbers(reader, tip, beyond) == is_here
        assert not clobbers(reader, tip, after)
        assert not clobbers(reader, one, tip)


def test_a_clobber_that_too_few_hold_moves_nothing_and_is_done_again_later(three: Deciding) -> None:
    a, b, c = three.members
    before = Tip(GONE, 7, "c")
    set_back(three, before)
    b.is_away = c.is_away = True
    terms = Terms({}, unheard, lambda _: True, "ops", a.env)
    for _ in range(2):
        with pytest.raises(Away, match=r"1 of the 2 that have to: .* `xferzone group join --copies 1`"):
            clobber(a.store, a.group, MAIN_BRANCH, terms)
        assert three.key() == before
        a.now += 60_000
    b.is_away = False
    new = clobber(a.store, a.group, MAIN_BRANCH, terms)
    assert new is not None
    assert three.key() == new
    assert b.member.has(new.checkin)
    with a.store.reader() as reader:
        assert ancestry.children(reader, three.first) == [new.checkin], "each attempt made one of its own"


def begun(group: Deciding, member: Decider) -> Tip:
    """What a clobber there makes of a branch that the lost check-in began."""
    set_tip(group, Tip(GONE, 7, "c"))
    terms = Terms({}, unheard, lambda loss: loss.base is None, "ops", member.env)
    new = clobber(member.store, member.group, TEST_BRANCH, terms)
    assert new is not None
    return new


def set_tip(group: Deciding, tip: Tip) -> None:
    Door(group.cluster).transact({}, {Names(group.space).ref(TEST_BRANCH): tip.encode()})


def test_a_branch_that_the_lost_one_began_begins_anew_without_a_zone(group: Deciding) -> None:
    a, b = group.members
    new = begun(group, a)
    assert new.serial == 8
    assert b.follow() == {}
    for each in (a, b):
        with each.store.reader() as reader:
            ref = LocalRefs(reader).get(TEST_BRANCH)
            assert reader.files(new.checkin) == {}
            assert clobbers(reader, new.checkin, GONE)
        assert ref is not None
        assert (ref.checkin, ref.serial, ref.state) == (new.checkin, 8, State.REMOVED)
    # The name is free again, and the serial goes on from there.
    with b.changing(TEST_BRANCH) as edit:
        edit.replace(
            text.read_zone(zone_text("www 300 A 192.0.2.2"), names.zone_name("example.com")), "again"
        )
    assert a.follow() == {}
    with a.store.reader() as reader:
        ref = LocalRefs(reader).get(TEST_BRANCH)
    assert ref is not None
    assert (ref.serial, ref.state) == (9, State.SERVED)


def test_whoever_has_the_lost_beginning_later_stays_and_finds_it_on_a_fork_branch(group: Deciding) -> None:
    a, b = group.members
    others = on_branch(group, "192.0.2.9", str(TEST_BRANCH))
    lost = artifact_id(others[1])
    b.push(*others)
    assert b.tip(TEST_BRANCH) == lost
    b.is_away = True
    terms = Terms({}, unheard, lambda _: True, "ops", a.env)
    new = clobber(a.store, a.group, TEST_BRANCH, terms)
    assert new is not None
    b.is_away = False
    assert "set back or clobbered" in b.follow()[str(TEST_BRANCH)]
    with b.store.reader() as reader:
        assert clobbers(reader, new.checkin, lost)
    assert accept(b.store, b.group, TEST_BRANCH, "ops", b.env) == new
    b.publish()
    assert b.tip(TEST_BRANCH) == new.checkin
    assert "-fork-" in str(b.branch_of(lost))


def test_a_beginning_that_too_few_hold_is_the_same_when_it_is_done_again(three: Deciding) -> None:
    a, b, c = three.members
    b.is_away = c.is_away = True
    made: set[frozenset[str]] = set()
    for _ in range(2):
        with pytest.raises(Away, match="1 of the 2 that have to"):
            begun(three, a)
        made.add(frozenset(a.member.artifacts()))
        a.now += 60_000
    assert len(made) == 1
    b.is_away = False
    assert b.member.has(begun(three, a).checkin)


@pytest.mark.parametrize("is_here", [True, False], ids=["the lost one is here", "it is not"])
def test_what_a_beginning_gives_up(group: Deciding, is_here: bool) -> None:
    a, _ = group.members
    one = on_branch(group, "192.0.2.9", str(TEST_BRANCH))
    lost = group.version("192.0.2.3", artifact_id(one[1]))
    a.member.take([*one, *(lost if is_here else ())])
    after = [*group.version("192.0.2.4", group.first)]
    parsed = parse(after[1])
    assert isinstance(parsed, CheckIn)
    begins = replace(parsed, parents=(), tags=(Tag("+", TAG, None, artifact_id(lost[1])),)).encode()
    goes_on = replace(parsed, parents=(artifact_id(begins),)).encode()
    a.member.take([after[0], begins, goes_on])
    with a.store.reader() as reader:
        assert clobbers(reader, artifact_id(goes_on), artifact_id(one[1]))
        assert not clobbers(reader, artifact_id(begins), artifact_id(goes_on))
        assert not clobbers(reader, artifact_id(begins), ArtifactId("cd" * 32))  # it may follow the beginning
