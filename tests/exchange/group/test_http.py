"""Copies for fellows over HTTP, by real servers: who counts as a member, and who does not answer."""

import contextlib
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.group.members import Group, Member
from tests.live import PATIENCE_S, serving, within
from tests.publish.project import MAIN_BRANCH, NOW, zone_text
from xferzone.artifacts import CheckIn, FileCard
from xferzone.env import SYSTEM, Env
from xferzone.errors import Away
from xferzone.exchange.group import http
from xferzone.exchange.group.copying import FellowFile
from xferzone.exchange.group.http import HTTPFellows
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.publish import publish
from xferzone.refs import Door, LocalRefs, Move, Occasion, Ref, State
from xferzone.refs.consensus import Tip
from xferzone.refs.roster import Member as Registered
from xferzone.store import Store, schema

DEAD = "http://127.0.0.1:1/"


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


@contextlib.contextmanager
def fellows(
    group: Group, of: Member, copy_s: float = PATIENCE_S, **registered: Registered
) -> Iterator[HTTPFellows]:
    found = HTTPFellows(of.share, group.code, lambda: registered, copy_s=copy_s)
    try:
        yield found
    finally:
        found.close()


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """The URL of one that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def waiting() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("copies to ")]


def test_the_first_answers_count(group: Group) -> None:
    a, b, c = (group.member(name) for name in "abc")
    move = group.made(a, "192.0.2.2")
    with (
        serving(b.store.path, "serve") as at_b,
        serving(c.store.path, "serve") as at_c,
        deaf() as silent,
        fellows(
            group,
            a,
            a=a.registered(DEAD),
            b=b.registered(at_b.url()),
            c=c.registered(at_c.url()),
            d=Registered("d" * 32, silent),
            e=Registered("e" * 32, DEAD),
        ) as found,
    ):
        copied = found.copy(a.store, [move], [], 3)
        assert (copied.members, copied.reason, list(copied.beyond)) == (3, "", [])
        assert b.has(move.to.checkin)
        assert c.has(move.to.checkin)
        assert len(waiting()) <= 1  # for the one that is silent


def test_what_is_done_meanwhile_is_done_while_copies_travel(group: Group) -> None:
    a, b = (group.member(name) for name in "ab")
    move = group.made(a, "192.0.2.2")
    with (
        serving(b.store.path, "serve") as at_b,
        deaf() as silent,
        fellows(group, a, b=b.registered(at_b.url()), d=Registered("d" * 32, silent)) as found,
    ):
        has_come: list[bool] = []
        copied = found.copy(
            a.store,
            [move],
            [],
            2,
            lambda: has_come.append(within(PATIENCE_S, lambda: b.has(move.to.checkin))),
        )
        assert (copied.members, has_come) == (2, [True])


def test_nobody_waits_for_copies_once_what_is_done_meanwhile_has_failed(group: Group) -> None:
    a, b = (group.member(name) for name in "ab")
    move = group.made(a, "192.0.2.2")

    def fails() -> None:
        raise Away("no answer from etcd")

    with (
        deaf() as silent,
        fellows(group, a, 3600, b=b.registered(silent)) as found,
        pytest.raises(Away, match="no answer from etcd"),
    ):
        found.copy(a.store, [move], [], 2, fails)


def test_all_that_answer_say_where_their_refs_stand(group: Group) -> None:
    a, b, c = (group.member(name) for name in "abc")
    group.made(c, "192.0.2.2")
    with c.store.writer() as writer:
        writer.set_setting("role", schema.PRIMARY)
        publish(writer, LocalRefs(writer), Occasion(NOW, "", Door.PUSH))
        writer.set_setting("role", schema.MEMBER)
    text = zone_text("www 300 A 192.0.2.3", serial=9)
    files = (FileCard("example.com.zone", artifact_id(text)),)
    manifest = CheckIn("beside", NOW, "ann", files, (ArtifactId(a.refs()["example.com/main"]),)).encode()
    a.take([text, manifest])
    to = Ref(MAIN_BRANCH, artifact_id(manifest), 9, State.DEFERRED)
    with (
        serving(b.store.path, "serve") as at_b,
        serving(c.store.path, "serve") as at_c,
        fellows(
            group, a, b=b.registered(at_b.url()), c=c.registered(at_c.url()), e=Registered("e" * 32, DEAD)
        ) as found,
    ):
        ((branch, where),) = found.beyond(a.store, [Move(None, to, Occasion(NOW, "", Door.PUSH))]).items()
    assert branch == MAIN_BRANCH
    assert where == f"c has example.com/main at {c.refs()['example.com/main'][:16]}"


def test_who_is_silent_is_waited_for_for_a_moment_unless_that_is_known(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LOOK_S", 0.1)
    a = group.member("a")
    move = group.made(a, "192.0.2.2")
    with deaf() as silent:
        known = {"b": Registered("b" * 32, silent)}
        for unreached, threads in (({"b"}, 0), (set[str](), 1)):
            found = HTTPFellows(a.share, group.code, lambda: known, unreached=unreached.copy)
            assert found.beyond(a.store, [move]) == {}
            assert len(waiting()) == threads
            found.close()


def test_a_lone_copy_asks_nobody(group: Group) -> None:
    a = group.member("a")
    with fellows(group, a, b=Registered("b" * 32, DEAD)) as found:
        assert found.copy(a.store, [group.made(a, "192.0.2.2")], [], 1).members == 1
        assert waiting() == []


def test_who_does_not_answer_is_named_and_not_waited_for_longer(group: Group) -> None:
    a = group.member("a")
    move = group.made(a, "192.0.2.2")
    with (
        deaf() as silent,
        fellows(group, a, 0.3, b=Registered("b" * 32, silent), c=Registered("c" * 32, DEAD)) as found,
    ):
        copied = found.copy(a.store, [move], [], 2)
    assert copied.members == 1
    assert copied.reason == f"b: no answer in time; c: {DEAD} cannot be reached: Connection refused"


def test_without_fellows_that_is_the_reason(group: Group) -> None:
    a = group.member("a")
    with fellows(group, a, a=a.registered(DEAD)) as found:
        copied = found.copy(a.store, [group.made(a, "192.0.2.2")], [], 2)
    assert (copied.members, copied.reason) == (1, "no other member is there")


def test_a_silent_fellow_is_asked_by_so_many_threads_alone(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_ASKED", 2)
    a = group.member("a")
    move = group.made(a, "192.0.2.2")
    with deaf() as silent, fellows(group, a, 0.1, b=Registered("b" * 32, silent)) as found:
        reasons = [found.copy(a.store, [move], [], 2).reason for _ in range(4)]
    assert reasons == ["b: no answer in time"] * 2 + ["b: 2 requests wait for it already"] * 2


def test_one_member_by_two_urls_or_by_a_copy_of_its_file_counts_once(group: Group, tmp_path: Path) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    copy = tmp_path / "copy.xferzone"
    b.store.back_up(copy)
    with (
        serving(b.store.path, "serve") as at_b,
        serving(copy, "serve") as at_copy,
        fellows(
            group,
            a,
            b=b.registered(at_b.url()),
            c=Registered("c" * 32, at_b.url()),
            d=Registered("d" * 32, at_copy.url()),
        ) as found,
    ):
        copied = found.copy(a.store, [move], [], 3)
    assert copied.members == 2


def test_a_member_does_not_count_itself(group: Group, tmp_path: Path) -> None:
    a = group.member("a")
    move = group.made(a, "192.0.2.2")
    copy = tmp_path / "copy.xferzone"
    a.store.back_up(copy)
    with (
        serving(a.store.path, "serve") as at_a,
        serving(copy, "serve") as at_copy,
        fellows(
            group,
            a,
            a=a.registered(at_a.url()),
            b=Registered("b" * 32, at_a.url()),
            c=Registered("c" * 32, at_copy.url()),
        ) as found,
    ):
        copied = found.copy(a.store, [move], [], 2)
    assert copied.members == 1
    assert copied.reason == "; ".join(f"{name}: it is this member itself: is its URL right?" for name in "bc")


def test_a_member_in_another_life_than_is_registered_does_not_count(group: Group) -> None:
    a, b = group.member("a"), group.member("b", life="7" * 32)
    move = group.made(a, "192.0.2.2")
    with (
        serving(b.store.path, "serve") as at_b,
        fellows(group, a, b=Registered("8" * 32, at_b.url())) as found,
    ):
        copied = found.copy(a.store, [move], [], 2)
    assert copied.members == 1
    assert "b in another life than is registered" in copied.reason


def test_a_fellow_that_is_killed_right_after_its_answer_has_it(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    for number in range(2, 7):
        move = group.made(a, f"192.0.2.{number}")
        with contextlib.suppress(AssertionError), serving(b.store.path, "serve") as at_b:
            with fellows(group, a, b=b.registered(at_b.url())) as found:
                copied = found.copy(a.store, [move], [], 2)
            os.killpg(at_b.process.pid, signal.SIGKILL)
        assert copied.members == 2
        with Store.open(b.store.path) as again, again.reader() as reader:
            assert reader.has(move.to.checkin)
            assert reader.content(*reader.files(move.to.checkin).values())


def test_many_wishes_at_the_same_time_use_few_connections(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    found_all: list[int] = []
    with (
        serving(b.store.path, "serve") as at_b,
        fellows(group, a, b=b.registered(at_b.url())) as found,
    ):
        threads = [
            threading.Thread(target=lambda: found_all.append(found.copy(a.store, [move], [], 2).members))
            for _ in range(12)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(PATIENCE_S)
        assert found_all == [2] * 12
        assert within(PATIENCE_S, lambda: not waiting())
        assert found.copy(a.store, [move], [], 2).members == 2


def test_two_members_have_each_other_hold_copies_at_the_same_time(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    wishes = [(a, group.made(a, f"192.0.2.{number}")) for number in range(2, 6)]
    wishes += [(b, group.made(b, f"192.0.2.{number}")) for number in range(6, 10)]
    members: list[int] = []
    with serving(a.store.path, "serve") as at_a, serving(b.store.path, "serve") as at_b:
        known = {"a": a.registered(at_a.url()), "b": b.registered(at_b.url())}
        with (
            fellows(group, a, PATIENCE_S, **known) as of_a,
            fellows(group, b, PATIENCE_S, **known) as of_b,
        ):

            def wish(one: Member, move: Move) -> None:
                members.append((of_a if one is a else of_b).copy(one.store, [move], [], 2).members)

            threads = [threading.Thread(target=wish, args=each) for each in wishes]
            for each in threads:
                each.start()
            for each in threads:
                each.join(PATIENCE_S)
    assert members == [2] * len(wishes)
    assert a.artifacts() == b.artifacts()


def test_a_clock_that_is_off_is_measured_once(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    slow = Env(clock_ms=lambda: SYSTEM.clock_ms() - 3_600_000)
    with serving(b.store.path, "serve") as at_b:
        found = HTTPFellows(a.share, group.code, lambda: {"b": b.registered(at_b.url())}, slow)
        for _ in range(3):
            assert found.copy(a.store, [move], [], 2).members == 2
            assert within(PATIENCE_S, lambda: not waiting())
        found.close()
        assert at_b.told("kind=copies outcome=ok", 3)
        with urllib.request.urlopen(at_b.url(path="/metrics")) as page:
            text = page.read().decode()
    assert 'xferzone_walk_requests_total{kind="copies",outcome="refused"} 1' in text


def test_what_a_ref_names_comes_from_whoever_has_it(group: Group) -> None:
    a, b, c = (group.member(name) for name in "abc")
    move = group.made(c, "192.0.2.2")
    with (
        serving(b.store.path, "serve") as at_b,
        serving(c.store.path, "serve") as at_c,
        fellows(
            group,
            a,
            b=b.registered(at_b.url()),
            c=c.registered(at_c.url()),
            d=Registered("d" * 32, DEAD),
        ) as found,
    ):
        found.fetch(a.store, [Tip(move.to.checkin, 2, "d")])
        assert a.artifacts() == c.artifacts()
        assert a.refs() == b.refs()
        found.fetch(a.store, [Tip(move.to.checkin, 2, "b")])


def test_news_go_to_one_fellow(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    with (
        serving(b.store.path, "serve") as at_b,
        fellows(group, a, b=b.registered(at_b.url())) as found,
    ):
        cursor = found.push_new(a.store, "b", 0, FellowFile(b.share.life))
        assert found.push_new(a.store, "b", cursor, FellowFile(b.share.life)) == cursor
    assert b.has(move.to.checkin)


def test_a_server_logs_and_counts_copies(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    with (
        serving(b.store.path, "serve") as at_b,
        fellows(group, a, b=b.registered(at_b.url())) as found,
    ):
        found.copy(a.store, [group.made(a, "192.0.2.2")], [], 2)
        assert at_b.told("walk kind=copies outcome=ok status=200 user=a")
