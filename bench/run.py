"""Measure what docs/performance.md tells, and print it as a table: `make bench`, some five minutes.

Each figure is a median with its range. Where a peer does the same work it is asked in turn with us, in the same run,
and the ratio is what counts; the rest are bounds that the design promises.
"""

import os
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import zones
from tests.live import Person, serving, stock_server
from xferzone.refs import LocalRefs
from xferzone.store import Store
from xferzone.zone import changes
from xferzone.zone.edit import Author, Edit

P = ParamSpec("P")
ROUNDS = 3
COMMITS = 1_000
MANY = 10_000
BIG = 300_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="xferzone-bench-") as scratch:
        directory = Path(scratch)
        print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}\n", flush=True)
        latency(directory)
        large_zone(directory)
        many_zones(directory)


def latency(directory: Path) -> None:
    """From the end of a commit to the first UDP answer that shows it, in a zone of 100,000 records."""
    repository = directory / "latency.xferzone"
    zones.one_zone(repository, 100_000)
    seen, commits = [], []
    with serving(repository, "dns") as server, Store.open(repository) as store, asking(server.dns) as ask:
        for number in range(COMMITS):
            address = f"198.51.{number >> 8}.{number & 255}"
            change = changes.parse_change("set", [f"h{number * 97 % 100_000}.big.example", "A", address])
            begun = time.perf_counter()
            with store.writer() as writer:
                author = Author("ops", time.time_ns() // 1_000_000)
                Edit(writer, LocalRefs(writer), "big.example/main", author).change([change], "set")
            committed = time.perf_counter()
            while socket.inet_aton(address) not in ask(f"h{number * 97 % 100_000}.big.example"):
                pass
            seen.append(time.perf_counter() - committed)
            commits.append(committed - begun)
    row("commit of one record, 100,000 records", commits, "ms", 1_000)
    row("commit to first UDP answer, 100,000 records", seen, "ms", 1_000, bound="p99 <= 50 ms")


def large_zone(directory: Path) -> None:
    repository = directory / "large.xferzone"
    row(f"import of a zone of {BIG:,} records", [timed(zones.one_zone, repository, BIG)], "s")
    ops = Person(directory / "large")
    sets = [
        timed(ops.xferzone, "-R", repository, "set", f"h{n}.big.example", "A", "192.0.2.1") for n in range(5)
    ]
    row("`xferzone set` in it, the process included", sets, "s")
    exports = [timed(ops.xferzone, "-R", repository, "zone", "export", "big.example")]
    row("`xferzone zone export` of it", exports, "s")


def many_zones(directory: Path) -> None:
    repository = directory / "many.xferzone"
    row(f"{MANY:,} zones x 2 check-ins made", [timed(zones.many_zones, repository, MANY, 2)], "s")
    ops = Person(directory / "many")
    ops.xferzone("-R", repository, "user", "caps", "nobody", "--read")
    lists = [timed(ops.xferzone, "-R", repository, "zone", "list") for _ in range(ROUNDS)]
    row("`xferzone zone list`", lists, "s", bound="<= 1 s")
    begun = time.perf_counter()
    with serving(repository) as server:
        server.dig("zone5000.example", "SOA")
        row("`xferzone up` to the first answer", [time.perf_counter() - begun], "s", bound="<= 10 s")
        stock = directory / "stock.fossil"
        ops.fossil("clone", server.url(), stock)
        ops.fossil("user", "capabilities", "nobody", "gho", "-R", stock)
        ours, theirs = [], []
        with stock_server(ops, stock) as url:
            for number in range(ROUNDS):
                ours.append(timed(ops.fossil, "clone", server.url(), directory / f"ours-{number}"))
                theirs.append(timed(ops.fossil, "clone", url, directory / f"theirs-{number}"))
    row("stock clone of it from us", ours, "s", bound="<= 10 s", ratio=("fossil server", theirs))


def row(
    what: str,
    values: list[float],
    unit: str,
    scale: float = 1,
    *,
    bound: str = "",
    ratio: tuple[str, list[float]] | None = None,
) -> None:
    ordered = sorted(value * scale for value in values)
    text = f"{statistics.median(ordered):.2f} {unit} ({ordered[0]:.2f}-{ordered[-1]:.2f})"
    if len(ordered) >= 100:
        text += f", p99 {ordered[len(ordered) * 99 // 100]:.2f}"
    if ratio is not None:
        peer = statistics.median(ratio[1])
        text += f", {statistics.median(values) / peer:.2f} x {ratio[0]} ({peer * scale:.2f})"
    print(f"{what:52} {text}{'   goal ' + bound if bound else ''}", flush=True)


def timed(act: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    begun = time.perf_counter()
    act(*args, **kwargs)
    return time.perf_counter() - begun


@contextmanager
def asking(port: int) -> Iterator[Callable[[str], bytes]]:
    """Ask for the A records of a name; the whole answer."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(2)

        def ask(name: str) -> bytes:
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
            client.send(struct.pack(">6H", 1, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1))
            return client.recv(4096)

        yield ask


if __name__ == "__main__":
    main()
