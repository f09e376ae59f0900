"""New files, which get their name when they are finished.

    new_file       made in a hidden directory beside the name  ->  linked to the name  ->  the directory is removed
    replacement    made there too  ->  what has the name gets another one besides  ->  renamed to the name, in one step

After a kill the directory stays; the next file that is made in the same place removes it (leftovers.py).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xferzone.errors import Exists, NotFound, XferzoneError
from xferzone.store import leftovers
from xferzone.store.remedies import explained


@contextmanager
def new_file(path: Path, what: str, remedy: str) -> Iterator[Path]:
    """An empty file. It is at `path` when the block has ended well; otherwise nothing is left.

    Messages say that `path` cannot be `what` ("made", "written"), and give `remedy` if something is there already.

    Raises:
        UsageError: something is at `path`, or was left over beside it.
        NotFound: its directory is not there.
        XferzoneError: the disk is full, or the directory cannot be written.
    """
    leftovers.sweep(path.parent)
    check_free(path, remedy)
    with explained(path, what), _finished(path) as made:
        made.touch(mode=0o600)  # it will hold password secrets
        yield made


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """An empty file, which takes the place of `path` when the block has ended well; otherwise nothing is left of it.

    Raises:
        NotFound: the directory of `path` is not there.
        XferzoneError: the disk is full, or the directory cannot be written.
    """
    if not path.parent.is_dir():
        raise NotFound(f"{path.parent} is not a directory: make it first")
    with explained(path, "replaced"), scratch(path) as directory:
        made = directory / path.name
        made.touch(mode=0o600)
        yield made
        _sync(made)
        made.replace(path)
        _sync(path.parent)


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A hidden directory beside `path`, removed at the end of the block."""
    leftovers.sweep(path.parent)
    directory, lock = leftovers.made(path)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _sync(path: Path) -> None:
    """Have the disk keep a file or the names in a directory."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _finished(path: Path) -> Iterator[Path]:
    """Where to make the file. It is linked to `path` when the block ends well, and removed when it does not.

    Raises:
        Exists: somebody else has made something at `path` meanwhile; it was left as it is.
    """
    with scratch(path) as directory:
        try:
            yield directory / path.name
            # A link, unlike a rename, refuses to replace what is there.
            path.hardlink_to(directory / path.name)
        except FileExistsError as exc:
            raise Exists(f"{path} exists already and was left as it is: give another name") from exc


def check_free(path: Path, remedy: str) -> None:
    """Raise XferzoneError unless a new file can be made at `path` with nothing of another's beside it."""
    if path.exists():
        raise Exists(f"{path} exists already and was left as it is: {remedy}")
    if not path.parent.is_dir():
        raise NotFound(f"{path.parent} is not a directory: make it first, or {remedy}")
    # SQLite would take these for parts of the new file.
    for left in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if left.exists():
            raise XferzoneError(
                f"{left} is left over from another repository: put it back beside its file, or remove it"
            )
