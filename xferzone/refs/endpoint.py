"""One endpoint of etcd's JSON gateway: connections that are kept open, and replies that end by a deadline.

    exchange    POST, and the whole reply
    opened      POST, and the lines of a reply that goes on, on a connection of its own

Nothing is sent twice, and no proxy or redirect is followed. What goes wrong is `Failed`, which says whether the request
may have been read.
"""

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

import xferzone
from xferzone.errors import Away
from xferzone.refs.reply import OK, Failed, Fault, Reply
from xferzone.transport.connections import reason
from xferzone.transport.url import parse_endpoint, port_of

MAX_BODY: Final = 64 * 1024 * 1024  # bytes of a reply, or of a line of one that goes on
MAX_IDLE: Final = 16  # connections that are kept open; more threads than that seldom ask at once
IDLE_S: Final = 60.0  # a connection that was idle for longer is closed: a firewall may have forgotten it
_STEP: Final = 256 * 1024  # bytes read at a time
# A member that has lost its leader says so at once, and ends its watches; else it is silent for 6 s, and they for ever.
_WITH_LEADER: Final = "Grpc-Metadata-Hasleader"
_HUNG_UP: Final = (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError)
_LATE: Final = "no answer in time"


class TooLong(Away):
    """A reply has over MAX_BODY bytes."""


class Endpoint:
    """Threads may share it, processes may not.

    Fields:
        url: as it was given.
        shown: the same, for messages: with the port if it names none.
        made: how many connections were made for exchanges.
    """

    def __init__(self, url: str, trust: ssl.SSLContext | None, connect_s: float) -> None:
        """`trust` None: the system's. Raises UsageError: it is not the URL of an endpoint."""
        parts = parse_endpoint(url)
        self.url = url
        self.made = 0
        self._host = parts.hostname or ""
        self._port = port_of(parts)
        self.shown = url if parts.port else f"{url}, which names no port, at port {self._port}"
        self._path = parts.path.rstrip("/") + "/v3/"
        self._connect_s = connect_s
        self._is_own_trust = trust is not None
        self._trust = (trust or ssl.create_default_context()) if parts.scheme == "https" else None
        self._lock = threading.Lock()
        self._idle: list[tuple[float, HTTPConnection]] = []  # since when; the last one is used first

    def exchange(self, path: str, octets: bytes, token: str | None, deadline: float) -> Reply:
        """The reply, which must be whole by the deadline. Raises Failed, TooLong."""
        connection = self._connection(deadline)
        is_whole = False
        try:
            bound = _Bound(deadline)
            response = self._sent(connection, bound, path, octets, token)
            reply = Reply(response.status, self._body(response))
            is_whole = connection.sock is not None
        finally:
            if is_whole:
                self._keep(connection)
            else:
                connection.close()
        return reply

    def opened(self, path: str, octets: bytes, token: str | None, deadline: float) -> "Lines":
        """The lines of a reply whose head must be here by the deadline. Raises Failed."""
        connection = self._connected(deadline)
        bound = _Bound(deadline)
        with _closing_on_failure(connection):
            plug = connection.sock
            assert plug is not None
            response = self._sent(connection, bound, path, octets, token)
            if response.status != OK:
                Reply(response.status, self._body(response)).parse(object)
        return Lines(connection, plug, response, bound)

    def close(self) -> None:
        """Close the connections that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _connection(self, deadline: float) -> HTTPConnection:
        """One that was idle and that nothing has come on, or a new one."""
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if time.monotonic() - since < IDLE_S and connection.is_connected:
                    return connection
                connection.close()
            self.made += 1
        return self._connected(deadline)

    def _connected(self, deadline: float) -> HTTPConnection:
        left = min(self._connect_s, deadline - time.monotonic())
        if left <= 0:
            raise Failed("there was no time left to ask it", was_sent=False)
        if self._trust is None:
            connection = HTTPConnection(self._host, self._port, timeout=left)
        else:
            connection = HTTPSConnection(self._host, self._port, timeout=left, ssl_context=self._trust)
        with _closing_on_failure(connection):
            try:
                connection.connect()
            except (urllib3.exceptions.HTTPError, OSError) as exc:
                raise self._failed(exc, was_sent=False) from exc
        return connection

    def _keep(self, connection: HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < MAX_IDLE:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    # many: what is asked of whom, over what, until when
    def _sent(
        self, connection: HTTPConnection, bound: "_Bound", path: str, octets: bytes, token: str | None
    ) -> urllib3.BaseHTTPResponse:
        """The head of the reply."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"xferzone/{xferzone.__version__}",
            _WITH_LEADER: "true",
        }
        if token is not None:
            headers["Authorization"] = token
        connection.timeout = bound.left()
        connection.response_class = partial(_Response, bound)  # type: ignore[assignment]  # it is called, no more
        try:
            connection.request("POST", self._path + path, octets, headers, preload_content=False)
            return connection.getresponse()
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as exc:
            raise self._failed(exc) from exc

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        pieces, size = [], 0
        try:
            while octets := response.read1(_STEP, decode_content=False):
                pieces.append(octets)
                size += len(octets)
                if size > MAX_BODY:
                    raise TooLong(f"etcd at {self.url} sends over {MAX_BODY} bytes in one reply")
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as exc:
            raise self._failed(exc, "it broke off its reply: ") from exc
        return b"".join(pieces)

    def _failed(self, exc: Exception, before: str = "", *, was_sent: bool = True) -> Failed:
        why, fault = reason(exc), Fault.REACH
        is_alert = isinstance(exc, ssl.SSLError) and "_ALERT_" in (exc.reason or "")
        if isinstance(exc, ssl.SSLCertVerificationError):
            fault = Fault.AUTHORITY
            if self._is_own_trust:
                why = f"its certificate is refused by the authorities that were given: {exc.verify_message}"
        elif isinstance(exc, TimeoutError):
            why = _LATE
        elif self._trust is not None and (is_alert or isinstance(exc, _HUNG_UP)):
            # With TLS 1.3 a server looks at our certificate after it has let us in: it says so, or just hangs up.
            why, fault = f"{why}: does it want a certificate of ours, or speak plain http?", Fault.CERTIFICATE
        elif self._trust is None and isinstance(exc, http.client.RemoteDisconnected):
            why = f"{why}: does it speak TLS, by a URL with https?"
        return Failed(f"{before}{why}", was_sent=was_sent, fault=fault)


class Lines:
    """The lines of a reply that goes on. One thread reads them; any other may close them meanwhile."""

    def __init__(
        self,
        connection: HTTPConnection,
        plug: socket.socket,
        response: urllib3.BaseHTTPResponse,
        bound: "_Bound",
    ) -> None:
        self._connection = connection
        self._plug = plug
        self._response = response
        self._bound = bound
        self._kept = bytearray()
        self._reading = threading.Lock()
        self._is_closed = False

    def next(self, seconds: float) -> bytes | None:
        """The next line; None: it has not come within `seconds`. Raises Failed: there are no more."""
        with self._reading:
            try:
                return self._next(seconds)
            finally:
                if self._is_closed:
                    self._connection.close()

    def close(self) -> None:
        """End it; a thread that waits in `next` gets Failed. A second time does nothing."""
        self._is_closed = True
        with suppress(OSError):
            # socket's own, also under TLS: ssl's would take the session from the thread that reads.
            socket.socket.shutdown(self._plug, socket.SHUT_RDWR)
        # A thread that reads closes it itself: http.client takes its file from under it otherwise.
        if self._reading.acquire(blocking=False):
            try:
                self._connection.close()
                self._response.close()
            finally:
                self._reading.release()

    def _next(self, seconds: float) -> bytes | None:
        self._bound.deadline = time.monotonic() + seconds
        looked = 0
        while (end := self._kept.find(b"\n", looked)) < 0:
            looked = len(self._kept)
            if self._is_closed or looked > MAX_BODY:
                raise Failed(f"a line of its reply has over {MAX_BODY} bytes")
            try:
                octets = self._response.read1(_STEP, decode_content=False)
            except urllib3.exceptions.ReadTimeoutError:
                return None
            except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as exc:
                raise Failed(f"it broke off its reply: {reason(exc)}") from exc
            if not octets:
                raise Failed("it ended its reply")
            self._kept += octets
        line = bytes(self._kept[:end])
        del self._kept[: end + 1]
        return line


class _Bound:
    """Until when a reply may be read."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def left(self) -> float:
        """Seconds; never 0, which would mean no waiting at all to a socket."""
        return max(0.001, self.deadline - time.monotonic())


class _Response(http.client.HTTPResponse):
    """A reply that is read until `bound`: a socket's own timeout begins anew with each byte."""

    def __init__(
        self,
        bound: _Bound,
        plug: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        # http.client asks nothing of a socket but to make a file.
        super().__init__(_Plug(plug, bound), debuglevel, method, url)  # type: ignore[arg-type]


class _Plug:
    def __init__(self, plug: socket.socket, bound: _Bound) -> None:
        self._plug = plug
        self._bound = bound

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Octets(self._plug, self._bound))


class _Octets(io.RawIOBase):
    def __init__(self, plug: socket.socket, bound: _Bound) -> None:
        super().__init__()
        self._plug = plug
        self._bound = bound
        self._raw = plug.makefile("rb", buffering=0)  # so that the socket stays open as long as this is

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # what BufferedReader gives
        if time.monotonic() >= self._bound.deadline:
            raise TimeoutError(_LATE)
        self._plug.settimeout(self._bound.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


@contextmanager
def _closing_on_failure(connection: HTTPConnection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise
