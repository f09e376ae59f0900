"""One kind in a process of its own, whose memory is bounded."""

import os
import resource
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.engine import Fuzzer
from tests.fuzz.kinds import KINDS
from tests.robust.site import high_water

GROWTH_MB: Final = 300.0  # megabytes that a process may need more than at its beginning
ADDRESSES: Final = 4 * 2**30  # bytes of address space


def one(name: str, seed: int, seconds: float, into: Path) -> int:
    """Fuzz one kind, and tell; 1: something is wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    keep = into / name
    keep.mkdir(parents=True, exist_ok=True)
    before = high_water(os.getpid())
    report = Fuzzer(KINDS[name], seed, keep).run(seconds)
    grown = high_water(os.getpid()) - before
    print(f"{report}, {grown:.0f} MB more", flush=True)
    for number, finding in enumerate(report.findings):
        file = into / "findings" / f"{name}-{seed}-{number}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(finding.octets)
        again = f"{sys.executable} -m tests.fuzz --kind {name} --input {file}"
        print(f"{name}: {finding.what}\n    {finding.octets[:200]!r}\n    again: {again}", flush=True)
    if grown > GROWTH_MB:
        print(f"{name}: the process grew by {grown:.0f} MB, {GROWTH_MB:.0f} are allowed", flush=True)
    return bool(report.findings) or grown > GROWTH_MB
