"""A file that gets its name when it is finished. A kill leaves the directory it is made in; the next sweeps it."""

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xferzone.errors import NotFound, UsageError
from xferzone.store.remedies import explained


@contextmanager
def new_file(path: Path, what: str, remedy: str) -> Iterator[Path]:
    """An empty file that is at `path` when the block has ended well; else nothing is left."""
    _check_free(path, remedy)
    with explained(path, what), _finished(path) as made:
        made.touch(mode=0o600)  # it will hold password secrets
        yield made


@contextmanager
def _finished(path: Path) -> Iterator[Path]:
    """Where to make the file; it is linked to `path` when the block ends well, and gone if it does not.

    Raises:
        UsageError: meanwhile somebody else made something at `path`; it was left as it is.
    """
    prefix = f".{path.name}-unfinished-"
    _sweep(path.parent, prefix)
    directory, lock = _locked(path.parent, prefix)
    try:
        yield directory / path.name
        # A link, unlike a rename, refuses to replace what is there.
        path.hardlink_to(directory / path.name)
    except FileExistsError as exc:
        raise UsageError(f"{path} exists already and was left as it is: give another name") from exc
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _check_free(path: Path, remedy: str) -> None:
    """Raise UsageError or NotFound unless a new file can be made at `path`, and stands alone there."""
    if path.exists():
        raise UsageError(f"{path} exists already and was left as it is: {remedy}")
    if not path.parent.is_dir():
        raise NotFound(f"{path.parent} is no directory: make it first, or {remedy}")
    # SQLite would take what lies beside a new file for a part of it.
    for left in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if left.exists():
            raise UsageError(
                f"{left} is left over from another repository: put it back beside its file, or remove it"
            )


def _locked(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new directory and the lock on it, by which others see that whoever works in it lives."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = os.open(directory, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.is_dir():  # nobody swept it before it was locked
            return directory, lock
        os.close(lock)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove what those have left that were killed."""
    for left in parent.glob(f"{glob.escape(prefix)}*"):
        lock = os.open(left, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            pass  # it lives
        finally:
            os.close(lock)
