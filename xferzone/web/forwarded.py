"""The client behind a proxy: WSGI middleware that believes the proxies it was told to trust, and no others.

    peer 10.0.0.1 (trusted), X-Forwarded-For: 198.51.100.7, 203.0.113.9, 10.0.0.2     the client is 203.0.113.9
    peer 192.0.2.1 (not trusted), whatever its headers say                            the client is 192.0.2.1

From the right, the first address that is not trusted is the client: what stands left of it is only its own word.
REMOTE_ADDR becomes the client's address, wsgi.url_scheme what X-Forwarded-Proto says. A peer on a UNIX socket, which
has no address, is trusted: only this machine reaches it.

Source: nginx, ngx_http_realip_module (real_ip_recursive on).
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xferzone.config import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_Host = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forwarded:
    """`app`, which is told the client's address and scheme as the `trusted` proxies know them."""

    def __init__(self, app: "WSGIApplication", trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        peer = _host(environ.get("REMOTE_ADDR", ""))
        if peer is None or self._trusts(peer):
            client = self._client(environ.get("HTTP_X_FORWARDED_FOR", ""))
            if client is not None:
                environ["REMOTE_ADDR"] = str(client)
                environ.pop("REMOTE_PORT", None)  # the proxy's
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").strip().lower()
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        return self._app(environ, start_response)

    def _client(self, forwarded_for: str) -> _Host | None:
        """The address of the client; None: the header names none."""
        client = None
        for text in reversed(forwarded_for.split(",")):
            host = _host(text.strip())
            if host is None:
                break
            client = host
            if not self._trusts(host):
                break
        return client

    def _trusts(self, host: _Host) -> bool:
        return any(host in network for network in self._trusted)


def _host(text: str) -> _Host | None:
    try:
        host = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (host.version == 6 and host.ipv4_mapped) or host
