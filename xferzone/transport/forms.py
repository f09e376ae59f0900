"""Forms that a server of ours takes from people about accounts of their own: web/owners.py at the other end.

    https://HOST/dns   ─> POST https://HOST/dns/login, or /invite

What goes is a password in clear, so it goes over TLS, or to this machine. Redirects are not followed.
"""

import ipaddress
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import urllib3

import xferzone
from xferzone.errors import Busy, Denied, Exists, PeerError, UsageError, XferzoneError
from xferzone.transport.base import OURS
from xferzone.transport.connections import Connections, failure, piece, refusal
from xferzone.transport.url import is_nats, parse_url

CONNECT_S: Final = 15.0  # seconds
ANSWER_S: Final = 60.0  # seconds; a group's keys may be waited for
MAX_SAID: Final = 1_000  # bytes of a reply that are shown

_ERRORS: Final[Mapping[int, type[XferzoneError]]] = {
    400: UsageError,
    403: Denied,
    409: Exists,
    429: Busy,
    503: Busy,
}
_PROXY_LOGIN: Final = 407


def post(url: str, page: str, fields: Mapping[str, str]) -> str:
    """What the server says it has done.

    Args:
        url: of the repository, without login and password.
        page: "login" or "invite".

    Raises:
        UsageError: the URL is not one over which a password goes, or the server does not take the form so.
        Denied, Exists, Busy: the server's words.
        PeerError: it gave no answer, or is not one of ours.
    """
    if is_nats(url):
        raise UsageError(f"{url}: this goes over HTTP alone: give the https URL of the repository")
    parts = parse_url(url)
    if parts.scheme != "https" and not _is_here(parts.hostname or ""):
        raise UsageError(
            f"{url}: a password in clear goes over TLS alone: give the https URL of the repository"
        )
    to = parts._replace(path=f"{parts.path.rstrip('/')}/{page}", query="", fragment="").geturl()
    connections = Connections(os.environ)
    proxy = connections.proxy(urlsplit(to))
    try:
        with _asked(connections.pool(proxy), to, urlencode(fields)) as response:
            if proxy is not None and response.status == _PROXY_LOGIN:
                raise refusal(url, proxy, f"{response.status} {response.reason}")
            return _said(url, response)
    except (urllib3.exceptions.HTTPError, OSError) as exc:
        raise failure(url, proxy, exc) from exc
    finally:
        connections.close()


def _asked(pool: urllib3.PoolManager, to: str, body: str) -> urllib3.BaseHTTPResponse:
    headers = {
        "User-Agent": f"xferzone/{xferzone.__version__}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Connection": "close",
    }
    return pool.request(
        "POST",
        to,
        body=body,
        headers=headers,
        timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S),
        redirect=False,
        retries=False,
        preload_content=False,
    )


def _said(url: str, response: urllib3.BaseHTTPResponse) -> str:
    """The words of a reply that says that it is done. Raises as `post`."""
    said = " ".join(piece(url, response, MAX_SAID).decode("utf-8", "replace").split())
    if OURS not in response.headers:
        raise PeerError(
            f"{url} answers {response.status} {response.reason}, and is not a server of xferzone: "
            "on stock's, people change their passwords with a browser, at /login"
        )
    if response.status == 200:
        return said
    raise _ERRORS.get(response.status, PeerError)(f"{url}: {said or response.reason}")


def _is_here(host: str) -> bool:
    """Whether that is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
