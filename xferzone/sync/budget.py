"""How large and how late a reply may become, as seen while it grows."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

MAX_REPLY = 5_000_000  # bytes of uncompressed cards; Fossil's max-download default
MAX_SECONDS = 30  # spent on one reply; Fossil's max-download-time default


@dataclass(frozen=True, slots=True)
class Budget:
    """What one reply may cost. Tested before each artifact, so that one may overshoot and a large one still goes."""

    bytes: int = MAX_REPLY
    seconds: float = MAX_SECONDS
    clock: Callable[[], float] = monotonic

    def deadline(self) -> float:
        """When, by `clock`, a reply begun now must be done."""
        return self.clock() + self.seconds
