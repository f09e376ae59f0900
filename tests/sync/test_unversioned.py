"""Unversioned files on the wire: the recorded rounds from either side, rights, bounds, and transfers that are cut."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sync import recorded
from tests.sync.rounds import PROJECT, ask, body, by, cards
from xferzone.cards import (
    Card,
    Error,
    Message,
    Pragma,
    UVFile,
    UVGimme,
    UVIGot,
    encode_cards,
    parse_cards,
)
from xferzone.cards.extension import introduced
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, accounts, schema, unversioned
from xferzone.store.check import faults
from xferzone.store.unversioned import MAX_MTIME, MAX_NAME, Unversioned
from xferzone.sync.client import unversioned as client
from xferzone.sync.client.options import Account, Options, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.sync.server.budget import Budget, TooLarge
from xferzone.sync.server.kinds import MAX_UNVERSIONED

ONE, TWO = b"unversioned one\n" * 10, b"unversioned two\n"
USERS = {"nobody": "", "reader1": "o", "loose": "oy", "only": "y", "admin": "s"}
NO_FILES = Pragma("uv-hash", (hashlib.sha1().hexdigest(),))
PUSH_OK, PULL_ONLY = Pragma("uv-push-ok"), Pragma("uv-pull-only")
ALONE = Purpose(pull=False, push=False, uv_pull=True, uv_push=True)
#: What stock's server, and its client, had before each recorded sync; seconds since 1970.
EARLY, MARCH, FEBRUARY = 1_704_067_200, 1_709_251_200, 1_706_745_600
DELETED, TOUCHED = 1_711_929_600, 1_712_016_000


def state(name: str, mtime: int, content: bytes | None) -> Unversioned:
    artifact = None if content is None else artifact_id(content)
    return Unversioned(name, mtime, artifact, len(content or b""))


def hold(store: Store, *files: tuple[str, int, bytes | None]) -> None:
    """Have exactly these."""
    with store.writer() as writer:
        writer.db.execute("DELETE FROM unversioned")
        for name, mtime, content in files:
            unversioned.put(writer, state(name, mtime, content), content)


def held(store: Store) -> list[Unversioned]:
    with store.reader() as reader:
        return unversioned.files(reader, deleted=True)


def read(store: Store, name: str) -> bytes:
    with store.reader() as reader:
        return unversioned.content(reader, name)


def igot(name: str, mtime: int, content: bytes | None) -> UVIGot:
    told = state(name, mtime, content)
    return UVIGot(name, mtime, told.artifact, told.size)


def uvfile(name: str, mtime: int, content: bytes) -> UVFile:
    return UVFile(name, mtime, artifact_id(content), len(content), payload=content)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "r.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login, caps in USERS.items():
                accounts.put_user(writer, login, "pw", caps)
        yield store


@pytest.fixture
def recorded_store(tmp_path: Path) -> Iterator[Store]:
    """A repository of the recorded project."""
    with Store.create(tmp_path / "recorded.xferzone", recorded.project_code()) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "nobody", None, "gjorz")
            accounts.put_user(writer, "dev", "devpw", "vuxy")
            accounts.put_user(writer, "developer", None, "ei")
        yield store


BEFORE_SYNC = (("refs/one.txt", EARLY, ONE), ("both.txt", EARLY, TWO))
AFTER_SYNC = (("refs/one.txt", EARLY, ONE), ("both.txt", FEBRUARY, ONE), ("client-only.txt", MARCH, TWO))
AFTER_DELETION = (
    ("refs/one.txt", EARLY, ONE),
    ("both.txt", DELETED, None),
    ("client-only.txt", TOUCHED, TWO),
)
AT_CLIENT = (("both.txt", FEBRUARY, ONE), ("client-only.txt", MARCH, TWO))
#: By recorded scenario: what the server had, what the client had, and what both had then.
SCENARIOS = {
    "uv-sync": (BEFORE_SYNC, AT_CLIENT, AFTER_SYNC),
    "uv-delete-touch": (AFTER_SYNC, AFTER_DELETION, AFTER_DELETION),
    "uv-noop": (AFTER_DELETION, AFTER_DELETION, AFTER_DELETION),
    "clone-private-uv": (AFTER_DELETION, (), AFTER_DELETION),
}


def of_files(text: bytes) -> set[bytes]:
    """The cards of a message that are about unversioned files."""
    told = ("uv-hash", "uv-push-ok", "uv-pull-only")
    return {
        card.encode()
        for card in parse_cards(text)
        if isinstance(card, UVIGot | UVGimme | UVFile) or (isinstance(card, Pragma) and card.name in told)
    }


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_server_says_of_files_what_stock_said(recorded_store: Store, name: str) -> None:
    server, _, then = SCENARIOS[name]
    hold(recorded_store, *server)
    for request, reply in recorded.scenario(name):
        assert of_files(ask(recorded_store, request).text) == of_files(reply)
    assert set(held(recorded_store)) == {state(*each) for each in then}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_client_says_of_files_what_stock_said(recorded_store: Store, name: str) -> None:
    _, own, then = SCENARIOS[name]
    hold(recorded_store, *own)
    purpose = ALONE if name.startswith("uv") else Purpose(pull=True, push=False, uv_pull=True)
    account = Account("dev", recorded.PASSWORDS["dev"])
    project = recorded.project_code() if purpose is ALONE else None
    session = ClientSession(project, Options(purpose, account))
    for request, reply in recorded.scenario(name):
        with recorded_store.writer() as writer:
            ours = session.request(writer)
            assert ours is not None
            assert of_files(ours) == of_files(request)
            # What refuses private artifacts, which were not asked for here.
            session.receive(encode_cards(card for card in parse_cards(reply) if not isinstance(card, Error)))
            session.keep(writer)
    with recorded_store.reader() as reader:
        assert session.request(reader) is None
    assert set(held(recorded_store)) == {state(*each) for each in then}


# -- the server


ROWS: list[tuple[str, list[bytes | Card], list[Card]]] = [
    ("reader1", [NO_FILES], [PULL_ONLY, igot("a", 5, ONE), igot("gone", 6, None)]),
    ("loose", [NO_FILES], [PUSH_OK, igot("a", 5, ONE), igot("gone", 6, None)]),
    ("admin", [NO_FILES], [PULL_ONLY, igot("a", 5, ONE), igot("gone", 6, None)]),
    ("only", [NO_FILES], []),
    ("nobody", [NO_FILES], []),
    ("nobody", [introduced(), NO_FILES], [Error("not authorized to read")]),
    ("reader1", [NO_FILES, NO_FILES], [PULL_ONLY, igot("a", 5, ONE), igot("gone", 6, None)]),
    ("reader1", [UVGimme("a")], [uvfile("a", 5, ONE)]),
    ("reader1", [UVGimme("gone")], [UVFile("gone", 6, None, 0, 1)]),
    ("reader1", [UVGimme("nosuch")], []),
    ("only", [UVGimme("a")], []),
    ("nobody", [UVGimme("a")], []),
]


@pytest.mark.parametrize(
    ("login", "asked", "said"), ROWS, ids=[f"{n}-{row[0]}" for n, row in enumerate(ROWS)]
)
def test_what_is_told_and_given(
    store: Store, login: str, asked: list[bytes | Card], said: list[Card]
) -> None:
    hold(store, ("a", 5, ONE), ("gone", 6, None))
    assert cards(ask(store, by(login, *asked) if login != "nobody" else body(*asked))) == said


@pytest.mark.parametrize(
    ("login", "is_taken"), [("loose", True), ("only", True), ("admin", False), ("reader1", False)]
)
def test_who_may_bring_files(store: Store, login: str, is_taken: bool) -> None:
    reply = ask(store, by(login, uvfile("new", 5, ONE)))
    assert (cards(reply), held(store)) == ([], [state("new", 5, ONE)] * is_taken)
    assert reply.files.received == is_taken


def test_a_mirror_takes_none(store: Store) -> None:
    hold(store, ("a", 5, ONE))
    with store.writer() as writer:
        writer.set_setting("role", schema.MIRROR)
    told = cards(ask(store, by("loose", NO_FILES, uvfile("new", 5, ONE))))
    assert told == [PULL_ONLY, igot("a", 5, ONE)]
    assert held(store) == [state("a", 5, ONE)]


WRONG = UVFile("new", 5, artifact_id(TWO), len(ONE), payload=ONE)
NOT_HERE = UVFile("new", 5, artifact_id(ONE), len(ONE), 4)
EMPTY = UVFile("new", 5, artifact_id(ONE), 0)
LONG_NAME = uvfile("n" * (MAX_NAME + 1), 5, ONE)
LATE = uvfile("new", MAX_MTIME + 1, ONE)
#: By card: how what the sender is told begins.
NOT_TAKEN: dict[str, tuple[UVFile, type[Card], str]] = {
    "wrong hash": (WRONG, Error, "in uvfile line, HASH does not match CONTENT: new"),
    "no content": (NOT_HERE, Message, "unversioned file new came without its content"),
    "lying empty": (EMPTY, Message, "unversioned file new came without its content"),
    "long name": (LONG_NAME, Message, "unversioned file nnn"),
    "beyond time": (LATE, Message, "unversioned file new is left out: it is dated beyond the year 9999"),
}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_what_is_not_taken_is_told(store: Store, case: str) -> None:
    card, kind, told = NOT_TAKEN[case]
    first = uvfile("before", 5, TWO)
    (said,) = cards(ask(store, by("loose", first, card)))
    assert type(said) is kind
    assert isinstance(said, Error | Message)
    assert said.text.startswith(told)
    assert held(store) == [state("before", 5, TWO)]


def test_an_empty_file_is_one(store: Store) -> None:
    assert cards(ask(store, by("loose", uvfile("empty", 5, b"")))) == []
    assert read(store, "empty") == b""
    assert cards(ask(store, by("loose", UVGimme("empty")))) == [uvfile("empty", 5, b"")]


def test_what_has_no_room_is_named_again(store: Store) -> None:
    files = [(f"f{number}", 5, b"%d" % number * 400) for number in range(4)]
    hold(store, *files)
    wanted = [UVGimme(name) for name, *_ in files]
    said = cards(ask(store, by("reader1", *wanted), Budget(bytes=500)))
    assert [type(card) for card in said] == [UVFile, UVFile, UVIGot, UVIGot]  # the second overshoots
    said = cards(ask(store, by("reader1", *wanted), Budget(bytes=500, overshoots=False)))
    assert [type(card) for card in said] == [UVFile, UVIGot, UVIGot, UVIGot]
    with pytest.raises(TooLarge):
        ask(store, by("reader1", *wanted), Budget(artifact=300))


def test_a_damaged_file_is_told_and_the_others_are_sent(store: Store) -> None:
    hold(store, ("a", 5, ONE), ("b", 5, TWO))
    with store.writer() as writer:
        writer.db.execute("UPDATE unversioned SET content = x'00' WHERE name = 'a'")
    said = cards(ask(store, by("reader1", UVGimme("a"), UVGimme("b"))))
    assert said == [uvfile("b", 5, TWO), Error("unversioned file a is damaged here and cannot be sent")]


def test_the_cards_of_a_request_are_bounded(store: Store) -> None:
    with pytest.raises(PeerError, match="uvgimme lines"):
        ask(store, by("reader1", b"uvgimme a\n" * (MAX_UNVERSIONED + 1)))


# -- the client


class Exchange:
    """A client's session of unversioned files with made replies."""

    def __init__(self, store: Store, options: Options) -> None:
        self.store = store
        self.session = ClientSession(PROJECT, options)
        self.requests: list[list[Card]] = []

    def run(self, *replies: list[Card], rounds: int = 20) -> list[list[Card]]:
        """Cards about files of each request, the last reply being given for ever."""
        for number in range(rounds):
            with self.store.writer() as writer:
                request = self.session.request(writer)
                if request is None:
                    return self.requests
                told: list[Card] = [
                    card for card in parse_cards(request) if isinstance(card, UVGimme | UVFile)
                ]
                self.requests.append(told)
                self.session.receive(encode_cards(replies[min(number, len(replies) - 1)]))
                self.session.keep(writer)
        raise AssertionError(f"no end after {rounds} rounds")


@pytest.fixture
def exchange(store: Store) -> Exchange:
    return Exchange(store, Options(ALONE))


def test_the_old_content_stays_until_the_new_one_has_come(exchange: Exchange) -> None:
    hold(exchange.store, ("a", 5, ONE))
    requests = exchange.run([PUSH_OK, igot("a", 9, TWO)], [])
    assert requests == [[], [UVGimme("a")]]
    assert read(exchange.store, "a") == ONE
    assert exchange.session.unversioned.absent == ["a"]
    again = Exchange(exchange.store, Options(ALONE))
    again.run([PUSH_OK, igot("a", 9, TWO)], [uvfile("a", 9, TWO)], [])
    assert read(exchange.store, "a") == TWO
    assert again.session.unversioned.absent == []


def test_a_content_that_is_not_what_it_says_ends_the_session_and_changes_nothing(exchange: Exchange) -> None:
    hold(exchange.store, ("a", 5, ONE))
    with pytest.raises(PeerError, match="HASH does not match CONTENT: a"):
        exchange.run([PUSH_OK, igot("a", 9, TWO)], [UVFile("a", 9, artifact_id(TWO), len(ONE), payload=ONE)])
    assert read(exchange.store, "a") == ONE


def test_a_server_without_room_is_asked_again_while_anything_comes(exchange: Exchange) -> None:
    named = [igot(f"f{number}", 5, b"%d" % number) for number in range(3)]
    replies = [[named[1], named[2], uvfile("f0", 5, b"0")], [named[2], uvfile("f1", 5, b"1")]]
    requests = exchange.run([PULL_ONLY, *named], *replies, [uvfile("f2", 5, b"2")], [])
    asked = [[card.name for card in request if isinstance(card, UVGimme)] for request in requests]
    assert asked == [[], ["f0", "f1", "f2"], ["f1", "f2"], ["f2"]]
    assert exchange.session.traffic.uv_received == 3
    assert exchange.session.traffic.uv_gimmes == 6


def test_a_server_that_promises_in_vain_is_given_up(exchange: Exchange) -> None:
    requests = exchange.run([PUSH_OK, igot("a", 9, TWO)])
    assert requests == [[]] + [[UVGimme("a")]] * client.MAX_VAIN
    assert exchange.session.unversioned.absent == ["a"]


def test_what_is_newer_here_goes_and_in_which_form(exchange: Exchange) -> None:
    hold(
        exchange.store,
        ("new", 5, ONE),
        ("touched", 9, ONE),
        ("gone", 9, None),
        ("unheard", 9, None),
        ("old", 1, ONE),
    )
    named = [igot("touched", 5, ONE), igot("gone", 5, TWO), igot("old", 2, None)]
    requests = exchange.run([PUSH_OK, *named], [])
    touched = UVFile("touched", 9, artifact_id(ONE), len(ONE), 4)
    assert requests == [[], [UVFile("gone", 9, None, 0, 1), uvfile("new", 5, ONE), touched]]
    assert exchange.session.traffic.uv_sent == 3
    assert state("old", 2, None) in held(exchange.store)


def test_nothing_goes_to_a_server_that_takes_none(exchange: Exchange) -> None:
    hold(exchange.store, ("new", 5, ONE))
    assert exchange.run([PULL_ONLY], []) == [[]]
    assert exchange.session.unversioned.is_denied


def test_the_bound_of_a_request_spreads_the_files(store: Store) -> None:
    hold(store, *((f"f{number}", 5, b"%d" % number * 400) for number in range(4)))
    sent = Exchange(store, replace(Options(ALONE), request_bytes=500)).run([PUSH_OK], [])
    assert [len(request) for request in sent] == [0, 2, 2]
    sent = Exchange(store, replace(Options(ALONE), request_bytes=500, overshoots=False)).run([PUSH_OK], [])
    assert [len(request) for request in sent] == [0, 1, 1, 1, 1]


def test_the_bound_of_a_request_spreads_what_is_asked_for(store: Store) -> None:
    names = [f"name-{number:05}" for number in range(5)]
    replies = [[uvfile(name, 5, ONE) for name in names[at : at + 2]] for at in (0, 2, 4)]
    exchange = Exchange(store, replace(Options(ALONE), request_bytes=25))
    asked = exchange.run([PUSH_OK, *(igot(name, 5, ONE) for name in names)], *map(list[Card], replies), [])
    assert [len(request) for request in asked] == [0, 2, 2, 1]
    assert len(held(store)) == 5


def test_a_session_that_does_not_want_files_passes_them_over(store: Store) -> None:
    exchange = Exchange(store, Options(Purpose(pull=True, push=True)))
    exchange.run([PUSH_OK, igot("a", 9, TWO), uvfile("b", 9, ONE)], [])
    assert held(store) == []


def test_a_server_may_not_name_files_without_end(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_LISTED", 100)
    lost = ArtifactId("ab" * 32)
    with pytest.raises(PeerError, match="over 100 unversioned files"):
        exchange.run([PUSH_OK, *(UVIGot(f"f{number}", 5, lost, 3) for number in range(101))])
    many = iter(range(1000))
    replies: list[list[Card]] = [[UVIGot(f"g{next(many)}", 5, lost, 3) for _ in range(60)] for _ in range(3)]
    with pytest.raises(PeerError, match="over 100 unversioned files"):
        Exchange(exchange.store, Options(ALONE)).run(*replies)


@pytest.mark.parametrize("case", ["long name", "beyond time", "lying empty"])
def test_what_a_client_does_not_take_is_told_and_the_rest_comes(exchange: Exchange, case: str) -> None:
    card, _, told = NOT_TAKEN[case]
    named = UVIGot(card.name, card.mtime, card.artifact, card.size)
    exchange.run([PUSH_OK, named, igot("fine", 5, TWO)], [card, uvfile("fine", 5, TWO)], [])
    assert held(exchange.store) == [state("fine", 5, TWO)]
    (why,) = exchange.session.unversioned.left_out
    assert why.startswith(told)


# -- whatever is said


NAMES = st.sampled_from(["a", "b/c", "é", "n" * (MAX_NAME + 1)])
TIMES = st.sampled_from([0, 1, 5, MAX_MTIME, MAX_MTIME + 1, 2**63 - 1])
HASHES = st.sampled_from(
    [None, artifact_id(ONE), artifact_id(b""), ArtifactId(hashlib.sha1(ONE).hexdigest())]
)
CARDS: st.SearchStrategy[Card] = st.one_of(
    st.builds(
        lambda name, mtime, hash_, content: UVFile(name, mtime, hash_, len(content), payload=content),
        NAMES,
        TIMES,
        HASHES,
        st.sampled_from([b"", ONE, TWO]),
    ),
    st.builds(
        UVFile, NAMES, TIMES, HASHES, st.sampled_from([0, 160, 2**31 - 1]), st.sampled_from([1, 4, 5, 7])
    ),
    st.builds(UVIGot, NAMES, TIMES, HASHES, st.sampled_from([0, 160, 2**31 - 1])),
    st.builds(UVGimme, NAMES),
    st.sampled_from([NO_FILES, PUSH_OK, PULL_ONLY]),
)
ANYTHING = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_sound(store: Store) -> None:
    with store.reader() as reader:
        assert list(faults.faults(reader)) == []
        for each in unversioned.files(reader):
            unversioned.content(reader, each.name)


@ANYTHING
@given(st.lists(CARDS, max_size=8))
def test_no_request_breaks_a_server(store: Store, asked: list[Card]) -> None:
    ask(store, by("loose", *asked))
    assert_sound(store)


@ANYTHING
@given(st.lists(st.lists(CARDS.filter(lambda card: not isinstance(card, UVGimme)), max_size=8), max_size=4))
def test_no_reply_breaks_a_client(store: Store, replies: list[list[Card]]) -> None:
    with contextlib.suppress(PeerError):
        Exchange(store, Options(ALONE)).run(*replies, [])
    assert_sound(store)
