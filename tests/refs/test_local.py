"""Refs move by compare-and-set, all of the moves or none, and every move is numbered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xferzone.artifacts import CheckIn
from xferzone.errors import RefConflict
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, Door, LocalRefs, Move, Occasion, Ref, State
from xferzone.store import Store, Writer

MAIN = BranchName("example.com", "main")
OTHER = BranchName("example.org", "main")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Store.create(tmp_path / "z") as store, store.writer() as writer:
        yield writer


def checkin(writer: Writer, number: int) -> ArtifactId:
    return writer.put(CheckIn(comment=f"{number}", date_ms=number, user="ops").encode())


def move(
    expected: ArtifactId | None, to: ArtifactId, branch: BranchName = MAIN, serial: int | None = 1
) -> Move:
    return Move(expected, Ref(branch, to, serial, State.SERVED, (7, 2**62)), Occasion(5, "ann", Door.CLI))


def test_a_ref_is_made_moved_and_read_back(writer: Writer) -> None:
    refs, a, b = LocalRefs(writer), checkin(writer, 1), checkin(writer, 2)
    assert refs.get(MAIN) is None
    refs.compare_and_set([move(None, a)])
    assert refs.get(MAIN) == Ref(MAIN, a, 1, State.SERVED, (7, 2**62))
    refs.compare_and_set([move(a, b, serial=None)])
    assert refs.get(MAIN) == Ref(MAIN, b, None, State.SERVED, (7, 2**62))
    assert [(one.number, one.checkin) for one in refs.publications(MAIN)] == [(2, b), (1, a)]


@pytest.mark.parametrize("expected", [None, "b"])
def test_the_loser_of_a_race_learns_who_won(writer: Writer, expected: str | None) -> None:
    refs, a, b = LocalRefs(writer), checkin(writer, 1), checkin(writer, 2)
    refs.compare_and_set([move(None, a)])
    with pytest.raises(RefConflict) as caught:
        refs.compare_and_set([move(b if expected else None, b)])
    assert caught.value.actual == a
    assert refs.get(MAIN) == Ref(MAIN, a, 1, State.SERVED, (7, 2**62))


def test_several_moves_are_made_or_none(writer: Writer) -> None:
    refs, a, b = LocalRefs(writer), checkin(writer, 1), checkin(writer, 2)
    refs.compare_and_set([move(None, a)])
    with pytest.raises(RefConflict):
        refs.compare_and_set([move(None, b, OTHER), move(b, a)])
    assert refs.get(OTHER) is None


def test_what_moved_since_a_number(writer: Writer) -> None:
    refs, a, b = LocalRefs(writer), checkin(writer, 1), checkin(writer, 2)
    refs.compare_and_set([move(None, a), move(None, a, OTHER)])
    refs.compare_and_set([move(a, b)])
    assert [(one.branch, one.number) for one in refs.since(0)] == [(OTHER, 2), (MAIN, 3)]
    assert [one.branch for one in refs.since(2)] == [MAIN]
    assert list(refs.since(3)) == []


def test_a_zone_s_refs_are_its_own(writer: Writer) -> None:
    refs, a = LocalRefs(writer), checkin(writer, 1)
    texts = ["example.com/main", "example.com/test", "example.com.au/main", "example.co/main"]
    names = [BranchName.of_row(text) for text in texts]
    refs.compare_and_set([move(None, a, name) for name in names])
    assert [ref.branch for ref in refs.of_zone("example.com")] == names[:2]
    assert [str(ref.branch) for ref in refs.list()] == sorted(texts)


@pytest.mark.parametrize(
    ("state", "numbers"), [(State.SERVED, (7, 8)), (State.DEFERRED, ()), (State.REMOVED, ())]
)
def test_a_ref_keeps_its_state(writer: Writer, state: State, numbers: tuple[int, ...]) -> None:
    refs, a = LocalRefs(writer), checkin(writer, 1)
    ref = Ref(MAIN, a, 1, state, numbers)
    refs.compare_and_set([Move(None, ref, Occasion(5, "ann", Door.CLI))])
    assert refs.get(MAIN) == ref
