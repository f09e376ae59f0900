"""named, knotd and nsd follow us: by AXFR and IXFR, told by NOTIFY, with and without TSIG."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import secondaries
from tests.live import Person, Server, serving, within
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store
from xferzone.zone.changes import parse_change

pytestmark = pytest.mark.interop

ZONE = "example.com"
OTHER = "later.example"
RECORDS = 2_000
PATIENCE_S = 30.0  # of a machine that does much else; on a quiet one they are in step within 2 s


class World:
    """A repository of ours, and the three that follow it."""

    def __init__(self, directory: Path, *, signed: bool) -> None:
        self.ops = Person(directory / "ops")
        self.repository = directory / "zones.xferzone"
        self.scratch = directory / "scratch"
        self.signed = signed
        self.places = secondaries.ports()
        self.looked = 0  # how often we were asked for all of ZONE by `in_step`
        self.steps: list[str] = []
        self._committed = 0
        self.ops.xferzone("-R", self.repository, "init")
        secondaries.configure(self.repository, self.places, signed=signed)

    def add(self, zone: str, records: int) -> None:
        rows = "".join(
            f"host{number} 300 A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}\n"
            for number in range(records)
        )
        text = (
            f"@ 3600 SOA ns1 hostmaster 7 7200 3600 1209600 300\n@ 3600 NS ns1\nns1 3600 A 127.0.0.1\n{rows}"
        )
        self.ops.xferzone("-R", self.repository, "zone", "add", zone, "--from", "-", stdin=text)

    def commits(self, number: int, *, a_second: float = 1e9) -> None:
        """So many commits, each of one record, at most at that pace."""
        with Store.open(self.repository) as store:
            began = time.monotonic()
            for count in range(number):
                self._committed += 1
                words = [
                    f"host{self._committed % RECORDS}.{ZONE}",
                    "300",
                    "A",
                    f"192.0.2.{self._committed % 256}",
                ]
                with store.writer() as writer:
                    edit = Edit(
                        writer,
                        LocalRefs(writer),
                        BranchName(ZONE, "main"),
                        Author("ops", int(time.time() * 1000)),
                    )
                    edit.change([parse_change("set", words)], "set")
                time.sleep(max(0.0, began + (count + 1) / a_second - time.monotonic()))

    def in_step(self, server: Server, what: str, zone: str = ZONE, seconds: float = PATIENCE_S) -> None:
        """Wait until all three say what we say; then all of their records are ours."""
        began = time.monotonic()
        late: dict[str, float] = {}
        (soa,) = server.dig(zone, "SOA")

        def are_equal() -> bool:
            for name, port in self.places.items():
                if name not in late and _soa(port, zone) == soa:
                    late[name] = time.monotonic() - began
            return len(late) == len(self.places)

        assert within(seconds, are_equal), (what, late, soa, self.logs(server))
        self.steps.append(f"{what}: " + ", ".join(f"{name} {at:.2f} s" for name, at in late.items()))
        self.looked += zone == ZONE
        ours = secondaries.contents(server.dns, zone, signed=self.signed)
        assert len(ours) > 2
        for name, port in self.places.items():
            assert secondaries.contents(port, zone) == ours, name

    def logs(self, server: Server) -> str:
        files = [server.log, *(self.scratch / name / "log" for name in self.places)]
        return "\n".join(f"== {file}\n{file.read_text()[-3000:]}" for file in files)

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        with (
            serving(self.repository, "dns") as server,
            secondaries.secondaries(self.scratch, server.dns, self.places, [ZONE, OTHER], signed=self.signed),
        ):
            yield server


def _soa(port: int, zone: str) -> str:
    from tests.live import dig

    return dig(port, zone, "SOA", "+short").strip()


def forms(server: Server) -> list[str]:
    """The forms of the transfers of ZONE so far."""
    lines = server.log.read_text().splitlines()
    return [
        line.split(" form=")[1].split()[0] for line in lines if f" zone={ZONE} " in line and " form=" in line
    ]


@pytest.mark.parametrize("signed", [False, True], ids=["bare", "signed"])
def test_three_secondaries_stay_in_step(tmp_path: Path, signed: bool) -> None:
    world = World(tmp_path, signed=signed)
    world.add(ZONE, RECORDS)
    with world.running() as server:
        world.in_step(server, "the whole zone")
        first = forms(server).count("axfr")
        signed_soa = ("-y", f"hmac-sha256:{secondaries.KEY}:{secondaries.SECRET}") if signed else ()
        by_udp = [
            server.dig_all(ZONE, "SOA", *signed_soa),
            server.dig_all(ZONE, "IXFR=7", "+notcp", *signed_soa),
        ]
        assert ("TSIG PSEUDOSECTION" in by_udp[0]) == signed
        assert all("IN\tSOA\t" in said and "verify" not in said for said in by_udp)
        world.commits(1)
        world.in_step(server, "one commit")
        world.commits(50)
        world.in_step(server, "50 commits")
        world.ops.xferzone("-R", world.repository, "reset", ZONE, "main~20")
        world.in_step(server, "a rollback")
        world.commits(100, a_second=100)
        world.in_step(server, "a burst")
        assert forms(server).count("axfr") == first + world.looked - 1
        world.add(OTHER, 10)
        world.in_step(server, "a zone added", OTHER)
        world.ops.xferzone("-R", world.repository, "zone", "remove", OTHER)
        world.add(OTHER, 20)
        world.in_step(server, "removed and added again", OTHER)
        for serial in (2_000_000_000, 4_000_000_000, 4_294_967_294):
            soa = f"ns1.{ZONE}. hostmaster.{ZONE}. {serial} 7200 3600 1209600 300"
            world.ops.xferzone("-R", world.repository, "set", ZONE, "3600", "SOA", *soa.split())
            world.in_step(server, f"serial {serial}")
        world.commits(5)
        world.in_step(server, "a serial that wraps")
        assert forms(server).count("axfr") == first + world.looked - 1
    print(*world.steps, sep="\n")
