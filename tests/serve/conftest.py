"""What tests of running servers share."""

from pathlib import Path

import pytest

from tests.cli.test_up import ZONE, xferzone


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "zones.xferzone"
    xferzone(path, "init")
    xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
    return path
