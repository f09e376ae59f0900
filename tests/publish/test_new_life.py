"""A new life of serials: one check-in a served zone, 1,000 above, and nothing else moves."""

from pathlib import Path

import pytest

from tests.publish.project import MAIN, NOW, ZONE, Project, zone_text
from tests.publish.test_follow import Copy
from xferzone.publish.new_life import STEP, Stepped, step_serials
from xferzone.refs import Door
from xferzone.repository.promote import promote
from xferzone.store import places

WWW = "www 3600 A 192.0.2.1"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def stepped(project: Project) -> Stepped:
    with project.writing() as (writer, refs):
        return step_serials(writer, refs, project.occasion(Door.CLI))


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, 1001), (2**32 - 1, 999), (2**32 - 1000, 1), (2**32 - 1001, 2**32 - 1), (2**31 - 5, 2**31 + 995)],
)
def test_a_serial_goes_up_by_the_step_and_is_never_0(project: Project, before: int, after: int) -> None:
    project.push(project.manifest(zone_text(WWW, serial=before)))
    done = stepped(project)
    assert STEP == 1_000
    assert [(str(ref.branch), ref.serial) for ref in done.refs] == [(MAIN, after)]
    assert done.notices == []
    checkin, serial = project.served()
    assert serial == after
    with project.store.reader() as reader:
        files = reader.files(checkin)
        assert reader.content(files["example.com.zone"]) == zone_text(WWW, serial=after)
        placed = places.placed(reader, checkin)
    assert placed is not None
    assert project.leaves() == [checkin]


def test_text_by_hand_keeps_its_form_and_other_files_stay(project: Project) -> None:
    by_hand = b"$TTL 1h\n; the zone\n@ IN SOA ns1 h (\n  7 ; serial\n  1 2 3 4 )\n  NS ns1\nns1 A 192.0.2.1\n"
    project.push(project.manifest(None, files={"README": b"x", "example.com.zone": by_hand}, branch=MAIN))
    stepped(project)
    checkin, serial = project.served()
    assert serial == 1007
    with project.store.reader() as reader:
        files = reader.files(checkin)
        assert reader.content(files["example.com.zone"]) == by_hand.replace(b"7 ;", b"1007 ;")
        assert reader.content(files["README"]) == b"x"


def test_a_tip_dated_ahead_of_the_clock_is_no_obstacle(project: Project) -> None:
    project.push(project.manifest(zone_text(WWW), date_ms=NOW + 200_000))
    project.now = NOW - 10_000_000
    stepped(project)
    checkin, serial = project.served()
    assert serial == 1001
    with project.store.reader() as reader:
        assert reader.checkin(checkin).date_ms == NOW + 200_001


def test_what_could_not_be_served_does_not_stay_on_the_branch(project: Project) -> None:
    project.push(project.manifest(zone_text(WWW)))
    first, _ = project.served()
    project.push(project.manifest(b"nonsense", first))
    stepped(project)
    assert project.leaves() == [project.served()[0]]


def test_a_removed_zone_and_other_branches_are_left_alone(project: Project) -> None:
    project.push(project.manifest(zone_text(WWW)))
    first, _ = project.served()
    project.push(project.manifest(zone_text(serial=5), first, branch=f"{ZONE}/test"))
    tests_tip = project.served(f"{ZONE}/test")
    stepped(project)
    assert project.served(f"{ZONE}/test") == tests_tip
    assert stepped(project).refs[0].serial == 2001


def test_a_clone_steps_nothing_and_a_promoted_one_does(tmp_path: Path) -> None:
    (tmp_path / "primary").mkdir()
    primary = Project(tmp_path / "primary")
    primary.push(primary.manifest(zone_text(WWW, serial=10)))
    clone = Copy(tmp_path / "clone", primary)
    clone.pull()
    with clone.writing() as (writer, refs):
        assert step_serials(writer, refs, clone.occasion(Door.CLI)) == Stepped([], [])
        done = promote(writer, refs, clone.occasion(Door.CLI))
    assert done is not None
    assert done.stepped is not None
    assert [ref.serial for ref in done.stepped.refs] == [1010]
    assert clone.served()[1] == 1010
