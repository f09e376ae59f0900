"""The contract of the keys that a group shares, held by the model and by a real etcd."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import pytest

from tests.etcds import Running, heard, running
from tests.refs.model import Cluster, Door
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName
from xferzone.refs.consensus import MAX_MOVES, Lost, Rules, SharedRefs, Tip, Unknown, Wish, Won
from xferzone.refs.etcd import Etcd
from xferzone.refs.keys import MAX_COMPARES, MAX_SIZE, Changes, Compacted, Keys, Lapsed

QUIET_S = 0.3  # of a watch that has nothing to tell
_numbers = count(1)

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Subject:
    """An implementation, with a prefix that no other test has."""

    keys: Keys
    prefix: str
    compact: Callable[[int], object]

    def key(self, name: str) -> str:
        return self.prefix + name

    def put(self, **values: bytes | None) -> int:
        """Put without a condition; the revision."""
        return self.keys.transact(
            {}, {self.key(name): value for name, value in values.items()}
        ).stand.revision

    def values(self) -> dict[str, bytes]:
        """By names without the prefix."""
        return _short(self.keys.list(self.prefix).values, self.prefix)

    def told(self, begin: int, last: int) -> list[Changes]:
        """What a watch tells from one revision to another, which has changed something."""
        return heard(self.keys, self.prefix, begin, last)

    def told_in_vain(self, begin: int) -> list[Changes]:
        """What a watch tells that has nothing to tell."""
        return list(self.keys.watch(self.prefix, begin, QUIET_S))


def _short(values: Mapping[str, V], prefix: str) -> dict[str, V]:
    return {key.removeprefix(prefix): value for key, value in values.items()}


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.fixture(params=["model", pytest.param("etcd", marks=pytest.mark.interop)])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    prefix = f"test-{next(_numbers)}/"
    if request.param == "model":
        cluster = Cluster(lambda: 0.0)
        yield Subject(Door(cluster), prefix, cluster.compact)
        return
    etcd: Running = request.getfixturevalue("etcd")
    with closing(Etcd([etcd.url])) as keys:
        yield Subject(keys, prefix, lambda revision: etcd.ctl("compact", str(revision)))


def test_a_key_is_put_where_none_is(subject: Subject) -> None:
    a = subject.key("a")
    done = subject.keys.transact({a: None}, {a: b"1"})
    assert (done.succeeded, done.found) == (True, {})
    assert subject.values() == {"a": b"1"}


def test_whoever_comes_second_is_told_what_is_there_and_puts_nothing(subject: Subject) -> None:
    a, b, c = map(subject.key, "abc")
    before = subject.put(a=b"1")
    done = subject.keys.transact({a: None, b: None}, {a: b"2", b: b"2", c: b"2"})
    assert (done.succeeded, done.found, done.stand.revision) == (False, {a: b"1"}, before)
    assert subject.values() == {"a": b"1"}


@pytest.mark.parametrize("value", [b"", b"\0\xff\n", b"x" * 20_000], ids=["empty", "octets", "long"])
def test_values_are_compared_octet_by_octet(subject: Subject, value: bytes) -> None:
    a = subject.key("a")
    subject.put(a=value)
    assert not subject.keys.transact({a: value + b"x"}, {a: b"2"}).succeeded
    assert not subject.keys.transact({a: value[1:] or b"y"}, {a: b"2"}).succeeded
    assert subject.keys.transact({a: b"other"}, {}).found == {a: value}
    assert subject.keys.transact({a: value}, {a: b"2"}).succeeded


def test_an_empty_value_is_not_an_absent_one(subject: Subject) -> None:
    a = subject.key("a")
    assert not subject.keys.transact({a: b""}, {a: b"1"}).succeeded
    subject.put(a=b"")
    done = subject.keys.transact({a: None}, {a: b"1"})
    assert (done.succeeded, done.found) == (False, {a: b""})


def test_a_key_is_deleted_and_put_in_one_transaction(subject: Subject) -> None:
    a, b = map(subject.key, "ab")
    before = subject.put(a=b"1")
    done = subject.keys.transact({a: b"1"}, {a: None, b: b"2"})
    assert (done.succeeded, done.stand.revision) == (True, before + 1)
    assert subject.values() == {"b": b"2"}


def test_only_what_changes_something_is_a_revision(subject: Subject) -> None:
    a, b = map(subject.key, "ab")
    before = subject.put(a=b"1")
    assert subject.keys.transact({}, {b: None}).stand.revision == before
    assert subject.keys.transact({a: b"2"}, {a: b"3"}).stand.revision == before
    assert subject.keys.transact({a: b"1"}, {}).stand.revision == before
    assert subject.keys.list(subject.prefix).stand.revision == before
    assert subject.keys.transact({a: b"1"}, {a: b"1"}).stand.revision == before + 1


def test_a_transaction_of_the_largest_size_is_taken_and_a_larger_one_refused(subject: Subject) -> None:
    names = {subject.key(f"{number:03}"): None for number in range(MAX_COMPARES)}
    value = b"x" * (MAX_SIZE // MAX_COMPARES - 3 * len(max(names)))
    assert subject.keys.transact(names, dict.fromkeys(names, value)).succeeded
    found = subject.keys.transact(names, {}).found
    assert found == dict.fromkeys(names, value)
    more = names | {subject.key("more"): None}
    for expected, puts in ((more, {}), ({}, more), ({}, {subject.key("a"): b"x" * MAX_SIZE})):
        with pytest.raises(ValueError, match="over"):
            subject.keys.transact(expected, puts)
    for expected, puts in (({"": None}, {}), ({}, {"": b"1"})):
        with pytest.raises(ValueError, match="without a name"):
            subject.keys.transact(expected, puts)


def test_a_list_has_what_begins_with_the_prefix_and_nothing_else(subject: Subject) -> None:
    outside = subject.prefix[:-1]
    subject.keys.transact(
        {}, {outside: b"", f"{outside}.": b"", f"{outside}0": b"", subject.prefix: b"itself"}
    )
    subject.put(b=b"2", a=b"1", ü=b"3")
    listed = subject.keys.list(subject.prefix).values
    assert list(_short(listed, subject.prefix).items()) == [
        ("", b"itself"),
        ("a", b"1"),
        ("b", b"2"),
        ("ü", b"3"),
    ]
    assert subject.keys.list(f"{subject.prefix}none/").values == {}
    with pytest.raises(ValueError, match="empty prefix"):
        subject.keys.list("")


def test_all_answers_are_of_one_cluster(subject: Subject) -> None:
    revision = subject.put(a=b"1")
    stands = [
        subject.keys.transact({}, {}).stand,
        subject.keys.list(subject.prefix).stand,
        subject.told(revision, revision)[0].stand,
    ]
    assert stands == [stands[0]] * 3
    assert stands[0].revision == revision


def test_a_watch_tells_what_has_changed_since(subject: Subject) -> None:
    begin = subject.put(a=b"0")
    subject.put(a=b"1", b=b"1")
    subject.keys.transact({}, {f"{subject.prefix[:-1]}0": b"outside"})
    last = subject.put(a=b"2", b=None)
    first, *rest = subject.told(begin + 1, last)
    assert (first.stand.revision, first.values, first.told) == (last, {}, begin)
    merged: dict[str, bytes | None] = {}
    for each in rest:
        merged |= each.values
    assert _short(merged, subject.prefix) == {"a": b"2", "b": None}
    assert [each.told for each in rest] == sorted(each.told for each in rest)
    assert rest[-1].told == last


def test_a_watch_goes_on_from_what_it_has_told(subject: Subject) -> None:
    begin = subject.put(a=b"1")
    told = subject.told(begin, begin)[-1].told
    assert told == begin
    assert [each.values for each in subject.told_in_vain(told + 1)] == [{}]
    last = subject.put(a=b"2")
    assert [_short(each.values, subject.prefix) for each in subject.told(told + 1, last)] == [{}, {"a": b"2"}]


def test_a_watch_in_the_future_tells_where_the_keys_stand_and_no_more(subject: Subject) -> None:
    last = subject.put(a=b"1")
    (first,) = subject.told_in_vain(last + 100)
    assert (first.stand.revision, first.values) == (last, {})


def test_a_watch_of_what_is_no_longer_kept_says_so(subject: Subject) -> None:
    begin = subject.put(a=b"1")
    subject.put(a=b"2")
    last = subject.put(a=b"3")
    subject.compact(last)
    with pytest.raises(Compacted):
        subject.told_in_vain(begin)
    assert [each.values for each in subject.told_in_vain(last + 1)] == [{}]
    assert subject.values() == {"a": b"3"}


def test_a_watch_that_was_closed_tells_nothing_more(subject: Subject) -> None:
    begin = subject.put(a=b"1")
    subject.put(a=b"2")
    never = subject.keys.watch(subject.prefix, begin, 60)
    never.close()
    assert list(never) == []
    watch = subject.keys.watch(subject.prefix, begin, 60)
    next(watch)
    watch.close()
    watch.close()
    assert list(watch) == []


def test_a_watch_begins_at_a_revision(subject: Subject) -> None:
    with pytest.raises(ValueError, match="begins at revision 1"):
        subject.keys.watch(subject.prefix, 0, 1)


def test_the_keys_of_a_lease_go_with_it(subject: Subject) -> None:
    lease, other = subject.keys.grant(60), subject.keys.grant(60)
    assert lease != other
    a, b, c = map(subject.key, "abc")
    subject.keys.transact({}, {a: b"1", b: b"1"}, lease)
    begin = subject.keys.transact({}, {c: b"1"}, other).stand.revision
    assert subject.keys.keep(lease)
    subject.keys.revoke(lease)
    assert subject.values() == {"c": b"1"}
    *_, last = subject.told(begin + 1, begin + 1)
    assert (_short(last.values, subject.prefix), last.told) == ({"a": None, "b": None}, begin + 1)
    assert not subject.keys.keep(lease)
    assert subject.keys.keep(other)
    subject.keys.revoke(other)


def test_a_key_that_is_put_again_without_its_lease_stays(subject: Subject) -> None:
    lease, a = subject.keys.grant(60), subject.key("a")
    subject.keys.transact({}, {a: b"1"}, lease)
    subject.put(a=b"2")
    subject.keys.revoke(lease)
    assert subject.values() == {"a": b"2"}


def test_nothing_is_put_with_a_lease_that_has_ended(subject: Subject) -> None:
    lease, a, b = subject.keys.grant(60), subject.key("a"), subject.key("b")
    subject.keys.revoke(lease)
    subject.keys.revoke(lease)
    before = subject.put(b=b"1")
    with pytest.raises(Lapsed):
        subject.keys.transact({a: None, b: b"1"}, {a: b"1"}, lease)
    assert subject.values() == {"b": b"1"}
    assert subject.keys.list(subject.prefix).stand.revision == before
    # What was expected is looked at first, and what only deletes has no lease.
    assert subject.keys.transact({b: b"2"}, {a: b"1"}, lease).found == {b: b"1"}
    assert subject.keys.transact({}, {b: None}, lease).succeeded


def test_a_store_says_where_it_is(subject: Subject) -> None:
    assert subject.keys.name


B, C = BranchName("b.example", "main"), BranchName("c.example", "main")


def tip(number: int) -> Tip:
    return Tip(ArtifactId(f"{number:064x}"), number, "m")


@pytest.fixture
def refs(subject: Subject) -> SharedRefs:
    """Of a group, b.example/main at 1 in it."""
    shared = SharedRefs(subject.keys, subject.prefix, "life")
    subject.keys.transact({}, {subject.key("group"): Rules("life").encode(), shared.key(B): tip(1).encode()})
    return shared


def test_moves_that_are_proposed_together_are_made_at_one_revision(refs: SharedRefs) -> None:
    before = refs.all()[0].revision
    assert refs.propose([Wish(B, tip(1), tip(2)), Wish(C, None, tip(3))]) == Won()
    assert (refs.all()[0].revision, refs.all()[1]) == (before + 1, {B: tip(2), C: tip(3)})
    # What was won and not heard of is won, when it is proposed again.
    assert refs.propose([Wish(B, tip(1), tip(2)), Wish(C, None, tip(3))]) == Won()
    assert refs.all()[0].revision == before + 1


def test_of_moves_that_are_proposed_together_none_is_made_if_one_is_lost(refs: SharedRefs) -> None:
    assert refs.propose([Wish(C, None, tip(5))]) == Won()
    before = refs.all()
    assert refs.propose([Wish(B, tip(1), tip(2)), Wish(C, None, tip(3))]) == Lost({B: tip(1), C: tip(5)})
    assert refs.propose(
        [Wish(B, tip(1), tip(2)), Wish(C, tip(5), tip(6))], Rules("life", 2).encode()
    ) == Unknown("the group's rules have changed")
    assert refs.all() == before


def test_as_many_branches_as_may_move_together_are_one_transaction(refs: SharedRefs) -> None:
    many = [
        Wish(BranchName(f"{number}.{'x' * 60}.example", "b" * 250), None, tip(number))
        for number in range(101)
    ]
    with pytest.raises(ValueError, match="101 branches"):
        refs.propose(many)
    assert refs.propose(many[:MAX_MOVES]) == Won()
    assert refs.all()[1] == {B: tip(1)} | {each.branch: each.to for each in many[:MAX_MOVES]}
