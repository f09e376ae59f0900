"""What a program takes from its machine: clocks, randomness, sleep. Handed in from the rim, so tests own time."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Env:
    """The machine as a sync or a server sees it.

    Fields:
        clock_ms: the date, milliseconds since 1970.
        monotonic: seconds since some moment, never going back.
        token: that many random bytes.
        sleep: wait for that many seconds.
    """

    clock_ms: Callable[[], int] = _clock_ms
    monotonic: Callable[[], float] = time.monotonic
    token: Callable[[int], bytes] = secrets.token_bytes
    sleep: Callable[[float], None] = time.sleep


SYSTEM: Final = Env()
