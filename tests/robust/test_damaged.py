"""Ten seconds of a network that damages, on each road; `make soak` has ten minutes."""

from pathlib import Path

import pytest

from tests.robust.damaged import ROADS, damaged

pytestmark = pytest.mark.interop

SECONDS = 10.0
SEED = 7


@pytest.mark.parametrize("via", ROADS)
def test_a_mirror_stores_no_wrong_byte_and_converges_when_the_damage_ends(tmp_path: Path, via: str) -> None:
    made = damaged(tmp_path, via, SECONDS, SEED)
    assert made["requests"] > 5
    assert made["flipped"] + made["cut"] + made["reordered"] > 0
