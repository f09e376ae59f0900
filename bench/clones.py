"""Clones of a history of 500 zones and 10,000 changes: ours and stock's clients, from our server and from stock's.

Of each the file is measured as it was cloned, and ours after `xferzone optimize`, too, as the server's after the push.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench import history, zones
from bench.measure import children_seconds, cpu_seconds, row, timed
from tests.live import Person, serving, stock_server
from xferzone.repository import make
from xferzone.repository.optimize import optimize

ROUNDS = 5
_RECEIVED = re.compile(r"wire bytes sent: \d+ +received: (\d+)")


@dataclass
class _Clones:
    """Clones of one kind: wall seconds and processor seconds of each, and the last clone's figures."""

    seconds: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    wire: int = 0
    file: Path = Path()


def clones(directory: Path) -> None:
    ops = Person(directory / "clones")
    stock, ours = directory / "history.fossil", directory / "history.xferzone"
    imported(ops, stock)
    password = project_of(ops, stock, ours)
    with serving(ours, "serve") as server, stock_server(ops, stock) as url:
        pusher = directory / "pusher.fossil"
        pusher.write_bytes(stock.read_bytes())
        address = server.url("ops", password)
        push = timed(ops.fossil, "push", "--once", address, "-R", pusher, seconds=300)
        row("stock push of the whole history to us", [push], "s")
        before = cpu_seconds(server.process.pid)
        made = _interleaved(ops, directory, server.url(), url)
        served = 3 * ROUNDS
        print(
            f"{'CPU of our server for one clone':56} {(cpu_seconds(server.process.pid) - before) / served:.2f} s"
        )
    _sizes(ops, made, stock, ours)
    _ends(ops, made["ours", "us"].file)


def imported(ops: Person, stock: Path, stream: Iterable[bytes] | None = None) -> None:
    with subprocess.Popen(
        ["fossil", "import", "--git", stock],
        env=ops.env,
        cwd=ops.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as importer:
        assert importer.stdin is not None
        for piece in history.stream() if stream is None else stream:
            importer.stdin.write(piece)
    assert importer.returncode == 0
    ops.fossil("user", "capabilities", "nobody", "gho", "-R", stock)


def project_of(ops: Person, stock: Path, ours: Path) -> str:
    """An empty repository of ours for the same project, open to clones. Returns the administrator's password."""
    told = ops.fossil("info", "-R", stock).out
    code = re.search(r"project-code: +([0-9a-f]{40})", told)
    assert code is not None, told
    password = make.make(ours, admin="ops", project_code=code[1], now_ms=zones.START_MS)
    ops.xferzone("-R", ours, "user", "caps", "nobody", "--read")
    return password


def _interleaved(ops: Person, directory: Path, us: str, them: str) -> dict[tuple[str, str], _Clones]:
    kinds = [("stock", "stock"), ("stock", "us"), ("ours", "us"), ("resumable", "us"), ("ours", "stock")]
    made = {kind: _Clones() for kind in kinds}
    for number in range(ROUNDS):
        for (client, server), done in made.items():
            url, done.file = {"us": us, "stock": them}[server], directory / f"{client}-{server}-{number}"
            begun, before = time.perf_counter(), children_seconds()
            if client == "stock":
                said = ops.fossil("clone", url, done.file).out
            else:
                option = ["--resume"] if client == "resumable" else []
                said = ops.xferzone("--format", "json", "clone", *option, url, done.file).out
            done.seconds.append(time.perf_counter() - begun)
            done.computed.append(children_seconds() - before)
            told = _RECEIVED.findall(said)
            done.wire = int(told[-1]) if client == "stock" else json.loads(said)["bytes_in"]
    peer = made["stock", "stock"]
    for what, bound, done in (
        ("stock clone from us", "<= 1.15 x", made["stock", "us"]),
        ("`xferzone clone` from us", "<= 0.7 x", made["ours", "us"]),
        ("`xferzone clone` from `fossil server`", "", made["ours", "stock"]),
    ):
        row(what, done.seconds, "s", bound=bound, ratio=("stock from stock", peer.seconds))
        row("    CPU of the client", done.computed, "s", ratio=("stock's", peer.computed))
    whole, later = made["ours", "us"], made["resumable", "us"]
    row(
        "`xferzone clone --resume` from us",
        later.seconds,
        "s",
        bound="<= 1.05 x",
        ratio=("clone", whole.seconds),
    )
    row("    CPU of the client", later.computed, "s", ratio=("clone's", whole.computed))
    return made


def _sizes(ops: Person, made: dict[tuple[str, str], _Clones], stock: Path, ours: Path) -> None:
    peer = made["stock", "stock"]
    wire, size = peer.wire, peer.file.stat().st_size
    print(f"{'stock clone from stock: on the wire, file':56} {_mb(wire)}, {_mb(size)}")
    for (client, server), done in made.items():
        if done is not peer:
            what = f"{client} clone from {server}: on the wire, file"
            kept = done.file.stat().st_size
            print(f"{what:56} {_mb(done.wire)} ({done.wire / wire:.2f} x), {_mb(kept)} ({kept / size:.2f} x)")
    for what, file, peers, bounds in (
        ("our clone from us", made["ours", "us"].file, size, ("0.6", "0.6")),
        ("our file after a stock push", ours, stock.stat().st_size, ("0.85", "0.85")),
    ):
        optimized = file.with_name(f"optimized-{file.name}")
        ops.xferzone("-R", file, "backup", optimized)
        optimize(optimized)
        for state, each, bound in zip(
            ("as it is", "after `optimize`"), (file, optimized), bounds, strict=True
        ):
            kept = each.stat().st_size
            print(
                f"{f'{what}, {state}':56} {_mb(kept)} ({kept / peers:.2f} x)   goal <= {bound} x", flush=True
            )


def _mb(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def _ends(ops: Person, clone: Path) -> None:
    """A clone counts only if it is sound and the first look at it is quick."""
    row("`xferzone check` of our clone, no faults", [timed(ops.xferzone, "-R", clone, "check")], "s")
    zone = json.loads(ops.xferzone("-R", clone, "--format", "json", "zone", "list").out)["zones"][0]["zone"]
    for verb in ("log", "show"):
        row(
            f"the first `xferzone {verb}`", [timed(ops.xferzone, "-R", clone, verb, zone)], "s", bound="< 1 s"
        )
    begun = time.perf_counter()
    with serving(clone, "dns") as server:
        row("    `xferzone dns` of it, ready for the first time", [time.perf_counter() - begun], "s")
        row("the first `dig` of `xferzone up`", [timed(server.dig, zone, "SOA")], "s", bound="< 1 s")
        assert server.dig(zone, "SOA")
