"""Answerer and agent as processes of their own, asked by dig and kdig on loopback."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.dnsd.test_following import World, damage
from tests.live import PATIENCE_S, PROJECT, background, bound, free_port, within
from tests.nameserver.made import question, said
from tests.nameserver.test_wire import UNREADABLE

pytestmark = pytest.mark.interop

ASKED = question("www.example.com.", "A")
SOON_S = 0.01  # a server looks every millisecond
ZONE = [
    "www 300 A 192.0.2.1",
    "alias 300 CNAME www",
    "sub 300 NS ns.sub",
    "ns.sub 300 A 192.0.2.53",
    *(f'big 300 TXT "{number:0100}"' for number in range(8)),  # over 512 bytes, below 1232
    *(f'huge 300 TXT "{number:0200}"' for number in range(100)),
]


class Server:
    """One answerer and one agent on a port of 127.0.0.1 and ::1."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.port = port

    def dig(self, *words: str, host: str = "127.0.0.1") -> str:
        return output("dig", "+time=5", "+tries=1", "+nocookie", f"@{host}", "-p", str(self.port), *words)

    def kdig(self, *words: str, host: str = "127.0.0.1") -> str:
        return output("kdig", "+time=5", "+retry=0", f"@{host}", "-p", str(self.port), *words)

    def udp(self, message: bytes, host: str = "127.0.0.1", seconds: float = 5) -> bytes | None:
        """The answer to a datagram; None if none comes from the address that was asked."""
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(seconds)
            client.connect((host, self.port))
            client.send(message)
            with contextlib.suppress(OSError):
                return client.recv(65536)
        return None


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stdout + done.stderr


def start(
    part: str, repository: Path, *listen: str
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    argv = [
        sys.executable,
        "-m",
        f"xferzone.dnsd.{part}",
        "--repository",
        str(repository),
        "--listen",
        *listen,
    ]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return background(argv, env, log_of(part, repository))


def log_of(part: str, repository: Path) -> Path:
    return repository.with_name(f"{part}.log")


def connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S):
        return True
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    world = World(tmp_path_factory.mktemp("served"))
    world.put("example.com", *ZONE)
    port = free_port()
    path = world.project.path
    listen = (f"127.0.0.1:{port}", f"[::1]:{port}")
    with start("answerer", path, *listen) as answerer, start("agent", path, *listen) as agent:
        made = Server(world, port)
        assert within(PATIENCE_S, lambda: made.udp(ASKED, seconds=0.1) is not None and connects(port))
        yield made
        stop(answerer)
        stop(agent)
    for part in ("answerer", "agent"):
        assert "Traceback" not in log_of(part, path).read_text()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    "options", [(), ("+tcp",), ("+noedns",), ("+dnssec",), ("+cookie",), ("+bufsize=4096",)]
)
def test_dig_gets_its_answer(server: Server, host: str, options: tuple[str, ...]) -> None:
    assert server.dig("+short", *options, "www.example.com", host=host) == "192.0.2.1\n"
    shown = server.dig(*options, "www.example.com", host=host)
    assert "flags: qr aa rd" in shown
    assert "warning" not in shown.lower().replace("recursion requested but not available", "").replace(
        ";; warning: \n", ""
    )


def test_many_questions_on_one_connection(server: Server) -> None:
    names = [f"{name}.example.com" for name in ("www", "alias", "nope", "www", "big", "huge")]
    shown = server.kdig("+tcp", "+keepopen", *names)
    assert shown.count("status: NOERROR") == 5
    assert shown.count("status: NXDOMAIN") == 1
    assert shown.count("(TCP)") == 6


@pytest.mark.parametrize(
    ("option", "whole"),
    [
        ("+noedns", False),
        ("+bufsize=512", False),
        ("+bufsize=900", False),
        ("+bufsize=1231", True),
        ("+bufsize=1232", True),
        ("+bufsize=4096", True),
    ],
)
def test_sizes(server: Server, option: str, whole: bool) -> None:
    shown = server.dig("+ignore", option, "big.example.com", "TXT")
    assert ("flags: qr aa tc rd" in shown) == (not whole)
    assert shown.count('IN\tTXT\t"') == (8 if whole else 0)
    again = server.dig(option, "big.example.com", "TXT")
    assert again.count('IN\tTXT\t"') == 8
    assert ("retrying in TCP mode" in again) == (not whole)


def test_what_no_datagram_holds_comes_by_tcp(server: Server) -> None:
    shown = server.dig("huge.example.com", "TXT")
    assert "retrying in TCP mode" in shown
    assert shown.count('IN\tTXT\t"') == 100


def test_edns_is_answered_by_edns(server: Server) -> None:
    assert "EDNS: version: 0, flags:; udp: 1232" in server.dig("www.example.com")
    assert "EDNS: version: 0, flags: do; udp: 1232" in server.dig("+dnssec", "www.example.com")
    assert "EDNS" not in server.dig("+noedns", "www.example.com")
    shown = server.dig("+edns=1", "+noednsnegotiation", "www.example.com")
    assert "status: BADVERS" in shown
    assert "192.0.2.1" not in shown


def test_a_referral_with_glue(server: Server) -> None:
    shown = server.dig("+norecurse", "x.sub.example.com")
    assert "flags: qr;" in shown
    assert "ns.sub.example.com.\t300\tIN\tA\t192.0.2.53" in shown


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("version.bind", "CH", "TXT"), "REFUSED"),
        (("id.server", "CH", "TXT"), "REFUSED"),
        (("www.example.com", "HS", "A"), "REFUSED"),
        (("www.elsewhere.test",), "REFUSED"),
        (("+opcode=STATUS", "www.example.com"), "NOTIMP"),
        (("+opcode=IQUERY", "www.example.com"), "NOTIMP"),
        (("+opcode=NOTIFY", "example.com", "SOA"), "REFUSED"),
        (("+opcode=UPDATE", "example.com", "SOA"), "REFUSED"),
        (("+opcode=15", "www.example.com"), "NOTIMP"),
        (("www.example.com", "ANY"), "NOERROR"),
    ],
)
@pytest.mark.parametrize("tcp", ["+notcp", "+tcp"])
def test_what_is_not_a_question_for_addresses(
    server: Server, words: tuple[str, ...], status: str, tcp: str
) -> None:
    shown = server.dig(tcp, *words)
    assert f"status: {status}" in shown


def test_a_transfer_is_refused(server: Server) -> None:
    assert "Transfer failed" in server.dig("example.com", "AXFR")
    assert "REFUSED" in server.kdig("example.com", "AXFR")
    for kind, rcode in (("AXFR", "NOTIMP"), ("IXFR", "REFUSED")):
        assert said(server.udp(question("example.com.", kind))).rcode == rcode


def test_malformed_datagrams_do_no_harm(server: Server) -> None:
    for _name, message, _asked in UNREADABLE:
        answer = server.udp(message)
        assert answer is not None
        assert answer[3] & 15 == 1
    for message in (b"x", ASKED[:11], ASKED[:2] + b"\x80" + ASKED[3:], os.urandom(11), b"\xff" * 4000):
        assert server.udp(message, seconds=0.2) is None
    assert server.udp(b"\0" * 60_000) is not None
    assert server.dig("+short", "www.example.com") == "192.0.2.1\n"


def test_random_datagrams_do_no_harm(server: Server) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", server.port))
        for number in range(2000):
            noise = os.urandom(60)
            client.send(noise[: number % 60] if number % 2 else ASKED[: number % len(ASKED)] + noise[:20])
    assert within(PATIENCE_S, lambda: server.udp(ASKED, seconds=0.2) is not None)


def test_a_commit_shows_at_once(server: Server) -> None:
    """Whoever asks SOON_S after a commit has returned gets an answer that has it, however late that comes."""
    for last in range(2, 42):
        server.world.put("example.net", f"www 300 A 192.0.2.{last}")
        time.sleep(SOON_S)
        answer = said(server.udp(question("www.example.net.", "A"))).answer
        assert answer == {f"www.example.net. 300 in a 192.0.2.{last}"}
        if last % 10 == 1:
            assert server.dig("+tcp", "+short", "www.example.net") == f"192.0.2.{last}\n"


def test_several_answerers_share_a_port_and_each_follows(server: Server) -> None:
    path = server.world.project.path
    with start("answerer", path, f"127.0.0.1:{server.port}") as second:
        assert within(PATIENCE_S, lambda: bound(server.port)[0] == 2)
        for last in (101, 102):
            server.world.put("example.net", f"www 300 A 192.0.2.{last}")
            time.sleep(SOON_S)
            answers = {said(server.udp(question("www.example.net.", "A"))).answer for _ in range(40)}
            assert answers == {frozenset({f"www.example.net. 300 in a 192.0.2.{last}"})}
        stop(second)
    assert within(PATIENCE_S, lambda: server.udp(ASKED, seconds=0.2) is not None)


@pytest.mark.parametrize(("wildcard", "hosts"), [("0.0.0.0", ["127.0.0.1"]), ("[::]", ["::1"])])
def test_a_wildcard_answers_from_the_address_that_was_asked(
    tmp_path: Path, wildcard: str, hosts: list[str]
) -> None:
    world = World(tmp_path)
    port = free_port()
    with start("answerer", world.project.path, f"{wildcard}:{port}") as answerer:
        asking = Server(world, port)
        assert within(PATIENCE_S, lambda: all(asking.udp(ASKED, host, seconds=0.1) for host in hosts))
        stop(answerer)


@pytest.mark.parametrize("part", ["answerer", "agent"])
def test_a_damaged_repository_does_not_end_a_server(tmp_path: Path, part: str) -> None:
    world = World(tmp_path)
    port = free_port()
    with start(part, world.project.path, f"127.0.0.1:{port}") as process:
        asking = Server(world, port)
        option = "+notcp" if part == "answerer" else "+tcp"
        assert within(PATIENCE_S, lambda: asking.dig(option, "+short", "www.example.com") == "192.0.2.1\n")
        world.project.store.close()
        damage(world.project.path)
        for _ in range(3):
            assert asking.dig(option, "+short", "www.example.com") == "192.0.2.1\n"
            time.sleep(0.1)
        stop(process)


@pytest.mark.parametrize("part", ["answerer", "agent"])
def test_bad_set_up_is_told_in_one_line(tmp_path: Path, part: str) -> None:
    world = World(tmp_path)
    port = free_port()
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if part == "answerer" else socket.SOCK_STREAM)
    with taken:
        taken.bind(("127.0.0.1", port))
        if part == "agent":
            taken.listen()
        for repository, listen, code, told in (
            (world.project.path, f"127.0.0.1:{port}", 1, f"127.0.0.1:{port}"),
            (tmp_path / "nothing", f"127.0.0.1:{port}", 5, "nothing"),
            (world.project.path, "nowhere", 2, "127.0.0.1:5300"),
        ):
            with start(part, repository, listen) as process:
                assert process.wait(PATIENCE_S) == code
            log = log_of(part, repository).read_text()
            assert told in log
            assert len(log.splitlines()) == 1


@pytest.mark.parametrize("part", ["answerer", "agent"])
def test_an_interrupt_ends_a_server_too(tmp_path: Path, part: str) -> None:
    world = World(tmp_path)
    port = free_port()
    with start(part, world.project.path, f"127.0.0.1:{port}") as process:
        option = "+notcp" if part == "answerer" else "+tcp"
        assert within(
            PATIENCE_S, lambda: "192.0.2.1" in Server(world, port).dig(option, "+short", "www.example.com")
        )
        with socket.socket() as idle:
            if part == "agent":
                idle.connect(("127.0.0.1", port))
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
    assert log_of(part, world.project.path).read_text() == ""


def test_a_pipelined_connection_is_answered_in_order(server: Server) -> None:
    asked = [number.to_bytes(2) + ASKED[2:] for number in range(300)]
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"".join(len(message).to_bytes(2) + message for message in asked))
        stream = connection.makefile("rb")
        for message in asked:
            answer = stream.read(int.from_bytes(stream.read(2)))
            assert answer[:2] == message[:2]
            assert dns.message.from_wire(answer).answer
