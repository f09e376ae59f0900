"""Answers a second of one answering process, beside NSD with one server process; dnsperf asks on the other core.

A zone of 100,000 records and 200,000 distinct questions: half of them with EDNS, one in ten for a name that is not
there. `dnsperf` reaches its own limit before the servers reach theirs, so the cost of an answer is the more reliable
figure.
"""

import os
import random
import re
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import zones
from bench.measure import cpu_seconds, pin, row
from tests.live import PATIENCE_S, Person, background, dig, free_port, serving, within

ROUNDS = 5
RECORDS = 100_000
QUESTIONS = 200_000
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
    row("answers/s of one process, hot", rates["us"], "/s", bound=">= 0.6 x", ratio=("NSD", rates["NSD"]))
    row("CPU of one", costs["us"], "us", 1e6, ratio=("NSD", costs["NSD"]))


def _questions() -> Iterator[bytes]:
    """The messages, each after its length, as dnsperf -B reads them."""
    half = QUESTIONS // 2
    names = [f"h{number}" for number in range(half * 9 // 10)] + [
        f"no{number}" for number in range(half // 10)
    ]
    messages = []
    end = b"".join(bytes([len(label)]) + label.encode() for label in ZONE.split(".")) + b"\0"
    for name in names:
        question = bytes([len(name)]) + name.encode() + end + struct.pack(">2H", 1, 1)
        messages.append(struct.pack(">6H", 0, 0, 1, 0, 0, 0) + question)
        messages.append(struct.pack(">6H", 0, 0, 1, 0, 0, 1) + question + _OPT)
    random.Random(1).shuffle(messages)
    return (struct.pack(">H", len(message)) + message for message in messages)


def _asked(pid: int, port: int, questions: Path, times: int) -> tuple[float, float]:
    """Answers a second, and processor seconds of the server for one answer."""
    before = cpu_seconds(pid)
    # One client socket: with several the kernel would wake the server for each.
    command = f"taskset -c {_CLIENT_CORE} dnsperf -s 127.0.0.1 -p {port} -d {questions} -B -n {times} -c 1 -q 200 -t 2"
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=120, check=True).stdout
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
        assert within(
            PATIENCE_S, lambda: process.poll() is not None or bool(dig(port, ZONE, "SOA", "+short"))
        )
        assert process.poll() is None, (directory / "nsd.log").read_text()
        yield process.pid, port
