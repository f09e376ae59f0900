"""The version that a serial stands for, and how far it is looked for."""

from pathlib import Path

import pytest

from tests.publish.project import MAIN_BRANCH, ZONE, Project, zone_text
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import LocalRefs
from xferzone.refs.line import with_serial

VERSIONS = 60


def history(directory: Path, serials: list[int]) -> tuple[Project, dict[int, ArtifactId]]:
    """A line of check-ins whose texts ask for these serials, published one by one."""
    project, made = Project(directory), dict[int, ArtifactId]()
    parents: tuple[ArtifactId, ...] = ()
    for number, serial in enumerate(serials):
        manifest = project.manifest(zone_text(f"www 300 A 192.0.2.{number}", serial=serial), *parents)
        assert project.push(manifest) == []
        made[serial] = artifact_id(manifest)
        parents = (made[serial],)
    assert project.served()[1] == serials[-1]
    return project, made


def found(project: Project, serial: int) -> tuple[list[ArtifactId], int]:
    """What is found, and some measure of how much was read."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with project.store.reader() as reader:
        ref = LocalRefs(reader).get(MAIN_BRANCH)
        assert ref is not None
        reader.db.set_progress_handler(step, 10)
        try:
            return list(with_serial(reader, ZONE, ref.checkin, serial)), steps
        finally:
            reader.db.set_progress_handler(None, 0)


@pytest.fixture
def project(tmp_path: Path) -> tuple[Project, dict[int, ArtifactId]]:
    return history(tmp_path, [1_000 * number for number in range(1, VERSIONS + 1)])


def test_every_serial_of_the_line_is_found(project: tuple[Project, dict[int, ArtifactId]]) -> None:
    served, made = project
    assert {serial: found(served, serial)[0] for serial in made} == {
        serial: [checkin] for serial, checkin in made.items()
    }


def test_one_that_is_not_on_the_line_is_looked_for_no_further_than_it_could_be(
    project: tuple[Project, dict[int, ArtifactId]],
) -> None:
    served, _ = project
    (_, whole), ahead, recent, old = (
        found(served, each) for each in (1_000, 1_000 * VERSIONS + 1, 1_000 * VERSIONS - 1, 500)
    )
    assert (ahead[0], recent[0], old[0]) == ([], [], [])
    assert max(ahead[1], recent[1]) < whole / 8
    assert old[1] <= whole + 2


def test_serials_that_have_begun_again_are_compared_so(tmp_path: Path) -> None:
    served, made = history(tmp_path, [7, 2**31 - 1, 2**32 - 2, 5])
    for serial in (2**31, 2**31 + 7, 6, 2**32 - 1, 3):
        assert found(served, serial)[0] == []
    assert found(served, 2**32 - 2)[0] == [made[2**32 - 2]]
    assert found(served, 5)[0] == [made[5]]
