"""Zones that a few bytes make large are refused by name, before the work is done."""

import time
from pathlib import Path

import pytest

from tests.publish.project import Project, zone_text
from xferzone.errors import ZoneInvalid
from xferzone.zone import checks, cut
from xferzone.zonefile import whole

RANGE = b"$GENERATE 1-65536 h%d-$ 60 A 10.0.0.1\n"
FIRST = "example.com.zone"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def pushed(project: Project, files: dict[str, bytes]) -> tuple[list[str], float]:
    """What the pusher is told, and seconds of CPU."""
    manifest = project.manifest(None, branch="example.com/main", files=files)
    begun = time.process_time()
    told = project.push(manifest)
    return told, time.process_time() - begun


def test_many_ranges_in_many_files_are_refused_by_file_and_line(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ranges = b"".join(RANGE % number for number in range(5))
    files = {f"{FIRST}.d/{number}.zone": ranges + b"; %d\n" % number for number in range(200)}
    (told,), refused = pushed(project, {FIRST: zone_text() + ranges, **files})
    assert f"{FIRST} line 5: the zone makes more than 65536 records with $GENERATE" in told
    assert not project.has_ref()
    other = Project(tmp_path / "other")
    nothing, served = pushed(other, {FIRST: zone_text() + b"$GENERATE 1-16384 h$ 60 A 10.0.0.1\n"})
    assert nothing == []
    assert other.has_ref()
    assert refused < 3 * served


def test_names_of_one_content_count_as_often_as_they_are_there(project: Project) -> None:
    half = b"$GENERATE 1-40000 h$ 60 A 10.0.0.1\n"
    files = {f"{FIRST}.d/{number}.zone": half for number in (1, 2)}
    (told,), _ = pushed(project, {FIRST: zone_text(), **files})
    assert f"{FIRST}.d/2.zone line 1: the zone makes more than 65536 records" in told


def test_generated_text_is_bounded_for_all_files_together(project: Project) -> None:
    line = b"$GENERATE 1-600 h$ 60 TXT %s\n" % (b'"%s" ' % (b"x" * 250) * 240)
    (told,), _ = pushed(project, {FIRST: zone_text(), f"{FIRST}.d/1.zone": line, f"{FIRST}.d/2.zone": line})
    assert f"{FIRST}.d/2.zone line 1: the zone makes more than 67108864 bytes of text" in told


def test_a_zone_has_a_bound_of_files(project: Project) -> None:
    files = {f"{FIRST}.d/{number}.zone": b"; nothing\n" for number in range(cut.MAX_FILES)}
    (told,), _ = pushed(project, {FIRST: zone_text(), **files})
    assert f"the zone has more than {cut.MAX_FILES} files" in told


def test_a_zone_has_a_bound_of_bytes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "MAX_ZONE", 1_000)
    (told,), _ = pushed(project, {FIRST: zone_text(), f"{FIRST}.d/1.zone": b"; x\n" * 300})
    assert f"{FIRST}.d/1.zone: the zone's files have more than 1000 bytes" in told


def test_a_zone_has_a_bound_of_records(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "MAX_RECORDS", 5)
    hosts = b"".join(b"h%d 60 A 192.0.2.1\n" % number for number in range(5))
    (told,), _ = pushed(project, {FIRST: zone_text() + hosts})
    assert f"{FIRST} line 7: the zone has more than 5 records" in told


def test_what_people_import_has_the_same_bounds() -> None:
    ranges = zone_text() + RANGE % 1 + RANGE % 2
    with pytest.raises(ZoneInvalid, match=r"zone\.txt line 5: the zone makes more than 65536 records"):
        checks.check("example.com", ranges, "zone.txt")
