"""What an IXFR will hold is known before anybody asks for it, if somebody is likely to, and else is not looked for."""

import asyncio
import contextlib
import dataclasses
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.dnsd.test_condensed import asked, form
from tests.dnsd.test_following import World
from tests.dnsd.test_notify import Secondary, listening, to, until
from tests.dnsd.test_transfer import HERE, transferred
from xferzone.dnsd import foreseen, transfer
from xferzone.dnsd.agent import Agent
from xferzone.dnsd.condensed import Changes
from xferzone.dnsd.following import open_zones
from xferzone.dnsd.terms import Terms, ZoneTerms
from xferzone.refs.served import Served, ServedZone
from xferzone.store import Store, schema

HOSTS = [f"host{number} 300 A 192.0.2.1" for number in range(50)]


def has_length(found: Sequence[int], length: int) -> bool:
    return len(found) == length


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.put("example.com", *HOSTS, serial=7)
    yield made
    made.zones.close()


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The serials that were compared with the served version."""
    found: list[int] = []
    whole = transfer._compared

    def compare(store: Store, zone: str, before: int, tip: ServedZone) -> Changes | None:
        found.append(before)
        return whole(store, zone, before, tip)

    monkeypatch.setattr(transfer, "_compared", compare)
    return found


def converse(world: World, on: ZoneTerms, conversation: Callable[[int], Awaitable[None]]) -> None:
    """With an agent at a port that follows the repository."""

    async def run() -> None:
        with closing(open_zones(world.project.path, Terms(zones=(("*", on),)))) as zones:
            agent = Agent(zones)
            server = await asyncio.start_server(agent.talk, "127.0.0.1", 0)
            following = asyncio.create_task(agent.follow([]))
            await asyncio.sleep(0.1)
            async with server, asyncio.timeout(60):
                await conversation(server.sockets[0].getsockname()[1])
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    asyncio.run(run())


def change(world: World, last: int) -> None:
    world.put("example.com", *HOSTS, f"new 300 A 192.0.2.{last}", serial=7)


def test_a_zone_that_was_transferred_is_compared_when_it_moves_and_not_again_when_it_is_asked_for(
    world: World, compared: list[int]
) -> None:
    async def conversation(port: int) -> None:
        await asyncio.to_thread(transferred, port)
        for last in (1, 2):
            change(world, last)
            await until(partial(has_length, compared, last))
            assert form(await asyncio.to_thread(asked, port, 6 + last)) == "ixfr"
        assert compared == [7, 8]
        world.put("example.net", "www 300 A 192.0.2.9", serial=7)
        await asyncio.sleep(0.2)
        assert compared == [7, 8]  # nobody has ever asked for that zone

    converse(world, ZoneTerms(transfer=(HERE,)), conversation)


def test_of_a_zone_whose_targets_are_told_the_version_before_is_compared(
    world: World, compared: list[int]
) -> None:
    async def run() -> None:
        async with listening(Secondary()) as other:
            on.append(ZoneTerms(transfer=(HERE,), also_tells=(to(other),)))

    on: list[ZoneTerms] = []
    asyncio.run(run())

    async def conversation(port: int) -> None:
        change(world, 1)
        await until(lambda: compared == [7])
        assert form(await asyncio.to_thread(asked, port, 7)) == "ixfr"
        assert compared == [7]

    converse(world, on[0], conversation)


@pytest.mark.parametrize("why", ["a clone", "pinned"])
def test_what_is_not_transferred_is_not_compared(world: World, compared: list[int], why: str) -> None:
    if why == "a clone":
        with world.project.store.writer() as writer:
            writer.set_setting("role", schema.CLONE)
    on = ZoneTerms(transfer=(HERE,), tells_ns=True)
    on = dataclasses.replace(on, at="v1") if why == "pinned" else on

    async def conversation(_port: int) -> None:
        change(world, 1)
        await asyncio.sleep(0.3)
        assert compared == []

    converse(world, on, conversation)


def test_after_a_fault_it_goes_on(
    world: World, compared: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(foreseen, "FAULT_S", 0.1)

    async def conversation(port: int) -> None:
        await asyncio.to_thread(transferred, port)
        with monkeypatch.context() as broken:
            broken.setattr(Served, "version", _broken)
            await asyncio.sleep(0.2)
        change(world, 1)
        await until(lambda: compared == [7])

    converse(world, ZoneTerms(transfer=(HERE,)), conversation)
    assert "no IXFR is foreseen: OperationalError: disk I/O error" in caplog.text


def _broken(*_: object) -> object:
    raise sqlite3.OperationalError("disk I/O error")


def test_a_comparison_that_led_to_nothing_is_not_made_again(world: World, compared: list[int]) -> None:
    """Else whoever asks for more than half of a zone again and again would have it compared each time."""

    async def conversation(port: int) -> None:
        world.put("example.com", *(row.replace("192.0.2", "198.51.100") for row in HOSTS), serial=7)
        for _ in range(3):
            assert form(await asyncio.to_thread(asked, port, 7)) == "axfr"
        assert compared == [7]

    converse(world, ZoneTerms(transfer=(HERE,)), conversation)


def test_versions_are_compared_one_at_a_time_however_many_are_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, active, most = transfer._compared, 0, 0

    def compare(store: Store, zone: str, before: int, tip: ServedZone) -> Changes | None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        time.sleep(0.02)
        try:
            return whole(store, zone, before, tip)
        finally:
            active -= 1

    monkeypatch.setattr(transfer, "_compared", compare)
    for last in range(6):
        change(world, last)

    async def conversation(port: int) -> None:
        answers = await asyncio.gather(*(asyncio.to_thread(asked, port, serial) for serial in range(7, 12)))
        assert [form(each) for each in answers] == ["ixfr"] * 5

    converse(world, ZoneTerms(transfer=(HERE,)), conversation)
    assert most == 1
