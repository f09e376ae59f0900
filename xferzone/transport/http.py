"""How a request reaches another repository: octets and their content type go, others come back.

    http://HOST/PATH   one POST a request to just that path; nothing is appended to it, as stock does
    https://...        the same; certificates are checked by the system's authorities, or SSL_CERT_FILE

HTTP_PROXY, HTTPS_PROXY and NO_PROXY count. Redirects are followed, never from https to http, and, unlike stock's, not
to another host where requests carry a login: whoever gets one can send it again, to where it was meant for.
Source: spec xfer 1; Fossil 2.21, src/http.c http_exchange().
"""

import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Final
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

import xferzone
from xferzone.errors import PeerError, UsageError
from xferzone.transport.base import Body
from xferzone.transport.url import parse_url

MAX_REPLY: Final = (
    80 * 1024 * 1024
)  # bytes on the wire: stock's budget of 5 MB, and one artifact may overshoot
MAX_REDIRECTS: Final = 10
_STEP: Final = 1024 * 1024  # bytes read at a time
_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes of a reply; a larger one lies in a file without a name
_REDIRECTS: Final = frozenset({301, 302, 307, 308})  # 303 would make a GET of it
_SHOWN: Final = 200  # characters of a foreign reply


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for, in seconds.

    Fields:
        silence: between two pieces of what it sends; a push of 10,000 zones lets stock or us think for over a minute.
        reply: until a reply has come to its end.
    """

    connect: float = 15
    silence: float = 300
    reply: float = 900


PATIENCE: Final = Patience()


class HTTP:
    """To a repository behind an http or https URL."""

    def __init__(
        self,
        url: str,
        *,
        with_login: bool = False,
        patience: Patience = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` without login and password; `with_login`: requests carry one. Raises UsageError: no such URL."""
        self._pool = _pool(parse_url(url))
        self.name = url
        self._url = url  # where it has moved to, after a redirect
        self._with_login = with_login
        self._patience = patience
        self._clock = clock
        self._headers = {"User-Agent": f"xferzone/{xferzone.__version__}", "Connection": "close"}

    def exchange(self, body: Body) -> Body:
        with body:
            content_type, octets = body.content_type, body.octets.read()
        url = self._url
        try:
            for _ in range(MAX_REDIRECTS):
                response = self._post(url, content_type, octets)
                with response:
                    if response.status not in _REDIRECTS:
                        self._url = url
                        return self._taken(response)
                    url = self._moved(url, response.headers.get("Location", ""))
            raise PeerError(f"{self.name} redirects over {MAX_REDIRECTS} times")
        finally:
            # A server may close a connection without having said that it will: each request has its own.
            self._pool.clear()

    def _post(self, url: str, content_type: str, octets: bytes) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                "POST",
                url,
                body=octets,
                headers=self._headers | {"Content-Type": content_type},
                timeout=urllib3.Timeout(connect=self._patience.connect, read=self._patience.silence),
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise PeerError(f"{self.name} cannot be reached: {_reason(exc)}") from exc

    def _taken(self, response: urllib3.BaseHTTPResponse) -> Body:
        content_type = response.headers.get("Content-Type", "")
        if response.status != 200:
            raise PeerError(
                f"{self.name} answers {response.status} {response.reason}{self._beginning(response)}"
            )
        if content_type and not content_type.strip().lower().startswith("application/x-fossil"):
            raise PeerError(
                f"{self.name} is no Fossil repository, it answers with {content_type}{self._beginning(response)}"
            )
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.strip().lower() != "identity":
            raise PeerError(
                f"{self.name} answers in {coding}, which it was not asked for: is a proxy between?"
            )
        return Body(content_type, self._read(response))

    def _read(self, response: urllib3.BaseHTTPResponse) -> IO[bytes]:
        with ExitStack() as on_failure:
            kept = on_failure.enter_context(SpooledTemporaryFile(_IN_MEMORY))
            self._fill(kept, response)
            kept.seek(0)
            on_failure.pop_all()
        return kept

    def _fill(self, kept: IO[bytes], response: urllib3.BaseHTTPResponse) -> None:
        deadline = self._clock() + self._patience.reply
        while octets := self._piece(response, _STEP):
            kept.write(octets)
            if kept.tell() > MAX_REPLY:
                raise PeerError(f"{self.name} sends over {MAX_REPLY} bytes in one reply")
            if self._clock() > deadline:
                raise PeerError(f"{self.name} is still sending after {self._patience.reply:.0f} s")
        # http.client takes a head that is cut off for a whole one, and a push must not count as done by that.
        if not kept.tell() and not {"Content-Length", "Transfer-Encoding"} & {
            *map(str.title, response.headers)
        }:
            raise PeerError(f"{self.name} broke off its reply: nothing came, and no word that this is all")

    def _beginning(self, response: urllib3.BaseHTTPResponse) -> str:
        """The beginning of a foreign reply, as part of a message."""
        text = " ".join(self._piece(response, _SHOWN).decode("utf-8", "replace").split())
        return f": {text}" if text else ""

    def _piece(self, response: urllib3.BaseHTTPResponse, size: int) -> bytes:
        """What has come, at most `size` bytes; empty at the end."""
        try:
            return response.read1(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise PeerError(f"{self.name} broke off its reply: {_reason(exc)}") from exc

    def _moved(self, url: str, location: str) -> str:
        shown = f"{self.name} redirects to {location[:_SHOWN]!r}"
        try:
            moved = urljoin(url, location)
            there = parse_url(moved)
        except (UsageError, ValueError) as exc:
            raise PeerError(f"{shown}: {exc}") from exc
        here = urlsplit(url)
        if here.scheme == "https" and there.scheme != "https":
            raise PeerError(f"{shown}, where nothing is encrypted")
        if self._with_login and here.hostname != there.hostname:
            raise PeerError(
                f"{shown}, another host, which gets no login from here: give its URL if it is right"
            )
        return moved


def _pool(parts: SplitResult) -> urllib3.PoolManager:
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy)
    return urllib3.PoolManager()


def _reason(exc: BaseException) -> str:
    """What the system says, where it says something: urllib3 wraps that in names of its own objects."""
    cause: BaseException | None = exc
    while cause is not None and not (isinstance(cause, OSError) and cause.strerror):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS: does it speak plain http?"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if isinstance(exc, urllib3.exceptions.ProtocolError):
        return "it closed the connection without an answer"
    return "no answer in time" if isinstance(exc, urllib3.exceptions.TimeoutError) else str(exc)
