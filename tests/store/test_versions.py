"""The order in which versions travel, and what each is a delta of."""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.store.test_store import history, versions
from xferzone import delta
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.errors import CorruptArtifact
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Reader, Store, Writer, chains, frames
from xferzone.store.incoming import Received
from xferzone.store.rechaining import rechain_noted
from xferzone.store.versions import MAX_NEAR, as_delta, ordered

ZONE = "example.com.zone"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone") as store:
        yield store


def ids(texts: Sequence[bytes]) -> list[ArtifactId]:
    return [artifact_id(text) for text in texts]


def before(reader: Reader, text: bytes) -> ArtifactId | None:
    """What a version is a delta of, if it is asked for alone."""
    ((_, older),) = ordered(reader, [artifact_id(text)])
    return older


def test_each_version_goes_once_after_the_one_before_it(store: Store) -> None:
    texts = versions(chains.MAX_STACK + 20, lines=60)
    with store.writer() as writer:
        line = history(writer, texts)
        absent = ArtifactId("ab" * 32)
        wanted = sorted([*ids(texts), *line, absent])
        sent = list(ordered(writer, wanted))
        assert sorted(artifact for artifact, _ in sent) == wanted
        expected = dict(zip([*ids(texts[1:]), *line[1:]], [*ids(texts[:-1]), *line[:-1]], strict=True))
        assert dict(sent) == {absent: None, artifact_id(texts[0]): None, line[0]: None, **expected}
        met: set[ArtifactId | None] = {None}
        for artifact, older in sent:
            assert older in met
            met.add(artifact)
        made = as_delta(writer, artifact_id(texts[1]), artifact_id(texts[0]))
        assert made is not None
        assert delta.apply(texts[0], made) == texts[1]


def test_what_is_not_asked_for_may_be_a_source_too(store: Store) -> None:
    texts = versions(6, lines=60)
    with store.writer() as writer:
        history(writer, texts)
        some = [artifact_id(texts[at]) for at in (5, 2, 4)]
        assert list(ordered(writer, some)) == [
            (some[2], artifact_id(texts[3])),
            (some[0], some[2]),
            (some[1], artifact_id(texts[1])),
        ]


def test_a_branch_begins_with_a_delta_although_its_source_is_kept_as_one_of_another(store: Store) -> None:
    texts, (side,) = versions(4, lines=60), versions(1, lines=60, seed=2)
    with store.writer() as writer:
        line = history(writer, texts)
        tags = (Tag("*", "branch", None, "example.com/side"),)
        card = FileCard(ZONE, writer.put(texts[1] + side[:200]))
        writer.put(CheckIn("side", 1_700_000_000_100, "ops", (card,), (line[1],), tags=tags).encode())
        assert before(writer, texts[1] + side[:200]) == artifact_id(texts[1])
        assert before(writer, texts[2]) == artifact_id(texts[1])


def circles(reader: Reader, texts: Sequence[bytes]) -> list[bytes]:
    """Those texts from which the versions before lead in a circle."""
    ways = {artifact_id(text): before(reader, text) for text in texts}
    found = []
    for text in texts:
        at: ArtifactId | None = artifact_id(text)
        for _ in texts:
            at = None if at is None else ways[at]
        if at is not None:
            found.append(text)
    return found


def pushed(writer: Writer, texts: Sequence[bytes], order: random.Random) -> None:
    """Put in a line of check-ins as stock pushes it, in any order, the files before, as deltas of the older ones."""
    files = {artifact_id(texts[0]): Received(artifact_id(texts[0]), None, texts[0])}
    line: list[Received] = []
    for number, text in enumerate(texts):
        made = None if number == 0 else delta.create(texts[number - 1], text)
        if made is not None:
            delta_of = Received(artifact_id(text), artifact_id(texts[number - 1]), made)
            files.setdefault(artifact_id(text), delta_of)
        parents = tuple(each.artifact for each in line[-1:])
        card = FileCard(ZONE, artifact_id(text))
        content = CheckIn(f"{number}", 1_700_000_000_000 + number, "ops", (card,), parents).encode()
        line.append(Received(artifact_id(content), None, content))
    for received in (list(files.values()), line):
        order.shuffle(received)
        writer.put_all(received)


@pytest.mark.parametrize("cycle", [(0, 1, 0), (0, 1, 2, 0), (0, 1, 0, 1, 2, 1, 0), (0, 1, 2, 3, 1, 4, 0)])
@pytest.mark.parametrize("later", [False, True])
def test_content_that_comes_back_leads_nobody_in_a_circle(
    tmp_path: Path, cycle: tuple[int, ...], later: bool
) -> None:
    every = versions(5, lines=60)
    texts = [every[number] for number in cycle]
    with Store.create(tmp_path / "line") as store, store.writer() as writer:
        history(writer, texts)
        assert circles(writer, texts) == []
    for seed in range(8):
        with Store.create(tmp_path / f"{seed}") as store, store.writer() as writer:
            writer.rechains_later = later
            pushed(writer, texts, random.Random(seed))
            assert circles(writer, texts) == []


def test_a_push_in_any_order_leaves_no_version_to_go_whole(store: Store) -> None:
    texts = versions(chains.MAX_STACK + 20, lines=60)
    with store.writer() as writer:
        pushed(writer, texts, random.Random(1))
        expected = dict(zip(ids(texts), [None, *ids(texts[:-1])], strict=True))
        assert {text: before(writer, text) for text in texts} == dict(
            zip(texts, expected.values(), strict=True)
        )


@pytest.mark.parametrize("seed", range(3))
def test_chains_that_wait_to_be_turned_round_are_not_followed(store: Store, seed: int) -> None:
    texts = versions(20, lines=60)
    with store.writer() as writer:
        writer.rechains_later = True
        pushed(writer, texts, random.Random(seed))
        early = {text: before(writer, text) for text in texts}
        assert rechain_noted(writer)
        late = {text: before(writer, text) for text in texts}
    expected = dict(zip(texts, [None, *ids(texts[:-1])], strict=True))
    assert late == expected
    # Followed now and turned later, a version would be a delta of one that was a delta of it.
    assert all(older in (None, expected[text]) for text, older in early.items())
    assert sum(older is not None for older in early.values()) > 3


def test_a_search_for_the_version_before_is_short(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    plain = Reader.checkin

    def counted(reader: Reader, artifact: ArtifactId) -> CheckIn:
        read.append(artifact)
        return plain(reader, artifact)

    with store.writer() as writer:
        history(writer, [b"%d\n" % number * 100 for number in range(MAX_NEAR + 50)])
        lonely = writer.put(b"named by nobody\n" * 100)
        history(writer, [b"%d\n" % number * 101 for number in range(MAX_NEAR + 50)])
    monkeypatch.setattr(Reader, "checkin", counted)
    with store.reader() as reader:
        assert list(ordered(reader, [lonely])) == [(lonely, None)]
    assert 0 < len(read) <= 2 * MAX_NEAR


def test_a_kept_delta_is_sent_turned_round_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    texts = versions(3)
    with Store.create(tmp_path / "z") as store:
        with store.writer() as writer:
            history(writer, texts)
            ids = [artifact_id(text) for text in texts]
            made = [as_delta(writer, new, old) for old, new in pairwise(ids)]
        for way, (old, new) in zip(made, pairwise(texts), strict=True):
            assert way is not None
            assert delta.apply(old, way) == new
            found = delta.create(old, new)
            assert found is not None
            assert len(way) <= len(found) + 10
        with store.writer() as writer:
            rid = writer.rid(ids[0])
            assert rid is not None
            (source,) = writer.db.execute("SELECT source FROM blob WHERE rid = ?", (rid,)).fetchone()
            chains.keep(writer.db, rid, frames.compress(b"5\n5:other0;"), source)
        with Store(store.path) as again, again.reader() as reader, pytest.raises(CorruptArtifact):
            as_delta(reader, ids[1], ids[0])
