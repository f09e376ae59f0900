"""HUP, USR1, USR2, TERM and INT to `up`, `serve` and `dns` while requests and questions flow.

HUP                reads the configuration again; no request and no question is lost
USR1, USR2         nothing
TERM, INT          an end in order, exit code 0
HUP, terminal gone as TERM; under nohup nothing
"""

import contextlib
import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.cli.test_up import ZONE, descendants, none_alive, role, xferzone
from tests.live import PATIENCE_S, PROJECT, XFERZONE, Server, free_port, serving, within
from tests.nameserver.made import question, said
from xferzone.dnsd import agent

pytestmark = pytest.mark.interop

VERBS = ("up", "serve", "dns")
QUESTION = question("www.example.com.", "A")
ANSWER_S = 10.0  # seconds after which a request or question counts as lost; none is asked twice
BURST = 20  # questions that are sent at once


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "zones.xferzone"
    xferzone(path, "init")
    for zone in ("example.com", "example.net"):
        xferzone(path, "zone", "add", zone, "--from", "-", stdin=ZONE)
    return path


def configure(repository: Path, text: str) -> None:
    """Write the configuration beside the repository, whole at once."""
    new = repository.with_name("new.toml")
    new.write_text(text)
    new.rename(repository.with_name(f"{repository.name}.toml"))


class Load:
    """Clients that ask until told to stop; each kind counts its answers, and keeps what went wrong."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answers: dict[str, int] = {}
        self.lost: list[str] = []
        self._stop = threading.Event()
        kinds: list[Callable[[], object]] = []
        if server.http:
            kinds += [self.get, self.get_again]
        if server.dns:
            kinds += [self.udp, self.tcp]
        self._threads = [threading.Thread(target=self._run, args=(kind,)) for kind in kinds]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def flows(self) -> bool:
        """Whether every kind is answered from now on."""
        before = dict(self.answers)
        return within(
            PATIENCE_S, lambda: all(self.answers[kind] > before.get(kind, 0) + 5 for kind in self.kinds())
        )

    def kinds(self) -> list[str]:
        return [name for name, has in [("get", self.server.http), ("get_again", self.server.http)] if has] + [
            name for name, has in [("udp", self.server.dns), ("tcp", self.server.dns)] if has
        ]

    def _run(self, kind: Callable[[], object]) -> None:
        name = kind.__name__
        self.answers[name] = 0
        while not self._stop.is_set():
            try:
                kind()
            except Exception as exc:  # noqa: BLE001 - whatever it is, the request was lost
                self.lost.append(f"{name}: {type(exc).__name__}: {exc}")
                time.sleep(0.1)

    def get(self) -> None:
        """One request a connection."""
        with urllib.request.urlopen(self.server.url(path="/readyz"), timeout=ANSWER_S) as reply:
            assert reply.status == 200
        self.answers["get"] += 1

    def get_again(self) -> None:
        """One after the other on a connection, until the server says that it closes it."""
        with contextlib.closing(
            http.client.HTTPConnection(self.server.host, self.server.http, timeout=ANSWER_S)
        ) as connection:
            while not self._stop.is_set():
                connection.request("GET", "/healthz")
                reply = connection.getresponse()
                assert (reply.status, json.loads(reply.read())) == (200, {"status": "ok"})
                self.answers["get_again"] += 1
                if reply.will_close:
                    return

    def udp(self) -> None:
        """Some at once, each time from another port, which the kernel may give to another answerer."""
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(ANSWER_S)
            client.connect((self.server.host, self.server.dns))
            for number in range(BURST):
                client.send(number.to_bytes(2) + QUESTION[2:])
            came = {int.from_bytes(client.recv(512)[:2]) for _ in range(BURST)}
            assert came == set(range(BURST))
        self.answers["udp"] += BURST

    def tcp(self) -> None:
        """Some on a connection, then the next one."""
        with socket.create_connection((self.server.host, self.server.dns), timeout=ANSWER_S) as client:
            for _ in range(5):
                client.sendall(len(QUESTION).to_bytes(2) + QUESTION)
                size = int.from_bytes(client.recv(2))
                assert size > len(QUESTION)
                assert client.recv(size)[:2] == QUESTION[:2]
                self.answers["tcp"] += 1


def parts(server: Server) -> list[str]:
    return sorted(filter(None, map(role, server.children())))


def expected(verb: str, http: int, dns: int) -> tuple[list[str], int]:
    """The parts of a server with so many workers, and how many HTTP workers there are."""
    answerers = ["agent", *["answerer"] * dns] if verb != "serve" else []
    return sorted([*answerers, *["arbiter"] * (verb != "dns")]), http if verb != "dns" else 0


def settled(server: Server, verb: str, http: int, dns: int) -> bool:
    arbiters = [pid for pid in server.children() if role(pid) == "arbiter"]
    workers = [pid for arbiter in arbiters for pid in descendants(arbiter)]
    return (parts(server), len(workers)) == expected(verb, http, dns)


def reloaded(server: Server, times: int) -> bool:
    return server.log.read_text().count("reload outcome=done") == times


@pytest.mark.parametrize("verb", VERBS)
def test_a_hangup_reads_the_configuration_and_loses_nothing(repository: Path, verb: str) -> None:
    configure(repository, "[http]\nworkers = 1\n[dns]\nworkers = 2\n")
    with serving(repository, verb) as server:
        before = descendants(server.process.pid)
        with Load(server) as load:
            assert load.flows()
            for times, (workers, answerers) in enumerate([(2, 3), (1, 1), (3, 2)], 1):
                configure(repository, f"[http]\nworkers = {workers}\n[dns]\nworkers = {answerers}\n")
                server.process.send_signal(signal.SIGHUP)
                assert within(PATIENCE_S, partial(reloaded, server, times)), server.log.read_text()
                assert load.flows()
            assert within(PATIENCE_S, lambda: settled(server, verb, 3, 2)), parts(server)
            assert not before & descendants(server.process.pid)
        print(f"{verb}: {load.answers}, lost {len(load.lost)}")
        assert load.lost == []
        assert set(load.answers) == set(load.kinds())
    assert "ERROR" not in server.log.read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_users_signals_do_nothing(repository: Path, verb: str) -> None:
    with serving(repository, verb) as server:
        everybody = descendants(server.process.pid)
        with Load(server) as load:
            assert load.flows()
            for number in (signal.SIGUSR1, signal.SIGUSR2):
                # As `systemctl kill` does, to all; HUP to the children alone does nothing either.
                for pid in (server.process.pid, *everybody):
                    os.kill(pid, number)
                for pid in everybody:
                    os.kill(pid, signal.SIGHUP)
                assert load.flows()
        assert load.lost == []
        assert descendants(server.process.pid) == everybody
        assert "reload" not in server.log.read_text()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_under_load(repository: Path, verb: str, number: signal.Signals) -> None:
    with serving(repository, verb) as server:
        everybody = descendants(server.process.pid)
        with Load(server) as load:
            assert load.flows()
            server.process.send_signal(number)
            assert server.process.wait(PATIENCE_S) == 0
        assert none_alive(everybody)
        assert server.log.read_text().endswith(f"{verb}: stopped\n")
    assert not list(repository.parent.glob("*.run"))


@pytest.mark.parametrize("verb", VERBS)
def test_a_bad_configuration_is_kept_out_with_path_and_line(repository: Path, verb: str) -> None:
    with serving(repository, verb) as server:
        everybody = descendants(server.process.pid)
        configure(repository, "[http]\nworkers = 2\n\nworker = 3\n")
        server.process.send_signal(signal.SIGHUP)
        told = f"ERROR reload outcome=refused why='{repository}.toml:4: unknown setting worker in [http]: did"
        assert server.told(told)
        assert descendants(server.process.pid) == everybody
        configure(repository, "[http]\nworkers = 2\n")
        server.process.send_signal(signal.SIGHUP)
        assert within(PATIENCE_S, lambda: reloaded(server, 1))


def test_a_request_that_takes_its_time_is_answered_by_those_who_began_it(repository: Path) -> None:
    with serving(repository) as server:
        body = b"pull x " + b"0" * 40 + b"\n"
        head = (
            f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-fossil-uncompressed\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        waiting = socket.create_connection((server.host, server.http), timeout=PATIENCE_S)
        slow = socket.create_connection((server.host, server.http), timeout=PATIENCE_S)
        asked = socket.create_connection((server.host, server.dns), timeout=PATIENCE_S)
        with waiting, slow, asked:
            slow.sendall(head.encode() + body[:10])
            asked.sendall(len(QUESTION).to_bytes(2))
            time.sleep(0.5)
            before = descendants(server.process.pid)
            server.process.send_signal(signal.SIGHUP)
            assert within(PATIENCE_S, lambda: reloaded(server, 1))
            # Longer than requests get when a server is stopped.
            time.sleep(agent.FAREWELL + 5)
            assert before & descendants(server.process.pid), "the old ones did not wait"
            slow.sendall(body[10:])
            assert slow.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
            waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
            asked.sendall(QUESTION)
            assert len(asked.recv(512)) > len(QUESTION)
        assert within(PATIENCE_S, lambda: not before & descendants(server.process.pid))


def test_all_of_it_changes_without_a_restart(repository: Path) -> None:
    http_, dns = free_port(), free_port()
    more_http, more_dns = free_port(), free_port()

    def text(listen: Sequence[int], dns_listen: Sequence[int], rest: str = "", zones: str = "") -> str:
        return "\n".join(
            [
                f"[http]\nlisten = {[f'127.0.0.1:{port}' for port in listen]}",
                rest,
                f"[dns]\nworkers = 1\nlisten = {[f'127.0.0.1:{port}' for port in dns_listen]}",
                zones,
            ]
        )

    configure(repository, text([http_], [dns]))
    with running(repository) as (process, log):
        server = Server(process, http_, dns, log)
        assert server.dig("www.example.net") == ["192.0.2.80"]

        def reload(times: int) -> None:
            process.send_signal(signal.SIGHUP)
            assert within(
                PATIENCE_S,
                lambda: (
                    log.read_text().count('outcome": "done"') + log.read_text().count("outcome=done") >= times
                ),
            )

        rest = 'threads = 8\ntrusted = ["10.0.0.0/8"]\n[log]\nlevel = "debug"\nformat = "json"\n'
        configure(repository, text([http_, more_http], [dns, more_dns], rest, 'zones = ["Example.COM."]'))
        reload(1)
        assert Server(process, more_http, more_dns, log).dig("www.example.com") == ["192.0.2.80"]
        for port in (http_, more_http):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_S) as reply:
                assert reply.status == 200
        for way in ("+notcp", "+tcp"):
            assert "status: REFUSED" in server.dig_all("www.example.net", "A", way)
        assert "xferzone: " not in log.read_text()
        last = json.loads(log.read_text().splitlines()[-1])
        assert (last["level"], last["outcome"], last["file"]) == ("INFO", "done", f"{repository}.toml")

        configure(repository, text([more_http], [more_dns]))
        reload(2)
        assert within(PATIENCE_S, lambda: not listens(http_) and not listens(dns))
        assert Server(process, more_http, more_dns, log).dig("www.example.net") == ["192.0.2.80"]
        status = xferzone(repository, "status").out
        assert f"127.0.0.1:{more_http}" in status
        assert f"127.0.0.1:{http_}" not in status

        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            configure(repository, text([more_http, port], [more_dns]))
            process.send_signal(signal.SIGHUP)
            told = f"cannot bind 127.0.0.1:{port} (TCP): the address is taken; choose another in {repository}.toml:2"
            assert within(PATIENCE_S, lambda: told in log.read_text())


def test_addresses_that_http_and_dns_would_exchange_are_told(repository: Path) -> None:
    one, two = free_port(), free_port()

    def text(http_: int, dns: int) -> str:
        return f'[http]\nlisten = ["127.0.0.1:{http_}"]\n[dns]\nworkers = 1\nlisten = ["127.0.0.1:{dns}"]\n'

    configure(repository, text(one, two))
    with running(repository) as (process, log):
        configure(repository, text(two, one))
        process.send_signal(signal.SIGHUP)
        told = f"cannot listen on http on 127.0.0.1:{two}: dns on 127.0.0.1:{two} has the port until a reload is done"
        assert within(PATIENCE_S, lambda: told in log.read_text())
        assert Server(process, one, two, log).dig("www.example.com") == ["192.0.2.80"]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S):
        return True
    return False


@contextlib.contextmanager
def running(
    repository: Path, *prefix: str, **options: object
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`xferzone up` as its configuration says."""
    log = repository.with_name("up.log")
    env = {**os.environ, "HOME": str(repository.parent), "PYTHONPATH": str(PROJECT)}
    argv = [*prefix, *XFERZONE, "-R", str(repository), "up"]
    with (
        log.open("wb") as output,
        subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stderr=output) as process,
    ):
        try:
            assert within(PATIENCE_S, lambda: process.poll() is not None or "up: ready" in log.read_text())
            yield process, log
            process.terminate()
            assert process.wait(PATIENCE_S) == 0, log.read_text()
        finally:
            process.kill()


def on_free_ports(repository: Path) -> None:
    http_, dns = free_port(), free_port()
    configure(
        repository,
        f'[http]\nlisten = ["127.0.0.1:{http_}"]\n[dns]\nlisten = ["127.0.0.1:{dns}"]\nworkers = 1\n',
    )


@pytest.mark.parametrize("below", ["a shell", "nothing"])
def test_a_terminal_that_hangs_up_ends_it_as_term_does(repository: Path, below: str) -> None:
    on_free_ports(repository)
    log = repository.with_name("up.log")
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PYTHONPATH"] = str(PROJECT)
        os.environ["HOME"] = str(repository.parent)
        # Its log is read when the terminal has gone. A shell dies of the hangup; the kernel then tells the program.
        command = f'{"" if below == "a shell" else "exec "}"$@" 2>{log}; true'
        os.execvp("sh", ["sh", "-c", command, "sh", *XFERZONE, "-R", str(repository), "up"])
    try:
        assert within(PATIENCE_S, lambda: log.exists() and "up: ready" in log.read_text())
        supervisor = int(log.read_text().split("pid ")[1].split(";")[0])
        assert (supervisor == pid) == (below == "nothing")
        os.kill(supervisor, signal.SIGHUP)  # the terminal is there: it reads its configuration
        assert within(PATIENCE_S, lambda: "reload outcome=done" in log.read_text())
        everybody = descendants(supervisor)
    finally:
        os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == (0 if below == "nothing" else -signal.SIGHUP)
    assert within(PATIENCE_S, lambda: none_alive({supervisor, *everybody})), log.read_text()
    assert log.read_text().endswith("up: stopped\n")


def test_under_nohup_it_goes_on(repository: Path) -> None:
    on_free_ports(repository)
    with running(repository, "nohup") as (process, log):
        everybody = descendants(process.pid)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert descendants(process.pid) == everybody
        assert "reload" not in log.read_text()


def test_several_addresses_and_both_wildcards_side_by_side(repository: Path) -> None:
    http_, dns = free_port(), free_port()
    configure(repository, "[dns]\nworkers = 1\n")
    listen = [
        *("--http", f"0.0.0.0:{http_}", "--http", f"[::]:{http_}"),
        *("--dns", f"127.0.0.1:{dns}", "--dns", f"[::1]:{dns}"),
    ]
    env = {**os.environ, "HOME": str(repository.parent), "PYTHONPATH": str(PROJECT)}
    log = repository.with_name("up.log")
    argv = [*XFERZONE, "-R", str(repository), "up", "--workers", "2", *listen]
    with log.open("wb") as output, subprocess.Popen(argv, env=env, stderr=output) as process:
        try:
            assert within(PATIENCE_S, lambda: process.poll() is not None or "up: ready" in log.read_text())
            for host in ("127.0.0.1", "::1"):
                server = Server(process, http_, dns, log, host)
                with urllib.request.urlopen(server.url(path="/healthz"), timeout=PATIENCE_S) as reply:
                    assert reply.status == 200
                for way in ("+notcp", "+tcp"):
                    assert server.dig("www.example.com", "A", way) == ["192.0.2.80"]
            assert within(PATIENCE_S, lambda: settled(server, "up", 2, 1))
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()


def test_only_the_zones_that_are_listed_are_answered(repository: Path) -> None:
    configure(repository, '[dns]\nzones = ["example.net"]\n')
    with serving(repository, "dns", "--workers", "1") as server:
        assert server.dig("www.example.net") == ["192.0.2.80"]
        assert "status: REFUSED" in server.dig_all("www.example.com")
        xferzone(repository, "set", "www.example.com", "A", "192.0.2.81")
        xferzone(repository, "set", "www.example.net", "A", "192.0.2.82")
        assert within(PATIENCE_S, lambda: server.dig("www.example.net") == ["192.0.2.82"])
        assert said(ask(server, "www.example.com.")).rcode == "REFUSED"


def ask(server: Server, name: str) -> bytes:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(ANSWER_S)
        client.connect((server.host, server.dns))
        client.send(question(name, "A"))
        return client.recv(4096)
