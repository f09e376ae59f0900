"""Measure the figures of docs/performance.md and print them as a table: `make bench`, some ten minutes.

    run.py [SECTION...]     latency large bulk many commits growth pushes clones foreign mirrors
                            dns uncached memory sizes transfers keys groups costs; all of them

Each figure is a median with its range. If a peer does the same work, both take turns in the same run, and the ratio is
what counts. The other figures have bounds of their own.
"""

import os
import socket
import sqlite3
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import clones, costs, foreign, groups, growth, keys, mirrors, pushes, questions, transfers, zones
from bench.measure import children_seconds, row, timed
from tests.live import Person, serving, stock_server
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store
from xferzone.zone import changes

ROUNDS = 3
COMMITS = 1_000
MANY = 10_000
BULK = 1_000
BIG = 300_000


def main() -> None:
    chosen = sys.argv[1:] or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        sys.exit(f"no section {' '.join(sorted(unknown))}: there are {' '.join(SECTIONS)}")
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}\n", flush=True)
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="xferzone-bench-") as scratch:
            SECTIONS[name](Path(scratch))


def latency(directory: Path) -> None:
    """The time from the end of a commit to the first UDP answer that shows it, in a zone of 100,000 records."""
    repository = directory / "latency.xferzone"
    zones.one_zone(repository, 100_000)
    seen, taken = [], []
    with serving(repository, "dns") as server, Store.open(repository) as store, asking(server.dns) as ask:
        for number in range(COMMITS):
            address = f"198.51.{number >> 8}.{number & 255}"
            change = changes.parse_change("set", [f"h{number * 97 % 100_000}.big.example", "A", address])
            begun = time.perf_counter()
            with store.writer() as writer:
                author = Author("ops", time.time_ns() // 1_000_000)
                Edit(writer, LocalRefs(writer), BranchName("big.example", "main"), author).change(
                    [change], "set"
                )
            committed = time.perf_counter()
            while socket.inet_aton(address) not in ask(f"h{number * 97 % 100_000}.big.example"):
                pass
            seen.append(time.perf_counter() - committed)
            taken.append(committed - begun)
    row("commit of one record, 100,000 records", taken, "ms", 1_000)
    row("commit to first UDP answer, 100,000 records", seen, "ms", 1_000, bound="p99 <= 50 ms")


def bulk(directory: Path) -> None:
    """Zones from a directory of files, and the same number of changes in one batch."""
    ops, repository, files = Person(directory / "bulk"), directory / "bulk.xferzone", directory / "files"
    ops.xferzone("-R", repository, "init")
    files.mkdir()
    hosts = "".join(f"h{host} A 192.0.2.{host}\n" for host in range(48))
    for number in range(BULK):
        text = f"$TTL 300\n@ SOA ns1 host 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n{hosts}"
        (files / f"z{number}.example").write_text(text)
    batch = directory / "batch"
    batch.write_text("".join(f"set h1.z{number}.example. A 192.0.2.99\n" for number in range(BULK)))
    added = [timed(ops.xferzone, "-R", repository, "zone", "add", "--from-dir", files)]
    row(f"`xferzone zone add --from-dir`, {BULK:,} zones of 50 records", added, "s", bound="<= 10 s")
    row(
        "`xferzone apply`, a line for each of them",
        [timed(ops.xferzone, "-R", repository, "apply", batch)],
        "s",
    )
    sets = []
    for number in range(9):
        before = children_seconds()
        ops.xferzone("-R", repository, "set", f"n{number}.z1.example", "A", "192.0.2.1")
        sets.append(children_seconds() - before)
    row("CPU of `xferzone set`, the process included", sets, "s", bound="<= 0.25 s")


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


def commits(directory: Path) -> None:
    """How many bytes commits of one record add to the file of a zone of 100 kB.

    The first two bring the compiled forms that stay beside the newest: the one before, and room for the next.
    """
    repository = directory / "commits.xferzone"
    zones.one_zone(repository, 4_500)
    sizes = [_settled_size(repository)]
    for first, last in ((0, 2), (2, 52)):
        with Store.open(repository) as store:
            for number in range(first, last):
                change = changes.parse_change(
                    "set", [f"h{number * 83}.big.example", "A", f"198.51.100.{number}"]
                )
                with store.writer() as writer:
                    author = Author("ops", time.time_ns() // 1_000_000)
                    Edit(writer, LocalRefs(writer), BranchName("big.example", "main"), author).change(
                        [change], "set"
                    )
        sizes.append(_settled_size(repository))
    with Store.open(repository) as store, store.reader() as reader:
        text = sum(map(reader.size, reader.files(LocalRefs(reader).list()[0].checkin).values()))
    what = f"to a zone of {text / 1000:.0f} kB"
    row(f"the first two commits add, {what}", [sizes[1] - sizes[0]], "kB", 1e-3)
    row(f"50 commits more add, {what}", [sizes[2] - sizes[1]], "kB", 1e-3, bound="< 100 kB")


def _settled_size(repository: Path) -> int:
    with closing(sqlite3.connect(repository)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return repository.stat().st_size


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


#: The sections, in the order of a whole run.
SECTIONS: dict[str, Callable[[Path], None]] = {
    "latency": latency,
    "large": large_zone,
    "bulk": bulk,
    "many": many_zones,
    "commits": commits,
    "growth": growth.growth,
    "pushes": pushes.pushes,
    "clones": clones.clones,
    "foreign": foreign.foreign,
    "mirrors": mirrors.mirrors,
    "dns": questions.dns,
    "transfers": transfers.transfers,
    "uncached": questions.uncached,
    "memory": questions.memory,
    "sizes": questions.sizes,
    "keys": keys.keys,
    "groups": groups.groups,
    "costs": costs.costs,
}

if __name__ == "__main__":
    main()
