"""Frames: how a blob row's content column keeps content or a delta.

    MARK of sealed.py     a short manifest or control, packed
    MARK of members.py    a cluster, by the rows of its members
    28 b5 2f fd           a zstd frame with its magic number, as until schema 0020: RFC 8878 3.1.1
    anything else         a zstd frame without: [dictionary id,] content size, blocks

A zstd frame is made with the dictionary shipped beside this file unless it names another. It states the size of what it
holds, which is checked before a byte is expanded: ten megabytes of zeros fit in a frame of 327 bytes. Threads cannot
share compressors or decompressors.

A repository that was repacked may have a dictionary of its own (training.py): the setting `dictionary-N` holds the one
whose id is N, in base64. N follows from its octets, so a process that has several repositories open keeps them apart.
"""

import base64
import binascii
import hashlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import zstandard

from xferzone.store import members, sealed

LEVEL = 3  # level 9 saved under 2 % more on zone text, in three times the time
BEST = 19  # for repacking, which may take a hundred times as long; what it makes is read as fast
OWN = "dictionary-"  # what the settings are called that hold a repository's own
_OCTETS = (Path(__file__).parent / "zone.dict").read_bytes()
_DICTIONARY = zstandard.ZstdCompressionDict(_OCTETS)
_DICTIONARY.precompute_compress(level=LEVEL)
_FOR_BEST = zstandard.ZstdCompressionDict(_OCTETS)  # digested for a level when it is first used
_SHIPPED = (0, _DICTIONARY.dict_id())  # 0: a frame that names none
_LEAST, _END = 2**15, 2**31  # ids outside are reserved, RFC 8878 5
_MAX_OPEN = 16  # dictionaries of repositories that a thread keeps ready
_HEADER = 18  # bytes of a frame before its blocks, at most


_MAGIC = zstandard.FRAME_HEADER  # which frames need not begin with, since nothing else is kept here
_WITH, _WITHOUT = zstandard.FORMAT_ZSTD1, zstandard.FORMAT_ZSTD1_MAGICLESS


def _compressor(
    level: int, dictionary: zstandard.ZstdCompressionDict, *, is_own: bool = False
) -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters(
        compression_level=level, format=_WITHOUT, write_content_size=True, write_dict_id=is_own
    )
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)


class _Contexts(threading.local):
    def __init__(self) -> None:
        self.compressor = _compressor(LEVEL, _DICTIONARY)
        self.best = _compressor(BEST, _FOR_BEST)
        self.decompressors = _decompressors(_DICTIONARY)
        self.own: dict[int, _Decompressors] = {}


class _Decompressors(NamedTuple):
    """Of frames with the magic number, and without."""

    magic: zstandard.ZstdDecompressor
    plain: zstandard.ZstdDecompressor


def _decompressors(dictionary: zstandard.ZstdCompressionDict) -> _Decompressors:
    return _Decompressors(
        *(zstandard.ZstdDecompressor(dict_data=dictionary, format=each) for each in (_WITH, _WITHOUT))
    )


_contexts = _Contexts()


def compress(content: bytes) -> bytes:
    """`content` as one frame."""
    packed = sealed.packed(content)
    return _contexts.compressor.compress(content) if packed is None else packed


def compress_best(content: bytes) -> bytes:
    """The same, as small as can be, however long it takes."""
    packed = sealed.packed(content)
    best = _contexts.best.compress(content)
    return best if packed is None or len(best) < len(packed) else packed


def best_with(dictionary: bytes) -> Callable[[bytes], bytes]:
    """What makes frames as `compress_best` does, with another dictionary; for one thread."""
    return _compressor(BEST, zstandard.ZstdCompressionDict(dictionary), is_own=True).compress


def expand(frame: bytes, limit: int, db: sqlite3.Connection | None = None) -> bytes:
    """What `frame` holds. `db`: the repository, where a frame may need a dictionary of its own, or its rows.

    Raises:
        ValueError: it is not one complete frame of ours, or states more than `limit` bytes.
    """
    if frame[:1] == sealed.MARK:
        return sealed.unpacked(frame, limit)
    if frame[:1] == members.MARK and db is not None:
        return members.content(db, frame, limit)
    has_magic = frame.startswith(_MAGIC)
    try:
        stated = zstandard.get_frame_parameters(frame, format=_WITH if has_magic else _WITHOUT)
        if stated.content_size > limit:  # as one is that states none
            raise ValueError(f"a frame that states {stated.content_size} bytes")
        with_magic, without = _decompressors_of(stated.dict_id, db)
        return (with_magic if has_magic else without).decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as exc:
        raise ValueError(f"not a zstd frame of ours: {exc}") from exc


def _decompressors_of(number: int, db: sqlite3.Connection | None) -> _Decompressors:
    if number in _SHIPPED or db is None:
        return _contexts.decompressors
    found = _contexts.own.get(number)
    if found is None:
        dictionary = zstandard.ZstdCompressionDict(_own(db, number))
        if len(_contexts.own) >= _MAX_OPEN:
            _contexts.own.clear()
        found = _contexts.own[number] = _decompressors(dictionary)
    return found


def _own(db: sqlite3.Connection, number: int) -> bytes:
    """A dictionary of the repository. Raises ValueError: it is not there, or damaged."""
    row = db.execute("SELECT CAST(value AS BLOB) FROM setting WHERE name = ?", (f"{OWN}{number}",)).fetchone()
    octets = b"" if row is None else parse(row[0])
    if not octets or id_of(octets) != number:
        raise ValueError(f"the setting {OWN}{number}, its dictionary, is {'damaged' if row else 'missing'}")
    return octets


def text(dictionary: bytes) -> str:
    """As the setting holds it."""
    return base64.b64encode(dictionary).decode()


def parse(setting: bytes) -> bytes:
    """The dictionary that a setting holds; empty: it is damaged."""
    try:
        octets = base64.b64decode(setting, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return octets if octets == numbered(octets) else b""


def numbered(dictionary: bytes) -> bytes:
    """The same with the id that follows from its octets."""
    digest = hashlib.sha256(dictionary[8:]).digest()
    number = _LEAST + int.from_bytes(digest[:4], "big") % (_END - _LEAST)
    return dictionary[:4] + number.to_bytes(4, "little") + dictionary[8:]


def id_of(dictionary: bytes) -> int:
    """The id that a dictionary states, RFC 8878 5."""
    return int.from_bytes(dictionary[4:8], "little")


def own_id(beginning: bytes) -> int | None:
    """Which dictionary of the repository the frame needs that begins so. None: none, or it is not a zstd frame."""
    if beginning[:1] in (sealed.MARK, members.MARK):
        return None
    kind = _WITH if beginning.startswith(_MAGIC) else _WITHOUT
    try:
        number = zstandard.get_frame_parameters(beginning[:_HEADER], format=kind).dict_id
    except zstandard.ZstdError:
        return None
    return None if number in _SHIPPED else number
