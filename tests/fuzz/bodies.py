"""Bodies of the xfer protocol: an octet that chooses content type and coding, then the octets of the message.

decode_body            the text, at most LIMIT bytes, or PeerError; nothing over the limit is expanded
expand_to              the same, in pieces
beginning              what the text begins with
decode(encode(text))   text, by every content type
unpack(pack(text))     text; of anything else ValueError or PeerError
"""

import random
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Final

import zstandard

from tests.fuzz import vectors
from tests.fuzz.harms import OF_OCTETS
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone.cards import body, coding
from xferzone.errors import PeerError
from xferzone.transport import Body
from xferzone.transport.base import PLAIN, ZSTD

LIMIT: Final = 300_000  # bytes of text
TYPES: Final = (
    body.COMPRESSED,
    body.DEBUG,
    body.UNCOMPRESSED,
    "",
    "Application/X-Fossil; charset=utf-8",
    "application/x-fossil-uncompressed ;x",
    "text/html",
)
#: Content type and coding.
FORMS: Final = (*((each, PLAIN) for each in TYPES), (body.UNCOMPRESSED, ZSTD), (body.COMPRESSED, ZSTD))
_BEGINNING: Final = 500  # bytes


def _seeds() -> list[bytes]:
    rows = vectors.recorded("framing.json")
    made = [vectors.octets(row[key]) for row in rows for key in ("framed_by_fossil_b64", "python_level9_b64")]
    texts = [*(vectors.octets(row["plain_b64"]) for row in rows), b"", b"#\n", bytes(LIMIT), bytes(LIMIT + 1)]
    return [
        bytes((number,)) + octets
        for number in range(len(FORMS))
        for octets in (*made, *map(body.pack, texts), *map(_in_zstd, texts))
        if len(octets) < BODIES_LARGEST
    ]


def _in_zstd(text: bytes) -> bytes:
    into = BytesIO()
    coding.pack([text], into)
    return into.getvalue()


def _framed(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Another text, in zstd by any parameters."""
    size = chance.choice((0, 1, 10, 1_000, 70_000, LIMIT - 1, LIMIT, LIMIT + 1, 5 * LIMIT))
    text = (chance.choice((b"\0", b"igot x\n")) * size)[:size]
    parameters = zstandard.ZstdCompressionParameters.from_level(
        chance.choice((-5, 1, 3, 9)),
        window_log=chance.choice((10, 20, 23, 24, 27)),
        write_checksum=chance.random() < 0.5,
        write_content_size=chance.random() < 0.5,
    )
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(text)
    return octets[:1] + packed + chance.choice((b"", b"", b"more", packed))


def _repacked(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """Another text, packed by any parameters of zlib."""
    size = chance.choice((0, 1, 10, 1_000, 70_000, LIMIT - 1, LIMIT, LIMIT + 1, 5 * LIMIT))
    text = chance.choice(corpus)[1:][:size] if size < 2_000 else chance.choice((b"\0", b"igot x\n")) * size
    packer = zlib.compressobj(chance.randrange(10), zlib.DEFLATED, chance.choice((15, 15, 9, -15, 31)))
    packed = packer.compress(text[:size])
    if chance.random() < 0.2:
        packed += packer.flush(zlib.Z_SYNC_FLUSH)
    packed += packer.flush() if chance.random() < 0.9 else b""
    return (
        octets[:1] + _stated(chance, len(text[:size])) + packed + chance.choice((b"", b"", b"more", packed))
    )


def _resized(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Another stated size."""
    return octets[:1] + _stated(chance, int.from_bytes(octets[1:5], "big")) + octets[5:]


def _stated(chance: random.Random, size: int) -> bytes:
    stated = chance.choice((size, size, size, max(size - 1, 0), size + 1, 0, LIMIT, 2**32 - 1))
    return min(stated, 2**32 - 1).to_bytes(4, "big")


def _retyped(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    return bytes((chance.randrange(len(FORMS)),)) + octets[1:]


def _check(octets: bytes) -> Shape:
    (content_type, coded), raw = FORMS[(octets or b"\0")[0] % len(FORMS)], octets[1:]
    message = Body.of(content_type, raw, coded)
    holds(body.stated_size(message) < 2**32, "a size of over 32 bits")
    start = body.beginning(message, _BEGINNING)
    holds(len(start) <= _BEGINNING, "a beginning of over the size asked for")
    pieces: list[bytes] = []
    try:
        text = body.decode_body(content_type, raw, limit=LIMIT, coded=coded)
    except PeerError as exc:
        return content_type, coded, kind_of_error(exc), _unpacked(raw)
    is_plain = body.expand_to(message, pieces.append, limit=LIMIT)
    holds(len(text) <= LIMIT, "a text over the limit")
    holds(text == (raw if is_plain else b"".join(pieces)), "in pieces it is another text")
    for each in (body.COMPRESSED, body.DEBUG, body.UNCOMPRESSED):
        packed = body.encode_body(each, text)
        if each == body.COMPRESSED or len(text) > 4:
            holds(body.decode_body(each, packed, limit=LIMIT) == text, "what was packed is another text")
    return content_type, coded, is_plain, text.startswith(start), bool(text), _unpacked(raw)


def _unpacked(raw: bytes) -> Shape:
    try:
        text = body.unpack(raw, limit=LIMIT)
    except (ValueError, PeerError) as exc:
        return kind_of_error(exc)
    holds(len(text) <= LIMIT, "unpacked over the limit")
    holds(body.unpack(body.pack(text), limit=LIMIT) == text, "what was packed is another text")
    return "unpacked"


BODIES_LARGEST: Final = 20_000  # bytes
_HARMS: Final[Sequence[Harm]] = (*OF_OCTETS, *[_repacked] * 3, *[_framed] * 2, *[_resized] * 2, _retyped)

BODIES: Final = Kind(
    name="bodies",
    code=("cards/body.py", "cards/coding.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 12 * LIMIT + 20 * size,
    largest=BODIES_LARGEST,
)
