"""A repository behind a NATS server, by request and reply.

    SUBJECT          ─> a request: a body, its content type and codings as headers
    the reply inbox  <─ empty, with WORKING       the responder is at it still; each BEAT_S
                     <─ the reply: a body, with the same headers
                     <─ status 503                the server: nobody listens on the subject
    PREFIX.news      <─ empty                     something has changed there (serve/responding.py)

With files for TLS in the login nothing is said to a server that does not take it. Without them TLS is used where the
server asks for it, and the system's authorities are trusted.

A connection is made by the first request, lost without a second attempt, and made anew by the next request. The client
of NATS runs in an event loop of its own, in one thread; callers wait for it.
Source: the NATS client protocol (HPUB, HMSG, INFO max_payload), "503 No Responders".
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from xferzone.errors import PeerError
from xferzone.transport.base import OURS, PLAIN, ZSTD, Body, Closing, room
from xferzone.transport.trust import trust
from xferzone.transport.url import Subject, parse_subject

CONNECT_S: Final = 10  # seconds until a server has answered
BEAT_S: Final = 5.0  # seconds between two signs that a request is being answered
SILENCE_S: Final = 20.0  # seconds without one, after which nobody is thought to answer
REPLY_S: Final = 900.0  # seconds that a reply may take; http.py has the same
WORKING: Final = "X-Xferzone-Working"
_PENDING: Final = 64  # messages that may wait in an inbox; ours: more signs than come in a minute
_END_S: Final = (
    2.0  # seconds for the end of a connection that could not be made; over TLS it may wait for ever
)
_PING_S: Final = 10  # seconds between two questions whether the server lives; two without an answer end it
_STATUS, _NO_RESPONDERS = "Status", "503"
_TYPE, _CODING, _TAKES = "Content-Type", "Content-Encoding", "Accept-Encoding"
_LOST: Final = "the connection to the NATS server was lost"

# At the end of each connection over TLS asyncio warns of how the library has made it, which is of no use to anybody.
logging.getLogger("asyncio").addFilter(
    lambda record: "eof_received() has no effect" not in record.getMessage()
)

#: What goes wrong with a connection.
FAILURES: Final = (Error, OSError, TimeoutError)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Login:
    """Who somebody is at a NATS server, and whom it trusts there; what is empty is not said.

    Fields:
        user, password: the account, or
        token: in place of one.
        ca, certificate, key: files for TLS, as trust has them.
    """

    user: str = ""
    password: str = ""
    token: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext | None:
        """None: TLS is as the server has it. Raises UsageError: a file cannot be used."""
        if not (self.ca or self.certificate):
            return None
        return trust(self.ca or None, self.certificate or None, self.key or None, "NATS")


class _Secured:
    """What a connection tells who asks, once it is as secure as it must be.

    The library takes TLS where the server asks for it, whatever we ask for: whoever stands between would be told the
    password.
    """

    def __init__(self, login: Login) -> None:
        self.context = login.context()
        self._certificate = login.certificate
        self._shaken = shaken = threading.Event()
        if self.context is not None:

            class Noting(ssl.SSLObject):
                def do_handshake(self) -> None:
                    super().do_handshake()
                    shaken.set()

            self.context.sslobject_class = Noting

    def tells(self, secret: str) -> Callable[[], str] | None:
        """For the library, which calls it just before it sends the secret. None: there is none."""

        def told() -> str:
            self.check()
            return secret

        return told if secret else None

    def doubt(self, exc: BaseException) -> str:
        """What may be behind a failure after TLS began; a server that wants a certificate of us just ends it."""
        if not self._shaken.is_set() or self._certificate or "authorization" in str(exc).lower():
            return ""
        return (
            f"the NATS server ends the connection once TLS has begun ({exc}): if it verifies its clients, `[nats] "
            "certificate` and `key` name what we show"
        )

    def check(self) -> None:
        """Raise ConnectionError unless the connection is secured."""
        if self.context is not None and not self._shaken.is_set():
            raise ConnectionError(
                "the NATS server does not use TLS, and [nats] ca or certificate asks for it: set up `tls` there, or "
                "leave them out"
            )


async def connected(server: str, login: Login | None, gone: asyncio.Event) -> Client:
    """A connection, which sets `gone` at its end. Raises one of FAILURES."""

    async def ended() -> None:
        gone.set()

    async def quiet(_error: Exception) -> None:
        """What matters ends the connection."""

    client = Client()
    login = login or Login()
    secured = _Secured(login)
    try:
        # The library tries a server again and again, and would wait for one that is away.
        connecting = client.connect(
            [server],
            name="xferzone",
            user=secured.tells(login.user),
            password=secured.tells(login.password),
            token=secured.tells(login.token),
            tls=secured.context,
            connect_timeout=CONNECT_S,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            ping_interval=_PING_S,
            error_cb=quiet,
            disconnected_cb=ended,
            closed_cb=ended,
        )
        await asyncio.wait_for(connecting, CONNECT_S)
        secured.check()
    except BaseException as exc:
        with suppress(*FAILURES):
            await asyncio.wait_for(client.close(), _END_S)
        if isinstance(exc, FAILURES) and (told := secured.doubt(exc)):
            raise ConnectionError(told) from exc
        raise
    return client


def headers_of(body: Body) -> dict[str, str]:
    """Those of a message that carries the body; a reply has OURS besides."""
    headers = {_TYPE: body.content_type}
    if body.coding != PLAIN:
        headers[_CODING] = body.coding
    if body.takes_zstd:
        headers[_TAKES] = ZSTD
    return headers


def body_of(headers: Mapping[str, str], octets: bytes) -> Body:
    """The body that a message carries. Raises PeerError: in a coding that is not known."""
    coding = headers.get(_CODING, PLAIN)
    if coding not in (PLAIN, ZSTD):
        raise PeerError(f"a message in {coding[:40]}, which nobody asked for")
    return Body.of(headers.get(_TYPE, ""), octets, coding, takes_zstd=headers.get(_TAKES) == ZSTD)


def why(exc: BaseException) -> str:
    """What a failure of the connection is called for people."""
    told = str(exc).removeprefix("nats: ").strip("'")
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted: {exc.verify_message}: `[nats] ca` names a file of authorities, without "
            "it the system's are trusted"
        )
    if "authorization" in told.lower():
        return f"{told}: `[nats] user` and `password`, or `token`, say who we are at the NATS server"
    return told


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._thread.start()

    def run(self, doing: Coroutine[Any, Any, _T]) -> _T:
        """What it returns, or raises."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()

    def close(self) -> None:
        with suppress(*FAILURES):
            self.run(self._left())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _left(self) -> None:
        """End what is under way: whoever waited for it has been interrupted."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class _Connected:
    """A connection to a NATS server that is made when it is first needed. Used by one thread at a time."""

    def __init__(self, server: str, login: Login | None, name: str) -> None:
        self._server = server
        self._login = login
        self._name = name
        self._loop: _Loop | None = None
        self._client: Client | None = None
        self.gone = asyncio.Event()

    def do(self, what: Callable[[Client], Coroutine[Any, Any, _T]]) -> _T:
        """`what` comes to, with the connection. Raises PeerError: it cannot be made, or was lost."""
        self._loop = self._loop or _Loop()
        try:
            return self._loop.run(self._done(what))
        except FAILURES as exc:
            raise PeerError(f"{self._name} cannot be reached: {why(exc)}") from exc

    async def _done(self, what: Callable[[Client], Coroutine[Any, Any, _T]]) -> _T:
        if self._client is None or self.gone.is_set():
            self._client, self.gone = None, asyncio.Event()
            self._client = await connected(self._server, self._login, self.gone)
        return await what(self._client)

    def close(self) -> None:
        client, self._client = self._client, None
        loop, self._loop = self._loop, None
        if loop is not None:
            if client is not None:
                with suppress(*FAILURES):
                    loop.run(asyncio.wait_for(client.close(), CONNECT_S))
            loop.close()


class NATS(Closing):
    """To a repository whose responder listens on a subject of a NATS server.

    Close it at the end, by a `with` block or `close`.

    Fields:
        name: the URL that it was made with.
    """

    def __init__(
        self, url: str, login: Login | None = None, *, silence_s: float = SILENCE_S, reply_s: float = REPLY_S
    ) -> None:
        """
        Args:
            url: without login and password.
            login: the account at the NATS server; None: none.

        Raises:
            UsageError: it is not a nats URL.
        """
        self.name = url
        self._to: Subject = parse_subject(url)
        self._connected = _Connected(self._to.server, login, url)
        self._silence_s = silence_s
        self._reply_s = reply_s

    def close(self) -> None:
        """Close the connection."""
        self._connected.close()

    @property
    def max_payload(self) -> int:
        """As Bounded has it."""

        async def told(client: Client) -> int:
            return client.max_payload

        return self._connected.do(told)

    def exchange(self, body: Body) -> Body:
        with body:
            headers, octets = headers_of(body), body.octets.read()
        # The library would end the connection.
        if len(octets) > room(most := self.max_payload):
            raise PeerError(
                f"{self.name} takes no message of {len(octets)} bytes: the NATS server has a max_payload of {most}"
            )
        reply = self._connected.do(lambda client: self._reply(client, octets, headers))
        if OURS not in (reply.headers or {}):
            raise PeerError(f"{self.name} is not a repository: another program answers on this subject")
        return body_of(reply.headers or {}, reply.data)

    async def _reply(self, client: Client, octets: bytes, headers: dict[str, str]) -> Msg:
        inbox = client.new_inbox()
        subscribed = await client.subscribe(inbox, pending_msgs_limit=_PENDING)
        lost = asyncio.ensure_future(self._connected.gone.wait())
        clock = asyncio.get_running_loop().time
        end = clock() + self._reply_s
        try:
            await client.publish(self._to.requests, octets, reply=inbox, headers=headers)
            while (left := min(self._silence_s, end - clock())) > 0:
                coming = asyncio.ensure_future(subscribed.next_msg(None))
                await asyncio.wait({coming, lost}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if lost.done() or (coming.done() and coming.exception() is not None):
                    coming.cancel()
                    raise PeerError(f"{self.name} has not answered: {_LOST}")
                if not coming.done():
                    coming.cancel()
                    raise PeerError(f"{self.name} has said nothing for {self._silence_s:.0f} s")
                message = coming.result()
                told = message.headers or {}
                if told.get(_STATUS) == _NO_RESPONDERS:
                    raise PeerError(
                        f"{self.name}: nobody answers on this subject: is the repository served, with --nats?"
                    )
                if WORKING not in told:
                    return message
            raise PeerError(f"{self.name} has not answered within {self._reply_s:.0f} s")
        finally:
            lost.cancel()
            with suppress(*FAILURES):
                await subscribed.unsubscribe()


class Announced:
    """The news of a repository: `woken` is called, by another thread, when something may have changed there.

    Whoever listens to it polls all the same: a message may be lost, and the server may be away.
    """

    def __init__(self, url: str, login: Login | None, woken: Callable[[], None]) -> None:
        """Raises UsageError: it is not a nats URL."""
        self._to = parse_subject(url)
        self._connected = _Connected(self._to.server, login, url)
        self._woken = woken
        self._subscribed: asyncio.Event | None = None  # set at the end of the connection that has subscribed

    def listen(self) -> None:
        """Listen from now on, where that ended or has not begun. Raises PeerError: the server cannot be reached."""
        if self._subscribed is None or self._subscribed.is_set():
            self._connected.do(self._listening)
            self._subscribed = self._connected.gone

    async def _listening(self, client: Client) -> None:
        async def came(_message: Msg) -> None:
            self._woken()

        await client.subscribe(self._to.news, cb=came, pending_msgs_limit=_PENDING)
        await client.flush(CONNECT_S)

    def close(self) -> None:
        """Listen no longer."""
        self._connected.close()
