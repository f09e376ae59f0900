"""Configuration cards: what is kept, which of two rows counts, accounts, and how much is taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.recorded import signed
from tests.sync.rounds import ask
from xferzone.cards import Card, Config, Error, Message, Pull, ReqConfig, encode_cards, parse_cards
from xferzone.cards.rows import Row
from xferzone.env import SYSTEM
from xferzone.store import Store, accounts, configuration, schema, shunned
from xferzone.store.check import faults
from xferzone.sync import configuration as areas
from xferzone.sync.configuration import ALL, AREAS, Taking, cards

PROJECT = "d" * 40
USERS = {"nobody": "", "rose": "o", "carl": "oe", "adam": "a", "eve": "s"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login, caps in USERS.items():
                accounts.put_user(writer, login, None if login == "nobody" else "pw", caps)
        yield store


def said(store: Store, login: str, *asked: Card) -> list[Card]:
    """The reply to cards of an account."""
    return list(parse_cards(ask(store, signed(login, "pw", encode_cards(list(asked)), PROJECT)).text))


def rows(store: Store, login: str, area: str = "/all") -> list[bytes]:
    told = said(store, login, ReqConfig(area))
    return [card.payload for card in told if isinstance(card, Config) and b"hash-policy" not in card.payload]


def setting(mtime: int, value: bytes, name: bytes = b"project-name") -> Config:
    return Config("/config", b"%d '%s' value %s" % (mtime, name, value))


def soon() -> int:
    """Seconds since 1970, later than any change that a test has made here, and not too late."""
    return SYSTEM.clock_ms() // 1000 + 3_600


def test_the_newer_row_counts_and_of_two_as_old_the_first(store: Store) -> None:
    for mtime, value in ((5, b"'a'"), (5, b"'b'"), (4, b"'c'"), (6, b"'d'"), (5, b"'e'")):
        assert said(store, "adam", setting(mtime, value)) == []
    assert rows(store, "rose") == [b"6 'project-name' value 'd'"]


def test_what_is_dated_over_a_day_ahead_is_left_out_and_its_name_told(store: Store) -> None:
    """It would stand until that day comes: in the year 9999."""
    end = 253_402_300_799
    (told,) = said(store, "adam", setting(end, b"'x'"), setting(soon(), b"'/x'", b"walias:/y"))
    assert isinstance(told, Message)
    assert "/config 'project-name' is left out: it is dated over a day ahead" in told.text
    (user,) = said(store, "eve", Config("/user", b"%d 'rose' cap 's'" % end))
    assert isinstance(user, Message)
    assert "/user 'rose' is left out" in user.text
    (kept,) = rows(store, "rose")
    assert kept.endswith(b" 'walias:/y' value '/x'")
    with store.reader() as reader:
        assert accounts.letters(reader, "rose") == {"o"}


def test_what_an_earlier_release_has_kept_of_the_year_9999_can_be_replaced(store: Store) -> None:
    end = 253_402_300_799
    with store.writer() as writer:
        configuration.put(writer, Row("config", "project-name", end, {"value": b"'x'"}))
        accounts.put_stored(writer, accounts.User("rose", "", "s"), end)
    assert said(store, "adam", setting(5, b"'y'")) == []
    assert said(store, "eve", Config("/user", b"6 'rose' cap ''")) == []
    assert rows(store, "adam", "/project") == [b"5 'project-name' value 'y'"]
    with store.reader() as reader:
        assert accounts.letters(reader, "rose") == frozenset()


def test_what_is_pushed_is_there_for_what_is_asked_behind_it(store: Store) -> None:
    told = said(
        store,
        "adam",
        ReqConfig("/alias"),
        setting(5, b"'/x'", b"walias:/y"),
        ReqConfig("/al"),
        ReqConfig("/all"),
    )
    assert told.count(setting(5, b"'/x'", b"walias:/y")) == 1


def test_of_many_accounts_that_cannot_be_here_some_are_told(store: Store) -> None:
    """A user table of a web site may be full of them; each was compared with each, again for each."""
    told = said(store, "eve", *(Config("/user", b"5 'user %d' cap 'o'" % number) for number in range(60)))
    assert [each for each in told if not isinstance(each, Message)] == []
    assert len(told) == areas.MAX_TOLD


@pytest.mark.parametrize(
    "name", ["tcl", "tcl-setup", "th1-setup", "th1-docs", "project-code", "main-branch", "x"]
)
def test_a_setting_that_is_not_carried_is_passed_over(store: Store, name: str) -> None:
    assert said(store, "eve", setting(5, b"'x'", name.encode())) == []
    assert rows(store, "eve", "/skin") == []


#: Who gets a row of which table; setup gets all, as do readers of what is not here.
GIVEN = {
    "/user": ("eve",),
    "/subscriber": ("adam", "eve"),
    "/concealed": ("carl", "adam", "eve"),
    "/shun": ("rose", "carl", "adam", "eve"),
    "/reportfmt": ("rose", "carl", "adam", "eve"),
}


@pytest.mark.parametrize("table", GIVEN)
def test_who_gets_a_row(store: Store, table: str) -> None:
    key = b"7" * 64 if table == "/shun" else b"adam"
    with store.writer() as writer:
        taking = Taking(writer, ALL, with_accounts=True, now_ms=SYSTEM.clock_ms())
        taking.take(Config(table, b"5 '%s'" % key))
        if table == "/shun":
            shunned.add(writer, list(taking.shun), 5_000, "")
    for login in USERS:
        told = [] if login == "nobody" else said(store, login, ReqConfig("/all"))
        got = [card for card in told if isinstance(card, Config) and card.table == table]
        assert bool(got) == (login in GIVEN[table]), login


@pytest.mark.parametrize("login", ["rose", "carl"])
def test_who_may_not_push_is_told_and_nothing_is_kept(store: Store, login: str) -> None:
    assert said(store, login, setting(5, b"'x'")) == [Error("not authorized to push configuration")]
    assert rows(store, "eve", "/project") == []


def test_a_mirror_takes_none(store: Store) -> None:
    with store.writer() as writer:
        writer.set_setting("role", schema.MIRROR)
    (error,) = said(store, "eve", setting(5, b"'x'"))
    assert isinstance(error, Error)
    assert error.text.startswith("not authorized to push configuration: this mirror takes no pushes")


def test_accounts_come_by_setup_without_a_password_and_keep_their_own(store: Store) -> None:
    later = soon()
    bob = Config("/user", b"%d 'bob' pw '%s' cap 'gi-o' info 'Bob' photo x'00'" % (later, b"a" * 40))
    rose = Config("/user", b"%d 'rose' pw '%s' cap 'io'" % (later, b"b" * 40))
    (refused,) = said(store, "adam", bob)
    assert isinstance(refused, Message)
    with store.reader() as reader:
        assert accounts.user(reader, "bob") is None
        before = accounts.user(reader, "rose")
    assert said(store, "eve", bob, rose) == []
    with store.reader() as reader:
        found, after = accounts.user(reader, "bob"), accounts.user(reader, "rose")
    assert found == accounts.User("bob", "", "gio")
    assert before is not None
    assert after == accounts.User("rose", before.secret, "io")
    told = rows(store, "eve", "/user")
    assert b"%d 'bob' cap 'gio' info 'Bob' photo X'00' jx '{}'" % later in told
    assert not any(b" pw " in row for row in told)


@pytest.mark.parametrize("login", [b"nobody", b"anonymous", b"reader", b"developer"])
def test_what_everybody_may_is_not_changed_by_a_list(store: Store, login: bytes) -> None:
    (told,) = said(store, "eve", Config("/user", b"%d '%s' cap 'gjorz'" % (soon(), login)))
    assert isinstance(told, Message)
    assert "left as it is" in told.text
    with store.reader() as reader:
        assert {each.login: each.caps for each in accounts.users(reader)} == USERS


def test_an_older_list_of_accounts_does_not_undo_a_change_here(store: Store) -> None:
    with store.writer() as writer:
        rose = accounts.user(writer, "rose")
        assert rose is not None
        accounts.set_caps(writer, rose, "")
        now = accounts.changed_at(writer, "rose")
    assert now > 1_700_000_000
    said(store, "eve", Config("/user", b"%d 'rose' cap 's'" % now))
    with store.reader() as reader:
        assert accounts.letters(reader, "rose") == frozenset()


def test_a_password_that_is_set_does_not_make_an_account_newer(store: Store) -> None:
    with store.writer() as writer:
        accounts.put_stored(writer, accounts.User("rose", "c" * 40, "o"), 7)
        accounts.put_user(writer, "rose", "another", "o")
        assert accounts.changed_at(writer, "rose") == 7


@pytest.mark.parametrize("login", [b"a b", b"a\nb", b"", b"x" * 101, b"invite:" + b"a" * 64])
def test_a_name_that_no_account_can_have_is_left_out(store: Store, login: bytes) -> None:
    with store.reader() as reader:
        before = accounts.users(reader)
    said(store, "eve", Config("/user", b"5 '%s' cap 's'" % login))
    with store.reader() as reader:
        assert accounts.users(reader) == before


def test_a_member_of_a_group_leaves_accounts_out(store: Store) -> None:
    with store.writer() as writer:
        writer.set_setting("role", schema.MEMBER)
    (told,) = said(store, "eve", Config("/user", b"%d 'bob' cap 's'" % soon()))
    assert isinstance(told, Message)
    with store.reader() as reader:
        assert accounts.user(reader, "bob") is None


def test_rows_and_bytes_have_bounds_and_what_is_over_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(areas, "MAX_ROWS", 2)
    many = [setting(5, b"'x'", b"walias:/%d" % number) for number in range(4)]
    (told,) = said(store, "eve", *many)
    assert isinstance(told, Message)
    assert "walias:/2 first" in told.text
    assert len(rows(store, "rose")) == 2
    assert said(store, "eve", setting(6, b"'y'", b"walias:/1")) == [], "one that is there may change"
    monkeypatch.setattr(areas, "MAX_ALL", 40)
    (told,) = said(store, "eve", setting(7, b"'%s'" % (b"y" * 60), b"walias:/1"))
    assert isinstance(told, Message)


def test_who_only_asks_needs_no_writer(store: Store) -> None:
    with store.writer():  # would wait for this one
        assert said(store, "adam", Pull("x", PROJECT), ReqConfig("/all"))[-1:] == [
            Config("/config", b"1 'hash-policy' value '2'")
        ]


def test_every_area_is_sent_as_it_came(store: Store) -> None:
    came = [
        Config("/reportfmt", b"5 'Late' owner 'o' cols 'c' sqlcode 'SELECT 1' jx '{}'"),
        Config("/concealed", b"5 'h' content 'a@b'"),
        Config("/subscriber", b"5 'a@b' suname NULL sdigest 'D' sdonotcall 0 ssub 'ac' sctime 8 smip 'i'"),
        *(setting(5, b"'x'", name.encode()) for name in areas.SETTINGS if name != areas.POLICY),
        setting(5, b"'x'", b"walias:/a"),
        setting(5, b"'x'", b"interwiki:a"),
    ]
    with store.writer() as writer:
        taking = Taking(writer, ALL, with_accounts=True, now_ms=SYSTEM.clock_ms())
        for card in came:
            taking.take(card)
        assert taking.count == len(came)
        told = [
            card
            for card in cards(writer, ALL, with_accounts=True)
            if card.table != "/user" and b"hash-policy" not in card.payload
        ]
        assert sorted(told, key=repr) == sorted(came, key=repr)
        parts = [
            card
            for name, each in AREAS.items()
            if name not in ("all", "css")
            for card in cards(writer, each, with_accounts=True)
        ]
        assert set(parts) == set(cards(writer, ALL, with_accounts=True))
        assert configuration.size(writer).rows == len(came)
        assert [each for each in faults.faults(writer) if "project-code" not in each] == []
