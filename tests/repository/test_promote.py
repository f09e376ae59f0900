"""A clone that becomes a primary settles what waited, as law 4 says."""

import random
from pathlib import Path

import pytest

from tests.publish.project import MAIN, Project
from tests.publish.test_follow import STEPS, A, B, C, Copy, Story, refs_of
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import Door
from xferzone.repository.promote import Promoted, promote
from xferzone.store import places, schema, unsent

SEEDS = 6  # 100 were run


def promoted(clone: Copy) -> Promoted | None:
    with clone.writing() as (writer, refs):
        return promote(writer, refs, clone.occasion(Door.CLI), steps=False)


@pytest.fixture
def clone(tmp_path: Path) -> Copy:
    """A clone of a primary that serves one check-in."""
    (tmp_path / "primary").mkdir()
    primary = Project(tmp_path / "primary")
    primary.push(primary.manifest(A))
    made = Copy(tmp_path / "clone", primary)
    made.pull()
    return made


def test_a_primary_stays_one(clone: Copy) -> None:
    assert promoted(clone) is not None
    held = clone.held()
    assert promoted(clone) is None
    assert clone.held() == held


def test_what_was_made_here_and_is_served_stays_served(clone: Copy) -> None:
    mine = clone.set_www("192.0.2.9")
    done = promoted(clone)
    assert done is not None
    assert done.was == schema.CLONE
    assert (done.followed.moved, done.followed.notices) == ((), ())
    assert clone.served()[0] == mine
    with clone.store.reader() as reader:
        assert reader.role == schema.PRIMARY
        assert unsent.artifacts(reader) == []
    clone.set_www("192.0.2.10")
    with clone.store.reader() as reader:
        assert unsent.artifacts(reader) == []


def test_what_was_left_behind_goes_to_a_fork(clone: Copy) -> None:
    first = clone.served()[0]
    clone.remote.push(clone.remote.manifest(B, first))
    mine = clone.set_www("192.0.2.9")
    clone.pull()
    assert clone.branch_of(mine) == MAIN
    done = promoted(clone)
    assert done is not None
    assert "was moved to branch" in done.followed.notices[0]
    assert clone.branch_of(mine) == f"{MAIN}-fork-{mine[:16]}"
    assert clone.leaves() == [clone.served()[0]]


def test_what_was_pushed_to_the_clone_is_published(clone: Copy) -> None:
    first = clone.served()[0]
    child = clone.manifest(C, first, date_ms=clone.now)
    clone.push(child)
    assert clone.served()[0] == first
    done = promoted(clone)
    assert done is not None
    assert [(str(moved.branch), moved.new) for moved in done.followed.moved] == [(MAIN, artifact_id(child))]
    assert clone.served() == (artifact_id(child), 2)


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_promoted_clone_has_one_leaf_a_branch(tmp_path: Path, seed: int, *, is_told: bool) -> None:
    story = Story(seed, tmp_path, is_told=is_told)
    for _ in range(STEPS):
        story.step()
    clone = random.Random(seed).choice(story.clones)
    before = refs_of(clone)
    promoted(clone)
    after = refs_of(clone)
    assert before.keys() <= after.keys()
    for branch in after:
        assert set(clone.leaves(branch)) - invalid(clone, branch) <= {after[branch][0]}
    assert promoted(clone) is None
    assert clone.push() == []
    assert refs_of(clone) == after


def invalid(clone: Copy, branch: str) -> set[ArtifactId]:
    with clone.store.reader() as reader:
        return {placed.id for placed in places.invalid(reader, branch)}
