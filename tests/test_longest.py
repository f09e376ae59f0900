"""What begins first."""

import pytest

from tests.longest import LONGEST, TESTS, place


def test_each_of_them_has_tests() -> None:
    assert [name for name in LONGEST if "def test_" not in (TESTS / name).read_text()] == []


def test_they_stand_in_their_order_before_all_others(request: pytest.FixtureRequest) -> None:
    files = ["test_errors.py", *reversed(LONGEST), "cli/test_up.py"]
    in_order = sorted(files, key=lambda name: place(TESTS / name))
    assert in_order == [*LONGEST, "test_errors.py", "cli/test_up.py"]
    places = [place(item.path) for item in request.session.items]
    assert places == sorted(places)
