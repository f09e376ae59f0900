"""How messages count and list."""

import pytest

from xferzone.wording import counted, listed


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
