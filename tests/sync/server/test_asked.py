"""What nobody has is asked for a few times, of whoever named it; everybody else pays next to nothing."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.sync.rounds import PROJECT, PULL, PUSH, ask, by, cards
from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.cards import Card, File, Gimme, IGot
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, accounts, asked
from xferzone.sync.server import sending

MANY = 1_200
NAMES = tuple(sorted(artifact_id(b"nobody has %d" % number) for number in range(MANY)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login in ("ann", "bob", "eve"):
                accounts.put_user(writer, login, "pw", "gio")
        yield store


def gimmes(store: Store, login: str, *parts: bytes | Card) -> list[ArtifactId]:
    return [
        card.artifact for card in cards(ask(store, by(login, PULL, PUSH, *parts))) if isinstance(card, Gimme)
    ]


def file(content: bytes) -> File:
    return File(artifact_id(content), content)


def _cluster() -> list[Card]:
    return [file(Cluster(NAMES).encode())]


def _files() -> list[Card]:
    held = tuple(FileCard(f"f{name}", name) for name in NAMES)
    return [file(CheckIn("x", 1_700_000_000_000, "eve", held, ()).encode())]


def _parents() -> list[Card]:
    return [
        file(CheckIn(f"{at}", 1_700_000_000_000, "eve", (), NAMES[at : at + 100]).encode())
        for at in range(0, MANY, 100)
    ]


def _tags() -> list[Card]:
    tags = tuple(Tag("+", "x", name) for name in NAMES)
    return [file(Control(1_700_000_000_000, tags, "eve").encode())]


def _sources() -> list[Card]:
    made = delta.create(b"", b"")
    assert made is not None
    return [File(artifact_id(b"made %d" % at), made, name) for at, name in enumerate(NAMES)]


def _announced() -> list[Card]:
    return [IGot(name) for name in NAMES]


@pytest.mark.parametrize("named", [_cluster, _files, _parents, _tags, _sources, _announced])
def test_what_nobody_has_costs_whoever_named_it_and_hardly_anybody_else(
    store: Store, named: Callable[[], Sequence[Card]]
) -> None:
    own = gimmes(store, "eve", *named())
    others = [gimmes(store, "ann") for _ in range(MANY // asked.MAX_OTHERS + 1)]
    assert max(map(len, others)) == asked.MAX_OTHERS
    assert sorted(name for each in others for name in each) == sorted(NAMES)  # each once
    assert gimmes(store, "ann", file(b"a later push")) == []
    while more := gimmes(store, "eve"):
        assert len(more) <= sending.MAX_GIMMES
        own += more
    assert asked.MAX_TIMES <= max(map(own.count, NAMES)) <= asked.MAX_TIMES + 2  # as everybody, too
    assert min(map(own.count, NAMES)) >= asked.MAX_TIMES


def test_what_is_missing_is_asked_for_before_what_others_named(store: Store) -> None:
    gimmes(store, "eve", *_cluster())
    members = tuple(sorted(artifact_id(b"ann has %d" % number) for number in range(600)))
    wanted = gimmes(store, "ann", file(Cluster(members).encode()))
    wanted += gimmes(store, "ann")
    assert set(members) <= set(wanted)


def test_a_reply_that_was_lost_on_its_way_loses_nothing(store: Store) -> None:
    members = tuple(sorted(artifact_id(b"ann has %d" % number) for number in range(30)))
    gimmes(store, "ann", file(Cluster(members).encode()))  # never arrives
    assert set(members) <= set(gimmes(store, "ann"))
    gimmes(store, "ann", *(file(b"ann has %d" % number) for number in range(30)))
    assert gimmes(store, "ann") == []


def test_what_others_named_comes_from_whoever_has_it(store: Store) -> None:
    content = b"bob has it\n"
    gimmes(store, "ann", file(Cluster((artifact_id(content), *NAMES[:3])).encode()))
    assert artifact_id(content) in gimmes(store, "bob")
    gimmes(store, "bob", file(content))
    assert artifact_id(content) not in gimmes(store, "ann")


def test_a_delta_that_had_to_come_again_is_asked_for_although_its_name_is_old(store: Store) -> None:
    source = b"the source\n" * 50
    tag = Control(1_700_000_000_000, (Tag("+", "x", NAMES[0]),), "ann").encode()
    made = delta.create(b"", tag)
    assert made is not None
    gimmes(store, "ann", File(artifact_id(tag), made, artifact_id(source)))
    for _ in range(5):
        gimmes(store, "ann", *(file(b"%d" % number) for number in range(5)))
    assert artifact_id(tag) not in gimmes(store, "ann")
    assert artifact_id(tag) in gimmes(store, "ann", file(source))  # it tags others: it must come whole


def test_the_ranges_that_are_remembered_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MAX_RANGES", 3)
    monkeypatch.setattr(sending, "MAX_GIMMES", 0)
    for number in range(9):
        gimmes(store, "eve", file(Cluster((NAMES[number],)).encode()))
    with store.reader() as reader:
        assert reader.db.execute("SELECT count(*) FROM asked").fetchone() == (3,)
