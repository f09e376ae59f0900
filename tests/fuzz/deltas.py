"""Deltas, each with its source: 4 octets of the source's size, the source, the delta.

apply(source, delta)            as many bytes as the delta states, or MalformedDelta; with a limit below: refused
                                memory is bounded by what is stated, not by what the delta could make
apply(source, create(s, t))     t, for the s and t that are at hand; at most as long as was asked for
apply(t, reverse(s, delta))     s, where delta is sound
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tests.fuzz import vectors
from tests.fuzz.harms import OF_OCTETS
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone import delta
from xferzone.errors import MalformedDelta

LIMIT: Final = 1_000_000  # bytes of a target
_DIGITS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"


def joined(source: bytes, encoded: bytes) -> bytes:
    return len(source).to_bytes(4, "big") + source + encoded


def divided(octets: bytes) -> tuple[bytes, bytes]:
    """(source, delta)"""
    size = int.from_bytes(octets[:4], "big") % (len(octets) + 1)
    return octets[4 : 4 + size], octets[4 + size :]


def _seeds() -> list[bytes]:
    chance = random.Random(1)
    text = b"".join(b"host%03d 300 A 192.0.2.%d\n" % (number, number % 256) for number in range(60))
    made = [joined(*each) for each in vectors.deltas() if len(each[0]) + len(each[1]) < DELTAS_LARGEST]
    for _ in range(5):
        lines = text.splitlines(keepends=True)
        chance.shuffle(lines)
        encoded = delta.create(text, b"".join(lines[:50]))
        assert encoded is not None
        made.append(joined(text, encoded))
    return made


def _number(value: int) -> bytes:
    digits = b""
    while value:
        digits = _DIGITS[value % 64 : value % 64 + 1] + digits
        value //= 64
    return digits or b"0"


def _any_number(chance: random.Random, near: int) -> bytes:
    return _number(
        chance.choice((0, 1, near, near, max(near - 1, 0), near + 1, 2**31, 2**32 - 1, 2**32, 2**40))
    )


def _rebuilt(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """A delta of the same source, sound but for chance."""
    source, _ = divided(octets)
    parts, size = [], 0
    for _ in range(chance.randrange(8)):
        if chance.random() < 0.7 and source:
            begin = chance.randrange(len(source))
            length = chance.randrange(len(source) - begin + 1)
            parts.append(_number(length) + b"@" + _number(begin) + b",")
        else:
            literal = chance.randbytes(chance.randrange(20))
            length = len(literal)
            parts.append(_number(length) + b":" + literal)
        size += length
    if parts and chance.random() < 0.3:
        parts[chance.randrange(len(parts))] = (
            _any_number(chance, size) + b"@" + _any_number(chance, len(source)) + b","
        )
    stated = _number(size) if chance.random() < 0.8 else _any_number(chance, size)
    return joined(source, stated + b"\n" + b"".join(parts) + _number(chance.randrange(2**32)) + b";")


def _target_changed(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """A delta of the same source to what chance makes of it, by our writer."""
    source, _ = divided(octets)
    target = chance.choice(OF_OCTETS)(chance, source or b"\n", corpus)
    encoded = delta.create(source, target)
    return octets if encoded is None else joined(source, encoded)


def _many_segments(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Many copies of the same: a few octets that would make much."""
    source, _ = divided(octets)
    count, length = chance.choice((2, 100, 3_000)), chance.choice((0, 1, len(source)))
    stated = chance.choice((count * length, LIMIT, LIMIT + 1, 2**32 - 1))
    return joined(source, _number(stated) + b"\n" + (_number(length) + b"@0,") * count + b"0;")


def _check(octets: bytes) -> Shape:
    source, encoded = divided(octets)
    try:
        target = delta.apply(source, encoded, limit=LIMIT)
    except MalformedDelta as exc:
        _stated(encoded)
        return kind_of_error(exc)
    holds(len(target) == delta.target_size(encoded), "a target of another size than stated")
    if target:
        _refused_below(source, encoded, len(target) - 1)
    back = delta.reverse(source, encoded, most=len(source) + len(encoded) + 100)
    holds(back is None or delta.apply(target, back) == source, "the way back leads elsewhere")
    return "applied", back is None, _created(source, target, encoded)


def _stated(encoded: bytes) -> None:
    with suppress(MalformedDelta):
        holds(delta.target_size(encoded) >= 0, "a negative size")


def _refused_below(source: bytes, encoded: bytes, limit: int) -> None:
    try:
        delta.apply(source, encoded, limit=limit)
    except MalformedDelta:
        return
    holds(False, "a target over the limit")


def _created(source: bytes, target: bytes, encoded: bytes) -> Shape:
    """A delta of ours to the same target."""
    if len(target) > 50_000:
        return None
    made = delta.create(source, target)
    holds(made is not None and delta.apply(source, made) == target, "our delta makes something else")
    most = len(encoded)
    short = delta.create(source, target, most=most)
    holds(short is None or len(short) <= most, "a delta longer than was asked for")
    holds(short is None or delta.apply(source, short) == target, "our short delta makes something else")
    return short is None


DELTAS_LARGEST: Final = 20_000  # bytes
_HARMS: Final[Sequence[Harm]] = (*OF_OCTETS, *[_rebuilt] * 4, *[_target_changed] * 3, _many_segments)

DELTAS: Final = Kind(
    name="deltas",
    code=("delta.py",),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 4 * LIMIT + 300 * size,
    largest=DELTAS_LARGEST,
)
