"""The walk over HTTP: requests to a repository behind an http or https URL, over connections that are kept open.

    https://HOST/dns   ─> https://HOST/dns/v0/...     what the URL of the repository is, then the request's target

proxies.py says which proxy is used. Redirects are followed within the same host only, never from https to http:
requests carry a signature over the host, and a replay elsewhere must not work. Bodies are read in pieces, as they come.
"""

import os
import time
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import urllib3

import xferzone
from xferzone.errors import PeerError
from xferzone.transport.base import Closing
from xferzone.transport.connections import Connections, failure, has_no_reply, piece, refusal, target
from xferzone.transport.http import MAX_REDIRECTS, Patience
from xferzone.transport.proxies import Proxy
from xferzone.transport.url import parse_url
from xferzone.transport.walk import WalkReply, WalkRequest

SILENCE_S: Final = 30  # seconds; longer than the 25 for which a server is asked to hold a request
PATIENCE: Final = Patience(silence=SILENCE_S)
_STEP: Final = 256 * 1024  # bytes read at a time
_ANOTHER: Final = "another host: give its URL if it is right"
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
_EMPTY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class WalkHTTP(Closing):
    """To the walk of a repository behind an http or https URL.

    Close it at the end, by a `with` block or `close`: a connection is kept open.

    Fields:
        name: the URL that it was made with.
        host: its host, with its port unless that is the scheme's own.
    """

    def __init__(
        self, url: str, *, patience: Patience = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`url`: without login and password. Raises UsageError: it is not a URL."""
        parts = parse_url(url)
        host = parts.hostname or ""
        place = f"[{host}]" if ":" in host else host
        is_plain = parts.port is None or parts.port == _PORTS[parts.scheme]
        self.name = url
        self.host = place if is_plain else f"{place}:{parts.port}"
        self._base = parts._replace(path=parts.path.rstrip("/"), query="", fragment="").geturl()
        self._patience = patience
        self._clock = clock
        self._connections = Connections(os.environ)
        self._was_used = False  # a connection may be left from the last request

    def close(self) -> None:
        """Close the connection that may have been kept open."""
        self._connections.close()
        self._was_used = False

    def ask(self, request: WalkRequest) -> WalkReply:
        url = self._base + request.target
        for _ in range(MAX_REDIRECTS):
            response = self._asked(url, request)
            if response.status not in _REDIRECTS:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return WalkReply(response.status, headers, self._body(response, request.method))
            with response:
                url = target(self.name, url, response, _ANOTHER)
            self._connections.close()
        raise PeerError(f"{self.name} redirects over {MAX_REDIRECTS} times")

    def _asked(self, url: str, request: WalkRequest) -> urllib3.BaseHTTPResponse:
        """The head of the reply."""
        proxy = self._connections.proxy(urlsplit(url))
        try:
            response = self._sent(proxy, url, request)
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            if not (self._was_used and has_no_reply(exc)):
                raise failure(self.name, proxy, exc) from exc
            # The server closed the connection that was kept open, as it may at any time. Requests only read.
            self.close()
            try:
                response = self._sent(proxy, url, request)
            except (urllib3.exceptions.HTTPError, OSError) as again:
                raise failure(self.name, proxy, again) from again
        self._was_used = True
        if proxy is not None and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            response.close()
            raise refusal(self.name, proxy, f"{response.status} {response.reason}")
        return response

    def _sent(self, proxy: Proxy | None, url: str, request: WalkRequest) -> urllib3.BaseHTTPResponse:
        agent = {"User-Agent": f"xferzone/{xferzone.__version__}"}
        # Without an Accept-Encoding of its own, urllib3 would send "identity".
        return self._connections.pool(proxy).request(
            request.method,
            url,
            body=request.body or None,
            headers=agent | dict(request.headers),
            timeout=urllib3.Timeout(connect=self._patience.connect, read=self._patience.silence),
            redirect=False,
            retries=False,
            preload_content=False,
        )

    def _body(self, response: urllib3.BaseHTTPResponse, method: str) -> Generator[bytes, None, None]:
        deadline = self._clock() + self._patience.reply
        is_whole, came = False, False
        try:
            while octets := piece(self.name, response, _STEP):
                came = True
                yield octets
                if self._clock() > deadline:
                    raise PeerError(f"{self.name} is still sending after {self._patience.reply:.0f} s")
            # http.client takes a head that is cut off for a whole one.
            stated = {"Content-Length", "Transfer-Encoding"} & {*map(str.title, response.headers)}
            if not (came or stated or method == "HEAD" or response.status in _EMPTY):
                raise PeerError(
                    f"{self.name} broke off its reply: it is empty, and no length says that it is whole"
                )
            is_whole = True
        finally:
            if is_whole:
                response.release_conn()
            else:
                response.close()
