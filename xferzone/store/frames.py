"""Frames: a blob row's content column holds one zstd frame, made with the dictionary shipped beside this file.

    frame = magic, dictionary id, content size, blocks       (RFC 8878 3.1.1)

The frame states the size of what it holds, which is checked before a byte is expanded: ten megabytes of zeros fit in
a frame of 327 bytes. Threads cannot share compressors or decompressors.

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

import zstandard

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


class _Contexts(threading.local):
    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=_DICTIONARY)
        self.best = zstandard.ZstdCompressor(level=BEST, dict_data=_FOR_BEST)
        self.decompressor = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)
        self.own: dict[int, zstandard.ZstdDecompressor] = {}


_contexts = _Contexts()


def compress(content: bytes) -> bytes:
    """`content` as one frame that states its size."""
    return _contexts.compressor.compress(content)


def compress_best(content: bytes) -> bytes:
    """The same, as small as can be, however long it takes."""
    return _contexts.best.compress(content)


def best_with(dictionary: bytes) -> Callable[[bytes], bytes]:
    """What makes frames as `compress_best` does, with another dictionary; for one thread."""
    return zstandard.ZstdCompressor(level=BEST, dict_data=zstandard.ZstdCompressionDict(dictionary)).compress


def expand(frame: bytes, limit: int, db: sqlite3.Connection | None = None) -> bytes:
    """What `frame` holds. `db`: the repository, where a frame may be made with a dictionary of its own.

    Raises:
        ValueError: it is not one complete frame of ours, or states more than `limit` bytes.
    """
    try:
        stated = zstandard.get_frame_parameters(frame)
        if stated.content_size > limit:  # as one is that states none
            raise ValueError(f"a frame that states {stated.content_size} bytes")
        return _decompressor(stated.dict_id, db).decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as exc:
        raise ValueError(f"not a zstd frame of ours: {exc}") from exc


def _decompressor(number: int, db: sqlite3.Connection | None) -> zstandard.ZstdDecompressor:
    if number in _SHIPPED or db is None:
        return _contexts.decompressor
    found = _contexts.own.get(number)
    if found is None:
        dictionary = zstandard.ZstdCompressionDict(_own(db, number))
        if len(_contexts.own) >= _MAX_OPEN:
            _contexts.own.clear()
        found = _contexts.own[number] = zstandard.ZstdDecompressor(dict_data=dictionary)
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
    """Which dictionary of the repository the frame needs that begins so. None: none, or it is not a frame."""
    try:
        number = zstandard.get_frame_parameters(beginning[:_HEADER]).dict_id
    except zstandard.ZstdError:
        return None
    return None if number in _SHIPPED else number
