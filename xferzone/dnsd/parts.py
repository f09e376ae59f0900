"""Compiled zone files, each opened once in a process; a large one is one mapping for all processes of a server.

    DIRECTORY/NUMBER     a compiled zone file (zone/index.py): written by whoever needs it first, and removed by whoever
                         sees first that its zone has moved on; those who have mapped it keep it
    DIRECTORY/held       flock(2) LOCK_SH by the processes of the server

The directory is private, and is removed with the server. The next server to start removes one that was left by a server
that was killed. Where nothing can be written there, each process has its own copy.
"""

import contextlib
import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from xferzone.errors import XferzoneError
from xferzone.zone.index import Index

SIZE: Final = 512 * 1024 * 1024  # bytes of compiled zone files that a process has open
SHARED: Final = 16 * 1024  # bytes of one from which it is shared; a mapping takes whole pages
MAPPED: Final = 20_000  # files that a process maps; Linux allows 65,530 (vm.max_map_count)

_PREFIX: Final = "xferzone-parts-"


class Parts:
    """The open files of a process, by number; `directory` None: nothing is shared."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._open: dict[int, Index] = {}
        self._mapped: set[int] = set()
        self.size = 0  # bytes

    def get(self, number: int, read: Callable[[int], bytes]) -> Index:
        """The file of that number; `read` gives its content where no process has shared it yet.

        Raises:
            XferzoneError: it is damaged, or as `read`.
        """
        found = self._open.get(number)
        if found is None:
            found = self._open[number] = self._shared(number) or self._kept(number, read(number))
            self.size += found.size
        return found

    def drop(self, numbers: Iterable[int]) -> None:
        """Let go of files that are not served any more."""
        for number in numbers:
            gone = self._open.pop(number, None)
            if gone is not None:
                self.size -= gone.size
                self._mapped.discard(number)
                if self._directory is not None and gone.size >= SHARED:
                    with contextlib.suppress(OSError):
                        (self._directory / str(number)).unlink()

    def clear(self) -> None:
        """Let go of all files, which others may use."""
        self._open.clear()
        self._mapped.clear()
        self.size = 0

    def _shared(self, number: int) -> Index | None:
        """The file that another process has shared, or this one; None: it is not there, or cannot be used."""
        if self._directory is None or len(self._mapped) >= MAPPED:
            return None
        try:
            with (self._directory / str(number)).open("rb") as file:
                made = Index(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError, XferzoneError):
            return None
        self._mapped.add(number)
        return made

    def _kept(self, number: int, content: bytes) -> Index:
        """The file out of its content, shared from now on if it is large."""
        if self._directory is not None and len(content) >= SHARED:
            new = self._directory / f"{number}.{os.getpid()}"
            try:
                new.write_bytes(content)
                new.rename(self._directory / str(number))
            except OSError:
                with contextlib.suppress(OSError):
                    new.unlink()
            else:
                return self._shared(number) or Index(content)
        return Index(content)


@contextlib.contextmanager
def shared_directory(answers: bool = True) -> Iterator[Path | None]:
    """A directory for a server that `answers` DNS, and all that it forks. None: it cannot be made, or it does not."""
    if not answers:
        yield None
        return
    with contextlib.ExitStack() as stack:
        _remove_abandoned()
        try:
            made = Path(tempfile.mkdtemp(prefix=_PREFIX))
            stack.callback(shutil.rmtree, made, ignore_errors=True)
            held = os.open(made / "held", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, held)
            fcntl.flock(held, fcntl.LOCK_SH)
        except OSError:
            yield None
        else:
            yield made


def _remove_abandoned() -> None:
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/held"):
        with contextlib.suppress(OSError):
            if left.parent.lstat().st_uid != os.geteuid():  # anybody may make one of that name
                continue
            held = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left.parent, ignore_errors=True)
            finally:
                os.close(held)
