"""Targets are told of changes: once, newest first, again if they do not answer, and signed where they want that."""

import asyncio
import contextlib
import dataclasses
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import dns.message
import dns.opcode
import pytest

from tests.dnsd.test_following import World
from tests.dnsd.test_transfer import KEY, KEYRING
from xferzone.config import Address
from xferzone.dnsd import notify
from xferzone.dnsd.following import ServedZones, open_zones
from xferzone.dnsd.notify import Notifier
from xferzone.dnsd.terms import Target, Terms, ZoneTerms
from xferzone.refs.served import Served, ServedZone, State
from xferzone.store import schema
from xferzone.zonefile import names, text


class Secondary(asyncio.DatagramProtocol):
    """What a target hears; it answers unless it is `silent`."""

    def __init__(self, *, silent: bool = False, signs: bool = False) -> None:
        self.heard: list[tuple[str, int]] = []
        self.silent = silent
        self._signs = signs
        self.way: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        assert self.way is not None
        return int(self.way.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        asked = dns.message.from_wire(data, keyring=KEYRING if self._signs else None)
        assert asked.opcode() == dns.opcode.NOTIFY
        assert asked.had_tsig == self._signs
        (soa,) = asked.answer
        self.heard.append((str(asked.question[0].name), soa[0].serial))
        if not self.silent:
            assert self.way is not None
            self.way.sendto(dns.message.make_response(asked).to_wire(), addr)


@asynccontextmanager
async def listening(secondary: Secondary, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Secondary]:
    loop = asyncio.get_running_loop()
    secondary.way, _ = await loop.create_datagram_endpoint(lambda: secondary, (host, port))
    with closing(secondary.way):
        yield secondary


@asynccontextmanager
async def told(world: World, pattern: str, other: Secondary) -> AsyncIterator[Secondary]:
    """A target that is told of zones of that pattern."""
    async with listening(other), notifying(world, (pattern, ZoneTerms(also_tells=(to(other),)))):
        yield other


@asynccontextmanager
async def notifying(
    world: World, *terms: tuple[str, ZoneTerms], own: Sequence[Address] = ()
) -> AsyncIterator[None]:
    with closing(open_zones(world.project.path, Terms(zones=terms))) as zones:
        task = asyncio.create_task(Notifier(zones, own).run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def to(secondary: Secondary, **more: object) -> Target:
    return Target(Address("127.0.0.1", secondary.port), KEY if more else None)


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not fact():
            await asyncio.sleep(0.01)


def hold(conversation: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await conversation()

    asyncio.run(run())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def test_each_move_is_told_and_no_start_tells_what_was_acknowledged(world: World) -> None:
    async def conversation() -> None:
        async with listening(Secondary()) as other:
            terms = "example.com", ZoneTerms(also_tells=(to(other),))
            async with notifying(world, terms):
                await until(lambda: other.heard == [("example.com.", 1)])
                world.put("example.com", "www 300 A 192.0.2.9", serial=5)
                await until(lambda: other.heard[1:] == [("example.com.", 5)])
                world.put("example.net", "www 300 A 192.0.2.9", serial=5)
            other.heard.clear()
            async with notifying(world, terms):
                await asyncio.sleep(0.3)
                assert other.heard == []
                world.put("example.com", "www 300 A 192.0.2.7", serial=6)
                await until(lambda: other.heard == [("example.com.", 6)])

    hold(conversation)


def test_a_zone_that_is_added_is_told_and_ones_without_targets_are_not(world: World) -> None:
    async def conversation() -> None:
        async with told(world, "*.test", Secondary()) as other:
            world.put("a.test", "www 300 A 192.0.2.1", serial=3)
            world.put("b.test", "www 300 A 192.0.2.1", serial=4)
            await until(lambda: sorted(other.heard) == [("a.test.", 3), ("b.test.", 4)])

    hold(conversation)


def test_hosts_of_ns_records_are_told_by_their_addresses_but_our_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in the zone by what it says, glue too; others as the system resolves them."""
    soa = "@ 300 SOA ns h 1 3600 600 86400 300\n"
    hosts = {
        "inside.test": "@ 300 NS ns\n@ 300 NS own\nns 300 A 127.0.0.1\nown 300 A 127.0.0.2\n",
        "glue.test": "@ 300 NS ns.sub\nsub 300 NS ns.sub\nns.sub 300 A 127.0.0.1\n",
        "outside.test": "@ 300 NS localhost.\n",
    }

    async def conversation() -> None:
        async with (
            listening(Secondary()) as other,
            listening(Secondary(), "127.0.0.2", other.port) as ourselves,
        ):
            monkeypatch.setattr(notify, "PORT", other.port)
            own = [Address("127.0.0.2", other.port)]
            async with notifying(world, ("*.test", ZoneTerms(tells_ns=True)), own=own):
                for zone, lines in hosts.items():
                    with world.editing(zone) as edit:
                        edit.replace(text.read_zone((soa + lines).encode(), names.zone_name(zone)), "put")
                await until(lambda: {zone for zone, _ in other.heard} == {f"{zone}." for zone in hosts})
            assert ourselves.heard == []

    hold(conversation)


def test_of_a_burst_the_newest_is_told_at_the_end_and_one_is_in_flight_at_a_time(world: World) -> None:
    async def conversation() -> None:
        async with told(world, "*", Secondary(silent=True)) as other:
            await until(lambda: len(other.heard) == 2)
            for serial in range(2, 12):
                world.put("example.com", f"www 300 A 192.0.2.{serial}", serial=serial)
            await asyncio.sleep(0.2)
            assert len(other.heard) == 2  # the first is not answered yet
            other.silent = False
            await until(lambda: ("example.com.", 11) in other.heard)
            assert {serial for _, serial in other.heard} == {1, 11}

    hold(conversation)


def test_who_does_not_answer_is_told_again(world: World) -> None:
    async def conversation() -> None:
        async with told(world, "example.net", Secondary(silent=True)) as other:
            await until(lambda: other.heard == [("example.net.", 1)] * 2)

    hold(conversation)


def test_who_was_away_is_told_of_a_new_move_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the message that went before it could be waited for much longer."""
    monkeypatch.setattr(notify, "FIRST_S", 3600.0)

    async def conversation() -> None:
        async with told(world, "example.com", Secondary(silent=True)) as other:
            await until(lambda: other.heard == [("example.com.", 1)])
            other.silent = False
            monkeypatch.setattr(notify, "FIRST_S", 0.05)  # of the next messages, and from now on of this one
            world.put("example.com", "www 300 A 192.0.2.9", serial=5)
            await until(lambda: other.heard[1:] == [("example.com.", 5)])

    hold(conversation)


def test_who_does_not_answer_keeps_no_other_waiting_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so many messages are in flight: here one, which nobody answers."""
    monkeypatch.setattr(notify, "MAX_FLYING", 1)
    monkeypatch.setattr(notify, "FIRST_S", 0.05)

    async def conversation() -> None:
        async with listening(Secondary()) as other, listening(Secondary(silent=True)) as silent:
            async with notifying(world, ("*", ZoneTerms(also_tells=(to(silent), to(other))))):
                await until(lambda: {zone for zone, _ in other.heard} == {"example.com.", "example.net."})
            assert silent.heard

    hold(conversation)


def test_a_key_signs_what_is_sent_and_the_answer_must_be_signed(world: World) -> None:
    async def conversation() -> None:
        async with listening(Secondary(signs=True)) as other:
            terms = "example.com", ZoneTerms(also_tells=(to(other, signed=True),))
            async with notifying(world, terms):
                await until(lambda: other.heard == [("example.com.", 1)])
                await asyncio.sleep(0.2)
            other.heard.clear()
            async with notifying(world, terms):
                await asyncio.sleep(0.3)
                assert other.heard == []

    hold(conversation)


@pytest.mark.parametrize("role", [schema.CLONE, schema.PRIMARY])
def test_neither_a_clone_nor_a_pinned_zone_tells_anybody(world: World, role: str) -> None:
    async def conversation() -> None:
        with world.project.store.writer() as writer:
            writer.set_setting("role", role)
        async with listening(Secondary()) as other:
            at = None if role == schema.CLONE else "v1"
            async with notifying(world, ("*", ZoneTerms(at=at, also_tells=(to(other),)))):
                await asyncio.sleep(0.3)
                assert other.heard == []

    hold(conversation)


def test_a_fault_is_told_once_and_looked_at_less_often_and_the_next_move_is_told_when_it_has_passed(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "POLL_S", 0.001)
    monkeypatch.setattr(notify, "LONGEST_POLL_S", 0.25)
    looks = []

    def broken(*_: object) -> object:
        looks.append(1)
        raise sqlite3.OperationalError("disk I/O error")

    async def conversation() -> None:
        async with told(world, "example.com", Secondary()) as other:
            await until(lambda: other.heard == [("example.com.", 1)])
            with monkeypatch.context() as patched:
                patched.setattr(Served, "version", broken)
                await asyncio.sleep(1)
            world.put("example.com", "www 300 A 192.0.2.9", serial=2)
            await until(lambda: other.heard[1:] == [("example.com.", 2)])

    hold(conversation)
    assert 3 <= len(looks) <= 15  # at once it would be hundreds
    (line,) = (each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)
    assert line == "dns notify outcome=waits why='disk I/O error'"


def test_one_zone_that_cannot_be_read_keeps_no_other_from_being_told(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "AGAIN_S", 0.05)
    whole = ServedZones.tip
    is_broken = True

    def tip(self: ServedZones, zone: str) -> ServedZone | None:
        if is_broken and zone == "example.com":
            raise sqlite3.OperationalError("disk I/O error")
        return whole(self, zone)

    monkeypatch.setattr(ServedZones, "tip", tip)

    async def conversation() -> None:
        nonlocal is_broken
        async with told(world, "*", Secondary()) as other:
            await until(lambda: other.heard == [("example.net.", 1)])
            await asyncio.sleep(0.3)
            is_broken = False
            await until(lambda: ("example.com.", 1) in other.heard)

    hold(conversation)
    (line,) = (each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)
    assert line == "dns notify outcome=waits zone=example.com why='disk I/O error'"


def test_a_zone_that_is_not_compiled_is_told_when_it_is_and_looked_at_only_after_commits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be looked at 20 times a second for as long as nobody compiles it."""
    monkeypatch.setattr(notify, "AGAIN_S", 0.2)
    whole = ServedZones.tip
    looks: list[str] = []
    is_compiled = False

    def tip(self: ServedZones, zone: str) -> ServedZone | None:
        looks.append(zone)
        found = whole(self, zone)
        assert found is not None
        if zone == "example.com" and not is_compiled:
            return dataclasses.replace(found, state=State.DEFERRED, numbers=())
        return found

    monkeypatch.setattr(ServedZones, "tip", tip)

    async def conversation() -> None:
        nonlocal is_compiled
        async with told(world, "*", Secondary()) as other:
            await until(lambda: other.heard == [("example.net.", 1)])
            await asyncio.sleep(1)
            assert looks.count("example.com") <= 4  # at the start, and after what is written down at first
            is_compiled = True
            with world.project.store.writer() as writer:  # whoever has compiled it commits, too
                writer.set_setting("any", "thing")
            await until(lambda: ("example.com.", 1) in other.heard)

    hold(conversation)
