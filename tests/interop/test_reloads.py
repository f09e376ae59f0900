"""Zones of a running server: its configuration changes without a lost question, and new zones are there at once."""

import base64
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest

from tests.live import PATIENCE_S, PROJECT, XFERZONE, Done, Server, run, serving, within
from tests.nameserver.made import question, said

pytestmark = pytest.mark.interop

ZONE = """\
@ 3600 IN SOA ns1 hostmaster {serial} 7200 3600 1209600 3600
@ 3600 IN NS ns1
ns1 3600 IN A 192.0.2.1
www 300 IN A {address}
"""
MAIN, STABLE, NEXT = "192.0.2.80", "198.51.100.80", "203.0.113.80"


class World:
    """A repository with the branches main (serial 501), stable (401) and next, and the file that a server reads."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "zones.xferzone"
        self.config = directory / "zones.toml"
        self.config.write_text("")
        self.run("init")
        self.add("example.com", 400, STABLE)
        self.run("branch", "example.com", "stable")
        self.run("branch", "example.com", "next")
        self.set_serial("main", 500)
        self.run("set", "www.example.com", "A", MAIN)
        self.run("set", "www.example.com", "A", NEXT, "-b", "next")

    def run(self, *words: str, stdin: str = "") -> Done:
        env = {**os.environ, "HOME": str(self.path.parent), "USER": "ops", "PYTHONPATH": str(PROJECT)}
        return run(*XFERZONE, "-R", self.path, *words, env=env, at=self.path.parent, stdin=stdin)

    def add(self, zone: str, serial: int, address: str) -> None:
        self.run("zone", "add", zone, "--from", "-", stdin=ZONE.format(serial=serial, address=address))

    def set_serial(self, branch: str, serial: int) -> None:
        soa = ["ns1.example.com.", "hostmaster.example.com.", str(serial), "7200", "3600", "1209600", "3600"]
        self.run("set", "-b", branch, "example.com", "3600", "SOA", *soa)


class Asking:
    """Questions without a pause, by UDP and by TCP, each on a socket of its own; what came back, and what did not."""

    def __init__(self, server: Server) -> None:
        self._port = server.dns
        self._threads = [threading.Thread(target=self._ask, args=(kind,)) for kind in (self._udp, self._tcp)]
        self._is_over = False
        self.answers: list[str] = []
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join()

    def _ask(self, road: Callable[[bytes], bytes]) -> None:
        wire = question("www.example.com.", "A")
        while not self._is_over:
            try:
                (record,) = said(road(wire)).answer
                self.answers.append(record.split()[-1])
            except (OSError, ValueError) as exc:
                self.lost.append(f"{road}: {exc}")

    def _udp(self, wire: bytes) -> bytes:
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.settimeout(PATIENCE_S)
            asking.connect(("127.0.0.1", self._port))
            asking.send(wire)
            return asking.recv(65535)

    def _tcp(self, wire: bytes) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", self._port), PATIENCE_S) as asking,
            asking.makefile("rb") as came,
        ):
            asking.sendall(len(wire).to_bytes(2) + wire)
            return came.read(int.from_bytes(came.read(2)))


def reload(server: Server, outcome: str) -> None:
    before = server.log.read_text().count(f"outcome={outcome}")
    server.process.send_signal(signal.SIGHUP)
    assert within(PATIENCE_S, lambda: server.log.read_text().count(f"outcome={outcome}") > before), (
        server.log.read_text()
    )


def test_branches_and_canaries_change_without_a_lost_question_and_never_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    of_zone = '[dns]\nworkers = 2\n[[zone]]\nname = "example.com"\n'
    with serving(world.path, "dns", "-c", str(world.config)) as server, Asking(server) as asking:

        def choose(text: str, outcome: str = "done") -> None:
            world.config.write_text(text)
            reload(server, outcome)

        def answer() -> str:
            (found,) = server.dig("www.example.com")
            return found

        choose(f"{of_zone}branch = 'stable'\n", "refused")
        assert "stable, which has serial 401: 501 was served, from main" in server.log.read_text()
        choose(f"{of_zone}bramch = 'stable'\n", "refused")
        assert (
            "zones.toml:5: unknown setting bramch in [[zone]]: did you mean branch?" in server.log.read_text()
        )
        assert answer() == MAIN
        choose(f"{of_zone}canary = {{branch = 'next', percent = 100}}\n")
        assert answer() == NEXT
        world.set_serial("stable", 600)
        choose(f"{of_zone}branch = 'stable'\n")
        assert answer() == STABLE
        choose(of_zone, "refused")
        assert "main, which has serial 501: 600 was served, from stable" in server.log.read_text()
        assert answer() == STABLE
        world.set_serial("main", 601)
        choose(of_zone)
        assert answer() == MAIN
    assert asking.lost == []
    assert set(asking.answers) == {MAIN, NEXT, STABLE}


def test_a_branch_that_comes_later_brings_no_lower_serial(tmp_path: Path) -> None:
    world = World(tmp_path)
    with serving(world.path, "dns", "-c", str(world.config)) as server:
        assert server.dig("www.example.com") == [MAIN]
        world.config.write_text('[[zone]]\nname = "example.com"\nbranch = "later"\n')
        reload(server, "done")
        world.run("branch", "example.com", "later", "stable")
        told = "zone example.com: branch later has serial 402, 501 was served, from main: the zone is not served."
        assert server.told(told), server.log.read_text()
        assert server.dig("www.example.com") == []
        world.set_serial("later", 502)
        assert within(PATIENCE_S, lambda: server.dig("www.example.com") == [STABLE])


KEYS = {name: base64.b64encode(name.encode() * 8).decode() for name in ("first", "second")}


def keyed(name: str) -> str:
    """The configuration in which whoever has that key may transfer, and there is no other."""
    key = f'[keys.{name}]\nsecret = {{file = "{name}"}}\n'
    return f'[dns]\nworkers = 2\n[[zone]]\nname = "*"\ntransfer = ["key:{name}"]\n{key}'


def signed(name: str, kind: str) -> dns.message.Message:
    made = dns.message.make_query("example.com.", kind)
    made.use_tsig(dns.tsigkeyring.from_text({f"{name}.": KEYS[name]}))
    return made


def test_a_right_that_is_revoked_is_gone_when_the_reload_is_done(tmp_path: Path) -> None:
    """For what is handed over by UDP, on new connections, and on those that were open before."""
    world = World(tmp_path)
    for name, secret in KEYS.items():
        (tmp_path / name).write_text(f"{secret}\n")
        (tmp_path / name).chmod(0o600)
    world.config.write_text(keyed("first"))
    transfer = signed("first", "AXFR").to_wire()
    with serving(world.path, "dns", "-c", str(world.config)) as server:
        with (
            socket.create_connection(("127.0.0.1", server.dns), PATIENCE_S) as before,
            before.makefile("rb") as answers,
        ):
            before.sendall(len(transfer).to_bytes(2) + transfer)
            assert answers.read(int.from_bytes(answers.read(2)))[3] & 15 == dns.rcode.NOERROR
            world.config.write_text(keyed("second"))
            reload(server, "done")
            with contextlib.suppress(OSError):
                before.sendall(len(transfer).to_bytes(2) + transfer)
            with contextlib.suppress(ConnectionResetError):
                assert answers.read() == b""
        for _ in range(20):
            for road in (dns.query.udp, dns.query.tcp):
                assert road(signed("second", "SOA"), "127.0.0.1", PATIENCE_S, server.dns).had_tsig
                with pytest.raises(dns.tsig.PeerBadKey):
                    road(signed("first", "SOA"), "127.0.0.1", PATIENCE_S, server.dns)
        with pytest.raises(dns.tsig.PeerBadKey):
            dns.query.tcp(signed("first", "AXFR"), "127.0.0.1", PATIENCE_S, server.dns)
        assert dns.query.tcp(signed("second", "AXFR"), "127.0.0.1", PATIENCE_S, server.dns).answer


@contextmanager
def told() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that acknowledges NOTIFY, and the zones that it was told of."""
    zones: list[str] = []
    with socket.socket(type=socket.SOCK_DGRAM) as mine:
        mine.bind(("127.0.0.1", 0))

        def hear() -> None:
            while message := mine.recvfrom(65535):
                if not message[0]:
                    return
                asked = dns.message.from_wire(message[0])
                assert asked.opcode() == dns.opcode.NOTIFY
                mine.sendto(dns.message.make_response(asked).to_wire(), message[1])
                zones.append(asked.question[0].name.to_text())

        hearing = threading.Thread(target=hear)
        hearing.start()
        yield f"127.0.0.1:{mine.getsockname()[1]}", zones
        with socket.socket(type=socket.SOCK_DGRAM) as end:
            end.sendto(b"", mine.getsockname())
        hearing.join()


def test_a_zone_added_at_run_time_is_served_transferred_and_told_of(tmp_path: Path) -> None:
    world = World(tmp_path)
    with told() as (target, zones):
        options = ("--allow-transfer", "127.0.0.0/8", "--notify", target)
        with serving(world.path, "dns", *options) as server:
            assert within(PATIENCE_S, lambda: "example.com." in zones)
            world.add("second.example", 1, MAIN)
            assert within(1.0, lambda: server.dig("www.second.example") == [MAIN])
            assert within(1.0, lambda: "second.example." in zones)
            transferred = server.dig("second.example", "AXFR")
            assert len(transferred) == 5  # SOA, NS, two addresses, SOA
            assert sum(line.startswith("ns1.second.example. hostmaster") for line in transferred) == 2
