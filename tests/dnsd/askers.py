"""A steady stream of questions from several sockets, and what was heard of the answers.

    with asking(port, udp=4, tcp=2) as askers:
        mark = time.monotonic()
        ...                                 something happens to the server
        askers.all_served_since(mark)       each asker has had a few answers since
        askers.longest_gap(mark)            seconds; the longest that one of them went without, from before `mark` on

An asker is a socket that asks one thing again and again, one question at a time; what it asks for is TXT of
count.example.com, a number that commits count up. A question without an answer is given up after PATIENCE seconds
and asked again; a refused connection or datagram, after PAUSE.
"""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

import dns.message
import dns.rdatatype

from tests.nameserver.made import question

NAME: Final = "count.example.com."
PATIENCE: Final = 0.1  # seconds
PAUSE: Final = 0.005  # seconds between two questions of an asker
ENOUGH: Final = 5  # answers, until an asker is served again
PER_CONNECTION: Final = 50  # questions
_ASKED: Final = question(NAME, "TXT")


class Heard(NamedTuple):
    """An answer: when it was asked for, when it came (monotonic seconds), and the number in it; -1: none."""

    asked: float
    came: float
    number: int


class Askers:
    """Threads that ask until they are told to stop."""

    def __init__(self, port: int, udp: int, tcp: int) -> None:
        self._place = ("127.0.0.1", port)
        self.heard: list[list[Heard]] = [[] for _ in range(udp + tcp)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._by_udp if place < udp else self._by_tcp, args=(heard,))
            for place, heard in enumerate(self.heard)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def all_served_since(self, mark: float) -> bool:
        """Whether each asker has had ENOUGH answers to questions that were asked after `mark`."""
        return all(len(heard) >= ENOUGH and heard[-ENOUGH].asked > mark for heard in self.heard)

    def longest_gap(self, since: float) -> float:
        """The longest time between two answers to one asker, of which the second came after `since`."""
        return max(longest_gap(heard, since) for heard in self.heard)

    def _by_udp(self, heard: list[Heard]) -> None:
        ids = itertools.cycle(range(0x10000))
        sent: dict[bytes, float] = {}  # ids under way, and when they were sent
        while not self._stop.is_set():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, contextlib.suppress(OSError):
                client.settimeout(PATIENCE)
                client.connect(self._place)
                while not self._stop.wait(PAUSE):
                    own = next(ids).to_bytes(2)
                    sent[own] = time.monotonic()
                    client.send(own + _ASKED[2:])
                    with contextlib.suppress(TimeoutError):
                        # Answers to questions that were given up come first, if they come after all.
                        while own in sent:
                            answer = client.recv(4096)
                            heard.append(_heard(sent.pop(answer[:2]), answer))
            time.sleep(PAUSE)

    def _by_tcp(self, heard: list[Heard]) -> None:
        while not self._stop.is_set():
            with (
                contextlib.suppress(OSError, EOFError),
                socket.create_connection(self._place, timeout=PATIENCE) as client,
                client.makefile("rb") as answers,
            ):
                for _ in range(PER_CONNECTION):
                    if self._stop.wait(PAUSE):
                        break
                    asked = time.monotonic()
                    client.sendall(len(_ASKED).to_bytes(2) + _ASKED)
                    heard.append(_heard(asked, _one(answers)))
            time.sleep(PAUSE)


def longest_gap(heard: list[Heard], since: float) -> float:
    """The longest time between two answers of which the second came after `since`."""
    pairs = itertools.pairwise(heard)
    return max((after.came - before.came for before, after in pairs if after.came > since), default=0.0)


def _one(answers: BinaryIO) -> bytes:
    length = answers.read(2)
    message = answers.read(int.from_bytes(length))
    if len(length) < 2 or len(message) < int.from_bytes(length):
        raise EOFError
    return message


@contextlib.contextmanager
def asking(port: int, *, udp: int, tcp: int) -> Iterator[Askers]:
    """Askers at work on a port of 127.0.0.1."""
    askers = Askers(port, udp, tcp)
    try:
        yield askers
    finally:
        askers.stop()


def _heard(asked: float, answer: bytes) -> Heard:
    came = time.monotonic()
    numbers = [
        int(record.strings[0])
        for rrset in dns.message.from_wire(answer).answer
        if rrset.rdtype == dns.rdatatype.TXT
        for record in rrset
    ]
    return Heard(asked, came, numbers[0] if len(numbers) == 1 else -1)
