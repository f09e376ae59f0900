"""One HTTP message of the xfer protocol: its content type and its octets <-> the text that holds the cards.

    application/x-fossil                framed: 4 octets, big-endian length of the text, then one zlib stream
    application/x-fossil-debug          the text as it is
    application/x-fossil-uncompressed   the text as it is; a server's answer to clone version 3

Types compare without case; parameters (`;charset=...`) do not matter. As stock's receiver does: no type means framed;
a body of at most 4 octets is taken as it is; a stated length above the real one is harmless; and what does not inflate
within it is text already, so that text under the wrong type is understood and rubbish yields an unknown card.
Source: Fossil 2.21, src/http.c http_exchange(), src/cgi.c cgi_init(), src/blob.c blob_uncompress().
"""

import zlib
from collections.abc import Sequence
from io import SEEK_END, BytesIO
from typing import IO

from xferzone.errors import PeerError

FRAMED = "application/x-fossil"
DEBUG = "application/x-fossil-debug"
UNCOMPRESSED = "application/x-fossil-uncompressed"

_LENGTH_SIZE = 4  # bytes
_STEP = 65_536  # bytes inflated at a time: whole texts of a large one would be in memory twice
_BODY_LEVEL = 1  # of zlib: a body lives a moment; 5 times as fast as level 6 and 3 to 15 % longer


def is_xfer(content_type: str) -> bool:
    """Whether a request of this type is a sync request, whatever its path: a rule of prefix."""
    return content_type.strip().lower().startswith(FRAMED)


def decode_body(content_type: str, raw: bytes, *, limit: int) -> bytes:
    """The text of a body, at most `limit` bytes.

    Raises:
        PeerError: it is longer. Nothing over the limit was expanded.
    """
    into = BytesIO()
    return raw if expand_body(content_type, BytesIO(raw), into, limit=limit) else into.getvalue()


def expand_body(content_type: str, raw: IO[bytes], into: IO[bytes], *, limit: int) -> bool:
    """Write the text of a body into an empty file; True: `raw` is that text, whatever was written. As `decode_body`."""
    size = raw.seek(0, SEEK_END)
    raw.seek(0)
    if not _is_plain(content_type) and size > _LENGTH_SIZE:
        try:
            _unframe(raw, into, limit)
        except ValueError:
            raw.seek(0)
        else:
            into.seek(0)
            return False
    if size > limit:
        raise PeerError(f"message of {size} bytes, {limit} are allowed")
    return True


def stated_size(content_type: str, raw: IO[bytes]) -> int:
    """How many bytes of text a body may expand to, by what it states itself; 0 where it states nothing."""
    raw.seek(0)
    return 0 if _is_plain(content_type) else int.from_bytes(raw.read(_LENGTH_SIZE), "big")


def opened(text: bytes | IO[bytes]) -> IO[bytes]:
    """A text to be read from its first octet; of a file, the same file."""
    if isinstance(text, bytes):
        return BytesIO(text)
    text.seek(0)
    return text


def encode_body(content_type: str, text: bytes) -> bytes:
    """The octets that carry `text` under `content_type`."""
    return text if _is_plain(content_type) else frame(text, level=_BODY_LEVEL)


def write_body(content_type: str, pieces: Sequence[bytes], into: IO[bytes]) -> None:
    """The same of a text in pieces, written."""
    if _is_plain(content_type):
        into.writelines(pieces)
    else:
        _frame(pieces, into, _BODY_LEVEL)


def frame(text: bytes, *, level: int = 6) -> bytes:
    """`text` behind its length and compressed, as in a framed body, a cfile payload and stock's database."""
    if len(text) <= _STEP:
        return len(text).to_bytes(_LENGTH_SIZE, "big") + zlib.compress(text, level)  # a fifth faster
    into = BytesIO()
    _frame([text], into, level)
    return into.getvalue()


def unframe(framed: bytes, *, limit: int) -> bytes:
    """What `frame` was given.

    Raises:
        ValueError: it is not so framed: shorter than stated is allowed, longer, cut off or damaged is not.
        PeerError: it is so framed and longer than `limit` bytes.
    """
    into = BytesIO()
    _unframe(BytesIO(framed), into, limit)
    return into.getvalue()


def _is_plain(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in (DEBUG, UNCOMPRESSED)


def _frame(pieces: Sequence[bytes], into: IO[bytes], level: int) -> None:
    packer = zlib.compressobj(level)
    into.write(sum(map(len, pieces)).to_bytes(_LENGTH_SIZE, "big"))
    for piece in pieces:
        # In steps, and a small piece whole: zlib makes room for what a piece may become.
        for start in range(0, len(piece), _STEP):
            into.write(packer.compress(piece[start : start + _STEP]))
    into.write(packer.flush())


def _unframe(framed: IO[bytes], into: IO[bytes], limit: int) -> None:
    stated = int.from_bytes(framed.read(_LENGTH_SIZE), "big")
    try:
        length, whole = _inflate(framed, into, min(stated, limit) + 1)
    except zlib.error as exc:
        raise ValueError("not a zlib stream") from exc
    if length > stated:
        raise ValueError(f"more than the {stated} bytes stated")
    if length > limit:
        raise PeerError(f"over {limit} bytes when expanded")
    if not whole:
        raise ValueError("a zlib stream that is cut off")


def _inflate(stream: IO[bytes], into: IO[bytes], most: int) -> tuple[int, bool]:
    """How much of what `stream` expands to was written, at most `most` bytes, and whether it was read to its end."""
    inflater, length = zlib.decompressobj(), 0
    while not inflater.eof and (left := most - length):
        octets = inflater.unconsumed_tail or stream.read(_STEP)
        piece = inflater.decompress(octets, min(left, _STEP))
        if not piece and not octets:
            break
        length += into.write(piece)
    return length, inflater.eof
