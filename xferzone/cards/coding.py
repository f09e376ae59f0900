"""The content coding in which peers of our own kind pack a whole body: one zstd frame around what body.py describes.

    Content-Encoding: zstd      one frame (RFC 8878); what is behind it is not read

    a reply     where the request says `Accept-Encoding: zstd` and holds a pragma of ours: a proxy may add the header
    a request   after a server has sent a pragma of ours, and a reply in zstd, in this session

Our frames state the size of their text. Of another's frame that does not, the end is where HTTP says that it is.
Source: RFC 9110 8.4, RFC 9659.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import IO, Final

import zstandard

from xferzone.errors import PeerError
from xferzone.transport.base import PLAIN, ZSTD

MAX_WINDOW: Final = 8 * 1024 * 1024  # bytes; RFC 9659: nobody has to read more, and nobody may ask for more
UNSTATED: Final = 2**32 - 1  # the size of a text whose frame does not state it: as large as one may be
#: For a clone's rounds. Ids of 64 digits come again and again, far apart: a long window and large tables find them at
#: the speed of level 3, and in less space than level 9 (docs/performance.md).
PARAMETERS: Final = zstandard.ZstdCompressionParameters(
    window_log=23, hash_log=19, chain_log=17, search_log=1, min_match=6, strategy=zstandard.STRATEGY_DFAST
)
_SHORT: Final = 256 * 1024  # bytes of a text for which level 9 saves more, and costs little
_SHORT_LEVEL: Final = 9

_STEP: Final = 65_536  # bytes expanded at a time
_HEAD: Final = 18  # bytes of the longest frame header
_NO_WEIGHT: Final = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})


class NotZstd(PeerError):
    """A body that is said to be zstd, and is not, or not all of it."""


def named(header: str) -> str:
    """The coding that a Content-Encoding header names.

    Raises:
        PeerError: it is not one that we read.
    """
    coding = header.strip().lower()
    if coding in (PLAIN, "identity"):
        return PLAIN
    if coding != ZSTD:
        raise PeerError(f"a message in the coding {coding[:40]!r}: only {ZSTD} is understood")
    return ZSTD


def is_accepted(header: str) -> bool:
    """Whether an Accept-Encoding header names zstd."""
    items = [item.replace(" ", "").partition(";") for item in header.lower().split(",")]
    return any(coding == ZSTD and weight not in _NO_WEIGHT for coding, _, weight in items)


def expand(raw: IO[bytes], write: Callable[[bytes], object], *, limit: int) -> None:
    """Give what a frame holds to `write`, in pieces.

    Raises:
        NotZstd: it is damaged, cut off, not a frame, or wants too much memory.
        PeerError: it holds more than `limit` bytes. No more than that was given.
    """
    raw.seek(0)
    try:
        stated = zstandard.frame_content_size(raw.read(_HEAD))
        raw.seek(0)
        length = _expand(raw, write, limit)
    except zstandard.ZstdError as exc:
        raise NotZstd(f"a message that is said to be in {ZSTD} is not: {exc}") from exc
    if length > limit:
        raise PeerError(f"over {limit} bytes when expanded")
    if stated not in (-1, length):
        raise NotZstd(
            f"a message in {ZSTD} holds {length} bytes and states {stated}: it is damaged or cut off"
        )


def beginning(octets: bytes, size: int) -> bytes:
    """The first bytes, at most `size`, of what a frame holds that begins with `octets`, as far as they can be told."""
    made = BytesIO()
    with suppress(zstandard.ZstdError):  # whoever expands all of it says so
        _expand(BytesIO(octets), made.write, size)
    return made.getvalue()


def stated_size(raw: IO[bytes]) -> int:
    """How many bytes a frame claims to hold; UNSTATED: it does not say, or is not a frame."""
    raw.seek(0)
    try:
        size = zstandard.frame_content_size(raw.read(_HEAD))
    except zstandard.ZstdError:
        size = -1
    return UNSTATED if size < 0 else min(size, UNSTATED)


def pack(pieces: Sequence[bytes], into: IO[bytes]) -> None:
    """Write one frame that holds `pieces`."""
    size = sum(map(len, pieces))
    if size <= _SHORT:
        packer = zstandard.ZstdCompressor(level=_SHORT_LEVEL).compressobj(size=size)
    else:
        packer = zstandard.ZstdCompressor(compression_params=PARAMETERS).compressobj(size=size)
    for piece in pieces:
        into.write(packer.compress(piece))
    into.write(packer.flush())


def _expand(raw: IO[bytes], write: Callable[[bytes], object], limit: int) -> int:
    """Give what a frame holds to `write`, at most `limit` bytes; how many there are, or more than `limit`."""
    reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(raw, closefd=False)
    length = 0
    while length <= limit and (piece := reader.read(_STEP)):
        write(piece[: max(0, limit - length)])
        length += len(piece)
    return length
