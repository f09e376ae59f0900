"""Taking a write-ahead log for a file's own though it is noted as another's: the two were copied together.

file and log, copied ─> SQLite replays the log there ─> all of it checked ─> the note beside the real ones is changed
"""

import os
import shutil
from pathlib import Path
from typing import Final

from xferzone.errors import UsageError, XferzoneError
from xferzone.refs import LocalRefs
from xferzone.repository import check
from xferzone.repository.unused import check_unused
from xferzone.store import Store, walnote
from xferzone.store.check import faults
from xferzone.store.held import identity
from xferzone.store.newfile import scratch
from xferzone.store.remedies import explained
from xferzone.wording import counted

MAX_TOLD: Final = 3  # faults


def accept_log(path: Path) -> None:
    """Note that the log beside the repository `path` is its own.

    Raises:
        UsageError: it is, or there is no log.
        Refused: a process has the repository or the log open.
        XferzoneError: the two do not belong together. Nothing was changed.
    """
    real = Path(os.path.realpath(path))
    file = identity(real)
    if not walnote.is_foreign(real, file):
        raise UsageError(f"beside {path} there is no log of another file: nothing has to be accepted")
    check_unused(real)
    with explained(path, "copied"), scratch(real) as directory:
        copy = directory / real.name
        shutil.copyfile(real, copy)
        shutil.copyfile(walnote.log_of(real), walnote.log_of(copy))
        found = _faults(copy)
    if found:
        told = "\n".join(found[:MAX_TOLD]).replace(str(copy), str(path))
        raise XferzoneError(
            f"{walnote.log_of(real)} is not the log of {real.name}, nothing was changed: with it there would be "
            f"{counted(len(found), 'fault')}. If you put a backup there: `xferzone -R {path} restore {path}`\n{told}"
        )
    walnote.accept(real, file)


def _faults(copy: Path) -> list[str]:
    try:
        with Store.open(copy) as store, store.reader() as reader:
            return [*faults.faults(reader), *check.faults(reader, LocalRefs(reader))]
    except XferzoneError as exc:
        return [str(exc)]
