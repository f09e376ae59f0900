"""One line in the log for each publication, whichever door it came in by, and whichever process made it.

    publication zone=example.com branch=main serial=7 checkin=0123456789abcdef login=ann door=push

A thread of a server looks every EACH_S. Of several servers on the same counters one tells, and the next goes on where
the last one stopped.
"""

import logging
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from xferzone.counters import Counters
from xferzone.errors import XferzoneError
from xferzone.hashing import short
from xferzone.refs import LocalRefs, Publication
from xferzone.store import Store

EACH_S: Final = 0.5  # seconds
AT_ONCE: Final = 1_000  # publications that are read in one transaction

_log = logging.getLogger(__name__)


def log_publications(repository: Path, counters: Counters) -> None:
    """Begin to log, in a thread that ends with this process."""
    threading.Thread(
        target=_log_for_ever, args=(repository, counters), name="publications", daemon=True
    ).start()


def _log_for_ever(repository: Path, counters: Counters) -> None:
    pause = threading.Event()
    while True:
        try:
            with closing(Store.open(repository)) as store:
                file = _file(repository)
                while _file(repository) == file:
                    _log_new(store, counters)
                    pause.wait(EACH_S)
        except (XferzoneError, OSError):
            pass  # those who answer requests say what is wrong
        pause.wait(EACH_S)


def _file(repository: Path) -> tuple[int, int]:
    """What tells the repository from another file that is put in its place."""
    found = repository.stat()
    return found.st_dev, found.st_ino


def _log_new(store: Store, counters: Counters) -> None:
    with counters.telling() as alone:
        while alone:
            with store.reader() as reader:
                refs = LocalRefs(reader)
                newest = refs.newest()
                told = counters.told
                if told is None or told > newest:  # nobody has looked before, or not into this repository
                    told = counters.told = newest
                found = refs.after(told, AT_ONCE)
            _tell(found)
            if found:
                counters.told = found[-1].number
            alone = len(found) == AT_ONCE


def _tell(publications: Iterable[Publication]) -> None:
    for one in publications:
        _log.info(
            "publication zone=%s branch=%s serial=%s checkin=%s login=%s door=%s",
            one.branch.zone,
            _plain(one.branch.branch),
            "-" if one.serial is None else one.serial,
            short(one.checkin),
            _plain(one.occasion.login or "-"),
            one.occasion.door.value or "-",
        )


def _plain(word: str) -> str:
    """A word that somebody else chose, without anything that could look like another field or line."""
    return word if word.isascii() and word.isprintable() and " " not in word else ascii(word)
