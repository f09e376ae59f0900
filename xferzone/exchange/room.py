"""What one process answers at the same time, so that its memory lasts whatever comes.

    request ─> its body, to a file when it is large
            ─> a check             of a login over a large body: CHECKS at a time
            ─> the room            only for a large body or artifact: one at a time
            ─> a seat to read      READERS; writers wait for the one write transaction anyway
            ─> the reply, to a file when it is large

Nobody waits for the room in a transaction: a request that meets a large artifact leaves, waits, and begins again. In
each line those whose login holds go before strangers (turns.py).
"""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import IO, Final, Self

from xferzone.exchange.slots import Guest, Slots

READERS: Final = 8  # requests that read at the same time: each may hold a reply of 5 MB, packed and not
STRANGERS: Final = 4  # of them, at most
CHECKS: Final = 2  # logins that are checked over large bodies at the same time
SMALL: Final = 1024 * 1024  # bytes of a body or artifact for which no room is needed
IN_MEMORY: Final = 256 * 1024  # bytes of a body or reply that are not written to a file


class Room:
    """The bounds of one process; make one, and give it to every answer."""

    def __init__(self, directory: Path | None = None) -> None:
        """Large bodies lie in files without a name in `directory`; None: where the system puts such files."""
        self._directory = None if directory is None else str(directory)
        self._room = Slots(1)
        self._seats = Slots(READERS, STRANGERS)
        self._checks = Slots(CHECKS)

    @classmethod
    def beside(cls, repository: Path) -> Self:
        """A room whose large bodies lie beside the repository's file, or elsewhere where that may not be."""
        directory = Path(os.path.realpath(repository)).parent
        # A directory that is missing is an error of each request: it may come back.
        return cls(directory if not directory.exists() or os.access(directory, os.W_OK) else None)

    def alone(self, guest: Guest, size: int) -> contextlib.AbstractContextManager[None]:
        """The room, for a body of `size` bytes, or a large artifact. Raises Busy after turns.PATIENCE_S."""
        return self._room.turn(guest, size)

    def seat(self, guest: Guest) -> contextlib.AbstractContextManager[None]:
        """Raises Busy as `alone`."""
        return self._seats.turn(guest)

    def check(self, guest: Guest, size: int) -> contextlib.AbstractContextManager[None]:
        """To hash a body of `size` bytes. Raises Busy as `alone`."""
        return self._checks.turn(guest, size)

    def file(self) -> IO[bytes]:
        """An empty file, in memory while it is small; gone when it is closed, or the process is."""
        return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=self._directory)
