"""The octets of a message against stock's packing, and that no peer can make them grow."""

import base64
import json
import tracemalloc
import zlib
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.cards.body import (
    COMPRESSED,
    DEBUG,
    UNCOMPRESSED,
    decode_body,
    encode_body,
    is_xfer,
    pack,
    unpack,
)
from xferzone.errors import PeerError


class Framing(TypedDict):
    name: str
    plain_b64: str
    framed_by_fossil_b64: str
    python_level9_b64: str


VECTORS: list[Framing] = json.loads((Path(__file__).parents[1] / "vectors" / "framing.json").read_bytes())
LIMIT = 100_000


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: str(row["name"]))
@pytest.mark.parametrize(
    "content_type", [COMPRESSED, "", "application/x-fossil; charset=utf-8", "Application/X-Fossil"]
)
def test_packed_bodies_of_stock_and_of_any_level(row: Framing, content_type: str) -> None:
    plain = base64.b64decode(row["plain_b64"])
    for packed in (row["framed_by_fossil_b64"], row["python_level9_b64"]):
        assert decode_body(content_type, base64.b64decode(packed), limit=LIMIT) == plain
        assert unpack(base64.b64decode(packed), limit=LIMIT) == plain
    assert decode_body(content_type, encode_body(content_type, plain), limit=LIMIT) == plain


TEXT = b"pull x " + b"0" * 40 + b"\n"
STREAM = zlib.compress(TEXT)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"#abc", b"#abc"),
        (b"\0\0\0\0", b"\0\0\0\0"),
        (TEXT, TEXT),
        (len(TEXT).to_bytes(4, "big") + STREAM, TEXT),
        (b"\xff\xff\xff\xff" + STREAM, TEXT),
        (len(TEXT).to_bytes(4, "big") + STREAM + b"behind", TEXT),
        (b"\0\0\0\1" + STREAM, b"\0\0\0\1" + STREAM),
        (b"\0\0\0\0" + STREAM, b"\0\0\0\0" + STREAM),
        (b"\0\0\0\0" + zlib.compress(b""), b""),
        (b"\0\0\1\0" + STREAM[:-1], b"\0\0\1\0" + STREAM[:-1]),
        (b"\0\0\1\0" + STREAM[:-5] + b"wrong", b"\0\0\1\0" + STREAM[:-5] + b"wrong"),
        (b"\0\0\1\0[1e4]", b"\0\0\1\0[1e4]"),
    ],
)
def test_what_does_not_inflate_is_text_already(raw: bytes, text: bytes) -> None:
    assert decode_body(COMPRESSED, raw, limit=LIMIT) == text


@pytest.mark.parametrize(
    "content_type", [DEBUG, UNCOMPRESSED, DEBUG + ";charset=x", UNCOMPRESSED.upper() + " ; q=1"]
)
def test_plain_types_are_left_alone(content_type: str) -> None:
    packed = pack(TEXT)
    assert decode_body(content_type, packed, limit=LIMIT) == packed
    assert encode_body(content_type, packed) == packed


def test_the_limit_is_on_the_text_and_exact() -> None:
    text = b"x" * LIMIT
    for content_type in (COMPRESSED, DEBUG, UNCOMPRESSED):
        assert decode_body(content_type, encode_body(content_type, text), limit=LIMIT) == text
        with pytest.raises(PeerError):
            decode_body(content_type, encode_body(content_type, text + b"x"), limit=LIMIT)


def test_a_bomb_is_refused_without_being_expanded() -> None:
    bomb = pack(bytes(50_000_000), level=9)
    assert len(bomb) < LIMIT
    with pytest.raises(PeerError, match="over 1000 bytes"):
        decode_body(COMPRESSED, bomb, limit=1000)
    # The same with a length that lies: stock fails to inflate it, and takes it for text.
    assert decode_body(COMPRESSED, b"\0\0\0\x09" + bomb[4:], limit=LIMIT) == b"\0\0\0\x09" + bomb[4:]


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_long_texts_are_inflated_step_by_step(size: int, level: int) -> None:
    for text in (bytes(size), b"".join(b"igot %064x\n" % number for number in range(size // 70))):
        packed = pack(text, level=level)
        assert unpack(packed, limit=len(text)) == text
        assert unpack(packed + b"behind", limit=10**9) == text
        with pytest.raises(PeerError):
            unpack(packed, limit=len(text) - 1)
        for cut in (packed[:-1], packed[: len(packed) // 2]):
            with pytest.raises(ValueError, match="cut off"):
                unpack(cut, limit=10**9)


def test_a_long_text_is_not_in_memory_twice_while_it_is_inflated() -> None:
    size = 20_000_000
    packed = pack(bytes(size), level=9)
    tracemalloc.start()
    try:
        text = unpack(packed, limit=size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(text) == size
    assert peak < 1.3 * size


@pytest.mark.parametrize(
    ("content_type", "verdict"),
    [
        (COMPRESSED, True),
        (DEBUG, True),
        (UNCOMPRESSED, True),
        ("application/x-fossil;charset=utf-8", True),
        (" Application/X-Fossil ", True),
        ("application/x-fossi", False),
        ("text/html", False),
        ("", False),
        ("x application/x-fossil", False),
    ],
)
def test_sync_requests_are_known_by_a_prefix(content_type: str, verdict: bool) -> None:
    assert is_xfer(content_type) is verdict


@given(st.binary(max_size=300), st.integers(0, 9))
def test_framing_round_trips_at_every_level(text: bytes, level: int) -> None:
    assert unpack(pack(text, level=level), limit=300) == text


@given(st.binary(max_size=300), st.data())
def test_any_damage_leaves_text_or_is_named(text: bytes, data: st.DataObject) -> None:
    packed = bytearray(pack(text))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        decoded = decode_body(COMPRESSED, bytes(packed), limit=500)
    except PeerError:
        return
    assert len(decoded) <= 500
