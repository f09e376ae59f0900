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
from io import BytesIO

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
    text = raw
    if (
        content_type.partition(";")[0].strip().lower() not in (DEBUG, UNCOMPRESSED)
        and len(raw) > _LENGTH_SIZE
    ):
        try:
            text = unframe(raw, limit=limit)
        except ValueError:
            text = raw
    if len(text) > limit:
        raise PeerError(f"message of {len(text)} bytes, {limit} are allowed")
    return text


def encode_body(content_type: str, text: bytes) -> bytes:
    """The octets that carry `text` under `content_type`."""
    plain = content_type.partition(";")[0].strip().lower() in (DEBUG, UNCOMPRESSED)
    return text if plain else frame(text, level=_BODY_LEVEL)


def frame(text: bytes, *, level: int = 6) -> bytes:
    """`text` behind its length and compressed, as in a framed body, a cfile payload and stock's database."""
    return len(text).to_bytes(_LENGTH_SIZE, "big") + zlib.compress(text, level)


def unframe(framed: bytes, *, limit: int) -> bytes:
    """What `frame` was given.

    Raises:
        ValueError: it is not so framed: shorter than stated is allowed, longer, cut off or damaged is not.
        PeerError: it is so framed and longer than `limit` bytes.
    """
    stated = int.from_bytes(framed[:_LENGTH_SIZE], "big")
    try:
        text, whole = _inflate(memoryview(framed)[_LENGTH_SIZE:], min(stated, limit) + 1)
    except zlib.error as exc:
        raise ValueError("not a zlib stream") from exc
    if len(text) > stated:
        raise ValueError(f"more than the {stated} bytes stated")
    if len(text) > limit:
        raise PeerError(f"over {limit} bytes when expanded")
    if not whole:
        raise ValueError("a zlib stream that is cut off")
    return text


def _inflate(stream: memoryview, most: int) -> tuple[bytes, bool]:
    """At most `most` bytes of what `stream` expands to, and whether it was read to its end."""
    inflater, text, offset = zlib.decompressobj(), BytesIO(), 0
    while not inflater.eof and (left := most - text.tell()):
        octets = inflater.unconsumed_tail or stream[offset : (offset := offset + _STEP)]
        piece = inflater.decompress(octets, min(left, _STEP))
        if not piece and not octets:
            break
        text.write(piece)
    return text.getvalue(), inflater.eof
