"""When what a push brings is published: with its last request, in parts, or by a thread when nobody comes back."""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, serving, within
from tests.publish.project import NOW, zone_text
from tests.robust.site import ask, by_ops, made, workers
from tests.sync import rounds
from tests.sync.rounds import PROJECT, by
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.cards import Card, Cookie, File, Gimme, IGot, Message, Push, parse_cards
from xferzone.cards.body import UNCOMPRESSED
from xferzone.env import Env
from xferzone.exchange import Terms, answer, publishing
from xferzone.exchange.publishing import Later
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish import elsewhere
from xferzone.publish.publish import publish_part
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.store import Store, accounts, brought, pushes
from xferzone.store.brought import Bringer
from xferzone.sync.client.options import ANY_PEER
from xferzone.transport import Body

ENV = Env(clock_ms=lambda: NOW)
FIRST = zone_text("www 300 A 192.0.2.1")
SECOND = zone_text("www 300 A 192.0.2.2", serial=2)
INVALID = zone_text("www 300 CNAME a", "www 300 A 192.0.2.2")


def checkin(text: bytes, *parents: bytes, zone: str = "example.com") -> bytes:
    tags = (
        ()
        if parents
        else (Tag("*", "branch", None, f"{zone}/main"), Tag("*", f"sym-{zone}/main", None, None))
    )
    return CheckIn(
        comment="x",
        date_ms=1_700_000_000_000 + 1_000 * len(parents),
        user="ann",
        files=(FileCard(f"{zone}.zone", artifact_id(text)),),
        parents=tuple(map(artifact_id, parents)),
        tags=tags,
    ).encode()


ONE = checkin(FIRST)
TWO = checkin(SECOND, ONE)


def push(
    *contents: bytes,
    announced: Sequence[bytes] = (),
    login: str = "ann",
    rest: bytes = b"",
    peer: str = ANY_PEER,
) -> bytes:
    files = [File(artifact_id(content), content) for content in contents]
    return by(
        login, Push(peer, PROJECT), *files, *(IGot(artifact_id(content)) for content in announced), rest
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login in ("ann", "bob"):
                accounts.put_user(writer, login, "pw", "gi")
        yield store


def asked(store: Store, text: bytes, later: Later | None) -> list[Card]:
    reply = answer(store, Body(UNCOMPRESSED, BytesIO(text)), Terms(env=ENV, later=later))
    with reply.body:
        return list(parse_cards(reply.octets()))


def served(store: Store, zone: str = "example.com") -> ArtifactId | None:
    with store.reader() as reader:
        ref = LocalRefs(reader).get(BranchName(zone, "main"))
    return None if ref is None else ref.checkin


def moves(store: Store) -> list[tuple[str, str, Door]]:
    with store.reader() as reader:
        return [
            (each.branch.zone, each.occasion.login, each.occasion.door) for each in LocalRefs(reader).since(0)
        ]


@pytest.fixture
def later(store: Store) -> Iterator[Later]:
    later = Later(store.path, ENV)
    yield later
    later.close()


def test_what_a_push_brings_waits_while_its_sender_is_asked_for_more(store: Store, later: Later) -> None:
    cards = asked(store, push(FIRST, ONE, announced=[SECOND, TWO]), later)
    assert {card.artifact for card in cards if isinstance(card, Gimme)} == set(
        map(artifact_id, [SECOND, TWO])
    )
    assert served(store) is None
    asked(store, push(SECOND, TWO), later)
    assert served(store) == artifact_id(TWO)
    assert moves(store) == [("example.com", "ann", Door.PUSH)]


def cookie(cards: Iterable[Card]) -> bytes:
    """The one that the reply gives; empty: it gives none."""
    return b"".join(card.encode() for card in cards if isinstance(card, Cookie))


def messages(cards: Iterable[Card]) -> list[str]:
    return [card.text for card in cards if isinstance(card, Message)]


def test_pushes_of_one_login_are_told_apart_and_each_hears_what_another_decided_about_it(
    store: Store, later: Later
) -> None:
    """Though what lacked has come from him."""
    asked(store, push(FIRST, ONE), later)
    asked(store, push(SECOND, TWO, announced=[b"another\n"], login="bob"), later)
    begun: list[tuple[ArtifactId, bytes]] = []
    for number in (3, 4):
        text = zone_text(f"www 300 A 192.0.2.{number}", serial=number)
        loser = checkin(text, ONE)
        given = cookie(asked(store, push(text, loser, announced=[b"a file\n"]), later))
        begun.append((artifact_id(loser), given))
    asked(store, push(b"a file\n", b"another\n", login="bob"), later)
    assert served(store) == artifact_id(TWO)
    assert messages(asked(store, push(announced=[FIRST, ONE]), later)) == []  # in another clone
    assert messages(asked(store, push(login="bob", rest=begun[0][1]), later)) == []
    for loser_id, given in reversed(begun):
        (told,) = messages(asked(store, push(announced=[b"a file\n"], rest=given), later))
        assert f"check-in {loser_id[:16]} was moved to branch example.com/main-fork-" in told
        assert messages(asked(store, push(announced=[b"a file\n"], rest=given), later)) == []


def test_a_push_that_goes_on_is_told_of_all_that_it_has_brought(store: Store, later: Later) -> None:
    asked(store, push(FIRST, ONE), later)
    asked(store, push(SECOND, TWO, login="bob"), later)
    third = zone_text("www 300 A 192.0.2.3", serial=3)
    loser = checkin(third, ONE)
    given = cookie(asked(store, push(third, loser, announced=[b"a file\n", b"another\n"]), later))
    end = asked(store, push(b"a file\n", announced=[b"another\n"], rest=given), later)
    assert cookie(end) == b""  # it has one
    end = asked(store, push(b"another\n", rest=given), later)
    (told,) = messages(end)
    assert f"check-in {artifact_id(loser)[:16]} was moved to branch example.com/main-fork-" in told


def test_a_repository_that_has_not_heard_what_became_of_its_push_is_told_again(
    store: Store, later: Later
) -> None:
    asked(store, push(FIRST, ONE), later)
    asked(store, push(SECOND, TWO, login="bob"), later)
    third, fourth = (zone_text(f"www 300 A 192.0.2.{number}", serial=number) for number in (3, 4))
    here, there = "a1" * 20, "b2" * 20
    lost = asked(store, push(third, checkin(third, ONE), peer=here), later)
    (fork,) = messages(lost)
    assert "was moved to branch" in fork
    assert messages(asked(store, push(peer=there), later)) == []  # another clone of the same person
    assert messages(asked(store, push(login="bob", peer=here), later)) == []
    again = asked(store, push(fourth, checkin(fourth, ONE), peer=here), later)
    assert len(messages(again)) == 2
    assert fork in messages(again)
    old = asked(store, push(rest=cookie(lost), peer=here), later)
    assert {*messages(old)} == {*messages(again)}
    assert messages(asked(store, push(rest=cookie(old), peer=here), later)) == []
    assert messages(asked(store, push(peer=here), later)) == []
    with store.reader() as reader:
        assert reader.db.execute("SELECT count(*) FROM pushing").fetchone() == (0,)


@pytest.fixture(params=["ab" * 20, ANY_PEER], ids=["stock", "ours"])
def peer(request: pytest.FixtureRequest) -> str:
    """The server code of the repository that pushes."""
    return str(request.param)


def test_the_end_of_one_push_of_a_repository_is_not_that_of_another_with_the_same_cookie(
    store: Store, later: Later, peer: str
) -> None:
    asked(store, push(FIRST, ONE), later)
    third = zone_text("www 300 A 192.0.2.3", serial=3)
    given = cookie(asked(store, push(checkin(third, ONE), announced=[third, b"more\n"], peer=peer), later))
    given = cookie(asked(store, push(b"other\n", rest=given, peer=peer), later)) or given
    asked(store, push(SECOND, TWO, login="bob"), later)
    asked(store, push(third, login="bob"), later)
    told = asked(store, push(b"more\n", rest=given, peer=peer), later)
    assert "was moved to branch" in messages(told)[0]
    assert messages(asked(store, push(rest=cookie(told) or given, peer=peer), later)) == []


def test_a_push_goes_on_though_all_that_a_request_of_it_brings_has_just_come(
    store: Store, later: Later, peer: str
) -> None:
    asked(store, push(FIRST, ONE), later)
    third = zone_text("www 300 A 192.0.2.3", serial=3)
    rest = [third, b"one\n", b"two\n"]
    given = cookie(asked(store, push(checkin(third, ONE), announced=rest, peer=peer), later))
    asked(store, push(b"one\n", login="bob"), later)
    again = asked(store, push(b"one\n", announced=rest, rest=given, peer=peer), later)
    asked(store, push(SECOND, TWO, login="bob"), later)
    asked(store, push(third, login="bob"), later)
    told = asked(store, push(b"two\n", rest=cookie(again) or given, peer=peer), later)
    assert "was moved to branch" in messages(told)[0]


def test_whoever_heard_once_that_his_work_waits_hears_at_last_what_became_of_it(
    store: Store, later: Later, peer: str
) -> None:
    asked(store, push(FIRST, ONE), later)
    texts = [zone_text(f"www 300 A 192.0.2.{number}", serial=number) for number in (3, 4)]
    parent = checkin(texts[0], ONE)
    waits = checkin(texts[1], parent)
    said = asked(store, push(texts[1], waits, peer=peer), later)
    assert "1 check-in waits" in messages(said)[0]
    given = b""
    for _ in range(2):
        given = cookie(said) or given
        said = asked(store, push(rest=given, peer=peer), later)
        assert messages(said) == []
    given = cookie(said) or given
    asked(store, push(SECOND, TWO, login="bob"), later)
    asked(store, push(texts[0], parent, login="bob"), later)
    told = asked(store, push(rest=given, peer=peer), later)
    assert f"{artifact_id(waits)[:16]} was moved to branch" in messages(told)[0]
    assert messages(asked(store, push(rest=cookie(told) or given, peer=peer), later)) == []


def test_of_what_waits_on_a_fork_branch_nothing_more_is_told_until_it_is_settled(
    store: Store, later: Later, peer: str
) -> None:
    asked(store, push(FIRST, ONE), later)
    asked(store, push(SECOND, TWO, login="bob"), later)
    texts = [zone_text(f"www 300 A 192.0.2.{number}", serial=number) for number in (3, 4)]
    lost = checkin(texts[0], ONE)
    given = cookie(asked(store, push(texts[0], lost, peer=peer), later))
    waits = checkin(texts[1], lost, b"another parent, which has not come")
    said = asked(store, push(texts[1], waits, rest=given, peer=peer), later)
    assert "1 check-in waits" in messages(said)[0]
    given = cookie(said)
    for _ in range(2):
        said = asked(store, push(rest=given, peer=peer), later)
        assert messages(said) == []
        given = cookie(said) or given


def test_what_was_told_in_a_reply_that_was_lost_is_told_again_though_other_work_of_the_push_waits(
    store: Store, later: Later
) -> None:
    asked(store, push(FIRST, ONE), later)
    asked(store, push(SECOND, TWO, login="bob"), later)
    stock = "ab" * 20
    texts = [zone_text(f"www 300 A 192.0.2.{number}", serial=number) for number in (3, 4)]
    waits = checkin(texts[1], b"its parent, which has not come")
    told = messages(asked(store, push(texts[0], checkin(texts[0], ONE), texts[1], waits, peer=stock), later))
    assert len(told) == 2
    again = asked(store, push(peer=stock), later)
    assert sorted(messages(again)) == sorted(told)
    assert messages(asked(store, push(rest=cookie(again), peer=stock), later)) == []


def test_a_fork_that_a_fellow_has_named_is_told_before_it_was_looked_at_here(store: Store) -> None:
    asked(store, push(FIRST, ONE), None)
    with store.writer() as writer:
        begun = pushes.begin(writer, "ann", "", "t0")
        loser = writer.put(TWO)
        brought.note(writer, [loser], Bringer("ann", "push"), begun.number)
        fork = f"example.com/main-fork-{loser[:16]}"
        for place in (0, 4):
            writer.db.execute("UPDATE checkin SET branch = ?, place = ? WHERE place <> 1", (fork, place))
            assert [each.mark for each in elsewhere.news(writer, begun)] == [fork]
            assert pushes.first_left(writer, begun) is None
        writer.db.execute("UPDATE checkin SET branch = 'example.com/main' WHERE place <> 1")
        assert elsewhere.news(writer, begun) == []
        assert pushes.first_left(writer, begun) is not None


def test_a_push_of_one_request_gets_no_cookie_and_leaves_nothing(store: Store, later: Later) -> None:
    assert cookie(asked(store, push(FIRST, ONE), later)) == b""
    with store.reader() as reader:
        assert reader.db.execute("SELECT count(*) FROM pushing").fetchone() == (0,)


def test_of_pushes_that_never_end_a_thousand_of_a_login_are_remembered(store: Store) -> None:
    with store.writer() as writer:
        given = [pushes.begin(writer, "ann", "x", f"t{number}") for number in range(pushes.MAX_OPEN + 2)]
        other = pushes.begin(writer, "bob", "x", "t0")
        assert pushes.going_on(writer, "ann", ["t1"]) is None
        assert pushes.going_on(writer, "ann", ["", "t2"]) == given[2]
        assert pushes.going_on(writer, "bob", ["t0"]) == other
        assert pushes.going_on(writer, "bob", ["t2"]) is None


def test_without_anybody_who_publishes_later_each_request_publishes_what_it_brought(store: Store) -> None:
    asked(store, push(FIRST, ONE, announced=[SECOND, TWO]), None)
    assert served(store) == artifact_id(ONE)


@pytest.mark.parametrize(
    "text",
    [
        push(FIRST, ONE),
        push(announced=[TWO]),
        push(FIRST, ONE, announced=[ONE]),
        push(FIRST, ONE, announced=[TWO], rest=b"unknown\n"),
    ],
    ids=["nothing more announced", "nothing brought", "announced and here", "a bad card: stock ends there"],
)
def test_what_waits_is_published_when_the_sender_will_not_come_again(
    store: Store, later: Later, text: bytes
) -> None:
    with store.writer() as writer:
        for content in (FIRST, ONE):
            writer.put(content)
    asked(store, text, later)
    assert served(store) == artifact_id(ONE)


def test_what_nobody_comes_back_for_is_published_by_itself(
    store: Store, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "QUIET_S", 0.1)
    asked(store, push(FIRST, ONE, announced=[TWO]), later)
    assert within(PATIENCE_S, lambda: served(store) == artifact_id(ONE))
    assert moves(store) == [("example.com", "ann", Door.PUSH)]


def test_the_end_of_a_process_publishes_what_waits(store: Store, later: Later) -> None:
    asked(store, push(FIRST, ONE, announced=[TWO]), later)
    assert served(store) is None
    later.close()
    assert served(store) == artifact_id(ONE)


def test_a_move_is_its_pushers_whoever_publishes_it(store: Store, later: Later) -> None:
    other = checkin(FIRST, zone="example.net")
    asked(store, push(FIRST, ONE, announced=[TWO]), later)
    asked(store, push(other, login="bob"), later)
    assert sorted(moves(store), key=str) == [
        ("example.com", "ann", Door.PUSH),
        ("example.net", "bob", Door.PUSH),
    ]


def test_the_pusher_of_a_check_in_is_told_first_however_much_waits(store: Store, later: Later) -> None:
    """The clock goes on by an hour with each look: each transaction publishes one branch, each request one part."""
    hours = iter(range(0, 10**9, 3_600))
    impatient = Env(clock_ms=lambda: NOW, monotonic=lambda: float(next(hours)))
    waiting = [checkin(FIRST, zone=f"z{number}.example") for number in range(5)]
    asked(store, push(FIRST, *waiting, announced=[TWO]), later)
    text = push(INVALID, checkin(INVALID), login="bob")
    reply = answer(store, Body(UNCOMPRESSED, BytesIO(text)), Terms(env=impatient, later=later))
    with reply.body:
        told = [card.text for card in parse_cards(reply.octets()) if isinstance(card, Message)]
    assert ["is kept but not served" in text for text in told] == [True]
    assert moves(store) == []
    later.close()
    assert len(moves(store)) == 5


def test_parts_come_to_the_same_end(store: Store) -> None:
    zones = [f"z{number}.example" for number in range(4)]
    with store.writer() as writer:
        for content in (FIRST, *(checkin(FIRST, zone=zone) for zone in zones)):
            writer.put(content)
    occasion = Occasion(NOW, "ann", Door.PUSH)
    ends = []
    for _ in range(5):
        with store.writer() as writer:
            ends.append(publish_part(writer, LocalRefs(writer), occasion, lambda: True).is_all)
    assert ends == [False, False, False, True, True]
    assert {zone for zone, _, _ in moves(store)} == set(zones)


def line_of(count: int) -> list[bytes]:
    """The texts of a zone, and a line of check-ins of them."""
    hosts = [f"h{number} 300 A 192.0.2.{number}" for number in range(60)]
    texts = [zone_text(f"www 300 A 192.0.2.{number}", *hosts, serial=number + 1) for number in range(count)]
    line: list[bytes] = []
    for text in texts:
        line.append(checkin(text, *line[-1:]))
    return [*texts, *line]


def whole(store: Store) -> int:
    """How many large artifacts are kept whole."""
    with store.reader() as reader:
        (count,) = reader.db.execute(
            "SELECT count(*) FROM blob WHERE source IS NULL AND size > 1000"
        ).fetchone()
    return int(count)


@pytest.mark.parametrize("few", [2, 3])
def test_many_chains_are_turned_round_by_the_thread_few_by_the_request(
    store: Store, later: Later, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(publishing, "FEW", few)
    contents = line_of(3)
    asked(store, push(*contents[:4], announced=contents), later)
    assert whole(store) == 3  # it comes again
    asked(store, push(*contents[4:]), later)
    assert whole(store) == (1 if few == 3 else 3)
    later.close()
    assert whole(store) == 1


def test_a_worker_that_ends_tries_once_what_cannot_be_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    later = Later(tmp_path / "nothing.xferzone", ENV)
    later.soon()
    later.close()
    assert len(caplog.records) == 1


def test_a_worker_that_is_killed_leaves_what_waits_to_the_next(tmp_path: Path) -> None:
    repository = made(tmp_path / "z.xferzone")
    with serving(repository, "serve") as server, Store.open(repository) as store:
        (worker,) = workers(server)
        ask(
            server,
            by_ops(
                rounds.PUSH, *(File(artifact_id(each), each) for each in (FIRST, ONE)), IGot(artifact_id(TWO))
            ),
        )
        os.kill(worker, signal.SIGKILL)
        assert within(PATIENCE_S, lambda: served(store) == artifact_id(ONE))
        assert moves(store) == [("example.com", "ops", Door.PUSH)]
