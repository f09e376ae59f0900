"""DNS over TCP: many questions a connection, and no peer that keeps others from it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import dns.message
import pytest

from tests.dnsd.test_following import World
from tests.nameserver.made import question, said
from xferzone.dnsd import agent
from xferzone.dnsd.agent import Agent

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
ASKED = question("www.example.com.", "A")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def talk(world: World, conversation: Callable[[Connect], Awaitable[None]]) -> None:
    """Hold a conversation with an agent; `conversation` may connect as often as it likes."""

    async def run() -> None:
        server = await asyncio.start_server(Agent(world.zones).talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Streams:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
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
