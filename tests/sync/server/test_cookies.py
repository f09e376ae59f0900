"""Cookies in requests: a client sends back the token of the push that it goes on with."""

import tracemalloc
from io import BytesIO

import pytest

from tests.sync.rounds import PUSH
from xferzone.cards import Cookie, File
from xferzone.hashing import artifact_id
from xferzone.sync.server.request import MAX_COOKIES, Request

TOKEN = "0123456789abcdef"
COOKIE = Cookie(TOKEN).encode()


def file(content: bytes) -> bytes:
    """Nothing ends the content."""
    return b"file %s %d\n%s" % (artifact_id(content).encode(), len(content), content)


@pytest.mark.parametrize(
    "text",
    [
        COOKIE,
        PUSH + COOKIE,
        PUSH + file(b"no line feed") + COOKIE,
        PUSH + File(artifact_id(b"a line\n"), b"a line\n").encode() + COOKIE + b"igot x\n",
        PUSH + COOKIE + COOKIE,
    ],
)
def test_the_token_is_found_wherever_it_stands(text: bytes) -> None:
    assert Request(text).cookies() == [TOKEN]


def test_the_token_is_found_across_what_is_read_at_a_time() -> None:
    for size in range(65_536 - len(COOKIE) - 1, 65_536 + 2):
        assert Request(b"#" * size + COOKIE).cookies() == [TOKEN]


@pytest.mark.parametrize(
    "text", [b"", PUSH, b"cookie \n", b"cookie abc\n", b"cookie %s x\n" % TOKEN.encode()]
)
def test_what_another_server_has_given_is_none_of_ours(text: bytes) -> None:
    assert Request(text).cookies() == []


def test_of_a_request_the_first_and_the_last_are_looked_at() -> None:
    """Ours sends its cookie before artifacts, stock behind them, and these may hold what looks so."""
    tokens = [f"{number:016x}" for number in range(10_000)]
    text = b"".join(Cookie(token).encode() for token in tokens)
    half = MAX_COOKIES // 2
    assert Request(text).cookies() == tokens[:half] + tokens[-half:]


def test_what_looks_like_cookies_takes_no_room() -> None:
    text = b"".join(b"cookie %016x\n" % number for number in range(200_000))
    request = Request(BytesIO(text))
    tracemalloc.start()
    try:
        request.cookies()
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
