"""What each card does, who may send it, what it costs, and that no request breaks the server."""

import contextlib
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sync.rounds import PROJECT, PULL, PUSH, ask, body, by, cards
from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.cards import (
    Card,
    CFile,
    Clone,
    CloneSeqno,
    Config,
    Cookie,
    Error,
    File,
    Gimme,
    IGot,
    Message,
    Pragma,
    Pull,
    Push,
    ReqConfig,
    UVFile,
    UVGimme,
    UVIGot,
    encode_cards,
)
from xferzone.cards.body import pack, unpack
from xferzone.cards.extension import WholeWanted
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import BranchName, Door, LocalRefs, Move, Occasion, Ref, State
from xferzone.store import Reader, Store, accounts, clusters
from xferzone.sync.server import kinds, round, sending
from xferzone.sync.server.budget import Budget
from xferzone.sync.server.login import Rights, may_write
from xferzone.sync.server.request import Request
from xferzone.sync.server.round import Round
from xferzone.sync.server.strays import MAX_UNKNOWN
from xferzone.sync.server.terms import Terms

USERS = {
    "nobody": "",
    "anonymous": "",
    "reader1": "go",
    "writer1": "gi",
    "cloner": "g",
    "secret": "gix",
    "admin": "s",
}

CLUSTERS = Pragma("req-clusters")
CLOSING = Control(date_ms=0, tags=(Tag("+", "closed", artifact_id(b"one\n"), None),), user="w")
POLICY = Config("/config", b"1 'hash-policy' value '2'")
ONE, TWO = b"one\n", b"two\n"
#: A control artifact, which `no_tags` refuses.
EVIL = Control(date_ms=0, tags=(Tag("+", "closed", artifact_id(ONE), None),), user="w").encode()
LONG = b"".join(b"line %d of a text that is long enough\n" % number for number in range(40))
LONGER = LONG.replace(b"line 20 ", b"LINE TWENTY ")
CLONED = [
    (Clone(3, 1), True),
    (Clone(4, 1), True),
    (Clone(2, 1), False),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A repository with some users, and two artifacts."""
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login, caps in USERS.items():
                accounts.put_user(writer, login, "pw", caps)
            writer.put(ONE)
            writer.put(TWO)
        yield store


def no_tags(parsed: object) -> str | None:
    return "no such thing here" if isinstance(parsed, Control) else None


def file(content: bytes, name: ArtifactId | None = None) -> File:
    return File(name or artifact_id(content), content)


def change(before: bytes, after: bytes) -> File:
    made = delta.create(before, after)
    assert made is not None
    return File(artifact_id(after), made, artifact_id(before))


def here(store: Store) -> set[bytes]:
    with store.reader() as reader:
        return {reader.content(artifact) for artifact in reader.artifacts()}


def name(number: int) -> ArtifactId:
    return artifact_id(b"missing %d" % number)


HELD = [IGot(artifact_id(ONE)), IGot(artifact_id(TWO))]
X = name(0)

# Sender, request, reply: one fact a row.
FACTS: list[tuple[str, list[bytes | Card], list[Card]]] = [
    # Nothing asked.
    ("reader1", [], []),
    ("reader1", [b"# only a comment\n", Pragma("client-version", ("22100", "20230226", "192424"))], []),
    ("reader1", [Cookie("abc"), Pragma("unheard-of", ("a", "b")), b"\n"], []),
    ("reader1", [ReqConfig("/all"), ReqConfig("/all")], [POLICY]),
    ("reader1", [ReqConfig("/project")], [POLICY]),
    ("reader1", [ReqConfig("/proj")], [POLICY]),
    ("reader1", [ReqConfig("/skin"), ReqConfig("/user")], []),
    ("reader1", [ReqConfig("/s"), ReqConfig("/nosuch"), ReqConfig("project-name")], []),
    ("cloner", [ReqConfig("/skin"), ReqConfig("/all")], []),
    ("nobody", [ReqConfig("/all")], []),
    # Pull.
    ("reader1", [PULL], [*HELD]),
    ("reader1", [PULL, Gimme(artifact_id(TWO))], [file(TWO), HELD[0]]),
    ("reader1", [PULL, Gimme(artifact_id(TWO)), Gimme(artifact_id(TWO))], [file(TWO), HELD[0]]),
    ("reader1", [PULL, Gimme(X)], [*HELD]),
    ("reader1", [Gimme(artifact_id(TWO))], []),
    ("reader1", [PULL, Pragma("send-catalog")], [*reversed(HELD)]),
    ("reader1", [Pragma("send-catalog"), PULL], [*reversed(HELD)]),
    ("nobody", [PULL], [Error("not authorized to read")]),
    ("cloner", [PULL, Gimme(artifact_id(ONE))], [Error("not authorized to read")]),
    ("cloner", [Pragma("send-catalog")], []),
    ("reader1", [Pull("x", "f" * 40)], [Error("wrong project")]),
    ("reader1", [Pull("x", PROJECT.upper())], [Error("wrong project")]),
    ("reader1", [PULL, HELD[0]], [*HELD]),  # an igot counts only with a push
    # Push.
    ("writer1", [PUSH, file(b"new\n")], []),
    ("writer1", [PUSH, HELD[0], IGot(X)], [Gimme(X)]),
    ("writer1", [PUSH, IGot(X), Gimme(X)], []),
    ("writer1", [PUSH, IGot(X), PULL], [Gimme(X), *HELD]),
    ("writer1", [PUSH, PULL, HELD[0]], [HELD[1]]),
    ("writer1", [PUSH, PULL, file(b"new\n")], [*HELD]),
    ("writer1", [IGot(X)], []),
    ("writer1", [file(b"new\n")], [Error("not authorized to write")]),
    ("writer1", [PULL, file(b"new\n")], [Error("not authorized to write")]),
    ("reader1", [PUSH], [Error("not authorized to write")]),
    ("reader1", [PUSH, PULL], [Error("not authorized to write"), *HELD]),
    ("reader1", [PULL, PUSH], [Message("pull only - not authorized to push"), *HELD]),
    ("reader1", [PULL, PUSH, file(b"new\n")], [Error("not authorized to write")]),
    ("reader1", [PULL, PUSH, HELD[0], IGot(X)], [Message("pull only - not authorized to push"), *HELD]),
    ("writer1", [Push("x", "f" * 40), file(b"new\n")], [Error("wrong project")]),
    # Clone.
    ("nobody", [Clone(3, 1)], [Push("SERVER", PROJECT), Error("not authorized to clone")]),
    ("reader1", [Clone(3, 99)], [CloneSeqno(0), Push("SERVER", PROJECT)]),
    ("cloner", [Clone()], [Push("SERVER", PROJECT), *reversed(HELD)]),
    ("cloner", [Clone(1, 1)], [Push("SERVER", PROJECT), *reversed(HELD)]),
    ("cloner", [Clone(), Gimme(artifact_id(ONE))], [Push("SERVER", PROJECT), file(ONE), HELD[1]]),
    # What is not kept here.
    ("reader1", [Pragma("send-private"), PULL], [*HELD, Error("not authorized to sync private content")]),
    ("secret", [Pragma("send-private"), PULL], [*HELD]),
    ("writer1", [PUSH, IGot(X, True)], [Error("not authorized to sync private content")]),
    ("secret", [PUSH, IGot(X, True)], [Gimme(X)]),
    ("reader1", [Pragma("uv-hash", ("da39a3ee5e6b4b0d3255bfef95601890afd80709",))], []),
    ("nobody", [Pragma("uv-hash", ("0" * 40,))], []),
    (
        "reader1",
        [Pragma("uv-hash", ("0" * 40,))],
        [Pragma("uv-pull-only")],
    ),
    ("reader1", [UVGimme("a.txt"), UVFile("a.txt", 1, artifact_id(ONE), 4, 0, ONE)], []),
    (
        "writer1",
        [Config("/config", b"1 'a' value 'b'"), PULL],
        [Error("not authorized to push configuration")],
    ),
    (
        "admin",
        [Config("/config", b"1 'a' value 'b'"), PULL],
        [*HELD],
    ),
    ("writer1", [PULL, Pragma("ci-lock", ("a" * 40, "b" * 40))], [Pragma("avoid-delta-manifests"), *HELD]),
    ("reader1", [PULL, Pragma("ci-lock", ("a" * 40, "b" * 40))], [*HELD]),
    ("writer1", [PULL, Pragma("ci-lock", ("a", "b" * 40))], [*HELD]),
    ("writer1", [Pragma("ci-unlock", ("b" * 40,))], []),
    # What is no card: what was said before is dropped, the rest still counts.
    ("reader1", [b"xyzzy a b\n", PULL], [Error("bad command: xyzzy a b\n"), *HELD]),
    ("reader1", [PULL, Clone(3, 99), b"xyzzy"], [Error("bad command: xyzzy"), *HELD]),
    ("reader1", [PULL, b"gimme %s more\n" % X.encode()], [Error(f"bad command: gimme {X} more\n"), *HELD]),
    ("reader1", [b"pragma\n"], [Error("bad command: pragma\n")]),
    ("reader1", [b"pull x zz\n"], [Error("bad command: pull x zz\n")]),
    ("reader1", [UVIGot("a.txt", 1, None, 0)], [Error("bad command: uvigot a.txt 1 - 0\n")]),
    ("reader1", [CloneSeqno(4)], [Error("bad command: clone_seqno 4\n")]),
    ("reader1", [Message("hi you")], [Error("bad command: message hi\\syou\n")]),
    ("reader1", [Error("no")], [Error("bad command: error no\n")]),
    ("reader1", [b"\xff\\ q\n"], [Error("bad command: \udcff\\ q\n")]),
    ("writer1", [PUSH, b"file zz 3\nabc"], [Error("malformed file line: b'zz' is not an artifact id")]),
    (
        "writer1",
        [PUSH, IGot(X), b"config /c x\n"],
        [Error("malformed config line: b'x' is not a number up to 2147483647")],
    ),
]


@pytest.mark.parametrize(("login", "asked", "said"), FACTS)
def test_what_a_card_does(store: Store, login: str, asked: list[bytes | Card], said: list[Card]) -> None:
    reply = ask(store, by(login, *asked) if login != "nobody" else body(*asked))
    # The server's code is random, and so is its place here.
    found = [Push("SERVER", card.project_code) if isinstance(card, Push) else card for card in cards(reply)]
    assert found == said
    assert (reply.outcome == "ok") == (not any(isinstance(card, Error) for card in said))
    assert reply.login == login


@pytest.mark.parametrize("login", ["nobody", "reader1", "cloner"])
def test_without_the_right_nothing_is_stored(store: Store, login: str) -> None:
    before = here(store)
    starts: list[list[bytes | Card]] = [[PUSH], [PULL, PUSH], [b"xyzzy\n", PUSH], []]
    for start in starts:
        ask(
            store,
            by(login, *start, file(b"new\n"), IGot(X)) if login != "nobody" else body(*start, file(b"new\n")),
        )
    assert here(store) == before
    with store.reader() as reader:
        assert reader.phantoms(10) == []


def _clustered(store: Store, count: int) -> set[ArtifactId]:
    """Store so many texts in clusters of clusters; returns the clusters."""
    with store.writer() as writer:
        before = set(writer.artifacts())
        texts = {writer.put(b"text %d of some\n" % number * 5) for number in range(count)}
        tags = {writer.put(replace(CLOSING, date_ms=number).encode()) for number in range(150)}
        writer.make_clusters()
        for number in range(150):
            texts.add(writer.put(b"more %d\n" % number))
        writer.make_clusters()
        return set(writer.artifacts()) - before - texts - tags


def test_clusters_are_announced_to_who_asks_for_them(store: Store) -> None:
    """As by stock since 2.26: also those that other clusters name, which a pull alone does not announce."""
    made = _clustered(store, 900)
    assert len(made) == 3
    told = {card.artifact for card in cards(ask(store, by("reader1", PULL))) if isinstance(card, IGot)}
    assert len(told & made) == 1
    ways: list[list[bytes | Card]] = [[PULL, CLUSTERS], [CLUSTERS, PULL], [PULL, CLUSTERS, CLUSTERS]]
    for asked in ways:
        reply = ask(store, by("reader1", *asked))
        named = [card.artifact for card in cards(reply) if isinstance(card, IGot)]
        assert set(named) == told | made
        assert len(named) == len(set(named))
        assert reply.text.count(b"# sending-clusters\n") == reply.text.count(b"# end-of-clusters\n") == 1
    has_all: list[bytes | Card] = [PULL, CLUSTERS, PUSH, *map(IGot, made)]
    assert not made & {
        card.artifact for card in cards(ask(store, by("writer1", *has_all))) if isinstance(card, IGot)
    }
    assert cards(ask(store, by("cloner", CLUSTERS))) == []
    alone = cards(ask(store, by("reader1", CLUSTERS)))
    assert {card.artifact for card in alone if isinstance(card, IGot)} == made


def test_rows_are_looked_at_for_clusters_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _clustered(store, 900)
    monkeypatch.setattr(clusters, "_QUERY", clusters._QUERY.replace(str(clusters.MAX_LOOKED), "50"))
    looked: list[ArtifactId] = []
    is_cluster = clusters._is_cluster

    def counted(reader: Reader, artifact: ArtifactId) -> bool:
        looked.append(artifact)
        return is_cluster(reader, artifact)

    monkeypatch.setattr(clusters, "_is_cluster", counted)
    found: set[ArtifactId] = set()
    for _ in range(40):
        with store.reader() as reader:
            found = set(clusters.clusters(reader))
    assert found == made
    assert len(looked) == len(set(looked)) < 900  # texts that compress well are not read
    with store.writer() as writer:
        more = writer.put(Cluster((artifact_id(ONE), artifact_id(TWO))).encode())
        assert more in clusters.clusters(writer)
    with store.reader() as reader:
        assert set(clusters.clusters(reader)) == made | {more}
    with contextlib.suppress(ZeroDivisionError), store.writer() as writer:
        gone = writer.put(Cluster((name(5),)).encode())
        assert gone in clusters.clusters(writer)
        raise ZeroDivisionError
    with store.reader() as reader:
        assert set(clusters.clusters(reader)) == made | {more}


def test_a_login_card_that_comes_late_ends_the_round(store: Store) -> None:
    assert cards(ask(store, PULL + by("reader1", PULL))) == [Error("not authorized to read")]
    assert cards(ask(store, by("reader1", PULL) + b"")) == HELD
    late = by("writer1", PUSH, file(b"new\n"))
    assert cards(ask(store, Pragma("a").encode() + late)) == [Error("a login card must be the first")]
    assert b"new\n" not in here(store)


def test_pushed_artifacts_are_kept_whatever_form_they_came_in(store: Store) -> None:
    sha1 = ArtifactId("a9993e364706816aba3e25717850c26c9cd0d89d")  # of "abc"
    asked: list[bytes | Card] = [
        PUSH,
        file(LONG),
        change(LONG, LONGER),
        CFile(artifact_id(b"three\n"), 6, pack(b"three\n")),
        CFile(artifact_id(LONG[::-1]), 9, pack(delta.create(LONG, LONG[::-1]) or b""), artifact_id(LONG)),
        File(sha1, b"abc"),
        file(b""),
    ]
    reply = ask(store, by("writer1", *asked))
    assert (cards(reply), reply.received) == ([], 6)
    assert here(store) == {ONE, TWO, LONG, LONGER, b"three\n", LONG[::-1], b"abc", b""}
    again = ask(store, by("writer1", *asked))
    assert (cards(again), again.received) == ([], 0)


def test_a_delta_may_come_before_its_source(store: Store) -> None:
    assert cards(ask(store, by("writer1", PUSH, change(LONG, LONGER)))) == [Gimme(artifact_id(LONG))]
    assert LONGER not in here(store)
    assert cards(ask(store, by("writer1", PUSH, PULL, file(LONG), *HELD))) == [IGot(artifact_id(LONGER))]
    assert {LONG, LONGER} <= here(store)


def test_what_a_check_in_names_is_asked_for(store: Store) -> None:
    checkin = CheckIn(
        comment="c",
        date_ms=1_700_000_000_000,
        user="u",
        files=(FileCard("a", X),),
        parents=(name(1),),
        tags=(),
    )
    reply = ask(store, by("writer1", PUSH, file(checkin.encode())))
    assert {card.artifact for card in cards(reply) if isinstance(card, Gimme)} == {X, name(1)}


@pytest.mark.parametrize(
    ("cards_", "reason"),
    [
        ([file(b"new\n", X)], f"wrong hash on received artifact {X}"),
        ([CFile(X, 4, pack(b"new\n"))], f"wrong hash on received artifact {X}"),
        ([CFile(X, 4, b"\0\0\0\4rubbish")], "came damaged"),
        ([CFile(X, 4, b"")], "came damaged"),
        ([File(X, b"rubbish", artifact_id(ONE))], f"bad delta for artifact {X}"),
        ([File(X, delta.create(ONE, b"new\n") or b"", artifact_id(ONE))], "wrong hash"),
        ([file(LONG), File(X, b"1\n2@0,0;", artifact_id(LONG))], "bad delta"),
        ([File(X, delta.create(LONG, LONGER) or b"", artifact_id(ONE))], "bad delta"),
    ],
)
def test_a_bad_artifact_is_named_and_nothing_of_its_request_is_kept(
    store: Store, cards_: list[Card], reason: str
) -> None:
    before = here(store)
    with pytest.raises(PeerError, match=reason):
        ask(store, by("writer1", PUSH, file(b"good\n"), *cards_, IGot(name(7))))
    assert here(store) == before
    with store.reader() as reader:
        assert reader.phantoms(10) == []


def test_what_came_before_a_malformed_file_line_is_kept(store: Store) -> None:
    reply = ask(store, by("writer1", PUSH, file(b"good\n"), b"file %s x\n" % X.encode(), file(b"lost\n")))
    assert [type(card) for card in cards(reply)] == [Error]
    assert here(store) == {ONE, TWO, b"good\n"}


def test_too_many_names_in_one_request_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round, "MAX_NAMED", 3)
    names = [IGot(name(number)) for number in range(4)]
    assert len(cards(ask(store, by("writer1", PUSH, *names[:3])))) == 3
    with pytest.raises(PeerError, match="over 3 artifacts announced"):
        ask(store, by("writer1", PUSH, *names))
    with pytest.raises(PeerError, match="over 3 artifacts asked for"):
        ask(store, by("writer1", PULL, *(Gimme(card.artifact) for card in names)))


def test_at_most_500_are_asked_for_in_a_reply_and_those_that_the_client_has_come_first(store: Store) -> None:
    missing = [IGot(name(number)) for number in range(700)]
    asked = cards(ask(store, by("writer1", PUSH, *missing)))
    assert asked == [Gimme(card.artifact) for card in missing[:500]]
    latest = IGot(name(10_000))
    assert cards(ask(store, by("writer1", PUSH, latest)))[0] == Gimme(latest.artifact)
    # The bound holds for what is remembered too; the client announces the rest again.
    with store.reader() as reader:
        assert len(reader.phantoms(100_000)) == 701


def test_an_artifact_that_is_over_the_budget_is_announced_instead(store: Store) -> None:
    wanted = [Gimme(artifact_id(ONE)), Gimme(artifact_id(TWO))]
    assert cards(ask(store, by("reader1", PULL, *wanted), Budget(bytes=1))) == [file(ONE), HELD[1]]
    assert cards(ask(store, by("reader1", PULL, *wanted), Budget(bytes=10_000))) == [file(ONE), file(TWO)]
    late = Budget(seconds=0)
    assert cards(ask(store, by("reader1", PULL, *wanted, Gimme(X)), late)) == HELD


def test_where_no_artifact_may_overshoot_only_the_first_goes_beyond_the_budget(store: Store) -> None:
    request = by("reader1", PULL, Gimme(artifact_id(ONE)), Gimme(artifact_id(TWO)))
    assert cards(ask(store, request, Budget(bytes=200))) == [file(ONE), file(TWO)]
    assert cards(ask(store, request, Budget(bytes=200, overshoots=False))) == [file(ONE), HELD[1]]
    assert cards(ask(store, request, Budget(bytes=1, overshoots=False))) == [file(ONE), HELD[1]]
    assert cards(ask(store, request, Budget(bytes=1_000, overshoots=False))) == [file(ONE), file(TWO)]


def test_time_is_measured_by_the_clock_that_is_given(store: Store) -> None:
    ticks = iter(range(100))
    budget = Budget(seconds=2, clock=lambda: float(next(ticks)))
    wanted = [Gimme(artifact_id(ONE)), Gimme(artifact_id(TWO))]
    assert cards(ask(store, by("reader1", PULL, *wanted), budget)) == [file(ONE), HELD[1]]


def test_a_newer_version_goes_as_a_delta_behind_its_source(store: Store) -> None:
    with store.writer() as writer:
        parent = None
        for number, text in enumerate((LONG, LONGER)):
            card = FileCard("a", writer.put(text))
            parents = () if parent is None else (parent,)
            made = CheckIn(
                comment="c",
                date_ms=1_700_000_000_000 + number,
                user="u",
                files=(card,),
                parents=parents,
                tags=(),
            )
            parent = writer.put(made.encode())
    old, new = artifact_id(LONG), artifact_id(LONGER)
    sent = cards(ask(store, by("reader1", PULL, Gimme(new))))[0]
    assert isinstance(sent, File)
    assert sent.source == old
    assert delta.apply(LONG, sent.payload) == LONGER
    for asked in ((old, new), (new, old)):
        both = by("reader1", PULL, *map(Gimme, asked))
        assert cards(ask(store, both))[:2] == [file(LONG), sent]
        whole = by("reader1", PULL, WholeWanted().pragma(), *map(Gimme, asked))
        assert cards(ask(store, whole))[:2] == [file(LONG), file(LONGER)]
        # What there is no room for is announced, and no delta goes without its source.
        assert cards(ask(store, both, Budget(bytes=1)))[:2] == [file(LONG), IGot(new)]


@pytest.mark.parametrize(("asked", "compressed"), CLONED)
def test_a_clone_brings_everything_and_says_what_project_it_is(
    store: Store, asked: Clone, compressed: bool
) -> None:
    reply = ask(store, by("cloner", asked))
    first, second, end, push = cards(reply)
    if compressed:
        assert isinstance(first, CFile)
        assert isinstance(second, CFile)
        assert [unpack(card.payload, limit=9) for card in (first, second)] == [ONE, TWO]
        assert first.size == len(ONE)
        assert zlib.decompress(first.payload[4:]) == ONE
    else:
        assert [first, second] == [file(ONE), file(TWO)]
    assert end == CloneSeqno(0)
    assert isinstance(push, Push)
    assert push.project_code == PROJECT
    assert (reply.as_clone, reply.sent, reply.kind) == (compressed, 2, "clone")


@pytest.mark.parametrize("budget", [Budget(bytes=1), Budget(seconds=0)])
def test_each_round_of_a_clone_brings_an_artifact(store: Store, budget: Budget) -> None:
    position, brought = 1, 0
    while position:
        *sent, end, push = cards(ask(store, by("cloner", Clone(3, position)), budget))
        assert len(sent) == 1
        assert isinstance(end, CloneSeqno)
        assert isinstance(push, Push)
        position, brought = end.seqno, brought + 1
    assert brought == 2


def test_a_clone_goes_on_with_what_stood_when_it_began_and_what_came_since(store: Store) -> None:
    small = Budget(bytes=1)
    end = cards(ask(store, by("cloner", Clone(3, 1)), small))[1]
    assert isinstance(end, CloneSeqno)
    ask(store, by("writer1", PUSH, file(b"meanwhile\n")))
    rest = cards(ask(store, by("cloner", Clone(3, end.seqno))))
    assert [card.artifact for card in rest if isinstance(card, CFile)] == [
        artifact_id(TWO),
        artifact_id(b"meanwhile\n"),
    ]


def test_one_clone_card_of_many_is_answered(store: Store) -> None:
    once = ask(store, by("cloner", Clone(3, 1)), Budget(bytes=1))
    assert cards(ask(store, by("cloner", *[Clone(3, 1)] * 3, Clone()), Budget(bytes=1))) == cards(once)


def test_a_request_of_rubbish_is_soon_refused(store: Store) -> None:
    rubbish = [b"\xff%d\n" % number for number in range(MAX_UNKNOWN)]
    assert cards(ask(store, by("writer1", PUSH, *rubbish))) == [Error("bad command: \udcff999\n")]
    with pytest.raises(PeerError, match="over 1000 lines that are not cards"):
        ask(store, by("writer1", PUSH, *rubbish, b"x\n"))


@pytest.mark.parametrize("line", [b"pragma x\n", b"cookie x\n", b"reqconfig /all\n", PULL, b"clone\n"])
def test_lines_of_each_kind_have_a_bound(store: Store, line: bytes | Card) -> None:
    ask(store, by("reader1", *[line] * (kinds.MAX_OF_A_KIND - 1)))
    with pytest.raises(PeerError, match=r"over 1000 \w+ lines in one request: send fewer at a time"):
        ask(store, by("reader1", PULL, *[line] * (kinds.MAX_OF_A_KIND + 1)))


def test_kinds_of_which_more_may_come_have_a_bound_of_their_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gimmes = [Gimme(name(0))] * (kinds.MAX_OF_A_KIND + 1)
    assert cards(ask(store, by("reader1", PULL, *gimmes)))
    monkeypatch.setattr(kinds, "BOUNDS", {Gimme: kinds.MAX_OF_A_KIND})
    with pytest.raises(PeerError, match="over 1000 gimme lines"):
        ask(store, by("reader1", PULL, *gimmes))


def test_notices_are_messages_and_come_where_no_error_can_hide_them(store: Store) -> None:
    told = ["first line", "second", "second"]
    reply = ask(store, by("writer1", PUSH, file(b"new\n"), b"xyzzy\n"), notices=told)
    assert cards(reply) == [Message("first line"), Message("second"), Error("bad command: xyzzy\n")]
    failed = ask(store, by("writer1", PUSH, b"file x\n"), notices=["still told"])
    assert cards(failed)[0] == Message("still told")


def test_what_is_not_admitted_is_refused_alone_unless_its_sender_may_set_up(store: Store) -> None:
    request = body(PUSH, PULL, file(EVIL), file(b"good\n"), file(LONG), change(LONG, LONGER))
    for letters, refused in (("i", True), ("s", False)):
        with store.writer() as writer:
            round_ = Round(writer, Request(request), Terms(Rights("w", frozenset(letters)), admit=no_tags))
            round_.receive()
            reply = round_.finish()
        assert cards(reply) == [*HELD, *([Error("no such thing here")] if refused else [])]
        assert (EVIL in here(store)) != refused
        assert {b"good\n", LONGER} <= here(store)


def test_what_would_harm_other_clients_is_refused_whoever_sends_it(store: Store) -> None:
    upper = b"C x\nD 2026-01-01T00:00:00\nF a %s\nU me\n" % (b"A" * 40)
    upper += b"Z %s\n" % hashlib.md5(upper, usedforsecurity=False).hexdigest().encode()
    for sender in ("writer1", "admin"):
        for form in (file(upper), change(LONG, upper)):
            (error,) = cards(ask(store, by(sender, PUSH, file(LONG), form, file(b"good\n"))))
            assert isinstance(error, Error)
            assert error.text.startswith(f"artifact {artifact_id(upper)} is not taken")
            assert upper not in here(store)
            assert b"good\n" in here(store)


def test_what_was_refused_or_kept_aside_is_not_asked_for_in_the_same_round(store: Store) -> None:
    evil = file(EVIL)
    aside = change(LONG, LONGER)
    announced = [IGot(evil.artifact), IGot(aside.artifact)]
    assert cards(ask(store, by("writer1", PUSH, *announced))) == [Gimme(card.artifact) for card in announced]
    request = body(PUSH, evil, aside, *announced)
    for _ in range(2):  # the second time all are known to be missing
        with store.writer() as writer:
            terms = Terms(Rights("w", frozenset("i")), admit=no_tags)
            round_ = Round(writer, Request(request), terms)
            round_.receive()
            assert cards(round_.finish()) == [Gimme(artifact_id(LONG)), Error("no such thing here")]


def test_only_what_may_be_stored_needs_a_writer() -> None:
    writer, reader = Rights("w", frozenset("i")), Rights("r", frozenset("o"))
    assert may_write(Request(by("w", PUSH)), writer)
    assert not may_write(Request(by("w", PULL)), writer)
    assert not may_write(Request(by("r", PUSH)), reader)


def test_pushed_says_whether_publishing_is_due(store: Store) -> None:
    for request, due in ((body(PUSH, HELD[0]), True), (body(PULL), False), (body(PUSH, b"file x\n"), True)):
        with store.writer() as writer:
            round_ = Round(writer, Request(request), Terms(Rights("w", frozenset("i"))))
            round_.receive()
            assert round_.pushed == due


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ([PULL], "pull"),
        ([PUSH], "push"),
        ([PULL, PUSH], "sync"),
        ([Clone(3, 1)], "clone"),
        ([Clone()], "clone"),
        ([], "other"),
    ],
)
def test_rounds_are_counted_by_kind(store: Store, asked: list[bytes | Card], kind: str) -> None:
    assert ask(store, by("writer1", *asked)).kind == kind


def told(store: Store, letters: str, request: bytes, budget: Budget | None = None) -> list[Card]:
    """The pragmas that a peer with these rights gets."""
    with store.reader() as reader:
        terms = Terms(Rights("r", frozenset(letters)), budget or Budget(), refs=LocalRefs(reader))
        round_ = Round(reader, Request(request), terms)
        round_.receive()
        return [card for card in cards(round_.finish()) if isinstance(card, Pragma)]


MOVED = Occasion(1_700_000_000_000, "ann", Door.CLI)


def test_refs_are_told_to_peers_that_ask(store: Store) -> None:
    with store.writer() as writer:
        here = writer.put(ONE)
        refs = LocalRefs(writer)
        for branch, serial in (("example.com/main", 4), ("example.com/a b", 5), ("gone.test/main", None)):
            refs.compare_and_set(
                [Move(None, Ref(BranchName.of_row(branch), here, serial, State.REMOVED), MOVED)]
            )
        again = Ref(BranchName("example.com", "main"), writer.put(TWO), 6, State.REMOVED)
        refs.compare_and_set([Move(here, again, MOVED)])
        epoch = refs.epoch()
    second = Pragma("xferzone-ref", (r"example.com/a\sb", here, "2"))
    third = Pragma("xferzone-ref", ("gone.test/main", "-", "3"))
    fourth = Pragma("xferzone-ref", ("example.com/main", artifact_id(TWO), "4"))
    anew = Pragma("xferzone", ("1", "epoch", epoch))
    all_told = Pragma("xferzone", ("1", "told", "4"))

    asked = f"pragma xferzone 1 refs {epoch} ".encode()
    assert told(store, "o", asked + b"0\n") == [second, third, fourth, all_told]
    assert told(store, "o", asked + b"3\n") == [fourth, all_told]
    assert told(store, "o", asked + b"4\n") == [all_told]
    assert told(store, "o", b"pragma xferzone 1 refs - 4\n") == [anew, second, third, fourth, all_told]
    assert told(store, "o", asked + b"0\n", Budget(bytes=10)) == [second]
    assert told(store, "o", (asked + b"3\n") * 3) == [fourth, all_told]
    other = b"pragma xferzone 1 refs other 3\n"
    assert told(store, "o", other + asked + b"3\n") == [fourth, all_told]
    assert told(store, "o", asked + b"3\n" + other) == [anew, fourth, all_told]
    for letters, request in (
        ("g", asked + b"0\n"),
        ("o", PULL),
        ("o", asked.replace(b" 1 ", b" 2 ") + b"0\n"),
        ("o", asked + b"x\n"),
        ("o", asked + b"9" * 19 + b"\n"),
        ("o", asked + "\u0663\n".encode()),
        ("o", asked + b"\n"),
    ):
        assert told(store, letters, request) == []


def test_a_damaged_artifact_is_named_and_the_others_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "damaged.xferzone"
    with Store.create(path, PROJECT) as store, store.writer() as writer:
        accounts.put_user(writer, "reader1", "pw", "o")
        writer.put(ONE)
        writer.put(TWO)
        writer.db.execute(
            "UPDATE blob SET content = ? WHERE hash = ?", (b"rot", bytes.fromhex(artifact_id(ONE)))
        )
    with Store.open(path) as store:
        wanted = [Gimme(artifact_id(ONE)), Gimme(artifact_id(TWO))]
        said = cards(ask(store, by("reader1", PULL, *wanted)))
        assert said[0] == file(TWO)
        assert said[-1] == Error(f"artifact {artifact_id(ONE)} is damaged here and cannot be sent")
        assert file(ONE) not in said


LINES = st.sampled_from(
    [
        PULL,
        PUSH,
        encode_cards(HELD),
        encode_cards([file(b"new\n")]),
        encode_cards([change(LONG, LONGER)]),
        encode_cards([CFile(artifact_id(LONG), 5, pack(LONG))]),
        encode_cards([Gimme(artifact_id(ONE)), Gimme(X), IGot(X)]),
        encode_cards([Clone(3, 1)]),
        b"clone\n",
        b"private\n",
        b"pragma uv-hash 0\npragma send-private\npragma ci-lock a b\npragma xferzone 1 refs a 1\n",
        b"uvfile a 1 - 0 1\nuvgimme a\ncookie x\nreqconfig /all\n",
        b"config /config 2\nab\n",
        b"\n# x\n\xff\n",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lines=st.lists(LINES, max_size=6), data=st.data())
def test_whatever_comes_is_answered_or_refused(store: Store, lines: list[bytes], data: st.DataObject) -> None:
    request = bytearray(b"".join(lines))
    for _ in range(data.draw(st.integers(0, 3))):
        if request:
            request[data.draw(st.integers(0, len(request) - 1))] = data.draw(st.integers(0, 255))
    try:
        with store.writer() as writer:
            terms = Terms(Rights("w", frozenset("gi")), Budget(bytes=2_000))
            round_ = Round(writer, Request(bytes(request)), terms)
            round_.receive()
            reply = round_.finish()
    except PeerError:
        return
    assert all(card is not None for card in cards(reply))
    assert sum(isinstance(card, Gimme) for card in cards(reply)) <= sending.MAX_GIMMES
