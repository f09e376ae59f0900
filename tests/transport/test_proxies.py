"""Proxies named in the environment: which one is taken, as curl takes it, and what is said when it fails."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.live import free_port, within
from tests.transport.servers import BODY, REPLY, answering, asked, says, self_signed, status, tls_server
from xferzone.errors import PeerError, UsageError
from xferzone.transport.http import HTTP
from xferzone.transport.proxies import proxy_for

PLAIN, SECURE = "http://dns.example.net/x", "https://dns.example.net/x"
ANN = "Basic YW5uOnB3"  # ann:pw


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


#: The environment, the URL, and the proxy for it: its URL, and its login.
TAKEN: dict[str, tuple[Mapping[str, str], str, tuple[str, str | None] | None]] = {
    "nothing": ({}, PLAIN, None),
    "http_proxy for http": ({"http_proxy": "http://p:3128"}, PLAIN, ("http://p:3128", None)),
    "http_proxy for https": ({"http_proxy": "http://p:3128"}, SECURE, None),
    "HTTP_PROXY": ({"HTTP_PROXY": "http://p:3128"}, PLAIN, None),
    "https_proxy for https": ({"https_proxy": "http://p:3128"}, SECURE, ("http://p:3128", None)),
    "https_proxy for http": ({"https_proxy": "http://p:3128"}, PLAIN, None),
    "HTTPS_PROXY": ({"HTTPS_PROXY": "http://p:3128"}, SECURE, ("http://p:3128", None)),
    "small before large": (
        {"HTTPS_PROXY": "http://l", "https_proxy": "http://s"},
        SECURE,
        ("http://s:1080", None),
    ),
    "all_proxy": ({"all_proxy": "http://p:3128"}, PLAIN, ("http://p:3128", None)),
    "ALL_PROXY": ({"ALL_PROXY": "http://p:3128"}, SECURE, ("http://p:3128", None)),
    "all_proxy comes last": (
        {"all_proxy": "http://a", "http_proxy": "http://h:1"},
        PLAIN,
        ("http://h:1", None),
    ),
    "an empty value": ({"http_proxy": "", "all_proxy": "http://a:1"}, PLAIN, ("http://a:1", None)),
    "no scheme": ({"http_proxy": "p:3128"}, PLAIN, ("http://p:3128", None)),
    "no scheme, a login": ({"http_proxy": "ann:pw@p:3128"}, PLAIN, ("http://p:3128", ANN)),
    "no port": ({"http_proxy": "http://p"}, PLAIN, ("http://p:1080", None)),
    "no port with https": ({"http_proxy": "https://p"}, PLAIN, ("https://p:443", None)),
    "a path is dropped": ({"http_proxy": "http://p:3128/x"}, PLAIN, ("http://p:3128", None)),
    "IPv6": ({"http_proxy": "http://[::1]:3128"}, PLAIN, ("http://[::1]:3128", None)),
    "a login": ({"http_proxy": "http://ann:pw@p:3128"}, PLAIN, ("http://p:3128", ANN)),
    "an escaped login": ({"http_proxy": "http://a%6En:p%77@p:3128"}, PLAIN, ("http://p:3128", ANN)),
    "a login without a password": (
        {"http_proxy": "http://ann@p:3128"},
        PLAIN,
        ("http://p:3128", "Basic YW5uOg=="),
    ),
    "a password in UTF-8": ({"http_proxy": "http://ann:%C3%A9@p:1"}, PLAIN, ("http://p:1", "Basic YW5uOsOp")),
    "a blank value": ({"http_proxy": " ", "all_proxy": "http://q:1"}, PLAIN, ("http://q:1", None)),
    "blank values only": ({"http_proxy": " ", "ALL_PROXY": "\t"}, PLAIN, None),
    "no_proxy": ({"http_proxy": "http://p:3128", "no_proxy": "example.net"}, PLAIN, None),
    "NO_PROXY": ({"http_proxy": "http://p:3128", "NO_PROXY": "example.net"}, PLAIN, None),
}


@pytest.mark.parametrize("case", TAKEN)
def test_which_proxy_is_taken(case: str) -> None:
    environ, url, wanted = TAKEN[case]
    proxy = proxy_for(urlsplit(url), environ)
    assert (None if proxy is None else (proxy.url, proxy.login)) == wanted


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "socks5://p:1080",
            "https_proxy names the SOCKS proxy socks5://p:1080, and xferzone speaks to HTTP proxies",
        ),
        ("socks5h://ann:s3cret@p", "names the SOCKS proxy socks5h://p"),
        ("socks4a://p", "or list this host in no_proxy"),
        ("socks://p", "set https_proxy to http://HOST:PORT"),
        ("ftp://ann:s3cret@p", "https_proxy='ftp://p' is not an http or https proxy: give http://HOST:PORT"),
        ("http://", "is not an http or https proxy"),
        ("http://ann:s3cret@p:99999", "https_proxy='http://p:99999' is not a proxy's URL"),
        ("ann:s3cret@[::1", "is not a proxy's URL"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(UsageError) as caught:
        asked(HTTP(SECURE))
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


#: NO_PROXY, hosts that it names, and hosts that it does not name.
EXCEPTIONS: dict[str, tuple[list[str], list[str]]] = {
    "example.net": (
        ["example.net", "dns.example.net", "EXAMPLE.NET"],
        ["myexample.net", "example.net.org", "net"],
    ),
    ".example.net": (["example.net", "dns.example.net"], ["myexample.net"]),
    "example.net.": (["example.net", "dns.example.net"], ["example.org"]),
    "Example.NET": (["example.net"], ["example.org"]),
    "a.test,b.test": (["a.test", "b.test"], ["c.test"]),
    "a.test b.test": (["a.test", "b.test"], ["c.test"]),
    " a.test , b.test ,": (["a.test", "b.test"], ["c.test"]),
    "*": (["a.test", "127.0.0.1"], []),
    "*.example.net": ([], ["dns.example.net", "example.net"]),
    "127.0.0.1": (["127.0.0.1"], ["127.0.0.2", "a.test"]),
    "127.0.0.0/8": (["127.0.0.1", "127.9.9.9"], ["128.0.0.1", "a.test"]),
    "127.0.0.9/30": (["127.0.0.8", "127.0.0.11"], ["127.0.0.12", "127.0.0.7"]),
    "127.0.0.1/32": (["127.0.0.1"], ["127.0.0.2"]),
    ".0.0.1": ([], ["127.0.0.1"]),
    "::1": (["[::1]"], ["[::2]", "a.test"]),
    "127.0.0.0/8,192.0.2.7 a.test": (["127.0.0.1", "192.0.2.7", "a.test"], ["b.test", "192.0.2.8"]),
    "127.0.0.0/99": ([], ["127.0.0.1"]),
    "127.0.0.0/x": ([], ["127.0.0.1"]),
    ",": ([], ["a.test"]),
    ".": ([], ["a.test"]),
}
#: The same, of entries that curl 7.88 passes over: ports, networks of IPv6, brackets.
BEYOND: dict[str, tuple[list[str], list[str]]] = {
    "fd00::/8": (["[fd00::1]", "[fdff::1]"], ["[fe00::1]", "127.0.0.1"]),
    "a.test:80": (["a.test", "b.a.test:80"], ["a.test:81", "b.test"]),
    "127.0.0.1:81": (["127.0.0.1:81"], ["127.0.0.1"]),
    "[::1]:81": (["[::1]:81"], ["[::1]"]),
    "[::1]": (["[::1]", "[::1]:81"], ["[::2]"]),
}


def _goes_direct(host: str, exceptions: str) -> bool:
    environ = {"http_proxy": "http://p:3128", "no_proxy": exceptions}
    return proxy_for(urlsplit(f"http://{host}/"), environ) is None


@pytest.mark.parametrize("exceptions", EXCEPTIONS | BEYOND)
def test_hosts_that_are_reached_without_a_proxy(exceptions: str) -> None:
    named, others = (EXCEPTIONS | BEYOND)[exceptions]
    assert [host for host in [*named, *others] if _goes_direct(host, exceptions)] == named


@pytest.mark.interop
def test_curl_takes_the_same_hosts_for_exceptions() -> None:
    """A closed port stands for the proxy and for the host; curl's words say which of them it tried."""
    refusing = f"127.0.0.1:{free_port()}"
    for exceptions, (named, others) in EXCEPTIONS.items():
        for host in [*named, *others]:
            environ = {"http_proxy": refusing, "no_proxy": exceptions, "PATH": os.environ["PATH"]}
            done = subprocess.run(
                ["curl", "-q", "-sSv", "-m", "5", "--connect-to", f"::{refusing}", f"http://{host}/"],
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 7, done.stderr  # could not connect
            assert ("Uses proxy env variable http_proxy" not in done.stderr) == (host in named), (
                exceptions,
                host,
            )


def test_an_http_request_goes_to_the_proxy_with_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(says(REPLY)) as (url, requests):
        place = urlsplit(url).netloc
        monkeypatch.setenv("http_proxy", f"ann:pw@{place}")
        assert asked(HTTP(PLAIN))[1] == BODY
    head = requests[0].decode().split("\r\n")
    assert head[0] == f"POST {PLAIN} HTTP/1.1"
    assert f"Proxy-Authorization: {ANN}" in head
    assert "Host: dns.example.net" in head


def test_an_https_request_goes_through_a_tunnel_with_the_proxys_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with answering(status("502 Bad Gateway")) as (url, requests):
        monkeypatch.setenv("https_proxy", f"http://ann:pw@{urlsplit(url).netloc}")
        with pytest.raises(PeerError, match="502 Bad Gateway"):
            asked(HTTP(SECURE))
    head = requests[0].decode().split("\r\n")
    assert head[0].startswith("CONNECT dns.example.net:443 HTTP/1.")
    assert f"Proxy-Authorization: {ANN}" in head


def test_each_url_of_a_redirect_has_its_own_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(says(REPLY)) as (there, direct):
        with answering(status("302 Found", f"Location: {there}")) as (proxy, proxied):
            monkeypatch.setenv("http_proxy", urlsplit(proxy).netloc)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            assert asked(HTTP("http://dns.example.net/"))[1] == BODY
        assert [request.split()[1] for request in proxied] == [b"http://dns.example.net/"]
    assert [request.split()[1] for request in direct] == [b"/repo"]


@pytest.mark.parametrize("url", [PLAIN, SECURE])
def test_a_dead_proxy_is_named_as_the_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    place = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("ALL_PROXY", f"ann:s3cret@{place}")
    with pytest.raises(PeerError) as caught:
        asked(HTTP(url))
    assert str(caught.value) == (
        f"the proxy http://{place} (from ALL_PROXY) cannot be reached: Connection refused"
    )


def test_an_unknown_proxy_is_named_as_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "nosuch.invalid")
    with pytest.raises(
        PeerError, match=r"the proxy http://nosuch.invalid:1080 \(from http_proxy\) cannot be reached"
    ):
        asked(HTTP(PLAIN))


@pytest.mark.parametrize("url", [PLAIN, SECURE])
def test_a_proxy_that_hangs_up_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with answering(says("")) as (there, _):
        place = urlsplit(there).netloc
        monkeypatch.setenv("all_proxy", place)
        with pytest.raises(PeerError) as caught:
            asked(HTTP(url))
    assert str(caught.value) == (
        f"{url} cannot be reached through the proxy http://{place} (from all_proxy): "
        "it closed the connection without an answer"
    )


def test_a_proxy_that_answers_for_the_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(status("503 Service Unavailable", body=b"no route")) as (url, _):
        place = urlsplit(url).netloc
        monkeypatch.setenv("http_proxy", place)
        with pytest.raises(PeerError) as caught:
            asked(HTTP(PLAIN))
    assert str(caught.value) == (
        f"{PLAIN} answers 503 Service Unavailable, through the proxy http://{place} (from http_proxy): no route"
    )


# -- a real proxy

SQUID = """
http_port 127.0.0.1:{port}
pid_filename none
access_log stdio:{log}
cache_log {directory}/cache.log
cache deny all
cache_mem 1 MB
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir {directory}
auth_param basic program {helper}
auth_param basic children 1
acl known proxy_auth REQUIRED
acl forbidden dstdomain forbidden.test
http_access deny forbidden
http_access allow known
http_access deny all
"""
HELPER = """#!/bin/sh
while read -r login password; do
    if [ "$login $password" = "ann p/w" ]; then echo OK; else echo ERR; fi
done
"""


@pytest.fixture(scope="module")
def squid() -> Iterator[tuple[str, Path]]:
    """Host and port of a squid that wants the login ann with the password p/w, and its log."""
    program = shutil.which("squid", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "tests/peers.sh installs it"
    # Started by root, squid becomes a user of its own, who cannot enter pytest's directories.
    with tempfile.TemporaryDirectory(prefix="xferzone-squid-") as made:
        directory = Path(made)
        directory.chmod(0o777)
        helper, log, port = directory / "helper", directory / "access.log", free_port()
        helper.write_text(HELPER)
        helper.chmod(0o755)
        configuration = directory / "squid.conf"
        configuration.write_text(SQUID.format(port=port, log=log, directory=directory, helper=helper))
        argv = [program, "-N", "-f", str(configuration)]
        with (
            (directory / "stderr").open("wb") as stderr,
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr) as server,
        ):
            try:
                _await_port(port, server, directory)
                yield f"127.0.0.1:{port}", log
            finally:
                server.kill()


def _await_port(port: int, server: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, (directory / "stderr").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError("squid does not listen")


@pytest.fixture
def reachable(squid: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """http and https go by squid, with the login; its log."""
    place, log = squid
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, f"ann:p%2Fw@{place}")
    return log


@pytest.mark.interop
def test_a_sync_goes_through_a_real_squid(reachable: Path) -> None:
    with answering(says(REPLY)) as (url, requests):
        assert asked(HTTP(url))[1] == BODY
    assert b"\r\nVia: " in requests[0]
    assert within(
        30, lambda: f"POST {url} ann" in reachable.read_text()
    )  # squid writes it when it has a moment


@pytest.mark.interop
def test_a_tunnel_goes_through_a_real_squid(
    reachable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1")
    with tls_server(certificate) as url:
        with pytest.raises(PeerError, match=r"through the proxy .*: its certificate is refused: self-signed"):
            asked(HTTP(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        for _ in range(2):
            assert asked(HTTP(url))[1] == BODY
    assert within(30, lambda: f"CONNECT {urlsplit(url).netloc} ann" in reachable.read_text())


@pytest.mark.interop
@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("", "it asks for a login and password, set http_proxy to http://LOGIN:PASSWORD@{place}"),
        ("ann:wrong@", "its login and password are wrong, set http_proxy to http://LOGIN:PASSWORD@{place}"),
    ],
)
def test_a_real_squid_that_wants_a_login(
    squid: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, login: str, said: str
) -> None:
    place, _ = squid
    for url, variable in ((PLAIN, "http_proxy"), (SECURE, "https_proxy")):
        monkeypatch.setenv(variable, f"{login}{place}")
        with pytest.raises(PeerError) as caught:
            asked(HTTP(url))
        told = said.format(place=place).replace("http_proxy", variable)
        assert str(caught.value) == (
            f"the proxy http://{place} (from {variable}) does not pass on a request to {url}: "
            f"407 Proxy Authentication Required: {told}"
        )


@pytest.mark.interop
def test_a_real_squid_that_forbids_a_host(squid: tuple[str, Path], reachable: Path) -> None:
    with pytest.raises(PeerError, match=r"http://forbidden.test/ answers 403 Forbidden, through the proxy"):
        asked(HTTP("http://forbidden.test/"))
    with pytest.raises(
        PeerError, match=r"does not pass on a request to https://forbidden.test/: 403 Forbidden$"
    ):
        asked(HTTP("https://forbidden.test/"))


@pytest.mark.interop
def test_a_real_squid_that_finds_no_server(reachable: Path) -> None:
    port = free_port()
    with pytest.raises(
        PeerError, match=f"http://127.0.0.1:{port}/ answers 503 Service Unavailable, through the"
    ):
        asked(HTTP(f"http://127.0.0.1:{port}/"))
    with pytest.raises(PeerError, match=f"does not pass on a request to https://127.0.0.1:{port}/: 503 "):
        asked(HTTP(f"https://127.0.0.1:{port}/"))
