"""Whose word about the client is believed."""

import pytest

from xferzone.config import Http, Network
from xferzone.web.forwarded import Forwarded

OFFICE = [Network("10.0.0.0/8"), Network("fd00::/8")]


def seen(peer: str, headers: dict[str, str], trusted: list[Network] | None = None) -> tuple[str, str]:
    """REMOTE_ADDR and scheme as the app sees them."""
    environ = {"REMOTE_ADDR": peer, "REMOTE_PORT": "4711", "wsgi.url_scheme": "http", **headers}
    Forwarded(lambda _environ, _start: [], trusted or list(Http().trusted))(
        environ, lambda *_: lambda _: None
    )
    assert ("REMOTE_PORT" in environ) == (environ["REMOTE_ADDR"] == peer)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


CHAINS = [
    ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ("10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
    ("10.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
    ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
    ("10.0.0.1", "2001:DB8::1", "2001:db8::1"),
    ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
    ("fd00::1", "203.0.113.9", "203.0.113.9"),
    ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ("10.0.0.1", "198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "unknown", "10.0.0.1"),
    ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
    ("11.0.0.1", "10.0.0.1", "11.0.0.1"),
    ("", "203.0.113.9", "203.0.113.9"),
]


@pytest.mark.parametrize(("peer", "header", "client"), CHAINS)
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(
    peer: str, header: str, client: str
) -> None:
    assert seen(peer, {"HTTP_X_FORWARDED_FOR": header}, OFFICE)[0] == client


@pytest.mark.parametrize(
    ("peer", "proto", "scheme"),
    [
        ("10.0.0.1", "https", "https"),
        ("10.0.0.1", " HTTPS ", "https"),
        ("10.0.0.1", "ftp", "http"),
        ("10.0.0.1", "https, http", "http"),
        ("192.0.2.1", "https", "http"),
    ],
)
def test_the_scheme_is_the_word_of_a_trusted_proxy(peer: str, proto: str, scheme: str) -> None:
    assert seen(peer, {"HTTP_X_FORWARDED_PROTO": proto}, OFFICE)[1] == scheme


def test_by_default_only_loopback_is_trusted() -> None:
    header = {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    assert seen("127.0.0.7", header)[0] == seen("::1", header)[0] == "203.0.113.9"
    assert seen("10.0.0.1", header)[0] == "10.0.0.1"
