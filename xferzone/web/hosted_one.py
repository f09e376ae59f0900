"""One of many repositories in a process: its app, while it is open, and what it shares with the others.

Its pages say no more than that the server answers: how a repository stands, and what was counted, would show strangers
whether it is there. The operator is told at an address of his own (hosted_status.py).
"""

import threading
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import falcon

from xferzone import exchange
from xferzone.counters import Counters
from xferzone.errors import NotReady, Refused, XferzoneError
from xferzone.exchange import Terms
from xferzone.exchange.publishing import Later
from xferzone.exchange.room import Room
from xferzone.logline import REPOSITORY
from xferzone.observer import Several
from xferzone.observer.counting import Counting
from xferzone.root import Absent
from xferzone.store import Store, schema
from xferzone.web.app import observed_log, with_errors
from xferzone.web.health import Healthz
from xferzone.web.limits import Places
from xferzone.web.owners import PATH, OwnersPages
from xferzone.web.pages.front import Front, elsewhere
from xferzone.web.replicate import Apart, Ours, Walk, add_walk
from xferzone.web.repository import Repository
from xferzone.web.waiting import Threads
from xferzone.web.xfer import Sync

IDLE: Final = 1  # connections of each kind that are kept while nobody uses them
DESCRIPTORS: Final = (
    6  # of one that nobody uses: two connections of two each, the log's index, the note beside it
)
WAIT_S: Final = 2.0  # seconds that a request waits for another one that opens the same repository
MAX_WAITING: Final = 4  # such requests for one repository
_PAGES: Final = ("/healthz", "/health", "/readyz", "/ready", "/status")


class Opening(XferzoneError):
    """Others are opening it, and it takes long."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the repositories of a process share; `apart` as in web.app.create_app, `cache` in bytes for each."""

    counters: Counters
    places: Places
    threads: Threads
    room: Room
    apart: Collection[tuple[str, int]]
    cache: int


class One:
    """A repository that is opened by `open`.

    Fields, for the caller, under a lock of his own:
        users: requests under way.
        is_gone: it is to be closed when there are none.
    """

    def __init__(
        self, path: Path, shared: Shared, *, publishes: bool = False, codes: Absent | None = None
    ) -> None:
        """
        Args:
            publishes: what waits there is published soon after it was opened.
            codes: it is nobody's, and tells the codes of the name that is asked for; None: its own.
        """
        self.users = 0
        self.is_gone = False
        self._repository = _Named(path, shared.cache, codes)
        self._later = Later(path)
        self._publishes = publishes
        self._is_open = False
        self._opening = threading.Lock()
        self._seats = threading.Semaphore(1 + MAX_WAITING)
        self.app = _app(self._repository, shared, self._later)

    def open(self) -> None:
        """Open it, or see that what is at its name now can be served.

        Raises:
            Opening: others do, and take long.
            XferzoneError: it cannot be served here.
        """
        if self._is_open:
            self._check()
            return
        with self._turn():
            self._check()
            if self._publishes and not self._is_open:
                self._later.soon()  # a process before this one may have been killed
            self._is_open = True

    def open_and_close(self) -> None:
        """Raises as `open`."""
        try:
            self.open()
        finally:
            self.close()

    def follow(self) -> None:
        """See whether another file is at the name. Raises XferzoneError: that cannot be served."""
        if self._is_open:
            self._repository.store()

    def rest(self) -> None:
        """Let go of the contents in memory: others are asked for more."""
        self._repository.rest()

    def close_soon(self) -> None:
        """Close it, and let nobody wait for what has to be published before."""
        threading.Thread(target=self.close, name="closing", daemon=True).start()

    def close(self) -> None:
        """Publish what waits, and let go of the file."""
        self._later.close()
        self._repository.close()

    def _check(self) -> None:
        with self._repository.store().reader() as reader:
            if reader.role == schema.MEMBER:
                raise Refused(
                    "a member of a group is not served from a directory: give it a server of its own, with -R"
                )
            if reader.role == schema.MIRROR and (why := reader.emptiness):
                raise NotReady(why)

    @contextmanager
    def _turn(self) -> Generator[None]:
        """The right to open it, until the block ends. Raises Opening."""
        if not self._seats.acquire(blocking=False):
            raise Opening
        try:
            if not self._opening.acquire(timeout=WAIT_S):
                raise Opening
            try:
                yield
            finally:
                self._opening.release()
        finally:
            self._seats.release()


class _Named(Repository):
    """One whose caller looks whether its name leads elsewhere, and logs why it cannot be served."""

    def __init__(self, path: Path, cache: int, codes: Absent | None) -> None:
        super().__init__(path, cache, IDLE, follows=False)
        self._codes = codes

    def store(self) -> Store:
        store = super().store()
        if self._codes is None:
            return store
        name = REPOSITORY.get()
        return store.telling(
            {"project-code": self._codes.code(name), "server-code": self._codes.server_code(name)}
        )


def _app(
    repository: Repository, shared: Shared, later: Later
) -> "falcon.App[falcon.Request, falcon.Response]":
    watching = Several(observed_log(), Counting(shared.counters, repository.looked))
    terms = Terms(room=shared.room, later=later, observer=watching)
    app = falcon.App(middleware=[Ours()])
    if shared.apart:
        app.add_middleware(Apart(shared.apart))
    app.add_middleware(Sync(repository, terms, exchange.answer, shared.places))
    app.add_route("/", Front())
    for path in _PAGES:
        app.add_route(path, Healthz())
    app.add_sink(elsewhere)
    app.add_sink(OwnersPages(repository, terms, shared.places), PATH)
    add_walk(app, Walk(repository, shared.places, shared.counters, room=shared.room, threads=shared.threads))
    return with_errors(app)
