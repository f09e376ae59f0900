"""Fossil's delta encoding: how to make one artifact out of another.

    delta    = INT LF segment* INT ";"      size of the target, its parts in order, its checksum
    segment  = INT "@" INT ","              copy LENGTH octets from OFFSET of the source
             | INT ":" octets               LENGTH literal octets
    INT      = base 64, most significant digit first, below 2^32; digits by value: 0-9 A-Z _ a-z ~

The checksum is the sum of the target's big-endian 32-bit words, padded with NUL, modulo 2^32. Stock writes it and never
checks it, and neither does `apply`: the artifact's id says whether the result is right. Both ignore octets behind the
";". Stricter than stock: an INT has at least one digit and at most 32 bits.

`create` walks the target and looks for each next run of the source in three places, cheapest first:

    in step         where the last copy ended
    near by         a few kilobytes further on, which finds the end of an ordinary edit
    in an index     of all 16-octet blocks of the source, built only when the others fail

Source: Fossil 2.21, src/delta.c; www/delta_format.wiki (wrong on the digit order and on the modulus).
"""

import re
import struct
from bisect import bisect_left
from typing import NamedTuple

from xferzone.errors import MalformedDelta

MAX_SIZE = 64 * 2**20  # bytes of a target; ours, the largest artifact
MAX_SEGMENTS = 2**21  # of one delta; ours, one for every 32 bytes of the largest target; about 2 s of work

_MAX_INT = 2**32 - 1
_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_HEAD = re.compile(rb"([0-9A-Z_a-z~]++)\n")
_SEGMENT = re.compile(rb"([0-9A-Z_a-z~]++)(?:@([0-9A-Z_a-z~]++),|([:;]))")

_LARGE = 65_536  # bytes of a part
_BLOCK = 16  # bytes; stock's hash window, the shortest run worth a copy
_IN_STEP = 128  # bytes compared in step behind a difference: finds the end of a change that kept the length
#: What is searched near by: bytes behind the difference, bytes of the target there, bytes of the source.
_PROBES = (
    (0, 16, 256),
    (6, 16, 256),
    (16, 20, 512),
    (48, 24, 4096),
    (112, 32, 8192),
    (240, 32, 8192),
    (496, 32, 8192),
)
_DOUBTFUL = 48  # bytes; a shorter run in step may be two lines that look alike: search near by as well
_NEAR_MISSES = 8  # failed searches near by before they stop; two finds make up for one
_INDEX_WORTH = 256  # bytes of the target that must be left to make an index worth building
_TRIES = 4  # offsets of one block that are compared, around where the last copy points; stock tries 250
_PATIENCE = 1024  # look-ups without a hit before the step grows by 2; odd steps meet every alignment
_MAX_STEP = 31  # bytes
_SLACK = _BLOCK * (_MAX_STEP + 1)  # bytes
_MAX_RUNS = 100_000  # copies in one delta, the rest is literal; 3 s for text made to be slow
_MAX_BLOCKS = 2**18  # blocks in the index, 50 MB; of a source over 4 MB every second, third ... one
_EQUAL = bytes(_BLOCK)  # the exclusive or of equal blocks

_SUM_CHUNK = 1024  # bytes summed at a time: more and the last sum is long, less and there are many
_EVEN_LANES = int.from_bytes(b"\0\0\0\0\xff\xff\xff\xff" * (_SUM_CHUNK // 8), "big")


def target_size(delta: bytes) -> int:
    """The size in bytes that `delta` announces for its target.

    Raises:
        MalformedDelta: `delta` does not begin with a size.
    """
    return _head(delta)[0]


def apply(source: bytes, delta: bytes, *, limit: int = MAX_SIZE) -> bytes:
    """What `delta` makes of `source`, at most `limit` bytes. The delta's checksum is ignored.

    Raises:
        MalformedDelta: it is not a delta, does not fit `source`, or its target is over `limit`.
    """
    size, at = _head(delta)
    if size > limit:
        raise MalformedDelta(f"delta of a target of {size} bytes, {limit} are allowed")
    parts: list[bytes | memoryview] = []
    missing = size
    view = memoryview(source)
    part: bytes | memoryview
    for _ in range(MAX_SEGMENTS):
        match = _SEGMENT.match(delta, at)
        if match is None:
            raise MalformedDelta(f"delta has no segment at byte {at}")
        at = match.end()
        length = _number(match[1])
        if match[3] == b";":
            if missing:
                raise MalformedDelta(f"delta ends {missing} bytes before the {size} that it announced")
            return b"".join(parts)
        missing -= length
        if missing < 0:
            raise MalformedDelta(f"delta makes more than the {size} bytes that it announced")
        if match[3]:
            part = delta[at : at + length]
            at += length
        else:
            offset = _number(match[2])
            # A large part is not copied before it is joined: contents may have 64 MiB.
            part = (source if length < _LARGE else view)[offset : offset + length]
        if len(part) < length:
            raise MalformedDelta(f"delta wants {length} bytes beyond the end, before byte {at}")
        parts.append(part)
    raise MalformedDelta(f"delta has over {MAX_SEGMENTS} segments")


def create(source: bytes, target: bytes, *, most: int | None = None) -> bytes | None:
    """A delta that makes `target` out of `source`.

    None: no delta of at most `most` bytes was found. The search stops as soon as that is clear.
    """
    segments = [_digits(len(target)) + b"\n"]
    room = (_MAX_INT if most is None else most) - len(segments[0]) - 2
    search = _Search(source, target)
    done = reach = 0  # target[:done] is written; the last copy ended at source[reach]
    for _ in range(_MAX_RUNS):
        run = search.after(done, reach, room)
        if run is None:
            break
        at, offset, length = run
        segment = _literal(target[done:at]) + _digits(length) + b"@" + _digits(offset) + b","
        segments.append(segment)
        room -= len(segment)
        if room < 0:
            return None
        done, reach = at + length, offset + length
    if len(target) - done > room:
        return None
    segments += _literal(target[done:]), _digits(checksum(target)), b";"
    delta = b"".join(segments)
    return delta if most is None or len(delta) <= most else None


def reverse(source: bytes, delta: bytes, *, most: int) -> bytes | None:
    """The way back: a delta that makes `source` out of what `delta`, which is sound, makes of `source`.

    It copies what `delta` copies, and looks for nothing else. None: that is over `most` bytes.
    """
    parts, at, size = [_digits(len(source)) + b"\n"], 0, 0
    for offset, length, made_at in sorted(_copies(delta)):
        end = offset + length
        if end <= at:
            continue  # copied before
        literal, skip = source[at:offset], max(at - offset, 0)
        size += len(literal)
        if size > most:
            return None
        parts += _literal(literal), _digits(length - skip) + b"@" + _digits(made_at + skip) + b","
        at = end
    parts += _literal(source[at:]), _digits(checksum(source)), b";"
    back = b"".join(parts)
    return back if len(back) <= most else None


def checksum(octets: bytes) -> int:
    """The sum of the big-endian 32-bit words of `octets`, padded with NUL, modulo 2^32."""
    # As one big integer a chunk is a row of 32-bit lanes. With every second lane blanked out, the others have room for
    # their carries; the rest of the sum belongs to the blanked ones. That makes three big operations a chunk.
    octets += bytes(-len(octets) % _SUM_CHUNK)
    total = even = 0
    for at in range(0, len(octets), _SUM_CHUNK):
        lanes = int.from_bytes(octets[at : at + _SUM_CHUNK], "big")
        total += lanes
        even += lanes & _EVEN_LANES
    sums = even + ((total - even) >> 32)
    count = -(-sums.bit_length() // 64)
    pairs: tuple[int, ...] = struct.unpack(f">{count}Q", sums.to_bytes(count * 8, "big"))
    return sum(pairs) & _MAX_INT


def _copies(delta: bytes) -> list[tuple[int, int, int]]:
    """The runs that a sound delta copies: offset in its source, length, offset in its target."""
    copies = []
    at, made = _head(delta)[1], 0
    while (match := _SEGMENT.match(delta, at)) is not None and match[3] != b";":
        at, length = match.end(), _number(match[1])
        if match[3]:
            at += length
        else:
            copies.append((_number(match[2]), length, made))
        made += length
    return copies


class _Run(NamedTuple):
    """`length` octets at `at` in the target that also stand at `offset` in the source."""

    at: int
    offset: int
    length: int


class _Search:
    """Finds the runs that target and source share, in the order of the target."""

    def __init__(self, source: bytes, target: bytes) -> None:
        self._source = source
        self._target = target
        self._near_misses = 0.0
        self._index: _Index | None = None

    def after(self, done: int, reach: int, room: int) -> _Run | None:
        """The next shared run at or after target[done], where the last one ended at source[reach].

        None: none begins within `room` bytes.
        """
        if len(self._target) - done < _BLOCK or len(self._source) < _BLOCK:
            return None
        run = self._in_step(done, reach)
        if (run is None or run.length < _DOUBTFUL) and self._near_misses < _NEAR_MISSES:
            near = self._near(done, reach)
            if near is None:
                self._near_misses += 1
            elif run is None or near.length > run.length:
                self._near_misses = max(0.0, self._near_misses - 0.5)
                run = near
        if run is None and self._index is None and len(self._target) - done >= _INDEX_WORTH:
            self._index = _Index(self._source)
        if run is None and self._index is not None:
            run = self._indexed(self._index, done, reach, room)
        return run

    def _in_step(self, done: int, reach: int) -> _Run | None:
        x, y = self._source[reach : reach + _IN_STEP], self._target[done : done + _IN_STEP]
        size = min(len(x), len(y))
        difference = int.from_bytes(x[:size], "big") ^ int.from_bytes(y[:size], "big")
        skip = difference.to_bytes(size, "big").find(_EQUAL)
        return None if skip < 0 else self._grown(done + skip, done + skip, reach + skip)

    def _near(self, done: int, reach: int) -> _Run | None:
        for skip, size, width in _PROBES:
            anchor = self._target[done + skip : done + skip + size]
            if len(anchor) < size:
                break
            offset = self._source.find(anchor, reach, reach + width)
            if offset >= 0:
                return self._grown(done, done + skip, offset)
        return None

    def _indexed(self, index: "_Index", done: int, reach: int, room: int) -> _Run | None:
        target, found = self._target, index.offsets.get
        # A run of a block or more is hit at most _SLACK behind its beginning, so the search goes that far.
        last = min(len(target) - _BLOCK, done + room + _SLACK)
        at, step, misses = done, 1, 0
        while at <= last:
            offset = found(target[at : at + _BLOCK])
            if offset is not None:
                near = index.near(offset, target[at : at + _BLOCK], reach + at - done)
                return max((self._grown(done, at, each) for each in near), key=lambda run: run.length)
            misses += 1
            if misses == _PATIENCE and step < _MAX_STEP:
                step += 2
                misses = 0
            at += step
        return None

    def _grown(self, done: int, at: int, offset: int) -> _Run:
        """The whole run around target[at] and source[offset], back to target[done] at most."""
        before = _shared_tail(self._source, offset, self._target, at, at - done)
        after = _shared_head(self._source, offset, self._target, at)
        return _Run(at - before, offset - before, before + after)


class _Index:
    """The offset of each aligned 16-octet block of the source."""

    def __init__(self, source: bytes) -> None:
        step = _BLOCK * max(1, -(-len(source) // (_BLOCK * _MAX_BLOCKS)))
        starts = range(0, len(source) - _BLOCK + 1, step)
        blocks = [source[start : start + _BLOCK] for start in starts]
        self.offsets = dict(zip(blocks, starts, strict=True))  # of a block that occurs twice, the last offset
        self._repeated: dict[bytes, list[int]] = {}
        if len(self.offsets) < len(blocks):
            for block, start in zip(blocks, starts, strict=True):
                if self.offsets[block] != start:
                    self._repeated.setdefault(block, []).append(start)

    def near(self, offset: int, block: bytes, expected: int) -> list[int]:
        """Up to _TRIES offsets of `block` around `expected`, and `offset`, its last one."""
        offsets = self._repeated.get(block)
        if offsets is None:
            return [offset]
        middle = bisect_left(offsets, expected)
        return [*offsets[max(0, middle - _TRIES // 2) : middle + _TRIES // 2], offset]


def _shared_head(a: bytes, i: int, b: bytes, j: int) -> int:
    """How many octets from a[i] and b[j] on are equal."""
    size, step = 0, 64
    while True:
        x, y = a[i + size : i + size + step], b[j + size : j + size + step]
        if x != y:
            return size + _first_difference(x, y)
        size += len(x)
        if len(x) < step:
            return size
        step = min(step * 4, 2**20)


def _first_difference(x: bytes, y: bytes) -> int:
    """Where unequal `x` and `y` begin to differ; at most the length of the shorter."""
    at = 0
    while len(x) > 128:
        half = len(x) // 2
        if x[:half] == y[:half]:
            at += half
            x, y = x[half:], y[half:]
        else:
            x, y = x[:half], y[:half]
    shorter = min(len(x), len(y))
    difference = int.from_bytes(x[:shorter], "big") ^ int.from_bytes(y[:shorter], "big")
    return at + shorter - (difference.bit_length() + 7) // 8


def _shared_tail(a: bytes, i: int, b: bytes, j: int, most: int) -> int:
    """How many octets before a[i] and b[j] are equal, up to `most`."""
    most = min(most, i, j)
    size = 0
    while size < most:
        step = min(64, most - size)
        x, y = a[i - size - step : i - size], b[j - size - step : j - size]
        if x != y:
            difference = int.from_bytes(x, "little") ^ int.from_bytes(y, "little")
            return size + step - (difference.bit_length() + 7) // 8
        size += step
    return size


def _literal(octets: bytes) -> bytes:
    return _digits(len(octets)) + b":" + octets if octets else b""


def _head(delta: bytes) -> tuple[int, int]:
    """(size of the target, offset of the first segment)"""
    match = _HEAD.match(delta)
    if match is None:
        raise MalformedDelta("delta does not begin with the size of its target")
    return _number(match[1]), match.end()


def _number(token: bytes) -> int:
    if len(token) > 6:
        token = token.lstrip(b"0")  # stock reads leading zeros but never writes them
    value = 0
    for digit in token[:7]:
        value = value << 6 | _VALUES[digit]
    if value > _MAX_INT:
        raise MalformedDelta(f"delta holds the integer {token[:20]!r}, over 32 bits")
    return value


def _digits(value: int) -> bytes:
    if value > _MAX_INT:
        raise ValueError(f"{value} does not fit the 32 bits of a delta's integer")
    digits = bytearray()
    while True:
        digits.append(_DIGITS[value & 63])
        value >>= 6
        if not value:
            digits.reverse()
            return bytes(digits)
