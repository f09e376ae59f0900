"""Receiving and sending datagrams, in batches and one by one: who asked gets his answer, nobody else gets any."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest

from xferzone.dnsd.datagrams import ROOM, SLOTS, Datagrams, Singles, datagrams

Made = Callable[[socket.socket], Datagrams]


@pytest.fixture(params=[datagrams, Singles], ids=["batches", "singles"])
def made(request: pytest.FixtureRequest) -> Made:
    found: Made = request.param
    return found


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with socket.socket(request.param, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1" if request.param == socket.AF_INET else "::1", 0))
        yield bound


@contextlib.contextmanager
def clients(server: socket.socket, number: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket(server.family, socket.SOCK_DGRAM)) for _ in range(number)]
        for client in made:
            client.settimeout(2)
            client.connect(server.getsockname())
        yield made


def shout(message: bytes, _slot: int) -> bytes | None:
    """Nothing for "silence", an exception for "fail"."""
    if message == b"fail":
        raise ValueError(message)
    return None if message == b"silence" else message.upper()


def failed(message: bytes, _slot: int) -> bytes | None:
    return b"failed: " + message


def test_nothing_came(server: socket.socket, made: Made) -> None:
    incoming = made(server)
    assert incoming.receive() == 0
    incoming.answer(shout, failed)


def test_everybody_gets_his_own_answer(server: socket.socket, made: Made) -> None:
    incoming = made(server)
    with clients(server, 10) as asking:
        for round_ in range(3):
            for number, client in enumerate(asking):
                client.send(b"client %d round %d" % (number, round_))
            assert incoming.receive() == 10
            local = socket.inet_pton(server.family, server.getsockname()[0])
            assert {incoming.client(slot) for slot in range(10)} == {local}
            incoming.answer(shout, failed)
            assert [client.recv(100) for client in asking] == [
                b"CLIENT %d ROUND %d" % (number, round_) for number in range(10)
            ]


@pytest.mark.parametrize(
    "messages",
    [
        [b"silence"],
        [b"silence", b"a", b"silence", b"silence", b"b", b"c", b"silence"],
        [b"a", b"fail", b"silence", b"fail", b"b"],
        [b"", b"a"],
    ],
)
def test_silence_and_failures_in_a_batch(server: socket.socket, made: Made, messages: list[bytes]) -> None:
    incoming = made(server)
    with clients(server, len(messages)) as asking:
        for client, message in zip(asking, messages, strict=True):
            client.send(message)
        assert incoming.receive() == len(messages)
        incoming.answer(shout, failed)
        for client, message in zip(asking, messages, strict=True):
            if message == b"silence":
                client.setblocking(False)
                with pytest.raises(BlockingIOError):
                    client.recv(100)
            else:
                assert client.recv(100) == (b"failed: fail" if message == b"fail" else message.upper())


def test_more_than_a_batch_waits_for_the_next(server: socket.socket, made: Made) -> None:
    incoming = made(server)
    with clients(server, 1) as (client,):
        for number in range(SLOTS + 5):
            client.send(b"%d" % number)
        assert incoming.receive() == SLOTS
        incoming.answer(shout, failed)
        assert incoming.receive() == 5
        incoming.answer(shout, failed)
        assert [client.recv(100) for _ in range(SLOTS + 5)] == [b"%d" % number for number in range(SLOTS + 5)]


def test_answers_of_any_size_and_messages_cut_at_the_room(server: socket.socket, made: Made) -> None:
    incoming = made(server)
    with clients(server, 1) as (client,):
        for size in (1, ROOM - 1, ROOM, ROOM + 1, 8000):
            client.send(b"x" * size)
            assert incoming.receive() == 1
            incoming.answer(shout, failed)
            assert client.recv(10_000) == b"X" * min(size, ROOM)
        client.send(b"short")
        incoming.receive()
        incoming.answer(lambda message, _slot: message + b"y" * 1200, failed)
        assert client.recv(10_000) == b"short" + b"y" * 1200


def test_an_asker_who_has_gone_does_not_keep_the_others(server: socket.socket, made: Made) -> None:
    incoming = made(server)
    with clients(server, 3) as asking:
        for _ in range(2):
            asking[0].send(b"a")
            asking[2].send(b"c")
            if asking[1].fileno() >= 0:
                asking[1].send(b"b")
                asking[1].close()
            assert incoming.receive() in (2, 3)
            incoming.answer(shout, failed)
            assert (asking[0].recv(100), asking[2].recv(100)) == (b"A", b"C")


def test_a_batch_is_answered_without_ids(server: socket.socket, made: Made) -> None:
    incoming = made(server)
    asked = [b"idquestion", b"IDother", b"", b"i", b"xxsilence", b"idlast"]
    with clients(server, len(asked)) as asking:
        for _ in range(2):
            for client, message in zip(asking, asked, strict=True):
                client.send(message)
            assert incoming.receive() == len(asked)
            messages = incoming.messages()
            assert messages == [message[2:] for message in asked]
            incoming.send([None if each in (b"", b"silence") else each.upper() * 150 for each in messages])
            for client, message in zip(asking, asked, strict=True):
                if message[2:] in (b"", b"silence"):
                    client.setblocking(False)
                    with pytest.raises(BlockingIOError):
                        client.recv(100)
                    client.settimeout(2)
                else:
                    assert client.recv(4096) == message[:2] + message[2:].upper() * 150
