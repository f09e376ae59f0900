"""Requests that wait for news: the long polls of the walk.

    respond ─> "nothing new since TAG" ─> wait(TAG) ─> respond goes on
                                             ^
    one thread of the process ─ looks at the database every LOOK_S while somebody waits: another tag ends all waits;
                                a client that has left, or a server that ends, ends its own

Whoever waits holds no transaction and no place (limits.py), only a thread; so no more than MAX_WAITING do.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xferzone.refs.served import Served, Version

MAX_WAITING: Final = 8  # requests of a process; with limits.MAX_REQUESTS they leave 8 of 64 threads to pages
MAX_WAIT_S: Final = 25  # seconds; proxies often end what is silent for 30
MAX_OF_REPOSITORY: Final = 4  # of them for one, where the process serves many
LOOK_S: Final = 0.03  # seconds between two looks, of which each takes 5 us
IDLE_S: Final = 30.0  # seconds without anybody who waits, after which the thread ends
THREAD: Final = "xferzone waiting"  # its name
#: In the WSGI environment: a threading.Event that the server sets when it ends. Without it nobody is woken then.
ENDING: Final = "xferzone.ending"


class Crowded(Exception):
    """As many wait as may."""


@dataclass(slots=True, eq=False)
class _Waiter:
    """One that waits until the tag is not `tag`; `ending`: set when its server ends."""

    tag: str
    connection: socket.socket | None
    ending: threading.Event | None
    is_over: bool = False

    def see(self, tag: str) -> None:
        """Take note of the tag as of a moment after this wait began."""
        is_ending = self.ending is not None and self.ending.is_set()
        self.is_over = tag != self.tag or is_ending or _is_closed(self.connection)


class Threads:
    """How many threads of a process may wait, for all of its repositories together."""

    def __init__(self, most_of_one: int = MAX_WAITING) -> None:
        """`most_of_one`: so many for one of them."""
        self.most_of_one = most_of_one
        self._left = threading.Semaphore(MAX_WAITING)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """One of them, until the block ends. Raises Crowded where all wait."""
        if not self._left.acquire(blocking=False):
            raise Crowded
        try:
            yield
        finally:
            self._left.release()


class Waiting:
    """Those of one process that wait for news of a repository; safe for threads."""

    def __init__(self, path: Path, current: Callable[[], str], threads: Threads | None = None) -> None:
        """
        Args:
            current: the tag as of now; asked after each commit to the repository at `path` while somebody waits.
            threads: shared with the other repositories of the process; None: there are no others.
        """
        self._path = path
        self._threads = threads or Threads()
        self._current = current
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)  # a wait may be over
        self._begun = threading.Condition(self._lock)  # somebody waits
        self._waiters: set[_Waiter] = set()
        self._is_looking = False

    def wait(
        self,
        tag: str,
        seconds: float,
        connection: socket.socket | None = None,
        ending: threading.Event | None = None,
    ) -> None:
        """Return once the tag is another one than `tag`, or after `seconds`, of which MAX_WAIT_S are the most.

        Sooner where the client of `connection` has left, `ending` is set, or the repository cannot be read.

        Raises:
            Crowded
        """
        end, waiter = time.monotonic() + min(seconds, MAX_WAIT_S), _Waiter(tag, connection, ending)
        with self._threads.one(), self._lock:
            if len(self._waiters) >= self._threads.most_of_one:
                raise Crowded
            self._waiters.add(waiter)
            self._see_to_it_that_somebody_looks()
            try:
                while not waiter.is_over:
                    left = end - time.monotonic()
                    if left <= 0:
                        return
                    self._ended.wait(left)
            finally:
                self._waiters.discard(waiter)

    def _see_to_it_that_somebody_looks(self) -> None:
        if self._is_looking:
            self._begun.notify()
        else:
            threading.Thread(target=self._look, name=THREAD, daemon=True).start()
            self._is_looking = True

    def _look(self) -> None:
        """The thread's loop."""
        with contextlib.closing(_Eye(self._path, self._current)) as eye:
            while waiters := self._who_waits():
                tag = eye.tag()
                with self._lock:
                    for waiter in waiters:
                        waiter.see(tag)
                    if any(waiter.is_over for waiter in waiters):
                        self._ended.notify_all()
                time.sleep(LOOK_S)

    def _who_waits(self) -> list[_Waiter]:
        """Returns when somebody waits; empty: nobody did for a while, and the thread ends."""
        with self._lock:
            if not self._waiters:
                self._begun.wait(IDLE_S)
            self._is_looking = bool(self._waiters)
            return list(self._waiters)


class _Eye:
    """The repository's tag, seen from one thread."""

    def __init__(self, path: Path, current: Callable[[], str]) -> None:
        self._path = path
        self._current = current
        self._served: Served | None = None
        self._version: Version | None = None  # for which `_tag` holds; None: it does not
        self._tag = ""

    def tag(self) -> str:
        """As of now; empty: it cannot be told."""
        try:
            if self._served is None:
                self._served = Served(self._path)
            version = self._served.version()
            if version != self._version:
                self._tag, self._version = self._current(), version
        except Exception:  # noqa: BLE001 - whatever keeps us from looking, those who wait find it and say so
            self.close()
        return self._tag

    def close(self) -> None:
        if self._served is not None:
            self._served.close()
        self._served, self._version, self._tag = None, None, ""


def _is_closed(connection: socket.socket | None) -> bool:
    if connection is None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
