"""Seeded: people work on one project at once, and in the end all have the same."""

import os
from pathlib import Path

import pytest

from tests.interop import texts
from tests.interop.driver import played
from tests.interop.site import Site, directly, make_project
from tests.live import Person

pytestmark = pytest.mark.interop

RECORDS = 3_000  # of the large zone: 270 kB, three files or more
_FIRST, _, _LAST = os.environ.get("SEEDS", "0-4").partition("-")  # more by hand: SEEDS=100-139 pytest ...
SEEDS = range(int(_FIRST), int(_LAST) + 1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def large_zone(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A project where example.com lies in several files."""
    directory = tmp_path_factory.mktemp("large")
    project = make_project(directory, ("example.net",))
    add = ("-R", project.repository, "zone", "add", "example.com", "--from", "-")
    Person(directory / "operator").xferzone(*add, stdin=texts.large(RECORDS))
    return project


@pytest.mark.parametrize("seed", SEEDS)
def test_all_agree_after_fifty_commits_in_any_order(project: Site, tmp_path: Path, seed: int) -> None:
    with directly(project, tmp_path) as site:
        played(site, tmp_path, seed)


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_all_agree_on_a_zone_of_several_files(large_zone: Site, tmp_path: Path, seed: int) -> None:
    with directly(large_zone, tmp_path) as site:
        played(site, tmp_path, seed, commits=30)
