"""Large repositories, as the benchmarks and the scale tests need them: made through the same code as a commit."""

import random
from pathlib import Path

from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository import make
from xferzone.store import Store
from xferzone.zonefile import names, text
from xferzone.zonefile.whole import ZoneText

START_MS = 1_780_000_000_000


def apex(zone: str, serial: int) -> str:
    return (
        f"$ORIGIN {zone}.\n@ 3600 SOA ns1.example.net. hostmaster.example.net. {serial} 7200 3600 1209600 300\n"
        "@ 3600 NS ns1.example.net.\n@ 3600 NS ns2.example.net.\n"
    )


def records(zone: str, count: int, rng: random.Random) -> ZoneText:
    """SOA, NS and `count` addresses."""
    lines = [apex(zone, 1)]
    lines += [f"h{n} 300 A 10.{n >> 16 & 255}.{n >> 8 & 255}.{rng.randrange(256)}\n" for n in range(count)]
    return text.read_zone("".join(lines).encode(), names.zone_name(zone))


def many_zones(path: Path, zones: int, versions: int, count: int = 5) -> None:
    """A repository of `zones` small zones with `versions` check-ins each."""
    rng = random.Random(1)
    make.make(path, admin="ops", project_code=None, now_ms=START_MS)
    with Store.open(path) as store, store.writer() as writer:
        refs = LocalRefs(writer)
        for version in range(versions):
            author = Author("ops", START_MS + 1_000 * (version + 1))
            for number in range(zones):
                zone = f"zone{number}.example"
                Edit(writer, refs, BranchName(zone, "main"), author).replace(
                    records(zone, count, rng), f"version {version}"
                )
        writer.make_clusters()


def one_zone(path: Path, count: int, zone: str = "big.example") -> None:
    """A repository of one zone with `count` records."""
    make.make(path, admin="ops", project_code=None, now_ms=START_MS)
    with Store.open(path) as store, store.writer() as writer:
        edit = Edit(writer, LocalRefs(writer), BranchName(zone, "main"), Author("ops", START_MS + 1_000))
        edit.replace(records(zone, count, random.Random(1)), "import")
        writer.make_clusters()
