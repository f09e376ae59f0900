"""Whether any process has a repository open, and keeping all out for a moment.

the database             who has it open has a lock on it        not: who reads it frozen (store/held.py)
the index of its log     who has the log open has one here       also of a file that lost its name to this one
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xferzone.errors import Refused
from xferzone.store import walnote

#: Where processes hold a lock on a database, and on the index of its log. Source: SQLite, src/os_unix.c, SHARED_FIRST
#: and UNIX_SHM_DMS.
_DATABASE_LOCK: Final = (0x40000002, 510)
_INDEX_LOCK: Final = (128, 1)


def check_unused(real: Path) -> None:
    """Raise Refused if a process has the repository or its log open."""
    with alone(real):
        pass


@contextlib.contextmanager
def alone(real: Path) -> Iterator[None]:
    """Nobody can open the repository until the block ends. Raises Refused: somebody has it open."""
    with contextlib.ExitStack() as held:
        for path, (start, length) in ((real, _DATABASE_LOCK), (walnote.index_of(real), _INDEX_LOCK)):
            if not path.exists():
                continue
            try:
                file = held.enter_context(path.open("r+b"))
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
            except BlockingIOError as exc:
                raise Refused(f"{real} is in use by another program: end it first") from exc
        yield
