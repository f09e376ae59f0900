"""Whose turn it is to write: one at a time, and nobody for long.

    a transaction that can be cut    give_way ─> LONG_S have passed? COMMIT ─> others write ─> BEGIN IMMEDIATE
    after a long one                 the next of this process waits REST_S before it asks for the lock

Who waits for SQLite's lock looks every 100 ms whether it is free (sqlite3_busy_timeout), and threads wait in no order:
without the rest a process with much to write would never be seen to be idle.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

LONG_S: Final = 0.5  # seconds after which a transaction that can be cut is
REST_S: Final = 0.12  # seconds; more than the 100 ms between two looks of SQLite

#: Seconds by which transactions are measured; benches and tests take those of the CPU, which others do not prolong.
clock: Callable[[], float] = time.monotonic
#: How a process rests; where time is made up, it does not.
rest: Callable[[float], None] = time.sleep


class Turns:
    """The turns of the threads of one process.

    Fields:
        longest: seconds of the longest transaction so far.
        rest_s: seconds of rest after a long one; 0 where nobody else can wait.
    """

    def __init__(self, rest_s: float = REST_S) -> None:
        self.longest = 0.0
        self.rest_s = rest_s
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._began = 0.0
        self._free_at = 0.0  # when the next may ask

    def take(self, timeout: float) -> bool:
        """Wait for the turn of this thread for at most `timeout` seconds; whether it has come."""
        if (left := self._free_at - time.monotonic()) > 0:
            rest(left)
        if not self._lock.acquire(timeout=timeout):
            return False
        self._owner = threading.get_ident()
        self._began = clock()
        return True

    def begin(self) -> None:
        """The transaction has begun."""
        self._began = clock()

    def leave(self) -> None:
        """Let others write; nothing, if it is not this thread's turn."""
        if self._owner != threading.get_ident():
            return
        lasted = clock() - self._began
        self.longest = max(self.longest, lasted)
        if lasted >= LONG_S:
            self._free_at = time.monotonic() + self.rest_s
        self._owner = None
        self._lock.release()
