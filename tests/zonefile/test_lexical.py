"""Every lexical rule of docs/zone-checks.md: we read what two of BIND, Knot and NSD read, or the page says why not."""

import re

import pytest

from tests.data.lexical.capture import Rule, ours, rules
from tests.live import PROJECT

RULES = rules()
PAGE = (PROJECT / "docs" / "zone-checks.md").read_text()
REASONS = set(re.findall(r"\| `(\w+)` \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: ascii(rule.written[-60:]))
def test_text_is_read_as_two_of_three_do_or_the_page_says_why(rule: Rule) -> None:
    assert ours(rule.written) == rule.ours
    two = "+" if rule.verdicts.count("+") >= 2 else "-"
    assert (rule.ours != two) == bool(rule.why)


def test_the_reasons_are_those_of_the_page() -> None:
    assert {rule.why for rule in RULES} - {""} == REASONS
