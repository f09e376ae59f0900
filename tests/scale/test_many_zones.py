"""Ten thousand zones in one repository, and one zone of 300,000 records: everything still there, nothing more made."""

from pathlib import Path

import pytest

from bench import zones
from tests.live import Person, serving
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store
from xferzone.store.check import faults
from xferzone.store.reader import Reader

pytestmark = [pytest.mark.interop, pytest.mark.scale]

ZONES = 10_000


def test_ten_thousand_zones_are_cloned_listed_and_answered(tmp_path: Path) -> None:
    repository = tmp_path / "z.xferzone"
    zones.many_zones(repository, ZONES, versions=2)
    ops = Person(tmp_path / "ops")
    ops.xferzone("-R", repository, "user", "caps", "nobody", "--read")
    assert len(ops.xferzone("-R", repository, "zone", "list").out.splitlines()) == ZONES
    with serving(repository) as server:
        assert server.dig("zone9999.example", "SOA")[0].split()[2] == "2"
        assert server.dig("h4.zone77.example") != []
        ops.fossil("clone", server.url(), ops.home / "z.fossil")
    rebuilt = ops.fossil("rebuild", ops.home / "z.fossil")
    assert "error" not in (rebuilt.out + rebuilt.err).lower()
    assert _hashes(ops, ops.home / "z.fossil") == _artifacts(repository)
    assert len(ops.fossil("branch", "ls", "-R", ops.home / "z.fossil").out.splitlines()) == ZONES + 1


def test_one_set_in_a_zone_of_300_000_records_makes_one_file_and_one_manifest(tmp_path: Path) -> None:
    repository = tmp_path / "z.xferzone"
    zones.one_zone(repository, 300_000)
    ops = Person(tmp_path / "ops")
    before = _artifacts(repository)
    ops.xferzone("-R", repository, "set", "h150000.big.example", "A", "192.0.2.1")
    assert len(_artifacts(repository) - before) == 2
    with Store.open(repository) as store, store.reader() as reader:
        ref = LocalRefs(reader).get(BranchName("big.example", "main"))
        assert ref is not None
        manifests = [checkin for checkin in _artifacts(repository) - before if _is_checkin(reader, checkin)]
        assert manifests == [ref.checkin]
        assert list(faults.faults(reader)) == []
    assert ops.xferzone("-R", repository, "show", "h150000.big.example", "A").out.split()[-1] == "192.0.2.1"


def _is_checkin(reader: Reader, artifact: str) -> bool:
    return any(artifact == found for found in reader.matching(artifact, 1))


def _artifacts(repository: Path) -> set[str]:
    with Store.open(repository) as store, store.reader() as reader:
        return set(reader.artifacts())


def _hashes(person: Person, clone: Path) -> set[str]:
    listed = person.fossil("sql", "-R", clone, "--readonly", "SELECT uuid FROM blob WHERE size >= 0")
    return {line.strip("'") for line in listed.out.split()}
