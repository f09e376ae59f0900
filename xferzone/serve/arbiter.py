"""gunicorn for one repository: the child of `xferzone serve` and `up` that owns HTTP.

    supervisor ---- forks ----> arbiter (Server.run) ---- forks ----> worker: falcon app, threads
    binds the sockets                                                 worker ...

    TERM     requests in flight get graceful_timeout, then the end
    WINCH    from the supervisor, once another arbiter accepts on the same sockets: accept nothing more, let every
             request end, at most RETIRE_S, then the end
    HUP, USR1, USR2    nothing: the supervisor reads the configuration, and there are no log files to reopen

Plain gunicorn with deploy/gunicorn.conf.py does the same without a supervisor; it names `application` below.
"""

import atexit
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gunicorn import arbiter
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from xferzone import metrics, ready
from xferzone.config import Address, Http, Network
from xferzone.counters import Counters
from xferzone.exchange import Room, Terms
from xferzone.exchange.group.deciding import Groups
from xferzone.exchange.group.opened import Opened
from xferzone.exchange.publishing import Later
from xferzone.logline import to_stderr
from xferzone.serve import process
from xferzone.serve.publications import log_publications

# The module is imported before any fork; the app is made in each worker, because no database may cross a fork.
from xferzone.web.app import create_app
from xferzone.web.forwarded import Forwarded
from xferzone.web.hosted import Hosted, Hosting
from xferzone.web.hosted_one import DESCRIPTORS

if TYPE_CHECKING:  # the stubs' own name for it; it does not exist at run time
    from gunicorn._types import _WSGIAppType

THREADS = Http().threads  # web/limits.MAX_REQUESTS of them for sync requests, the others for pages

# deploy/gunicorn.conf.py repeats these with their reasons.
SETTINGS: Mapping[str, object] = {
    # Threads: with sync workers `timeout` is a limit on a whole request, here only on a worker that hangs.
    "worker_class": "xferzone.serve.worker.Worker",
    "threads": THREADS,
    "timeout": 120,
    # Less than the supervisor waits: requests in flight get that long, then the worker goes.
    "graceful_timeout": 4,
    # Longer than nginx keeps an idle connection to us (60 s), so that nginx closes it.
    "keepalive": 75,
    # Each start would log an error where HOME cannot be written, and a second way in is not needed.
    "control_socket_disable": True,
    # The heartbeat file must not wait for a disk.
    "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
    # web/forwarded.py alone decides whose X-Forwarded-* headers are believed.
    "forwarded_allow_ips": "",
    "max_requests": 0,
}

#: Of plain gunicorn: deploy/gunicorn.conf.py imports this module before the workers are forked, so they share them.
_COUNTERS = Counters(metrics.SIZE)


@dataclass(frozen=True, slots=True)
class Served:
    """What an arbiter serves: the listening `sockets` and the `counters` are inherited from the supervisor.

    `apart`: the addresses among those of `sockets` that answer the walk alone, and alone answer it. `hosting`: the
    repositories of a server of many, whose directory `repository` is; None: it is one.
    """

    repository: Path
    sockets: Sequence[socket.socket]
    http: Http
    counters: Counters
    apart: Sequence[Address] = ()
    hosting: Hosting | None = None


class Server(BaseApplication):
    """gunicorn's own start-up with our settings, and nothing from files, environment or argv."""

    def __init__(self, served: Served) -> None:
        self._served = served
        super().__init__()

    def load_config(self) -> None:
        for name, value in SETTINGS.items():
            self.cfg.set(name, value)
        self.cfg.set("workers", self._served.http.workers)
        self.cfg.set("threads", self._served.http.threads)
        self.cfg.set("loglevel", "warning")
        self.cfg.set("logger_class", Propagated)
        self.cfg.set("post_fork", _join_the_arbiter)
        self.cfg.set("post_worker_init", _report)
        self.cfg.set("worker_exit", lambda _arbiter, _worker: self.publish_now())

    @property
    def files(self) -> int:
        """How many files a worker has open beside those of connections."""
        return 0 if self._served.hosting is None else DESCRIPTORS * self._served.hosting.most_open

    def load(self) -> "_WSGIAppType":
        if self._served.hosting is not None:
            hosted = Hosted(self._served.hosting)
            self._close = hosted.close
            return cast("_WSGIAppType", Forwarded(hosted, self._served.http.trusted))
        groups = Opened()
        later = Later(self._served.repository, groups=groups)
        self._close = later.close
        return _app(self._served, later, groups)

    def publish_now(self) -> None:
        """What waits in this worker, before it goes."""
        self._close()

    def run(self) -> None:
        # gunicorn closes the descriptors that it is given, so give it copies.
        self.cfg.set("bind", [f"fd://{os.dup(each.fileno())}" for each in self._served.sockets])
        Retiring(self).run()


class Retiring(arbiter.Arbiter):
    """gunicorn's arbiter, which the supervisor may replace by another one while requests are in flight."""

    _retired = False

    def handle_winch(self) -> None:
        self._retired = True
        for listener in self.LISTENERS:
            listener.close()
        self.LISTENERS.clear()
        self.kill_workers(signal.SIGWINCH)

    def manage_workers(self) -> None:
        if not self._retired:
            super().manage_workers()
        elif not self.WORKERS:
            raise StopIteration  # as for TERM: the main loop ends
        else:
            self.kill_workers(signal.SIGWINCH)  # again: one that was still starting has not taken the first

    def handle_hup(self) -> None:
        """Nothing: systemd and `pkill` send HUP to every process of a service."""

    def handle_usr1(self) -> None:
        """Nothing."""

    def handle_usr2(self) -> None:
        """Nothing."""


class Propagated(Logger):
    """gunicorn's log, handed to the root logger: its lines look like all others."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def application(trusted: Sequence[str] = (), threads: int = THREADS) -> "_WSGIAppType":
    """The app for the repository that XFERZONE_REPOSITORY names, made anew in each worker.

    `trusted`: networks of proxies; none given: loopback. `threads`: of the worker; with fewer than THREADS there are
    fewer places for sync requests, so that pages are answered beside them. It logs to stderr, unless gunicorn's
    `logconfig` says where.
    """
    to_stderr()
    http = Http(threads=threads)
    if trusted:
        http = replace(http, trusted=tuple(map(Network, trusted)))
    repository = Path(os.environ["XFERZONE_REPOSITORY"])
    groups = Opened()
    later = Later(repository, groups=groups)
    atexit.register(later.close)
    return _app(Served(repository, (), http, _COUNTERS), later, groups)


def _app(served: Served, later: Later, groups: Groups) -> "_WSGIAppType":
    log_publications(served.repository, served.counters)
    later.soon()  # a worker before this one may have been killed
    terms = Terms(room=Room.beside(served.repository), later=later, groups=groups)
    app = create_app(
        served.repository,
        terms,
        counters=served.counters,
        threads=served.http.threads,
        apart=served.apart,
        cache=served.http.cache_mib * 2**20,
    )
    # gunicorn's stubs promise an app any mapping, falcon's types take a dict; at run time it is a dict.
    return cast("_WSGIAppType", Forwarded(app, served.http.trusted))


def _join_the_arbiter(_arbiter: arbiter.Arbiter, worker: Worker) -> None:
    process.die_with(worker.ppid)
    process.entitle("http worker")


def _report(_worker: Worker) -> None:
    ready.report()
