"""Servers that answer each connection in one way of their own: by the book, oddly, or not at all."""

import contextlib
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.live import BOUND_S, PATIENCE_S
from xferzone.transport import Body, Transport

TYPE = "Content-Type: application/x-fossil\r\n"
BODY = b"four and more"

Answer = Callable[[socket.socket, bytes], None]


def asked(way: Transport, octets: bytes = b"the request") -> tuple[str, bytes]:
    """Content type and octets of the reply."""
    with way.exchange(Body.of("application/x-fossil", octets)) as reply:
        return reply.content_type, reply.octets.read()


@contextlib.contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """A server that does `answers` with its connections, in turn, then the last for ever: its URL, and what came."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    requests.append(request_on(connection))
                    answers[min(len(requests), len(answers)) - 1](connection, requests[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/repo", requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def request_on(connection: socket.socket) -> bytes:
    """The next request, or the greeting of a client that speaks TLS. Raises ConnectionError: the client left."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += _some(connection)
        if request.startswith(b"\x16\x03"):
            return request
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")), 0)
    while len(body) < length:
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _some(connection: socket.socket) -> bytes:
    octets = connection.recv(65_536)
    if not octets:
        raise ConnectionError("the client left")
    return octets


def says(reply: str | bytes) -> Answer:
    """These octets, and the end of the connection."""
    return lambda connection, _: connection.sendall(reply.encode() if isinstance(reply, str) else reply)


def status(line: str, *headers: str, body: bytes = b"") -> Answer:
    head = "".join(f"{header}\r\n" for header in headers)
    return says(f"HTTP/1.1 {line}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def resets(connection: socket.socket, _request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_after(beginning: str) -> Answer:
    """This, and nothing more until the client goes."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(beginning.encode())
        connection.settimeout(20)
        connection.recv(1)

    return answer


def drips(beginning: str, drop: bytes = b"a") -> Answer:
    """A drop every 50 ms, for ever."""

    def answer(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(beginning.encode())
        while True:
            connection.sendall(drop)
            time.sleep(0.05)

    return answer


HEAD = f"HTTP/1.1 200 OK\r\n{TYPE}"
REPLY = f"{HEAD}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY


@contextlib.contextmanager
def relayed(url: str) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a relay to the server at `url`, and what each connection to it has carried there."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    connections: list[bytes] = []

    def carry(source: socket.socket, target: socket.socket, number: int | None) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(65_536):
                if number is not None:
                    connections[number] += octets
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket, number: int) -> None:
        with client, socket.create_connection((host, int(port))) as server:
            back = threading.Thread(target=carry, args=(server, client, None), daemon=True)
            back.start()
            carry(client, server, number)
            back.join(PATIENCE_S)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    connections.append(b"")
                    threading.Thread(target=serve, args=(client, len(connections) - 1), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/", connections
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_S)


def self_signed(directory: Path, name: str, *, expired: bool = False) -> Path:
    """A self-signed certificate for `name` behind its key."""
    key, certificate, both = directory / "key.pem", directory / "certificate.pem", directory / f"{name}.pem"
    prefix = ["faketime", "-f", "-400d"] if expired else []
    kind = "IP" if name[0].isdigit() else "DNS"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}", "-days", "30"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*prefix, *argv, *subject, *files], capture_output=True, check=True, timeout=BOUND_S)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


@contextlib.contextmanager
def tls_server(certificate: Path, reply: bytes = REPLY) -> Iterator[str]:
    """A server with this certificate; its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(20)
                    with context.wrap_socket(connection, server_side=True) as secure:
                        request_on(secure)
                        secure.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
