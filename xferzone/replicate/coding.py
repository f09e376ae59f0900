"""Bodies packed whole with zstd: Content-Encoding, both ends.

    Accept-Encoding: zstd        a reply of over SMALL bytes goes packed, as one frame
    Content-Encoding: zstd       a request may come packed, too

Source: RFC 8878; RFC 9659, which bounds the window of what travels by HTTP to 8 MB.
"""

from collections.abc import Generator, Iterable
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Final

import zstandard

from xferzone.cards.coding import PARAMETERS
from xferzone.errors import PeerError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ZSTD: Final = "zstd"
LEVEL: Final = 3  # of one artifact, or one list; of many artifacts cards/coding.py has the parameters
SMALL: Final = 200  # bytes; fewer are sent as they are
WINDOW_LOG: Final = 23  # 8 MB; all that lies within it is found again
_STEP: Final = 131_072  # bytes expanded at a time


def is_accepted(accept_encoding: str) -> bool:
    """Whether a client that sent this Accept-Encoding header reads zstd."""
    for offer in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in offer.split(";"))
        if coding == ZSTD:
            return not any(each.replace(" ", "") in _REFUSALS for each in parameters)
    return False


_REFUSALS = frozenset({"q=0", "q=0.", "q=0.0", "q=0.00", "q=0.000"})


def packed(pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The pieces as one frame; each step gives what is ready, and may give nothing."""
    compressor = zstandard.ZstdCompressor(compression_params=PARAMETERS).compressobj()
    for piece in pieces:
        if octets := compressor.compress(piece):
            yield octets
    yield compressor.flush()


def packed_whole(octets: bytes) -> bytes:
    """One small body as one frame."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(octets)


def expanded(pieces: Iterable[bytes], most: int) -> Generator[bytes, None, None]:
    """What one frame holds, in pieces. A cut frame gives what came; what it holds has to say where it ends.

    Raises:
        PeerError: it is not zstd, holds more than `most` bytes, or needs a window of over 8 MB.
    """
    came = 0
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG)
    with decompressor.stream_reader(BufferedReader(_Source(pieces), _STEP), read_size=_STEP) as reader:
        while True:
            try:
                octets = reader.read(_STEP)
            except zstandard.ZstdError as exc:
                raise PeerError(f"a body that is not zstd, or damaged: {exc}") from exc
            if not octets:
                return
            came += len(octets)
            if came > most:
                raise PeerError(f"a body of over {most} bytes once it is expanded")
            yield octets


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
