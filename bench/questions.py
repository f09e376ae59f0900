"""Answers a second of one answering process, beside NSD with one server process; dnsperf asks on the other core.

    dns         100,000 records, 200,000 distinct questions again and again: half of them with EDNS, one in ten for
                a name that is not there
    uncached    1,000,000 records: questions for the first time, plain, with EDNS, in odd case, with cookies, for names
                that are not there; and 400,000 and 20,000 again and again

`dnsperf` reaches its own limit before the servers reach theirs, so the cost of an answer is the more reliable figure.
"""

import os
import random
import re
import socket
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import zones
from bench.measure import cpu_seconds, pin, row
from tests.live import Person, background, free_port, serving, within

ROUNDS = 5
RECORDS = 100_000
QUESTIONS = 200_000
UNCACHED_ROUNDS = 3
MANY = 1_000_000
LOADING_S = 120  # seconds that NSD may take to load a zone
REPEATS = 3  # of all questions in one turn
ZONE = "big.example"
_SERVER_CORE, _CLIENT_CORE = 0, 1
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
    rates: dict[str, list[float]] = {"us": [], "NSD": []}
    costs: dict[str, list[float]] = {"us": [], "NSD": []}
    with serving(repository, "dns", "--workers", "1") as server, _nsd(directory, text) as (nsd, port):
        ports = {"us": (server.process.pid, server.dns), "NSD": (nsd, port)}
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
    row("answers/s of one process, hot", rates["us"], "/s", bound=">= 1 x", ratio=("NSD", rates["NSD"]))
    row("CPU of one", costs["us"], "us", 1e6, ratio=("NSD", costs["NSD"]))


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


def _legs(number: int) -> dict[str, tuple[list[bytes], int]]:
    """Messages of each leg of a round, and how often they are asked in it."""
    chance = random.Random(number)
    part = MANY // (4 * UNCACHED_ROUNDS)
    numbers = [*range(MANY)]
    random.Random(1).shuffle(numbers)
    fresh = [numbers[at * part : (at + 1) * part] for at in range(number * 4, number * 4 + 4)]
    plain, extended, odd, cookies = ([_message(f"h{each}") for each in four] for four in fresh)
    odd = [
        message[:12]
        + bytes(each ^ 32 * (each > 64 and chance.random() < 0.5) for each in message[12:-4])
        + message[-4:]
        for message in odd
    ]
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


def _asked(pid: int, port: int, questions: Path, times: int) -> tuple[float, float]:
    """Answers a second, and processor seconds of the server for one answer."""
    before = cpu_seconds(pid)
    # One client socket: with several the kernel would wake the server for each.
    command = f"taskset -c {_CLIENT_CORE} dnsperf -s 127.0.0.1 -p {port} -d {questions} -B -n {times} -c 1 -q 200 -t 10"
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=300, check=True).stdout
    found = [pattern.search(done) for pattern in (_DONE, _RATE, _LOST)]
    answers, rate, lost = (float(figure[1]) for figure in found if figure is not None)
    assert lost < answers / 1000, done
    return rate, (cpu_seconds(pid) - before) / answers


@contextmanager
def _nsd(directory: Path, text: Path) -> Iterator[tuple[int, int]]:
    """NSD with one server process for the zone in file `text`: its pid and port."""
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
            rrl-ratelimit: 0
        remote-control:
            control-enable: no
        zone:
            name: {ZONE}
            zonefile: {text}
        """
    )
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
    argv = ["nsd", "-d", "-c", str(configuration)]
    with background(argv, env, directory / "nsd.log") as process:
        assert within(LOADING_S, lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, (directory / "nsd.log").read_text()
        yield process.pid, port


def _answers(port: int) -> bool:
    """Whether the server there has loaded its zone."""
    with socket.socket(type=socket.SOCK_DGRAM) as client, suppress(OSError):
        client.connect(("127.0.0.1", port))
        client.settimeout(0.5)
        client.send(_message("h1"))
        return client.recv(4096)[6:8] != b"\0\0"
    return False
