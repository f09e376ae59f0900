"""BIND, Knot and NSD say of odd zone text what tests/data/lexical/rules.tsv has."""

from pathlib import Path

import pytest

from tests.data.lexical.capture import rules, verdicts

pytestmark = pytest.mark.interop

PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_the_three_servers_read_what_was_recorded(tmp_path: Path, part: int) -> None:
    own = rules()[part::PARTS]
    said = [(rule.written, verdicts(rule.written, tmp_path)) for rule in own]
    assert said == [(rule.written, rule.verdicts) for rule in own]
