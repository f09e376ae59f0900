"""What a server does last: the repository's file is made whole by itself, whatever killed processes have left."""

import logging
from pathlib import Path

from xferzone.errors import XferzoneError
from xferzone.store import Store

_log = logging.getLogger(__name__)


def tidy(repository: Path) -> None:
    """Move what killed workers have left in FILE-wal into the file, which then is whole by itself.

    The last one to close a database does that; if others still have it open they keep their FILE-wal.
    """
    try:
        Store.open(repository).close()
    except XferzoneError as error:
        _log.warning("%s", error)
