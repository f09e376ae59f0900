"""What one process answers at the same time, so that its memory lasts whatever comes.

    request ─> its body, to a file when it is large
            ─> the room            only for a large body or artifact: one at a time
            ─> a seat to read      READERS; writers wait for the one write transaction anyway
            ─> the reply, to a file when it is large

Nobody waits for the room in a transaction: a request that meets a large artifact leaves, waits, and begins again.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Self

from xferzone.errors import Busy

READERS: Final = 8  # requests that read at the same time: each may hold a reply of 5 MB, packed and not
SMALL: Final = 1024 * 1024  # bytes of a body or artifact for which no room is needed
IN_MEMORY: Final = 256 * 1024  # bytes of a body or reply that are not written to a file
PATIENCE_S: Final = 120  # seconds that one waits for the room or a seat


class Room:
    """The bounds of one process; make one, and give it to every answer."""

    def __init__(self, directory: Path | None = None) -> None:
        """Large bodies lie in files without a name in `directory`; None: where the system puts such files."""
        self._directory = None if directory is None else str(directory)
        self._room = threading.Lock()
        self._seats = threading.BoundedSemaphore(READERS)

    @classmethod
    def beside(cls, repository: Path) -> Self:
        """A room whose large bodies lie beside the repository's file, or elsewhere where that may not be."""
        directory = Path(os.path.realpath(repository)).parent
        # A directory that is missing is an error of each request: it may come back.
        return cls(directory if not directory.exists() or os.access(directory, os.W_OK) else None)

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
        return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=self._directory)
