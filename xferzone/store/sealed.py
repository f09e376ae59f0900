"""Short artifacts with a Z card, packed: manifests and controls, of which half the text is hashes in hex.

    content    text, hashes of 64, 40 or 32 hex digits in it; then "Z ", the MD5 of all before it, newline
    packed     MARK, deflated text with an octet 01, 02 or 03 for each hash; then the hashes, of 32, 20 or 16 octets

Deflate (RFC 1951) ends by itself, so the hashes need no count. WORDS is what it may refer back to from the beginning. A
manifest of 230 bytes takes 100 so, and 165 in zstd: a hash in hex costs 40, and the frame of a text that short 20.
"""

import re
import zlib
from hashlib import md5
from typing import Final

MARK: Final = b"\x08"  # no zstd frame begins so: a reserved bit is set, RFC 8878 3.1.1.1.1
MAX_PACKED: Final = 1_000  # bytes of content; in longer ones names of files prevail, and zstd does as well

# What repositories were written with: never changed. What is most common stands at the end.
WORDS: Final = (
    b"C initial\\sempty\\scheck-in\nT *branch * trunk\nT *sym-trunk *\nU root\n"
    b'C Create\\snew\\sbranch\\snamed\\s"T +closed \x01\nT +comment \x01 T +user \x01 T +date \x01 20'
    b"C remove\\szone\\smerge\\sof\\sinto\\sdelete\\srollback\\sto\\simport\\supdate\\srecords\\sfor\\sfrom"
    b"\\sthe\\sAAAA\\s2001:db8::\\sCNAME\\sTXT\\sMX\\s10\\sNS\\sns1.\nC add\\szone\\s\n"
    b"C set\\swww.example.net\\sA\\s300\\s192.0.2.1\nN text/x-markdown\nR \x03\nP \x01 \x01\n"
    b"T *branch * /main\nT *sym-/main *\nT -sym-.org/main *\nT +sym-.com/main \x01\n"
    b"F .zone.d/0123456789abcdef.zone \x01\nD 2027-03-14T09:16:38.258\nD 2026-12-05T17:42:30\n"
    b"F example.com.zone \x01\nP \x01\nU ops\n"
)

_BITS: Final = 10  # of the window: WORDS and what is looked at together
# To set one up costs more than to copy it.
_DEFLATE: Final = zlib.compressobj(6, zlib.DEFLATED, -_BITS, 3, zdict=WORDS)
_SEAL: Final = 35  # bytes of the Z card
_HASH: Final = re.compile(rb"(?<= )([0-9a-f]{32,64})")
_STANDING: Final = re.compile(rb"([\x01-\x03])")
_SIZES: Final = {b"\x01": 32, b"\x02": 20, b"\x03": 16}
_LETTERS: Final = {2 * size: letter for letter, size in _SIZES.items()}


def packed(content: bytes) -> bytes | None:
    """`content` as above. None: it is none of these artifacts."""
    # Clusters are known by their size beside their content's (clusters.py).
    if len(content) > MAX_PACKED or content[-_SEAL : 2 - _SEAL] != b"Z " or content.startswith(b"M "):
        return None
    text = content[:-_SEAL]
    if content[-_SEAL:] != _seal(text) or _STANDING.search(text):
        return None
    parts, hashes = _HASH.split(text), []
    for number in range(1, len(parts), 2):
        letter = _LETTERS.get(len(parts[number]))
        if letter is not None:
            hashes.append(parts[number].decode())
            parts[number] = letter
    deflate = _DEFLATE.copy()
    return b"".join(
        (MARK, deflate.compress(b"".join(parts)), deflate.flush(), bytes.fromhex("".join(hashes)))
    )


def unpacked(frame: bytes, limit: int) -> bytes:
    """The content of at most `limit` bytes. Raises ValueError: it is not one that `packed` has made."""
    inflate = zlib.decompressobj(-_BITS, zdict=WORDS)
    try:
        text = inflate.decompress(frame[len(MARK) :], MAX_PACKED)
    except zlib.error as exc:
        raise ValueError(f"not deflated text: {exc}") from exc
    if not inflate.eof:
        raise ValueError("deflated text that is cut off, or too long")
    hashes, at = inflate.unused_data, 0
    parts = _STANDING.split(text)
    for number in range(1, len(parts), 2):
        size = _SIZES[parts[number]]
        parts[number] = hashes[at : at + size].hex().encode()
        at += size
    if at != len(hashes):
        raise ValueError(f"{len(hashes)} bytes of hashes instead of {at}")
    content = b"".join(parts)
    content += _seal(content)
    if len(content) > limit:
        raise ValueError(f"{len(content)} bytes packed")
    return content


def _seal(text: bytes) -> bytes:
    """The Z card of an artifact. Source: Fossil 2.21, www/fileformat.wiki."""
    return b"Z " + md5(text, usedforsecurity=False).hexdigest().encode() + b"\n"
