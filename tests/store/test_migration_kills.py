"""A process that is killed while it migrates leaves the old schema or the new one, sound (docs/formats.md)."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from tests.robust.kills import kills
from xferzone.refs import LocalRefs
from xferzone.store import Store, schema
from xferzone.store.check import faults

GOLDEN = Path(__file__).parents[1] / "golden"
OLD = sorted(path for path in GOLDEN.glob("*.xferzone") if schema.HEAD not in path.name)
KILLS = kills(10)  # of each schema; 500 of each were run
#: Imports what migrating needs, then forks once a line: a path in, the child's number out; then a line to let it end.
FORKS = """
import os, sys
from pathlib import Path
import alembic.command
from xferzone.store import Store
for line in sys.stdin:
    child = os.fork()
    if not child:
        Store.open(Path(line.strip())).close()
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()
    os.waitpid(child, 0)
    print("over", flush=True)
"""


class Forks:
    """Processes that migrate, each killed after some seconds."""

    def __init__(self, into: IO[str], out: IO[str]) -> None:
        self._into, self._out = into, out

    def migrate(self, path: Path, seconds: float | None) -> float:
        """Open the repository in a process that is killed after so many seconds (None: it ends by itself). How long it
        ran."""
        self._say(str(path))
        child, began = int(self._out.readline()), time.monotonic()
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)  # nobody has waited for it: the number is still its own
        self._say("")
        assert self._out.readline() == "over\n"
        return time.monotonic() - began

    def _say(self, line: str) -> None:
        self._into.write(f"{line}\n")
        self._into.flush()


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Forks(process.stdin, process.stdout)
        process.stdin.close()


def revision(path: Path) -> str:
    """The schema of the file as a process that was killed has left it."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (found,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
        columns = {name for _, name, *_ in db.execute("PRAGMA table_info(publication)")}
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        checkins = {name for _, name, *_ in db.execute("PRAGMA table_info(checkin)")}
    laid_out = ("door" in columns, "brought" in tables, "zones" in checkins)
    assert laid_out == (found >= "0003", found >= "0005", found >= "0006")
    assert ("unchained" in tables, "asked" in tables) == (found >= "0007", found >= "0008")
    assert ("pushing" in tables, "acknowledged" in tables) == (found >= "0011", found >= "0012")
    return str(found)


@pytest.mark.parametrize("golden", OLD, ids=lambda path: str(path.stem))
def test_a_killed_migration_leaves_one_schema_or_the_other(
    forks: Forks, golden: Path, tmp_path: Path
) -> None:
    rng = random.Random(golden.name)
    shutil.copy(golden, tmp_path / "whole")
    takes = forks.migrate(tmp_path / "whole", None)
    assert revision(tmp_path / "whole") == schema.HEAD
    left = set()
    for number in range(KILLS):
        path = tmp_path / f"{number}.xferzone"
        shutil.copy(golden, path)
        forks.migrate(path, rng.uniform(0, 1.2 * takes) if number else 0)
        left.add(revision(path))
        with Store.open(path) as store, store.reader() as reader:
            assert list(faults.faults(reader)) == []
            assert [ref.serial for ref in LocalRefs(reader).list()] == [8, 10]
    assert left <= {golden.stem.removeprefix("schema-"), schema.HEAD}
    assert golden.stem.removeprefix("schema-") in left
