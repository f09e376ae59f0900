"""The recorded rounds, replayed to our server: it says what stock said, and delivers the same artifacts.

Of the rounds with locks tests/web/test_stock.py shows with a real client that they end well; those with unversioned
files are replayed in test_unversioned.py.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync import recorded
from tests.sync.rounds import ask
from xferzone.artifacts import parse
from xferzone.cards import CFile, CloneSeqno, Config, File, Gimme, IGot, parse_cards
from xferzone.env import SYSTEM
from xferzone.hashing import ArtifactId
from xferzone.store import Store, accounts, private
from xferzone.sync.configuration import ALL, Taking
from xferzone.sync.server.budget import Budget
from xferzone.sync.server.login import claimed
from xferzone.sync.server.request import Request

HISTORY = recorded.public_history()
USERS = {"nobody": "gjorz", "anonymous": "hz", "developer": "ei", "reader": "kptw"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty repository of the recorded project, with its users."""
    with Store.create(tmp_path / "r.xferzone", recorded.project_code()) as store:
        with store.writer() as writer:
            for login, caps in USERS.items():
                accounts.put_user(writer, login, None, caps)
            accounts.put_user(writer, "dev", "devpw", "vuxy")
            accounts.put_user(writer, "ro", "ropw", "go")
            taking = Taking(writer, ALL, with_accounts=False, now_ms=SYSTEM.clock_ms())
            for request, reply in recorded.scenario("clone-v3"):
                for card in (*parse_cards(request), *parse_cards(reply)):
                    if isinstance(card, Config):
                        taking.take(card)
        yield store


def hold(store: Store, artifacts: dict[ArtifactId, bytes]) -> None:
    with store.writer() as writer:
        for artifact, content in artifacts.items():
            writer.put(content, artifact)
        writer.make_clusters()


def seclude(store: Store, artifacts: dict[ArtifactId, bytes]) -> None:
    with store.writer() as writer:
        for artifact, content in artifacts.items():
            private.put(writer, artifact, content)


def announced(request: bytes) -> dict[ArtifactId, bytes]:
    """What a client announces publicly, with contents."""
    public = (card for card in parse_cards(request) if isinstance(card, IGot) and not card.private)
    return {card.artifact: HISTORY[card.artifact] for card in public}


def private_history() -> dict[ArtifactId, bytes]:
    """What was recorded as private, with contents."""
    bodies = [body for round_ in recorded.scenario("private-sync") for body in round_]
    cards = [card for body in bodies for card, is_private in recorded.carried(body) if is_private]
    return recorded.contents(cards, HISTORY)


def delivered(*names: str) -> dict[ArtifactId, bytes]:
    """Everything that the rounds of these scenarios carried, either way."""
    bodies = [body for name in names for round_ in recorded.scenario(name) for body in round_]
    cards = [card for body in bodies for card, _ in recorded.carried(body)]
    return recorded.contents(cards, HISTORY)


# What the server held before each scenario: the counts of artifacts are those of its clones and pushes.
BEFORE = {
    "clone-v3": list(delivered("clone-v3")),
    "pull-deltas": list(delivered("clone-v3", "pull-deltas")),
    "push-checkin": list(delivered("clone-v3", "pull-deltas")),
    "push-not-authorized": list(delivered("clone-v3", "pull-deltas", "push-checkin")),
    "sync-pull-only": list(delivered("clone-v3", "pull-deltas", "push-checkin")),
    "sync-verily": list(delivered("clone-v3", "pull-deltas", "push-checkin")),
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_recorded_session_is_answered_as_stock_did(store: Store, name: str) -> None:
    hold(store, {artifact: HISTORY[artifact] for artifact in BEFORE[name]})
    for request, reply in recorded.scenario(name):
        ours = ask(store, request)
        assert recorded.said(ours.text, HISTORY) == recorded.said(reply, HISTORY)


def test_a_recorded_pull_of_configuration_is_answered_as_stock_did(store: Store) -> None:
    ((request, reply),) = recorded.scenario("config-pull")
    assert recorded.said(reply, {})
    assert recorded.said(ask(store, request).text, {}) == recorded.said(reply, {})


def test_what_was_pushed_is_kept(store: Store) -> None:
    hold(store, {artifact: HISTORY[artifact] for artifact in BEFORE["push-checkin"]})
    ((request, _),) = recorded.scenario("push-checkin")
    assert ask(store, request).received == 2
    with store.reader() as reader:
        for card, _ in recorded.carried(request):
            assert reader.content(card.artifact) == HISTORY[card.artifact]


def test_a_wrong_password_is_refused_as_stock_did(store: Store) -> None:
    ((request, _),) = recorded.scenario("auth-failure")
    with store.reader() as reader:
        opened = Request(request)
        assert not claimed(reader, opened.login, lambda: 0).is_true_of(opened)


def test_a_pull_brings_the_cluster_first_and_then_its_members(store: Store) -> None:
    clusters = {artifact for artifact, content in HISTORY.items() if content.startswith(b"M ")}
    hold(store, {artifact: content for artifact, content in HISTORY.items() if artifact not in clusters})
    with store.reader() as reader:
        assert set(reader.unclustered()) == clusters  # the same cluster as stock's, to the byte
    for request, reply in recorded.scenario("pull-cluster"):
        assert recorded.said(ask(store, request).text, HISTORY) == recorded.said(reply, HISTORY)


def test_a_clone_of_many_rounds_brings_everything_and_each_round_something(store: Store) -> None:
    hold(store, HISTORY)
    rounds = recorded.scenario("clone-multi-round")
    position = 1
    said: list[list[tuple[File | CFile, bool]]] = []
    requests = [request for request, _ in rounds]
    while position:
        reply = ask(store, recorded.with_position(requests[min(len(said), 2)], position), Budget(bytes=4_000))
        assert reply.as_clone
        assert reply.sent
        (position,) = (card.seqno for card in parse_cards(reply.text) if isinstance(card, CloneSeqno))
        said.append(recorded.carried(reply.text))
    expected = [recorded.carried(reply) for _, reply in rounds]
    assert recorded.contents([card for round_ in said for card, _ in round_], {}) == HISTORY
    assert abs(len(said) - len([round_ for round_ in expected if round_])) <= 1
    # Its last request asks for nothing.
    assert ask(store, requests[-1]).text == b""


def test_each_round_of_that_clone_says_the_same_around_its_artifacts(store: Store) -> None:
    hold(store, HISTORY)
    for request, reply in recorded.scenario("clone-multi-round"):
        words = recorded.said(ask(store, recorded.with_position(request, 1)).text, HISTORY)
        ours = {word[0] for word in words}
        theirs = {word[0] for word in recorded.said(reply, HISTORY)}
        assert ours == theirs


def test_a_clone_that_needs_a_login(store: Store) -> None:
    with store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "")
        accounts.put_user(writer, "anonymous", None, "")
        accounts.put_user(writer, "dev", "devpw", "vuxyg")
    rounds = recorded.scenario("clone-login-required")
    ((_, brought),) = [(request, reply) for request, reply in rounds if recorded.carried(reply)]
    secret = {card.artifact for card, is_private in recorded.carried(brought) if is_private}
    assert secret == private_history().keys()
    hold(store, {artifact: content for artifact, content in HISTORY.items() if artifact not in secret})
    seclude(store, private_history())
    for request, reply in rounds:
        assert recorded.said(ask(store, request).text, HISTORY) == recorded.said(reply, HISTORY)


def test_a_clone_without_a_login_gets_nothing_private_and_is_told(store: Store) -> None:
    (request, reply), *_ = recorded.scenario("clone-private-uv")
    secret = private_history()
    hold(store, {card.artifact: HISTORY[card.artifact] for card, _ in recorded.carried(reply)})
    seclude(store, secret)
    assert recorded.said(ask(store, request).text, HISTORY) == recorded.said(reply, HISTORY)


def test_a_sync_without_private_artifacts_says_nothing_of_them(store: Store) -> None:
    ((request, reply),) = recorded.scenario("private-not-synced")
    hold(store, announced(request))
    seclude(store, private_history())
    assert recorded.said(ask(store, request).text, HISTORY) == recorded.said(reply, HISTORY)


def test_private_artifacts_are_taken_as_by_stock(store: Store) -> None:
    (first, asked), (second, told) = recorded.scenario("private-sync")
    hold(store, announced(first))
    # Stock counts what it has just asked for among what it has, and announces it, too.
    gimmes = {card.artifact for card in parse_cards(asked) if isinstance(card, Gimme)}
    too_much: Counter[tuple[object, ...]] = Counter(
        ("IGot", IGot(artifact, private=True)) for artifact in gimmes
    )
    assert recorded.said(ask(store, first).text, HISTORY) == recorded.said(asked, HISTORY) - too_much
    assert recorded.said(ask(store, second).text, HISTORY) == recorded.said(told, HISTORY)
    with store.reader() as reader:
        assert {each: private.content(reader, each) for each in private.ids(reader)} == private_history()
        assert gimmes == set(private.ids(reader))


def test_the_history_is_what_stock_calls_structural() -> None:
    """Guards the tests above: a server that held only blobs would pass them."""
    assert sum(parse(content) is not None for content in HISTORY.values()) > 5
