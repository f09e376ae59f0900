r"""The escapes of tokens: the table of Fossil's encode.c, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.escape import decode, decode_text, encode

TABLE = [
    (b"", rb""),
    (b"plain", rb"plain"),
    (b" ", rb"\s"),
    (b"\t", rb"\t"),
    (b"\n", rb"\n"),
    (b"\r", rb"\r"),
    (b"\f", rb"\f"),
    (b"\v", rb"\v"),
    (b"\0", rb"\0"),
    (b"\\", rb"\\"),
    (b"\\s", rb"\\s"),
    (b"not authorized to write", rb"not\sauthorized\sto\swrite"),
    (b"\x01\x7f\x80\xff#;", b"\x01\x7f\x80\xff#;"),
]


@pytest.mark.parametrize(("octets", "token"), TABLE)
def test_writing_and_reading(octets: bytes, token: bytes) -> None:
    assert encode(octets) == token
    assert decode(token) == octets


@pytest.mark.parametrize(
    ("token", "octets"),
    [
        (rb"\q", b"q"),
        (b"\\\n", b"\n"),
        (b"a\\", b"a\\"),
        (b"\\", b"\\"),
        (b"\\\\\\", b"\\\\"),
        (b"\\\xff", b"\xff"),
    ],
)
def test_reading_forgives_what_no_writer_writes(token: bytes, octets: bytes) -> None:
    assert decode(token) == octets


def test_text_is_utf8_and_keeps_octets_that_are_not() -> None:
    assert encode("grüß dich") == "grüß\\sdich".encode()
    assert decode_text(b"\xff\\s\xc3\xa9") == "\udcff é"
    assert encode("\udcff é") == b"\xff\\s\xc3\xa9"


@given(st.binary())
def test_every_octet_comes_back_out_of_a_token_without_blanks(octets: bytes) -> None:
    token = encode(octets)
    assert not set(token) & set(b" \t\n\r\f\v\0")
    assert decode(token) == octets
    assert encode(decode_text(token)) == token
