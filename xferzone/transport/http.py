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
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

import xferzone
from xferzone.errors import PeerError, UsageError

MAX_REPLY: Final = (
    80 * 1024 * 1024
)  # bytes on the wire: stock's budget of 5 MB, and one artifact may overshoot
MAX_REDIRECTS: Final = 10
_STEP: Final = 1024 * 1024  # bytes read at a time
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


class Transport(Protocol):
    """A way to one other repository."""

    @property
    def name(self) -> str:
        """Where it leads, for messages; without a password."""

    def exchange(self, content_type: str, octets: bytes) -> tuple[str, bytes]:
        """Content type and octets of the answer. Raises PeerError: there was none to be had."""


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

    def exchange(self, content_type: str, octets: bytes) -> tuple[str, bytes]:
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

    def _taken(self, response: urllib3.BaseHTTPResponse) -> tuple[str, bytes]:
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
        return content_type, self._read(response)

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        deadline = self._clock() + self._patience.reply
        kept = BytesIO()
        while octets := self._piece(response, _STEP):
            kept.write(octets)
            if kept.tell() > MAX_REPLY:
                raise PeerError(f"{self.name} sends over {MAX_REPLY} bytes in one reply")
            if self._clock() > deadline:
                raise PeerError(f"{self.name} is still sending after {self._patience.reply:.0f} s")
        # Http.client takes a head that is cut off for a whole one, and a push must not count as done by that.
        if not kept.tell() and not {"Content-Length", "Transfer-Encoding"} & {
            *map(str.title, response.headers)
        }:
            raise PeerError(f"{self.name} broke off its reply: nothing came, and no word that this is all")
        return kept.getvalue()

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


def parse_url(url: str) -> SplitResult:
    """The parts of an http or https URL.

    Raises:
        UsageError: it is none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        # Not what exactly is wrong: that may quote a part of the password.
        raise UsageError(
            f"{shown_url(url)!r} is no URL: / ? # and @ in a login or password are written %2F %3F %23 and %40"
        ) from exc
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(
            f"{shown_url(url)!r} is no http or https URL: give one, such as https://dns.example.net/"
        )
    return parts


def shown_url(text: str) -> str:
    """What may be a URL, without what may be a login and password in it."""
    scheme, colons, rest = text.partition("://")
    if not colons:
        scheme, rest = "", text
    return f"{scheme}{colons}{rest.rpartition('@')[2]}"


def credentials(url: str) -> tuple[str, str | None, str | None]:
    """The URL without its password and login, the login, and the password; None: the URL has none.

    Raises:
        UsageError: it is no URL.
    """
    parts = parse_url(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return (
        bare.geturl(),
        None if parts.username is None else unquote(parts.username, errors="surrogateescape"),
        None if parts.password is None else unquote(parts.password, errors="surrogateescape"),
    )


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
