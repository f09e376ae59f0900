"""One app for a directory of repositories (root.py): whoever may see one of them cannot tell whether another is there.

    /NAME/...    DIR/NAME.xferzone is there, and can be served      its app, mounted at /NAME
                 else                                               that of an empty repository in which nobody may do
                                                                    anything, mounted there: so answers every repository
                                                                    to whoever has no right in it
    any other    404, and nothing is looked for
    at addresses for the operator    hosted_status.py, and nothing else

A repository is opened by the first request for it. Over `most_open` of them, those close that nobody uses and that were
asked for longest ago. A name that is not there costs as much work as one that is, an opening included.
"""

import itertools
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xferzone import root
from xferzone.counters import Counters
from xferzone.errors import XferzoneError
from xferzone.exchange.room import Room
from xferzone.logline import REPOSITORY
from xferzone.web import repository
from xferzone.web.hosted_counts import Counted, Counts
from xferzone.web.hosted_one import One, Opening, Shared
from xferzone.web.hosted_status import Operated, create_status
from xferzone.web.limits import THREADS, Places
from xferzone.web.targets import target_in
from xferzone.web.waiting import MAX_OF_REPOSITORY, Threads

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MOST_OPEN: Final = 64  # repositories that a process keeps open; config.Hosting's default
WITH_CACHE: Final = 8  # repositories, those asked for last, that share the memory for contents
SICK_S: Final = 1.0  # seconds until one that could not be served is looked at again
AGAIN_S: Final = 60.0  # seconds until the log says again why
_NOWHERE: Final = (
    b"There is no page here: each repository of this server has an address of its own, /NAME/.\n"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hosting:
    """What a server of many has.

    Fields:
        root: the directory.
        nobodys: the empty repository.
        counters: of the server as a whole.
        counts: by repository.
        apart: host and port of the listeners that alone answer mirrors, and nothing else.
        status: host and port of those for the operator, which answer nothing else.
        told: a file with what DNS says is not served, a list of lines; None: there is none.
        threads, cache: as of web.app.create_app; `cache` is for all together.
    """

    root: Path
    nobodys: Path
    counters: Counters
    counts: Counts
    apart: Collection[tuple[str, int]] = ()
    status: Collection[tuple[str, int]] = ()
    threads: int = THREADS
    cache: int = 32 * 2**20
    most_open: int = MOST_OPEN
    told: Path | None = None


class Hosted:
    """The app, safe for threads; to be closed at the end."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        places = Places(hosting.counters, hosting.threads)
        room = Room.beside(hosting.root / "any")
        self._shared = Shared(
            hosting.counters,
            places,
            Threads(MAX_OF_REPOSITORY),
            room,
            hosting.apart,
            hosting.cache // WITH_CACHE,
        )
        self._lock = threading.Lock()
        self._open: OrderedDict[str, One] = OrderedDict()  # by name, the one asked for last at the end
        self._missed: OrderedDict[str, None] = OrderedDict()  # the same of names that are not there
        self._sick: dict[str, _Sick] = {}
        self._codes = root.Absent(hosting.root)
        self._nobodys = self._nobody()
        self._status = create_status(
            Operated(hosting.root, hosting.counters, hosting.counts, hosting.told), self.sick
        )
        self._status_at = {(host, str(port)) for host, port in hosting.status}
        repository.follow(self)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if (environ["SERVER_NAME"], environ["SERVER_PORT"]) in self._status_at:
            return self._status(environ, start_response)
        name = _name_in(environ)
        if not name:
            length = str(len(_NOWHERE))
            start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", length)])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [_NOWHERE]
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + f"/{name}"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(f"/{name}")
        with ExitStack() as held:
            one = held.enter_context(self._used(name))
            counted = held.enter_context(self._hosting.counts.one("" if one is None else name, environ))
            octets = (one or self._nobodys).app(environ, counted.begins(start_response))
            return _Sending(octets, counted, held.pop_all())

    def look(self) -> None:
        """Let go of repositories that are gone, and follow names that lead to other files."""
        for name, one in list(self._open.items()):
            if root.found(self._hosting.root, name) is None:
                self._drop(name)
                continue
            try:
                one.follow()
            except XferzoneError:
                self._drop(name)  # the next request opens what is there now, or the log says why it cannot

    def sick(self) -> dict[str, str]:
        """Why repositories could not be served when they were asked for last, by name."""
        return {name: sick.why for name, sick in self._sick.copy().items()}

    def close(self) -> None:
        """Publish what waits, and close all repositories."""
        with self._lock:
            every = [*self._open.values(), self._nobodys]
            self._open.clear()
        for one in every:
            one.close()

    @contextmanager
    def _used(self, name: str) -> Generator[One | None]:
        """The repository of that name, open until the block ends. None: it is not there, or cannot be served."""
        REPOSITORY.set(name)
        one = self._of(name)
        try:
            yield one
        finally:
            if one is not None:
                self._release(one)
            REPOSITORY.set("")

    def _of(self, name: str) -> One | None:
        path = root.found(self._hosting.root, name)
        if path is None:
            self._drop(name)
            self._sick.pop(name, None)
            self._miss(name)
            return None
        sick = self._sick.get(name)
        if sick is not None and time.monotonic() < sick.until:
            return None
        try:
            one = self._opened(name, path)
        except Opening:
            return None
        except (XferzoneError, OSError) as exc:
            self._tell(name, sick, str(exc))
            return None
        if self._sick.pop(name, None) is not None:
            _log.info("repository outcome=served")
        return one

    def _opened(self, name: str, path: Path) -> One:
        """It, open and in use. Raises XferzoneError: it cannot be served."""
        one, was_open = self._taken(name, path)
        try:
            one.open()
        except Opening:
            self._release(one)
            raise
        except BaseException:
            self._release(one)
            self._drop(name)
            # Another project may have taken the name: that is a repository of its own here.
            if was_open:
                return self._opened(name, path)
            raise
        return one

    def _taken(self, name: str, path: Path) -> tuple[One, bool]:
        """It, in use, and whether it was here before."""
        with self._lock:
            one = self._open.get(name)
            was_open = one is not None
            if one is None:
                one = self._open[name] = One(path, self._shared, publishes=True)
            one.users += 1
            self._open.move_to_end(name)
            resting = next(itertools.islice(reversed(self._open), WITH_CACHE, None), None)
            if resting is not None:
                self._open[resting].rest()
            unused = [each for each, other in self._open.items() if not other.users]
            too_many = unused[: max(0, len(self._open) - self._hosting.most_open)]
        for each in too_many:
            self._drop(each)
        return one, was_open

    def _release(self, one: One) -> None:
        with self._lock:
            one.users -= 1
            is_over = one.is_gone and not one.users
        if is_over:
            one.close_soon()

    def _drop(self, name: str) -> None:
        """Close it, if it is open, once nobody uses it."""
        with self._lock:
            one = self._open.pop(name, None)
            if one is None:
                return
            one.is_gone = True
            is_over = not one.users
        if is_over:
            one.close_soon()

    def _miss(self, name: str) -> None:
        """Work as for a repository that is there: open one, unless that name was asked for a while ago."""
        with self._lock:
            is_new = name not in self._missed
            self._missed[name] = None
            self._missed.move_to_end(name)
            if len(self._missed) > self._hosting.most_open:
                self._missed.popitem(last=False)
        if is_new:
            self._nobody().open_and_close()
        else:
            self._nobodys.open()

    def _nobody(self) -> One:
        return One(self._hosting.nobodys, self._shared, codes=self._codes)

    def _tell(self, name: str, before: "_Sick | None", why: str) -> None:
        now = time.monotonic()
        told_at = before.told_at if before is not None and before.why == why else -AGAIN_S
        if now >= told_at + AGAIN_S:
            _log.error("repository outcome=not-served why=%r", why)
            told_at = now
        self._sick[name] = _Sick(now + SICK_S, why, told_at)


@dataclass(frozen=True, slots=True)
class _Sick:
    """A repository that could not be served: when to look again, why, and when the log was told (monotonic seconds)."""

    until: float
    why: str
    told_at: float


class _Sending:
    """A reply's octets, counted; when they are sent, or cannot be, what was held is let go of."""

    def __init__(self, octets: Iterable[bytes], counted: Counted, held: ExitStack) -> None:
        self._octets = octets
        self._counted = counted
        self._held = held

    def __iter__(self) -> Generator[bytes]:
        for piece in self._octets:
            self._counted.went += len(piece)
            yield piece

    def close(self) -> None:
        """The server calls it, however the sending ended."""
        with self._held:
            close = getattr(self._octets, "close", None)
            if close is not None:
                close()


def _name_in(environ: "WSGIEnvironment") -> str:
    """The name that a request is for; empty: none, or it is written otherwise than names are."""
    name = target_in(environ).partition("?")[0].removeprefix("/").partition("/")[0]
    path = environ["PATH_INFO"]
    return name if root.is_name(name) and (path == f"/{name}" or path.startswith(f"/{name}/")) else ""
