"""DNS over TCP: many questions a connection, and no peer that keeps others from it."""

import asyncio
import contextlib
import dataclasses
import gc
import logging
import socket
import sqlite3
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import dns.message
import dns.tsigkeyring
import pytest

from tests.dnsd.test_following import World
from tests.dnsd.test_transfer import HERE, KEYRING, terms
from tests.nameserver.made import question, said
from xferzone.config import Address
from xferzone.dnsd import agent, transfer
from xferzone.dnsd.agent import Agent
from xferzone.dnsd.following import open_zones
from xferzone.dnsd.listen import tcp_socket
from xferzone.dnsd.terms import Options

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
ASKED = question("www.example.com.", "A")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def talk(
    world: World,
    conversation: Callable[[Connect], Awaitable[None]],
    of: Agent | None = None,
    *,
    is_narrow: bool = False,
) -> None:
    """Hold a conversation with an agent; `conversation` may connect as often as it likes.

    `is_narrow`: few bytes that a client has not read can be on their way to it.
    """

    async def run() -> None:
        listener = tcp_socket(Address("127.0.0.1", 0))
        if is_narrow:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        (server,) = await agent.listening(of or Agent(world.zones), [listener])
        port = server.sockets[0].getsockname()[1]

        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Streams:
            end = socket.socket()
            if is_narrow:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            end.connect(("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=end)
            opened.append(writer)
            return reader, writer

        async with server, asyncio.timeout(60):
            await conversation(connect)
            for writer in opened:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for writer in opened), return_exceptions=True)

    asyncio.run(run())


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2) + message


async def answer(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionResetError:
        return True


def test_many_questions_on_one_connection(world: World) -> None:
    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        for name in ("www.example.com.", "www.example.net.", "nope.example.com."):
            writer.write(framed(question(name, "A")))
            assert said(await answer(reader)).rcode == ("NXDOMAIN" if "nope" in name else "NOERROR")

    talk(world, conversation)


def test_questions_that_do_not_wait_are_answered_in_order(world: World) -> None:
    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        asked = [number.to_bytes(2) + ASKED[2:] for number in range(500)]
        writer.write(b"".join(map(framed, asked)))
        writer.write_eof()
        assert [(await answer(reader))[:2] for _ in asked] == [message[:2] for message in asked]
        assert await is_closed(reader)

    talk(world, conversation)


def test_a_message_may_come_byte_by_byte(world: World) -> None:
    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        for byte in framed(ASKED):
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0.001)
        assert said(await answer(reader)).rcode == "NOERROR"

    talk(world, conversation)


def test_a_large_answer_is_whole(world: World) -> None:
    world.put("example.com", *(f'big 300 TXT "{number:0200}"' for number in range(300)))

    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        world.zones.refresh(now=True)
        writer.write(framed(question("big.example.com.", "TXT")))
        assert len(dns.message.from_wire(await answer(reader)).answer[0]) == 300

    talk(world, conversation)


def test_a_change_shows_on_a_connection_that_is_open(world: World) -> None:
    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        for last in (5, 6):
            world.put("example.com", f"www 300 A 192.0.2.{last}")
            await asyncio.sleep(0.01)
            writer.write(framed(ASKED))
            assert said(await answer(reader)).answer == {f"www.example.com. 300 in a 192.0.2.{last}"}

    talk(world, conversation)


NO_QUESTIONS = {"empty": b"", "short": b"short", "an answer": ASKED[:2] + b"\x80" + ASKED[3:]}


@pytest.mark.parametrize("message", NO_QUESTIONS.values(), ids=NO_QUESTIONS)
def test_what_deserves_no_answer_ends_the_connection(world: World, message: bytes) -> None:
    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(framed(message))
        assert await is_closed(reader)

    talk(world, conversation)


def test_a_malformed_message_is_answered_and_the_next_one_too(world: World) -> None:
    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(framed(ASKED[:20]) + framed(ASKED))
        assert said(await answer(reader)).rcode == "FORMERR"
        assert said(await answer(reader)).rcode == "NOERROR"

    talk(world, conversation)


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\x40half of it"])
def test_silence_ends_a_connection(world: World, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "IDLE", 1.0)

    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(framed(ASKED) + sent)
        await answer(reader)
        assert await is_closed(reader)

    talk(world, conversation)


def test_a_peer_that_takes_no_answers_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "IDLE", 1.0)
    world.put("example.com", *(f'big 300 TXT "{number:0200}"' for number in range(250)))
    world.zones.refresh(now=True)

    async def conversation(connect: Connect) -> None:
        _reader, writer = await connect()
        with pytest.raises(ConnectionError):
            await ask_without_end(writer)
        reader, writer = await connect()
        writer.write(framed(ASKED))
        await answer(reader)

    talk(world, conversation)


async def ask_without_end(writer: asyncio.StreamWriter) -> None:
    """And take none of the answers, which have 55,000 bytes each."""
    while True:
        writer.write(framed(question("big.example.com.", "TXT")))
        await writer.drain()
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("bound", ["MAX_CONNECTIONS", "MAX_PER_CLIENT"])
def test_the_connection_silent_longest_gives_its_place(
    world: World, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, bound, 3)

    async def conversation(connect: Connect) -> None:
        first, second, third = [await connect() for _ in range(3)]
        for reader, writer in (first, second, third, first):
            writer.write(framed(ASKED))
            await answer(reader)
        fourth = await connect()
        assert await is_closed(second[0])
        for reader, writer in (first, third, fourth):
            writer.write(framed(ASKED))
            assert said(await answer(reader)).rcode == "NOERROR"

    talk(world, conversation)


@pytest.mark.parametrize("bound", ["MAX_CONNECTIONS", "MAX_PER_CLIENT"])
def test_who_is_sent_an_answer_keeps_its_place(
    world: World, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, bound, 3)
    world.put("example.com", *(f'big 300 TXT "{number:0200}"' for number in range(250)))
    world.zones.refresh(now=True)

    async def conversation(connect: Connect) -> None:
        taking, writer = await connect()
        assert isinstance(writer.transport, asyncio.ReadTransport)
        writer.transport.pause_reading()
        writer.write(framed(question("big.example.com.", "TXT")) * 8)
        idle = [await connect() for _ in range(4)]
        for reader, _ in idle[:2]:
            assert await is_closed(reader)
        writer.transport.resume_reading()
        for _ in range(8):
            assert len(await answer(taking)) > 50_000

    talk(world, conversation, is_narrow=True)


def test_who_says_no_more_is_still_given_all_of_the_answer(world: World) -> None:
    world.put("example.com", *(f'big 300 TXT "{number:0200}"' for number in range(250)))
    world.zones.refresh(now=True)

    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        assert isinstance(writer.transport, asyncio.ReadTransport)
        writer.transport.pause_reading()
        writer.write(framed(question("big.example.com.", "TXT")))
        writer.write_eof()
        await asyncio.sleep(0.2)
        writer.transport.resume_reading()
        assert len(await answer(reader)) > 50_000
        assert await is_closed(reader)

    talk(world, conversation, is_narrow=True)


def test_of_a_client_that_takes_no_answers_few_questions_are_held(world: World) -> None:
    """By us and by the kernel: 512 such clients must not have a hundred megabytes."""
    world.put("example.com", *(f'big 300 TXT "{number:0200}"' for number in range(250)))
    world.zones.refresh(now=True)

    async def conversation(connect: Connect) -> None:
        _, writer = await connect()
        flooding = socket.socket()
        flooding.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        flooding.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        flooding.connect(writer.get_extra_info("peername"))
        flooding.setblocking(False)
        asked = 100 * framed(question("big.example.com.", "TXT"))
        sent, quiet = 0, 0
        while quiet < 20:
            try:
                sent, quiet = sent + flooding.send(asked), 0
            except BlockingIOError:
                quiet += 1
                await asyncio.sleep(0.01)
        flooding.close()
        assert 0 < sent < 200_000

    talk(world, conversation, is_narrow=True)


def test_a_connection_that_is_reset_leaves_no_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It looks at an error that nobody has looked at, but only if it is collected before the error is.
    monkeypatch.delattr(asyncio.StreamReaderProtocol, "__del__")
    open_now = Agent(world.zones)

    async def conversation(connect: Connect) -> None:
        _, writer = await connect()
        resetting = socket.create_connection(writer.get_extra_info("peername"))
        resetting.sendall(100 * framed(ASKED))
        resetting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        resetting.close()
        writer.close()
        await asyncio.sleep(0.1)
        while open_now.is_busy:
            await asyncio.sleep(0.01)

    talk(world, conversation, open_now)
    gc.collect()
    assert not [line for line in caplog.messages if "never retrieved" in line]


RETIRED_FROM = {
    "a transfer": lambda: dns.message.make_query("example.com.", "AXFR", use_edns=False).to_wire(),
    "signed": lambda: signed("www.example.com.", "A"),
    "badly signed": lambda: signed("www.example.com.", "A", "AAAA"),
}


def signed(name: str, kind: str, secret: str = "") -> bytes:
    made = dns.message.make_query(name, kind)
    made.use_tsig(dns.tsigkeyring.from_text({"mirrors.": secret}) if secret else KEYRING)
    return made.to_wire()


@pytest.mark.parametrize("make", RETIRED_FROM.values(), ids=RETIRED_FROM)
def test_a_retired_agent_leaves_what_its_terms_would_decide_to_the_next(
    world: World, make: Callable[[], bytes]
) -> None:
    with closing(open_zones(world.project.path, terms(HERE))) as zones:
        retired = Agent(zones)

        async def conversation(connect: Connect) -> None:
            reader, writer = await connect()
            writer.write(framed(make()))
            assert await answer(reader)
            retired.retire()
            writer.write(framed(ASKED) + framed(make()))
            assert said(await answer(reader)).rcode == "NOERROR"
            assert await is_closed(reader)

        talk(world, conversation, retired)


def test_connections_of_a_retired_agent_end_soon_however_busy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "LEAVING", 0.3)
    retired = Agent(world.zones)

    async def conversation(connect: Connect) -> None:
        idle, busy = await connect(), await connect()
        for reader, writer in (idle, busy):
            writer.write(framed(ASKED))
            await answer(reader)
        retired.retire()
        with contextlib.suppress(OSError, EOFError):
            while True:
                busy[1].write(framed(ASKED))
                assert said(await answer(busy[0])).rcode == "NOERROR"
                await asyncio.sleep(0.001)
        assert await is_closed(idle[0])
        await asyncio.sleep(0.01)
        assert not retired.is_busy

    talk(world, conversation, retired)


def test_a_question_that_began_before_its_agent_retired_is_answered_however_slowly_it_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "LEAVING", 0.1)
    retired = Agent(world.zones)

    async def conversation(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(framed(ASKED)[:2])
        await asyncio.sleep(0.1)
        retired.retire()
        await asyncio.sleep(0.5)
        writer.write(ASKED)
        assert said(await answer(reader)).rcode == "NOERROR"
        assert await is_closed(reader)

    talk(world, conversation, retired)


def test_a_transfer_under_way_goes_on_and_one_that_waits_is_left_to_the_next_agent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "LEAVING", 0.1)
    monkeypatch.setattr(transfer, "MAX_PER_CLIENT", 1)
    world.put("example.com", *(f"host{number} 300 TXT {'a' * 250} {'b' * 250}" for number in range(12_000)))
    axfr = dns.message.make_query("example.com.", "AXFR", use_edns=False).to_wire()
    with closing(open_zones(world.project.path, terms(HERE))) as zones:
        retired = Agent(zones)

        async def conversation(connect: Connect) -> None:
            reader, writer = await connect()
            writer.write(framed(axfr))
            size = len(await answer(reader))
            waiting, its_writer = await connect()
            its_writer.write(framed(axfr))
            await asyncio.sleep(0.1)
            retired.retire()
            with contextlib.suppress(EOFError):
                while True:
                    size += len(await answer(reader))
            assert size > 6_000_000
            assert await is_closed(waiting)

        talk(world, conversation, retired)


@pytest.mark.parametrize("kind", ["AXFR", "IXFR", "A"])
def test_a_fault_before_anything_is_sent_is_servfail_and_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with closing(open_zones(world.project.path, terms(HERE))) as zones:

        async def conversation(connect: Connect) -> None:
            reader, writer = await connect()
            asked = dns.message.make_query("example.com.", kind, use_edns=False).to_wire()
            with monkeypatch.context() as broken:
                for part in ("role", "frame", "indexes"):
                    broken.setattr(type(zones.repository), part, _broken)
                for _ in range(2):
                    writer.write(framed(asked))
                    assert said(await answer(reader)).rcode == "SERVFAIL"
            writer.write(framed(ASKED))
            assert said(await answer(reader)).rcode == "NOERROR"

        talk(world, conversation, Agent(zones))
    (line,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert line.getMessage() == "a question was answered SERVFAIL: OperationalError: disk I/O error"


def _broken(*_: object) -> bytes:
    raise sqlite3.OperationalError("disk I/O error")


def test_signed_questions_and_transfers_are_in_the_query_log_with_their_key(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    on = dataclasses.replace(terms(HERE), options=Options(log_each=1))
    asked = {
        "type=A rcode=NOERROR": signed("www.example.com.", "A"),
        "type=AXFR rcode=NOERROR": signed("example.com.", "AXFR"),
        "type=SOA rcode=NOTAUTH": signed("example.com.", "SOA", "AAAA"),
    }
    with closing(open_zones(world.project.path, on)) as zones:

        async def conversation(connect: Connect) -> None:
            reader, writer = await connect()
            for message in asked.values():
                writer.write(framed(message))
                await answer(reader)
            writer.close()

        talk(world, conversation, Agent(zones))
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("query ")]
    keys = ("mirrors", "mirrors", "none")
    for what, key, line in zip(asked, keys, lines, strict=True):
        assert what in line
        assert f" key={key} canary=False " in line
