"""The proxy by which a URL is reached: the environment's, read as curl reads it.

    http_proxy                  for http URLs; not HTTP_PROXY, which is a request header where a CGI program runs us
    https_proxy, HTTPS_PROXY    for https URLs
    all_proxy, ALL_PROXY        for both, where the one above is not set; an empty or blank value counts as not set
    no_proxy, NO_PROXY          hosts that are reached without a proxy, separated by commas or blanks:
                                example.net (and all below it; a leading dot changes nothing), example.net:8080 (that
                                port only; curl passes such an entry over), 192.0.2.1, 2001:db8::1, 192.0.2.0/24;
                                a single * means every host

    value: [http://|https://][LOGIN:PASSWORD@]HOST[:PORT]    port 1080 by default, 443 with https

Source: curl 7.88, lib/url.c detect_proxy() and parse_proxy(), lib/noproxy.c Curl_check_noproxy().
"""

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from xferzone.errors import UsageError
from xferzone.transport.url import shown_url

_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "http": ("http_proxy", "all_proxy", "ALL_PROXY"),
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
}
_EXCEPTIONS: Final = ("no_proxy", "NO_PROXY")
_PORTS: Final[Mapping[str, int]] = {"http": 1080, "https": 443}  # curl's defaults
_URL_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and the variable that names it.

    Fields:
        url: without a login.
        login: the value of Proxy-Authorization (RFC 7617); None: the variable holds no login.
    """

    variable: str
    url: str
    login: str | None

    def __str__(self) -> str:
        return f"the proxy {self.url} (from {self.variable})"


def proxy_for(url: SplitResult, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for an http or https URL; None: its host is reached directly.

    Raises:
        UsageError: the environment names a proxy that cannot be used.
    """
    variable = next((name for name in _VARIABLES[url.scheme] if environ.get(name, "").strip()), None)
    exceptions = next((environ[name] for name in _EXCEPTIONS if environ.get(name)), "")
    if variable is None or _is_exception(url, exceptions):
        return None
    return _parsed(variable, environ[variable].strip())


def _parsed(variable: str, value: str) -> Proxy:
    written = value if "://" in value else f"http://{value}"
    shown = shown_url(written)
    try:
        parts = urlsplit(written)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        # The error itself is not quoted: it may hold a part of the password.
        raise UsageError(f"{variable}={shown!r} is not a proxy's URL: give http://HOST:PORT") from exc
    if parts.scheme.startswith("socks"):
        raise UsageError(
            f"{variable} names the SOCKS proxy {shown}, and xferzone speaks to HTTP proxies only: set {variable} to "
            f"http://HOST:PORT, or list this host in no_proxy"
        )
    if parts.scheme not in _PORTS or not host:
        raise UsageError(f"{variable}={shown!r} is not an http or https proxy: give http://HOST:PORT")
    place = f"[{host}]" if ":" in host else host
    return Proxy(variable, f"{parts.scheme}://{place}:{port or _PORTS[parts.scheme]}", _login(parts))


def _login(parts: SplitResult) -> str | None:
    userinfo, at, _ = parts.netloc.rpartition("@")
    if not at:
        return None
    login, _, password = userinfo.partition(":")
    pair = unquote_to_bytes(login) + b":" + unquote_to_bytes(password)
    return f"Basic {base64.b64encode(pair).decode('ascii')}"


def _is_exception(url: SplitResult, exceptions: str) -> bool:
    if exceptions.strip() == "*":
        return True
    host = (url.hostname or "").rstrip(".")
    port = url.port or _URL_PORTS[url.scheme]
    return any(_fits(entry, host, port) for entry in re.split(r"[\s,]+", exceptions.lower()) if entry)


def _fits(entry: str, host: str, port: int) -> bool:
    address = _address(host)
    if address is not None and "/" in entry:
        network = _network(entry)
        return network is not None and address.version == network.version and address in network
    if (stated := re.fullmatch(r"(\[.*\]|[^:]*):(\d+)", entry)) is not None:
        entry, wanted = stated[1], int(stated[2])
        if wanted != port:
            return False
    if address is not None:
        return address == _address(entry.strip("[]"))
    name = entry.strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
