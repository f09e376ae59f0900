"""urllib3's connections as a session needs them, and what to call it when one fails.

one pool of connections for each proxy, and one without; an idle one that the server has closed is replaced
1xx replies before the real one are skipped: http.client skips 100 only (RFC 9110, section 15.2)
"""

import http.client
import logging
import os
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3

from xferzone.errors import PeerError, UsageError
from xferzone.transport.proxies import Proxy, proxy_for
from xferzone.transport.url import parse_url

# urllib3 warns of headers that a peer malformed, with a traceback. What a peer does is told by the error that follows.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

MAX_INTERIM: Final = 100  # 1xx replies before the real one; ours
_TUNNEL_FAILED: Final = "Tunnel connection failed: "  # how http.client reports what a proxy says to CONNECT

# X509_V_ERR_*, x509_vfy.h of OpenSSL: nobody that we trust vouches for the certificate.
_UNTRUSTED: Final = frozenset({2, 18, 19, 20, 21})
_WRONG_TIME: Final = frozenset({9, 10})  # not yet valid, expired
_WRONG_HOST: Final = frozenset({62, 64})

_SHOWN: Final = 200  # characters of a Location


class Connections:
    """The connections of one session.

    Args:
        environ: names proxies.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._pools: dict[Proxy | None, urllib3.PoolManager] = {}

    def proxy(self, url: SplitResult) -> Proxy | None:
        """The proxy by which `url` is reached; None: there is none. Raises UsageError: it cannot be used."""
        return proxy_for(url, self._environ)

    def pool(self, proxy: Proxy | None) -> urllib3.PoolManager:
        """Connections by `proxy`."""
        if proxy not in self._pools:
            self._pools[proxy] = _pool(proxy)
        return self._pools[proxy]

    def close(self) -> None:
        """Close those that are idle."""
        for pool in self._pools.values():
            pool.clear()


def _pool(proxy: Proxy | None) -> urllib3.PoolManager:
    if proxy is None:
        pool = urllib3.PoolManager()
    else:
        login = None if proxy.login is None else {"Proxy-Authorization": proxy.login}
        pool = urllib3.ProxyManager(proxy.url, proxy_headers=login)
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _TLSPool}
    return pool


class _Response(http.client.HTTPResponse):
    """A reply whose head is not one of the 1xx kind."""

    def begin(self) -> None:
        super().begin()
        interim = 0
        # 101 is an answer of its own: a switch to another protocol, which we never ask for.
        while 100 < self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            interim += 1
            if interim > MAX_INTERIM:
                raise urllib3.exceptions.HTTPError(f"over {MAX_INTERIM} replies of the 1xx kind")
            self.headers = None  # type: ignore[assignment]  # so `begin` reads the next head; typeshed omits None
            super().begin()


class _PlainConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _TLSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


def failure(name: str, proxy: Proxy | None, exc: Exception) -> PeerError:
    """The error for a request to `name` that had no reply because of `exc`."""
    if proxy is not None:
        for cause in _causes(exc):
            if str(cause).startswith(_TUNNEL_FAILED):
                return refusal(name, proxy, str(cause).removeprefix(_TUNNEL_FAILED))
        failed = exc.original_error if isinstance(exc, urllib3.exceptions.ProxyError) else None
        # urllib3 also calls it a ProxyError when a proxy that was reached for an http URL hangs up.
        if failed is not None and not isinstance(failed, http.client.HTTPException):
            return PeerError(f"{proxy} cannot be reached: {reason(failed)}")
        return PeerError(f"{name} cannot be reached through {proxy}: {reason(exc)}")
    return PeerError(f"{name} cannot be reached: {reason(exc)}")


def refusal(name: str, proxy: Proxy, answer: str) -> PeerError:
    """The error for a proxy that gives this `answer`, a status, in the place of a reply from `name`."""
    text = f"{proxy} does not pass on a request to {name}: {answer}"
    if answer.startswith("407"):
        host = proxy.url.partition("://")[2]
        wrong = "its login and password are wrong" if proxy.login else "it asks for a login and password"
        text += f": {wrong}, set {proxy.variable} to http://LOGIN:PASSWORD@{host}"
    return PeerError(text)


def reason(exc: BaseException) -> str:
    """The system's words, where it has any: urllib3 wraps them in names of its own objects."""
    said = next((each for each in _causes(exc) if isinstance(each, OSError) and each.strerror), None)
    if isinstance(said, ssl.SSLCertVerificationError):
        return _refused_certificate(said)
    if isinstance(said, ssl.SSLError) and said.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS: does it speak plain http?"
    if said is not None:
        return str(said.strerror)
    if any(
        isinstance(each, urllib3.exceptions.ProtocolError | http.client.HTTPException)
        for each in _causes(exc)
    ):
        return "it closed the connection without an answer"
    return "no answer in time" if isinstance(exc, urllib3.exceptions.TimeoutError) else str(exc)


def piece(name: str, response: urllib3.BaseHTTPResponse, size: int) -> bytes:
    """What has come of the body, at most `size` bytes; empty at the end. Raises PeerError: it is broken off."""
    try:
        return response.read1(size, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as exc:
        raise PeerError(f"{name} broke off its reply: {reason(exc)}") from exc


def target(name: str, url: str, response: urllib3.BaseHTTPResponse, another_host: str) -> str:
    """Where a redirect from `url` leads, without a login.

    `another_host`: what is said of one that leads to another host, which is refused then; empty: it is followed.

    Raises:
        PeerError: it is not to be followed.
    """
    location = response.headers.get("Location", "").strip()
    if not location:
        raise PeerError(
            f"{name} answers {response.status} {response.reason} without saying where to: it has no Location"
        )
    shown = f"{name} redirects to {location[:_SHOWN]!r}"
    try:
        found = parse_url(urljoin(url, location))
    except (UsageError, ValueError) as exc:
        raise PeerError(f"{shown}: {exc}") from exc
    here = urlsplit(url)
    if here.scheme == "https" and found.scheme != "https":
        raise PeerError(f"{shown}, where nothing is encrypted")
    if another_host and here.hostname != found.hostname:
        raise PeerError(f"{shown}, {another_host}")
    return found._replace(netloc=found.netloc.rpartition("@")[2], fragment="").geturl()


def has_no_reply(exc: BaseException) -> bool:
    """Whether the server closed the connection before anything of a reply came."""
    kinds = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
    return any(isinstance(cause, kinds) for cause in _causes(exc))


def _refused_certificate(exc: ssl.SSLCertVerificationError) -> str:
    words = exc.verify_message.rstrip(".")
    file = os.environ.get("SSL_CERT_FILE")
    if exc.verify_code in _WRONG_TIME:
        remedy = "the server needs a new one, or the clock here is wrong; SSL_CERT_FILE cannot help"
    elif exc.verify_code in _WRONG_HOST:
        remedy = "give the URL with a name that the certificate has; SSL_CERT_FILE cannot help"
    elif exc.verify_code not in _UNTRUSTED:
        remedy = "SSL_CERT_FILE may name a file of other authorities"
    elif not file:
        remedy = "if you trust it, set SSL_CERT_FILE to a file that holds it or its authority"
    elif os.access(file, os.R_OK):
        remedy = f"SSL_CERT_FILE={file} has neither it nor its authority"
    else:
        remedy = f"SSL_CERT_FILE={file} cannot be read"
    return f"its certificate is refused: {words}: {remedy}"


def _causes(exc: BaseException) -> list[BaseException]:
    """`exc` and what it came from, outermost first."""
    chain: list[BaseException] = []
    cause: BaseException | None = exc
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return chain
