"""A primary and a mirror of it, real processes, and a network between them that damages what crosses it.

While it does: records change, zones and tags come; the mirror stores no wrong byte and no ref stands on what is not
whole. When it stops: the mirror answers what the primary does.

    python -m tests.robust.damaged SECONDS [SEED]       both roads, one after the other
"""

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from tests.interop.nodes import LOGIN, Node, Primary, same
from tests.live import within
from tests.robust.damaging_proxy import DamagingProxy
from tests.robust.site import faults

RATE: Final = 0.08  # of requests, and of replies
CONVERGED_S: Final = 90.0  # after the last harm; the follower waits up to 60 s when nothing goes well
ROADS: Final = ("walk", "xfer")
_PAUSE_S: Final = 0.1  # between changes
_NAMES: Final = 20
_LOOK_EACH: Final = 10  # changes between two looks at the mirror's file
_ZONES: Final = 8  # at most; a new one comes with every 15th change
_TAG_EACH: Final = 25  # changes


def damaged(home: Path, via: str, seconds: float, seed: int) -> Counter[str]:
    """Run it; what was done to the network, and how often the mirror was looked at. AssertionError: it went wrong."""
    primary, mirror = Primary(home / "primary.xferzone"), Node(home / "mirror.xferzone")
    made: Counter[str] = Counter()
    with primary.up(), DamagingProxy(primary.http, seed, RATE) as proxy:
        url = f"http://{LOGIN}@127.0.0.1:{proxy.port}/"
        with mirror.up("--primary", url, "--interval", "500ms", "--via", via):
            end, address = time.monotonic() + seconds, ""
            while time.monotonic() < end:
                made["changes"] += 1
                address = _change(primary, made["changes"])
                if made["changes"] % _LOOK_EACH == 0 and mirror.path.exists():
                    made["looks"] += 1
                    assert faults(mirror.path) == []
                time.sleep(_PAUSE_S)
            proxy.rate = 0.0
            begin = time.monotonic()
            assert within(CONVERGED_S, lambda: same(primary, mirror), every=0.2), mirror.log.read_text()[
                -3000:
            ]
            made["seconds until it was the same"] = round(time.monotonic() - begin)
            name = f"r{made['changes'] % _NAMES}"
            assert within(CONVERGED_S, lambda: mirror.a(name) == [address])
            mirror.check()
        made += proxy.counts
    return made


def _change(primary: Primary, number: int) -> str:
    """Change something; the address that the last record has now."""
    address = f"192.0.{number >> 8 & 255}.{number & 255}"
    if number % 15 == 0 and number < 15 * _ZONES:
        primary.add(f"z{number}.example.net")
    if number % _TAG_EACH == 0:
        primary.xferzone("tag", "example.com", f"v{number}", "--as", "ops")
    primary.set(f"r{number % _NAMES}", address)
    return address


def main() -> int:
    seconds = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    for via in ROADS:
        with tempfile.TemporaryDirectory(prefix="xferzone-damaged-") as home:
            print(
                f"{via}, seed {seed}, {seconds:.0f} s: {dict(damaged(Path(home), via, seconds, seed))}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
