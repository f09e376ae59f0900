"""Which zones a check-in may hold files of: bits noted when it arrives, so that nobody reads its manifest to know.

    example.com.zone, example.com.zone.d/1.zone    the bit of example.com, one of 62
    docs/example.com.zone, .zone                   the bit ASIDE: a zone file where it is no zone's
    all others                                     no bit

A bit that is not set says for certain that the check-in has no file of such a zone. One that is set may stand for
another zone: ask the manifest. Most histories that others bring have no bit in any check-in.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final
from zlib import crc32

NONE: Final = 0  # no zone file at all
UNKNOWN: Final = -1  # every bit: nobody has looked, or the baseline has not come
_BITS: Final = 62  # SQLite's integers have 64
_ASIDE: Final = 1 << _BITS
_ENDING: Final = ".zone"
_FOLDER: Final = ".zone.d"


def bit(zone: str) -> int:
    """The bit that is set in every check-in with a file of the zone of that id."""
    return int(1 << crc32(zone.encode("utf-8", "surrogateescape")) % _BITS)


def bits(names: Iterable[str]) -> int:
    """The bits of a check-in whose files have these names."""
    found = NONE
    names = list(names)
    if _ENDING not in "\n".join(names):
        return found  # of large manifests nearly all
    for name in names:
        if name.endswith(_ENDING):
            folder, _, inside = name.rpartition("/")
            zone = folder.removesuffix(_FOLDER) if folder.endswith(_FOLDER) else inside.removesuffix(_ENDING)
            is_own = zone and "/" not in zone and folder in ("", f"{zone}{_FOLDER}")
            found |= bit(zone) if is_own else _ASIDE
    return found


class Held:
    """The bits of a baseline, less those of files that a delta manifest on it takes away."""

    def __init__(self, names: Iterable[str]) -> None:
        self._bits = {name: bits([name]) for name in names if name.endswith(_ENDING)}
        self._counts = Counter(self._bits.values())

    def without(self, gone: Iterable[str]) -> int:
        """The bits that are left without these names."""
        found = NONE
        for each in self._counts - Counter(self._bits[name] for name in gone if name in self._bits):
            found |= each
        return found
