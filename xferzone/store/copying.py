"""One moment of a repository's file, copied while others may read and write it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from xferzone.store.held import HeldFile
from xferzone.store.remedies import explained
from xferzone.store.walnote import set_mark


def copy_moment(file: Path, made: Path, *, without_log: bool) -> None:
    """Copy the database `file` to the empty file `made`. `without_log`: the log beside it is another file's.

    Raises:
        NotFound: there is no such file.
        XferzoneError: it cannot be read.
    """
    with explained(file, "read"), closing(sqlite3.connect(made)) as copy:
        if without_log:
            uri = f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"
            with closing(sqlite3.connect(uri, uri=True)) as source:
                source.backup(copy)
        else:
            held = HeldFile(file)
            try:
                with closing(held.connect(writes=False, timeout=0)) as source:
                    source.backup(copy)
            finally:
                held.release()
        set_mark(copy)
