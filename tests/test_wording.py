"""How messages count and list."""

import pytest

from xferzone.wording import counted, instant, listed


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(0, "record", "0 records"), (1, "branch", "1 branch"), (2000, "branch", "2,000 branches")],
)
def test_a_number_of_things_agrees_with_its_noun(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c"], "a, b and 1 more")],
)
def test_a_list_that_is_cut_short_says_by_how_much(words: list[str], said: str) -> None:
    assert listed(words, 2) == said


@pytest.mark.parametrize(
    ("date_ms", "said"),
    [
        (1_700_000_000_999, "2023-11-14 22:13:20 UTC"),
        (253_402_300_799_999, "9999-12-31 23:59:59 UTC"),
        (-62_135_596_800_000, "0001-01-01 00:00:00 UTC"),
        (-62_135_596_800_001, "0000-12-31 23:59:59 UTC"),
        (-62_167_219_200_001, "-0001-12-31 23:59:59 UTC"),
        (-210_863_433_600_000, "-4712-01-02 00:00:00 UTC"),
    ],
)
def test_a_date_of_any_year_is_shown(date_ms: int, said: str) -> None:
    assert instant(date_ms) == said
