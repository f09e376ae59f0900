"""Hidden directories in which new files are made, and what killed processes have left of them.

    .NAME-unfinished-xxxxxxxx/    locked by the process that makes NAME in it; NAME, and what SQLite puts beside it
    NAME.partial                  if it is NAME itself: a clone that had gone on and was whole (begun.py)

Whoever is killed leaves its directory, and may have linked NAME to its place already. The next one that makes a file in
the same place, whatever its name, removes what nobody has locked.
"""

import fcntl
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

PARTIAL: Final = ".partial"
_LEFT: Final = re.compile(r"\.(.+)-unfinished-[0-9a-z_]{8}", re.DOTALL)


def made(path: Path) -> tuple[Path, int]:
    """A new directory for making `path`, and a lock on it, which shows others that its process is alive."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=f".{path.name}-unfinished-", dir=path.parent))
        try:
            lock = os.open(directory, os.O_RDONLY)
        except FileNotFoundError:
            continue  # swept before it was locked, as below
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.is_dir():  # not swept before it was locked
            return directory, lock
        os.close(lock)


def sweep(parent: Path) -> None:
    """Remove what killed processes have left in `parent`; what is not ours, or cannot be removed, stays."""
    with suppress(OSError):
        for left in list(parent.glob(".*-unfinished-*")):
            found = _LEFT.fullmatch(left.name)
            if found is not None and left.is_dir() and not left.is_symlink():
                _remove(left, found[1])
        for left in list(parent.glob(f"*{PARTIAL}")):
            whole = left.with_name(left.name.removesuffix(PARTIAL))
            if whole.exists() and not left.is_symlink() and whole.samefile(left):
                left.unlink()


def _remove(left: Path, name: str) -> None:
    with suppress(OSError):
        lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else its process is alive
            if all(_is_of(each, name) for each in left.iterdir()):
                shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(lock)


def _is_of(each: Path, name: str) -> bool:
    """Whether it is NAME, what SQLite puts beside that, or the directory in which NAME itself was being made."""
    found = _LEFT.fullmatch(each.name)
    if each.is_dir():
        return found is not None and found[1] == name and not each.is_symlink()
    return each.name.startswith(name)
