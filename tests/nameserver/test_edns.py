"""Options of OPT records: found by their code, made for answers."""

import pytest

from xferzone.nameserver.edns import Edns, option

OPTIONS = b"\0\3\0\0\0\x0a\0\x08abcdefgh\0\x0a\0\1x"


@pytest.mark.parametrize(("code", "value"), [(3, b""), (10, b"abcdefgh"), (8, None), (0, None)])
def test_the_first_option_of_a_code(code: int, value: bytes | None) -> None:
    assert Edns(1232, False, OPTIONS).option(code) == value


def test_an_option_that_is_made_is_found() -> None:
    made = option(3, b"") + option(10, b"abcdefgh")
    assert made == OPTIONS[:16]
    assert Edns(512, True, made).option(10) == b"abcdefgh"
