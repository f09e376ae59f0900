"""TLS: certificates made here are trusted by SSL_CERT_FILE alone, and a refusal says why and what to do."""

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.live import BOUND_S
from tests.transport.servers import BODY, asked, self_signed, tls_server
from xferzone.errors import PeerError
from xferzone.transport.http import HTTP

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def _trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return self_signed(tmp_path, "127.0.0.1")


def _curl(url: str, trusted: Path | None) -> str:
    """What curl says; empty: it takes the certificate."""
    known = [] if trusted is None else ["--cacert", str(trusted)]
    argv = ["curl", "-q", "-sS", "--noproxy", "*", "-m", "20", "-d", "x", *known, url]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=BOUND_S).stderr


def test_a_certificate_of_ssl_cert_file_is_taken(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(good))
    with tls_server(good) as url:
        assert asked(HTTP(url))[1] == BODY
        assert _curl(url, good) == ""


def test_a_self_signed_certificate_is_refused_with_the_way_to_trust_it(good: Path) -> None:
    with tls_server(good) as url:
        with pytest.raises(PeerError) as caught:
            asked(HTTP(url))
        assert str(caught.value) == (
            f"{url} cannot be reached: its certificate is refused: self-signed certificate: "
            "if you trust it, set SSL_CERT_FILE to a file that holds it or its authority"
        )
        assert "self-signed certificate" in _curl(url, None)


def test_an_ssl_cert_file_that_does_not_help_is_named(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    other = self_signed(tmp_path / "other", "192.0.2.1")
    with tls_server(good) as url:
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
        with pytest.raises(PeerError, match=f": SSL_CERT_FILE={other} has neither it nor its authority$"):
            asked(HTTP(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
        with pytest.raises(PeerError, match=f": SSL_CERT_FILE={tmp_path}/missing cannot be read$"):
            asked(HTTP(url))


def test_an_expired_certificate_is_called_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1", expired=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with tls_server(certificate) as url:
        with pytest.raises(PeerError) as caught:
            asked(HTTP(url))
        assert str(caught.value) == (
            f"{url} cannot be reached: its certificate is refused: certificate has expired: "
            "the server needs a new one, or the clock here is wrong; SSL_CERT_FILE cannot help"
        )
        assert "certificate has expired" in _curl(url, certificate)


def test_a_certificate_for_another_host_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "dns.example.net")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with tls_server(certificate) as url:
        for address, kind in ((url, "IP address"), (url.replace("127.0.0.1", "localhost"), "Hostname")):
            with pytest.raises(PeerError) as caught:
                asked(HTTP(address))
            assert f"its certificate is refused: {kind} mismatch, certificate is not valid for" in str(
                caught.value
            )
            assert "give the URL with a name that the certificate has" in str(caught.value)
            assert "subject name" in _curl(address, certificate)


def test_nothing_is_sent_in_clear_after_https(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(good))
    for location in ("http://127.0.0.1/x", "HTTP://dns.example.net/"):
        moved = f"HTTP/1.1 301 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with tls_server(good, moved) as url, pytest.raises(PeerError, match="where nothing is encrypted"):
            asked(HTTP(url))


def test_a_plain_server_is_told_from_one_of_tls(good: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(PeerError, match="it does not speak TLS: does it speak plain http"):
            asked(HTTP(f"https://127.0.0.1:{listener.getsockname()[1]}/"))
        thread.join(10)
