"""The recorded rounds, replayed to our server: it says what stock said, and delivers the same artifacts.

Left out by `recorded.said`, since this server does not keep them: configuration. Of the rounds with private
artifacts, unversioned files and locks tests/web/test_stock.py shows with a real client that they end well.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync import recorded
from tests.sync.rounds import ask
from xferzone.artifacts import parse
from xferzone.cards import CFile, CloneSeqno, File, parse_cards
from xferzone.hashing import ArtifactId
from xferzone.store import Store, accounts
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
        yield store


def hold(store: Store, artifacts: dict[ArtifactId, bytes]) -> None:
    with store.writer() as writer:
        for artifact, content in artifacts.items():
            writer.put(content, artifact)
        writer.make_clusters()


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
        assert not claimed(reader, opened.login).is_true_of(opened)


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
    rounds = [
        (recorded.without_private(request), reply)
        for request, reply in recorded.scenario("clone-login-required")
    ]
    ((_, brought),) = [(request, reply) for request, reply in rounds if recorded.carried(reply)]
    secret = {card.artifact for card, private in recorded.carried(brought) if private}
    public = {artifact: content for artifact, content in HISTORY.items() if artifact not in secret}
    hold(store, public)
    for request, reply in rounds:
        words = recorded.said(reply, HISTORY)
        expected = {
            word: count for word, count in words.items() if word[0] != "other" and word[1] not in secret
        }
        assert recorded.said(ask(store, request).text, public) == expected


def test_the_history_is_what_stock_calls_structural() -> None:
    """Guards the tests above: a server that held only blobs would pass them."""
    assert sum(parse(content) is not None for content in HISTORY.values()) > 5
