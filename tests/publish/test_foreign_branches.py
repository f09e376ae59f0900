"""Branches of the form of a zone's in histories from elsewhere: nobody's until a check-in there holds its file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publish.project import MAIN, NOW, Project, zone_text
from tests.publish.test_follow import keep, stock
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.history import log
from xferzone.publish.follow import Followed, follow
from xferzone.publish.misplaced import MAX_LOOKED
from xferzone.publish.publish import publish
from xferzone.publish.serials import computed
from xferzone.refs import Door, LocalRefs
from xferzone.repository import check as published
from xferzone.repository.rebuild import rebuild
from xferzone.repository.status import status
from xferzone.store import Reader, places, schema, zoned
from xferzone.store.check import faults
from xferzone.zone.cut import is_zone_file

A = zone_text("www 300 A 192.0.2.1")
B = zone_text("www 300 A 192.0.2.2")
CODE = {"src/main.c": b"int main;\n", "README": b"read me\n"}
NAMES = [
    "feature/x",
    "example.com/fix",
    "example.org/main",
    "Upper.Example/Case",
    "user/\u00e9\u4e16",
    "a/b/c/d",
    f"dependabot/{'z' * 400}",
    "10.in-addr.arpa/test",
    "feature/x-fork-0123456789abcdef",
]

T = TypeVar("T")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def code(project: Project, *parents: ArtifactId, branch: str | None = None, **more: bytes) -> bytes:
    """A check-in of a program's source."""
    files = CODE | {name.replace("__", "/").replace("_", "."): text for name, text in more.items()}
    return project.manifest(None, *parents, branch=branch, files=files)


def history(project: Project, branches: int) -> list[bytes]:
    """A trunk, and branches of three check-ins each, two of them on the first one."""
    made = [code(project, branch="trunk")]
    root = artifact_id(made[0])
    for number in range(branches):
        first = code(project, root, branch=f"{NAMES[number % 5]}{number}")
        made += [first, code(project, artifact_id(first)), code(project, artifact_id(first), other=b"x")]
    return made


def statements(reader: Reader, act: Callable[[], T]) -> tuple[int, T]:
    """How many statements SQLite runs meanwhile, and what came of it."""
    run: list[str] = []
    reader.db.set_trace_callback(run.append)
    try:
        result = act()
    finally:
        reader.db.set_trace_callback(None)
    return len(run), result


def several(directory: Path, branches: int) -> Project:
    """A project of its own that has kept the history with so many branches."""
    directory.mkdir()
    project = Project(directory)
    keep(project, *history(project, branches))
    return project


def held(project: Project) -> int:
    with project.store.reader() as reader:
        return len(list(reader.artifacts()))


def zones_of(project: Project) -> dict[ArtifactId, int]:
    with project.store.reader() as reader:
        query = "SELECT hash, zones FROM checkin JOIN blob USING (rid)"
        return {ArtifactId(raw.hex()): zones for raw, zones in reader.db.execute(query)}


@pytest.mark.parametrize("name", NAMES)
def test_a_branch_without_the_zone_s_file_is_nobody_s(project: Project, name: str) -> None:
    first = code(project, branch=name, docs__example_com_zone=A)
    ours, theirs = code(project, artifact_id(first)), code(project, artifact_id(first), other=b"x")
    before = held(project)
    said = project.push(first, ours, theirs)
    assert [line for line in said if not name.endswith("/main")] == []
    assert held(project) == before + 3
    with project.store.writer() as writer:
        refs = LocalRefs(writer)
        assert [str(ref.branch) for ref in refs.list()] == []
        assert status(writer, refs, NOW).unpublished == ()
        entries = list(log.log(writer, refs, name, 10))
        assert {(entry.state, entry.reason) for entry in entries} <= {("other", ""), ("fork", "")}
        assert len(entries) == 3
        rebuild(writer, refs, project.occasion(Door.START))
        assert list(refs.list()) == []
    assert held(project) == before + 3


def test_publishing_asks_as_much_of_many_such_branches_as_of_few(tmp_path: Path) -> None:
    asked = []
    for branches in (20, 40):
        project = several(tmp_path / str(branches), branches)
        with project.store.with_cache(None).writer() as writer:
            occasion = project.occasion(Door.PUSH)
            count, said = statements(writer, partial(publish, writer, LocalRefs(writer), occasion))
            assert said == []
        asked.append(count)
        assert not places_left(project)
    # Whether its name is another spelling of a zone's branch is one look-up; a manifest would be several more.
    assert asked[1] - asked[0] <= 20, asked


def places_left(project: Project) -> list[object]:
    with project.store.reader() as reader:
        return list(places.unplaced(reader))


def test_following_asks_as_much_of_many_such_branches_as_of_few(tmp_path: Path) -> None:
    asked = []
    for branches in (20, 40):
        project = several(tmp_path / str(branches), branches)
        clone = stock(project, tmp_path / f"{branches}-clone")
        assert clone.pull() == Followed()
        with clone.store.with_cache(None).writer() as writer:
            refs, occasion = LocalRefs(writer), clone.occasion(Door.PULL)
            asked.append(statements(writer, partial(follow, writer, refs, None, occasion))[0])
    assert asked[0] == asked[1], asked


def test_a_serial_begins_where_the_zone_does(tmp_path: Path) -> None:
    asked = []
    for length in (20, 40):
        (tmp_path / str(length)).mkdir()
        project = Project(tmp_path / str(length))
        line = [code(project, branch="trunk")]
        for _ in range(length):
            line.append(code(project, artifact_id(line[-1])))
        zone = project.manifest(A, artifact_id(line[-1]), branch=MAIN)
        keep(project, *line, zone)
        with project.store.with_cache(None).reader() as reader:
            count, found = statements(reader, partial(computed, reader, "example.com", artifact_id(zone)))
        asked.append(count)
        assert (found.serial, len(found.found)) == (1, 1)
    assert asked[0] == asked[1], asked


@pytest.mark.parametrize("is_passed", [False, True], ids=["alone", "passed-by-a-zone"])
def test_it_becomes_a_zone_s_when_the_file_comes(project: Project, is_passed: bool) -> None:
    first = code(project, branch="feature/x")
    second = code(project, artifact_id(first))
    assert project.push(first, second) == []
    if is_passed:
        assert project.push(project.manifest(A, artifact_id(second), branch=MAIN)) == []
        assert project.served()[1] == 1
    zone = project.manifest(None, artifact_id(second), files={**CODE, "feature.zone": A})
    assert project.push(zone) == []
    assert project.served("feature/x") == (artifact_id(zone), 1)
    assert project.branch_of(artifact_id(zone)) == "feature/x"
    with project.store.writer() as writer:
        before = list(LocalRefs(writer).list())
        rebuild(writer, LocalRefs(writer), project.occasion(Door.START))
        assert [(ref.branch, ref.checkin) for ref in LocalRefs(writer).list()] == [
            (ref.branch, ref.checkin) for ref in before
        ]
    assert project.branch_of(artifact_id(zone)) == "feature/x"


def test_what_lies_beside_the_line_of_a_new_zone_is_moved_to_a_fork(project: Project) -> None:
    first = code(project, branch="feature/x")
    beside = code(project, artifact_id(first), other=b"x")
    assert project.push(first, beside) == []
    zone = project.manifest(None, artifact_id(first), files={**CODE, "feature.zone": A})
    project.push(zone)
    assert project.served("feature/x")[0] == artifact_id(zone)
    assert project.branch_of(artifact_id(beside)) == f"feature/x-fork-{artifact_id(beside)[:16]}"
    assert project.leaves("feature/x") == [artifact_id(zone)]


def test_a_foreign_check_in_that_loses_a_race_on_a_zone_goes_to_a_fork(project: Project) -> None:
    first = project.manifest(A)
    project.push(first)
    project.push(project.manifest(B, artifact_id(first)))
    foreign = code(project, artifact_id(first))
    assert "not served" in project.push(foreign)[0]
    assert project.branch_of(artifact_id(foreign)) == f"{MAIN}-fork-{artifact_id(foreign)[:16]}"


def test_a_zone_that_loses_its_file_is_served_as_it_was(project: Project) -> None:
    zone = project.manifest(None, branch="feature/x", files={**CODE, "feature.zone": A})
    project.push(zone)
    lost = code(project, artifact_id(zone))
    (told,) = project.push(lost)
    assert "there is no file feature.zone in the check-in" in told
    assert project.served("feature/x")[0] == artifact_id(zone)
    back = project.manifest(None, artifact_id(lost), files={**CODE, "feature.zone": B})
    assert project.push(back) == []
    assert project.served("feature/x")[0] == artifact_id(back)


def test_one_that_had_a_zone_before_it_came_here_begins_with_its_last_version(project: Project) -> None:
    first = code(project, branch="feature/x")
    zone = project.manifest(None, artifact_id(first), files={**CODE, "feature.zone": A})
    lost = code(project, artifact_id(zone))
    project.push(first, zone, lost)
    assert project.served("feature/x")[0] == artifact_id(zone)
    assert project.leaves("feature/x") == [artifact_id(lost)]


def test_a_clone_of_stock_has_a_zone_for_a_branch_whose_tip_holds_it(
    project: Project, tmp_path: Path
) -> None:
    first = code(project, branch="feature/x")
    keep(project, first)
    clone = stock(project, tmp_path / "clone")
    assert clone.pull() == Followed()
    zone = project.manifest(None, artifact_id(first), files={**CODE, "feature.zone": A})
    keep(project, zone)
    (moved,) = clone.pull().moved
    assert (str(moved.branch), moved.new, moved.serial) == ("feature/x", artifact_id(zone), 1)
    keep(project, code(project, artifact_id(zone)))
    (kept,) = clone.pull().invalid
    assert "there is no file feature.zone" in kept.reason
    fresh = stock(project, tmp_path / "fresh")
    assert fresh.pull() == Followed()


def test_an_empty_branch_of_stock_is_no_zone_that_was_removed(project: Project, tmp_path: Path) -> None:
    root = project.manifest(None, branch="trunk")
    keep(project, root, project.manifest(None, artifact_id(root), branch="feature/x"))
    assert stock(project, tmp_path / "clone").pull() == Followed()


@pytest.mark.parametrize("late", [False, True], ids=["baseline-first", "baseline-last"])
def test_a_delta_manifest_holds_what_its_baseline_does(project: Project, late: bool) -> None:
    base = project.manifest(None, branch="feature/x", files={**CODE, "feature.zone": A})
    text = b"changed\n"
    with project.store.writer() as writer:
        readme = writer.put(text)
    made = [
        CheckIn(
            comment="delta",
            date_ms=NOW - 1_000 + number,
            user="ann",
            files=files,
            parents=(artifact_id(base),),
            baseline=artifact_id(base),
            tags=(Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None)),
        ).encode()
        for number, (branch, files) in enumerate(
            {
                "feature/keeps": (FileCard("README", readme),),
                "feature/drops": (FileCard("README", readme), FileCard("feature.zone", None)),
            }.items()
        )
    ]
    for content in [*made, base] if late else [base, *made]:
        assert project.push(content) == []
    with project.store.reader() as reader:
        served = {str(ref.branch) for ref in LocalRefs(reader).list()}
    assert served == {"feature/x", "feature/keeps"}
    known = zones_of(project)
    assert known[artifact_id(made[0])] == known[artifact_id(base)] == zoned.bit("feature")
    assert known[artifact_id(made[1])] == zoned.NONE
    with project.store.writer() as writer:
        assert list(faults.faults(writer)) == []
        rebuild(writer, LocalRefs(writer), project.occasion(Door.START))
        assert list(published.faults(writer, LocalRefs(writer))) == []
    assert zones_of(project) == known


def test_what_an_older_release_linked_is_looked_at(project: Project, tmp_path: Path) -> None:
    zone = project.manifest(None, branch="feature/x", files={**CODE, "feature.zone": A})
    keep(project, zone, code(project, branch="fix/y"))
    clone = stock(project, tmp_path / "clone")
    with project.store.reader() as there, clone.store.writer() as writer:
        for artifact in there.artifacts():
            writer.put(there.content(artifact))
        writer.db.execute("UPDATE checkin SET zones = ?", (zoned.UNKNOWN,))
        assert list(faults.faults(writer)) == []
    assert [str(moved.branch) for moved in clone.pull().moved] == ["feature/x"]


def test_a_wrong_note_of_zones_is_a_fault(project: Project) -> None:
    project.push(project.manifest(A))
    with project.store.writer() as writer:
        writer.db.execute("UPDATE checkin SET zones = 0")
        assert any("zones of check-in" in fault for fault in faults.faults(writer))


def test_of_a_long_history_the_last_misplaced_files_are_told(project: Project) -> None:
    line = [code(project, branch="trunk", example_com_zone=b"0")]
    for number in range(2 * MAX_LOOKED):
        line.append(code(project, artifact_id(line[-1]), example_com_zone=b"%d" % number))
    assert len(project.push(*line)) == MAX_LOOKED
    assert not places_left(project)


def test_a_zone_file_of_another_name_is_told_on_a_main_branch_alone(project: Project) -> None:
    wrong = project.manifest(None, branch=MAIN, files={"zones/example.com.zone": A})
    (told,) = project.push(wrong)
    assert "zones/example.com.zone" in told
    assert not project.has_ref()
    assert project.push(project.manifest(None, branch="feature/x", files={"example.com.zone": A})) == []
    assert placed_at(project, artifact_id(wrong)) == schema.ELSEWHERE


def placed_at(project: Project, checkin: ArtifactId) -> int:
    with project.store.reader() as reader:
        placed = places.placed(reader, checkin)
    assert placed is not None
    return placed.place


@given(
    st.sampled_from(["example.com", "x", "%root", "a-b.c", "zone", "x.zone"]),
    st.lists(
        st.sampled_from(["example.com", "x", "zone", ".zone", ".zone.d", "/", ".", "%root"]), max_size=6
    ),
)
def test_a_bit_that_is_not_set_is_certain(zone: str, parts: list[str]) -> None:
    name = "".join(parts)
    if is_zone_file(zone, name):
        assert zoned.bits([name]) & zoned.bit(zone)
    if name.endswith(".zone"):
        assert zoned.bits([name]) != zoned.NONE
