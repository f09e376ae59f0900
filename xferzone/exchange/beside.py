"""Small files beside a repository: what a program tells others of itself, and locks between programs.

zones.xferzone-WHAT     replaced as a whole, so that nobody reads half of one; or empty, and locked with flock(2)
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def beside(repository: Path, what: str) -> Path:
    """The file itself, whatever link leads to it, with another end of its name."""
    real = Path(os.path.realpath(repository))
    return real.with_name(f"{real.name}-{what}")


def replace(repository: Path, what: str, content: bytes) -> None:
    """Let `beside(repository, what)` have this content. Raises OSError: nothing can be written there."""
    path = beside(repository, what)
    unfinished = path.with_name(f"{path.name}-{os.getpid()}.new")
    unfinished.write_bytes(content)
    unfinished.rename(path)


@contextmanager
def alone(repository: Path, what: str) -> Iterator[bool]:
    """Be the only one, as long as the block lasts; False: another process or thread is.

    Raises:
        OSError: nothing can be written beside the repository.
    """
    lock = os.open(beside(repository, what), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)
