"""Messages that chance made are answered as two of NSD, Knot and BIND do, or differ in a way that was decided."""

from pathlib import Path

import pytest

from tests.nameserver.peers.asking import by_connections, by_windows
from tests.nameserver.peers.chance import Ask, compared
from tests.nameserver.peers.differences import CLASSES

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("ask", [by_windows, by_connections], ids=["UDP", "TCP"])
def test_differences_are_of_classes_that_were_decided(tmp_path: Path, ask: Ask) -> None:
    counts, undecided = compared(2_000, 1, tmp_path, ask)
    assert undecided == []
    assert counts["agree"] > 1_200
    assert counts.keys() <= {"agree", *CLASSES}
