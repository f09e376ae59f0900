"""gunicorn's worker with threads, made to last among slow clients and large requests.

the head of a request        must come within HEAD_S; bodies and replies are bounded by web/xfer
the end of a connection      is waited for in a thread, not in the loop that takes the others in
memory that was let go       goes back to the system: glibc keeps what is smaller than the largest it ever had
"""

import contextlib
import ctypes
from concurrent.futures import Future
from typing import Final

from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

from xferzone.web.patience import HEAD_S, PATIENCE

_M_TRIM_THRESHOLD: Final = -1  # glibc, malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_KEPT: Final = 256 * 1024  # bytes; what is larger is given back when it is freed
_ARENAS: Final = 2  # pools of memory that threads share; by default each thread has its own


class Worker(ThreadWorker):
    """What the setting worker_class names."""

    def init_process(self) -> None:
        _give_memory_back()
        super().init_process()

    def notify(self) -> None:
        """Called every second at least, by the loop that takes connections in."""
        super().notify()
        PATIENCE.enforce()

    def handle(self, conn: TConn) -> bool:
        with PATIENCE.over(conn.sock, HEAD_S):
            return super().handle(conn)

    def handle_request(self, req: Request, conn: TConn) -> bool:
        PATIENCE.end(conn.sock)
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, fs: "Future[bool]") -> None:
        # It waits up to 2 seconds for the client to close, and would do so here.
        if not fs.cancelled() and fs.exception() is None and fs.result() is False:
            with contextlib.suppress(RuntimeError):  # of a pool that is shut down: as ever, then
                self.tpool.submit(conn.close, graceful=True)
                self.nr_conns -= 1
                return
        super().finish_request(conn, fs)


def _give_memory_back() -> None:
    with contextlib.suppress(AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_ARENA_MAX, _ARENAS)
