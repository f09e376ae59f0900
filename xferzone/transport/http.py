"""A repository behind an http or https URL.

    http://HOST/PATH   one POST a request to just that path; nothing is appended to it, as stock does
    https://...        the same; certificates are checked by the system's authorities, or those of SSL_CERT_FILE

proxies.py says which proxy is used. Redirects are followed, never from https to http, and, unlike stock's, not to
another host where requests carry a login: a host that gets such a request can send it on to the right one. 301 and
308 hold for the rest of the session, 302 and 307 for one request; 303 would make a GET of it, and is refused.

Stock closes each connection after its reply, and so do we, unless the server is of our own kind: a reply of it says
so by the header X-Xferzone.
Source: Fossil 2.21, src/http.c http_exchange().
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Final
from urllib.parse import urljoin, urlsplit

import urllib3

import xferzone
from xferzone.errors import Denied, PeerError
from xferzone.transport.base import OURS, PLAIN, ZSTD, Body, Closing
from xferzone.transport.connections import Connections, failure, has_no_reply, piece, refusal, target
from xferzone.transport.proxies import Proxy
from xferzone.transport.url import parse_url

MAX_REPLY: Final = (
    80 * 1024 * 1024
)  # bytes on the wire: stock's budget of 5 MB, and one artifact may overshoot
MAX_REDIRECTS: Final = 10
_STEP: Final = 1024 * 1024  # bytes read at a time
_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes of a reply; a larger one lies in a file without a name
_PERMANENT: Final = frozenset({301, 308})
_REDIRECTS: Final = _PERMANENT | {302, 307}
_SEE_OTHER: Final = 303
_PROXY_LOGIN: Final = 407
_NOT_LET_IN: Final = frozenset({401, 403})  # Fossil's own logins are cards; stock uses neither status
_SHOWN: Final = 200  # characters of a foreign reply
_NO_LOGIN: Final = "another host, and a login is not sent there: give its URL if it is right"


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


class HTTP(Closing):
    """To a repository behind an http or https URL.

    Close it at the end, by a `with` block or `close`: a connection may be open.

    Fields:
        name: the URL that it was made with.
        moved_to: the URL to which permanent redirects have led, without a login; None: there was none.
    """

    def __init__(
        self,
        url: str,
        *,
        with_login: bool = False,
        is_ours: bool = False,
        patience: Patience = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            url: without login and password.
            with_login: requests carry a login.
            is_ours: the server was of our own kind last time.

        Raises:
            UsageError: it is not a URL.
        """
        parse_url(url)
        self.name = url
        self.moved_to: str | None = None
        self._with_login = with_login
        self._patience = patience
        self._clock = clock
        self._connections = Connections(os.environ)
        self._keeps_open = is_ours
        self._was_used = False  # a connection may be left from the last request

    def close(self) -> None:
        """Close the connection that may have been kept open."""
        self._connections.close()
        self._was_used = False

    def exchange(self, body: Body) -> Body:
        with body:
            headers = {"Content-Type": body.content_type}
            if body.coding != PLAIN:
                headers["Content-Encoding"] = body.coding
            if body.takes_zstd:
                headers["Accept-Encoding"] = ZSTD
            return self._followed("POST", self._url, body.octets.read(), headers)

    def get(self, path: str) -> Body:
        """The reply to a GET of `path`, which is relative to the URL. Raises PeerError: no reply came."""
        return self._followed("GET", urljoin(self._url, path), None, {})

    @property
    def _url(self) -> str:
        return self.moved_to or self.name

    def _followed(self, method: str, url: str, octets: bytes | None, headers: Mapping[str, str]) -> Body:
        """The reply to a request, after redirects; those of a GET are not remembered."""
        is_lasting = method == "POST"
        was_open = False
        try:
            for _ in range(MAX_REDIRECTS):
                response, proxy = self._ask(method, url, octets, headers)
                with response:
                    if response.status not in _REDIRECTS:
                        self._check(response, proxy, is_xfer=method == "POST")
                        coding = self._coding(response, headers)
                        content_type = response.headers.get("Content-Type", "")
                        reply = Body(content_type, self._read(response), coding)
                        was_open = self._keeps_open = OURS in response.headers
                        return reply
                    url = target(self.name, url, response, _NO_LOGIN if self._with_login else "")
                    is_lasting = is_lasting and response.status in _PERMANENT
                    if is_lasting:
                        self.moved_to = url
            raise PeerError(f"{self.name} redirects over {MAX_REDIRECTS} times")
        finally:
            # Another server may close a connection without announcing it: each request has its own.
            if not was_open:
                self._connections.close()
            self._was_used = was_open

    def _ask(
        self, method: str, url: str, octets: bytes | None, headers: Mapping[str, str]
    ) -> tuple[urllib3.BaseHTTPResponse, Proxy | None]:
        """The head of the reply, and the proxy that was asked; None: no proxy was."""
        proxy = self._connections.proxy(urlsplit(url))
        headers = {"User-Agent": f"xferzone/{xferzone.__version__}", **headers}
        if not self._keeps_open:
            headers["Connection"] = "close"
        try:
            return self._sent(proxy, method, url, octets, headers), proxy
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            if not (self._was_used and has_no_reply(exc)):
                raise failure(self.name, proxy, exc) from exc
        # The server closed the connection that was kept open, as it may at any time. Requests are safe to repeat.
        self.close()
        try:
            return self._sent(proxy, method, url, octets, headers), proxy
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise failure(self.name, proxy, exc) from exc

    def _sent(
        self, proxy: Proxy | None, method: str, url: str, octets: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        return self._connections.pool(proxy).request(
            method,
            url,
            body=octets,
            headers=headers,
            timeout=urllib3.Timeout(connect=self._patience.connect, read=self._patience.silence),
            redirect=False,
            retries=False,
            preload_content=False,
        )

    def _check(self, response: urllib3.BaseHTTPResponse, proxy: Proxy | None, *, is_xfer: bool) -> None:
        """Raise XferzoneError unless it is the reply of a repository."""
        content_type = response.headers.get("Content-Type", "")
        status = f"{response.status} {response.reason}"
        if proxy is not None and response.status == _PROXY_LOGIN:
            raise refusal(self.name, proxy, status)
        if response.status == _SEE_OTHER:
            where = response.headers.get("Location", "nowhere")[:_SHOWN]
            raise PeerError(
                f"{self.name} answers {status} and names {where!r}: that is for browsers, give the repository's own URL"
            )
        if response.status != 200:
            by = "" if proxy is None else f", through {proxy}"
            if proxy is None and response.status in _NOT_LET_IN:
                raise Denied(
                    f"{self.name} answers {status}{self._beginning(response)}: a server before the repository wants a "
                    "login of its own, or an address that it knows; its administrator can open this path"
                )
            raise PeerError(f"{self.name} answers {status}{by}{self._beginning(response)}")
        if is_xfer and content_type and not content_type.strip().lower().startswith("application/x-fossil"):
            raise PeerError(
                f"{self.name} is not a Fossil repository: it answers with {content_type}{self._beginning(response)}"
            )

    def _coding(self, response: urllib3.BaseHTTPResponse, asked: Mapping[str, str]) -> str:
        """The coding of the reply to a request with the headers `asked`."""
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.strip().lower() == "identity":
            return PLAIN
        if coding.strip().lower() == asked.get("Accept-Encoding"):
            return ZSTD
        raise PeerError(
            f"{self.name} answers in {coding}, which it was not asked for: is there a proxy in between?"
        )

    def _read(self, response: urllib3.BaseHTTPResponse) -> IO[bytes]:
        with ExitStack() as on_failure:
            kept = on_failure.enter_context(SpooledTemporaryFile(_IN_MEMORY))
            self._fill(kept, response)
            kept.seek(0)
            on_failure.pop_all()
        return kept

    def _fill(self, kept: IO[bytes], response: urllib3.BaseHTTPResponse) -> None:
        deadline = self._clock() + self._patience.reply
        while octets := piece(self.name, response, _STEP):
            kept.write(octets)
            if kept.tell() > MAX_REPLY:
                raise PeerError(f"{self.name} sends over {MAX_REPLY} bytes in one reply")
            if self._clock() > deadline:
                raise PeerError(f"{self.name} is still sending after {self._patience.reply:.0f} s")
        # http.client takes a head that is cut off for a whole one; a push must not count as done then.
        if not kept.tell() and not {"Content-Length", "Transfer-Encoding"} & {
            *map(str.title, response.headers)
        }:
            raise PeerError(
                f"{self.name} broke off its reply: it is empty, and no length says that it is whole"
            )

    def _beginning(self, response: urllib3.BaseHTTPResponse) -> str:
        """The beginning of a foreign reply, as part of a message."""
        text = " ".join(piece(self.name, response, _SHOWN).decode("utf-8", "replace").split())
        return f": {text}" if text else ""
