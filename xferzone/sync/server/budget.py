"""How large and how late a reply may become, as seen while it grows, and how large what it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from xferzone import delta

MAX_REPLY = 5_000_000  # bytes of uncompressed cards; Fossil's max-download default
MAX_SECONDS = 30  # spent on one reply; Fossil's max-download-time default


class TooLarge(Exception):
    """An artifact over `Budget.artifact` is in the way: nothing of the round may be kept; it can be run again."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one round may cost.

    Fields:
        bytes, seconds: of the reply; tested before each artifact, so that one may overshoot and a large one still goes.
        artifact: bytes of the largest that may be taken into memory.
        overshoots: the last artifact may go beyond `bytes`; False: only the first may, which then goes alone.
    """

    bytes: int = MAX_REPLY
    seconds: float = MAX_SECONDS
    clock: Callable[[], float] = monotonic
    artifact: int = delta.MAX_SIZE
    overshoots: bool = True

    def deadline(self) -> float:
        """When, by `clock`, a reply begun now must be done."""
        return self.clock() + self.seconds

    def admit(self, size: int) -> None:
        """Raise TooLarge where an artifact of `size` bytes would be too much."""
        if size > self.artifact:
            raise TooLarge
