"""Unversioned files between members: who may exchange them, and what an exchange comes to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.group.members import Group, Member
from tests.exchange.group.test_program import STEP_S, Site
from tests.replicate.peer import Answer, ask
from tests.replicate.test_copies import TERMS, token
from xferzone.cards import Pragma, UVFile, UVGimme, encode_cards
from xferzone.cards.session import shared_secret
from xferzone.env import SYSTEM
from xferzone.errors import Denied, NotFound
from xferzone.exchange.group import files
from xferzone.exchange.group.fellow import PULL_S
from xferzone.hashing import artifact_id
from xferzone.replicate.messages import FILES_TYPE
from xferzone.replicate.server import MAX_REQUEST
from xferzone.replicate.signing import Signer, body_hash
from xferzone.repository import tables as changes
from xferzone.store import Store, accounts, tables, unversioned
from xferzone.tables.definition import Definition, made

TARGET = "/v0/unversioned"
ONE, TWO = b"one\n", b"two\n"
OTHERS = encode_cards([Pragma("uv-hash", ("0" * 40,))])


def brought(name: str, content: bytes) -> bytes:
    return encode_cards([UVFile(name, 5, artifact_id(content), len(content), payload=content)])


def send(member: Member, octets: bytes, authorization: str, content_type: str = FILES_TYPE) -> Answer:
    own = {
        "content_type": content_type,
        "x_content_sha256": body_hash(octets),
        "authorization": authorization,
    }
    return ask(member.store, "POST", TARGET, octets, TERMS, **own)


def content(store: Store, name: str) -> bytes | None:
    with store.reader() as reader:
        try:
            return unversioned.content(reader, name)
        except NotFound:
            return None


def put(store: Store, name: str, octets: bytes | None, now_s: int = 1_000) -> None:
    with store.writer() as writer:
        unversioned.put_own(writer, name, octets, now_s)


# -- one request


def test_a_fellow_brings_and_gets_files(group: Group, member: Member) -> None:
    octets = brought("a", ONE)
    answer = send(member, octets, token(group, octets, target=TARGET))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["x-content-sha256"] == body_hash(b"")
    assert content(member.store, "a") == ONE
    answer = send(member, OTHERS, token(group, OTHERS, target=TARGET))
    assert answer.body.startswith(b"pragma uv-push-ok\nuvigot a 5 ")
    octets = encode_cards([UVGimme("a")])
    assert send(member, octets, token(group, octets, target=TARGET)).body == brought("a", ONE)


def test_nobody_else_does(group: Group, member: Member) -> None:
    octets = brought("a", ONE)
    with member.store.writer() as writer:
        accounts.put_user(writer, "ann", "secret", "sy")
        accounts.put_user(writer, "nobody", None, "oy")
    account = Signer("ann", shared_secret(group.code, "ann", "secret"))
    assert send(member, octets, token(group, octets, account, target=TARGET)).status == 403
    assert send(member, octets, "").status == 401
    assert send(member, octets, token(group, OTHERS, target=TARGET)).status == 401
    alone = ask(group.project.store, "POST", TARGET, octets, TERMS, content_type=FILES_TYPE)
    assert alone.status == 409
    assert content(member.store, "a") is None


def test_what_is_not_taken(group: Group, member: Member) -> None:
    large = brought("large", bytes(MAX_REQUEST + 1))  # one file may go beyond the bound of other requests
    assert send(member, large, token(group, large, target=TARGET)).status == 200
    many = b"uvgimme a\n" * 20_000
    assert send(member, many, token(group, many, target=TARGET)).status == 400
    octets = brought("a", ONE)
    signed = token(group, octets, target=TARGET)
    assert send(member, octets, signed, "application/json").status == 415


# -- an exchange


def test_an_exchange_leaves_both_with_the_newest(group: Group, member: Member) -> None:
    with group.member("a").store as own:
        put(own, "new", ONE)
        put(own, "both", ONE, 1_000)
        put(member.store, "both", TWO, 2_000)
        put(member.store, "theirs", TWO)
        put(own, "gone", ONE, 1_000)
        put(member.store, "gone", ONE, 1_000)
        put(member.store, "gone", None, 3_000)
        one = Member(own, group.member("a", file="again").share)
        files.exchange(own, group.talk(one, member).client, group.talk(one, member).env)
        expected = {"new": ONE, "both": TWO, "theirs": TWO, "gone": None}
        for store in (own, member.store):
            assert {name: content(store, name) for name in expected} == expected


def test_a_fellow_that_refuses_is_an_error(group: Group, member: Member) -> None:
    with group.member("a").store as own:
        one = Member(own, group.member("a", file="again").share)
        put(own, "a", ONE)
        wrong = Signer("a", "6" * 64, is_member=True)
        with pytest.raises(Denied):
            files.exchange(own, group.talk(one, member, signer=wrong).client, group.talk(one, member).env)


# -- synced tables

PAIRS = made("pairs", (("k", "text"), ("v", "integer")), ("k",), "mtime-wins")
OWNED = made("owned", (("k", "text"), ("v", "integer")), ("k",), "owner-write")


def write(store: Store, definition: Definition, login: str, key: str, value: int) -> None:
    with store.writer() as writer:
        tables.define(writer, definition, 5)
        changes.put(writer, definition.name, {"k": key, "v": value}, login, SYSTEM.clock_ms())


def rows(store: Store, name: str) -> dict[object, tuple[object, str]]:
    with store.reader() as reader:
        if tables.table(reader, name) is None:
            return {}
        definition = tables.needed(reader, name).definition
        return {values["k"]: (values["v"], row.owner) for row, values in tables.rows(reader, definition)}


def test_rows_go_both_ways_and_members_say_whose_they_are(group: Group, member: Member) -> None:
    with group.member("a").store as own:
        write(own, PAIRS, "ann", "a", 2**70)
        write(member.store, PAIRS, "bob", "b", 2)
        write(member.store, OWNED, "bob", "x", 3)
        one = Member(own, group.member("a", file="again").share)
        for _ in range(2):
            files.exchange(own, group.talk(one, member).client, group.talk(one, member).env)
        for store in (own, member.store):
            assert rows(store, "pairs") == {"a": (2**70, "ann"), "b": (2, "bob")}
            assert rows(store, "owned") == {"x": (3, "bob")}


# -- the group program


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for each in made.running:
        each.program.close()
    made.deciding.close()


def contents(site: Site, name: str) -> list[bytes | None]:
    return [content(each.decider.store, name) for each in site.running]


def test_what_comes_to_one_member_is_soon_at_all(site: Site) -> None:
    a, b, c = (each.decider.store for each in site.running)
    put(a, "f", ONE)
    site.turns(3)
    assert contents(site, "f") == [ONE] * 3
    put(b, "f", TWO, 2_000)
    site.turns(3)
    assert contents(site, "f") == [TWO] * 3
    put(c, "f", None, 3_000)
    site.turns(3)
    assert contents(site, "f") == [None] * 3


def test_rows_that_come_to_one_member_are_soon_at_all(site: Site) -> None:
    a, b, c = (each.decider.store for each in site.running)
    write(a, PAIRS, "ann", "a", 1)
    site.turns(3)
    write(c, PAIRS, "bob", "b", 2)
    site.turns(3)
    assert [rows(store, "pairs") for store in (a, b, c)] == [{"a": (1, "ann"), "b": (2, "bob")}] * 3


def test_members_take_a_newer_definition_and_the_log_counts_the_rows_that_go(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    a, b, c = (each.decider.store for each in site.running)
    write(a, PAIRS, "ann", "a", 1)
    site.turns(3)
    narrow = made("pairs", (("k", "text"),), ("k",), "mtime-wins")
    with c.writer() as writer:
        tables.define(writer, narrow, SYSTEM.clock_ms())  # as a member does that has not heard of the row
    site.turns(3)
    for store in (a, b, c):
        with store.reader() as reader:
            assert (tables.needed(reader, "pairs").definition, tables.needed(reader, "pairs").rows) == (
                narrow,
                0,
            )
    told = "table pairs has a newer definition: 1 row of it does not fit it and is gone from this end"
    assert sum(told in each.getMessage() for each in caplog.records) == 2


def test_a_member_that_was_away_gets_and_gives_what_is_newer(site: Site) -> None:
    a, _, c = (each.decider.store for each in site.running)
    site.running[2].is_stopped = True
    put(a, "f", ONE)
    put(c, "own", TWO)
    site.turns(3)
    assert contents(site, "f") == [ONE, ONE, None]
    site.running[2].is_stopped = False
    site.turns(int(PULL_S / STEP_S) + 5)
    assert contents(site, "f") == [ONE] * 3
    assert contents(site, "own") == [TWO] * 3
