"""Messages to a server on loopback, and what comes back.

with Udp(port) as way:
    way.ask(message)
by_tcp(port, message, message)
"""

import socket
from typing import Final

PATIENCE: Final = 2.0  # seconds for an answer that must come
SILENCE: Final = 0.3  # seconds after which none will


class Udp:
    """A socket that asks a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def __enter__(self) -> "Udp":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, message: bytes, seconds: float = PATIENCE) -> bytes | None:
        """The answer; None: there is none."""
        self._socket.settimeout(seconds)
        self._socket.send(message)
        try:
            return self._socket.recv(65535)
        except TimeoutError:
            return None


def by_tcp(port: int, *messages: bytes, seconds: float = PATIENCE) -> list[bytes]:
    """The answers on one connection to messages that are sent at once, in the order in which they come."""
    answers: list[bytes] = []
    with (
        socket.create_connection(("127.0.0.1", port), timeout=seconds) as client,
        client.makefile("rb") as incoming,
    ):
        client.sendall(b"".join(len(message).to_bytes(2) + message for message in messages))
        while len(answers) < len(messages):
            try:
                size = incoming.read(2)
                answer = incoming.read(int.from_bytes(size))
            except OSError:  # silent, or reset
                break
            if len(size) < 2 or len(answer) < int.from_bytes(size):
                break
            answers.append(answer)
    return answers
