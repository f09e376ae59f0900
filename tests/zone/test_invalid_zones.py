"""The invalid zones of the Ferret data set: each is accepted or refused as the table in docs/zone-checks.md says."""

import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.name
import pytest

from tests.live import PROJECT
from tests.nameserver.made import question, said, view_of_records, zones_of
from xferzone.errors import ZoneInvalid
from xferzone.nameserver.respond import respond
from xferzone.zone import checks
from xferzone.zonefile import names
from xferzone.zonefile.record import Record

ZONES = Path(__file__).parents[1] / "data" / "ferret" / "ferret-even-invalid.jsonl.xz"
#: Condition, number of zones, verdict, what is said, who took them.
ROW = re.compile(
    r"^\| (\d) [^|]+ \| (\d+) \| (published|warned|refused) \| ([^|]*)\| ([^|]*)\| [^|]+ \|$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Zone:
    """An invalid zone, and what becomes of it."""

    id: str
    condition: int
    origin: dns.name.Name
    accepted_by: tuple[str, ...]
    verdict: str
    told: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Row:
    condition: int
    zones: int
    verdict: str
    kinds: tuple[str, ...]
    taken: dict[str, int]

    def holds(self, zone: Zone) -> bool:
        """Whether the zone is one of this row's."""
        return (zone.condition, zone.verdict) == (self.condition, self.verdict) and all(
            any(kind in told for kind in self.kinds) for told in zone.told
        )


def zones() -> Iterator[Zone]:
    with lzma.open(ZONES, "rt") as file:
        for line in file:
            case = json.loads(line)
            apex = next(line.split()[0] for line in case["zone"].splitlines() if "SOA" in line.split()[:4])
            origin = dns.name.from_text(apex)
            verdict, told, records = _judged(case["zone"], origin)
            yield Zone(
                case["id"], case["condition"], origin, tuple(case["accepted_by"]), verdict, told, records
            )


def _judged(content: str, origin: dns.name.Name) -> tuple[str, tuple[str, ...], tuple[Record, ...]]:
    given = f"$TTL 500\n{content}".encode()  # their SOA's TTL, which most records would take with a warning
    try:
        read, warnings = checks.check(names.zone_id(origin), given, "zone")
    except ZoneInvalid as error:
        return "refused", tuple(map(str, error.faults)), ()
    return "warned" if warnings else "published", tuple(warnings), tuple(read.records)


def table() -> list[Row]:
    text = (PROJECT / "docs" / "zone-checks.md").read_text()
    return [
        Row(
            int(condition),
            int(number),
            verdict,
            tuple(re.findall("`([^`]+)`", kinds)),
            {server.lower(): int(count) for server, count in re.findall(r"([A-Za-z]+) (\d+)", taken)},
        )
        for condition, number, verdict, kinds, taken in ROW.findall(text)
    ]


@pytest.fixture(scope="module")
def judged() -> list[Zone]:
    return list(zones())


def test_every_zone_is_in_one_row_of_the_table_and_every_row_has_its_number(judged: list[Zone]) -> None:
    rows = table()
    homes = {zone.id: [number for number, row in enumerate(rows) if row.holds(zone)] for zone in judged}
    assert {zone: where for zone, where in homes.items() if len(where) != 1} == {}
    counts = Counter(where for (where,) in homes.values())
    assert [counts[number] for number in range(len(rows))] == [row.zones for row in rows]
    assert len(judged) == 407


def test_the_table_says_who_took_them(judged: list[Zone]) -> None:
    rows = table()
    for condition in range(1, 10):
        told = {
            server: count for row in rows if row.condition == condition for server, count in row.taken.items()
        }
        taken = Counter(
            server for zone in judged if zone.condition == condition for server in zone.accepted_by
        )
        assert told == taken


def test_what_is_published_answers(judged: list[Zone]) -> None:
    for zone in judged:
        if zone.verdict != "refused":
            served = zones_of(view_of_records(list(zone.records), zone.origin, serial=1))
            for owner in {record.owner for record in zone.records}:
                name = dns.name.Name([*names.owner_labels(owner), *zone.origin.labels]).to_text()
                answer = said(respond(question(name, "A"), served, tcp=False))
                assert answer.rcode in ("NOERROR", "YXDOMAIN", "NXDOMAIN"), (zone.id, name)
