"""Messages to a server on loopback, and what comes back.

with Udp(port) as way:
    way.ask(message)
by_udp([port, port], message, message)      where silence may be the answer
by_windows(port, messages)                  where they are many
by_connections(port, messages)              the same, by TCP
by_tcp(port, message, message)
"""

import contextlib
import select
import socket
import time
from collections.abc import Sequence
from typing import Final

PATIENCE: Final = 5.0  # seconds for an answer
WINDOW: Final = 50  # messages
_PACE: Final = 0.002  # seconds between two messages that nobody waits for


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


def by_udp(ports: Sequence[int], *messages: bytes) -> list[list[bytes | None]]:
    """The answers at each port to each message; None: none came, PATIENCE seconds after the last was sent.

    They are sent under ids of their own, and that is what the answers have.
    """
    found: list[list[bytes | None]] = [[None] * len(messages) for _ in ports]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in ports]
        for client, port in zip(clients, ports, strict=True):
            client.connect(("127.0.0.1", port))
        for number, message in enumerate(messages):
            for client in clients:
                client.send(number.to_bytes(2) + message[2:])
            _take(clients, found, _PACE)
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            _take(clients, found, left)
    return found


def by_windows(port: int, messages: Sequence[bytes]) -> list[bytes | None]:
    """The answers to many messages, WINDOW at a time, each sent again if it had none; None: not then either."""
    found: list[bytes | None] = [None] * len(messages)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        for seconds, size in ((0.3, WINDOW), (1.0, 8 * WINDOW)):
            left = [number for number, answer in enumerate(found) if answer is None]
            for start in range(0, len(left), size):
                window = left[start : start + size]
                for number in window:
                    client.send(number.to_bytes(2) + messages[number][2:])
                while (
                    any(found[number] is None for number in window)
                    and select.select([client], [], [], seconds)[0]
                ):
                    answer = client.recv(65535)
                    found[int.from_bytes(answer[:2])] = answer
    return found


def by_connections(port: int, messages: Sequence[bytes]) -> list[bytes | None]:
    """The first answer by TCP to each of many messages; None: a server that was asked nothing else gave none.

    WINDOW at a time go over one connection. After an answer that does not come, what is left goes over new ones, each
    message for itself: some servers close the connection instead of an answer, and take the rest with it.
    """
    found: list[bytes | None] = [None] * len(messages)
    for seconds, size in ((PATIENCE, WINDOW), (1.0, 1)):
        left = [number for number, answer in enumerate(found) if answer is None]
        for start in range(0, len(left), size):
            window = left[start : start + size]
            sent = (number.to_bytes(2) + messages[number][2:] for number in window)
            for answer in by_tcp(port, *sent, seconds=seconds):
                number = int.from_bytes(answer[:2])
                found[number] = found[number] or answer
    return found


def _take(clients: list[socket.socket], found: list[list[bytes | None]], seconds: float) -> None:
    """Put what comes next, or within that time, in its place."""
    for client in select.select(clients, [], [], seconds)[0]:
        answer = client.recv(65535)
        found[clients.index(client)][int.from_bytes(answer[:2])] = answer


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
