"""What comes together: any order, any division into batches and any deltas leave the same repository."""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.test_store import history, versions
from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.errors import CorruptArtifact, MalformedDelta
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Reader, Store, chains, incoming, orphans, rechaining
from xferzone.store.check import faults
from xferzone.store.check.relink import relink
from xferzone.store.incoming import Help, Note, Received, verify_alone, verify_early

MANY = 25  # random orders; a thousand by hand


def contents(path: Path) -> dict[ArtifactId, bytes]:
    """A small project: two lines of versions, a merge, a delta manifest, tags before and after, a cluster."""
    with Store.create(path) as store, store.writer() as made:
        line = history(made, versions(6, lines=60))
        aside = made.put(versions(1, lines=60, seed=2)[0])
        side = CheckIn(
            comment="side",
            date_ms=1_700_000_000_100,
            user="ops",
            files=(FileCard("example.com.zone", aside),),
            parents=(line[2],),
            tags=(Tag("*", "branch", None, "example.com/side"),),
        )
        sides = made.put(side.encode())
        merge = CheckIn("merge", 1_700_000_000_200, "ops", side.files, (line[-1], sides))
        merged = made.put(merge.encode())
        small = CheckIn("delta", 1_700_000_000_300, "ops", (), (merged,), baseline=merged)
        made.put(small.encode())
        made.put(
            Control(1_700_000_000_400, (Tag("*", "branch", line[3], "example.com/moved"),), "a").encode()
        )
        made.put(Control(1_700_000_000_500, (Tag("-", "branch", line[3]),), "a").encode())
        made.put(
            Control(1_700_000_000_600, (Tag("*", "branch", line[3], "example.com/again"),), "a").encode()
        )
        made.put(Cluster(tuple(sorted([*line, artifact_id(b"not here")]))).encode())
        return {artifact: made.content(artifact) for artifact in made.artifacts()}


def derived(reader: Reader) -> dict[str, object]:
    """What linking wrote down, by the artifacts' names."""
    names = {rid: chains.id_of(raw) for rid, raw in reader.db.execute("SELECT rid, hash FROM blob")}
    queries = {
        "checkin": ("SELECT rid, date_ms, branch, place FROM checkin", 1),
        "parent": ("SELECT child, parent, position FROM parent", 2),
        "tag": ("SELECT target, source, name, prefix, value, date_ms FROM tag", 2),
        "awaited": ("SELECT wanted, checkin FROM awaited", 2),
        "unclustered": ("SELECT rid FROM unclustered", 1),
        "phantom": ("SELECT rid FROM blob WHERE content IS NULL", 1),
    }
    return {
        table: sorted(
            (*(names[rid] for rid in row[:count]), *map(repr, row[count:]))
            for row in reader.db.execute(query)
        )
        for table, (query, count) in queries.items()
    }


def as_sent(every: dict[ArtifactId, bytes], order: random.Random) -> list[Received]:
    """The artifacts in any order, some as a delta of any other."""
    sent = []
    for artifact, content in every.items():
        source = order.choice(list(every))
        made = delta.create(every[source], content) if order.random() < 0.6 and source != artifact else None
        sent.append(Received(artifact, None, content) if made is None else Received(artifact, source, made))
    order.shuffle(sent)
    return sent


def resolvable(sent: Iterable[Received]) -> set[ArtifactId]:
    """Those that do not hang on themselves."""
    sources = {each.artifact: each.source for each in sent}
    good = set()
    for artifact in sources:
        at: ArtifactId | None = artifact
        for _ in range(len(sources) + 1):
            at = None if at is None else sources[at]
        if at is None:
            good.add(artifact)
    return good


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[ArtifactId, bytes]:
    return contents(tmp_path_factory.mktemp("every") / "z")


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=MANY,
    deadline=None,
)
@given(order=st.randoms(use_true_random=False))
def test_any_order_and_any_batches_leave_the_same(
    every: dict[ArtifactId, bytes], tmp_path_factory: pytest.TempPathFactory, order: random.Random
) -> None:
    directory = tmp_path_factory.mktemp("any")
    sent = as_sent(every, order)
    with pytest.MonkeyPatch.context() as patched:
        # What is over a bound is left to the next turn.
        patched.setattr(incoming, "MAX_CARDS", order.choice((0, 3, incoming.MAX_CARDS)))
        patched.setattr(incoming, "MAX_HELD", order.choice((1, 1_000, incoming.MAX_HELD)))
        _leaves_the_same(every, sent, directory, order)


def _leaves_the_same(
    every: dict[ArtifactId, bytes], sent: list[Received], directory: Path, order: random.Random
) -> None:
    good = resolvable(sent)
    with Store.create(directory / "one") as one, one.writer() as single:
        for artifact in good:
            single.put(every[artifact], artifact)
        for artifact in set(every) - good:
            single.expect(artifact)
        expected = derived(single)
    with Store.create(directory / "all") as store:
        with store.writer() as together:
            while sent:
                count = order.randint(1, len(sent))
                together.put_all(sent[:count])
                del sent[:count]
            found = {artifact: together.content(artifact) for artifact in good if together.has(artifact)}
            refused = {
                artifact
                for artifact in good - set(found)
                if b"\nT " in every[artifact] or every[artifact].startswith(b"D ")
            }
            # A delta that waited and turned out to tag others has to come again, whole; so do those that hang on it.
            while set(found) != good:
                assert refused
                together.put_all(
                    [Received(artifact, None, every[artifact]) for artifact in good - set(found)]
                )
                found = {artifact: together.content(artifact) for artifact in good if together.has(artifact)}
            assert found == {artifact: every[artifact] for artifact in good}
            assert derived(together) == expected
            (deepest,) = together.db.execute("SELECT max(stack) FROM blob").fetchone()
            assert deepest <= chains.MAX_STACK
        with Store(store.path) as again, again.writer() as fresh:
            assert [fault for fault in faults.faults(fresh) if "waits" not in fault] == []
            relink(fresh)
            assert derived(fresh) == expected


def miscounted(reader: Reader) -> list[ArtifactId]:
    """The sources on which as many deltas lie, by their count, as on a delta made against them."""
    query = """SELECT source.hash FROM blob JOIN blob AS source ON source.rid = blob.source
               WHERE source.stack <= blob.stack"""
    return [chains.id_of(raw) for (raw,) in reader.db.execute(query)]


def wrong_way_round(reader: Reader, texts: Sequence[bytes]) -> list[bytes]:
    """Those that are kept as deltas of the text before them."""
    query = "SELECT 1 FROM blob WHERE hash = ? AND source = (SELECT rid FROM blob WHERE hash = ?)"
    return [
        new
        for old, new in itertools.pairwise(texts)
        if reader.db.execute(query, [bytes.fromhex(artifact_id(each)) for each in (new, old)]).fetchone()
    ]


@pytest.fixture
def short_chains(monkeypatch: pytest.MonkeyPatch) -> int:
    """Chains are cut at a few deltas already; how many."""
    for module in (chains, incoming):
        monkeypatch.setattr(module, "MAX_STACK", 5)
    return 5


@pytest.fixture(scope="module")
def long_line(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    """The texts of one file, and the manifests of a line of check-ins of them."""
    texts = versions(16, lines=60)
    with Store.create(tmp_path_factory.mktemp("line") / "z") as store, store.writer() as made:
        return texts, [made.content(checkin) for checkin in history(made, texts)]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=MANY,
    deadline=None,
)
@given(order=st.randoms(use_true_random=False))
def test_what_a_delta_is_made_against_always_carries_more_deltas_than_it(
    long_line: tuple[list[bytes], list[bytes]],
    short_chains: int,
    tmp_path_factory: pytest.TempPathFactory,
    order: random.Random,
) -> None:
    """Turned round with each batch, or some of them later: the end is the same."""
    texts, manifests = long_line
    sent = [Received(artifact_id(manifest), None, manifest) for manifest in manifests]
    sent.append(Received(artifact_id(texts[0]), None, texts[0]))
    for number, text in enumerate(texts[1:], 1):
        # Of those before it, mostly the last: chains grow long, the wrong way round, and are turned when linked.
        source = texts[number - 1] if order.random() < 0.8 else order.choice(texts[:number])
        sent.append(as_delta_of(source, text))
    if order.random() < 0.7:
        order.shuffle(sent)
    with Store.create(tmp_path_factory.mktemp("stacks") / "z") as store, store.writer() as together:
        while sent:
            count = order.randint(1, len(sent))
            together.rechains_later = order.random() < 0.5
            together.put_all(sent[:count])
            del sent[:count]
            is_rechained = order.random() < 0.5
            while not is_rechained:
                is_rechained = rechaining.rechain_noted(together, lambda: order.random() < 0.3)
                assert miscounted(together) == []
            assert miscounted(together) == []
            (deepest,) = together.db.execute("SELECT max(stack) FROM blob").fetchone()
            assert deepest <= short_chains
        assert rechaining.rechain_noted(together)
        assert miscounted(together) == []
        assert faults.stats(together).deltas > 0
    with Store(store.path) as again, again.writer() as fresh:
        assert list(faults.faults(fresh)) == []
        fresh.db.execute("UPDATE blob SET stack = 0")
        assert any("miscounted" in fault for fault in faults.faults(fresh))
        relink(fresh)
        assert list(faults.faults(fresh)) == []


def test_manifests_that_share_their_files_are_kept_together(tmp_path: Path) -> None:
    files = tuple(FileCard(f"{number:04}", artifact_id(b"x")) for number in range(2_000))
    line = [CheckIn(f"version {number}", 1_700_000_000_000 + number, "ops", files) for number in range(100)]
    with Store.create(tmp_path / "z") as store:
        with store.writer() as writer:
            made = [writer.put(checkin.encode()) for checkin in line]
        with store.reader() as reader:
            first = [reader.checkin(each) for each in made]
            assert all(reader.checkin(each) is kept for each, kept in zip(made, first, strict=True))


def test_manifests_of_many_files_are_taken_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "MAX_CARDS", 20_000)
    files = tuple(FileCard(f"{number:04}", artifact_id(b"x")) for number in range(2_000))
    line = [
        CheckIn(f"version {number}", 1_700_000_000_000 + number, "ops", files).encode()
        for number in range(60)
    ]
    deltas = [as_delta_of(older, newer) for older, newer in itertools.pairwise(line)]
    turns: list[int] = []
    with Store.create(tmp_path / "z") as store, store.writer() as writer:
        sent = [Received(artifact_id(line[0]), None, line[0]), *deltas]
        writer.put_all(sent, settle=lambda: turns.append(writer.last_row()))
        assert [writer.content(artifact_id(each)) for each in line] == line
    assert len(turns) == 6


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_what_a_helper_verifies_leaves_the_same(
    every: dict[ArtifactId, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    works: bool,
    seed: int,
) -> None:
    asked = []

    def helper(received: Sequence[Received], note: Note | None) -> Callable[[], Help | None]:
        asked.append(len(received))
        return lambda: verify_alone(received, note) if works else None

    monkeypatch.setattr(incoming, "WORTH_HELPING", 1)
    sent = [*as_sent(every, random.Random(seed)), Received(artifact_id(b"plain"), None, b"plain")]
    left = []
    for helped in (None, helper):
        with Store.create(tmp_path / f"{helped is None}") as store, store.writer() as together:
            for half in (sent[: len(sent) // 2], sent[len(sent) // 2 :]):
                together.put_all(half, None, helped)
            contents = {each: together.content(each) for each in together.artifacts() if together.has(each)}
            left.append((derived(together), contents, list(faults.faults(together))))
    assert left[0] == left[1]
    assert asked


@pytest.mark.parametrize("seed", range(5))
def test_what_was_verified_early_leaves_the_same(
    every: dict[ArtifactId, bytes], tmp_path: Path, seed: int
) -> None:
    sent = [*as_sent(every, random.Random(seed)), Received(artifact_id(b"plain"), None, b"plain")]
    early = verify_early(sent[: len(sent) // 2], Notes.note)
    assert early
    left: list[object] = []
    for before in ({}, early):
        notes = Notes()
        with Store.create(tmp_path / f"{len(left)}") as store, store.writer() as together:
            together.put_all(sent, notes, early=before)
            left.append((derived(together), list(faults.faults(together)), notes.kept))
    assert left[0] == left[1]


class Notes:
    """Keeps how long each artifact is."""

    def __init__(self) -> None:
        self.kept: dict[ArtifactId, object] = {}

    @staticmethod
    def note(content: bytes, _parsed: object) -> object:
        return len(content)

    def keep(self, artifact: ArtifactId, note: object) -> None:
        self.kept[artifact] = note


def test_what_was_verified_early_vouches_for_nothing_else_of_its_name(
    every: dict[ArtifactId, bytes], tmp_path: Path
) -> None:
    manifest = next(each for each, content in every.items() if content.startswith(b"C "))
    good, bad = Received(manifest, None, every[manifest]), Received(manifest, None, b"C bad\n")
    early = verify_early([good], None)
    with Store.create(tmp_path / "z") as store, store.writer() as writer:
        with pytest.raises(CorruptArtifact):
            writer.put_all([good, bad], early=early)
        with pytest.raises(CorruptArtifact):
            verify_early([bad, Received(artifact_id(b"C"), None, b"C"), bad], None)


def test_what_is_wrong_is_told_though_the_helper_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "WORTH_HELPING", 1)
    with Store.create(tmp_path / "z") as store, store.writer() as together:
        with pytest.raises(CorruptArtifact):
            together.put_all([Received(artifact_id(b"x"), None, b"y")], None, lambda *_: lambda: None)
        assert list(together.artifacts()) == []


@pytest.mark.parametrize("comes_first", [True, False])
def test_deltas_of_newer_versions_are_kept_as_they_come(tmp_path: Path, comes_first: bool) -> None:
    texts = versions(30)
    with Store.create(tmp_path / "a") as store, store.writer() as made:
        line = history(made, texts)
        manifests = [Received(artifact, None, made.content(artifact)) for artifact in line]
    files = [Received(artifact_id(texts[-1]), None, texts[-1])]
    for old, new in itertools.pairwise(texts):
        way_back = delta.create(new, old)
        assert way_back is not None
        files.append(Received(artifact_id(old), artifact_id(new), way_back))
    files.reverse()
    with Store.create(tmp_path / "b") as store, store.writer() as together:
        for batch in ([*manifests, *files[:15]], files[15:]) if comes_first else ([*files, *manifests],):
            together.put_all(batch)
        assert faults.stats(together).deltas == 29
        newest = together.db.execute(
            "SELECT source FROM blob WHERE rid = ?", (together.rid(files[-1].artifact),)
        )
        assert newest.fetchone() == (None,)


def test_versions_that_came_as_deltas_of_older_ones_are_turned_round(tmp_path: Path) -> None:
    texts = versions(30)
    with Store.create(tmp_path / "a") as store, store.writer() as made:
        line = history(made, texts)
        manifests = [Received(artifact, None, made.content(artifact)) for artifact in line]
    files = [Received(artifact_id(texts[0]), None, texts[0])]
    for old, new in itertools.pairwise(texts):
        way = delta.create(old, new)
        assert way is not None
        files.append(Received(artifact_id(new), artifact_id(old), way))
    with Store.create(tmp_path / "b") as store, store.writer() as together:
        together.put_all(files)
        together.put_all(manifests)
        rows = together.db.execute("SELECT hash FROM blob WHERE source IS NULL AND size > 5000").fetchall()
        assert [chains.id_of(raw) for (raw,) in rows] == [artifact_id(texts[-1])]
        assert list(faults.faults(together)) == []


@pytest.mark.parametrize("seed", range(5))
def test_they_are_turned_round_in_whatever_order_they_come(tmp_path: Path, seed: int) -> None:
    texts = versions(30)
    with Store.create(tmp_path / "a") as store, store.writer() as made:
        line = history(made, texts)
        sent = [Received(artifact, None, made.content(artifact)) for artifact in line]
    for old, new in itertools.pairwise(texts):
        way = delta.create(old, new)
        assert way is not None
        sent.append(Received(artifact_id(new), artifact_id(old), way))
    sent.append(Received(artifact_id(texts[0]), None, texts[0]))
    random.Random(seed).shuffle(sent)
    with Store.create(tmp_path / "b") as store, store.writer() as one_by_one:
        for each in sent:
            one_by_one.put_all([each])
        rows = one_by_one.db.execute("SELECT hash FROM blob WHERE source IS NULL AND size > 5000").fetchall()
        assert [chains.id_of(raw) for (raw,) in rows] == [artifact_id(texts[-1])]
        assert list(faults.faults(one_by_one)) == []


def in_pieces(texts: Sequence[bytes], directory: Path, seed: int) -> list[Received]:
    """A line of check-ins of these texts, each newer one as a delta of the older, in any order."""
    with Store.create(directory / "line") as store, store.writer() as made:
        sent = [Received(each, None, made.content(each)) for each in history(made, list(texts))]
    sent.append(Received(artifact_id(texts[0]), None, texts[0]))
    sent += [as_delta_of(old, new) for old, new in itertools.pairwise(texts)]
    random.Random(seed).shuffle(sent)
    return sent


def test_what_is_left_is_turned_round_by_whoever_comes_next(tmp_path: Path) -> None:
    texts = versions(30)
    with Store.create(tmp_path / "z") as store:
        for each in in_pieces(texts, tmp_path, seed=1):
            with store.writer() as writer:
                writer.rechains_later = True
                writer.put_all([each])
        turns = []
        for _ in range(100):
            with Store(store.path) as again, again.writer() as fresh:
                is_done = rechaining.rechain_noted(fresh, lambda: True)
                turns.append(len(wrong_way_round(fresh, texts)))
                assert [fault for fault in faults.faults(fresh) if "waits" not in fault] == []
            if is_done:
                break
        assert is_done
        assert turns == sorted(turns, reverse=True)
        assert turns[-1] == 0 < turns[0]
        with store.reader() as reader:
            assert {each: reader.content(artifact_id(each)) for each in texts} == {
                each: each for each in texts
            }


@pytest.mark.parametrize("number", [20, 40])
def test_turning_a_line_round_writes_each_version_once(tmp_path: Path, number: int) -> None:
    texts = versions(number)
    with Store.create(tmp_path / "z") as store, store.writer() as writer:
        writer.rechains_later = True
        for each in in_pieces(texts, tmp_path, seed=2):
            writer.put_all([each])
        before = writer.db.total_changes
        assert rechaining.rechain_noted(writer)
        # Of each version its frame, another table's row that goes or comes, and the note.
        assert writer.db.total_changes - before <= 4 * number


def test_what_cannot_be_read_stays_as_it_came(tmp_path: Path) -> None:
    texts = versions(12)
    with Store.create(tmp_path / "z") as store:
        with store.writer() as writer:
            writer.rechains_later = True
            writer.put_all(in_pieces(texts, tmp_path, seed=3))
            rid = writer.rid(artifact_id(texts[6])) or 0
            source = writer.rid(artifact_id(texts[5]))
            chains.keep(writer.db, rid, b"no frame", source)
        with Store(store.path) as again, again.writer() as fresh:
            assert rechaining.rechain_noted(fresh)
            assert wrong_way_round(fresh, texts[:6]) == []
            assert miscounted(fresh) == []
            for text in texts[:6]:
                assert fresh.content(artifact_id(text)) == text


def test_a_chain_longer_than_is_read_is_cut(tmp_path: Path) -> None:
    texts = versions(250)
    sent = [Received(artifact_id(texts[-1]), None, texts[-1])]
    for old, new in itertools.pairwise(texts):
        way_back = delta.create(new, old)
        assert way_back is not None
        sent.insert(0, Received(artifact_id(old), artifact_id(new), way_back))
    with Store.create(tmp_path / "z") as store:
        with store.writer() as together:
            together.put_all(sent)
        with Store(store.path) as again, again.reader() as reader:
            assert list(faults.faults(reader)) == []
            assert faults.stats(reader).deltas == 247


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Received(artifact_id(b"x"), None, b"y"), CorruptArtifact),
        (Received(artifact_id(b"x"), artifact_id(b"source"), b"6\n6:source0;"), CorruptArtifact),
        (Received(artifact_id(b"x"), artifact_id(b"source"), b"no delta"), MalformedDelta),
        (Received(artifact_id(b"x"), artifact_id(b"source"), b"~~~~~\n"), MalformedDelta),
    ],
)
def test_with_one_bad_artifact_nothing_is_stored(
    tmp_path: Path, bad: Received, error: type[Exception]
) -> None:
    with Store.create(tmp_path / "z") as store, store.writer() as together:
        with pytest.raises(error):
            together.put_all([Received(artifact_id(b"source"), None, b"source"), bad])
        assert list(together.artifacts()) == []
        assert together.phantoms(1) == []


def closing(other: ArtifactId, user: str) -> bytes:
    """A control artifact that closes the branch at `other`."""
    return Control(1_700_000_000_000, (Tag("+", "closed", other),), user).encode()


def as_delta_of(source: bytes, content: bytes) -> Received:
    made = delta.create(source, content)
    assert made is not None
    return Received(artifact_id(content), artifact_id(source), made)


def test_no_delta_kept_aside_passes_the_guard_in_a_later_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "MAX_HELD", 1_500)
    source, other = b"the source of all\n" * 50, artifact_id(b"a check-in")
    large = [source + b"%d" % n for n in range(2)]
    # Padded, since a delta must be smaller than what it makes.
    controls = [closing(other, f"user{n}" + "s" * 100) for n in range(2)]
    deltas = [as_delta_of(source, content) for content in large]
    hidden = [
        Received(artifact_id(control), each.artifact, _literal(control))
        for control, each in zip(controls, deltas, strict=True)
    ]
    with Store.create(tmp_path / "z") as store, store.writer() as together:
        for each in (*deltas, *hidden):
            together.put_all([each])
        together.put_all([Received(artifact_id(source), None, source)])
        assert together.present(each.artifact for each in deltas) == {each.artifact for each in deltas}
        assert [each for each in hidden if together.has(each.artifact)] == []
        assert set(together.phantoms(10)) == {each.artifact for each in hidden}
        assert together.db.execute("SELECT count(*) FROM aside").fetchone() == (0,)
        for control in controls:  # each comes again, whole, where whoever sends it is asked for the right
            together.put(control)
        assert [each for each in hidden if not together.has(each.artifact)] == []


@pytest.mark.parametrize("held", [1, 10**6])
def test_a_bad_delta_kept_aside_does_not_blame_the_sender_of_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(incoming, "MAX_HELD", held)
    source, middle = b"the source\n" * 50, b"the source\n" * 51
    good = as_delta_of(source, middle)
    bad = [
        Received(artifact_id(b"malformed"), good.artifact, b"no delta"),
        Received(artifact_id(b"another"), good.artifact, _literal(b"not it")),
    ]
    with Store.create(tmp_path / "z") as store, store.writer() as together:
        for each in (good, *bad):
            together.put_all([each])
        together.put_all([Received(artifact_id(source), None, source)])
        assert together.has(good.artifact)
        assert set(together.phantoms(10)) == {each.artifact for each in bad}
        assert together.db.execute("SELECT count(*) FROM aside").fetchone() == (0,)


def test_what_stays_aside_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "MAX_ASIDE", 2)
    first, second = artifact_id(b"first"), artifact_id(b"second")
    with Store.create(tmp_path / "z") as store, store.writer() as together:
        together.put_all([Received(second, first, _literal(b"second"))])
        plain = Received(artifact_id(b"plain"), None, b"plain")
        together.put_all([Received(first, artifact_id(b"none"), _literal(b"first")), plain])
        assert together.db.execute("SELECT count(*) FROM aside").fetchone() == (2,)


def _literal(content: bytes) -> bytes:
    """A delta of anything that makes `content` of its own bytes alone."""
    made = delta.create(b"", content)
    assert made is not None
    return made


def test_the_same_in_one_batch_twice_is_stored_once(tmp_path: Path) -> None:
    with Store.create(tmp_path / "z") as store, store.writer() as together:
        together.put_all([Received(artifact_id(b"x"), None, b"x")] * 2)
        assert list(together.artifacts()) == [artifact_id(b"x")]
