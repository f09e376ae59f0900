"""Accounts that all members of a group share: a change is made in the keys, then here, and other members hear of it."""

from pathlib import Path

import pytest

from tests.exchange.group.people import Group, share_of
from tests.publish.project import Project
from tests.publish.test_follow import A
from tests.refs.model import Fault
from xferzone.cards.session import shared_secret
from xferzone.errors import Away, Denied, Exists, NotReady, OnHold
from xferzone.exchange.group.accounts import TRIES, apply, change, renewed
from xferzone.exchange.owners import Owners
from xferzone.refs.consensus import SharedRefs
from xferzone.store import Store, accounts, schema
from xferzone.store.accounts import User

SECRET = "0" * 40
TOKEN = "a" * 32


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


@pytest.fixture
def members(group: Group) -> tuple[Store, Store]:
    made = group.project("a")
    made.push(made.manifest(A))
    copy = Store.open(group.copy("b", made))
    with copy.writer() as writer:
        writer.set_setting("role", schema.CLONE)
    group.join(made.store, "a")
    group.join(copy, "b")
    return made.store, copy


def user(store: Store, login: str) -> User | None:
    with store.reader() as reader:
        return accounts.user(reader, login)


def put(group: Group, store: Store, login: str, wanted: User | None) -> User | None:
    before, after = change(store, login, lambda known, project: wanted, group.keys)
    assert after == wanted
    return before


def hear(group: Group, store: Store) -> list[str]:
    roster = group.roster(store)
    return apply(store, roster.values, roster.names)


def test_an_account_made_at_one_member_works_at_the_other(group: Group, members: tuple[Store, Store]) -> None:
    bob = User("bob", SECRET, "go")
    assert put(group, members[0], "bob", bob) is None
    assert user(members[0], "bob") == bob
    assert hear(group, members[1]) == ["bob"]
    assert user(members[1], "bob") == bob
    assert hear(group, members[1]) == []


def test_a_removed_account_goes_everywhere_and_stays_away(group: Group, members: tuple[Store, Store]) -> None:
    bob = User("bob", SECRET, "go")
    put(group, members[0], "bob", bob)
    hear(group, members[1])
    assert put(group, members[1], "bob", None) == bob
    assert hear(group, members[0]) == ["bob"]
    assert user(members[0], "bob") is None
    assert group.roster(members[0]).accounts["bob"].gone
    put(group, members[0], "bob", bob)
    hear(group, members[1])
    assert user(members[1], "bob") == bob


def test_nothing_is_removed_because_no_key_tells_of_it(group: Group, members: tuple[Store, Store]) -> None:
    roster = group.roster(members[0])
    assert apply(members[0], {}, roster.names) == []
    assert apply(members[0], {roster.names.account("ops"): None}, roster.names) == []
    assert user(members[0], "ops") is not None


def test_a_change_is_made_of_what_the_keys_say(group: Group, members: tuple[Store, Store]) -> None:
    put(group, members[0], "bob", User("bob", SECRET, "go"))
    seen: list[User | None] = []

    def widened(known: User | None, project: str) -> User | None:
        seen.append(known)
        return User("bob", SECRET, "s")

    change(members[1], "bob", widened, group.keys)  # which has not heard of it
    assert seen == [User("bob", SECRET, "go")]


def test_whoever_is_overtaken_looks_again(group: Group, members: tuple[Store, Store]) -> None:
    put(group, members[0], "bob", User("bob", SECRET, "g"))

    def overtaken() -> None:
        group.meanwhile = lambda: put(group, members[0], "bob", User("bob", SECRET, "go"))

    def added(known: User | None, project: str) -> User | None:
        assert known is not None
        if known.caps == "g":
            overtaken()
        return User("bob", known.secret, known.caps + "i")

    change(members[1], "bob", added, group.keys)
    assert user(members[1], "bob") == User("bob", SECRET, "goi")


def test_without_etcd_nothing_is_changed(group: Group, members: tuple[Store, Store]) -> None:
    group.trouble = [Fault.DROPPED]
    with pytest.raises(Away, match="account bob was not changed"):
        put(group, members[0], "bob", User("bob", SECRET, "go"))
    assert user(members[0], "bob") is None


@pytest.mark.parametrize(
    "fault", [Fault.DROPPED, Fault.LOST, Fault.LATE], ids=lambda fault: fault.name.lower()
)
def test_what_was_not_answered_is_tried_again(
    group: Group, members: tuple[Store, Store], fault: Fault
) -> None:
    bob = User("bob", SECRET, "go")
    group.trouble = [None, None, fault]  # the rules, the account, the change
    put(group, members[0], "bob", bob)
    while group.cluster.travelling:
        group.cluster.deliver()
    assert user(members[0], "bob") == bob
    assert group.roster(members[0]).accounts["bob"].caps == "go"


def test_where_no_answer_comes_it_is_said_that_the_change_may_have_been_made(
    group: Group, members: tuple[Store, Store]
) -> None:
    group.trouble = [None, None, Fault.LATE, *[Fault.DROPPED] * TRIES]
    with pytest.raises(Away, match="whether account bob was changed is not known"):
        put(group, members[0], "bob", User("bob", SECRET, "go"))
    assert user(members[0], "bob") is None
    group.trouble = []
    group.cluster.deliver()
    assert hear(group, members[0]) == ["bob"]


@pytest.mark.parametrize(
    "value", [b"[]", b'{"caps":"a b"}', b'{"secret":"x"}', b'{"gone":1}', b"\xff"], ids=repr
)
def test_a_value_that_no_member_wrote_is_named(
    group: Group, members: tuple[Store, Store], value: bytes
) -> None:
    names = group.roster(members[0]).names
    with pytest.raises(OnHold, match="account/bob has a value that no member wrote"):
        apply(members[0], {names.account("bob"): value}, names)


def test_without_a_group_an_account_is_changed_here(tmp_path: Path) -> None:
    store = Project(tmp_path).store
    bob = User("bob", SECRET, "go")
    assert change(store, "bob", lambda known, project: bob, None) == (None, bob)
    assert change(store, "bob", lambda known, project: None, None) == (bob, None)
    assert user(store, "bob") is None


BOB = User("bob", SECRET, "go")


def removed_by_one(group: Group, members: tuple[Store, Store]) -> None:
    """bob is made at both, and removed at the first; the second has not heard of that."""
    put(group, members[0], "bob", BOB)
    hear(group, members[1])
    put(group, members[0], "bob", None)


def test_a_removed_account_stays_away_in_a_group_that_was_restored(
    group: Group, members: tuple[Store, Store]
) -> None:
    removed_by_one(group, members)
    group.cluster.empty("2")
    group.restore(members[0])
    assert group.roster(members[0]).accounts["bob"].gone
    assert user(members[1], "bob") == BOB
    group.join(members[1], "b")
    assert user(members[1], "bob") is None


def test_whoever_alone_knows_of_a_removal_tells_a_group_that_was_restored(
    group: Group, members: tuple[Store, Store]
) -> None:
    removed_by_one(group, members)
    group.cluster.empty("2")
    group.restore(members[1])
    assert not group.roster(members[0]).accounts["bob"].gone
    group.join(members[0], "a")
    assert user(members[0], "bob") is None
    assert renew(group, members[0]) == ["bob"]
    assert hear(group, members[1]) == ["bob"]
    assert user(members[1], "bob") is None


def test_an_account_that_the_restored_group_does_not_know_is_not_removed_by_that(
    group: Group, members: tuple[Store, Store]
) -> None:
    put(group, members[1], "bob", BOB)
    group.cluster.empty("2")
    group.restore(members[0])
    assert group.join(members[1], "b").dropped == ()
    assert user(members[1], "bob") == BOB
    assert renew(group, members[1]) == ["bob"]
    assert renew(group, members[1]) == []
    assert hear(group, members[0]) == ["bob"]


def test_keys_that_were_set_back_undo_no_change_of_an_account(
    group: Group, members: tuple[Store, Store]
) -> None:
    put(group, members[0], "bob", BOB)
    put(group, members[0], "eve", User("eve", SECRET, "g"))
    backup = group.cluster.snapshot()
    put(group, members[0], "bob", None)
    put(group, members[0], "eve", User("eve", SECRET, "gi"))
    group.cluster.set_back(backup)
    assert hear(group, members[0]) == []
    assert renew(group, members[0]) == ["bob", "eve"]
    assert hear(group, members[1]) == ["eve"]  # of bob it never heard
    assert user(members[1], "eve") == User("eve", SECRET, "gi")


def test_a_change_is_made_of_what_is_known_here_if_that_is_later(
    group: Group, members: tuple[Store, Store]
) -> None:
    put(group, members[0], "bob", User("bob", SECRET, "g"))
    backup = group.cluster.snapshot()
    put(group, members[0], "bob", BOB)
    group.cluster.set_back(backup)
    assert put(group, members[0], "bob", User("bob", SECRET, "i")) == BOB
    assert hear(group, members[1]) == ["bob"]


def test_a_key_that_was_restored_knows_of_later_changes_than_whoever_restores(
    group: Group, members: tuple[Store, Store]
) -> None:
    put(group, members[0], "bob", BOB)
    names = group.roster(members[0]).names
    group.put(names.group, None)
    group.restore(members[1])
    assert group.roster(members[1]).accounts["bob"].caps == "go"
    group.join(members[0], "a")
    assert user(members[0], "bob") == BOB


def test_a_group_that_begins_anew_has_no_accounts_of_the_one_that_ended(
    group: Group, members: tuple[Store, Store]
) -> None:
    put(group, members[0], "bob", BOB)
    group.leave(members[1])
    group.leave(members[0])
    put_here(members[0], "bob", None)
    group.join(members[0], "a")
    told = group.roster(members[0]).accounts["bob"]
    assert (told.gone, told.version) == (True, 0), "it was removed, and is counted anew"


def renew(group: Group, store: Store) -> list[str]:
    share, roster = share_of(store), group.roster(store)
    assert share is not None
    return renewed(store, SharedRefs(group.keys, roster.space, share.group), roster)


def put_here(store: Store, login: str, wanted: User | None) -> None:
    change(store, login, lambda known, project: wanted, None)


def invited(group: Group, store: Store) -> str:
    """The login of an invitation for TOKEN, which that member has made."""
    login = accounts.invited_by(TOKEN)
    put(group, store, login, User(login, "", "gop", ("example.com",)))
    return login


def test_an_invitation_is_valid_at_all_members_and_used_once(
    group: Group, members: tuple[Store, Store]
) -> None:
    login = invited(group, members[0])
    assert hear(group, members[1]) == [login]
    bob = Owners(members[1], group.keys).accept(TOKEN, "bob", "pw")
    assert user(members[1], "bob") == bob
    with pytest.raises(Denied, match="no such invitation"):
        Owners(members[0], group.keys).accept(TOKEN, "carl", "pw")  # which has not heard of it
    assert hear(group, members[0]) == ["bob", login]
    assert (user(members[0], "bob"), user(members[0], login)) == (bob, None)
    assert user(members[0], "carl") is None


def test_two_who_come_at_once_do_not_both_get_in(group: Group, members: tuple[Store, Store]) -> None:
    invited(group, members[0])
    hear(group, members[1])

    def overtaking() -> None:
        Owners(members[0], group.keys).accept(TOKEN, "carl", "pw")

    def after(count: int) -> None:
        group.meanwhile = overtaking if count == 0 else lambda: after(count - 1)

    after(2)  # the rules, what the keys say, the change
    with pytest.raises(Denied, match="no such invitation"):
        Owners(members[1], group.keys).accept(TOKEN, "bob", "pw")
    assert set(group.roster(members[0]).accounts) >= {"carl"}
    assert "bob" not in group.roster(members[0]).accounts


@pytest.mark.parametrize(
    "fault", [Fault.DROPPED, Fault.LOST, Fault.LATE], ids=lambda fault: fault.name.lower()
)
def test_whoever_is_not_answered_gets_in_all_the_same(
    group: Group, members: tuple[Store, Store], fault: Fault
) -> None:
    login = invited(group, members[0])
    group.trouble = [None, None, fault]  # the rules, the accounts, the change
    bob = Owners(members[0], group.keys).accept(TOKEN, "bob", "pw")
    while group.cluster.travelling:
        group.cluster.deliver()
    assert (user(members[0], "bob"), user(members[0], login)) == (bob, None)
    assert group.roster(members[0]).accounts[login].gone
    group.trouble = [None, None, fault]
    changed = Owners(members[0], group.keys).change_password("bob", "pw", "other")
    assert user(members[0], "bob") == changed != bob


def test_a_password_is_changed_as_the_keys_have_it(group: Group, members: tuple[Store, Store]) -> None:
    with members[0].reader() as reader:
        bob = User("bob", shared_secret(reader.project_code, "bob", "pw"), "gop")
    put(group, members[0], "bob", bob)
    hear(group, members[1])
    Owners(members[0], group.keys).change_password("bob", "pw", "other")
    with pytest.raises(Denied, match="the password is wrong"):
        Owners(members[1], group.keys).change_password("bob", "pw", "third")  # which has not heard of it
    assert hear(group, members[1]) == ["bob"]
    assert user(members[1], "bob") == user(members[0], "bob")


def test_a_member_that_cannot_ask_the_keys_changes_no_account(
    group: Group, members: tuple[Store, Store]
) -> None:
    invited(group, members[0])
    with pytest.raises(NotReady, match="accounts of a group are not changed by this server"):
        Owners(members[0]).accept(TOKEN, "bob", "pw")


def test_the_login_of_a_removed_account_is_free_at_no_member(
    group: Group, members: tuple[Store, Store]
) -> None:
    put(group, members[0], "bob", User("bob", SECRET, "go"))
    put(group, members[0], "bob", None)
    invited(group, members[1])
    with pytest.raises(Exists, match="was somebody's before"):
        Owners(members[1], group.keys).accept(TOKEN, "bob", "pw")  # which has not heard of it yet
    hear(group, members[1])
    with members[1].reader() as reader:
        assert accounts.removed(reader) == ["bob"]
    assert Owners(members[1], group.keys).accept(TOKEN, "carl", "pw").login == "carl"


def test_what_was_removed_before_there_was_a_group_is_told_to_members_that_join(group: Group) -> None:
    made = group.project("a")
    made.push(made.manifest(A))
    with made.store.writer() as writer:
        bob = User("bob", SECRET, "go")
        accounts.put_stored(writer, bob)
        accounts.remove_user(writer, bob)
    group.join(made.store, "a")
    copy = Store.open(group.copy("b", made))
    with copy.writer() as writer:
        writer.remove_setting("removed:bob")
        writer.set_setting("role", schema.CLONE)
    group.join(copy, "b")
    hear(group, copy)
    with copy.reader() as reader:
        assert accounts.was_removed(reader, "bob")
    invited(group, copy)
    with pytest.raises(Exists):
        Owners(copy, group.keys).accept(TOKEN, "bob", "pw")
