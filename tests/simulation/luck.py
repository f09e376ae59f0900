"""Luck: every choice of a history comes from one seed, and so does every fault."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Final, TypeVar

LEVELS: Final = (0, 10, 20)  # percent: how often a fault of probability 1 happens

_Value = TypeVar("_Value")


class Luck:
    """The choices and faults of one history.

    Fields:
        fired: how often each fault happened, by site.
    """

    def __init__(self, seed: int, level: int) -> None:
        self.fired: Counter[str] = Counter()
        self._random = Random(f"{seed} at {level}")
        self._share = level / 100

    def end(self) -> None:
        """From here on nothing goes wrong."""
        self._share = 0.0

    @contextmanager
    def spared(self) -> Iterator[None]:
        """Nothing goes wrong during the block."""
        share, self._share = self._share, 0.0
        yield
        self._share = share

    def strikes(self, site: str, p: float) -> bool:
        """Whether the fault of probability `p` happens at `site` now."""
        if not self._share or self._random.random() >= p * self._share:
            return False
        self.fired[site] += 1
        return True

    def chance(self, p: float) -> bool:
        return self._random.random() < p

    def below(self, end: int) -> int:
        """A number from 0 to `end` - 1."""
        return self._random.randrange(end)

    def one_of(self, values: Sequence[_Value]) -> _Value:
        return values[self._random.randrange(len(values))]

    def shuffle(self, values: list[_Value]) -> None:
        self._random.shuffle(values)

    def octets(self, size: int) -> bytes:
        return self._random.randbytes(size)
