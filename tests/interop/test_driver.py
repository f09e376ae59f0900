"""Seeded: people work on one project at once, and in the end all have the same."""

import os
from pathlib import Path

import pytest

from tests.interop.driver import played
from tests.interop.site import Site, directly, make_project

pytestmark = pytest.mark.interop

#: More by hand: XZ_SEEDS=100-140 pytest ... ; each takes about ten seconds.
SEEDS = [int(word) for word in os.environ["XZ_SEEDS"].split(",")] if "XZ_SEEDS" in os.environ else range(5)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("seed", SEEDS)
def test_all_agree_after_fifty_commits_in_any_order(project: Site, tmp_path: Path, seed: int) -> None:
    with directly(project, tmp_path) as site:
        played(site, tmp_path, seed)
