"""Who becomes a member of a group, what an interrupted join or leave leaves, and who is refused."""

from pathlib import Path

import pytest

from tests.exchange.group.people import Group, refs_of, share_of
from tests.publish.project import MAIN, Project
from tests.publish.test_follow import A, B, C
from tests.refs.model import Fault
from xferzone.errors import Away, Exists, OnHold, Refused, UsageError
from xferzone.exchange.group.copied import the_project
from xferzone.exchange.group.leaving import remove
from xferzone.exchange.group.standing import check, standing
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import BranchName, Door, LocalRefs
from xferzone.refs.consensus import Rules, SharedRefs, Tip, Wish, Won
from xferzone.refs.keys import MAX_COMPARES
from xferzone.repository.promote import promote
from xferzone.store import Store, accounts, schema, unsent
from xferzone.store.remotes import origin

ZONES = MAX_COMPARES + 3  # more than one transaction takes


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


@pytest.fixture
def primary(group: Group) -> Project:
    made = group.project("a")
    made.push(made.manifest(A))
    return made


def joined_copy(group: Group, primary: Project, name: str, role: str) -> Store:
    """A copy of the primary's file, with that role."""
    store = Store.open(group.copy(name, primary))
    with store.writer() as writer:
        writer.set_setting("role", role)
    return store


def test_a_primary_makes_the_group(group: Group, primary: Project) -> None:
    done = group.join(primary.store, "a", copies=2)
    assert (done.was, done.has_begun) == (schema.PRIMARY, True)
    roster = group.roster(primary.store)
    share = share_of(primary.store)
    assert share is not None
    assert roster.rules == Rules(share.group, 2)
    assert roster.secret == share.secret
    assert len(share.secret) == 64
    assert roster.tips() == {BranchName.of_row(MAIN): Tip(*primary.served(), "a")}
    assert roster.accounts.keys() == {"ops", "nobody", "anonymous"}
    again = group.join(primary.store, "a")
    assert (again.was, again.has_begun, again.share) == (schema.MEMBER, False, share)


def test_a_group_of_many_branches_takes_several_transactions(group: Group) -> None:
    primary = group.project("a")
    for number in range(ZONES):
        text = A.replace(b"example.com", b"x")
        primary.push(primary.manifest(None, branch=f"z{number}/main", files={f"z{number}.zone": text}))
    group.join(primary.store, "a")
    tips = group.roster(primary.store).tips()
    assert {str(branch): tip.checkin for branch, tip in tips.items()} == refs_of(primary.store)
    assert len(tips) == ZONES


@pytest.mark.parametrize("trouble", [Fault.DROPPED, Fault.LOST], ids=["dropped", "lost"])
@pytest.mark.parametrize("step", [0, 1, 2], ids=["claim", "lay", "open"])
def test_an_interrupted_beginning_goes_on(group: Group, primary: Project, step: int, trouble: Fault) -> None:
    group.trouble = [*[None] * step, trouble]
    with pytest.raises(Away):
        group.join(primary.store, "a")
    if step:  # refs stand still while nobody may join yet
        share = share_of(primary.store)
        assert share is not None
        refs = SharedRefs(group.keys, share.space(project_of(primary.store)), share.group)
        if step < 2 or trouble is Fault.DROPPED:
            with pytest.raises(OnHold, match="a is making the group"):
                refs.rules()
    done = group.join(primary.store, "a")
    share = share_of(primary.store)
    assert share is not None
    assert done.share == share
    assert group.roster(primary.store).rules == Rules(share.group, 1)


def project_of(store: Store) -> str:
    with store.reader() as reader:
        return reader.project_code


def test_nobody_joins_what_another_one_is_making(group: Group, primary: Project) -> None:
    group.trouble = [None, Fault.DROPPED]
    with pytest.raises(Away):
        group.join(primary.store, "a")
    copy = joined_copy(group, primary, "b", schema.CLONE)
    with pytest.raises(Away, match="a is making the group"):
        group.join(copy, "b")


@pytest.mark.parametrize("role", [schema.CLONE, schema.MIRROR, schema.PRIMARY])
def test_a_repository_on_the_groups_lines_joins(group: Group, primary: Project, role: str) -> None:
    copy = joined_copy(group, primary, "b", role)
    first, _ = primary.served()
    second = primary.manifest(B, first)
    primary.push(second)
    with primary.store.writer() as writer:
        accounts.put_user(writer, "bob", "secret", "goi")
    with copy.writer() as writer:
        accounts.put_user(writer, "eve", "secret", "s")
    group.join(primary.store, "a")
    done = group.join(copy, "b")
    assert (done.was, done.has_begun, done.dropped) == (role, False, ("eve",))
    assert [str(each.branch) for each in done.followed.moved] == [MAIN]
    assert refs_of(copy) == {MAIN: artifact_id(second)}
    assert set(group.roster(copy).members) == {"a", "b"}
    with copy.reader() as reader:
        assert reader.role == schema.MEMBER
        assert [each.login for each in accounts.users(reader)] == ["anonymous", "bob", "nobody", "ops"]
    with primary.store.reader() as reader:
        stored = accounts.user(reader, "bob")
    with copy.reader() as reader:
        assert accounts.user(reader, "bob") == stored


def test_members_agree_on_the_rules_and_a_later_join_changes_copies(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(primary.store, "a")
    group.join(copy, "b")
    group.join(copy, "b", copies=2)
    rules = group.roster(copy).rules
    assert rules is not None
    assert rules.copies == 2
    with pytest.raises(UsageError, match="17 copies"):
        group.join(copy, "b", copies=17)


@pytest.mark.parametrize(
    ("role", "remedy"),
    [
        (schema.PRIMARY, "`xferzone demote URL`"),
        (schema.CLONE, "push what is here"),
        (schema.MIRROR, "A new file can join"),
    ],
)
def test_who_has_what_the_group_lacks_is_refused_with_both(
    group: Group, primary: Project, role: str, remedy: str
) -> None:
    first, _ = primary.served()
    path = group.copy("b", primary)
    store = Store.open(path)
    other = primary.manifest(C, first)  # its files are in the other file, too
    theirs = Project.__new__(Project)
    theirs.store, theirs.now, theirs._made = store, primary.now, 50
    ours = theirs.manifest(C, first)
    theirs.push(ours)
    primary.push(primary.manifest(B, first))
    with store.writer() as writer:
        writer.set_setting("role", role)
    group.join(primary.store, "a")
    before = group.values()
    with pytest.raises(Refused, match=remedy) as caught:
        group.join(store, "b")
    assert artifact_id(ours)[:16] in str(caught.value)
    assert primary.served()[0][:16] in str(caught.value)
    assert "(serial 2)" in str(caught.value)
    assert group.values() == before
    with store.reader() as reader:
        assert reader.role == role
    assert other != ours


def test_a_tip_that_no_fellow_can_give_is_named(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    first, _ = primary.served()
    primary.push(primary.manifest(B, first))
    group.join(primary.store, "a")
    del group.stores["a"]
    with pytest.raises(Away, match=f"{MAIN} {primary.served()[0][:16]} from a"):
        group.join(copy, "b")


def test_two_members_never_have_one_name(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(primary.store, "a")
    with pytest.raises(Exists, match=r"another member is called a, at http://a\.example/"):
        group.join(copy, "a")
    roster = group.roster(copy)
    assert remove(group.keys, roster.space, "a") is not None
    group.join(copy, "a")
    assert remove(group.keys, roster.space, "z") is None


def test_a_member_that_is_alive_is_not_removed(group: Group, primary: Project) -> None:
    group.join(primary.store, "a")
    roster = group.roster(primary.store)
    group.put(roster.names.alive("a"), b'{"life":"%s"}' % roster.members["a"].life.encode())
    with pytest.raises(Refused, match="is alive"):
        remove(group.keys, roster.space, "a")


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "a" * 64])
def test_some_names_are_no_members(group: Group, primary: Project, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a member's name"):
        group.join(primary.store, name)


def test_a_clone_does_not_make_a_group(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    with pytest.raises(Refused, match="the primary begins the group"):
        group.join(copy, "b")


def test_another_project_is_refused(group: Group, primary: Project) -> None:
    group.join(primary.store, "a")
    other = group.project("other")
    with pytest.raises(Refused, match=f"{project_of(primary.store)}; this repository is of"):
        group.join(other.store, "b")
    assert group.join(other.store, "b", prefix="other").has_begun


def test_whoever_has_no_file_finds_the_project(group: Group, primary: Project) -> None:
    with pytest.raises(Refused, match="has no group below xz"):
        the_project(group.keys, "xz")
    group.join(primary.store, "a")
    assert the_project(group.keys, "xz") == project_of(primary.store)


def test_a_member_that_leaves_is_a_clone_of_a_fellow_and_keeps_what_was_not_decided(
    group: Group, primary: Project
) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(primary.store, "a")
    group.join(copy, "b")
    first, _ = primary.served()
    waiting = primary.manifest(B, first)
    with primary.store.writer() as writer:
        writer.put(waiting)
    left = group.leave(primary.store)
    assert left is not None
    assert (left.origin, left.pending) == ("http://b.example/", 1)
    assert set(group.roster(copy).members) == {"b"}
    with primary.store.reader() as reader:
        assert reader.role == schema.CLONE
        found = origin(reader)
        assert found is not None
        assert found.url == "http://b.example/"
        assert artifact_id(waiting) in unsent.artifacts(reader)
    assert share_of(primary.store) is None
    assert group.leave(primary.store) is None


def _begun(group: Group, primary: Project, copies: int, alive: str) -> dict[str, Store]:
    """Members a, b and c, `copies` of whom have to hold a change; the group programs of some run."""
    stores = {"a": primary.store} | {each: joined_copy(group, primary, each, schema.CLONE) for each in "bc"}
    for name, store in stores.items():
        group.join(store, name, copies=copies)
    roster = group.roster(primary.store)
    for name in alive:
        group.put(roster.names.alive(name), b'{"life":"%s"}' % roster.members[name].life.encode())
    return stores


def test_no_member_leaves_where_too_few_would_hold_what_is_accepted(group: Group, primary: Project) -> None:
    stores = _begun(group, primary, 2, "ab")
    before = group.values()
    told = (
        "2 members that are alive must hold each change, and without a only b would be left: .* --copies 1`"
    )
    with pytest.raises(Refused, match=told):
        group.leave(stores["a"])
    assert group.values() == before
    group.leave(stores["c"])  # it was away
    with pytest.raises(Refused, match="without b only a would be left"):
        group.leave(stores["b"])
    group.join(stores["a"], "a", copies=1)
    assert group.leave(stores["b"]) is not None
    group.join(stores["a"], "a", copies=3)
    left = group.leave(stores["a"])  # the last one: the group ends
    assert left is not None
    assert left.origin == ""


def test_of_two_that_leave_at_once_one_stays_if_both_are_needed(group: Group, primary: Project) -> None:
    stores = _begun(group, primary, 2, "abc")
    group.meanwhile = lambda: group.leave(stores["c"])
    with pytest.raises(Refused, match="without a only b would be left"):
        group.leave(stores["a"])
    assert set(group.roster(primary.store).members) == {"a", "b"}


def test_a_lost_member_is_removed_also_where_too_few_are_left(group: Group, primary: Project) -> None:
    """It holds nothing any more; another one can join in its place, and meanwhile nothing is accepted."""
    space = group.roster(_begun(group, primary, 3, "ab")["a"]).space
    removed = remove(group.keys, space, "c")
    assert removed is not None
    assert removed.shortage == "3 members must hold each change, and there are 2"


def test_whoever_joins_proposes_nothing_before_all_were_asked_where_their_refs_stand(
    group: Group, primary: Project
) -> None:
    """The keys may have been set back, and it has seen nothing of them before."""
    b, c = (joined_copy(group, primary, name, schema.CLONE) for name in "bc")
    life = group.join(primary.store, "a").share.group
    group.join(b, "b")
    for store in (primary.store, b):
        check(store.path, life)
    del group.stores["a"]
    group.join(c, "c")
    with pytest.raises(OnHold, match=r"has just joined, .* the refs of a, b stand: start `xferzone up`"):
        check(c.path, life)
    found = standing(c.path)
    assert found is not None
    assert [each.name for each in found.fellows] == ["a", "b"]


def test_whoever_leaves_takes_nothing_along_that_was_published(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(primary.store, "a")
    group.join(copy, "b")
    second = published_alone(group, primary, B)
    del group.stores["b"]
    with pytest.raises(Away, match=r"no other member holds .*: nobody answers: start one"):
        group.leave(primary.store)
    assert set(group.roster(copy).members) == {"a", "b"}
    assert share_of(primary.store) is not None
    group.stores["b"] = copy
    left = group.leave(primary.store)
    assert left is not None
    assert left.pending == 0
    with copy.reader() as reader:
        assert reader.has(second)


def test_what_wins_while_a_member_leaves_is_unsent(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(primary.store, "a")
    group.join(copy, "b")
    won: list[ArtifactId] = []
    group.meanwhile = lambda: won.append(published_alone(group, primary, B))
    left = group.leave(primary.store)
    assert left is not None
    assert left.pending == 1
    with copy.reader() as there, primary.store.reader() as reader:
        assert not there.has(won[0])
        assert won[0] in unsent.artifacts(reader)
        assert artifact_id(B) in unsent.artifacts(reader)


def published_alone(group: Group, primary: Project, text: bytes) -> ArtifactId:
    """A version that the group has accepted, and that the primary's member alone has."""
    manifest = primary.manifest(text, primary.served()[0])
    with primary.store.writer() as writer:
        role = writer.role
        writer.set_setting("role", schema.PRIMARY)
    primary.push(manifest)
    with primary.store.writer() as writer:
        writer.set_setting("role", role)
    group.put(group.roster(primary.store).names.ref(MAIN), Tip(*primary.served(), "a").encode())
    return artifact_id(manifest)


def test_the_last_one_that_leaves_is_a_primary_and_may_begin_again(group: Group, primary: Project) -> None:
    group.join(primary.store, "a")
    first, _ = primary.served()
    waiting = primary.manifest(B, first)
    with primary.store.writer() as writer:
        writer.put(waiting)
    left = group.leave(primary.store)
    assert left is not None
    assert left.origin == ""
    assert primary.served()[0] == artifact_id(waiting)
    with primary.store.reader() as reader:
        assert reader.role == schema.PRIMARY
    assert group.roster(primary.store).last is not None
    assert group.join(primary.store, "a").has_begun
    assert group.roster(primary.store).tips()[BranchName.of_row(MAIN)].checkin == artifact_id(waiting)


def test_a_member_is_not_promoted(group: Group, primary: Project) -> None:
    group.join(primary.store, "a")
    with primary.writing() as (writer, refs), pytest.raises(Refused, match="xferzone group leave"):
        promote(writer, refs, primary.occasion(Door.CLI))
    with primary.store.reader() as reader:
        assert reader.role == schema.MEMBER


def _others(group: Group, primary: Project) -> Store:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(copy, "b")
    return copy


@pytest.mark.parametrize("trouble", [Fault.DROPPED, Fault.LOST], ids=["dropped", "lost"])
@pytest.mark.parametrize("is_last", [False, True], ids=["with others", "last"])
def test_an_interrupted_leave_goes_on(group: Group, primary: Project, trouble: Fault, is_last: bool) -> None:
    group.join(primary.store, "a")
    if not is_last:
        _others(group, primary)
    group.trouble = [trouble]
    with pytest.raises(Away):
        group.leave(primary.store)
    assert share_of(primary.store) is not None
    left = group.leave(primary.store)
    assert left is not None
    assert left.origin == ("" if is_last else "http://b.example/")
    assert "a" not in group.roster(primary.store).members


def test_the_last_one_does_not_end_the_group_without_what_an_interrupted_leaver_has_won(
    group: Group, primary: Project
) -> None:
    group.join(primary.store, "a")
    b = joined_copy(group, primary, "b", schema.CLONE)
    group.join(b, "b")
    group.trouble = [Fault.LOST]
    with pytest.raises(Away):
        group.leave(b)
    won = artifact_id(primary.manifest(B, primary.served()[0]))  # by its repository b is a member still
    group.put(group.roster(primary.store).names.ref(MAIN), Tip(won, 2, "b").encode())
    with pytest.raises(Refused, match=r"which is not here.*`xferzone group leave` there again"):
        group.leave(primary.store)
    assert group.roster(primary.store).last is None


def test_nobody_ends_a_group_that_another_one_joins_meanwhile(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(primary.store, "a")
    group.meanwhile = lambda: group.join(copy, "b")
    left = group.leave(primary.store)
    assert left is not None
    assert left.origin == "http://b.example/"
    assert group.roster(copy).last is None


def test_members_of_another_life_join_again(group: Group, primary: Project) -> None:
    copy = joined_copy(group, primary, "b", schema.CLONE)
    group.join(primary.store, "a")
    group.join(copy, "b")
    roster = group.roster(copy)
    group.put(roster.names.group, Rules("f" * 32, 1).encode())
    share = share_of(copy)
    assert share is not None
    with pytest.raises(OnHold, match="join again"):
        SharedRefs(group.keys, roster.space, share.group).rules()
    with pytest.raises(OnHold, match="does not have the group"):
        group.leave(copy)
    group.join(copy, "b")
    share = share_of(copy)
    assert share is not None
    assert share.group == "f" * 32
    branch = BranchName.of_row(MAIN)
    with copy.reader() as reader:
        ref = LocalRefs(reader).get(branch)
    assert ref is not None
    tip = roster.tips()[branch]
    moved = SharedRefs(group.keys, roster.space, share.group).propose(
        [Wish(branch, tip, Tip(ref.checkin, ref.serial, "b"))]
    )
    assert moved == Won()
