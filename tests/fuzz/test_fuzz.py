"""A few seconds of `make fuzz`, with a seed that stays."""

import pytest

from tests.fuzz.engine import Fuzzer
from tests.fuzz.kinds import KINDS

SECONDS = 5.0  # of processor time
SEED = 20261130


@pytest.mark.parametrize("name", KINDS)
def test_whatever_comes_is_read_or_refused_as_documented(name: str) -> None:
    report = Fuzzer(KINDS[name], SEED).run(SECONDS)
    assert [(finding.what, finding.octets) for finding in report.findings] == []
    assert report.executions > len(KINDS[name].seeds())
