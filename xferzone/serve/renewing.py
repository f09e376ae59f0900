"""Compiled zone files of a former layout are kept in today's, while they are served as they are.

A thread of a server looks through all of them once, some at a time. What it leaves undone, when it ends or nothing can
be written, the next server does.
"""

import logging
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from xferzone.errors import XferzoneError
from xferzone.refs import indexes
from xferzone.store import Store

AT_ONCE: Final = 20  # in one transaction; so many large ones take half a second
REST_S: Final = 0.1  # seconds after these

_log = logging.getLogger(__name__)


def renew_indexes(repository: Path) -> None:
    """Begin, in a thread that ends with this process."""
    threading.Thread(target=_renew, args=(repository,), name="renewing", daemon=True).start()


def _renew(repository: Path) -> None:
    try:
        with closing(Store.open(repository)) as store:
            count = renew_all(store)
    except XferzoneError as exc:
        _log.warning("compiled zone files stay in the layout of a former release: %s", exc)
    else:
        if count:
            _log.info("renewed indexes=%d", count)


def renew_all(store: Store) -> int:
    """Bring all indexes of a former layout to today's; how many there were."""
    count = 0
    with store.reader() as reader:
        numbers = indexes.numbers(reader)
    for at in range(0, len(numbers), AT_ONCE):
        with store.reader() as reader:
            found = {number: indexes.renewed(reader, number) for number in numbers[at : at + AT_ONCE]}
        renewed = {number: frame for number, frame in found.items() if frame is not None}
        if renewed:
            with store.writer() as writer:
                indexes.renew(writer, renewed)
            count += len(renewed)
            time.sleep(REST_S)
    return count
