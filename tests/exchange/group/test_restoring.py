"""A group whose keys were emptied or set back begins another life, where all refs of its members are on one line."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.exchange.group.people import Files, Group, refs_of, share_of
from tests.publish.project import MAIN, Project
from tests.publish.test_follow import A, B, C
from tests.refs.model import Fault
from xferzone.env import SYSTEM
from xferzone.errors import Away, Refused, UsageError
from xferzone.exchange.group.overview import overview
from xferzone.exchange.group.restoring import Terms, restore
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import BranchName, membership
from xferzone.refs.consensus import Tip
from xferzone.refs.roster import known_fellows, note_fellows
from xferzone.store import Store, schema

BRANCH = BranchName.of_row(MAIN)


@dataclass
class Three:
    """Members a, b and c, at version 1 of example.com."""

    group: Group
    a: Project
    b: Store
    c: Store
    first: ArtifactId

    def moves(self, *stores: Store, text: bytes = B) -> ArtifactId:
        """Let the refs of these go one check-in on, as the group had decided."""
        manifest = self.a.manifest(text, self.first)
        with self.a.store.reader() as reader:
            contents = [reader.content(each) for each in reader.artifacts()]
        for store in stores:
            with store.writer() as writer:
                role = writer.role
                writer.set_setting("role", schema.PRIMARY)
                for content in contents:
                    writer.put(content)
            project = Project.__new__(Project)
            project.store, project.now = store, self.a.now
            project.push(manifest)
            with store.writer() as writer:
                writer.set_setting("role", role)
        return artifact_id(manifest)


@pytest.fixture
def three(tmp_path: Path) -> Three:
    group = Group(tmp_path)
    a = group.project("a")
    a.push(a.manifest(A))
    copies = []
    for name in "bc":
        store = Store.open(group.copy(name, a))
        with store.writer() as writer:
            writer.set_setting("role", schema.CLONE)
        copies.append(store)
    group.join(a.store, "a", copies=2)
    for name, store in zip("bc", copies, strict=True):
        group.join(store, name)
    for name, store in zip("ab", (a.store, copies[0]), strict=True):
        group.join(store, name)  # which hears of those that joined after it
    return Three(group, a, copies[0], copies[1], a.served()[0])


def life_of(store: Store) -> str:
    share = share_of(store)
    assert share is not None
    return share.group


@pytest.mark.parametrize("cluster", [None, "2"], ids=["emptied", "another cluster"])
def test_keys_that_are_gone_are_written_again(three: Three, cluster: str | None) -> None:
    group, second = three.group, three.moves(three.b, three.c)
    before = life_of(three.b)
    group.cluster.empty(cluster)
    found = overview(three.b, group.keys)
    assert found is not None
    assert found.is_held
    done = group.restore(three.b)
    assert done.others == ["a", "c"]
    assert done.share.group != before
    roster = group.roster(three.b)
    assert roster.rules is not None
    assert (roster.rules.life, roster.rules.copies) == (done.share.group, 1)
    assert roster.tips()[BRANCH].checkin == second
    assert set(roster.members) == {"b"}
    assert roster.accounts.keys() == {"ops", "nobody", "anonymous"}
    group.join(three.a.store, "a")
    group.join(three.c, "c")
    assert refs_of(three.a.store) == {MAIN: second}
    assert life_of(three.a.store) == life_of(three.c) == done.share.group


def test_whoever_restores_has_what_another_member_alone_has(three: Three) -> None:
    second = three.moves(three.c)
    three.group.cluster.empty()
    three.group.restore(three.b)
    assert three.group.roster(three.b).tips()[BRANCH].checkin == second


def test_keys_that_were_set_back_are_written_anew(three: Three) -> None:
    backup = three.group.cluster.snapshot()
    roster = three.group.roster(three.a.store)
    second = three.moves(three.a.store, three.b, three.c)
    three.group.put(roster.names.ref(MAIN), Tip(second, 2, "a").encode())
    with three.a.store.writer() as writer:
        membership.begin_seen(writer, three.group.cluster.stand)
    three.group.cluster.set_back(backup)
    found = overview(three.a.store, three.group.keys)
    assert found is not None
    assert "was set back" in found.why
    three.group.restore(three.a.store)
    assert three.group.roster(three.a.store).tips()[BRANCH].checkin == second


def test_members_of_whom_only_another_one_knows_are_asked_too(three: Three) -> None:
    """They joined after the one who restores, whose group program has not run since."""
    second = three.moves(three.c)
    with three.b.writer() as writer:
        note_fellows(writer, {name: one for name, one in known_fellows(writer).items() if name != "c"})
    with three.a.store.reader() as reader:
        assert "c" in known_fellows(reader)
    three.group.cluster.empty()
    done = three.group.restore(three.b)
    assert done.others == ["a", "c"]
    assert three.group.roster(three.b).tips()[BRANCH].checkin == second


def test_two_lines_are_both_named_and_nothing_is_written(three: Three) -> None:
    ours, theirs = three.moves(three.b), three.moves(three.c, text=C)
    three.group.cluster.empty()
    with pytest.raises(Refused, match="members have diverged") as caught:
        three.group.restore(three.b)
    assert f"this member has {ours[:16]} (serial 2)" in str(caught.value)
    assert f"c has {theirs[:16]} (serial 2)" in str(caught.value)
    assert three.group.values() == {}


def test_a_member_that_does_not_answer_has_to_be_excused_by_name(three: Three) -> None:
    three.group.cluster.empty()
    del three.group.stores["c"]
    with pytest.raises(Refused, match=r"c at http://c\.example/: .*cannot be reached\n.*--without c"):
        three.group.restore(three.b)
    with pytest.raises(UsageError, match="no such member"):
        three.group.restore(three.b, "z")
    assert three.group.restore(three.b, "c").others == ["a"]


def test_keys_that_are_right_are_left_alone(three: Three) -> None:
    before = three.group.values()
    with pytest.raises(Refused, match="there is nothing to restore"):
        three.group.restore(three.b)
    assert three.group.values() == before


class Interrupted(Files):
    """Fellows that are files, while something else happens."""

    def __init__(self, group: Group, meanwhile: Callable[[], object]) -> None:
        super().__init__(group.stores)
        self._meanwhile = meanwhile

    def fetch(self, store: Store, tips: Sequence[Tip], zones: Collection[str] = ()) -> None:
        """As Fellows has it."""
        super().fetch(store, tips, zones)
        self._meanwhile()


def test_a_restore_takes_nothing_from_another_one(three: Three) -> None:
    """While b asks, a restores the group, and a version is published in its new life."""
    group, second = three.group, three.moves(three.a.store, three.b, three.c)
    group.cluster.empty()

    def elsewhere() -> None:
        group.restore(three.a.store)
        three.first = second
        third = three.moves(three.a.store, text=C)
        group.put(group.roster(three.a.store).names.ref(MAIN), Tip(third, 3, "a").encode())

    before = life_of(three.b)
    with pytest.raises(Refused, match="somebody else restores the group"):
        restore(three.b, group.keys, Terms(group.ask, Interrupted(group, elsewhere), SYSTEM))
    assert life_of(three.b) == before
    assert group.roster(three.b).tips()[BRANCH].checkin == refs_of(three.a.store)[MAIN]
    group.join(three.b, "b")
    assert life_of(three.b) == life_of(three.a.store)


def test_a_restore_keeps_what_members_bring_forward_meanwhile(three: Three) -> None:
    """etcd was set back, and after b has asked, the group goes on in its life."""
    group, key = three.group, three.group.roster(three.b).names.ref(MAIN)
    backup, second = group.cluster.snapshot(), three.moves(three.a.store, three.b, three.c)
    group.put(key, Tip(second, 2, "a").encode())
    with three.b.writer() as writer:
        membership.begin_seen(writer, group.cluster.stand)
    group.cluster.set_back(backup)
    third, before = Tip(ArtifactId("ab" * 32), 3, "a"), group.values()
    terms = Terms(group.ask, Interrupted(group, lambda: group.put(key, third.encode())), SYSTEM)
    with pytest.raises(Refused, match="members have brought it forward"):
        restore(three.b, group.keys, terms)
    assert group.values() == {**before, key: third.encode()}


@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.LOST], ids=["dropped", "lost"])
@pytest.mark.parametrize("step", [0, 1, 2], ids=["claim", "lay", "open"])
def test_an_interrupted_restore_goes_on(three: Three, step: int, fault: Fault) -> None:
    three.group.cluster.empty()
    three.group.trouble = [*[None] * step, fault]
    with pytest.raises(Away):
        three.group.restore(three.b)
    if (step, fault) == (2, Fault.LOST):
        found = overview(three.b, three.group.keys)
        assert found is not None
        assert not found.why
    else:
        three.group.restore(three.b)
    three.group.join(three.c, "c")
    assert life_of(three.c) == life_of(three.b)
