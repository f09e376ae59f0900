"""Blame finds what a comparison of all versions finds, and parses few of them."""

import random
from collections.abc import Iterator
from pathlib import Path

import dns.name
import pytest

from tests.publish.project import APEX, MAIN_BRANCH, ZONE, Project, zone_text
from tests.statements import noted
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.history.blame import blame
from xferzone.history.diff import difference
from xferzone.history.revision import line, placed_line
from xferzone.refs import LocalRefs
from xferzone.store import Reader, places
from xferzone.zonefile import names, text
from xferzone.zonefile.whole import FileText

VERSIONS = 40
LINE = 200  # versions


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    project.store.close()


def written(lines: list[str], way: int, serial: int) -> bytes:
    """A zone of these records, as somebody may write it."""
    apex, body = APEX.format(serial=serial), "".join(f"{each}\n" for each in lines)
    ways = [
        apex + body,
        apex + "".join(f"{each} ; by hand\n" for each in lines),
        apex + body.replace(" ", "\t"),
        apex + f"many TXT (\n{body})\n",
        apex + f"$ORIGIN sub.example.com.\n{body}",
        f"$ORIGIN example.com.\n{apex}{body}",
        f"not a zone\n{body}",
    ]
    return ways[way].encode()


def compared(reader: Reader, tip: ArtifactId) -> dict[bytes, ArtifactId]:
    """By each canonical line, the check-in that added it: of every two versions in turn."""
    at = list(line(reader, tip))
    found: dict[bytes, ArtifactId] = {}
    for new, old in zip(at, [*at[1:], None], strict=True):
        for came in difference(reader, ZONE, old, new).come:
            found.setdefault(came, new)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_what_comparing_all_versions_finds(project: Project, seed: int) -> None:
    rng = random.Random(seed)
    lines = [f"h{number} 300 A 192.0.2.{number}" for number in range(6)]
    parents: tuple[ArtifactId, ...] = ()
    for serial in range(1, VERSIONS):
        row = rng.randrange(len(lines))
        lines[row] = f"h{row} 300 A 192.0.2.{rng.randrange(4)}"
        kept = [each for each in lines if rng.random() < 0.95]
        way = rng.randrange(1, 7) if parents and rng.random() < 0.4 else 0
        manifest = project.manifest(written(kept, way, serial), *parents)
        project.push(manifest)
        parents = (artifact_id(manifest),)
    project.push(project.manifest(zone_text(*lines, serial=VERSIONS), *parents))
    tip, _ = project.served()
    with project.store.reader() as reader:
        found = blame(reader, ZONE, tip, None)
        expected = compared(reader, tip)
        origin = names.zone_name(ZONE)
        assert {text.line(each.record, origin): each.id for each in found} == {
            text.line(each.record, origin): expected[text.line(each.record, origin)] for each in found
        }
        assert len(found) == len(lines) + 2


def test_few_versions_are_parsed_for_a_record_that_is_old(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: tuple[ArtifactId, ...] = ()
    for serial in range(1, VERSIONS):
        manifest = project.manifest(zone_text("old 300 A 192.0.2.1", f"new 300 A 192.0.2.{serial}"), *parents)
        assert project.push(manifest) == []
        parents = (artifact_id(manifest),)
    parsed: list[bytes] = []
    parse = text.parse

    def counted(octets: bytes, origin: dns.name.Name) -> FileText:
        parsed.append(octets)
        return parse(octets, origin)

    monkeypatch.setattr(text, "parse", counted)
    with project.store.reader() as reader:
        ref = LocalRefs(reader).get(MAIN_BRANCH)
        assert ref is not None
        (found,) = blame(reader, ZONE, ref.checkin, b"old")
        first = list(line(reader, ref.checkin))[-1]
    assert found.id == first
    assert len(parsed) <= 3


def old_and_new(project: Project, versions: int) -> ArtifactId:
    """A history in which one record is as old as the zone, and another changes with each version; its tip."""
    parents: tuple[ArtifactId, ...] = ()
    for serial in range(1, versions):
        text_ = zone_text("old 300 A 192.0.2.1", f"new 300 A 10.0.{serial >> 8}.{serial & 255}")
        manifest = project.manifest(text_, *parents)
        with project.store.writer() as writer:
            parents = (writer.put(manifest),)
    assert (
        project.push(project.manifest(zone_text("old 300 A 192.0.2.1", "new 300 A 192.0.2.1"), *parents))
        == []
    )
    return project.served()[0]


def test_versions_are_looked_up_and_read_many_at_a_time(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = old_and_new(project, LINE)
    said = noted(monkeypatch)
    with project.store.reader() as reader:
        (found,) = blame(reader, ZONE, tip, b"old")
    assert len(said) < LINE / 2, "it was two for each version, and more where nothing is in the cache"
    with project.store.reader() as reader:
        assert found.id == list(line(reader, tip))[-1]


def test_a_line_is_the_same_looked_up_together_or_one_by_one(project: Project) -> None:
    tip = old_and_new(project, 40)
    with project.store.reader() as reader:
        expected, at = [], places.placed(reader, tip)
        while at is not None:
            expected.append(at)
            at = places.placed(reader, at.parents[0]) if at.parents else None
        assert list(placed_line(reader, tip)) == expected
        assert len(expected) == 40
        for limit in (1, 7, 40, 100):
            assert places.first_parents(reader, tip, limit) == expected[:limit]
