"""What every test run shares: examples that repeat from run to run, files in memory, nothing of the user's settings."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import longest, oldest

# How long it takes to make an example says something of the machine, not of us.
settings.register_profile(
    "xferzone", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("xferzone")

_MEMORY = Path("/dev/shm")
_ROOM = 3 * 2**30  # bytes; a whole run has left under 1 GB at once


def _has_room() -> bool:
    """Whether files may lie in memory: there is room, and programs that tests write may be run there."""
    if not os.access(_MEMORY, os.W_OK):
        return False
    found = os.statvfs(_MEMORY)
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(meminfo["MemAvailable"].split()[0]) * 1024
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize > _ROOM and free > _ROOM


# Each commit waits for the disk, and tests make some hundred thousand.
if _has_room():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

for _name in [name for name in os.environ if name.startswith(("XFERZONE_", "FOSSIL_"))]:
    del os.environ[_name]

# Tests start some thousand programs. Without bytecode on disk each compiles every module of ours again, and each worker
# rewrites the assertions of every test.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--oldest", action="store_true", help="leave out what no installed package can break")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--oldest") and oldest.is_left_out(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: longest.place(item.path))


def pytest_collection_finish() -> None:
    # What was collected stays to the end. A collection of cycles takes 0.15 s with it, and there is one a module.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Stores that tests leave in cycles hold descriptors: a verb run in a test has Python seek cycles seldom."""
    yield
    gc.collect()
