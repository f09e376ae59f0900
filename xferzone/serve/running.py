"""The running servers of a repository: one small file for each `serve`, `dns` or `up`, beside the repository's file.

    zones.xferzone-4711.run     {"verb": "up", "pid": 4711, "listeners": [["dns", "127.0.0.1:5300"], ...], "doubt": ""}

The process that wrote it holds flock(2) on it as long as it lives, so a file without the lock was left
by a killed process; the next server that starts removes it. The pid alone could by now belong to another program.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """An `address` that answers for a repository; `what`: http, replicate or dns, `verb`: the command behind it.

    `doubt`: what is odd about that server; empty: nothing.
    """

    what: str
    address: str
    verb: str
    pid: int
    doubt: str = ""


def listeners(repository: Path) -> list[Listener]:
    """The servers of `repository` on this machine: dns first, then by address."""
    found: list[Listener] = []
    for path in _notes(repository):
        # The file may vanish, or another user may own it and let nobody read it: then we do not know.
        with contextlib.suppress(OSError, ValueError), path.open() as file:
            if _held(file.fileno()):
                note = json.load(file)
                own = note["verb"], note["pid"], note.get("doubt", "")
                found += [Listener(what, at, *own) for what, at in note["listeners"]]
    return sorted(found)


@contextlib.contextmanager
def announced(
    repository: Path, verb: str, addresses: Sequence[tuple[str, str]], doubt: str = ""
) -> Iterator[None]:
    """Let `listeners` find this process, serving `addresses` (what, address), as long as the context lasts.

    Args:
        doubt: as of Listener.

    Raises:
        OSError: nothing can be written beside the repository.
    """
    sweep(repository)
    repository = _real(repository)
    path = repository.with_name(f"{repository.name}-{os.getpid()}.run")
    unfinished = path.with_suffix(".new")
    with unfinished.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        note = {"verb": verb, "pid": os.getpid(), "listeners": addresses, "doubt": doubt}
        json.dump(note, file)
        file.flush()
        unfinished.rename(path)  # complete and locked from the moment it can be seen
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def sweep(repository: Path) -> None:
    """Remove the files that killed servers have left."""
    for path in _notes(repository):
        with contextlib.suppress(OSError), path.open() as file:
            if not _held(file.fileno()):
                path.unlink()


def _notes(repository: Path) -> list[Path]:
    repository = _real(repository)
    return list(repository.parent.glob(f"{escape(repository.name)}-[0-9]*.run"))


def _real(repository: Path) -> Path:
    """The file itself, whatever link leads to it. A loop of links leads to itself: others tell of it."""
    return Path(os.path.realpath(repository))


def _held(fd: int) -> bool:
    """Whether another open file has the lock; takes none that lasts."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False
