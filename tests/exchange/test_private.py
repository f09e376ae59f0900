"""Private artifacts between our client and our server, and what a client takes from a server that breaks the rules."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.rounds import PROJECT, body
from xferzone import delta, exchange
from xferzone.cards import Card, File, Gimme, IGot, Pragma, Private, parse_cards
from xferzone.errors import PeerError
from xferzone.exchange import Options
from xferzone.hashing import artifact_id
from xferzone.store import Store, accounts, private, schema
from xferzone.sync.client.options import Account, Purpose
from xferzone.sync.client.options import Options as SessionOptions
from xferzone.sync.client.session import ClientSession
from xferzone.transport import Body

HIDDEN = b"".join(b"hidden line %d\n" % number for number in range(40))
LATER = HIDDEN.replace(b"line 20\n", b"line TWENTY\n")
PUBLIC = b"here for all\n"
SECRET = Account("secret", "pw")
BOTH, PULL = Purpose(pull=True, push=True), Purpose(pull=True, push=False)


class Local:
    """A server in this process."""

    name = "the server"

    def __init__(self, store: Store) -> None:
        self._store = store

    def exchange(self, request: Body) -> Body:
        return exchange.answer(self._store, request).body


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "server.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login, caps in {"nobody": "g", "anonymous": "", "secret": "giox", "plain": "gio"}.items():
                accounts.put_user(writer, login, "pw", caps)
            writer.put(PUBLIC)
        yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "own.xferzone", PROJECT) as store:
        with store.writer() as writer:
            writer.set_setting("role", schema.CLONE)
        yield store


def seclude(store: Store, *contents: bytes) -> None:
    with store.writer() as writer:
        for content in contents:
            private.put(writer, artifact_id(content), content)


def kept(store: Store) -> set[bytes]:
    with store.reader() as reader:
        return {private.content(reader, each) for each in private.ids(reader)}


def public(store: Store) -> set[bytes]:
    with store.reader() as reader:
        return {reader.content(each) for each in reader.artifacts()}


def options(
    login: str = "secret", *, private: bool = True, push: bool = True, budget: int = 250_000
) -> Options:
    return Options(push=push, account=Account(login, "pw"), private=private, budget=budget)


def test_a_sync_takes_and_brings_them(server: Store, store: Store) -> None:
    seclude(server, HIDDEN)
    seclude(store, LATER)
    done = exchange.sync(store, Local(server), options())
    assert (done.errors, done.absent) == ((), ())
    assert kept(server) == kept(store) == {HIDDEN, LATER}
    assert public(server) == public(store) == {PUBLIC}
    again = exchange.sync(store, Local(server), options())
    assert (again.traffic.received, again.traffic.sent) == (0, 0)


def test_a_sync_that_does_not_ask_for_them_leaves_them_where_they_are(server: Store, store: Store) -> None:
    seclude(server, HIDDEN)
    seclude(store, LATER)
    exchange.sync(store, Local(server), options(private=False))
    assert (kept(server), kept(store)) == ({HIDDEN}, {LATER})
    assert public(server) == public(store) == {PUBLIC}


def test_whoever_may_not_have_them_is_told(server: Store, store: Store) -> None:
    seclude(server, HIDDEN)
    seclude(store, LATER)
    done = exchange.sync(store, Local(server), options("plain"))
    assert done.errors == ("not authorized to sync private content",)
    assert (kept(server), kept(store)) == ({HIDDEN}, {LATER})


def test_a_pull_brings_nothing_and_a_push_takes_nothing(server: Store, store: Store) -> None:
    seclude(server, HIDDEN)
    seclude(store, LATER)
    exchange.sync(store, Local(server), options(push=False))
    assert (kept(server), kept(store)) == ({HIDDEN}, {HIDDEN, LATER})


def test_what_is_over_the_budget_goes_with_the_next_request(server: Store, store: Store) -> None:
    many = [b"%d\n" % number * 1_000 for number in range(5)]
    seclude(store, *many)
    done = exchange.sync(store, Local(server), options(budget=2_500))
    assert kept(server) == set(many)
    assert done.traffic.rounds >= 4


def test_a_clone_has_them_although_its_first_request_has_no_login(server: Store, tmp_path: Path) -> None:
    seclude(server, HIDDEN, LATER)
    done = exchange.clone(tmp_path / "c.xferzone", Local(server), options(push=False))
    assert done.errors == ()
    with Store.open(tmp_path / "c.xferzone") as clone:
        assert kept(clone) == {HIDDEN, LATER}
        assert public(clone) == {PUBLIC}
    plain = exchange.clone(tmp_path / "d.xferzone", Local(server), options(push=False, private=False))
    assert plain.errors == ()
    with Store.open(tmp_path / "d.xferzone") as clone:
        assert kept(clone) == set()


def test_a_clone_of_somebody_who_may_not_is_refused(server: Store, tmp_path: Path) -> None:
    done = exchange.clone(tmp_path / "c.xferzone", Local(server), options("plain", push=False))
    assert done.errors == ("not authorized to sync private content",)
    assert not (tmp_path / "c.xferzone").exists()


def test_what_is_published_here_goes_as_public(server: Store, store: Store) -> None:
    seclude(server, HIDDEN)
    with store.writer() as writer:
        writer.put(HIDDEN)
    exchange.sync(store, Local(server), options())
    assert (kept(server), public(server)) == (set(), {PUBLIC, HIDDEN})


# -- a server of another make


def talk(store: Store, session: ClientSession, *replies: bytes) -> list[list[Card]]:
    """What the session asks, until it is done; the last reply is given for ever."""
    asked: list[list[Card]] = []
    while len(asked) < 30:
        with store.writer() as writer:
            request = session.request(writer)
            if request is None:
                return asked
            asked.append(list(parse_cards(request)))
            session.receive(replies[min(len(asked), len(replies)) - 1])
            session.keep(writer)
    raise AssertionError("no end")


def wishing(purpose: Purpose = PULL) -> ClientSession:
    return ClientSession(PROJECT, SessionOptions(purpose, SECRET, private=True))


def test_what_is_announced_and_never_comes_is_asked_for_three_times(store: Store) -> None:
    missing = artifact_id(HIDDEN)
    asked = talk(store, wishing(), body(IGot(missing, private=True)))
    assert sum(Gimme(missing) in request for request in asked) == 3
    assert all(Pragma("send-private") in request for request in asked)
    with store.reader() as reader:
        assert reader.phantoms(10) == []


def test_a_delta_that_comes_before_its_source_is_asked_for_again(store: Store) -> None:
    made = delta.create(HIDDEN, LATER)
    assert made is not None
    late = File(artifact_id(LATER), made, artifact_id(HIDDEN))
    both = [IGot(artifact_id(HIDDEN), private=True), IGot(late.artifact, private=True)]
    talk(
        store,
        wishing(),
        body(*both),
        body(Private(), late, *both),
        body(Private(), File(artifact_id(HIDDEN), HIDDEN), Private(), late, *both),
    )
    assert kept(store) == {HIDDEN, LATER}


def test_what_is_public_here_never_becomes_private(store: Store) -> None:
    with store.writer() as writer:
        writer.put(PUBLIC)
    own = artifact_id(PUBLIC)
    talk(store, wishing(), body(IGot(own, private=True), Private(), File(own, PUBLIC)), b"")
    assert (kept(store), public(store)) == (set(), {PUBLIC})


def test_a_mark_at_the_end_of_a_reply_says_nothing_of_the_next(store: Store) -> None:
    announced = body(IGot(artifact_id(PUBLIC)), Private())
    talk(store, wishing(), announced, body(File(artifact_id(PUBLIC), PUBLIC)), b"")
    assert (kept(store), public(store)) == (set(), {PUBLIC})


def test_a_private_artifact_with_a_wrong_name_ends_the_sync(store: Store) -> None:
    with pytest.raises(PeerError, match="private artifact that is damaged"):
        talk(store, wishing(), body(Private(), File(artifact_id(HIDDEN), b"something else\n")))


def test_a_server_that_asks_for_ever_gets_an_artifact_twice(store: Store) -> None:
    seclude(store, HIDDEN)
    own = artifact_id(HIDDEN)
    asked = talk(store, wishing(BOTH), body(Gimme(own)))
    assert sum(File(own, HIDDEN) in request for request in asked) == 2
    assert all(IGot(own, private=True) in request for request in asked)
