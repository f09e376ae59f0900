"""What all members of a group serve of zones: a change goes to the keys, then here, and is kept for bad times."""

from pathlib import Path

import pytest

from tests.exchange.group.people import Group, share_of
from tests.publish.project import Project
from tests.publish.test_follow import A
from tests.refs.model import Fault
from xferzone.errors import Away, OnHold, Refused
from xferzone.exchange.group.serving import Serving
from xferzone.refs import serving
from xferzone.refs.serving import Rule
from xferzone.store import Store

STABLE = [Rule("example.com", "stable")]


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


@pytest.fixture
def made(group: Group) -> Project:
    made = group.project("a")
    made.push(made.manifest(A))
    group.join(made.store, "a")
    return made


def read(group: Group, store: Store) -> Serving:
    share = share_of(store)
    assert share is not None
    with store.reader() as reader:
        return Serving.read(store, group.keys, share, reader.project_code)


def known(store: Store) -> list[Rule] | None:
    with store.reader() as reader:
        found = serving.known(reader)
    return None if found is None else list(found)


def test_a_change_is_in_the_keys_and_here(group: Group, made: Project) -> None:
    assert read(group, made.store).rules is None
    assert known(made.store) is None
    read(group, made.store).put(STABLE)
    assert list(read(group, made.store).rules or ()) == known(made.store) == STABLE
    assert read(group, made.store).is_so(STABLE)
    assert not read(group, made.store).is_so([])


def test_nothing_is_written_over_what_was_not_shown(group: Group, made: Project) -> None:
    shown = read(group, made.store)
    read(group, made.store).put([Rule("*", "next")])
    with pytest.raises(Refused, match="look again"):
        shown.put(STABLE)
    assert known(made.store) == [Rule("*", "next")]


def test_no_answer_says_so_and_the_same_again_is_well(group: Group, made: Project) -> None:
    shown = read(group, made.store)
    group.trouble = [Fault.LOST]
    with pytest.raises(Away, match="whether the rules were changed is not known"):
        shown.put(STABLE)
    shown.put(STABLE)
    assert known(made.store) == STABLE


def test_whoever_joins_knows_the_rules_and_whoever_leaves_forgets_them(group: Group, made: Project) -> None:
    read(group, made.store).put(STABLE)
    copy = Store.open(group.copy("b", made))
    with copy.writer() as writer:
        writer.set_setting("role", "clone")
    group.join(copy, "b")
    assert known(copy) == STABLE
    group.leave(copy)
    with copy.reader() as reader:
        assert serving.value(reader) is None
    assert known(copy) is None


def test_keys_that_were_emptied_have_the_rules_again(group: Group, made: Project) -> None:
    read(group, made.store).put(STABLE)
    group.cluster.empty(None)
    with pytest.raises(OnHold):
        read(group, made.store)
    group.restore(made.store)
    assert list(read(group, made.store).rules or ()) == STABLE


def test_a_value_of_a_stranger_is_named(group: Group, made: Project) -> None:
    group.put(group.roster(made.store).names.serving, b"nonsense")
    with pytest.raises(OnHold, match="serving has a value that no member wrote"):
        read(group, made.store)
