"""Deltas against the vectors, against stock fossil both ways, and against themselves."""

import base64
import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone import delta
from xferzone.errors import MalformedDelta


class Created(TypedDict):
    name: str
    source_b64: str
    target_b64: str
    delta_b64: str


class HandMade(TypedDict):
    name: str
    source_b64: str
    delta_b64: str
    output_b64: str
    expected_if_ok_b64: str


class Integer(TypedDict):
    value: int
    text: str


class Checksum(TypedDict):
    data_b64: str
    checksum: int


class Vectors(TypedDict):
    created_by_fossil: list[Created]
    hand_made: list[HandMade]
    integers: list[Integer]
    checksums: list[Checksum]


VECTORS: Vectors = json.loads((Path(__file__).parent / "vectors" / "delta.json").read_bytes())

LINES = [b"host%04d %d A 10.0.%d.%d\n" % (i, 300 + i % 7, i >> 8, i & 255) for i in range(2000)]
TEXT = b"".join(LINES)


def _created(row: Created) -> tuple[bytes, bytes, bytes]:
    source, target, stock = (base64.b64decode(row[key]) for key in ("source_b64", "target_b64", "delta_b64"))
    return source, target, stock


def _text(changes: dict[int, bytes]) -> bytes:
    return b"".join(changes.get(i, line) for i, line in enumerate(LINES))


@pytest.mark.parametrize("row", VECTORS["created_by_fossil"], ids=lambda row: str(row["name"]))
def test_a_delta_made_by_stock_applies(row: Created) -> None:
    source, target, stock = _created(row)
    assert delta.apply(source, stock) == target
    assert delta.target_size(stock) == len(target)


@pytest.mark.parametrize("row", VECTORS["created_by_fossil"], ids=lambda row: str(row["name"]))
def test_ours_applies_and_is_no_more_than_a_little_longer_than_stocks(row: Created) -> None:
    source, target, stock = _created(row)
    ours = delta.create(source, target)
    assert ours is not None
    assert delta.apply(source, ours) == target
    assert len(ours) <= len(stock) + 64


@pytest.mark.parametrize("row", VECTORS["hand_made"], ids=lambda row: str(row["name"]))
def test_a_hand_made_delta_meets_stocks_verdict(row: HandMade) -> None:
    source, made = base64.b64decode(row["source_b64"]), base64.b64decode(row["delta_b64"])
    # Stock writes an empty file for what it refuses; only this row is empty because it should be.
    if row["output_b64"] or row["name"] == "zero-length-copy":
        assert delta.apply(source, made) == base64.b64decode(row["output_b64"])
    else:
        with pytest.raises(MalformedDelta):
            delta.apply(source, made)


@pytest.mark.parametrize("row", VECTORS["integers"], ids=lambda row: str(row["value"]))
def test_integers(row: Integer) -> None:
    assert delta.target_size(row["text"].encode() + b"\n") == row["value"]
    assert delta.target_size(b"000000000" + row["text"].encode() + b"\n") == row["value"]


@pytest.mark.parametrize("row", VECTORS["checksums"], ids=lambda row: str(row["data_b64"]))
def test_checksums(row: Checksum) -> None:
    assert delta.checksum(base64.b64decode(row["data_b64"])) == row["checksum"]


@pytest.mark.parametrize("size", [4093, 4096, 4099, 8192, 70_000, 1_000_003])
def test_the_checksum_of_long_text_is_the_sum_of_its_words(size: int) -> None:
    octets = (b"\xff\xfe\x00\x91" * (size // 4 + 1) + b"\xff")[-size:]
    padded = octets + bytes(-size % 4)
    words = (int.from_bytes(padded[at : at + 4], "big") for at in range(0, len(padded), 4))
    assert delta.checksum(octets) == sum(words) % 2**32


@given(st.binary(max_size=300))
def test_the_checksum_of_anything_is_the_sum_of_its_words(octets: bytes) -> None:
    padded = octets + bytes(-len(octets) % 4)
    words = (int.from_bytes(padded[at : at + 4], "big") for at in range(0, len(padded), 4))
    assert delta.checksum(octets) == sum(words) % 2**32


MALFORMED = [
    (b"", "size of its target"),
    (b"\n;", "size of its target"),
    (b"5", "size of its target"),
    (b"5 \n;", "size of its target"),
    (b"-5\n;", "size of its target"),
    (b"1000000\n;", "over 32 bits"),
    (b"4000000\n;", "over 32 bits"),
    (b"~~~~~~~~~~~~~~~~\n;", "over 32 bits"),
    (b"0\n", "no segment"),
    (b"0\n;", "no segment"),
    (b"5\n5@,0;", "no segment"),
    (b"5\n@0,0;", "no segment"),
    (b"5\n5@0;", "no segment"),
    (b"5\n5@0,", "no segment"),
    (b"5\n5@0,!;", "no segment"),
    (b"5\n1:a0;", "before the 5"),
    (b"5\n6@0,0;", "more than the 5"),
    (b"5\n5@1,0;", "beyond the end"),
    (b"5\n5:abcd", "beyond the end"),
    (b"0\n0@9,0;", None),
    (b"5\n5@~~~~~~,0;", "over 32 bits"),
]


@pytest.mark.parametrize(("made", "reason"), MALFORMED)
def test_what_is_no_delta_says_why(made: bytes, reason: str | None) -> None:
    if reason is None:
        assert delta.apply(b"hello", made) == b""
    else:
        with pytest.raises(MalformedDelta, match=reason):
            delta.apply(b"hello", made)


def test_a_target_over_the_limit_is_refused_before_it_is_made() -> None:
    with pytest.raises(MalformedDelta, match="11 bytes, 10 are allowed"):
        delta.apply(b"x" * 10, b"B\nA@0,1@0,0;", limit=10)
    assert delta.apply(b"x" * 10, b"A\nA@0,0;", limit=10) == b"x" * 10
    with pytest.raises(MalformedDelta, match="are allowed"):
        delta.apply(b"", delta._digits(delta.MAX_SIZE + 1) + b"\n0;")


def test_a_delta_of_endless_segments_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "MAX_SEGMENTS", 10)
    assert delta.apply(b"", b"0\n" + b"0@0," * 9 + b"0;") == b""
    with pytest.raises(MalformedDelta, match="over 10 segments"):
        delta.apply(b"", b"0\n" + b"0@0," * 10 + b"0;")


@pytest.mark.parametrize(("bound", "value"), [("_MAX_RUNS", 2), ("_MAX_RUNS", 0), ("_MAX_BLOCKS", 7)])
def test_a_search_cut_short_still_makes_the_target(
    bound: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, bound, value)
    for _, target, _ in EDITS:
        made = delta.create(TEXT, target)
        assert made is not None
        assert delta.apply(TEXT, made) == target


EDITS = [
    ("same", TEXT, 20),
    ("one digit", _text({700: b"host0700 300 A 10.0.2.189\n"}), 40),
    ("line gone", _text({700: b""}), 40),
    ("line new", _text({700: LINES[700] + b'new 3600 TXT "' + b"x" * 60 + b'"\n'}), 120),
    (
        "long text new",
        _text({700: LINES[700] + b'new 3600 TXT "' + bytes(range(64, 127)) * 70 + b'"\n'}),
        4500,
    ),
    ("far apart", _text({1: b"", 900: b"a A 1\n", 1999: b"z A 2\n"}), 80),
    ("half gone", b"".join(LINES[:500] + LINES[1500:]), 40),
    ("turned round", b"".join(LINES[1000:] + LINES[:1000]), 40),
    ("every line", TEXT.replace(b" A ", b" AAAA "), len(TEXT) * 2 // 3),
    ("every line, same length", TEXT.replace(b" A ", b" X "), len(TEXT) // 2),
    ("unlike", bytes(reversed(TEXT)), len(TEXT) + 20),
    ("nothing left", b"", 10),
]


@pytest.mark.parametrize(("name", "target", "most"), EDITS, ids=[row[0] for row in EDITS])
def test_a_delta_is_about_as_long_as_the_edit(name: str, target: bytes, most: int) -> None:
    made = delta.create(TEXT, target)
    assert made is not None
    assert delta.apply(TEXT, made) == target
    assert len(made) <= most
    assert delta.create(TEXT, target, most=len(made)) == made
    assert delta.create(TEXT, target, most=len(made) - 1) is None


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33])
def test_short_sources(size: int) -> None:
    source = TEXT[:size]
    for target in (source, source + b"!", b"!" + source, source * 2, TEXT[:300]):
        made = delta.create(source, target)
        assert made is not None
        assert delta.apply(source, made) == target


def test_unrelated_text_is_given_up_early() -> None:
    assert delta.create(TEXT, bytes(range(256)) * 4000, most=1000) is None


def test_a_size_over_32_bits_is_our_own_fault() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        delta._digits(2**32)


# A few letters make repeats likely; whole chunks of them make long runs likely.
chunks = st.sampled_from([TEXT[:40], TEXT[40:100], TEXT[500:1500], b"ab" * 40, bytes(50), b"\n"])
texts = st.lists(chunks | st.binary(max_size=20), max_size=12).map(b"".join)


@given(texts, texts)
def test_any_target_is_made_of_any_source(source: bytes, target: bytes) -> None:
    made = delta.create(source, target)
    assert made is not None
    assert delta.target_size(made) == len(target)
    assert delta.apply(source, made) == target
    assert len(made) <= len(target) + 20


@given(texts, texts, st.integers(0, 400))
def test_no_delta_is_longer_than_wished(source: bytes, target: bytes, most: int) -> None:
    made = delta.create(source, target, most=most)
    if made is not None:
        assert len(made) <= most
        assert delta.apply(source, made) == target


@given(texts, texts, st.data())
def test_any_damage_is_named_or_harmless_never_a_crash(
    source: bytes, target: bytes, data: st.DataObject
) -> None:
    made = bytearray(delta.create(source, target) or b"")
    place = data.draw(st.integers(0, len(made) - 1))
    made[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        result = delta.apply(source, bytes(made), limit=1_000_000)
    except MalformedDelta:
        return
    assert len(result) == delta.target_size(bytes(made))


@given(st.binary(max_size=80))
def test_any_octets_are_a_delta_or_named(octets: bytes) -> None:
    with suppress(MalformedDelta):
        delta.apply(TEXT, octets)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.sampled_from("cmd")), max_size=5))
def test_the_way_back_of_a_delta_makes_its_source(edits: list[tuple[int, int, str]]) -> None:
    source = b"".join(LINES[:40])
    target = source
    for at, other, kind in edits:
        piece = target[other : other + 90] if kind == "c" else b"moved %d\n" % other if kind == "m" else b""
        target = target[:at] + piece + target[at + (40 if kind == "d" else 0) :]
    way = delta.create(source, target)
    assert way is not None
    back = delta.reverse(source, way, most=len(source) + 100)
    assert back is not None
    assert delta.apply(target, back) == source
    assert delta.reverse(source, way, most=len(back)) == back
    assert delta.reverse(source, way, most=len(back) - 1) is None


def test_the_way_back_is_as_short_as_what_a_search_finds() -> None:
    target = b"".join([*LINES[:700], b"another line\n", *LINES[702:]])
    way, found = delta.create(TEXT, target), delta.create(target, TEXT)
    assert way is not None
    assert found is not None
    back = delta.reverse(TEXT, way, most=len(TEXT))
    assert back is not None
    assert len(back) <= len(found) + 10


def test_the_way_back_copies_nothing_twice() -> None:
    """A delta may copy pieces that overlap, in any order, and state a sum that nobody checks."""
    source = b"0123456789abcdef" * 4
    way = b"y\n8@8,G@0,K@4,1:xG@A,0;"
    target = delta.apply(source, way)
    back = delta.reverse(source, way, most=200)
    assert back is not None
    assert delta.apply(target, back) == source
    assert back.endswith(delta._digits(delta.checksum(source)) + b";")


def _fossil(verb: str, *files: Path) -> None:
    subprocess.run(["fossil", verb, *map(str, files)], check=True, capture_output=True, cwd=files[0].parent)


@pytest.mark.interop
@pytest.mark.parametrize(("name", "target"), [row[:2] for row in EDITS], ids=[row[0] for row in EDITS])
def test_stock_applies_ours_and_we_apply_stocks(name: str, target: bytes, tmp_path: Path) -> None:
    source_file, target_file, delta_file, output = (tmp_path / part for part in ("s", "t", "d", "o"))
    source_file.write_bytes(TEXT)
    target_file.write_bytes(target)
    delta_file.write_bytes(delta.create(TEXT, target) or b"")
    _fossil("test-delta-apply", source_file, delta_file, output)
    assert output.read_bytes() == target
    _fossil("test-delta-create", source_file, target_file, delta_file)
    assert delta.apply(TEXT, delta_file.read_bytes()) == target
