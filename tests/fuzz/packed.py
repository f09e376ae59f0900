"""Bodies packed with zstd: an octet, then what came.

expanded(pieces, most)    at most `most` bytes, or PeerError; however it is cut in pieces
expanded(packed(x))       x
"""

import random
from collections.abc import Iterable, Sequence
from typing import Final

import zstandard

from tests.fuzz.harms import OF_OCTETS
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone.cards import coding
from xferzone.errors import PeerError

MOST: Final = 300_000  # bytes, expanded


def _seeds() -> list[bytes]:
    texts = (b"", b"x", b"example.com. 300 A 192.0.2.1\n" * 40, bytes(MOST), bytes(MOST + 1), bytes(9 * MOST))
    return [
        *(coding.packed_whole(text) for text in texts),
        *(b"".join(coding.packed([text[:7], text[7:]])) for text in texts),
        coding.packed_whole(b"one") + coding.packed_whole(b"two"),
    ]


def _repacked(chance: random.Random, _octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """Something else, by any parameters."""
    text = chance.choice(corpus)[: chance.randrange(300)] * chance.choice((1, 10, 5_000))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        chance.choice((1, 9, -5)),
        window_log=chance.choice((10, 20, 23, 24, 27)),
        write_checksum=chance.random() < 0.5,
    )
    packer = zstandard.ZstdCompressor(compression_params=parameters)
    if chance.random() < 0.5:
        return packer.compress(text)
    stream = packer.compressobj()  # does not say how much it holds
    return stream.compress(text) + stream.flush()


def _check(octets: bytes) -> Shape:
    text, error = _expanded((octets,))
    pieces = (octets[at : at + 100] for at in range(0, len(octets), 100))
    again, its_error = _expanded(pieces)
    holds((error is None) == (its_error is None), "in pieces it is refused otherwise")
    holds(error is not None or again == text, "in pieces it is another text")
    holds(len(text) <= MOST, "over the limit")
    holds(
        _expanded(coding.packed((text[:50], b"", text[50:]))) == (text, None),
        "packed again it is another text",
    )
    holds(_expanded((coding.packed_whole(text),)) == (text, None), "packed whole it is another text")
    return error, min(len(text), 2)


def _expanded(pieces: Iterable[bytes]) -> tuple[bytes, Shape]:
    came: list[bytes] = []
    try:
        came.extend(coding.expanded(pieces, MOST))
    except PeerError as exc:
        return b"".join(came), kind_of_error(exc)
    return b"".join(came), None


_HARMS: Final[Sequence[Harm]] = (*OF_OCTETS, *[_repacked] * 3)

PACKED: Final = Kind(
    name="packed",
    code=("replicate/coding.py",),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 40_000_000 + 20 * size,
    largest=10_000,
)
