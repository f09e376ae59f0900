"""What one worker does at the same time, so that its memory and its threads last whatever comes.

    request ─> a place             MAX_REQUESTS; one more is told to try again, so that pages are always answered
            ─> its body, to a file beside the repository when it is large
            ─> the room            only for a large body or artifact: one at a time
            ─> a seat to read      READERS; who writes waits for the one write transaction anyway
            ─> the reply, to a file when it is large; the place is held until the client has it

Nobody waits for the room in a transaction: who finds a large artifact on the way leaves, waits, and begins again.
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from xferzone.errors import Busy

MAX_REQUESTS: Final = 48  # sync requests in one process; cli/arbiter has 64 threads
READERS: Final = 8  # of them that read at the same time: each may hold a reply of 5 MB, packed and not
SMALL: Final = 1024 * 1024  # bytes of a body or artifact for which no room is needed
IN_MEMORY: Final = 256 * 1024  # bytes of a body or reply that are not written to a file
PATIENCE_S: Final = 120  # seconds that one waits for the room or a seat


class Room:
    """The bounds of one process."""

    def __init__(self, near: Path) -> None:
        """Large bodies lie in files without a name in the directory of `near`."""
        self._near = near.parent
        self._places = threading.BoundedSemaphore(MAX_REQUESTS)
        self._room = threading.Lock()
        self._seats = threading.BoundedSemaphore(READERS)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Raises Busy at once where all are taken."""
        if not self._places.acquire(blocking=False):
            raise Busy("too many requests at once")
        try:
            yield
        finally:
            self._places.release()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """The room. Raises Busy after PATIENCE_S."""
        if not self._room.acquire(timeout=PATIENCE_S):
            raise Busy("others with large requests take too long")
        try:
            yield
        finally:
            self._room.release()

    @contextlib.contextmanager
    def seat(self) -> Iterator[None]:
        """Raises Busy after PATIENCE_S."""
        if not self._seats.acquire(timeout=PATIENCE_S):
            raise Busy("too many readers at once")
        try:
            yield
        finally:
            self._seats.release()

    def file(self) -> IO[bytes]:
        """An empty file, in memory while it is small; gone when it is closed, or the process is."""
        return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(self._near))
