"""The undo where something unpublished stands above what is served."""

import random
from pathlib import Path

import pytest

from tests.publish.project import MAIN, MAIN_BRANCH, Project, zone_text
from tests.publish.test_follow import Copy
from xferzone.artifacts import CheckIn, FileCard
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.errors import Ambiguous, NotFound, ZoneInvalid
from xferzone.hashing import ArtifactId, artifact_id, short
from xferzone.history.revision import resolve
from xferzone.refs import LocalRefs
from xferzone.store import places

A = zone_text("www 300 A 192.0.2.1")
B = zone_text("www 300 A 192.0.2.2")
BROKEN = zone_text("www 300 A 192.0.2.1", "www 300 CNAME example.net.")
WORSE = zone_text("www 300 A bad", serial=9)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two published versions."""
    made = Project(tmp_path)
    made.push(first := made.manifest(A))
    made.push(made.manifest(B, artifact_id(first)))
    return made


def pushed(project: Project, content: bytes, parent: ArtifactId, user: str = "bob") -> ArtifactId:
    manifest = project.manifest(content, parent, user=user)
    project.push(manifest)
    return artifact_id(manifest)


def reset(project: Project, revision: str) -> Commit:
    with project.writing() as (writer, refs):
        to = resolve(writer, refs, "example.com", revision, project.now)
        return Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now)).reset(to, "reset")


def parents_of(project: Project, checkin: ArtifactId | None) -> tuple[ArtifactId, ...]:
    assert checkin is not None
    with project.store.reader() as reader:
        placed = places.placed(reader, checkin)
    assert placed is not None
    return placed.parents


def test_reset_to_main_goes_above_what_could_not_be_served(project: Project) -> None:
    served = project.served()[0]
    first = pushed(project, BROKEN, served)
    last = pushed(project, WORSE, first, user="carl")
    assert project.served() == (served, 2)
    done = reset(project, "main")
    assert done.checkin is not None
    assert parents_of(project, done.checkin) == (last,)
    assert project.served() == (done.checkin, 10)  # the worse text says 9
    assert project.leaves() == [done.checkin]
    assert project.branch_of(first) == project.branch_of(last) == MAIN
    assert done.warnings == (
        f"{short(first)} (bob) was not published; this check-in replaces it",
        f"{short(last)} (carl) was not published; this check-in replaces it",
    )
    with project.store.reader() as reader:
        assert reader.files(done.checkin) == reader.files(served)
        assert places.unsettled(reader) == []
    assert reset(project, "main").checkin is None


def test_of_several_lines_the_newest_is_undone_and_the_others_are_kept_as_forks(project: Project) -> None:
    served = project.served()[0]
    older = pushed(project, BROKEN, served)
    newer = pushed(project, WORSE, served)
    done = reset(project, "main")
    assert done.checkin is not None
    assert parents_of(project, done.checkin) == (newer,)
    assert project.branch_of(older) == f"{MAIN}-fork-{older[:16]}"
    assert project.leaves() == [done.checkin]
    assert any(f"{MAIN}-fork-{older[:16]}" in warning for warning in done.warnings)


def test_reset_to_an_older_version_goes_above_it_too(project: Project) -> None:
    served = project.served()[0]
    first = parents_of(project, served)[0]
    broken = pushed(project, BROKEN, served)
    done = reset(project, first)
    assert parents_of(project, done.checkin) == (broken,)
    assert project.served()[0] == done.checkin


def test_what_waits_is_beside_the_reset_and_goes_to_a_fork_when_it_is_whole(project: Project) -> None:
    served = project.served()[0]
    missing = b"www 300 A 192.0.2.77\n"
    cards = (FileCard("example.com.zone", artifact_id(missing)),)
    waiting = CheckIn("waits", project.now - 1_000, "bob", cards, (served,)).encode()
    project.push(waiting)
    done = reset(project, "main")
    assert done.checkin is not None
    assert parents_of(project, done.checkin) == (served,)
    assert project.served()[0] == done.checkin
    project.push(missing)
    assert project.branch_of(artifact_id(waiting)) == f"{MAIN}-fork-{artifact_id(waiting)[:16]}"
    assert project.leaves() == [done.checkin]


def test_main_1_names_both_versions_that_it_could_mean(project: Project) -> None:
    served = project.served()[0]
    first = parents_of(project, served)[0]
    broken = pushed(project, BROKEN, served)
    for revision in ("main~1", "~1", "example.com/main~1"):
        with pytest.raises(Ambiguous) as caught:
            reset(project, revision)
        for named in (first, served, broken):
            assert short(named) in str(caught.value)
        assert "`xferzone reset example.com main`" in str(caught.value)
    assert reset(project, f"{served}~1").checkin is not None
    with pytest.raises(
        ZoneInvalid, match=f"{short(broken)} could not be served: take another REV, as {short(broken)}~1"
    ):
        reset(project, "main~1")
    assert reset(project, "main~2").checkin is not None


def test_main_1_is_what_is_served_where_nothing_was_before_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.push(only := project.manifest(A))
    pushed(project, BROKEN, artifact_id(only))
    with project.store.reader() as reader:
        assert resolve(reader, LocalRefs(reader), "example.com", "main~1", project.now) == artifact_id(only)
        with pytest.raises(NotFound):
            resolve(reader, LocalRefs(reader), "example.com", "main~2", project.now)


def test_a_clone_undoes_what_its_origin_could_not_serve(project: Project, tmp_path: Path) -> None:
    served = project.served()[0]
    broken = pushed(project, BROKEN, served)
    clone = Copy(tmp_path / "clone", project)
    clone.pull(random.Random(1))
    assert clone.served()[0] == served
    done = reset(clone, "main")
    assert done.checkin is not None
    assert parents_of(clone, done.checkin) == (broken,)
    assert clone.served()[0] == done.checkin
    assert clone.send() == []
    assert project.served() == clone.served()
    assert project.leaves() == [done.checkin]
    clone.pull()
    assert clone.served() == project.served()
