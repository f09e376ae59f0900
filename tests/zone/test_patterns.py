"""Patterns of zone ids: which of several is the first that matches."""

import pytest

from xferzone.zone.patterns import firsts, place, specimen

PATTERNS = ["example.com", "*.b.example.net", "*.example.net", "example.net", "*", "late.example"]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("example.com", 0),
        ("a.b.example.net", 1),
        ("b.example.net", 2),
        ("example.net", 3),
        ("sub.example.com", 4),
        ("late.example", 4),
    ],
)
def test_the_first_that_matches_counts(zone: str, expected: int) -> None:
    assert place(firsts(PATTERNS), zone) == expected


def test_nothing_matches_where_no_pattern_does() -> None:
    assert place(firsts(["*.example.net"]), "example.net") is None
    assert place({}, "example.net") is None


def test_a_specimen_is_matched_by_its_pattern_and_by_no_zone() -> None:
    assert [specimen(each) for each in ("*", "*.example.net", "example.net")] == [
        "!",
        "!.example.net",
        "example.net",
    ]
    assert place(firsts(["a.example.net", "*.example.net"]), specimen("*.example.net")) == 1
