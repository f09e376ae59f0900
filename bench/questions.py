"""Answers a second of one answering process, beside NSD with one server process; dnsperf asks on the other core.

    dns         100,000 records, 200,000 distinct questions again and again: half of them with EDNS, one in ten for
                a name that is not there; with rate limiting and counters, beside NSD, which limits too, and BIND with
                one thread, whose limits do not go so high
    uncached    1,000,000 records: questions for the first time, plain, with EDNS, in odd case, with cookies, for names
                that are not there; and 400,000 and 20,000 again and again
    memory      1,000,000 records: the start, and memory of four answerers after as many questions
    sizes       1,000 to 1,000,000 records: the start, the cost of an answer, and memory

`dnsperf` reaches its own limit before the servers reach theirs, so the cost of an answer is the more reliable figure.
"""

import os
import random
import re
import socket
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import zones
from bench.measure import cpu_seconds, pin, row, shared_kilobytes
from tests.live import Person, background, free_port, serving, within

ROUNDS = 5
RECORDS = 100_000
QUESTIONS = 200_000
UNCACHED_ROUNDS = 3
MANY = 1_000_000
LOADING_S = 120  # seconds that a server may take to load a zone
REPEATS = 3  # of all questions in one turn
ZONE = "big.example"
_SERVER_CORE, _CLIENT_CORE = 0, 1
_UNLIMITED = 1_000_000  # answers a second of one kind, which nobody reaches
_OPT = b"\0" + struct.pack(">2HLH", 41, 1232, 0, 0)
_DONE = re.compile(r"Queries completed: +([0-9]+)")
_RATE = re.compile(r"Queries per second: +([0-9.]+)")
_LOST = re.compile(r"Queries lost: +([0-9]+)")


def dns(directory: Path) -> None:
    ops = Person(directory / "dns")
    repository, asked = directory / "dns.xferzone", directory / "questions"
    zones.one_zone(repository, RECORDS, ZONE)
    asked.write_bytes(b"".join(_questions()))
    text = directory / "zone"
    text.write_text(ops.xferzone("-R", repository, "zone", "export", ZONE).out)
    rates: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    limits = directory / "limits.toml"
    limits.write_text(f"[dns.rate]\nenabled = true\nper_second = {_UNLIMITED}\nexempt = []\n")
    with (
        serving(repository, "dns", "--workers", "1", "--config", str(limits)) as server,
        _nsd(directory, text, _UNLIMITED) as nsd,
        _named(directory, text) as named,
    ):
        ports = {"us": (server.process.pid, server.dns), "NSD": nsd, "BIND": named}
        for pid, _ in ports.values():
            pin(pid, _SERVER_CORE)
        rate, cost = _asked(*ports["us"], asked, 1)
        row("answers/s, each question for the first time", [rate], "/s")
        row("CPU of one", [cost], "us", 1e6)
        for _ in range(ROUNDS):
            for name, (pid, at) in ports.items():
                rate, cost = _asked(pid, at, asked, REPEATS)
                rates[name].append(rate)
                costs[name].append(cost)
    for peer, bound in (("NSD", ">= 1 x"), ("BIND", ">= 1.3 x")):
        row("answers/s of one process, hot", rates["us"], "/s", bound=bound, ratio=(peer, rates[peer]))
        row("CPU of one", costs["us"], "us", 1e6, ratio=(peer, costs[peer]))


def uncached(directory: Path) -> None:
    ops = Person(directory / "dns")
    repository = directory / "dns.xferzone"
    if not repository.exists():
        zones.one_zone(repository, MANY, ZONE)
    text = directory / "zone"
    text.write_text(ops.xferzone("-R", repository, "zone", "export", ZONE).out)
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    with serving(repository, "dns", "--workers", "1") as server, _nsd(directory, text) as (nsd, port):
        ports = {"us": (server.process.pid, server.dns), "NSD": (nsd, port)}
        for pid, _ in ports.values():
            pin(pid, _SERVER_CORE)
        for number in range(UNCACHED_ROUNDS):
            for leg, (messages, times) in _legs(number).items():
                asked = directory / "asked"
                asked.write_bytes(b"".join(struct.pack(">H", len(each)) + each for each in messages))
                for name, (pid, at) in ports.items():
                    costs[leg, name].append(_asked(pid, at, asked, times)[1])
    for leg in _legs(0):
        row(f"CPU of an answer: {leg}", costs[leg, "us"], "us", 1e6, ratio=("NSD", costs[leg, "NSD"]))


def sizes(directory: Path) -> None:
    """What a server costs with zones of 1,000 to 1,000,000 records."""
    for size in (1_000, 10_000, 100_000, MANY):
        repository = directory / f"growth-{size}.xferzone"
        zones.one_zone(repository, size, ZONE)
        starts = []
        for _ in range(UNCACHED_ROUNDS):
            begun = time.perf_counter()
            with serving(repository, "dns", "--workers", "1") as server:
                _wait_for(server.dns)
                starts.append(time.perf_counter() - begun)
        row(f"{size:,} records: start to the first answer", starts, "s")
        with serving(repository, "dns", "--workers", "1") as server:
            pin(server.process.pid, _SERVER_CORE)
            costs = defaultdict(list)
            for number in range(UNCACHED_ROUNDS + 1):
                for leg, messages in _in_sizes(size, number).items():
                    asked = directory / "asked"
                    asked.write_bytes(b"".join(struct.pack(">H", len(each)) + each for each in messages))
                    cost = _asked(server.process.pid, server.dns, asked, 1)[1]
                    if number:  # at first, parts are opened, and what is asked again is kept
                        costs[leg].append(cost)
            for leg, taken in costs.items():
                row(f"{size:,} records: CPU of an answer, {leg}", taken, "us", 1e6)
            row(f"{size:,} records: memory", [sum(shared_kilobytes(server.process.pid))], "MB", 1e-3)


def _in_sizes(size: int, number: int) -> dict[str, list[bytes]]:
    """100,000 messages of each leg of a round, about a zone of so many records."""
    chance = random.Random(number)
    numbers = [chance.randrange(size) for _ in range(100_000)]
    return {
        # In any spelling, so that none was asked before.
        "for the first time": [_odd(_message(f"h{each}"), chance) for each in numbers],
        "no such name": [_message(f"no{chance.randrange(10**9)}") for _ in numbers],
        "again and again": [
            _message(f"h{each}") for each in random.Random(1).choices(range(size), k=1_000) * 100
        ],
    }


def memory(directory: Path) -> None:
    """Four answerers after a million distinct questions; and the start, beside NSD's."""
    ops = Person(directory / "dns")
    repository, text, asked = directory / "dns.xferzone", directory / "zone", directory / "asked"
    zones.one_zone(repository, MANY, ZONE)
    text.write_text(ops.xferzone("-R", repository, "zone", "export", ZONE).out)
    numbers = random.Random(1).sample(range(MANY), MANY)
    asked.write_bytes(
        b"".join(struct.pack(">H", len(each)) + each for each in map(_message, map("h{}".format, numbers)))
    )
    starts: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        with serving(repository, "dns", "--workers", "4") as server:
            _wait_for(server.dns)
            starts["us"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        with _nsd(directory, text):
            starts["NSD"].append(time.perf_counter() - begun)
    row("start with 1,000,000 records", starts["us"], "s", bound="<= 0.5 s", ratio=("NSD", starts["NSD"]))
    with serving(repository, "dns", "--workers", "4") as server, _nsd(directory, text) as (nsd, _port):
        _asked(server.process.pid, server.dns, asked, 1, clients=64)
        sizes = [sum(shared_kilobytes(pid)) for pid in (server.process.pid, nsd)]
    what = "memory of 4 answerers after 1,000,000 questions"
    row(what, sizes[:1], "MB", 1e-3, bound="<= 350 MB", ratio=("NSD with one", sizes[1:]))


def _legs(number: int) -> dict[str, tuple[list[bytes], int]]:
    """Messages of each leg of a round, and how often they are asked in it."""
    chance = random.Random(number)
    part = MANY // (4 * UNCACHED_ROUNDS)
    numbers = [*range(MANY)]
    random.Random(1).shuffle(numbers)
    fresh = [numbers[at * part : (at + 1) * part] for at in range(number * 4, number * 4 + 4)]
    plain, extended, odd, cookies = ([_message(f"h{each}") for each in four] for four in fresh)
    odd = [_odd(message, chance) for message in odd]
    cookie = [_OPT[:-2] + b"\0\x0c\0\x0a\0\x08" + chance.randbytes(8) for _ in range(1_000)]
    return {
        "for the first time": (plain, 1),
        "for the first time, with EDNS": ([_with(message, _OPT) for message in extended], 1),
        "for the first time, in odd case": (odd, 1),
        "for the first time, with a cookie": (
            [_with(message, chance.choice(cookie)) for message in cookies],
            1,
        ),
        "no such name": ([_message(f"no{chance.randrange(10**9)}") for _ in range(part)], 1),
        "400,000 again and again": ([_message(f"h{each}") for each in numbers[:400_000]], 2),
        "20,000 again and again": ([_message(f"h{each}") for each in numbers[:20_000]], 10),
    }


def _message(name: str) -> bytes:
    end = b"".join(bytes([len(label)]) + label.encode() for label in ZONE.split(".")) + b"\0"
    question = bytes([len(name)]) + name.encode() + end + struct.pack(">2H", 1, 1)
    return struct.pack(">6H", 0, 0, 1, 0, 0, 0) + question


def _odd(message: bytes, chance: random.Random) -> bytes:
    """The same question, spelled otherwise."""
    name = bytes(each ^ 32 * (each > 64 and chance.random() < 0.5) for each in message[12:-4])
    return message[:12] + name + message[-4:]


def _with(message: bytes, opt: bytes) -> bytes:
    return message[:11] + b"\1" + message[12:] + opt


def _questions() -> Iterator[bytes]:
    """The messages, each after its length, as dnsperf -B reads them."""
    half = QUESTIONS // 2
    names = [f"h{number}" for number in range(half * 9 // 10)] + [
        f"no{number}" for number in range(half // 10)
    ]
    messages = []
    for name in names:
        messages += [_message(name), _with(_message(name), _OPT)]
    random.Random(1).shuffle(messages)
    return (struct.pack(">H", len(message)) + message for message in messages)


def _asked(pid: int, port: int, questions: Path, times: int, clients: int = 1) -> tuple[float, float]:
    """Answers a second, and processor seconds of the server for one answer."""
    before = cpu_seconds(pid)
    # One client socket: with several the kernel would wake the server for each.
    command = (
        f"taskset -c {_CLIENT_CORE} dnsperf -s 127.0.0.1 -p {port} -d {questions} -B -n {times}"
        f" -c {clients} -q 200 -t 10"
    )
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=300, check=True).stdout
    found = [pattern.search(done) for pattern in (_DONE, _RATE, _LOST)]
    answers, rate, lost = (float(figure[1]) for figure in found if figure is not None)
    assert lost < answers / 1000, done
    return rate, (cpu_seconds(pid) - before) / answers


@contextmanager
def _nsd(directory: Path, text: Path, limit: int = 0) -> Iterator[tuple[int, int]]:
    """NSD with one server process for the zone in file `text`, and that limit, 0: none: its pid and port."""
    port = free_port()
    configuration = directory / "nsd.conf"
    configuration.write_text(
        f"""server:
            ip-address: 127.0.0.1@{port}
            server-count: 1
            username: ""
            zonesdir: "{directory}"
            pidfile: ""
            xfrdfile: "{directory}/xfrd"
            xfrdir: "{directory}"
            zonelistfile: "{directory}/zones.list"
            rrl-ratelimit: {limit}
            rrl-whitelist-ratelimit: {limit}
        remote-control:
            control-enable: no
        zone:
            name: {ZONE}
            zonefile: {text}
        """
    )
    yield from _running(directory / "nsd.log", ["nsd", "-d", "-c", str(configuration)], port)


@contextmanager
def _named(directory: Path, text: Path) -> Iterator[tuple[int, int]]:
    """BIND with one thread, likewise."""
    port = free_port()
    configuration = directory / "named.conf"
    configuration.write_text(
        f"""options {{ directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
            pid-file none; session-keyfile "{directory}/key"; recursion no; notify no; }};
        controls {{ }};
        zone "{ZONE}" {{ type primary; file "{text}"; }};
        """
    )
    yield from _running(directory / "named.log", ["named", "-g", "-n", "1", "-c", str(configuration)], port)


def _running(log: Path, argv: list[str], port: int) -> Iterator[tuple[int, int]]:
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
    with background(argv, env, log) as process:
        assert within(LOADING_S, lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, log.read_text()
        yield process.pid, port


def _wait_for(port: int) -> None:
    assert within(LOADING_S, lambda: _answers(port))


def _answers(port: int) -> bool:
    """Whether the server there has loaded its zone."""
    with socket.socket(type=socket.SOCK_DGRAM) as client, suppress(OSError):
        client.connect(("127.0.0.1", port))
        client.settimeout(0.5)
        client.send(_message("h1"))
        return client.recv(4096)[6:8] != b"\0\0"
    return False
