"""One HTTP message of the xfer protocol: its content type and its octets <-> the text that holds the cards.

    application/x-fossil                packed: 4 octets, big-endian length of the text, then one zlib stream
    application/x-fossil-debug          the text as it is
    application/x-fossil-uncompressed   the text as it is; a server's answer to clone version 3

    the same, Content-Encoding: zstd    between peers of our own kind (coding.py)

Types compare without case; parameters (`;charset=...`) do not matter. We accept what stock's receiver accepts:

    no type at all                              packed
    a body of at most 4 octets                  the text as it is
    a stated length above the real one          harmless
    what does not inflate within that length    the text as it is, so rubbish yields an unknown card

Source: Fossil 2.21, src/http.c http_exchange(), src/cgi.c cgi_init(), src/blob.c blob_uncompress().
"""

import zlib
from collections.abc import Callable, Sequence
from io import SEEK_END, BytesIO
from typing import IO

from xferzone.cards import coding
from xferzone.errors import PeerError
from xferzone.transport.base import PLAIN, Body

COMPRESSED = "application/x-fossil"
DEBUG = "application/x-fossil-debug"
UNCOMPRESSED = "application/x-fossil-uncompressed"

_LENGTH_SIZE = 4  # bytes
_STEP = 65_536  # bytes inflated at a time; inflated at once, a large text would be in memory twice
_BODY_LEVEL = 1  # of zlib; 5 times as fast as level 6 for 3 to 15 % more bytes, and a body is short-lived


def is_xfer(content_type: str) -> bool:
    """Whether a request of this type is a sync request, whatever its path. A prefix decides."""
    return content_type.strip().lower().startswith(COMPRESSED)


def decode_body(content_type: str, raw: bytes, *, limit: int, coded: str = PLAIN) -> bytes:
    """The text of a body, at most `limit` bytes.

    Raises:
        PeerError: the text is longer. Nothing over the limit was expanded.
        NotZstd: that coding is stated, and the body is not in it.
    """
    into = BytesIO()
    as_it_came = expand_to(Body.of(content_type, raw, coded), into.write, limit=limit)
    return raw if as_it_came else into.getvalue()


def expand_body(body: Body, into: IO[bytes], *, limit: int) -> bool:
    """Write the text of a body into an empty file; raises as `decode_body`. True: its octets are the text."""
    as_it_came = expand_to(body, into.write, limit=limit)
    if not as_it_came:
        into.seek(0)
    return as_it_came


def expand_to(body: Body, write: Callable[[bytes], object], *, limit: int) -> bool:
    """Give the text of a body to `write`, in pieces; as `expand_body`. True: the text is its octets, not the pieces."""
    raw = body.octets
    if body.coding != PLAIN:
        if not _is_plain(body.content_type):
            raise coding.NotZstd(
                f"a message in {body.coding} that is packed already: is there a proxy in between?"
            )
        coding.expand(raw, write, limit=limit)
        return False
    size = raw.seek(0, SEEK_END)
    raw.seek(0)
    if not _is_plain(body.content_type) and size > _LENGTH_SIZE:
        try:
            _unpack(raw, write, limit)
        except ValueError:
            raw.seek(0)
        else:
            return False
    if size > limit:
        raise PeerError(f"message of {size} bytes, {limit} are allowed")
    return True


def beginning(body: Body, size: int) -> bytes:
    """The first bytes of the text of a body, at most `size`, as far as they can be told without reading more of it."""
    body.octets.seek(0)
    octets = body.octets.read(size)
    if body.coding != PLAIN:
        return coding.beginning(octets, size)
    if _is_plain(body.content_type) or len(octets) <= _LENGTH_SIZE:
        return octets
    try:
        return zlib.decompressobj().decompress(octets[_LENGTH_SIZE:], size)
    except zlib.error:
        return octets


def stated_size(body: Body) -> int:
    """How many bytes of text a body claims to hold; 0: as many as came. One that hides it counts as large."""
    if body.coding != PLAIN:
        return coding.stated_size(body.octets)
    body.octets.seek(0)
    return 0 if _is_plain(body.content_type) else int.from_bytes(body.octets.read(_LENGTH_SIZE), "big")


def opened(text: bytes | IO[bytes]) -> IO[bytes]:
    """`text` as a file that stands at its first octet; a file is returned itself."""
    if isinstance(text, bytes):
        return BytesIO(text)
    text.seek(0)
    return text


def encode_body(content_type: str, text: bytes) -> bytes:
    """The octets that carry `text` under `content_type`."""
    return text if _is_plain(content_type) else pack(text, level=_BODY_LEVEL)


def write_body(content_type: str, pieces: Sequence[bytes], into: IO[bytes], coded: str = PLAIN) -> None:
    """Write what `encode_body` returns for the text in `pieces`, or a plain type's octets in a coding."""
    if coded != PLAIN:
        coding.pack(pieces, into)
    elif _is_plain(content_type):
        into.writelines(pieces)
    else:
        _pack(pieces, into, _BODY_LEVEL)


def pack(text: bytes, *, level: int = 6) -> bytes:
    """The length of `text`, then `text` compressed: a body, a cfile payload, a blob in stock's database."""
    if len(text) <= _STEP:
        return len(text).to_bytes(_LENGTH_SIZE, "big") + zlib.compress(text, level)  # a fifth faster
    into = BytesIO()
    _pack([text], into, level)
    return into.getvalue()


def unpack(packed: bytes, *, limit: int) -> bytes:
    """The text that `pack` was given.

    Raises:
        ValueError: `packed` is cut off or damaged, or its text is longer than it states (shorter is allowed).
        PeerError: the text is longer than `limit` bytes.
    """
    into = BytesIO()
    _unpack(BytesIO(packed), into.write, limit)
    return into.getvalue()


def _is_plain(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in (DEBUG, UNCOMPRESSED)


def _pack(pieces: Sequence[bytes], into: IO[bytes], level: int) -> None:
    packer = zlib.compressobj(level)
    into.write(sum(map(len, pieces)).to_bytes(_LENGTH_SIZE, "big"))
    for piece in pieces:
        # In steps: zlib allocates room for the worst outcome of each call.
        for start in range(0, len(piece), _STEP):
            into.write(packer.compress(piece[start : start + _STEP]))
    into.write(packer.flush())


def _unpack(packed: IO[bytes], write: Callable[[bytes], object], limit: int) -> None:
    stated = int.from_bytes(packed.read(_LENGTH_SIZE), "big")
    try:
        length, whole = _inflate(packed, write, min(stated, limit) + 1)
    except zlib.error as exc:
        raise ValueError("not a zlib stream") from exc
    if length > stated:
        raise ValueError(f"more than the {stated} bytes stated")
    if length > limit:
        raise PeerError(f"over {limit} bytes when expanded")
    if not whole:
        raise ValueError("a zlib stream that is cut off")


def _inflate(stream: IO[bytes], write: Callable[[bytes], object], most: int) -> tuple[int, bool]:
    """(bytes given to `write`, at most `most`; whether the zlib stream came to its end)"""
    inflater, length = zlib.decompressobj(), 0
    while not inflater.eof and (left := most - length):
        octets = inflater.unconsumed_tail or stream.read(_STEP)
        piece = inflater.decompress(octets, min(left, _STEP))
        if not piece and not octets:
            break
        write(piece)
        length += len(piece)
    return length, inflater.eof
