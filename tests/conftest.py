"""What every test run shares: examples that repeat from run to run, and nothing of the user's settings."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How long it takes to make an example says something of the machine, not of us.
settings.register_profile(
    "xferzone", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("xferzone")

for _name in [name for name in os.environ if name.startswith(("XFERZONE_", "FOSSIL_"))]:
    del os.environ[_name]


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Stores that tests leave in cycles hold descriptors: a verb run in a test has Python seek cycles seldom."""
    yield
    gc.collect()
