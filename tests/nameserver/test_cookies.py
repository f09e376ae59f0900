"""Server cookies: what the RFC's examples hold, and when a cookie is valid."""

import ipaddress

import pytest

from xferzone.nameserver.cookies import AHEAD, ECHOED, VALID, Cookies
from xferzone.nameserver.siphash import siphash

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
OLD = bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715")
NEW = bytes.fromhex("445536bcd2513298075a5d379663c962")
V4 = ipaddress.ip_address("198.51.100.100").packed
OTHER = ipaddress.ip_address("203.0.113.203").packed
V6 = ipaddress.ip_address("2001:db8:220:1:59de:d0f4:8769:82b8").packed
ASKER = bytes.fromhex("2464c4abcf10c957")
OURS = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")
MADE = 1_559_731_985  # when that was
RESERVED = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")


def judged(cookies: Cookies, value: bytes, client: bytes, now: int) -> tuple[str, bool]:
    found = cookies.judged(value, client, now)
    assert found is not None
    assert found.option[:4] == b"\0\x0a\0\x18"
    return found.option[4:].hex(), found.is_valid


def test_the_hash_of_its_authors_example() -> None:
    assert siphash(bytes(range(16)), bytes(range(15))) == (0xA129CA6149BE45E5).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("secrets", "value", "client", "now", "answer", "is_valid"),
    [
        ((SECRET,), ASKER, V4, MADE, OURS.hex(), False),
        ((SECRET,), OURS, V4, 1_559_734_385, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", True),
        (
            (SECRET,),
            RESERVED,
            OTHER,
            1_559_734_700,
            "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
            False,
        ),
        ((SECRET,), RESERVED, OTHER, 1_559_727_985, RESERVED.hex(), True),
        (
            (NEW, OLD),
            bytes.fromhex("22681ab97d52c298010000005cf7c57926556bd0934c72f8"),
            V6,
            1_559_741_961,
            "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
            True,
        ),
    ],
    ids=["A.1", "A.2", "A.3, when it is too old", "A.3, when it was made", "A.4"],
)
# many: an example of RFC 9018
def test_examples(
    secrets: tuple[bytes, ...], value: bytes, client: bytes, now: int, answer: str, is_valid: bool
) -> None:
    assert judged(Cookies(secrets), value, client, now) == (answer, is_valid)


@pytest.mark.parametrize(
    ("age", "is_valid", "is_echoed"),
    [
        (-AHEAD - 1, False, False),
        (-AHEAD, True, True),
        (0, True, True),
        (ECHOED, True, True),
        (ECHOED + 1, True, False),
        (VALID, True, False),
        (VALID + 1, False, False),
        (1 << 31, False, False),
    ],
)
def test_a_cookie_ages(age: int, is_valid: bool, is_echoed: bool) -> None:
    option, valid = judged(Cookies([SECRET]), OURS, V4, MADE + age)
    assert (valid, option == OURS.hex()) == (is_valid, is_echoed)


def test_a_cookie_stays_valid_where_the_time_in_it_wraps() -> None:
    cookies = Cookies([SECRET])
    made, _ = judged(cookies, ASKER, V4, (1 << 32) - 10)
    assert judged(cookies, bytes.fromhex(made), V4, (1 << 32) + 10) == (made, True)


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (OURS, OTHER),
        (OURS, V4 + bytes(12)),
        (b"12345678" + OURS[8:], V4),
        (OURS[:-1] + b"x", V4),
        (OURS + b"\0", V4),
        (OURS[:8] + b"\2" + OURS[9:], V4),
        (OURS[:16], V4),
    ],
    ids=["address", "longer address", "client cookie", "hash", "longer", "version", "shorter"],
)
def test_a_cookie_of_something_else_is_not_valid(value: bytes, client: bytes) -> None:
    assert not judged(Cookies([SECRET]), value, client, MADE)[1]


@pytest.mark.parametrize("size", range(60))
def test_sizes(size: int) -> None:
    found = Cookies([SECRET]).judged(bytes(size), V4, MADE)
    assert (found is not None) == (size == 8 or 16 <= size <= 40)
