"""Delta manifests, which wait for a baseline while that waits itself, in any order of arrival."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publish.project import NOW, Project
from xferzone.artifacts import MAX_PARENTS, CheckIn, FileCard, Tag, hazard, parse
from xferzone.hashing import artifact_id
from xferzone.refs import Door
from xferzone.repository.rebuild import rebuild
from xferzone.store import Store, places
from xferzone.store.check.faults import faults

FILES = [b"file %d\n" % number for number in range(300)]


def manifests(count: int) -> list[bytes]:
    """A check-in of all the files, then delta manifests on it, each the parent of the next."""
    cards = tuple(FileCard(f"f{number:03}", artifact_id(content)) for number, content in enumerate(FILES))
    tags = (Tag("*", "branch", None, "trunk"), Tag("*", "sym-trunk", None, None))
    made = [CheckIn("first", 1_700_000_000_000, "ann", cards, tags=tags).encode()]
    for number in range(count):
        own = (FileCard("f000", artifact_id(FILES[number + 1])), FileCard("f001", None))
        date_ms, parents = 1_700_000_001_000 + 1_000 * number, (artifact_id(made[-1]),)
        made.append(CheckIn("next", date_ms, "ann", own, parents, baseline=artifact_id(made[0])).encode())
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone") as store:
        yield store


def awaited(store: Store) -> int:
    with store.reader() as reader:
        (count,) = reader.db.execute("SELECT count(*) FROM awaited").fetchone()
    return int(count)


def test_delta_manifests_leave_a_row_each_while_the_files_behind_them_are_missing(store: Store) -> None:
    with store.writer() as writer:
        for content in manifests(50):
            writer.put(content)
    assert awaited(store) <= len(FILES) + 2 * 50


@pytest.mark.parametrize("seed", range(6))
def test_they_are_complete_once_all_has_come_whatever_the_order(store: Store, seed: int) -> None:
    contents = [*manifests(10), *FILES]
    random.Random(seed).shuffle(contents)
    for start in range(0, len(contents), 40):
        with store.writer() as writer:
            for content in contents[start : start + 40]:
                writer.put(content)
        with store.reader() as reader:
            assert list(faults(reader)) == []
    assert awaited(store) == 0
    with store.reader() as reader:
        assert len(places.unplaced(reader)) == 11


def test_rebuilding_derives_the_same(tmp_path: Path) -> None:
    project = Project(tmp_path)
    made = manifests(10)
    with project.writing() as (writer, _):
        for content in [*made[1:], *FILES[:-1], made[0]]:
            writer.put(content)
    before = awaited(project.store)
    assert before > 10
    with project.writing() as (writer, refs):
        rebuild(writer, refs, project.occasion(Door.PUSH))
    assert awaited(project.store) == before
    with project.store.reader() as reader:
        assert list(faults(reader)) == []


def test_thousands_of_parents_are_a_hazard() -> None:
    parents = [artifact_id(b"%d" % number) for number in range(MAX_PARENTS + 1)]
    for count, refused in ((MAX_PARENTS, False), (MAX_PARENTS + 1, True)):
        content = CheckIn("merge", NOW, "ann", parents=tuple(parents[:count])).encode()
        told = hazard(content, parse(content))
        assert (told is not None) == refused
    assert told == "it has 1001 parents, 1000 are allowed"
