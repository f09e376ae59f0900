"""The client's machine: every row of its table, by replies of stock and made ones, and what its caller decides."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.store.test_store import history, versions
from tests.sync import recorded
from xferzone import delta
from xferzone.cards import (
    Card,
    Clone,
    CloneSeqno,
    Error,
    File,
    Gimme,
    IGot,
    Login,
    Message,
    Pragma,
    Private,
    Pull,
    Push,
    encode_cards,
    parse_cards,
)
from xferzone.env import Env
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, unsent
from xferzone.sync.client import states
from xferzone.sync.client.options import FEWEST_GIMMES, Account, Known, Options, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.sync.client.states import TRANSITIONS, Event, State

CODE = "c0" * 20
ABSENT = ArtifactId("ab" * 32)
WALKS = 150
HERE, ONE, TWO = b"is here\n", b"one\n", b"two\n"
PULL, PUSH, BOTH = (
    Purpose(pull=True, push=False),
    Purpose(pull=False, push=True),
    Purpose(pull=True, push=True),
)
DEV = Account("dev", recorded.PASSWORDS["dev"])
PROJECT = Push("x", CODE)
REFUSED = Error("not authorized to write")
CLOSED = Error("we are closed")

Row = tuple[State, Event, State]
ROWS: frozenset[Row] = frozenset((state, event, then) for (state, event), then in TRANSITIONS.items())


class Walked(ClientSession):
    """A session that notes the rows it takes and what it asks."""

    def __init__(self, project_code: str | None, options: Options, known: Known | None = None) -> None:
        super().__init__(project_code, options, known)
        self.rows: list[Row] = []
        self.requests: list[bytes] = []

    def _happens(self, event: Event) -> None:
        before = self.state
        super()._happens(event)
        self.rows.append((before, event, self.state))


def walk(store: Store, session: Walked, replies: Sequence[bytes]) -> Walked:
    """The session after these replies, of which the last one is given for ever."""
    for number in range(30):
        with store.writer() as writer:
            request = session.request(writer)
            if request is None:
                return session
            session.requests.append(request)
            session.receive(replies[min(number, len(replies) - 1)])
            session.keep(writer)
    raise AssertionError("no end after 30 rounds")


def body(*cards: Card) -> bytes:
    return encode_cards(cards)


def file(content: bytes) -> File:
    return File(artifact_id(content), content)


def asked(session: Walked, number: int) -> list[Card]:
    return list(parse_cards(session.requests[number]))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A repository with one artifact of its own."""
    with Store.create(tmp_path / "r.xferzone", CODE) as store:
        with store.writer() as writer:
            writer.put(HERE)
        yield store


@dataclass(frozen=True)
class Exchange:
    """Replies to a session and the rows that it takes with them; the last reply is given for ever."""

    replies: Sequence[bytes]
    rows: Sequence[str]
    purpose: Purpose = PULL
    project_code: str | None = CODE
    account: Account | None = None


def _stock(name: str) -> list[bytes]:
    """What stock answered, and then nothing."""
    return [*(reply for _, reply in recorded.scenario(name)), b""]


#: Every row of the table occurs in one of these.
EXCHANGES: dict[str, Exchange] = {
    "stock's clone in many parts": Exchange(
        _stock("clone-multi-round"),
        ["cloning part"] * 5 + ["cloning reply", "meeting reply", "asking over"],
        project_code=None,
    ),
    "stock's clone that needs a login": Exchange(
        _stock("clone-login-required"),
        ["cloning no login", "cloning reply", "meeting reply", "asking over"],
        project_code=None,
        account=DEV,
    ),
    "a clone without an account is refused": Exchange(
        _stock("clone-login-required"), ["cloning error"], project_code=None
    ),
    "a clone with a login is refused": Exchange(
        [body(PROJECT, Error("not authorized to clone"))],
        ["cloning no login", "cloning error"],
        project_code=None,
        account=DEV,
    ),
    "a clone fails later": Exchange(
        [body(file(ONE), CloneSeqno(5), PROJECT), body(CLOSED)],
        ["cloning part", "cloning error"],
        project_code=None,
        account=DEV,
    ),
    "nothing new": Exchange([b""], ["meeting reply", "asking over"]),
    "something is missing": Exchange(
        [body(IGot(artifact_id(ONE))), body(file(ONE))],
        ["meeting reply", "asking reply", "asking over"],
    ),
    "an error at once": Exchange([body(CLOSED)], ["meeting error"]),
    "an error later": Exchange([body(IGot(ABSENT)), body(CLOSED)], ["meeting reply", "asking error"]),
    "a push is refused at once": Exchange(
        [body(REFUSED), b""], ["meeting push refused", "meeting reply", "asking over"], BOTH
    ),
    "a push is refused later": Exchange(
        [body(Gimme(artifact_id(HERE))), body(REFUSED), b""],
        ["meeting reply", "asking push refused", "meeting reply", "asking over"],
        BOTH,
    ),
    "a push is refused twice": Exchange([body(REFUSED)], ["meeting push refused", "meeting error"], BOTH),
    "nothing but a push is refused": Exchange([body(REFUSED)], ["meeting error"], PUSH),
    "a push is refused and the pull goes on": Exchange(
        [body(Message("pull only - not authorized to push"))], ["meeting reply", "asking over"], BOTH
    ),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_takes_these_rows_of_the_table(store: Store, name: str) -> None:
    exchange = EXCHANGES[name]
    session = Walked(exchange.project_code, Options(exchange.purpose, exchange.account))
    walk(store, session, exchange.replies)
    assert [f"{state.value} {event.value}" for state, event, _ in session.rows] == list(exchange.rows)
    assert session.state is State.DONE
    assert bool(session.errors) == (session.rows[-1][1] is Event.ERROR)


def test_these_exchanges_take_every_row() -> None:
    taken = {row for exchange in EXCHANGES.values() for row in exchange.rows}
    assert taken == {f"{state.value} {event.value}" for state, event in TRANSITIONS}


def test_the_table_that_is_drawn_is_the_one_that_is_taken() -> None:
    names = "|".join(state.value for state in State)
    drawn = re.findall(rf"^    ({names}) +(\w+(?: \w+)?) +({names})\b", states.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted((state.value, event.value, then.value) for state, event, then in ROWS)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_an_event_without_a_row_is_a_bug_that_shows(state: State, event: Event) -> None:
    session = Walked(CODE, Options(PULL))
    session.state = state
    if (state, event) in TRANSITIONS:
        session._happens(event)
        assert session.rows[-1] in ROWS
    else:
        with pytest.raises(KeyError):
            session._happens(event)


def test_whatever_a_server_answers_the_session_stays_in_the_table(store: Store) -> None:
    """A reply that has no row would be a KeyError."""
    rng = random.Random(7)
    pieces = [
        PROJECT,
        CloneSeqno(0),
        CloneSeqno(3),
        file(ONE),
        file(TWO),
        Private(),
        Gimme(artifact_id(HERE)),
        REFUSED,
        REFUSED,
        REFUSED,
        CLOSED,
        Message("pull only - not authorized to push"),
        Pragma("xferzone", ("1", "told", "5")),
    ]
    taken: set[Row] = set()
    broken = 0
    for _ in range(WALKS):
        code = rng.choice([None, CODE])
        opening = [PROJECT, file(ONE)] if code is None else []
        missing = IGot(ArtifactId(rng.randbytes(32).hex()))
        replies = [body(missing, *opening, *rng.sample(pieces, rng.randrange(4))) for _ in range(4)]
        options = Options(rng.choice([PULL, PUSH, BOTH, BOTH]), rng.choice([None, DEV]))
        session = Walked(code, options)
        try:
            walk(store, session, [*replies, b""])
        except PeerError:
            broken += 1
        taken.update(session.rows)
    assert taken == ROWS
    assert 0 < broken < WALKS


# -- what the caller decides


def test_a_clone_asks_for_the_next_part_and_logs_in_when_it_can(store: Store) -> None:
    replies = [
        body(PROJECT, Error("not authorized to clone")),
        body(file(ONE), CloneSeqno(7), PROJECT),
        body(file(TWO), CloneSeqno(0), PROJECT),
        b"",
    ]
    session = walk(store, Walked(None, Options(PULL, DEV)), replies)
    openings = [
        (isinstance(first, Login), [card for card in cards if isinstance(card, Clone)])
        for cards in (asked(session, number) for number in range(4))
        for first in cards[:1]
    ]
    assert openings == [(False, [Clone(3, 1)]), (True, [Clone(3, 1)]), (True, [Clone(3, 7)]), (True, [])]
    assert session.traffic.linked == 2


def test_a_request_is_the_same_bytes_with_the_same_randomness(store: Store) -> None:
    options = Options(BOTH, DEV, peer_id="me", env=Env(token=bytes))
    first, again = (walk(store, Walked(CODE, options), [b""]).requests for _ in range(2))
    assert first == again
    assert first[0].endswith(b"# " + b"00" * 20 + b"\n")
    cards = list(parse_cards(first[0]))
    assert Pull("me", CODE) in cards
    assert Push("me", CODE) in cards
    assert walk(store, Walked(CODE, replace(options, env=Env())), [b""]).requests != first


def test_a_request_holds_artifacts_up_to_the_budget_and_one_at_least(store: Store) -> None:
    with store.writer() as writer:
        writer.set_setting("role", "clone")
        names = [unsent.put_own(writer, b"%d" % number * 1000) for number in range(5)]
    session = walk(store, Walked(CODE, Options(PUSH, request_bytes=1_500)), [b""])
    sent = [
        [card.artifact for card in asked(session, number) if isinstance(card, File)]
        for number in range(len(session.requests))
    ]
    assert sent == [names[:2], names[2:4], names[4:]]
    assert (session.traffic.sent, session.traffic.rounds) == (5, 3)


@pytest.mark.parametrize("room", [3_000, 1_000_000])
def test_a_server_that_asks_in_any_order_gets_deltas_behind_their_sources(store: Store, room: int) -> None:
    texts = versions(20, lines=60)
    with store.writer() as writer:
        writer.set_setting("role", "clone")
        wanted = [*history(writer, texts), *map(artifact_id, texts)]
    session = walk(
        store, Walked(CODE, Options(PUSH, request_bytes=room)), [body(*map(Gimme, sorted(wanted))), b""]
    )
    sent = [
        card
        for number in range(len(session.requests))
        for card in asked(session, number)
        if isinstance(card, File)
    ]
    names = [card.artifact for card in sent]
    assert sorted(names) == sorted(wanted)
    for number, card in enumerate(sent):
        assert card.source is None or card.source in names[:number]
    assert [card.payload for card in sent if card.source is None and card.payload in texts] == texts[:1]


def test_what_a_server_asks_for_again_goes_whole(store: Store) -> None:
    texts = versions(2, lines=60)
    with store.writer() as writer:
        history(writer, texts)
    gimme = body(Gimme(artifact_id(texts[1])))
    session = walk(store, Walked(CODE, Options(PUSH)), [gimme, gimme])
    sent = [card for number in range(3) for card in asked(session, number) if isinstance(card, File)]
    assert [card.source for card in sent] == [artifact_id(texts[0]), None]


def test_a_request_asks_for_so_many_or_twice_what_came(store: Store) -> None:
    contents = [b"%d\n" % number for number in range(40)]
    igots = body(*(IGot(artifact_id(content)) for content in contents))
    replies = [igots, body(*map(file, contents[:5])), body(*map(file, contents[5:15])), b""]
    session = walk(store, Walked(CODE, Options(PULL, gimmes=5)), replies)
    gimmes = [
        sum(isinstance(card, Gimme) for card in asked(session, number))
        for number in range(len(session.requests))
    ]
    assert gimmes[:4] == [0, 5, 10, 20]
    assert session.traffic.gimmes_out == sum(gimmes)
    assert Options(PULL).gimmes == FEWEST_GIMMES


def test_traffic_counts_what_was_asked_announced_and_linked(store: Store) -> None:
    replies = [
        body(IGot(artifact_id(ONE)), IGot(ABSENT, private=True), Gimme(artifact_id(HERE)), Gimme(ABSENT)),
        body(file(ONE), file(HERE)),
        b"",
    ]
    traffic = walk(store, Walked(CODE, Options(BOTH)), replies).traffic
    assert (traffic.gimmes_in, traffic.igots_in, traffic.received, traffic.linked) == (2, 2, 2, 1)
    assert (traffic.gimmes_out, traffic.igots_out, traffic.sent) == (1, 1, 1)


def test_a_delta_counts_as_linked_when_its_source_has_come(store: Store) -> None:
    long = b"".join(b"line %d\n" % number for number in range(30))
    made = File(artifact_id(long + ONE), delta.create(long, long + ONE) or b"", artifact_id(long))
    session = walk(store, Walked(CODE, Options(PULL)), [body(made), body(file(long)), b""])
    assert (session.traffic.received, session.traffic.linked) == (2, 2)
    assert session.absent == []


def test_a_delta_of_what_nobody_has_is_asked_for_again_by_the_next_session(store: Store) -> None:
    made = delta.create(HERE, HERE + ONE)
    assert made is not None
    wrong, right = (
        body(File(artifact_id(HERE + ONE), made, source)) for source in (ABSENT, artifact_id(HERE))
    )
    walk(store, Walked(CODE, Options(PULL)), [wrong, b""])
    session = walk(store, Walked(CODE, Options(PULL)), [b"", right, b""])
    gimmes = [[card for card in asked(session, number) if isinstance(card, Gimme)] for number in range(2)]
    assert gimmes == [[Gimme(ABSENT)], [Gimme(artifact_id(HERE + ONE))]]
    with store.reader() as reader:
        assert reader.content(artifact_id(HERE + ONE)) == HERE + ONE


def test_a_private_artifact_is_left_out_with_its_mark_alone(store: Store) -> None:
    session = walk(
        store,
        Walked(CODE, Options(PULL)),
        [body(Private(), IGot(ABSENT, private=True), file(ONE), file(TWO)), b""],
    )
    with store.reader() as reader:
        assert (reader.has(artifact_id(ONE)), reader.has(artifact_id(TWO))) == (False, True)
    assert session.traffic.received == 1


def test_what_nobody_has_does_not_keep_a_client_from_what_is_new(store: Store) -> None:
    dead = [artifact_id(b"nobody has %d" % number) for number in range(20 * FEWEST_GIMMES)]
    with store.writer() as writer:
        writer.expect_all(dead)
    announced = body(IGot(artifact_id(ONE)))
    session = walk(store, Walked(CODE, Options(PULL)), [announced, body(file(ONE)), b""])
    assert Gimme(artifact_id(ONE)) in asked(session, 1)
    assert session.traffic.gimmes_out <= 5 * FEWEST_GIMMES
