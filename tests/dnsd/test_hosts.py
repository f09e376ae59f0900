"""Hosts of other zones: each is looked up once, and few at a time, however many zones name them."""

import asyncio
import socket
import threading

import pytest

from xferzone.dnsd.hosts import LOOKUPS, Hosts


class Resolver:
    """The system's, which does not answer before it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_free = threading.Event()

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        self.asked.append(host)
        assert self.is_free.wait(60)
        if host.startswith("none"):
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 0))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    return made


def wire(label: str) -> bytes:
    return bytes((len(label),)) + label.encode() + b"\0"


def test_other_work_has_threads_while_a_resolver_does_not_answer(resolver: Resolver) -> None:
    async def run() -> None:
        hosts = Hosts()
        lookups = [asyncio.create_task(hosts.addresses(wire(f"host{number}"), "x")) for number in range(50)]
        async with asyncio.timeout(60):
            while len(resolver.asked) < LOOKUPS:
                await asyncio.sleep(0.01)
            for _ in range(5):
                await asyncio.to_thread(int)
            assert len(resolver.asked) == LOOKUPS
            resolver.is_free.set()
            assert {*await asyncio.gather(*lookups)} == {("192.0.2.1",)}
        assert len(resolver.asked) == 50

    asyncio.run(run())


def test_a_host_of_many_zones_is_looked_up_once_even_if_it_is_not_there(
    resolver: Resolver, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        hosts = Hosts()
        both = [wire("one"), wire("none")]
        lookups = [
            asyncio.create_task(hosts.addresses(host, f"zone{zone}")) for zone in range(20) for host in both
        ]
        await asyncio.sleep(0.05)
        resolver.is_free.set()
        async with asyncio.timeout(60):
            assert await asyncio.gather(*lookups) == [("192.0.2.1",), ()] * 20
            assert await hosts.addresses(both[1], "later") == ()
        assert sorted(resolver.asked) == ["none", "one"]

    asyncio.run(run())
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith("dns notify outcome=unresolved zone=zone0 host=none why=")
