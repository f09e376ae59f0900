"""A repository of ours and the three that follow it, and what they go through: one course for tests and for the soak.

world = World(directory, records=2_000, signed=True, patience_s=30.0)
with world.running() as server:
    course(world, server, many=50, burst=100)
world.steps        what was waited for, and how long, by secondary

In step is who answers the served serial, and whose AXFR has the same records as ours.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from tests.interop import secondaries
from tests.live import Person, Server, serving, within
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store, Writer
from xferzone.zone.changes import parse_change

ZONE: Final = "example.com"
OTHER: Final = "later.example"
BUSY: Final = "busy.example"
BUSY_RECORDS: Final = 100  # a commit takes some 8 ms there, and 80 ms where a file of the zone is full
PACE: Final = 100.0  # commits a second, in a burst
GOAL_S: Final = 2.0  # from the last commit until all three are in step
SERIALS: Final = (
    2_000_000_000,
    4_000_000_000,
    4_294_967_294,
)  # steps of less than 2**31, and the last before it wraps
_SPREAD: Final = 7_919  # a prime: commits that follow each other change records far apart


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds from the last commit until each was in step, and of the longest transfer of ours meanwhile."""

    what: str
    waits: dict[str, float]
    ours: float

    def __str__(self) -> str:
        each = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.waits.items())
        return f"{self.what}: {each}; our longest transfer {self.ours:.2f} s"


@dataclass(slots=True)
class World:
    """`records`: of ZONE, about; `patience_s`: after which who is not in step is stuck."""

    directory: Path
    records: int
    signed: bool
    patience_s: float
    steps: list[Step] = field(default_factory=list)
    looked: int = 0  # how often `in_step` asked us for all of ZONE
    ops: Person = field(init=False)
    repository: Path = field(init=False)
    places: dict[str, int] = field(init=False)
    _committed: int = 0

    def __post_init__(self) -> None:
        self.ops = Person(self.directory / "ops")
        self.repository = self.directory / "zones.xferzone"
        self.places = secondaries.ports()
        self.ops.xferzone("-R", self.repository, "init")
        secondaries.configure(self.repository, self.places, signed=self.signed)

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        with serving(self.repository, "dns") as server, self.following(server.dns):
            yield server

    def following(self, primary: int) -> contextlib.AbstractContextManager[None]:
        """The three, as secondaries of whoever answers at that port."""
        scratch, zones = self.directory / "scratch", [ZONE, OTHER, BUSY]
        return secondaries.secondaries(scratch, primary, self.places, zones, signed=self.signed)

    def roll_over(self) -> None:
        """Have a new project in the place of the repository, while nothing serves it."""
        new = self.repository.with_name("new.xferzone")
        self.ops.xferzone("-R", self.repository, "rollover", new)
        self.repository.rename(self.repository.with_name(f"old-{time.monotonic_ns()}.xferzone"))
        new.rename(self.repository)

    def add(self, zone: str, records: int) -> None:
        """Add a zone, or add it again: hosts with an address, and each tenth with two more records."""
        rows = ["@ 3600 SOA ns1 hostmaster 7 7200 3600 1209600 300\n@ 3600 NS ns1\nns1 3600 A 127.0.0.1\n"]
        for number in range(_hosts(records)):
            name = f"host{number}"
            rows.append(f"{name} 300 A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}\n")
            if number % 10 == 0:
                rows.append(f'{name} 600 MX 10 {name}\n{name} 900 TXT "number {number}"\n')
        self.ops.xferzone("-R", self.repository, "zone", "add", zone, "--from", "-", stdin="".join(rows))

    def named_rests(self, zone: str) -> bool:
        """Whether named has given up asking for a zone that is not served; a NOTIFY before that is lost on it."""
        log = self.directory / "scratch" / "named" / "log"
        return within(self.patience_s, lambda: f"cancel_refresh: zone {zone}/IN: " in log.read_text())

    def remove(self, zone: str) -> None:
        self.ops.xferzone("-R", self.repository, "zone", "remove", zone)

    def commits(self, number: int) -> None:
        """So many commits to ZONE, each of one record, all seen at once."""
        with Store.open(self.repository) as store, store.writer() as writer:
            for _ in range(number):
                self._commit(writer, ZONE, self.records)

    def burst(self, zone: str, records: int, number: int, pace: float = PACE) -> float:
        """So many commits, each in a transaction of its own, at most `pace` a second; the pace that was reached."""
        began = time.monotonic()
        with Store.open(self.repository) as store:
            for count in range(number):
                with store.writer() as writer:
                    self._commit(writer, zone, records)
                time.sleep(max(0.0, began + (count + 1) / pace - time.monotonic()))
        return number / (time.monotonic() - began)

    def _commit(self, writer: Writer, zone: str, records: int) -> None:
        self._committed += 1
        host = self._committed * _SPREAD % _hosts(records)
        address = f"192.{self._committed >> 16 & 255}.{self._committed >> 8 & 255}.{self._committed & 255}"
        author = Author("ops", int(time.time() * 1000))
        edit = Edit(writer, LocalRefs(writer), BranchName(zone, "main"), author)
        edit.change([parse_change("set", [f"host{host}.{zone}", "300", "A", address])], "set")

    def in_step(self, server: Server, what: str, zone: str = ZONE) -> None:
        """Wait until all three say what is served; then all of their records are ours."""
        began, told = time.monotonic(), len(server.log.read_text())
        waits: dict[str, float] = {}
        serial = self.serial(zone)

        def are_equal() -> bool:
            for name, port in self.places.items():
                if name not in waits and _said(port, zone) == serial:
                    waits[name] = time.monotonic() - began
            return len(waits) == len(self.places)

        assert within(self.patience_s, are_equal), (what, waits, serial, self._logs(server))
        lines = transfers(server.log.read_text()[told:], zone)
        self.steps.append(
            Step(what, waits, max((float(line.split(" seconds=")[1]) for line in lines), default=0.0))
        )
        print(self.steps[-1], flush=True)
        self.looked += zone == ZONE
        ours = self.directory / "ours.records"
        assert secondaries.contents(server.dns, zone, ours, signed=self.signed) > 2
        for name, port in self.places.items():
            theirs = self.directory / f"{name}.records"
            secondaries.contents(port, zone, theirs)
            secondaries.assert_same(ours, theirs)

    def serial(self, zone: str = ZONE) -> int:
        """The serial that is served."""
        with Store.open(self.repository) as store, store.reader() as reader:
            ref = LocalRefs(reader).get(BranchName(zone, "main"))
        assert ref is not None
        assert ref.serial is not None
        return ref.serial

    def _logs(self, server: Server) -> str:
        files = [server.log, *(self.directory / "scratch" / name / "log" for name in self.places)]
        return "\n".join(f"== {file}\n{file.read_text()[-3000:]}" for file in files)


def course(world: World, server: Server, *, many: int, burst: int) -> None:
    """All that happens to three secondaries. `many`: commits that are seen at once; `burst`: commits of a burst."""
    world.in_step(server, f"{world.records:,} records by AXFR")
    first = _wholes(server)
    for number in (1, 50, many):
        world.commits(number)
        world.in_step(server, f"IXFR after {number:,}")
    world.ops.xferzone("-R", world.repository, "reset", ZONE, "main~20")
    world.in_step(server, "a rollback of 20 commits")
    pace = world.burst(ZONE, world.records, burst // 10)
    world.in_step(server, f"a burst in that zone, {pace:.0f} commits a second")
    assert _wholes(server) == first + world.looked - 1
    world.add(BUSY, BUSY_RECORDS)
    world.in_step(server, "a zone added", BUSY)
    pace = world.burst(BUSY, BUSY_RECORDS, burst)
    world.in_step(server, f"a burst, {pace:.0f} commits a second", BUSY)
    for serial in SERIALS:
        soa = f"ns1.{ZONE}. hostmaster.{ZONE}. {serial} 7200 3600 1209600 300"
        world.ops.xferzone("-R", world.repository, "set", ZONE, "3600", "SOA", *soa.split())
        world.in_step(server, f"serial {serial}")
    world.commits(5)
    world.in_step(server, "a serial that wraps")
    assert _wholes(server) == first + world.looked - 1
    for zone, records in ((OTHER, 10), (ZONE, world.records)):
        if zone == OTHER:
            world.add(OTHER, 20)
            world.in_step(server, "a small zone added", OTHER)
        world.remove(zone)
        world.add(zone, records)
        world.in_step(server, f"a zone of {records:,} records removed and added again", zone)
    assert _wholes(server) == first + world.looked - 1


def forms(server: Server, told: int = 0) -> list[str]:
    """How ZONE was sent, each time, since its log had `told` letters: soa, ixfr, axfr."""
    return [line.split(" form=")[1].split()[0] for line in transfers(server.log.read_text()[told:], ZONE)]


def transfers(log: str, zone: str) -> list[str]:
    """The lines of a log about the transfers of a zone."""
    return [line for line in log.splitlines() if f" zone={zone} " in line and " form=" in line]


def _wholes(server: Server) -> int:
    """How often we sent all of ZONE so far."""
    return sum(" form=axfr " in line for line in transfers(server.log.read_text(), ZONE))


def _hosts(records: int) -> int:
    return records * 5 // 6


def _said(port: int, zone: str) -> int | None:
    """The serial that somebody answers; None: none."""
    try:
        asked = dns.message.make_query(zone, "SOA")
        answer = dns.query.udp(asked, "127.0.0.1", port=port, timeout=0.5)
    except (dns.exception.DNSException, OSError):
        return None
    return next((rrset[0].serial for rrset in answer.answer if rrset.rdtype == dns.rdatatype.SOA), None)
