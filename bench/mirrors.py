"""Mirrors: how fast an empty one is whole, how soon a live one answers, what idle ones cost their primary."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench import history
from bench.clones import imported, project_of
from bench.measure import children_seconds, cpu_seconds, row
from tests.interop.nodes import Node, Primary, same
from tests.live import XFERZONE, Person, Server, background, serving, stock_server, within
from xferzone.refs import LocalRefs
from xferzone.repository.make import make_mirror
from xferzone.store import Store, places

ROUNDS = 3
CHANGES = 200
IDLE = 10  # mirrors
IDLE_S = 20.0
INTERVAL_S = 1.0  # of those that only poll
PATIENCE_S = 30.0
PUBLISHED_S = 600.0


def mirrors(directory: Path) -> None:
    _empty(directory)
    _live(directory / "waits", "walk", "5s", "p99 <= 300 ms, told of news")
    _live(
        directory / "polls", "xfer", f"{INTERVAL_S:.0f}s", f"<= {1_000 * INTERVAL_S + 500:.0f} ms, by polls"
    )


class _Taken(NamedTuple):
    """Wall seconds of each, and processor seconds of the processes that it ran."""

    seconds: list[float]
    computed: list[float]

    @contextlib.contextmanager
    def taking(self) -> Iterator[None]:
        begun, before = time.perf_counter(), children_seconds()
        yield
        self.seconds.append(time.perf_counter() - begun)
        self.computed.append(children_seconds() - before)


# -- an empty mirror of the history of bench/clones.py, and mirrors that have it


def _empty(directory: Path) -> None:
    ops = Person(directory / "mirrors")
    stock, ours = directory / "history.fossil", directory / "history.xferzone"
    imported(ops, stock)
    password = project_of(ops, stock, ours)
    with serving(ours, "serve") as server, stock_server(ops, stock) as url:
        ops.fossil("push", "--once", server.url("ops", password), "-R", stock)
        # The server publishes what such a push brought bit by bit, and would be measured at that.
        assert within(PUBLISHED_S, lambda: _is_published(ours), every=1)
        _fetched(ops, directory, server)
        _on_the_wire(ops, directory, server, int(url.rpartition(":")[2].strip("/")))
        _idle(ops, directory, server)


def _is_published(repository: Path) -> bool:
    with Store.open(repository) as store, store.reader() as reader:
        return len(LocalRefs(reader).list()) == history.ZONES and not places.unplaced(reader)


def _fetched(ops: Person, directory: Path, server: Server) -> None:
    walked, cloned = _Taken([], []), _Taken([], [])
    for number in range(ROUNDS):
        mirror = directory / f"mirror-{number}"
        with walked.taking():
            told = _pulled(ops, mirror, server.url())
        with cloned.taking():
            ops.xferzone("clone", server.url(), directory / f"clone-{number}")
    peer = "`xferzone clone`"
    row("an empty mirror, over the walk", walked.seconds, "s", bound="<= 1.2 x", ratio=(peer, cloned.seconds))
    row("    CPU of the client", walked.computed, "s", ratio=(peer, cloned.computed))
    with Store.open(mirror) as store, store.reader() as reader:
        objects = len(list(reader.artifacts()))
    row("    objects a second", [objects / each for each in walked.seconds], "", bound=">= 6,000")
    print(f"{'    requests':56} {told['rounds']}   goal < 20", flush=True)
    Person(directory / "checking").xferzone("-R", mirror, "check")


def _pulled(ops: Person, mirror: Path, url: str) -> dict[str, int]:
    make_mirror(mirror)
    told: dict[str, int] = json.loads(ops.xferzone("-R", mirror, "--format", "json", "pull", url).out)
    return told


def _on_the_wire(ops: Person, directory: Path, server: Server, stock_port: int) -> None:
    with counting(stock_port) as (port, stock_bytes):
        ops.fossil("clone", f"http://127.0.0.1:{port}/", directory / "stock-counted.fossil")
    with counting(server.http) as (port, bytes_):
        _pulled(ops, directory / "mirror-counted", f"http://127.0.0.1:{port}/")
    ratio = sum(bytes_) / sum(stock_bytes)
    print(
        f"{'    bytes on the wire, both ways':56} {sum(bytes_) / 1e6:.2f} MB; {ratio:.2f} x a stock clone from "
        f"`fossil server` ({sum(stock_bytes) / 1e6:.2f})   goal <= 0.5 x",
        flush=True,
    )


@contextlib.contextmanager
def counting(port: int) -> Iterator[tuple[int, list[int]]]:
    """A port that leads to that one, and the bytes of each piece that crosses it, both ways."""
    crossed: list[int] = []

    def pass_on(source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(1 << 16):
                crossed.append(len(octets))
                to.sendall(octets)
            to.shutdown(socket.SHUT_WR)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", port))
                for ends in ((client, there), (there, client)):
                    threading.Thread(target=pass_on, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], crossed


def _idle(ops: Person, directory: Path, server: Server) -> None:
    """Ten mirrors with nothing new, and a clone beside them."""
    alone = _clone_cpu(ops, directory / "alone", server)
    for via in ("walk", "xfer"):
        with ExitStack() as running:
            for number in range(IDLE):
                mirror = directory / f"idle-{number}"
                if not mirror.exists():
                    mirror.write_bytes((directory / f"mirror-{ROUNDS - 1}").read_bytes())
                argv = [*XFERZONE, "-R", str(mirror), "pull", "--watch", "--quiet", "--via", via]
                argv += ["--interval", f"{INTERVAL_S:.0f}s", server.url()]
                running.enter_context(background(argv, ops.env, directory / f"idle-{via}-{number}.log"))
            time.sleep(2 * IDLE * INTERVAL_S)  # they have begun, and have nothing new any more
            before, begun = cpu_seconds(server.process.pid), time.monotonic()
            time.sleep(IDLE_S)
            share = (cpu_seconds(server.process.pid) - before) / (time.monotonic() - begun)
            row(
                f"CPU of the server for {IDLE} idle mirrors by {via}",
                [share],
                "% of a core",
                100,
                bound="< 5 %",
            )
            begun = time.monotonic()
            beside = _clone_cpu(ops, directory / f"beside-{via}", server)
            beside -= share * (time.monotonic() - begun)
            row("    and for a clone beside them, without these", [beside], "s", ratio=("alone", [alone]))


def _clone_cpu(ops: Person, file: Path, server: Server) -> float:
    """Processor seconds of the server for one `xferzone clone`."""
    before = cpu_seconds(server.process.pid)
    ops.xferzone("clone", server.url(), file)
    return cpu_seconds(server.process.pid) - before


# -- a mirror that follows changes


def _live(directory: Path, via: str, interval: str, bound: str) -> None:
    directory.mkdir()
    primary, mirror = Primary(directory / "primary.xferzone"), Node(directory / "mirror.xferzone")
    seen = []
    with primary.up(), mirror.following(primary, interval=interval, via=via):
        assert within(PATIENCE_S, lambda: same(primary, mirror))
        for number in range(CHANGES):
            address = f"198.51.{number >> 8}.{number & 255}"
            primary.set("live", address)
            begun = time.perf_counter()
            _wait_for(mirror, address)
            seen.append(time.perf_counter() - begun)
    row(f"commit at the primary to the mirror's answer, by {via}", seen, "ms", 1_000, bound=bound)


def _wait_for(mirror: Node, address: str) -> None:
    assert within(PATIENCE_S, lambda: mirror.a("live") == [address], every=0.002)
