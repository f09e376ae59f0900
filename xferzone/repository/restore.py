"""Putting a backup in the place of a repository, also of one that is damaged or lost.

    nobody has it open ─> the backup copied beside it ─> checked ─> a new epoch and a new life of serials
    ─> the old file, with its log, gets the name NAME-DATE ─> the copy takes the name, in one step

A kill before the last step leaves everything as it was; the hidden copy is removed by the next restore.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from xferzone.errors import NotFound, Refused, UsageError, XferzoneError
from xferzone.publish.new_life import Stepped, step_serials
from xferzone.refs import LocalRefs, Occasion
from xferzone.repository import check
from xferzone.repository.unused import alone, check_unused
from xferzone.store import Store, walnote
from xferzone.store.check import faults
from xferzone.store.copying import copy_moment
from xferzone.store.database import new_epoch
from xferzone.store.held import identity
from xferzone.store.newfile import replacement
from xferzone.wording import counted

_MAGIC: Final = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat2.html, 1.3
MAX_TOLD: Final = 3  # faults of a backup that are told


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done.

    Fields:
        kept: the file that was in the place; None: there was none.
        role: of the repository as it is now.
        stepped: the new life of serials; None: it was not begun.
    """

    kept: Path | None
    role: str
    stepped: Stepped | None


def restore(path: Path, backup: Path, occasion: Occasion, *, steps: bool) -> Restored:
    """Let the repository `path` be a copy of `backup`, which stays. `steps`: begin a new life of serials.

    Raises:
        Refused: a process has the repository open, or it is another project's.
        NotFound: there is no backup.
        XferzoneError: the backup is damaged, or is not one. Nothing was changed.
    """
    real = Path(os.path.realpath(path))
    is_itself = real.exists() and backup.exists() and backup.samefile(real)
    if is_itself and not walnote.is_foreign(real, identity(real)):
        raise UsageError(f"{backup} is the repository itself: give the name of a backup")
    _check_is_database(backup)
    check_unused(real)
    with replacement(real) as made:
        copy_moment(backup, made, without_log=is_itself)
        project = _project(made, backup)
        if not is_itself:
            _check_same(path, project)
        with Store.open(made) as store:
            _check_sound(store, backup)
            with store.writer() as writer:
                writer.set_setting("epoch", new_epoch())
                refs = LocalRefs(writer)
                done = step_serials(writer, refs, occasion) if steps else None
                writer.make_clusters()
                role = writer.role
            store.write_out()
        with alone(real):
            kept = _put_aside(real, occasion.now_ms)
    return Restored(kept, role, done)


def _project(made: Path, backup: Path) -> str:
    """The project of the copy. Raises XferzoneError: it is not a repository that this release can read."""
    try:
        with Store.open(made) as store, store.reader() as reader:
            return reader.project_code
    except XferzoneError as exc:
        raise type(exc)(str(exc).replace(str(made), str(backup))) from exc


def _check_same(path: Path, project: str) -> None:
    """Raise Refused if what is at `path` can be read, and is another project's. A log of its own is taken in."""
    try:
        with Store.open(path) as store, store.reader() as reader:
            present = reader.project_code
    except XferzoneError:
        return  # lost or damaged: that is why a backup is wanted
    if present != project:
        raise Refused(
            f"{path} is another project's repository than the backup: move it away first, if you mean it"
        )


def _check_sound(store: Store, backup: Path) -> None:
    with store.reader() as reader:
        found = [*faults.faults(reader), *check.faults(reader, LocalRefs(reader))]
    if found:
        told = "\n".join(found[:MAX_TOLD])
        raise XferzoneError(
            f"{backup} is damaged, and nothing was changed: {counted(len(found), 'fault')}\n{told}"
        )


def _put_aside(real: Path, now_ms: int) -> Path | None:
    """Give what is at the name another name besides; its log goes there. None: nothing is at the name."""
    log, note, index = walnote.log_of(real), walnote.note_of(real), walnote.index_of(real)
    if not real.exists():
        for left in (log, note, index):
            left.unlink(missing_ok=True)
        return None
    date = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    kept = real.with_name(f"{real.name}-{date}{now_ms % 1000:03}Z")
    if walnote.is_foreign(real, identity(real)):
        log.unlink(missing_ok=True)  # of a file that has gone
        note.unlink(missing_ok=True)
    kept.hardlink_to(real)
    for left, to in ((log, walnote.log_of(kept)), (note, walnote.note_of(kept))):
        if left.exists():
            left.replace(to)
    index.unlink(missing_ok=True)
    return kept


def _check_is_database(backup: Path) -> None:
    """Raise NotFound or XferzoneError unless the file can be a backup, in words that do not advise a restore."""
    if not backup.exists():
        raise NotFound(f"no backup at {backup}: `xferzone backup FILE` makes one")
    with backup.open("rb") as opened:
        if opened.read(len(_MAGIC)) != _MAGIC:
            raise XferzoneError(f"{backup} is not a backup: it is not a database of SQLite")
