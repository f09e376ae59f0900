"""Which tests `make oldest` runs: those that a release of an installed package may break.

    tests/NAME/             where a module of xferzone/NAME imports an installed package itself
    tests/test_*.py         all but OURS
    the rest                not: what they call of those packages, the tests of the packages of ours in between call

zstandard has one pinned release in both runs (the Makefile says why), so it does not count. Histories that chance makes
(simulation, fuzz, mutants, robust and some of OURS) try our own code; they are left out, too.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROJECT = Path(__file__).resolve().parent.parent
_SAME = frozenset({"xferzone", "zstandard", "_typeshed"})
#: Files, below `tests`, of a directory that is run: random histories, and one that only reads our own sources.
OURS: Final = frozenset(
    {
        "exchange/group/test_any_history.py",
        "exchange/group/test_histories.py",
        "store/test_together.py",
        "test_house.py",
    }
)


def installed(directory: Path) -> set[str]:
    """The installed packages that modules below a directory import, by the names of their modules."""
    found = {name.partition(".")[0] for path in directory.rglob("*.py") for name in _imported(path)}
    return found - sys.stdlib_module_names - _SAME


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def is_left_out(path: Path) -> bool:
    """Whether the tests in this directory right below `tests`, or in this file, are."""
    below = path.relative_to(PROJECT / "tests")
    if path.is_dir() and len(below.parts) == 1:
        return not installed(PROJECT / "xferzone" / path.name)
    return below.as_posix() in OURS
