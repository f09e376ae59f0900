"""Check-ins that a branch has passed and that are on another one: what they are on their own is still decided."""

from pathlib import Path

import pytest

from tests.publish.project import MAIN, NOW, Project, zone_text
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.publish import publish_part
from xferzone.refs import Door, LocalRefs
from xferzone.repository import check
from xferzone.repository.rebuild import rebuild
from xferzone.store import places, schema

DEV = "example.com/dev"
A = zone_text("www 300 A 192.0.2.1")
B = zone_text("www 300 A 192.0.2.2")
C = zone_text("www 300 A 192.0.2.3")
D = zone_text("www 300 A 192.0.2.4")
BROKEN = zone_text("www 300 A 192.0.2.1", "www 300 CNAME example.net.")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def begun(project: Project) -> ArtifactId:
    first = project.manifest(A)
    project.push(first)
    return artifact_id(first)


def place_of(project: Project, checkin: ArtifactId) -> int:
    with project.store.reader() as reader:
        placed = places.placed(reader, checkin)
    assert placed is not None
    return placed.place


def faults(project: Project) -> list[str]:
    with project.store.reader() as reader:
        return list(check.everything(reader, LocalRefs(reader)))


def is_sound(project: Project) -> bool:
    """Whether `check` finds nothing, now and after all was derived again."""
    found = faults(project)
    with project.writing() as (writer, refs):
        rebuild(writer, refs, project.occasion(Door.CLI))
    return not found + faults(project)


def test_a_new_branch_that_another_one_passes_first_is_published(project: Project) -> None:
    first = project.manifest(A)
    dev = project.manifest(B, artifact_id(first), branch=DEV)
    project.push(first, dev)  # the branch on which something came last is published first
    assert project.served() == (artifact_id(first), 1)
    assert project.served(DEV)[0] == artifact_id(dev)
    assert is_sound(project)


def test_what_comes_on_a_fork_and_was_passed_stays_published(project: Project) -> None:
    first = begun(project)
    loser = project.manifest(C, first)
    project.push(project.manifest(B, first), loser)
    late = project.manifest(D, artifact_id(loser))
    project.push(late, project.manifest(C, artifact_id(late), branch=DEV))
    assert project.branch_of(artifact_id(late)) == f"{MAIN}-fork-{artifact_id(loser)[:16]}"
    assert place_of(project, artifact_id(late)) == schema.PUBLISHED
    assert is_sound(project)


def test_what_was_passed_and_loses_in_a_later_part_stays_published(project: Project) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    passing = project.manifest(D, artifact_id(loser), branch=DEV)
    with project.writing() as (writer, _):
        for content in (winner, loser, passing):
            writer.put(content)
    is_all, parts = False, 0
    while not is_all:
        parts += 1
        with project.writing() as (writer, refs):
            _, is_all = publish_part(writer, refs, project.occasion(Door.PUSH), lambda: True)
        assert faults(project) == []
    assert parts > 1
    assert project.served()[0] == artifact_id(winner)
    assert project.branch_of(artifact_id(loser)) == f"{MAIN}-fork-{artifact_id(loser)[:16]}"
    assert place_of(project, artifact_id(loser)) == schema.PUBLISHED
    assert is_sound(project)


def test_what_is_invalid_and_was_passed_becomes_a_fork_that_is_published(project: Project) -> None:
    first = begun(project)
    bad = project.manifest(BROKEN, first)
    project.push(bad)
    project.push(project.manifest(C, artifact_id(bad), branch=DEV))
    assert place_of(project, artifact_id(bad)) == schema.INVALID
    winner = project.manifest(B, first)
    project.push(winner)
    assert project.served()[0] == artifact_id(winner)
    assert project.branch_of(artifact_id(bad)) == f"{MAIN}-fork-{artifact_id(bad)[:16]}"
    assert place_of(project, artifact_id(bad)) == schema.PUBLISHED
    assert is_sound(project)


@pytest.mark.parametrize("branch", [MAIN, "trunk", "feature/x"])
def test_what_waits_and_was_merged_is_decided_upon_once_it_is_complete(
    project: Project, tmp_path: Path, branch: str
) -> None:
    first = begun(project)
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Project(tmp_path / "elsewhere")
    late = elsewhere.manifest(B, first, branch=branch, date_ms=NOW)  # its file has not come
    merged = project.manifest(C, first, artifact_id(late), branch=DEV)
    last = project.manifest(D, branch=branch) if branch != MAIN else project.manifest(BROKEN, first)
    project.push(late, last, merged)
    assert project.served(DEV)[0] == artifact_id(merged)
    assert project.served()[0] == first
    assert is_sound(project)
    with project.writing() as (writer, _):
        writer.put(B)
    project.push()
    assert project.served()[0] == (artifact_id(late) if branch == MAIN else first)
    assert place_of(project, artifact_id(late)) == schema.PUBLISHED
    assert is_sound(project)


def test_what_waited_for_its_branch_to_begin_is_decided_upon_with_the_beginning(project: Project) -> None:
    with project.writing() as (writer, _):
        file = writer.put(b"no check-in")
    stray = project.manifest(B, file, branch=MAIN)
    behind = project.manifest(None, artifact_id(stray), branch="trunk")
    project.push(stray, behind)
    assert place_of(project, artifact_id(behind)) == schema.WAITING
    (told,) = project.push(project.manifest(A))
    fork = f"{MAIN}-fork-{artifact_id(stray)[:16]}"
    assert f"was moved to branch {fork}" in told
    assert project.branch_of(artifact_id(stray)) == fork
    with project.store.reader() as reader:
        assert places.unplaced(reader) == []
    assert is_sound(project)
