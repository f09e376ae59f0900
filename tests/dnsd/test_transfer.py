"""Zones given away: whole, to whom they may go, signed where they are asked for so."""

import asyncio
import base64
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.xfr
import dns.zone
import pytest

from tests.dnsd.test_following import World
from xferzone.config import Network
from xferzone.dnsd import access, agent, transfer
from xferzone.dnsd.agent import Agent
from xferzone.dnsd.following import ServedZones, open_zones
from xferzone.dnsd.terms import Allowed, Key, Pin, Terms, ZoneTerms
from xferzone.hashing import ArtifactId
from xferzone.store import schema

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = Key(b"\7mirrors\0", b"\x0bhmac-sha256\0", SECRET)
KEYRING = dns.tsigkeyring.from_text({"mirrors.": base64.b64encode(SECRET).decode()})
HERE = Allowed((Network("127.0.0.0/8"),), frozenset(), "transfer of *")
ELSEWHERE = Allowed((Network("192.0.2.0/24"),), frozenset(), "transfer of *")
SIGNED = Allowed((), frozenset({KEY.name}), "transfer of *, key mirrors")


def terms(*allowed: Allowed) -> Terms:
    return Terms(zones=(("*", ZoneTerms(transfer=allowed)),), keys={KEY.name: KEY})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def talk(world: World, on: Terms, asks: Callable[[int], None]) -> None:
    """Have `asks`, in a thread, ask the agent at a port."""
    with closing(open_zones(world.project.path, on)) as zones:
        asyncio.run(_served(zones, asks))


async def _served(zones: ServedZones, asks: Callable[[int], None]) -> None:
    server = await asyncio.start_server(Agent(zones).talk, "127.0.0.1", 0)
    async with server, asyncio.timeout(240):
        await asyncio.to_thread(asks, server.sockets[0].getsockname()[1])


def transferred(port: int, *, signed: bool = False, zone: str = "example.com.") -> dns.zone.Zone:
    made = dns.zone.Zone(zone)
    ring = KEYRING if signed else None
    query, _ = dns.xfr.make_query(made, keyring=ring)
    dns.query.inbound_xfr("127.0.0.1", made, query, port=port, timeout=20)
    return made


def refused(port: int, *, signed: bool = False, zone: str = "example.com.", kind: str = "AXFR") -> str:
    query = dns.message.make_query(zone, kind)
    if signed:
        query.use_tsig(KEYRING)
    return dns.rcode.to_text(dns.query.tcp(query, "127.0.0.1", 20, port).rcode())


def test_a_zone_is_given_away_whole_with_the_served_serial(world: World) -> None:
    rows = [f"host{number} 300 A 192.0.2.1" for number in range(4_000)]
    world.put("example.com", *rows, "a.b.c 60 MX 5 host1", serial=77)

    def asks(port: int) -> None:
        zone = transferred(port)
        assert zone.get_soa().serial == 77
        assert len(zone.nodes) == 4_002
        assert str(zone.find_rdataset("a.b.c", "MX")) == "60 IN MX 5 host1"

    talk(world, terms(HERE), asks)


def test_every_message_is_signed_by_the_key_of_the_question(world: World) -> None:
    world.put("example.com", *(f"host{number} 300 A 192.0.2.1" for number in range(3_000)))

    def asks(port: int) -> None:
        assert len(transferred(port, signed=True).nodes) == 3_001  # dnspython wants each of several signed
        assert refused(port) == "REFUSED"
        soa = dns.message.make_query("example.com.", "SOA")
        soa.use_tsig(KEYRING)
        assert dns.query.tcp(soa, "127.0.0.1", 20, port).had_tsig

    talk(world, terms(SIGNED), asks)


@pytest.mark.parametrize(
    ("on", "signed", "rcode", "rule"),
    [
        (terms(), False, "REFUSED", "none: no transfer is allowed"),
        (terms(ELSEWHERE), False, "REFUSED", "transfer of *"),
        (terms(ELSEWHERE), True, "REFUSED", "transfer of *"),
        (terms(SIGNED), False, "REFUSED", "transfer of *, key mirrors"),
    ],
    ids=["nobody may", "elsewhere", "signed elsewhere", "unsigned"],
)
def test_a_refusal_names_client_key_zone_and_rule_once(
    world: World, caplog: pytest.LogCaptureFixture, on: Terms, signed: bool, rcode: str, rule: str
) -> None:
    def asks(port: int) -> None:
        for _ in range(3):
            assert refused(port, signed=signed) == rcode

    with caplog.at_level(logging.INFO):
        talk(world, on, asks)
    key = "mirrors" if signed else "none"
    said = f"dns outcome=refused what=axfr client=127.0.0.1 key={key} zone=example.com rule='{rule}'"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_a_pinned_zone_is_not_transferred() -> None:
    on, client = terms(HERE), b"\x7f\0\0\1"
    assert access.refusal(on, "example.com", schema.PRIMARY, client, b"") == ""
    pinned = dataclasses.replace(on, pins={"example.com": Pin(ArtifactId("0" * 64), 7, ())})
    said = "at: a pinned zone is not transferred"
    assert access.refusal(pinned, "example.com", schema.PRIMARY, client, b"") == said
    assert access.refusal(pinned, "example.net", schema.PRIMARY, client, b"") == ""


def test_a_clone_is_not_transferred_from_and_a_mirror_is(world: World) -> None:
    def role(name: str) -> None:
        with world.project.store.writer() as writer:
            writer.set_setting("role", name)

    def asks(port: int) -> None:
        role(schema.CLONE)
        assert refused(port) == "REFUSED"
        role(schema.MIRROR)
        assert transferred(port).nodes

    talk(world, terms(HERE), asks)


def test_what_is_not_a_zone_here_is_notauth_and_a_bad_signature_too(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def asks(port: int) -> None:
        assert refused(port, zone="www.example.com.") == "NOTAUTH"
        query = dns.message.make_query("example.com.", "AXFR")
        query.use_tsig(dns.tsigkeyring.from_text({"mirrors.": "AAAA"}))
        with pytest.raises(dns.tsig.PeerBadSignature):
            dns.query.tcp(query, "127.0.0.1", 20, port)

    talk(world, terms(HERE), asks)
    assert "what=signature client=127.0.0.1 key=mirrors zone=example.com rule='BADSIG'" in caplog.text


def test_a_transfer_is_of_one_version_and_others_are_answered_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "IDLE", 200.0)  # seconds; the commits take some of a busy machine's

    def put(letter: str, serial: int) -> None:
        said = f"TXT {letter * 250} {letter * 250}"
        world.put("example.com", *(f"host{number} 300 {said}" for number in range(8_000)), serial=serial)

    put("a", 5)

    async def conversation(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        question = dns.message.make_query("example.com.", "AXFR", use_edns=False).to_wire()
        writer.write(len(question).to_bytes(2) + question)
        size = int.from_bytes(await reader.readexactly(2))
        messages = [await reader.readexactly(size)]
        put("b", 6)
        put("c", 7)
        other = await asyncio.to_thread(
            dns.query.tcp, dns.message.make_query("host1.example.com.", "TXT"), "127.0.0.1", 20, port
        )
        assert "ccc" in str(other.answer)
        while sum(int.from_bytes(message[6:8]) for message in messages) < 8_003:
            size = int.from_bytes(await reader.readexactly(2))
            messages.append(await reader.readexactly(size))
        writer.close()
        last = dns.message.from_wire(messages[-1])
        assert last.answer[-1][0].serial == 5

    talk(world, terms(HERE), lambda port: asyncio.run(conversation(port)))


def test_of_many_transfers_at_once_some_wait_and_are_refused_in_the_end_while_others_are_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = f"TXT {'a' * 250} {'b' * 250}"
    world.put("example.com", *(f"host{number} 300 {said}" for number in range(12_000)))
    monkeypatch.setattr(transfer, "PATIENCE", 0.5)  # seconds
    question = dns.message.make_query("example.com.", "AXFR", use_edns=False).to_wire()

    async def conversation(port: int) -> None:
        taken = []
        for _ in range(transfer.MAX_PER_CLIENT + 3):  # which take nothing beyond what their sockets hold
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
            writer.write(len(question).to_bytes(2) + question)
            taken.append((reader, writer))
        answer = await asyncio.to_thread(
            dns.query.tcp, dns.message.make_query("host1.example.com.", "TXT"), "127.0.0.1", 20, port
        )
        assert answer.answer
        rcodes = []
        for reader, _ in taken:
            await reader.readexactly(2)
            rcodes.append((await reader.readexactly(12))[3] & 15)
        assert rcodes.count(dns.rcode.REFUSED) == 3
        for _, writer in taken:
            writer.close()

    talk(world, terms(HERE), lambda port: asyncio.run(conversation(port)))
    assert "rule='at most 4 transfers of a client, 8 in all'" in caplog.text


@pytest.mark.parametrize(("bound", "of"), [("IDLE", agent), ("LONGEST_S", transfer)], ids=["idle", "slow"])
def test_who_takes_nothing_or_too_long_loses_its_transfer(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    bound: str,
    of: ModuleType,
) -> None:
    """And its turn, which others wait for."""
    said = f"TXT {'a' * 250} {'b' * 250}"
    world.put("example.com", *(f"host{number} 300 {said}" for number in range(12_000)))
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(of, bound, 0.3)  # seconds
    question = dns.message.make_query("example.com.", "AXFR", use_edns=False).to_wire()

    async def conversation(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        writer.write(len(question).to_bytes(2) + question)
        size = 0
        if bound == "LONGEST_S":  # it takes some every now and then
            for _ in range(30):
                size += len(await reader.read(4096))
                await asyncio.sleep(0.1)
        else:
            await asyncio.sleep(3)
        with contextlib.suppress(ConnectionResetError):
            while came := await reader.read(65_536):
                size += len(came)
        assert 0 < size < 6_000_000  # the zone has more
        writer.close()

    talk(world, terms(HERE), lambda port: asyncio.run(conversation(port)))
    assert "dns transfer outcome=ended form=axfr zone=example.com client=127.0.0.1 key=none" in caplog.text
