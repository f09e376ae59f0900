"""The zstd frames around bodies: what goes in comes out, and no peer can make them grow."""

import tracemalloc
from contextlib import suppress
from io import BytesIO

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from xferzone.cards import coding
from xferzone.cards.body import COMPRESSED, UNCOMPRESSED, beginning, decode_body, stated_size
from xferzone.cards.coding import UNSTATED, NotZstd
from xferzone.errors import PeerError
from xferzone.transport import Body
from xferzone.transport.base import ZSTD

LIMIT = 3_000_000
CHECKSUM = 4  # bytes at the end of a frame, behind all of its text
TEXT = b"".join(b"igot %064x\n" % number for number in range(10_000))


def packed(*pieces: bytes) -> bytes:
    into = BytesIO()
    coding.pack(pieces, into)
    return into.getvalue()


def text(octets: bytes, limit: int = LIMIT) -> bytes:
    return decode_body(UNCOMPRESSED, octets, limit=limit, coded=ZSTD)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_pieces_come_back_as_one_text(pieces: list[bytes]) -> None:
    octets = packed(*pieces)
    assert text(octets) == b"".join(pieces)
    assert stated_size(Body.of(UNCOMPRESSED, octets, ZSTD)) == sum(map(len, pieces))


@pytest.mark.parametrize("size", [65_535, 65_536, 262_144, 262_145, LIMIT])
def test_long_texts_come_back_whatever_they_are_packed_with(size: int) -> None:
    for long in (bytes(size), (TEXT * 5)[:size]):
        assert text(packed(long)) == long


@given(st.binary(max_size=300), st.data())
def test_any_damage_leaves_bounded_text_or_is_named(content: bytes, data: st.DataObject) -> None:
    octets = bytearray(packed(content))
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    body = Body.of(UNCOMPRESSED, bytes(octets), ZSTD)
    assert len(beginning(body, 100)) <= 100
    assert stated_size(body) >= 0
    try:
        assert len(text(bytes(octets), 500)) <= 500
    except PeerError:
        return


@given(st.binary(max_size=300), st.data())
def test_a_flipped_bit_changes_no_text(content: bytes, data: st.DataObject) -> None:
    for octets in map(bytearray, (packed(content), coding.packed_whole(content))):
        bit = data.draw(st.integers(0, 8 * len(octets) - 1))
        octets[bit // 8] ^= 1 << bit % 8
        with suppress(PeerError):
            assert text(bytes(octets), 500) == content


@given(st.binary(min_size=1, max_size=300), st.data())
def test_what_is_cut_off_is_named(content: bytes, data: st.DataObject) -> None:
    octets = packed(content)
    with pytest.raises(NotZstd):
        text(octets[: data.draw(st.integers(0, len(octets) - 1 - CHECKSUM))])


@pytest.mark.parametrize(
    "octets", [b"", b"\n", b"pull x y\n", b"\0\0\0\x09" + bytes(20), b"\x28\xb5\x2f\xfd"]
)
def test_what_is_not_a_frame_is_named(octets: bytes) -> None:
    with pytest.raises(NotZstd, match="is said to be in zstd is not"):
        text(octets)
    assert beginning(Body.of(UNCOMPRESSED, octets, ZSTD), 100) == b""
    assert stated_size(Body.of(UNCOMPRESSED, octets, ZSTD)) == UNSTATED


def test_the_limit_is_on_the_text_and_exact() -> None:
    for size in (1_000, 65_536, 300_000):
        assert text(packed(bytes(size)), limit=size) == bytes(size)
        with pytest.raises(PeerError, match=f"over {size - 1} bytes"):
            text(packed(bytes(size)), limit=size - 1)


@pytest.mark.parametrize("is_stated", [True, False])
def test_a_bomb_is_refused_without_being_expanded(is_stated: bool) -> None:
    bomb = zstandard.ZstdCompressor(write_content_size=is_stated).compress(bytes(200_000_000))
    assert len(bomb) < 20_000
    tracemalloc.start()
    try:
        with pytest.raises(PeerError, match="over 1000 bytes"):
            text(bomb, limit=1_000)
        assert beginning(Body.of(UNCOMPRESSED, bomb, ZSTD), 1_000) == bytes(1_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_a_frame_that_wants_much_memory_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    octets = zstandard.ZstdCompressor(compression_params=wide).compressobj().compress(bytes(1_000_000))
    with pytest.raises(NotZstd, match="too much memory"):
        text(octets + bytes(100))


def test_a_frame_of_others_need_not_state_its_size() -> None:
    octets = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)
    assert text(octets) == TEXT
    assert stated_size(Body.of(UNCOMPRESSED, octets, ZSTD)) == UNSTATED


def test_what_is_packed_already_is_not_packed_again() -> None:
    with pytest.raises(NotZstd, match="packed already"):
        decode_body(COMPRESSED, packed(TEXT), limit=LIMIT, coded=ZSTD)


def test_repeated_ids_cost_next_to_nothing() -> None:
    # As in a clone: ids come again after megabytes of other things.
    once = b"".join(b"%064x" % (number * 0x9E3779B97F4A7C15**4 % 2**256) for number in range(30_000))
    assert len(packed(once, once)) < 1.2 * len(packed(once))


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ("zstd", True),
        ("gzip, zstd", True),
        ("br;q=1.0, ZSTD ; q=0.5,*;q=0", True),
        ("", False),
        ("gzip, deflate", False),
        ("*", False),
        ("zstd;q=0", False),
        ("zstd; q=0.000", False),
        ("zstd ;\tq=0.", False),
        ("zstd;q=0.001", True),
        ("xzstd", False),
    ],
)
def test_who_reads_zstd(header: str, verdict: bool) -> None:
    assert coding.is_accepted(header) is verdict


def test_other_codings_are_refused_by_name() -> None:
    assert [coding.named(header) for header in ("", "identity", " Zstd ")] == ["", "", ZSTD]
    with pytest.raises(PeerError, match="'gzip'"):
        coding.named("gzip")


# -- in pieces, as the walk sends them


@given(st.lists(st.binary(max_size=2_000), max_size=5), st.integers(1, 300))
def test_what_is_packed_expands_to_the_same(parts: list[bytes], size: int) -> None:
    octets = b"".join(coding.packed(parts))
    cut = [octets[start : start + size] for start in range(0, len(octets), size)]
    assert b"".join(coding.expanded(cut, 10_000)) == b"".join(parts)


def test_a_body_that_expands_beyond_its_bound_is_refused_before_it_is_in_memory() -> None:
    octets = b"".join(coding.packed([bytes(1_000_000)] * 100))
    assert len(octets) < 20_000
    came: list[int] = []
    with pytest.raises(PeerError, match="over 1000000 bytes"):
        came.extend(map(len, coding.expanded([octets], 1_000_000)))
    assert sum(came) <= 1_000_000


def test_pieces_that_are_not_zstd_are_refused() -> None:
    with pytest.raises(NotZstd):
        list(coding.expanded([b"not zstd at all"], 1_000))
