"""gunicorn's worker with threads, made to last among slow clients and large requests.

the head of a request        is waited for in the loop, not in a thread, for HEAD_S; web/xfer bounds bodies and replies
the end of a connection      is waited for in a thread, not in the loop that accepts the others
connections                  are as many as the descriptors of the process allow; with all of them open, the one that
                             has been silent longest gives its place to a new one
memory that was freed        goes back to the system: glibc keeps what is smaller than the largest it ever had

The loop peeks at what has come, and has the kernel wake it when there is more than that (SO_RCVLOWAT, tcp(7)).
"""

import contextlib
import ctypes
import errno
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn.http import RequestParser
from gunicorn.http.message import Request
from gunicorn.workers.gthread import PollableMethodQueue, TConn, ThreadWorker

from xferzone import descriptors
from xferzone.web import repository
from xferzone.web.deadlines import HEAD_S, PATIENCE
from xferzone.web.waiting import ENDING

#: Descriptors of a worker that has no connection: 20 were seen, and some are for its idle files.
FOR_ITSELF: Final = 32
#: Descriptors of a connection with a sync request: its socket, two of SQLite, a body; few have more at once.
OF_CONNECTION: Final = 4
WANTED: Final = 1_000  # connections; gunicorn's worker_connections
MAX_CLOSING: Final = 8  # threads that wait for clients to close; other connections end at once
DRAIN_S: Final = 0.2  # seconds for the rest of a body that nobody read; gunicorn's are 5
DRAINED: Final = 32 * 1024  # bytes of a body that nobody read; gunicorn's are 65,536
TOLD_EACH_S: Final = 60.0  # seconds until the log says again that there is no descriptor left
MAX_HEAD: Final = 32 * 1024  # bytes; nginx's large_client_header_buffers hold as much
RETIRE_S: Final = 600  # seconds for a request to end after a reload; nginx.conf's proxy_read_timeout
AGAIN_S: Final = 2.0  # seconds until it accepts as many as before again
_PAUSE_S: Final = 0.05  # seconds, lest the loop spin where there is no descriptor
_END_OF_HEAD: Final = b"\r\n\r\n"
_NO_REQUEST: Final = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_M_TRIM_THRESHOLD: Final = -1  # glibc, malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_KEPT: Final = 256 * 1024  # bytes; what is larger is given back when it is freed
_ARENAS: Final = 2  # pools of memory that threads share; by default each thread has its own


class Worker(ThreadWorker):
    """The class that the setting worker_class names."""

    def init_process(self) -> None:
        _give_memory_back()
        self.method_queue = _Wakeups()
        self._told_at = -TOLD_EACH_S
        self._closing = 0
        self._ending = threading.Event()
        own = FOR_ITSELF + getattr(self.app, "files", 0)  # plain gunicorn's app has none
        files = descriptors.allowed(own + OF_CONNECTION * WANTED)
        self._most = self.worker_connections = min(WANTED, max(1, (files - own) // OF_CONNECTION))
        self._short_at = 0.0  # when there was no descriptor left last
        self.max_keepalived = self._most // 2
        if self._most < WANTED:
            self.log.warning(
                "http worker outcome=bounded connections=%d why='%d open files are allowed (ulimit -n)'",
                self._most,
                files,
            )
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the app, whose requests can see when this process ends, and end their connection if refused a body."""
        super().load_wsgi()
        app, ending = self.wsgi, self._ending

        def until_the_end(
            environ: MutableMapping[str, Any], start_response: Callable[..., None]
        ) -> Iterable[bytes]:
            environ[ENDING] = ending
            return app(environ, partial(_begin_response, environ, start_response))

        self.wsgi = until_the_end

    def accept(self, listener: socket.socket) -> None:
        """Called in the loop when somebody has connected."""
        try:
            super().accept(listener)
        except OSError as exc:
            if exc.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            # So the loop accepts nothing until one has ended, or AGAIN_S have passed: others may have had them all.
            self.worker_connections, self._short_at = max(1, self.nr_conns), time.monotonic()
            if time.monotonic() - self._told_at >= TOLD_EACH_S:
                self._told_at = time.monotonic()
                self.log.warning("http worker outcome=bounded connections=%d why='%s'", self.nr_conns, exc)
            time.sleep(_PAUSE_S)
        while self.nr_conns >= self.worker_connections and (silent := self._silent()):
            self._hang_up(silent.popleft())

    def _silent(self) -> deque[TConn]:
        """The connections of which the first is to give way: a lone one that waits for a head may be the newcomer."""
        waiting, kept = self.pending_conns, self.keepalived_conns
        return waiting if len(waiting) > 1 or not kept else kept

    def _hang_up(self, conn: TConn) -> None:
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def init_signals(self) -> None:
        super().init_signals()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)

    def handle_winch(self, sig: int, fname: str | None) -> None:
        """Retire: another arbiter's workers accept on the same sockets; what was accepted here is answered here."""
        self.cfg.set("graceful_timeout", RETIRE_S)
        self.handle_exit(sig, None)

    def notify(self) -> None:
        """Called every second at least, by the loop that accepts connections, and at once when that ends."""
        super().notify()
        if time.monotonic() - self._short_at >= AGAIN_S:
            self.worker_connections = self._most
        PATIENCE.enforce()
        repository.look()
        if not self.alive:
            self._ending.set()

    def enqueue_req(self, conn: TConn) -> None:
        """Called in the loop when a connection has come, or a request on it begins."""
        if self._is_peeked_at(conn) and not _has_head(conn):
            conn.timeout = time.monotonic() + HEAD_S
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))
        else:
            self._begin(conn)

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Called in the loop when more of a head has come than was there before, or its end."""
        if not _is_gone(client) and _has_head(conn):
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._begin(conn)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Called in the loop when another request begins on a connection, or its client has closed it."""
        if not _is_gone(client):
            super().on_client_socket_readable(conn, client)

    def _is_peeked_at(self, conn: TConn) -> bool:
        """TLS hides the head, and a UNIX socket wakes at every octet; nginx, at its other end, sends whole heads."""
        return conn.sock.family in (socket.AF_INET, socket.AF_INET6) and not self.cfg.is_ssl

    def _begin(self, conn: TConn) -> None:
        conn.data_ready = True
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> bool:
        with PATIENCE.over(conn.sock, HEAD_S):
            return super().handle(conn)

    def handle_request(self, req: Request, conn: TConn) -> bool:
        PATIENCE.end(conn.sock)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Whether another request may come on it: what nobody read of a body is dropped, if it comes at once."""
        if not keepalive or not isinstance(conn.parser, RequestParser):
            return False
        return bool(conn.parser.finish_body(deadline=time.monotonic() + DRAIN_S))  # type: ignore[func-returns-value]  # it does

    def finish_request(self, conn: TConn, fs: "Future[bool]") -> None:
        # conn.close waits up to 2 seconds for the client to close: do that in a thread, while some are left to answer.
        if not fs.cancelled() and fs.exception() is None and fs.result() is False:
            self.nr_conns -= 1
            if self._closing < MAX_CLOSING:
                with contextlib.suppress(RuntimeError):  # the pool is shut down: close it here
                    closed = self.tpool.submit(conn.close, graceful=True)
                    self._closing += 1
                    closed.add_done_callback(lambda _: self.method_queue.defer(self._has_closed))
                    return
            conn.close()
            return
        super().finish_request(conn, fs)

    def _has_closed(self) -> None:
        self._closing -= 1


class _Wakeups(PollableMethodQueue):
    """gunicorn's way for threads to wake the loop, safe to use after its end.

    Threads outlive the loop by up to 2 seconds. The descriptor that the loop has closed may be the repository's by
    then, and the octet that wakes would be written into its file.
    """

    def init(self) -> None:
        super().init()
        self._turn = threading.RLock()  # a signal's handler wakes the loop, too
        self._is_open = True

    def defer(self, callback: Callable[..., object], *args: object) -> None:
        with self._turn:
            if self._is_open:
                super().defer(callback, *args)

    def close(self) -> None:
        with self._turn:
            self._is_open = False
            super().close()


def _begin_response(
    environ: MutableMapping[str, Any], start_response: Callable[..., None], status: str, *rest: Any
) -> None:
    """Say that the connection ends after a refusal of a large body: the rest of it may be dropped or not, by chance."""
    if status[0] in "45" and int(environ.get("CONTENT_LENGTH") or 0) > DRAINED:
        start_response.__self__.force_close()  # type: ignore[attr-defined]  # a method of gunicorn's Response
    return start_response(status, *rest)


def _is_gone(client: socket.socket) -> bool:
    """Whether the connection gave its place to one that was accepted in this same turn of the loop."""
    return client.fileno() < 0


def _has_head(conn: TConn) -> bool:
    """Whether the head has come, or nothing more will: then no thread waits for it."""
    read = conn.parser.unreader.buf.getvalue() if isinstance(conn.parser, RequestParser) else b""
    try:
        return _peeked(conn.sock, read)
    except BlockingIOError:
        return _END_OF_HEAD in read
    except OSError:  # the connection is broken
        return True


def _peeked(connection: socket.socket, read: bytes) -> bool:
    """Whether `read` and what has come since end a head, or the connection; if not, the next wait is for more."""
    came = connection.recv(MAX_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    waited_for = connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
    so_far = read + came
    is_all = _END_OF_HEAD in so_far or len(came) < waited_for
    if not is_all and (len(came) == MAX_HEAD or not so_far[:1].isalpha()):
        # Not a request, perhaps TLS, whose sender waits for an answer. A thread then finds the end of the connection.
        connection.send(_NO_REQUEST, socket.MSG_DONTWAIT)
        connection.shutdown(socket.SHUT_RD)
        is_all = True
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 if is_all else len(came) + 1)
    return is_all


def _give_memory_back() -> None:
    with contextlib.suppress(AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_ARENA_MAX, _ARENAS)
