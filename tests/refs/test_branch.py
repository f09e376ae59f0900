"""Names of zone branches."""

import pytest

from xferzone.refs import BranchName

NAMES = [
    ("example.com/main", BranchName("example.com", "main")),
    ("%root/a/b", BranchName("%root", "a/b")),
    ("example.com/", None),
    ("example.com", None),
    ("/main", None),
    ("Example.com/main", None),
    ("trunk", None),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("text", "branch"), NAMES)
def test_a_zones_branch_is_split_at_the_first_slash(text: str | None, branch: BranchName | None) -> None:
    assert BranchName.parse(text) == branch
    assert branch is None or str(branch) == text


FORKS = [
    ("example.com/main-fork-0123456789abcdef", "example.com/main"),
    ("example.com/a-fork-0123456789abcdef-fork-fedcba9876543210", "example.com/a-fork-0123456789abcdef"),
    ("example.com/main", None),
    ("example.com/main-fork-0123456789ABCDEF", None),
    ("example.com/main-fork-0123456789abcde", None),
    ("example.com/-fork-0123456789abcdef", None),
]


@pytest.mark.parametrize(("text", "home"), FORKS)
def test_a_fork_branch_knows_what_it_came_off(text: str, home: str | None) -> None:
    branch = BranchName.parse(text)
    assert branch is not None
    assert branch.fork_of == BranchName.parse(home)
    assert branch.is_fork == (home is not None)
