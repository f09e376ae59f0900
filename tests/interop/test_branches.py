"""Canaries and time travel as processes: a thousand networks of clients, kdig, dig, restarts, HUP, two ports."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, PROJECT, XFERZONE, Done, Server, run, serving, within
from tests.nameserver.made import question, said
from xferzone.nameserver.route import cohort

pytestmark = pytest.mark.interop

ZONE = """\
@ 3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 3600
@ 3600 IN NS ns1
ns1 3600 IN A 192.0.2.1
www 300 IN A 192.0.2.80
"""
CONFIG = """
[dns]
workers = 2

[[zone]]
name = "example.com"
canary = {{branch = "next", percent = {percent}, salt = "2026", ecs_from = ["127.0.0.53"]}}
transfer = ["127.0.0.0/8"]
"""
MAIN, CANARY = "192.0.2.80", "198.51.100.80"
#: One client of each of a thousand networks; the second number is below 255, as the loopback network has it.
CLIENTS = [f"127.{1 + number // 250}.{number % 250}.7" for number in range(1000)]
#: A network of each cohort at 20 %.
IN_CANARY, IN_MAIN = "198.18.4.0/24", "198.18.0.0/24"


class World:
    """A repository with a branch beside main, and a configuration."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "zones.xferzone"
        self.config = directory / "zones.toml"
        self.run("init")
        self.run("zone", "add", "example.com", "--from", "-", stdin=ZONE)
        self.run("branch", "example.com", "next")
        self.run("set", "www.example.com", "A", CANARY, "-b", "next")
        self.choose(20)

    def run(self, *words: str, stdin: str = "", code: int = 0) -> Done:
        env = {**os.environ, "HOME": str(self.path.parent), "USER": "ops", "PYTHONPATH": str(PROJECT)}
        return run(*XFERZONE, "-R", self.path, *words, env=env, at=self.path.parent, code=code, stdin=stdin)

    def choose(self, percent: int) -> None:
        self.config.write_text(CONFIG.format(percent=percent))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("branches"))


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with serving(world.path, "dns", "-c", str(world.config)) as served:
        yield served


def asked_from(server: Server, clients: Sequence[str]) -> list[str]:
    """The address of www.example.com that each client gets."""
    answers = []
    wire = question("www.example.com.", "A")
    for client in clients:
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.bind((client, 0))
            asking.settimeout(PATIENCE_S)
            asking.sendto(wire, ("127.0.0.1", server.dns))
            (record,) = said(asking.recv(2000)).answer
        answers.append(record.split()[-1])
    return answers


def kdig(server: Server, *options: str, source: str = "127.0.0.53") -> str:
    argv = ["kdig", f"@127.0.0.1#{server.dns}", "-b", source, "+timeout=10", *options]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_twenty_percent_of_a_thousand_networks_and_the_same_ones_after_a_restart(world: World) -> None:
    runs = []
    for _ in range(2):
        with serving(world.path, "dns", "-c", str(world.config)) as server:
            runs.append(asked_from(server, CLIENTS))
            runs.append(asked_from(server, CLIENTS))  # from other ports, so from other workers
    assert all(answers == runs[0] for answers in runs)
    expected = [
        CANARY if cohort(b"2026", "example.com", socket.inet_aton(client)[:3]) < 2000 else MAIN
        for client in CLIENTS
    ]
    assert runs[0] == expected
    assert runs[0].count(CANARY) == 201


def test_a_subnet_is_believed_of_listed_resolvers_alone(server: Server) -> None:
    for subnet, address in ((IN_CANARY, CANARY), (IN_MAIN, MAIN)):
        listed = kdig(server, f"+subnet={subnet}", "www.example.com", "A")
        assert address in listed
        network = subnet.removesuffix("/24")
        assert f"CLIENT-SUBNET: {network}/24/24" in listed
    for source in ("127.0.0.54", "127.1.1.7"):
        answers = {
            kdig(server, f"+subnet={each}", "+short", "www.example.com", source=source)
            for each in (IN_CANARY, IN_MAIN)
        }
        assert len(answers) == 1
        assert "CLIENT-SUBNET" not in kdig(server, f"+subnet={IN_CANARY}", "www.example.com", source=source)


@pytest.mark.parametrize(
    ("subnet", "name", "told"),
    [
        ("0.0.0.0/0", "www.example.com", "0.0.0.0/0/0"),
        ("198.18.0.0/20", "www.example.com", "198.18.0.0/20/20"),
        ("198.18.4.77/32", "www.example.com", "198.18.4.77/32/24"),
        ("198.18.4.0/24", "nothing.example.com", "198.18.4.0/24/24"),
        ("2001:db8:1::/56", "www.example.com", "2001:db8:1::/56/48"),
    ],
)
def test_scopes_of_answers(server: Server, subnet: str, name: str, told: str) -> None:
    assert f"CLIENT-SUBNET: {told}" in kdig(server, f"+subnet={subnet}", name, "A")


def test_dig_asks_for_privacy_and_gets_it(server: Server) -> None:
    answer = server.dig_all("www.example.com", "A", "-b", "127.0.0.53", "+subnet=0")
    assert "CLIENT-SUBNET: 0.0.0.0/0/0" in answer
    assert MAIN in answer


def test_transfers_and_every_soa_are_mains(world: World, server: Server) -> None:
    canary = CLIENTS[asked_from(server, CLIENTS).index(CANARY)]
    soas = set()
    for source in (canary, "127.0.0.9"):
        soas |= set(server.dig("example.com", "SOA", "-b", source))
        soas |= set(server.dig("example.com", "SOA", "-b", source, "+tcp"))
        (denial,) = [
            line for line in server.dig_all("no.example.com", "A", "-b", source).splitlines() if "SOA" in line
        ]
        soas.add(denial.split("SOA\t")[1])
        transfer = server.dig_all("example.com", "AXFR", "-b", source)
        assert MAIN in transfer
        assert CANARY not in transfer
    assert len(soas) == 1
    assert next(iter(soas)).split()[2] == "1"


def test_hup_changes_the_percentage_without_a_lost_question(world: World, server: Server) -> None:
    before = asked_from(server, CLIENTS[:200])
    try:
        world.choose(60)
        server.process.send_signal(signal.SIGHUP)
        counts = []

        def has_changed() -> bool:
            answers = asked_from(server, CLIENTS[:200])  # each is answered, by old processes or new ones
            counts.append(answers.count(CANARY))
            return "reload outcome=done" in server.log.read_text() and counts[-1] == counts[-2]

        asked_from(server, CLIENTS[:1])
        counts.append(before.count(CANARY))
        assert within(PATIENCE_S, has_changed)
        after = asked_from(server, CLIENTS[:200])
        assert {client for client, got in zip(CLIENTS, before, strict=False) if got == CANARY} < {
            client for client, got in zip(CLIENTS, after, strict=False) if got == CANARY
        }
    finally:
        world.choose(20)


def test_a_branch_that_changes_delegations_is_told_once_and_counted(world: World) -> None:
    world.run("branch", "example.com", "third")
    world.run("set", "sub.example.com", "NS", "ns1.example.com", "-b", "third", "-z", "example.com")
    with serving(world.path, "up", "--canary", "third:100") as server:
        told = "zone example.com: canary branch third changes the delegations at sub: main's are sent to all"
        assert server.told(told)
        assert server.dig_all("a.sub.example.com", "A").count("status: NXDOMAIN") == 1
        assert server.log.read_text().count(told) == 1


def test_two_ports_two_versions(world: World) -> None:
    world.run("zone", "add", "example.net", "--from", "-", stdin=ZONE)
    first = world.run("set", "www.example.net", "A", "192.0.2.1").out.split("example.net/main ")[1].split()[0]
    world.run("set", "www.example.net", "A", "192.0.2.2")
    with (
        serving(world.path, "dns", "--at", first) as then,
        serving(world.path, "dns", "--at", "example.net/main") as now,
    ):
        world.run("set", "www.example.net", "A", "192.0.2.3")
        assert (then.dig("www.example.net"), now.dig("www.example.net")) == (["192.0.2.1"], ["192.0.2.2"])
        assert [server.dig("example.net", "SOA")[0].split()[2] for server in (then, now)] == ["2", "3"]
        assert then.dig("www.example.com") == now.dig("www.example.com") == [MAIN]
        assert "Transfer failed" in then.dig_all("example.net", "AXFR")
        assert f"zone example.net is served as of check-in {first}, serial 2" in then.log.read_text()


def test_what_is_not_there_starts_nothing(world: World) -> None:
    done = world.run("dns", "--listen", "127.0.0.1:20001", "--at", "2001-01-01", code=5)
    assert "no zone can be served as of 2001-01-01" in done.err
    today = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
    assert "has no time zone" in world.run("dns", "--listen", "127.0.0.1:20001", "--at", today, code=2).err
