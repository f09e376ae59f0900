"""Publishing: which check-in is served after which arrived (law 4)."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.publish.project import MAIN, MAIN_BRANCH, NOW, Project, zone_text
from xferzone.artifacts import CheckIn, Control, Tag, parse
from xferzone.artifacts.grammar import sealed
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.history import log
from xferzone.publish import served
from xferzone.publish.ahead import Ahead
from xferzone.publish.plan import Liberties
from xferzone.publish.policy import Policy
from xferzone.publish.publish import publish_part
from xferzone.refs import Door, LocalRefs
from xferzone.repository.rebuild import rebuild
from xferzone.repository.status import status
from xferzone.store import places, schema, symbols

A = zone_text("www 300 A 192.0.2.1")
B = zone_text("www 300 A 192.0.2.2")
C = zone_text("mail 300 A 192.0.2.3", "www 300 A 192.0.2.1")
D = zone_text("mail 300 A 192.0.2.3", "www 300 A 192.0.2.2")
BROKEN = zone_text("www 300 A 192.0.2.1", "www 300 CNAME example.net.")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def begun(project: Project) -> ArtifactId:
    """The zone with one published check-in, its id."""
    first = project.manifest(A)
    assert project.push(first) == []
    return artifact_id(first)


def test_the_first_valid_check_in_of_a_branch_makes_the_zone(project: Project) -> None:
    first = begun(project)
    assert project.served() == (first, 1)


def test_a_child_of_what_is_served_is_served(project: Project) -> None:
    child = project.manifest(B, begun(project))
    assert project.push(child) == []
    assert project.served() == (artifact_id(child), 2)


def test_a_line_of_check_ins_is_published_at_its_end(project: Project) -> None:
    one = project.manifest(B, begun(project))
    two = project.manifest(C, artifact_id(one))
    three = project.manifest(D, artifact_id(two))
    assert project.push(three, one, two) == []
    assert project.served() == (artifact_id(three), 4)


def test_a_check_in_without_its_files_waits_for_them(project: Project) -> None:
    first = begun(project)
    child = project.manifest(B, first)
    (project.path.parent / "elsewhere").mkdir()
    other = Project(project.path.parent / "elsewhere")
    with project.store.reader() as reader:
        root = reader.content(first)
    assert other.push(root, child) == []
    assert not other.has_ref()
    with other.writing() as (writer, _):
        writer.put(A)
    assert other.push() == []
    assert other.served()[0] == first
    with other.writing() as (writer, _):
        writer.put(B)
    other.push()
    assert other.served() == (artifact_id(child), 2)


def test_an_invalid_check_in_is_kept_and_told_and_a_child_mends_it(project: Project) -> None:
    first = begun(project)
    bad = project.manifest(BROKEN, first)
    (told,) = project.push(bad)
    assert "is kept but not served" in told
    assert told.endswith("; the last good version is still served: commit a correction on top of it")
    assert "CNAME" in told
    assert "line" in told
    assert project.served()[0] == first
    assert project.branch_of(artifact_id(bad)) == MAIN
    mended = project.manifest(B, artifact_id(bad))
    assert project.push(mended) == []
    assert project.served() == (artifact_id(mended), 3)
    assert project.leaves() == [artifact_id(mended)]


def test_an_invalid_check_in_is_told_once(project: Project) -> None:
    bad = project.manifest(BROKEN, begun(project))
    assert len(project.push(bad)) == 1
    assert project.push() == []


def test_an_invalid_check_in_becomes_a_fork_when_another_is_published(project: Project) -> None:
    first = begun(project)
    bad = project.manifest(BROKEN, first)
    project.push(bad)
    good = project.manifest(B, first)
    project.push(good)
    assert project.served()[0] == artifact_id(good)
    assert project.branch_of(artifact_id(bad)) == f"{MAIN}-fork-{artifact_id(bad)[:16]}"
    assert project.leaves() == [artifact_id(good)]


def test_a_branch_that_begins_invalid_is_mended_by_a_child(project: Project) -> None:
    bad = project.manifest(BROKEN)
    assert len(project.push(bad)) == 1
    assert not project.has_ref()
    mended = project.manifest(A, artifact_id(bad))
    assert project.push(mended) == []
    assert project.served() == (artifact_id(mended), 2)


def test_the_invalid_end_of_a_line_leaves_the_valid_part_served(project: Project) -> None:
    one = project.manifest(B, begun(project))
    bad = project.manifest(BROKEN, artifact_id(one))
    (told,) = project.push(one, bad)
    assert artifact_id(bad)[:16] in told
    assert project.served()[0] == artifact_id(one)


@pytest.mark.parametrize("good", [0, 1, 5, 19])
def test_of_many_invalid_versions_few_are_compiled_and_the_last_good_one_is_served(
    project: Project, good: int
) -> None:
    at = begun(project)
    line = []
    for number in range(20):
        address = f"www 300 A 192.0.2.{number + 10}"
        text = zone_text(address) if number < good else zone_text(address, "www 300 CNAME a")
        line.append(project.manifest(text, at))
        at = artifact_id(line[-1])
    told = project.push(*line)
    expected = line[good - 1] if good else None
    assert project.served()[0] == (artifact_id(expected) if expected else begun_of(line))
    assert 1 <= sum("is kept but not served" in text for text in told) <= 10
    with project.store.reader() as reader:
        bad = {placed.id for placed in places.invalid(reader, MAIN)}
        assert bad == set(map(artifact_id, line[good:]))
        assert places.unplaced(reader) == []
    mended = project.manifest(B, at)
    assert project.push(mended) == []
    assert project.served()[0] == artifact_id(mended)


def begun_of(line: list[bytes]) -> ArtifactId:
    """The parent of the first of these check-ins."""
    first = parse(line[0])
    assert isinstance(first, CheckIn)
    return first.parents[0]


@pytest.mark.parametrize("seed", range(5))
def test_publishing_in_parts_ends_where_publishing_at_once_does(tmp_path: Path, seed: int) -> None:
    """Siblings, lines and merges that lose, cut after each step."""
    rng = random.Random(seed)
    made = Project(tmp_path)
    tips, line = [begun(made)], []
    for step in range(20):
        parents = [rng.choice(tips)]
        if rng.random() < 0.3:
            parents.append(rng.choice(tips))
        text = rng.choice([A, BROKEN, zone_text(f"h{step} 300 A 192.0.2.9")])
        line.append(made.manifest(text, *dict.fromkeys(parents)))
        tips.append(artifact_id(line[-1]))
    rng.shuffle(line)
    found = []
    for number, (is_over, ahead) in enumerate(
        ((lambda: False, None), (lambda: True, None), (lambda: True, Ahead()))
    ):
        (tmp_path / str(number)).mkdir()
        project = Project(tmp_path / str(number))
        with made.store.reader() as reader, project.writing() as (writer, _):
            for artifact in reversed(list(reader.artifacts())):
                writer.put(reader.content(artifact))
        project.push()
        with project.writing() as (writer, _):
            for content in line:
                writer.put(content)
        is_all, parts = False, 0
        while not is_all:
            with project.writing() as (writer, refs):
                known = Liberties(ahead=ahead)
                _, is_all = publish_part(writer, refs, project.occasion(Door.PUSH), is_over, known)
            if ahead is not None:
                served.compile_wanted(project.store, ahead)
            parts += 1
        assert (parts > 1) == (number > 0)
        with project.store.reader() as reader:
            found.append((project.served(), set(reader.artifacts()), sorted(project.leaves())))
            assert places.unplaced(reader) == []
    assert found[0] == found[1] == found[2]


def test_the_loser_of_a_race_moves_to_a_fork_with_its_children(project: Project) -> None:
    first = begun(project)
    winner = project.manifest(B, first)
    project.push(winner)
    loser = project.manifest(C, first)
    child = project.manifest(D, artifact_id(loser))
    (told,) = project.push(loser, child)
    fork = f"{MAIN}-fork-{artifact_id(loser)[:16]}"
    assert fork in told
    assert f"fossil pull; fossil update {MAIN}; fossil merge {fork}; fossil commit" in told
    assert project.served()[0] == artifact_id(winner)
    assert project.branch_of(artifact_id(child)) == fork
    assert project.leaves() == [artifact_id(winner)]


def without(letter: bytes, manifest: bytes, *cards: bytes) -> bytes:
    """The manifest with other cards of that letter, sealed again."""
    lines = [line for line in manifest.splitlines() if line[:1] not in (letter, b"Z")]
    return sealed(sorted([*lines, *cards]))


@pytest.mark.parametrize(
    "unusual",
    [
        pytest.param(partial(without, b"U"), id="no author"),
        pytest.param(lambda made: without(b"D", made, b"D -4712-01-02"), id="before the year 1"),
    ],
)
def test_a_loser_that_our_writer_would_not_write_moves_to_a_fork(
    project: Project, unusual: Callable[[bytes], bytes]
) -> None:
    first = begun(project)
    project.push(project.manifest(B, first))
    loser = unusual(project.manifest(C, first))
    (told,) = project.push(loser)
    fork = f"{MAIN}-fork-{artifact_id(loser)[:16]}"
    assert fork in told
    assert project.branch_of(artifact_id(loser)) == fork


def test_a_merge_without_an_author_is_appended(project: Project) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    project.push(winner)
    project.push(loser)
    merge = without(b"U", project.manifest(D, artifact_id(loser), artifact_id(winner)))
    project.push(merge)
    with project.store.reader() as reader:
        made = reader.checkin(project.served()[0])
    assert (made.user, made.parents) == ("anonymous", (artifact_id(winner), artifact_id(merge)))


def test_of_two_in_one_push_the_first_to_come_wins(project: Project) -> None:
    first = begun(project)
    one, two = project.manifest(B, first), project.manifest(C, first)
    project.push(two, one)
    assert project.served()[0] == artifact_id(two)
    assert project.branch_of(artifact_id(one)) == f"{MAIN}-fork-{artifact_id(one)[:16]}"


def test_every_server_makes_the_same_fork_artifact(project: Project, tmp_path: Path) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    project.push(winner)
    project.push(loser)
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other")
    other.now += 60_000
    with project.store.reader() as reader, other.writing() as (writer, _):
        for artifact in reversed(list(reader.artifacts())):
            content = reader.content(artifact)
            if not content.startswith(b"D "):
                writer.put(content)
    other.push()
    with project.store.reader() as here, other.store.reader() as there:
        forks = {a for a in here.artifacts() if here.content(a).startswith(b"D ")}
        assert len(forks) == 1
        assert forks <= set(there.artifacts())


def test_a_merge_onto_what_is_served_is_published(project: Project) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    project.push(winner)
    project.push(loser)
    merge = project.manifest(D, artifact_id(winner), artifact_id(loser))
    assert project.push(merge) == []
    assert project.served() == (artifact_id(merge), 3)
    assert project.leaves() == [artifact_id(merge)]


def test_a_merge_made_on_the_losing_line_is_appended(project: Project) -> None:
    # `fossil merge` without arguments: the first parent is the loser, the second what is served.
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    project.push(winner)
    merge = project.manifest(D, artifact_id(loser), artifact_id(winner))
    assert project.push(loser, merge) == []
    served, serial = project.served()
    assert serial == 3
    with project.store.reader() as reader:
        appended = reader.checkin(served)
        assert appended.parents == (artifact_id(winner), artifact_id(merge))
        assert reader.files(served) == reader.files(artifact_id(merge))
    assert project.leaves() == [served]
    assert project.push() == []
    assert project.served()[0] == served


def test_any_authority_appends_the_same_check_in(project: Project, tmp_path: Path) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    merge = project.manifest(D, artifact_id(loser), artifact_id(winner))
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other")
    other.now = project.now + 299_000
    with project.store.reader() as reader, other.writing() as (writer, _):
        writer.put(reader.content(first))
        for text in (A, B, C, D):
            writer.put(text)
    for authority in (project, other):
        assert authority.push(winner) == []
        assert authority.push(loser, merge) == []
    assert project.served() == other.served()
    with project.writing() as (writer, refs):
        rebuild(writer, refs, project.occasion(Door.START))
    assert project.served() == other.served()
    with project.store.reader() as reader:
        appended, tip = reader.checkin(project.served()[0]), reader.checkin(artifact_id(merge))
    assert (appended.date_ms, appended.comment, appended.user) == (tip.date_ms + 1, tip.comment, tip.user)


def test_an_appended_check_in_is_after_the_ref_too(project: Project) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first, date_ms=NOW + 60_000), project.manifest(C, first)
    project.push(winner)
    merge = project.manifest(D, artifact_id(loser), artifact_id(winner))
    assert project.push(loser, merge) == []
    with project.store.reader() as reader:
        assert reader.checkin(project.served()[0]).date_ms == NOW + 60_001


def test_a_merge_made_on_the_fork_branch_is_appended(project: Project) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    project.push(winner)
    project.push(loser)
    merge = project.manifest(D, artifact_id(loser), artifact_id(winner))
    assert project.push(merge) == []
    served, serial = project.served()
    assert serial == 3
    with project.store.reader() as reader:
        assert reader.checkin(served).parents == (artifact_id(winner), artifact_id(merge))
    assert project.leaves() == [served]


def test_a_push_onto_a_fork_branch_is_told_the_way_back(project: Project) -> None:
    first = begun(project)
    winner, loser = project.manifest(B, first), project.manifest(C, first)
    project.push(winner)
    project.push(loser)
    (told,) = project.push(project.manifest(D, artifact_id(loser)))
    assert f"fossil update {MAIN}" in told
    assert project.push() == []


@pytest.mark.parametrize("ahead_s", [-30, 30, 299])
def test_a_clock_that_is_a_little_off_is_no_matter(project: Project, ahead_s: int) -> None:
    child = project.manifest(B, begun(project), date_ms=NOW + ahead_s * 1000)
    assert project.push(child) == []
    assert project.served()[0] == artifact_id(child)


def test_a_date_far_ahead_is_not_served_and_others_go_on(project: Project) -> None:
    first = begun(project)
    late = project.manifest(B, first, date_ms=NOW + 301_000)
    (told,) = project.push(late)
    assert "5 minutes ahead" in told
    assert project.branch_of(artifact_id(late)) != MAIN
    good = project.manifest(C, first)
    assert project.push(good) == []
    assert project.served()[0] == artifact_id(good)


def test_a_date_before_the_parent_s_is_not_served(project: Project) -> None:
    child = project.manifest(B, begun(project), date_ms=NOW - 200_000)
    (told,) = project.push(child)
    assert "not after its parent's" in told
    assert project.branch_of(artifact_id(child)) != MAIN


def test_branches_that_are_no_zone_s_are_kept_and_never_served(project: Project) -> None:
    strange = project.manifest(A, branch="feature")
    (told,) = project.push(strange)
    assert "on branch feature, where no zone is served" in told
    assert not project.has_ref("feature")


def test_a_branch_with_a_slash_is_no_zone_s_until_a_zone_file_comes(project: Project) -> None:
    source = project.manifest(None, branch="feature/x", files={"main.c": b"int main;\n"})
    assert project.push(source) == []
    with project.store.reader() as reader:
        refs = LocalRefs(reader)
        assert status(reader, refs, NOW).unpublished == ()
        (entry,) = log.log(reader, refs, "feature/x", 10)
        assert (entry.state, entry.reason) == ("other", "")
    zone = project.manifest(None, artifact_id(source), files={"feature.zone": A})
    assert project.push(zone) == []
    assert project.served("feature/x") == (artifact_id(zone), 1)
    assert "CNAME" in project.push(project.manifest(None, branch="home/x", files={"home.zone": BROKEN}))[0]


def test_another_branch_of_the_zone_has_a_ref_of_its_own(project: Project) -> None:
    first = begun(project)
    test = project.manifest(B, first, branch="example.com/test")
    assert project.push(test) == []
    assert project.served("example.com/test") == (artifact_id(test), 2)
    assert project.served()[0] == first


def test_a_second_beginning_of_a_branch_is_a_loser(project: Project) -> None:
    first = begun(project)
    again = project.manifest(B)
    project.push(again)
    assert project.served()[0] == first
    assert project.branch_of(artifact_id(again)) == f"{MAIN}-fork-{artifact_id(again)[:16]}"


def test_a_zone_that_begins_on_the_trunk_check_out_is_accepted(project: Project) -> None:
    with project.store.reader() as reader:
        root = symbols.branch_tip(reader, "trunk")
    assert root is not None
    child = project.manifest(A, root, branch=MAIN)
    assert project.push(child) == []
    assert project.served() == (artifact_id(child), 1)


def test_a_zone_file_on_a_branch_that_is_no_zones_is_told_once(project: Project) -> None:
    with project.store.reader() as reader:
        root = symbols.branch_tip(reader, "trunk")
    assert root is not None
    zone, other = {"example.com.zone": A}, {"example.com.zone": A, "readme.txt": b"x"}
    first = project.manifest(None, root, files=zone, branch="trunk")
    (told,) = project.push(first)
    assert told.startswith(
        "example.com.zone is on branch trunk, where no zone is served: commit example.com.zone on"
    )
    assert "`fossil commit --branch example.com/main`" in told
    second = project.manifest(None, artifact_id(first), files=other)
    assert project.push(second) == []
    moved = {"zones/example.com.zone": B, "a/.zone": B, "my notes.zone": B}
    (told,) = project.push(project.manifest(None, artifact_id(second), files=moved))
    assert "commit example.com.zone on branch example.com/main" in told


@pytest.mark.parametrize(
    ("floor", "serial"),
    [(1000, 1000), (2**30 + 2, 2**30 + 2), (2026112101, 2026112101), (2**31, 2**31), (2**31 + 1, 2)],
)
def test_a_serial_takes_any_step_that_rfc_1982_calls_forward(
    project: Project, floor: int, serial: int
) -> None:
    child = project.manifest(zone_text(serial=floor), begun(project))
    assert project.push(child) == []
    assert project.served() == (artifact_id(child), serial)


def test_tags_of_a_pusher_never_move_a_ref(project: Project) -> None:
    first = begun(project)
    with project.writing() as (writer, refs):
        for name in ("branch", "date", "closed", "hidden", "parent", f"sym-{MAIN}"):
            weapon = Control(date_ms=NOW, tags=(Tag("*", name, first, "x"),), user="eve").encode()
            assert Policy(writer, refs).refusal(parse(weapon)), name
            writer.put(weapon)
        for name in ("sig-1", "approve-ann", "policy-two", "xferzone-clobbers", "sym-example.com/sig-1"):
            reserved = Control(date_ms=NOW, tags=(Tag("+", name, first, "x"),), user="eve").encode()
            assert "reserved" in (Policy(writer, refs).refusal(parse(reserved)) or ""), name
        own = CheckIn(
            "c", NOW, "eve", parents=(first,), tags=(Tag("+", "xferzone-clobbers", None, first),)
        ).encode()
        assert "only an administrator" in (Policy(writer, refs).refusal(parse(own)) or "")
        fair = Control(date_ms=NOW, tags=(Tag("+", "sym-example.com/v1", first, None),), user="eve").encode()
        assert Policy(writer, refs).refusal(parse(fair)) is None
    child = project.manifest(B, first)
    project.push(child)
    with project.store.reader() as reader:
        ref = LocalRefs(reader).get(MAIN_BRANCH)
    assert ref is not None
    assert ref.checkin in (first, artifact_id(child))


def test_other_parents_are_shown_and_move_nothing_that_is_served(project: Project) -> None:
    first = begun(project)
    project.push(second := project.manifest(B, first))
    project.push(third := project.manifest(C, artifact_id(second)))
    tip = artifact_id(third)
    tag = Tag("+", "parent", tip, first)
    assert project.push(Control(date_ms=NOW, tags=(tag,), user="admin").encode()) == []
    assert project.served() == (tip, 3)
    project.push(fourth := project.manifest(D, tip))
    with project.writing() as (writer, refs):
        rebuild(writer, refs, project.occasion(Door.START))
        logged = {entry.id: entry for entry in log.log(writer, refs, MAIN, 10)}
    assert project.served() == (artifact_id(fourth), 4)
    assert logged[tip].parents == (first,)
    assert {entry.id for entry in logged.values() if entry.is_leaf} == {
        artifact_id(second),
        artifact_id(fourth),
    }


@pytest.mark.parametrize("name", ["date", "parent", "closed", "hidden"])
def test_a_check_in_that_comes_with_a_weapon_is_not_served(project: Project, name: str) -> None:
    first = begun(project)
    child = project.manifest(B, first)
    weapon = Control(date_ms=NOW, tags=(Tag("+", name, artifact_id(child), "x"),), user="eve").encode()
    (told,) = project.push(weapon, child)
    assert f"it carries the tag {name}" in told
    assert project.served()[0] == first
    fair = project.manifest(C, first)
    assert project.push(fair) == []
    assert project.served()[0] == artifact_id(fair)


def test_a_branch_beside_main_may_begin_closed(project: Project) -> None:
    first = begun(project)
    branch = "example.com/test"
    root = project.manifest(B, first, branch=branch)
    closed = Control(NOW, (Tag("+", "closed", artifact_id(root), None),), "ann").encode()
    child = project.manifest(C, artifact_id(root))
    assert project.push(root, closed, child) == []
    assert project.served(branch)[0] == artifact_id(child)


def test_a_zone_may_not_begin_closed(project: Project) -> None:
    root = project.manifest(A)
    (told,) = project.push(root, Control(NOW, (Tag("+", "closed", artifact_id(root), None),), "ann").encode())
    assert "it carries the tag closed" in told
    assert not project.has_ref()


@pytest.fixture
def mended_elsewhere(project: Project) -> tuple[Project, ArtifactId, ArtifactId]:
    """An invalid check-in on the branch, and a child of it on another branch that puts it right."""
    first = begun(project)
    oops = project.manifest(BROKEN, first)
    project.push(oops)
    assert project.push(project.manifest(B, artifact_id(oops), branch="example.com/test")) == []
    return project, first, artifact_id(oops)


def test_what_is_mended_on_another_branch_is_still_invalid_on_its_own(
    mended_elsewhere: tuple[Project, ArtifactId, ArtifactId],
) -> None:
    project, first, oops = mended_elsewhere
    told = project.push(beside := project.manifest(C, first))
    assert f"{oops[:16]} was moved to branch {MAIN}-fork-{oops[:16]}" in told[0]
    assert project.served()[0] == artifact_id(beside)


def test_what_is_mended_on_another_branch_may_be_mended_on_its_own(
    mended_elsewhere: tuple[Project, ArtifactId, ArtifactId],
) -> None:
    project, _, oops = mended_elsewhere
    assert project.push(child := project.manifest(C, oops)) == []
    assert project.served()[0] == artifact_id(child)


def test_what_is_mended_on_another_branch_is_invalid_after_a_rebuild(
    mended_elsewhere: tuple[Project, ArtifactId, ArtifactId],
) -> None:
    project, _, oops = mended_elsewhere
    with project.writing() as (writer, refs):
        rebuild(writer, refs, project.occasion(Door.START))
        assert [checkin.id for checkin in places.invalid(writer, MAIN)] == [oops]


def test_what_another_branch_has_passed_needs_an_administrator_too(
    mended_elsewhere: tuple[Project, ArtifactId, ArtifactId],
) -> None:
    project, _, oops = mended_elsewhere
    with project.writing() as (writer, refs):
        weapon = Control(date_ms=NOW, tags=(Tag("+", "date", oops, "2030-01-01"),), user="bob").encode()
        assert Policy(writer, refs).refusal(parse(weapon))


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_arrival_ends_with_one_leaf_and_a_rising_serial(project: Project, seed: int) -> None:
    rng = random.Random(seed)
    tips = [begun(project)]
    serials = [1]
    held: list[bytes] = []
    for step in range(25):
        parents = [rng.choice(tips)]
        if rng.random() < 0.3:
            parents.append(rng.choice(tips))
        text = rng.choice(
            [A, B, C, D, BROKEN, zone_text(f"h{step} 300 A 192.0.2.9", serial=rng.randrange(30))]
        )
        made = project.manifest(text, *dict.fromkeys(parents))
        tips.append(artifact_id(made))
        held.append(made)
        if rng.random() < 0.6:
            rng.shuffle(held)
            project.push(*held)
            held.clear()
            serial = project.served()[1]
            assert serial is not None
            assert serial >= serials[-1]
            serials.append(serial)
            served = project.served()[0]
            project.push()
            assert project.served()[0] == served
    project.push(*held)
    with project.store.reader() as reader:
        waits = places.unplaced(reader)
        bad = places.invalid(reader, MAIN)
    assert waits == []
    leaves = [leaf for leaf in project.leaves() if leaf not in {placed.id for placed in bad}]
    assert leaves == [project.served()[0]] or (leaves == [] and bad)


def test_what_a_zone_merged_from_elsewhere_is_published_with_it(project: Project) -> None:
    """In one push: a line on a branch that is not a zone's, and a merge of it on a zone's branch."""
    first = project.manifest(zone_text())
    other = project.manifest(None, branch="trunk")
    merge = project.manifest(zone_text("a 300 A 192.0.2.1"), artifact_id(first), artifact_id(other))
    project.push(first, other, merge)
    assert project.served()[0] == artifact_id(merge)
    with project.store.reader() as reader:
        found = places.placed(reader, artifact_id(other))
    assert found is not None
    assert (found.branch, found.place) == ("trunk", schema.PUBLISHED)


def test_what_can_never_be_served_leaves_what_is_invalid_below_it(project: Project) -> None:
    invalid = project.manifest(BROKEN, begun(project))
    project.push(invalid)
    early = project.manifest(B, artifact_id(invalid), date_ms=NOW - 10**9)
    (told,) = project.push(early)
    assert "its date is not after its parent's" in told
    assert project.branch_of(artifact_id(early)) == f"{MAIN}-fork-{artifact_id(early)[:16]}"
    mended = project.manifest(C, artifact_id(invalid))
    assert project.push(mended) == []
    assert project.served()[0] == artifact_id(mended)


def test_what_is_invalid_leaves_once_a_tag_makes_it_what_nobody_can_follow(project: Project) -> None:
    first = begun(project)
    invalid = project.manifest(BROKEN, first)
    upper = project.manifest(BROKEN, artifact_id(invalid))
    project.push(invalid)
    project.push(upper)
    closed = Control(NOW, (Tag("+", "closed", artifact_id(invalid), None),), "ann").encode()
    correction = project.manifest(B, artifact_id(upper))
    told = project.push(closed, correction)
    assert any("carries the tag closed" in each for each in told), told
    assert project.served()[0] == first
    assert project.leaves() == [first]


def test_what_was_invalid_beside_what_wins_is_moved_to_a_fork(project: Project) -> None:
    """Also where it was found so by a push before."""
    first = begun(project)
    invalid = project.manifest(BROKEN, first)
    project.push(invalid)
    upper = project.manifest(BROKEN, artifact_id(invalid))
    project.push(upper)
    winner = project.manifest(B, first)
    (told,) = project.push(winner)
    assert f"check-in {artifact_id(invalid)[:16]} was moved to branch" in told
    assert project.leaves() == [artifact_id(winner)] == [project.served()[0]]
    with project.store.reader() as reader:
        assert places.invalid(reader, MAIN) == places.unplaced(reader) == []
