"""Every mutant still applies, and three of each kind are found by the first seeds."""

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.live import PROJECT
from tests.mutants.mutant import Mutant
from tests.mutants.running import found_by
from tests.mutants.table import BY_NAME, MUTANTS

PATIENCE_S: Final = 120  # of CPU


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_applies(mutant: Mutant, tmp_path: Path) -> None:
    there = tmp_path / mutant.file
    there.parent.mkdir(parents=True)
    shutil.copy(PROJECT / mutant.file, there)
    mutant.apply(tmp_path)
    compile(there.read_text(), str(there), "exec")


def test_a_mutant_whose_place_has_changed_does_not_apply(tmp_path: Path) -> None:
    there = tmp_path / MUTANTS[0].file
    there.parent.mkdir(parents=True)
    there.write_text("")
    with pytest.raises(ValueError, match="does not apply"):
        MUTANTS[0].apply(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "lose-a-gimme",
        "drop-the-source-of-a-delta",
        "lose-the-loser-of-a-race",
        "count-itself-twice",
        "propose-without-copies",
        "settle-aside",
    ],
)
def test_a_mutant_is_found(name: str) -> None:
    # By the seed that is recorded. That changes with the package, so others follow.
    first = BY_NAME[name].seed
    assert found_by(BY_NAME[name], range(first, first + 20), PATIENCE_S) is not None
