"""gunicorn for one repository: the child of `xferzone serve` and `up` that owns HTTP.

    supervisor ---- forks ----> arbiter (Server.run) ---- forks ----> worker: falcon app, THREADS threads
                                                                      worker ...

Operators may run plain gunicorn with deploy/gunicorn.conf.py instead; it names `application` below.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from xferzone import ready
from xferzone.serve import process

# The module is imported before any fork; the app is made in each worker, for no database may cross one.
from xferzone.web.app import create_app

if TYPE_CHECKING:  # the stubs' own name for it; nothing of the kind is there at run time
    from gunicorn._types import _WSGIAppType

THREADS = 64  # web/room.MAX_REQUESTS of them for sync requests, the others for pages

# deploy/gunicorn.conf.py repeats these, with their reasons, for those who read it there.
SETTINGS: Mapping[str, object] = {
    # Threads: with sync workers `timeout` is a limit on a whole request, here only on a worker that hangs.
    "worker_class": "xferzone.serve.worker.Worker",
    "threads": THREADS,
    "timeout": 120,
    # Less than the supervisor waits: requests in flight get that long, then the worker goes.
    "graceful_timeout": 4,
    # Longer than nginx keeps an idle connection to us (60 s), so that it is nginx who closes.
    "keepalive": 75,
    # Each start would log an error where HOME cannot be written, and nobody asked for a second way in.
    "control_socket_disable": True,
    # The heartbeat file must not wait for a disk.
    "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
    "forwarded_allow_ips": "127.0.0.1,::1",
    "max_requests": 0,
}


class Server(BaseApplication):
    """gunicorn's own start-up with our settings, and nothing from files, environment or argv."""

    def __init__(self, repository: Path, listen: str, workers: int) -> None:
        self._repository = repository
        self._listen = listen
        self._workers = workers
        super().__init__()

    def load_config(self) -> None:
        for name, value in SETTINGS.items():
            self.cfg.set(name, value)
        self.cfg.set("bind", self._listen)
        self.cfg.set("workers", self._workers)
        self.cfg.set("loglevel", "warning")
        self.cfg.set("post_fork", _join_the_arbiter)
        self.cfg.set("post_worker_init", _report)

    def load(self) -> "_WSGIAppType":
        return _app(self._repository)


def application() -> "_WSGIAppType":
    """The app for the repository that XFERZONE_REPOSITORY names, made anew in each worker.

    It logs to stderr, unless gunicorn's `logconfig` says where to.
    """
    logging.basicConfig(level=logging.INFO, format=process.LOG_FORMAT)
    return _app(Path(os.environ["XFERZONE_REPOSITORY"]))


def _app(repository: Path) -> "_WSGIAppType":
    # gunicorn's stubs promise an app any mapping, falcon's types take a dict; at run time it is a dict.
    return cast("_WSGIAppType", create_app(repository))


def _join_the_arbiter(_arbiter: Arbiter, worker: Worker) -> None:
    process.die_with(worker.ppid)
    process.entitle("http worker")


def _report(_worker: Worker) -> None:
    ready.report()
