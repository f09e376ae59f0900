"""How many sync requests a process takes on at once, so that pages are always answered whatever comes."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

from xferzone.errors import Busy

MAX_REQUESTS: Final = 48  # sync requests in one process; serve/arbiter.py has 64 threads


class Admission:
    """The sync requests of one process, each from its first octet until its reply is sent."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(MAX_REQUESTS)

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Raises Busy at once where MAX_REQUESTS are under way."""
        if not self._free.acquire(blocking=False):
            raise Busy("too many requests at once")
        try:
            yield
        finally:
            self._free.release()
