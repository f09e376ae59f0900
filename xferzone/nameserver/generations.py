"""A map bounded in bytes that forgets what is not asked for, as fast as a dict.

    young      what was put lately; readers look here first
    old        what was put before that; what a reader finds here, it puts again
    retired    what is being forgotten, FREED entries at a time

When the young ones reach half of the bound, they become the old ones and the old ones retire. Freeing a whole
generation at once would be felt as a pause; bit by bit it is gone before the next one retires. Generations are
numbered, from 1 to 255 and again.
"""

from typing import Final, Generic, TypeVar

FREED: Final = 64  # entries

_Key = bytes | int | tuple[bytes, bytes]
_Value = TypeVar("_Value")


class Generations(Generic[_Value]):
    """A map bounded in bytes: what was not asked for while half of the bound was put into it is forgotten."""

    __slots__ = ("_limit", "_retired", "_used", "number", "old", "young")

    def __init__(self, limit: int) -> None:
        self.young: dict[_Key, _Value] = {}
        self.old: dict[_Key, _Value] = {}
        self._retired: dict[_Key, _Value] = {}
        self._limit = limit // 2
        self.number = 1  # of the young ones
        self._used = 0  # bytes in `young`

    def put(self, key: _Key, value: _Value, size: int) -> None:
        """Keep a value of `size` bytes, key and overhead included."""
        self.young[key] = value
        self._used += size
        if self._used > self._limit:
            self._retired = self.old
            self.old = self.young
            self.young = {}
            self._used = 0
            self.number = self.number % 255 + 1

    def free(self) -> None:
        """Let go of a little of what was forgotten; to be called about once in FREED puts."""
        retired = self._retired
        for _ in range(min(FREED, len(retired))):
            retired.popitem()

    def __len__(self) -> int:
        return len(self.young) + len(self.old) + len(self._retired)
