"""What everyday verbs cost as a repository grows: check-ins in ten zones, then zones.

    costs.py DIRECTORY [MOST]     writes check-ins.svg and zones.svg there; at most so many check-ins or zones

Seconds of CPU, the process's start included, and for a pull what the server computes, too. The least of ROUNDS. The
name whose records are blamed is as old as its zone.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import children_seconds, cpu_seconds
from bench.picture import picture
from bench.zones import START_MS, apex
from tests.live import Person, serving
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.env import Env
from xferzone.exchange.publishing import publish_in_parts
from xferzone.hashing import ArtifactId
from xferzone.refs import Door, Occasion
from xferzone.repository import make
from xferzone.store import Store, Writer

ROUNDS: Final = 3
CHECKINS: Final = (1_000, 10_000, 100_000)
LINES: Final = 10  # zones that have them
ZONES: Final = (10, 1_000, 10_000)
EACH: Final = 2  # check-ins of each of these
RECORDS: Final = 50
AT_ONCE: Final = 5_000  # check-ins of a transaction
PASSWORD: Final = "correct-horse"


def costs(_directory: Path, into: Path | None = None, most: int = CHECKINS[-1]) -> None:
    """Print both tables; with `into`, draw them there."""
    for size, rows in (
        ("check-ins", [(checkins, LINES, checkins) for checkins in CHECKINS if checkins <= most]),
        ("zones", [(zones, zones, EACH * zones) for zones in ZONES if zones <= most]),
    ):
        found: dict[str, list[tuple[float, float]]] = {}
        for number, zones, checkins in rows:
            with tempfile.TemporaryDirectory(prefix="xferzone-costs-") as scratch:
                for verb, seconds in _costs(Path(scratch), zones, checkins).items():
                    found.setdefault(verb, []).append((number, seconds))
        for verb, line in found.items():
            shown = "  ".join(f"{number:>7,}: {seconds:6.3f} s" for number, seconds in line)
            print(f"{verb:16} {size:10} {shown}", flush=True)
        if into is not None:
            title = f"CPU of a verb, by the {size} of a repository"
            (into / f"{size}.svg").write_text(picture(title, size, found))


def made(path: Path, zones: int, checkins: int) -> None:
    """A repository whose zones have so many check-ins together, each of one record."""
    make.make(path, admin="ops", project_code=None, now_ms=START_MS)
    tips: dict[int, ArtifactId] = {}
    with Store.open(path) as store:
        for first in range(0, checkins, AT_ONCE):
            with store.writer() as writer:
                writer.rechains_later = True
                for number in range(first, min(first + AT_ONCE, checkins)):
                    version = number // zones
                    changed = [version - (version - row) % RECORDS for row in range(RECORDS)]
                    _change(writer, tips, number % zones, number, changed)
                writer.make_clusters()
        now = START_MS + 1_000 * checkins
        done = publish_in_parts(store, Occasion(now, "ops", Door.CLI), Env(clock_ms=lambda: now))
        assert list(done) == []


# many: what is written, of which zone, and when
def _change(
    writer: Writer, tips: dict[int, ArtifactId], number: int, moment: int, changed: Sequence[int]
) -> None:
    """Add a check-in; `changed`: when each of its records was changed last."""
    zone, before = f"zone{number}.example", tips.get(number)
    rows = [
        f"h{row} 300 A 10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}\n" for row, at in enumerate(changed)
    ]
    text = apex(zone, 1) + "".join(rows) + "old 300 A 192.0.2.1\n"
    begins = (Tag("*", "branch", None, f"{zone}/main"), Tag("*", f"sym-{zone}/main", None, None))
    manifest = CheckIn(
        comment=f"change {moment}",
        date_ms=START_MS + 1_000 * moment,
        user="ops",
        files=(FileCard(f"{zone}.zone", writer.put(text.encode())),),
        parents=() if before is None else (before,),
        tags=begins if before is None else (),
    )
    tips[number] = writer.put(manifest.encode())


def _costs(directory: Path, zones: int, checkins: int) -> Mapping[str, float]:
    """Seconds of CPU by verb."""
    file, clone, ops = directory / "zones.xferzone", directory / "clone.xferzone", Person(directory / "ops")
    made(file, zones, checkins)
    words = ("user", "add", "ann", "--write", "--password-stdin")
    ops.xferzone("-R", file, *words, stdin=f"{PASSWORD}\n")
    shutil.copyfile(file, clone)
    zone = f"zone{zones // 2}.example"

    def least(act: Callable[[int], object], also: Callable[[], float] = lambda: 0.0) -> float:
        found = []
        for number in range(ROUNDS):
            before = children_seconds() + also()
            act(number)
            found.append(children_seconds() + also() - before)
        return min(found)

    def change(number: int) -> None:
        ops.xferzone("-R", file, "set", f"h1.{zone}", "A", f"192.0.2.{number}")

    with serving(file, "serve") as server:
        url = server.url("ann", PASSWORD)
        ops.xferzone("-R", clone, "demote", url)
        ops.xferzone("-R", clone, "pull", url)
        pulls = []
        for number in range(ROUNDS):
            change(100 + number)
            before = children_seconds() + cpu_seconds(server.process.pid)
            ops.xferzone("-R", clone, "pull", url)
            pulls.append(children_seconds() + cpu_seconds(server.process.pid) - before)
    return {
        "pull": min(pulls),
        "commit": least(change),
        "log -n 20": least(lambda _: ops.xferzone("-R", file, "log", "-n", "20", zone)),
        "blame NAME": least(lambda _: ops.xferzone("-R", file, "blame", zone, f"old.{zone}")),
        "zone list": least(lambda _: ops.xferzone("-R", file, "zone", "list")),
    }


if __name__ == "__main__":
    costs(Path(), Path(sys.argv[1]), *map(int, sys.argv[2:]))
