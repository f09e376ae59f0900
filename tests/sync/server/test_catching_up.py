"""A client that is some versions behind pulls: it gets deltas in any order of asking, and never waits for ever."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.store.test_store import history, versions
from tests.sync.rounds import PROJECT, PULL, ask, by, cards
from xferzone import delta
from xferzone.artifacts import CheckIn, FileCard, parse
from xferzone.cards import File, Gimme, IGot
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, accounts, chains
from xferzone.sync.server.budget import Budget
from xferzone.sync.server.reply import Draft
from xferzone.sync.server.sending import Sender

KNOWN = 7  # versions that a client may have before it pulls
VERSIONS = chains.MAX_STACK + 30  # one chain of deltas ends among them


class Client:
    """It asks for what is missing in the order of hashes; a delta before its source waits, and the source is missing.

    Source: Fossil 2.21, src/xfer.c xfer_accept_file(), request_phantoms().
    """

    def __init__(self, held: Iterable[bytes], missing: Iterable[ArtifactId], at_once: int) -> None:
        self.held = {artifact_id(content): content for content in held}
        self.missing = set(missing) - set(self.held)
        self.wholes: list[bytes] = []
        self._waiting: dict[ArtifactId, File] = {}
        self._at_once = at_once

    def asks(self) -> Iterator[Gimme]:
        yield from map(Gimme, sorted(self.missing)[: self._at_once])

    def take(self, card: File) -> None:
        self.missing.discard(card.artifact)
        self._waiting[card.artifact] = card
        if card.source is None:
            self.wholes.append(card.payload)
        elif card.source not in self.held and card.source not in self._waiting:
            self.missing.add(card.source)
        while ready := [
            each for each in self._waiting.values() if each.source is None or each.source in self.held
        ]:
            for each in ready:
                del self._waiting[each.artifact]
                content = (
                    each.payload if each.source is None else delta.apply(self.held[each.source], each.payload)
                )
                assert artifact_id(content) == each.artifact
                self.held[each.artifact] = content


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A zone with a long history, and a branch of it."""
    path: Path = tmp_path_factory.mktemp("behind") / "z.xferzone"
    with Store.create(path, PROJECT) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "rose", "pw", "go")
            line = history(writer, versions(VERSIONS, lines=60))
            parent = line[VERSIONS // 2]
            for number, text in enumerate(versions(VERSIONS, lines=60)[:3]):
                card = FileCard("example.com.zone", writer.put(text + b"aside 300 A 192.0.2.1\n"))
                made = CheckIn("side", 1_700_000_000_900 + number, "ops", (card,), (parent,)).encode()
                parent = writer.put(made)
        yield store


def caught_up(store: Store, client: Client, budget: Budget) -> int:
    """How many rounds it took until nothing was missing any more."""
    for rounds in range(1, 2_000):
        asked = list(client.asks())
        if not asked:
            return rounds
        came = cards(ask(store, by("rose", PULL, *asked), budget))
        sent = [card for card in came if isinstance(card, File)]
        assert sent or any(isinstance(card, IGot) for card in came)
        names = [card.artifact for card in sent]
        for number, card in enumerate(sent):
            client.take(card)
            assert card.source is None or Gimme(card.source) not in asked or card.source in names[:number], (
                "it lacks the source"
            )
    raise AssertionError("the client waits for ever")


def everything(store: Store) -> dict[ArtifactId, bytes]:
    with store.reader() as reader:
        return {artifact: reader.content(artifact) for artifact in reader.artifacts()}


def test_whoever_has_the_first_versions_gets_deltas_of_them(store: Store) -> None:
    every = everything(store)
    first = [content for content in every.values() if _number(content) < KNOWN]
    texts = versions(KNOWN, lines=60)
    client = Client([*first, *texts], every, at_once=10_000)
    assert caught_up(store, client, Budget()) == 2
    assert client.held == every
    assert [content for content in client.wholes if parse(content) is None] == []


@pytest.mark.parametrize(("at_once", "budget"), [(1, 10**6), (20, 1), (50, 10**6), (10_000, 5_000)])
def test_a_client_gets_everything_whatever_it_has(store: Store, at_once: int, budget: int) -> None:
    every = everything(store)
    rng = random.Random(budget + at_once)
    for kept in (0, rng.randrange(len(every))):
        client = Client(rng.sample(list(every.values()), kept), every, at_once)
        caught_up(store, client, Budget(bytes=budget))
        assert client.held == every


@pytest.mark.parametrize("budget", [1, 10**6])
def test_what_is_not_here_or_has_no_room_costs_few_statements(store: Store, budget: int) -> None:
    absent = [artifact_id(b"absent %d" % number) for number in range(5_000)]
    wanted = [*absent, *everything(store)]
    said: list[str] = []
    with store.reader() as reader:
        reader.db.set_trace_callback(said.append)
        sender = Sender(reader, Draft(Budget(bytes=budget)))
        sender.answer(wanted)
        reader.db.set_trace_callback(None)
    assert len(said) < 20 * len(everything(store))
    assert (sender.sent == len(everything(store))) == (budget > 1)


def _number(content: bytes) -> int:
    """Of the version whose check-in this is; of anything else a large one."""
    parsed = parse(content)
    return (
        int(parsed.comment.split()[-1]) if isinstance(parsed, CheckIn) and parsed.comment != "side" else 10**6
    )
