"""The content coding in which peers of our own kind pack a whole body, on both roads: one zstd frame around it.

    Content-Encoding: zstd      one frame (RFC 8878); what is behind it is not read

    xfer, a reply     where the request says `Accept-Encoding: zstd` (as a proxy may, too) and has a pragma of ours
          a request   after a server has sent a pragma of ours, and a reply in zstd, in this session
    walk, a reply     where the request says `Accept-Encoding: zstd`
          a request   whenever the client likes

Our frames have a checksum, as stock's bodies in zlib do: an artifact's name tells whether its content came well, but
nothing else does so of a name. Our frames of xfer state the size of their text. Of a frame that does not, the end is
where HTTP says that it is.
Source: RFC 9110 8.4 and 12.4.2, RFC 9659.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from io import BufferedReader, BytesIO, RawIOBase
from typing import IO, TYPE_CHECKING, Final

import zstandard

from xferzone.errors import PeerError
from xferzone.transport.base import PLAIN, ZSTD

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_WINDOW: Final = 8 * 1024 * 1024  # bytes; RFC 9659: nobody has to read more, and nobody may ask for more
UNSTATED: Final = 2**32 - 1  # the size of a text whose frame does not state it: as large as one may be
#: For many artifacts. Ids of 64 digits come again and again, far apart: a long window and large tables find them at
#: the speed of level 3, and in less space than level 9 (docs/performance.md).
PARAMETERS: Final = zstandard.ZstdCompressionParameters(
    window_log=23,
    hash_log=19,
    chain_log=17,
    search_log=1,
    min_match=6,
    strategy=zstandard.STRATEGY_DFAST,
    write_checksum=True,
)
_SHORT: Final = 256 * 1024  # bytes of a text for which level 9 saves more, and costs little
_SHORT_LEVEL: Final = 9

_ONE_LEVEL: Final = 3  # of one artifact, or one list
_STEP: Final = 131_072  # bytes expanded at a time
_HEAD: Final = 18  # bytes of the longest frame header
_REFUSED: Final = re.compile(r"q=0(\.0{0,3})?")


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
    items = [item.split() for item in header.lower().replace(";", " ").split(",")]
    return any(item[:1] == [ZSTD] and not any(map(_REFUSED.fullmatch, item)) for item in items)


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
        packer = zstandard.ZstdCompressor(level=_SHORT_LEVEL, write_checksum=True).compressobj(size=size)
    else:
        packer = zstandard.ZstdCompressor(compression_params=PARAMETERS).compressobj(size=size)
    for piece in pieces:
        into.write(packer.compress(piece))
    into.write(packer.flush())


def packed(pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The pieces as one frame; each step gives what is ready, and may give nothing."""
    compressor = zstandard.ZstdCompressor(compression_params=PARAMETERS).compressobj()
    for piece in pieces:
        if octets := compressor.compress(piece):
            yield octets
    yield compressor.flush()


def packed_whole(octets: bytes) -> bytes:
    """One small body as one frame."""
    return zstandard.ZstdCompressor(level=_ONE_LEVEL, write_checksum=True).compress(octets)


def expanded(pieces: Iterable[bytes], most: int) -> Generator[bytes, None, None]:
    """What one frame holds, in pieces. A cut frame gives what came; what it holds has to say where it ends.

    Raises:
        NotZstd: it is not zstd, or needs a window of over 8 MB.
        PeerError: it holds more than `most` bytes.
    """
    came = 0
    try:
        for octets in _expanded(BufferedReader(_Source(pieces), _STEP)):
            came += len(octets)
            if came > most:
                raise PeerError(f"a body of over {most} bytes once it is expanded")
            yield octets
    except zstandard.ZstdError as exc:
        raise NotZstd(f"a body that is not {ZSTD}, or damaged: {exc}") from exc


def _expand(raw: IO[bytes], write: Callable[[bytes], object], limit: int) -> int:
    """Give what a frame holds to `write`, at most `limit` bytes; how many there are, or more than `limit`."""
    length = 0
    for piece in _expanded(raw):
        write(piece[: max(0, limit - length)])
        length += len(piece)
        if length > limit:
            break
    return length


def _expanded(raw: IO[bytes] | BufferedReader) -> Iterator[bytes]:
    """What a frame holds, in pieces. Raises ZstdError."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    with decompressor.stream_reader(raw, read_size=_STEP, closefd=False) as reader:
        while piece := reader.read(_STEP):
            yield piece


class _Source(RawIOBase):
    """Pieces, as a decompressor reads them."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, room: "WriteableBuffer", /) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        view = memoryview(room)
        taken = self._left[: len(view)]
        view[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)
