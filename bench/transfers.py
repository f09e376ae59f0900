"""Zones given away, beside BIND and NSD: a whole one, one change, and what that costs those who ask meanwhile.

Each transfer is read over a connection of its own by this program, so that what is measured is the server. The machine
has two cores in all: the reader, the agent and the answerer share them.
"""

import multiprocessing
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import zones
from bench.measure import cpu_seconds, row
from tests.live import PATIENCE_S, Person, background, dig, free_port, serving, within

ROUNDS = 7
RECORDS = 100_000
MANY = 1_000_000
QUESTIONS = 3_000
LOADING_S = 120.0  # of a million records, on a busy machine
ZONE = "big.example"
_NAME = b"\3big\7example\0"
_SOA, _AXFR, _IXFR = 6, 252, 251
_QUESTION = struct.pack(">6H", 0, 0, 1, 0, 0, 0) + _NAME + struct.pack(">2H", _SOA, 1)


def transfers(directory: Path) -> None:
    ops = Person(directory / "transfers")
    repository, text = directory / "transfers.xferzone", directory / "zone"
    zones.one_zone(repository, RECORDS, ZONE)
    text.write_text(ops.xferzone("-R", repository, "zone", "export", ZONE).out)
    allowed = ("--workers", "1", "--allow-transfer", "127.0.0.0/8")
    with (
        serving(repository, "dns", *allowed) as server,
        _named(directory, text) as named,
        _nsd(directory, text) as nsd,
    ):
        places = {"us": (server.process.pid, server.dns), "BIND": named, "NSD": nsd}
        _compared("AXFR of 100,000 records", places, lambda port: _transfer(port, _AXFR), "BIND", "<= 1.0 x")
        serial = _serial(server.dns)
        ops.xferzone("-R", repository, "set", f"one.{ZONE}", "300", "A", "192.0.2.1")
        text.write_text(
            text.read_text().replace(f" {serial} ", f" {serial + 1} ", 1) + "one 300 A 192.0.2.1\n"
        )
        os.kill(nsd[0], 1)
        servers = (server.dns, nsd[1])
        assert within(PATIENCE_S, lambda: all(_serial(port) == serial + 1 for port in servers))
        del places["BIND"]  # it takes no changes by file without a journal of its own
        _compared(
            "IXFR of one change", places, lambda port: _transfer(port, _IXFR, serial), "NSD", "<= 1.5 x"
        )
    _beside(directory)


def _compared(
    what: str, places: dict[str, tuple[int, int]], ask: Callable[[int], int], peer: str, bound: str
) -> None:
    times: dict[str, list[float]] = {name: [] for name in places}
    costs: dict[str, list[float]] = {name: [] for name in places}
    sizes = {}
    for _ in range(ROUNDS):
        for name, (pid, port) in places.items():
            before, began = cpu_seconds(pid), time.perf_counter()
            sizes[name] = ask(port)
            times[name].append(time.perf_counter() - began)
            costs[name].append(cpu_seconds(pid) - before)
    row(what, times["us"], "ms", 1e3, bound=bound, ratio=(peer, times[peer]))
    row("  CPU of the server", [sum(costs["us"])], "s in all", ratio=(peer, [sum(costs[peer]) or 0.01]))
    row("  the first one", times["us"][:1], "ms", 1e3, ratio=(peer, times[peer][:1]))
    row("  size", [sizes["us"]], "bytes", ratio=(peer, [sizes[peer]]))


def _beside(directory: Path) -> None:
    """Questions by UDP while a zone of a million records is sent, and while it is not, in turn."""
    place = directory / "many"
    place.mkdir()
    repository, text = place / "many.xferzone", place / "zone"
    zones.one_zone(repository, MANY, ZONE)
    text.write_text(Person(place / "ops").xferzone("-R", repository, "zone", "export", ZONE).out)
    with (
        serving(repository, "dns", "--workers", "1", "--allow-transfer", "127.0.0.0/8") as server,
        _named(place, text) as (_, named),
        _nsd(place, text) as (_, nsd),
    ):
        ports = {"us": server.dns, "BIND": named, "NSD": nsd}
        alone: dict[str, list[float]] = {name: [] for name in ports}
        beside: dict[str, list[float]] = {name: [] for name in ports}
        took: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(ROUNDS):
            for name, port in ports.items():
                alone[name] += _waits(port)
                # A process: threads of this one would wait for each other.
                reader = multiprocessing.get_context("fork").Process(target=_transfer, args=(port, _AXFR))
                began = time.perf_counter()
                reader.start()
                while reader.is_alive():
                    beside[name] += _waits(port, 100)
                took[name].append(time.perf_counter() - began)
        for name in ports:
            row(f"AXFR of 1,000,000 records from {name}, at most", took[name], "s")
            row("  an answer by UDP before and after", alone[name], "ms", 1e3)
            row("  an answer by UDP meanwhile", beside[name], "ms", 1e3)
            more = [_p99(beside[name]) - _p99(alone[name])]
            row("  p99, more by", more, "ms", 1e3, bound="< 1" if name == "us" else "")


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


def _serial(port: int) -> int:
    return int(dig(port, ZONE, "SOA", "+short").split()[2])


def _waits(port: int, questions: int = QUESTIONS) -> list[float]:
    """Seconds that each answer took."""
    waits = []
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(PATIENCE_S)
        for number in range(questions):
            asked = struct.pack(">H", number) + _QUESTION[2:]
            began = time.perf_counter()
            client.send(asked)
            client.recv(512)
            waits.append(time.perf_counter() - began)
            time.sleep(0.0005)
    return waits


def _transfer(port: int, rdtype: int, serial: int | None = None) -> int:
    """Read a transfer to its end, which is the SOA that it began with; bytes of its messages."""
    question = _NAME + struct.pack(">2H", rdtype, 1)
    asked = struct.pack(">6H", 1, 0, 1, 0, 0 if serial is None else 1, 0) + question
    if serial is not None:
        soa = b"\0\0" + struct.pack(">5L", serial, 1, 1, 1, 1)
        asked += b"\xc0\x0c" + struct.pack(">2HLH", _SOA, 1, 0, len(soa)) + soa
    size, count, is_whole = 0, 0, False
    with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rb", 1 << 20) as read:
        client.sendall(len(asked).to_bytes(2) + asked)
        while not is_whole:
            message = read.read(int.from_bytes(read.read(2)))
            assert message, "the connection has ended early"
            size, count = size + len(message), count + int.from_bytes(message[6:8])
            # The last record is an SOA: its type stands before a TTL, a length, two names and five numbers.
            is_whole = count > 1 and b"\0\6\0\1" in message[-90:]
    return size


@contextmanager
def _named(directory: Path, text: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    configuration = directory / "named.conf"
    configuration.write_text(
        f'options {{ directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        "recursion no; notify no; pid-file none; dnssec-validation no; allow-transfer { any; };\n"
        f'session-keyfile "{directory}/session.key"; }};\ncontrols {{}};\n'
        f'zone "{ZONE}" {{ type primary; file "{text}"; check-names ignore; }};\n'
    )
    yield from _running(
        directory, "named", ["/usr/sbin/named", "-g", "-n", "1", "-c", str(configuration)], port
    )


@contextmanager
def _nsd(directory: Path, text: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    configuration = directory / "nsd-transfers.conf"
    configuration.write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  rrl-ratelimit: 0\n  username: ""\n'
        f'  zonesdir: "{directory}"\n'
        f'  database: ""\n  pidfile: ""\n  xfrdfile: "{directory}/xfrd-t"\n  xfrdir: "{directory}"\n'
        f'  zonelistfile: "{directory}/list-t"\nremote-control:\n  control-enable: no\n'
        f'zone:\n  name: "{ZONE}"\n  zonefile: "{text}"\n  provide-xfr: 127.0.0.1 NOKEY\n'
        "  store-ixfr: yes\n  create-ixfr: yes\n"
    )
    yield from _running(directory, "nsd", ["/usr/sbin/nsd", "-d", "-c", str(configuration)], port)


def _is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _is_served(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        client.connect(("127.0.0.1", port))
        with suppress(OSError):
            client.send(_QUESTION)
            return client.recv(512)[6:8] != b"\0\0"
    return False


def _running(directory: Path, name: str, argv: list[str], port: int) -> Iterator[tuple[int, int]]:
    log = directory / f"{name}-transfers.log"
    with background(argv, dict(os.environ), log) as process:
        assert within(PATIENCE_S, lambda: process.poll() is not None or _is_open(port))
        assert within(LOADING_S, lambda: process.poll() is not None or _is_served(port))
        assert process.poll() is None, log.read_text()
        yield process.pid, port
