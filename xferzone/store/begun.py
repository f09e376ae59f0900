"""A clone that was begun: FILE.partial holds what has come of it, until all has and it becomes FILE.

    set out ─> FILE.partial, empty ─> parts come, each committed with where the next begins ─> linked to FILE
                     ^                                |
                     +──── goes on from there <─── whatever ended it

One process at a time works on it, which holds a lock. It has no name of a project until some of it has come.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from xferzone.errors import Exists, Refused, XferzoneError
from xferzone.store.database import Store
from xferzone.store.emptiness import PART, WHOLE
from xferzone.store.leftovers import PARTIAL
from xferzone.store.reader import Reader
from xferzone.store.remedies import explained
from xferzone.store.writer import Writer

_SERVER: Final = "clone-server"


class Begun(NamedTuple):
    """How far it is.

    Fields:
        part: the server's position from which the next part begins; 0: all parts have come.
        project_code, server_code: as the server said; None: nothing has come yet.
    """

    part: int
    project_code: str | None
    server_code: str | None


def partial_of(path: Path) -> Path:
    """Where a clone to `path` lies until it is whole."""
    return path.with_name(path.name + PARTIAL)


@contextmanager
def going_on(path: Path, first: int) -> Iterator[Store]:
    """What has come of a clone to `path`; if nothing has, a new one that begins with part `first`.

    It is at `path` once the block has ended well. Otherwise it is kept, unless it is empty.

    Raises:
        Exists: something is at `path`.
        NotFound: its directory is not there.
        Refused: another process works on it.
        XferzoneError: something else has its name; the disk is full.
    """
    partial = partial_of(path)
    if path.exists():
        raise Exists(f"{path} exists already and was left as it is: give another FILE")
    if not partial.exists():
        with Store.making(partial) as made, made.writer() as writer:
            writer.set_setting(PART, str(first))
    lock = _locked(partial)
    is_empty = False
    try:
        with Store.open(partial) as store:
            store.turns.rest_s = 0  # nobody else knows the file
            with store.reader() as reader:
                if reader.setting(PART) is None:
                    raise XferzoneError(
                        f"{partial} is not a clone that was begun: move it away, or give another FILE"
                    )
            try:
                yield store
                store.write_out()
            finally:
                with store.reader() as reader:
                    is_empty = not reader.last_row()
        _rename(partial, path)
        is_empty = False
    finally:
        if is_empty:
            partial.unlink(missing_ok=True)
        os.close(lock)


def begun(reader: Reader) -> Begun:
    """How far it is."""
    part = reader.setting(PART)
    assert part is not None
    return Begun(0 if part == WHOLE else int(part), reader.setting("project-code"), reader.setting(_SERVER))


def note(writer: Writer, far: Begun) -> None:
    """Note how far it is, in the transaction that stores what has come."""
    assert far.project_code is not None
    writer.set_setting("project-code", far.project_code)
    writer.set_setting(_SERVER, far.server_code or "")
    writer.set_setting(PART, str(far.part))


def end(writer: Writer) -> None:
    """It is an ordinary repository from now on, and only has to get its name: a kill may come before that."""
    if writer.setting(PART) is not None:
        writer.set_setting(PART, WHOLE)
        writer.remove_setting(_SERVER)


def _locked(partial: Path) -> int:
    """A lock on the file, which lasts as long as the descriptor. To be closed behind the database's: see fcntl(2)."""
    opened = os.open(partial, os.O_RDWR)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(opened)
        raise Refused(f"another process clones into {partial}: wait for it, or end it") from exc
    return opened


def _rename(partial: Path, path: Path) -> None:
    with explained(path, "made"):
        try:
            path.hardlink_to(partial)  # unlike a rename it replaces nothing
        except FileExistsError as exc:
            raise Exists(f"{path} exists by now and was left as it is; {partial} has the clone") from exc
    partial.unlink(missing_ok=True)
