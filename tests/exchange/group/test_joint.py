"""What one command changes on several branches: every member accepts and serves all of it, or none."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.exchange.group.deciders import Decider, Deciding, unlocked
from tests.publish.project import MAIN_BRANCH
from tests.refs.model import Door, Fault
from xferzone.artifacts import Control, parse
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.errors import Away, LostRace, RefConflict, Refused
from xferzone.exchange.group.editing import editing
from xferzone.exchange.publishing import follow_keys
from xferzone.hashing import ArtifactId
from xferzone.publish import joint
from xferzone.publish.policy import Policy
from xferzone.refs import BranchName, LocalRefs
from xferzone.refs import Door as Way
from xferzone.refs.consensus import MAX_MOVES, Tip
from xferzone.refs.roster import Names
from xferzone.repository import check
from xferzone.store import places
from xferzone.zone import changes
from xferzone.zonefile import text
from xferzone.zonefile.names import zone_name

CATALOG = BranchName("catalog.example", "main")
NEW = BranchName("new.example", "main")
_ZONE = "$TTL 3600\n@ SOA ns1.example.com. ops.example.com. 1 7200 3600 1209600 300\n@ NS ns1.example.com.\n"


@pytest.fixture(params=[1, 2], ids=["one-copy", "two-copies"])
def group(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Deciding]:
    made = Deciding(tmp_path, "abc", request.param)
    for each in made.members:
        each.door.faults = unlocked(each)
    added(made.members[0], CATALOG)
    for each in made.members:
        assert each.follow() == {}
    yield made
    for each in made.members:
        with each.store.reader() as reader:
            assert list(check.everything(reader, LocalRefs(reader))) == []
    made.close()


@contextmanager
def joined(member: Decider) -> Iterator[tuple[Callable[[BranchName], Edit], dict[BranchName, Commit]]]:
    """A verb that changes several branches: how each is edited, and where it notes what came of that."""
    with editing(member.store, member.group, member.occasion(Way.CLI), member.env) as (writer, refs):
        author = Author("ann", member.now, is_joint=True)
        yield (lambda branch: Edit(writer, refs, branch, author)), {}


def added(member: Decider, *branches: BranchName) -> dict[BranchName, Commit]:
    """`xferzone zone add` of these."""
    with joined(member) as (edits, done):
        for branch in branches:
            done[branch] = edits(branch).replace(
                text.read_zone(_ZONE.encode(), zone_name(branch.zone)), "add"
            )
    return done


def applied(
    member: Decider,
    *branches: BranchName,
    address: str = "192.0.2.7",
    done: dict[BranchName, Commit] | None = None,
) -> dict[BranchName, Commit]:
    """`xferzone apply` of a record in each of these; `done`: where it is noted what came of that."""
    found = {} if done is None else done
    with joined(member) as (edits, _):
        for branch in branches:
            found[branch] = edits(branch).change([_record(branch, address)], "apply")
    return found


def _record(branch: BranchName, address: str = "192.0.2.7") -> changes.Change:
    return changes.parse_change("set", [f"both.{branch.zone}", "300", "A", address])


def tips(member: Decider, *branches: BranchName) -> list[ArtifactId | None]:
    return [member.tip(branch) for branch in branches]


def keys(group: Deciding) -> Mapping[BranchName, Tip]:
    """Where all branches stand in etcd."""
    listed = Door(group.cluster).list(f"{group.space}ref/").values
    return {
        BranchName.of_row(key.partition("/ref/")[2]): Tip.parse(value, key) for key, value in listed.items()
    }


def test_all_branches_move_in_one_revision_and_all_members_follow(group: Deciding) -> None:
    a, b, c = group.members
    before = group.cluster.stand.revision
    done = applied(a, MAIN_BRANCH, CATALOG)
    wanted = [done[MAIN_BRANCH].checkin, done[CATALOG].checkin]
    assert group.cluster.stand.revision == before + 1
    assert tips(a, MAIN_BRANCH, CATALOG) == wanted
    for each in (b, c):
        assert each.follow() == {}
        assert tips(each, MAIN_BRANCH, CATALOG) == wanted


def test_a_zone_is_added_together_with_its_entry_in_a_catalog(group: Deciding) -> None:
    a, b, _ = group.members
    done = _begun_with(a, CATALOG)
    assert b.follow() == {}
    assert tips(a, CATALOG, NEW) == tips(b, CATALOG, NEW) == [done[CATALOG].checkin, done[NEW].checkin]


def test_a_race_on_one_branch_is_lost_on_all_and_everybody_finds_the_same_forks(group: Deciding) -> None:
    a, b, c = group.members
    first = group.version("192.0.2.9", group.first)

    _beats(b, a, first)
    with pytest.raises(LostRace) as caught:
        applied(a, MAIN_BRANCH, CATALOG)
    said = str(caught.value)
    assert said.startswith("example.com/main: somebody else was first; your work is kept: ")
    assert " on branch example.com/main-fork-" in said
    assert " on branch catalog.example/main-fork-" in said
    forks = [_forks(a)]
    assert len(forks[0]) == 2
    assert a.follow() == {}
    # Whoever has the parts finds them lost without being told.
    _copied(a, c, controls=False)
    assert c.follow() == {}
    c.publish()
    forks.append(_forks(c))
    assert forks[0] == forks[1]
    assert tips(a, MAIN_BRANCH, CATALOG) == tips(c, MAIN_BRANCH, CATALOG)
    # The other zone was not held up.
    applied(a, MAIN_BRANCH, CATALOG)


def test_a_zone_that_was_to_begin_with_what_has_lost_is_not_served(group: Deciding) -> None:
    a, b, c = group.members
    first = group.version("192.0.2.9", group.first)

    _beats(b, a, first)
    with pytest.raises(LostRace, match=r"on branch new\.example/main-fork-"):
        _begun_with(a)
    assert tips(a, NEW) == [None]
    assert NEW not in keys(group)
    assert c.follow() == {}
    added(c, NEW)
    assert a.follow() == {}
    assert tips(a, NEW) == tips(c, NEW) != [None]


def test_what_loses_to_a_change_that_waits_here_is_not_kept(group: Deciding) -> None:
    """The branch is to begin with what an earlier command has left."""
    a = group.members[0]
    _loses(a)
    with pytest.raises(Away, match="kept, not accepted yet"):
        _begun_with(a)
    a.door.faults = unlocked(a)
    with a.store.reader() as reader:
        before = reader.last_row()
    with pytest.raises(RefConflict, match=r"new\.example/main is at"):
        _begun_with(a, CATALOG)
    with a.store.reader() as reader:
        assert reader.last_row() == before
    assert a.publish() == []
    assert a.tip(NEW) is not None


def test_a_command_for_several_branches_that_changes_one_is_accepted(group: Deciding) -> None:
    a, b, _ = group.members
    applied(a, CATALOG)
    done = applied(a, MAIN_BRANCH, CATALOG)
    assert done[CATALOG].checkin is None
    assert b.follow() == {}
    assert tips(a, MAIN_BRANCH) == tips(b, MAIN_BRANCH) == [done[MAIN_BRANCH].checkin]


def test_a_branch_that_stands_still_keeps_others_of_a_joint_change_from_nothing(group: Deciding) -> None:
    """Where one branch cannot be decided, what goes together with it waits, and others go on beside that."""
    a, b, _ = group.members
    wanted = _kept(a)
    _copied(a, b)
    nowhere = Tip(ArtifactId("0" * 64), 7, "c")
    Door(group.cluster).transact({}, {Names(group.space).ref(CATALOG): nowhere.encode()})
    assert any("is published, and only c has all of it" in each for each in b.publish())
    first = group.version("192.0.2.9", group.first)
    assert any("was moved to branch" in each for each in b.push(*first))
    assert b.tip() != wanted[0]
    assert b.branch_of(_id(wanted[0])) != str(MAIN_BRANCH)


def test_two_branches_of_one_zone_move_together(group: Deciding) -> None:
    a, b, _ = group.members
    branch = BranchName("example.com", "dev")
    with a.changing(branch) as edit:
        edit.fork_off(_id(a.tip()), "begin")
    applied(a, MAIN_BRANCH, branch)
    assert b.follow() == {}
    assert tips(b, MAIN_BRANCH, branch) == tips(a, MAIN_BRANCH, branch)


def test_whoever_has_all_of_it_proposes_it_as_a_whole(group: Deciding) -> None:
    a, b, c = group.members
    wanted = _kept(a)
    _copied(a, b)
    a.is_away = True
    assert b.publish() == []
    assert tips(b, MAIN_BRANCH, CATALOG) == wanted
    assert {tip.member for branch, tip in keys(group).items() if branch in (MAIN_BRANCH, CATALOG)} == {"b"}
    a.is_away = False
    for each in (a, c):
        assert each.follow() == {}
        assert tips(each, MAIN_BRANCH, CATALOG) == wanted


@pytest.mark.parametrize("lacking", ["list", "part"])
def test_whoever_has_some_of_it_waits_for_the_rest(group: Deciding, lacking: str) -> None:
    a, b, _ = group.members
    before = keys(group)
    wanted = _kept(a)
    with a.store.reader() as reader:
        listed = joint.of(reader, _id(wanted[0]))
    assert listed is not None
    left = listed.control if lacking == "list" else _id(wanted[1])
    _copied(a, b, without=left)
    (*_, told) = b.publish()
    assert "waits and is not served: what it was made together with is not all here yet, or waits" in told
    assert keys(group) == before
    with a.store.reader() as reader:
        content = reader.content(left)
    b.push(content)
    assert tips(b, MAIN_BRANCH, CATALOG) == wanted


def test_what_waits_for_the_rest_keeps_nobody_from_going_on(group: Deciding) -> None:
    a, b, _ = group.members
    wanted = _kept(a)
    _copied(a, b, without=_id(wanted[1]))
    b.publish()
    first = group.version("192.0.2.9", group.first)
    told = b.push(*first)
    assert any(
        f"check-in {_id(wanted[0])[:16]} was moved to branch example.com/main-fork-" in each for each in told
    )
    assert b.tip() != wanted[0]
    a.publish()
    assert len(_forks(a)) == 2


def test_a_ref_does_not_go_where_the_others_of_a_joint_change_cannot_follow(group: Deciding) -> None:
    a, b, _ = group.members
    before = tips(b, MAIN_BRANCH, CATALOG)
    applied(a, MAIN_BRANCH, CATALOG)
    _copied(a, b)
    b.is_away = True  # so it has no copy
    later = applied(a, CATALOG, address="192.0.2.8")[CATALOG].checkin
    why = b.follow()
    assert set(why) == {str(MAIN_BRANCH), str(CATALOG)}
    assert "it goes together with catalog.example/main" in why[str(MAIN_BRANCH)]
    assert tips(b, MAIN_BRANCH, CATALOG) == before
    b.is_away = False
    assert b.follow() == {}
    assert b.tip(CATALOG) == later
    assert b.tip() == a.tip()


def test_one_that_was_away_takes_joint_changes_that_build_on_each_other(group: Deciding) -> None:
    a, b, _ = group.members
    others = [BranchName(f"z{number}.example", "main") for number in range(5)]
    for other in others:
        added(a, other)
        applied(a, CATALOG, other, address=f"192.0.2.{len(other.zone)}")
    applied(a, MAIN_BRANCH, others[0], address="192.0.2.99")
    assert b.follow() == {}
    assert tips(b, MAIN_BRANCH, CATALOG, *others) == tips(a, MAIN_BRANCH, CATALOG, *others)


def test_a_key_read_before_a_joint_change_leads_to_no_part_of_it(group: Deciding) -> None:
    a, b, _ = group.members
    applied(a, MAIN_BRANCH, CATALOG)
    before = keys(group)[CATALOG]
    done = applied(a, MAIN_BRANCH, CATALOG, address="192.0.2.8")
    read = {MAIN_BRANCH: keys(group)[MAIN_BRANCH], CATALOG: before}
    assert follow_keys(b.store, b.group, read, b.occasion(Way.CLI), b.env).left == {}
    assert tips(b, MAIN_BRANCH, CATALOG) == [done[MAIN_BRANCH].checkin, done[CATALOG].checkin]


def test_a_joint_change_of_too_many_branches_is_refused_and_nothing_is_kept(group: Deciding) -> None:
    a = group.members[0]
    with a.store.reader() as reader:
        before = reader.last_row()
    many = [BranchName(f"z{number}.example", "main") for number in range(MAX_MOVES + 1)]
    with pytest.raises(
        Refused, match=f"this changes {MAX_MOVES + 1} branches, and members accept at most {MAX_MOVES} "
    ):
        added(a, *many)
    with a.store.reader() as reader:
        assert reader.last_row() == before
    added(a, *many[1:])
    assert {*many[1:]} <= keys(group).keys()


def test_an_outage_of_etcd_after_the_plan_leaves_all_of_it_for_later(group: Deciding) -> None:
    a = group.members[0]
    before = keys(group)
    wanted = _kept(a)
    assert keys(group) == before
    assert a.publish() == []
    assert tips(a, MAIN_BRANCH, CATALOG) == wanted


def test_only_a_member_makes_the_list_of_a_joint_change(group: Deciding) -> None:
    a = group.members[0]
    wanted = _kept(a)
    with a.store.reader() as reader:
        listed = joint.of(reader, _id(wanted[0]))
        assert listed is not None
        made = parse(reader.content(listed.control))
        assert isinstance(made, Control)
        policy = Policy(reader, LocalRefs(reader), "eve")
        assert policy.refusal(made) is None
        part = next(tag for tag in made.tags if tag.target == wanted[0])
        cut = Control(date_ms=made.date_ms, tags=(part,), user="eve")
        assert "reserved" in (policy.refusal(cut) or "")
        other = part._replace(target=group.first)
        swapped = Control(made.date_ms, tuple(other if tag == part else tag for tag in made.tags), "eve")
        assert "reserved" in (policy.refusal(swapped) or "")
    # One that came all the same counts for nothing.
    with a.store.writer() as writer:
        writer.put(cut.encode())
    with a.store.reader() as reader:
        again = joint.of(reader, _id(wanted[0]))
    assert again is not None
    assert again.ends == listed.ends


def _beats(winner: Decider, loser: Decider, first: tuple[bytes, bytes]) -> None:
    """Push that to one member once the other has kept its next change, and before that is proposed."""

    def beaten(_operation: str) -> None:
        with loser.store.reader() as reader:
            is_kept = bool(places.unplaced_branches(reader))
        if is_kept:
            loser.door.faults = unlocked(loser)
            assert winner.push(*first) == []

    loser.door.faults = beaten


def _begun_with(member: Decider, branch: BranchName = MAIN_BRANCH) -> dict[BranchName, Commit]:
    """A record in a branch, and a zone that begins, by one command."""
    with joined(member) as (edits, done):
        done[branch] = edits(branch).change([_record(branch)], "list")
        done[NEW] = edits(NEW).replace(text.read_zone(_ZONE.encode(), zone_name(NEW.zone)), "add")
    return done


def _id(checkin: ArtifactId | None) -> ArtifactId:
    assert checkin is not None
    return checkin


def _kept(member: Decider) -> list[ArtifactId | None]:
    """A joint change that is kept at the member, and whose proposal did not reach etcd: the ends."""

    _loses(member)
    done: dict[BranchName, Commit] = {}
    with pytest.raises(Away, match="kept, not accepted yet"):
        applied(member, MAIN_BRANCH, CATALOG, done=done)
    member.door.faults = unlocked(member)
    return [done[MAIN_BRANCH].checkin, done[CATALOG].checkin]


def _copied(
    here: Decider, there: Decider, *, without: ArtifactId | None = None, controls: bool = True
) -> None:
    """Store at one member what another one has; `controls`: but for controls that move check-ins to forks."""
    with here.store.reader() as reader:
        contents = {each: reader.content(each) for each in reader.names_since(0)}
    with there.store.writer() as writer:
        for each, content in contents.items():
            is_fork = b"-fork-" in content and isinstance(parse(content), Control)
            if each != without and not (is_fork and not controls):
                writer.put(content)


def _forks(member: Decider) -> set[str]:
    with member.store.reader() as reader:
        rows = reader.db.execute("SELECT branch FROM checkin WHERE branch LIKE '%-fork-%'").fetchall()
    return {branch for (branch,) in rows}


def _loses(member: Decider) -> None:
    """Once the member has kept a change, nothing reaches etcd."""

    def lose(_operation: str) -> Fault | None:
        with member.store.reader() as reader:
            return Fault.DROPPED if places.unplaced_branches(reader) else None

    member.door.faults = lose
