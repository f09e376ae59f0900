"""Frames: what earlier releases wrote is read, what is damaged is refused, and short artifacts are packed."""

import hashlib
import re
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from xferzone.store import frames, sealed

ZONE = b"$TTL 3600\n@ 3600 SOA ns1 hostmaster 7 7200 3600 1209600 300\n@ 3600 NS ns1\n" * 20
FILE, PARENT = (hashlib.sha3_256(text).hexdigest() for text in (b"a file", b"a parent"))
#: A packed manifest as this release writes it. Repositories were written with it.
PACKED = bytes.fromhex(
    "08c3e27ba00b81be4736ce30c400688b819581819ea19129929140a5a84626e6e5710100" + FILE + PARENT
)
LIMIT = 10**6


def artifact(text: str) -> bytes:
    return f"{text}Z {hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}\n".encode()


MANIFEST = artifact(
    f"C set\\swww.example.org\\sA\nD 2026-12-01T06:30:00.125\nF example.org.zone {FILE}\nP {PARENT}\nU ann\n"
)
CONTROL = artifact(f"D 2026-12-01T06:30:00\nT +sym-{'ab' * 20} {PARENT[:40]}\nU ann\n")


@pytest.mark.parametrize("level", [3, 19])
def test_a_frame_with_its_magic_number_and_dictionary_is_read_as_before(level: int) -> None:
    dictionary = zstandard.ZstdCompressionDict((Path(frames.__file__).with_name("zone.dict")).read_bytes())
    for content in (ZONE, MANIFEST, b""):
        frame = zstandard.ZstdCompressor(level=level, dict_data=dictionary).compress(content)
        assert frame.startswith(bytes.fromhex("28b52ffd"))
        assert frames.expand(frame, LIMIT) == content


def test_a_frame_of_today_has_neither() -> None:
    dictionary = zstandard.ZstdCompressionDict((Path(frames.__file__).with_name("zone.dict")).read_bytes())
    before = zstandard.ZstdCompressor(level=frames.LEVEL, dict_data=dictionary).compress(ZONE)
    assert len(frames.compress(ZONE)) == len(before) - 8
    assert frames.expand(frames.compress(ZONE), LIMIT) == ZONE


def test_a_manifest_takes_its_hashes_and_little_more() -> None:
    frame = frames.compress(MANIFEST)
    assert frame == frames.compress_best(MANIFEST)
    assert len(frame) <= 64 + 45
    assert frames.expand(frame, LIMIT) == MANIFEST


def test_what_was_packed_stays_readable() -> None:
    assert frames.expand(PACKED, LIMIT) == MANIFEST


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["F ", "P ", "\n", "T *branch * ", FILE, PARENT[:40], PARENT[:32], "\x01", "\x03"]
            ),
            st.text("0123456789abcdef", max_size=70),
            st.text(max_size=20),
        )
    )
)
def test_any_sealed_text_comes_back(parts: list[str]) -> None:
    content = artifact("".join(parts).encode("utf-8", "replace").decode())
    assert frames.expand(frames.compress(content), LIMIT) == content


@pytest.mark.parametrize(
    "content",
    [
        MANIFEST.replace(b"ann", b"bob"),
        MANIFEST[:-1],
        artifact(f"C \x01\nD 2026-12-01T06:30:00\nP {PARENT}\nU ann\n"),
        artifact(f"C {'x' * 1_000}\nD 2026-12-01T06:30:00\nP {PARENT}\nU ann\n"),
        artifact(f"M {FILE}\n"),
        b"",
    ],
    ids=[
        "a wrong seal",
        "no last newline",
        "an octet that stands for hashes",
        "too long",
        "a cluster",
        "empty",
    ],
)
def test_anything_else_is_not_packed(content: bytes) -> None:
    assert sealed.packed(content) is None
    assert frames.expand(frames.compress(content), LIMIT) == content


@pytest.mark.parametrize(
    "frame", [PACKED, frames.compress(CONTROL), frames.compress(ZONE)], ids=["manifest", "control", "zone"]
)
def test_what_is_cut_off_or_has_more_behind_it_is_refused(frame: bytes) -> None:
    for damaged in (*(frame[:size] for size in range(len(frame))), frame + b"\0", frame + frame):
        with pytest.raises(ValueError, match=re.compile("frame|deflated|hashes")):
            frames.expand(damaged, LIMIT)


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_a_changed_octet_is_refused_or_makes_something_else(at: int, bits: int) -> None:
    damaged = PACKED[:at] + bytes((PACKED[at] ^ bits,)) + PACKED[at + 1 :]
    try:
        found = frames.expand(damaged, LIMIT)
    except ValueError:
        return
    assert found != MANIFEST


@pytest.mark.parametrize("content", [MANIFEST, CONTROL, ZONE])
def test_what_states_more_than_the_bound_is_refused(content: bytes) -> None:
    frame = frames.compress(content)
    assert frames.expand(frame, len(content)) == content
    with pytest.raises(ValueError, match="bytes"):
        frames.expand(frame, len(content) - 1)


def test_frames_with_a_dictionary_of_the_repository_name_it() -> None:
    trained = zstandard.train_dictionary(1_000, [b"%d %d lines of words" % (n, n * n) for n in range(500)])
    dictionary = frames.numbered(trained.as_bytes())
    frame = frames.best_with(dictionary)(ZONE)
    assert frames.own_id(frame[:18]) == frames.id_of(dictionary)
    before = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(dictionary)).compress(ZONE)
    assert frames.own_id(before[:18]) == frames.id_of(dictionary)
    for frame in (frames.compress(ZONE), PACKED, b"\x09\x01"):
        assert frames.own_id(frame[:18]) is None
