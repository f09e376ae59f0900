"""Messages that chance made are answered as two of NSD, Knot and BIND do, or differ in a way that was decided."""

from pathlib import Path

import pytest

from tests.nameserver.peers.chance import compared
from tests.nameserver.peers.differences import CLASSES

pytestmark = pytest.mark.interop


def test_differences_are_of_classes_that_were_decided(tmp_path: Path) -> None:
    counts, undecided = compared(2_000, 1, tmp_path)
    assert undecided == []
    assert counts["agree"] > 1_300
    assert counts.keys() <= {"agree", *CLASSES}
