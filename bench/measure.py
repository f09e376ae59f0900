"""Taking and showing figures: medians with their range, and ratios to a peer that worked in the same run."""

import os
import re
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec

P = ParamSpec("P")
_TICK = os.sysconf("SC_CLK_TCK")


def row(
    what: str,
    values: Sequence[float],
    unit: str,
    scale: float = 1,
    *,
    bound: str = "",
    ratio: tuple[str, Sequence[float]] | None = None,
) -> None:
    """Print one line of the table."""
    text = f"{spread(values, scale)} {unit}"
    if len(values) >= 100:
        text += f", p99 {sorted(values)[len(values) * 99 // 100] * scale:.2f}"
    if ratio is not None:
        peer = statistics.median(ratio[1])
        text += f"; {statistics.median(values) / peer:.2f} x {ratio[0]} ({peer * scale:.2f})"
    print(f"{what:56} {text}{'   goal ' + bound if bound else ''}", flush=True)


def spread(values: Sequence[float], scale: float = 1) -> str:
    """Median and, where there are several, range."""
    ordered = sorted(value * scale for value in values)
    median = f"{statistics.median(ordered):,.2f}"
    return median if len(ordered) == 1 else f"{median} ({ordered[0]:,.2f}-{ordered[-1]:,.2f})"


def timed(act: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    act(*args, **kwargs)
    return time.perf_counter() - begun


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and its living children."""
    total = 0
    for each in family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def children_seconds() -> float:
    """Processor seconds of this program's children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pin(pid: int, core: int) -> None:
    """Keep a process and all that it started, with their threads, on one core."""
    for each in family(pid):
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def shared_kilobytes(pid: int) -> list[int]:
    """Of a process and all that it started: memory, in kB, with an equal share of what it shares (PSS)."""
    rolled = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in family(pid)]
    return [int(re.findall(r"^Pss: +([0-9]+)", each, re.MULTILINE)[0]) for each in rolled]
