"""A clock that was wrong once: what may follow a check-in that is dated far ahead (law 4)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.publish.project import MAIN, MAIN_BRANCH, Project, zone_text
from tests.publish.test_follow import Copy
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.errors import DatedAhead
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.pending import MAX_AHEAD_MS
from xferzone.store import places
from xferzone.zone import changes
from xferzone.zonefile import text
from xferzone.zonefile.names import zone_name

A = zone_text("www 300 A 192.0.2.1")
B = zone_text("www 300 A 192.0.2.2")
C = zone_text("www 300 A 192.0.2.3")
AHEAD_MS = 400 * 86_400_000


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Its tip was committed while the clock was 400 days ahead; the clock is right again."""
    made = Project(tmp_path)
    made.push(made.manifest(A))
    made.now += AHEAD_MS
    commit(made, set_www("192.0.2.9"))
    made.now -= AHEAD_MS
    return made


def commit(project: Project, act: Callable[[Edit], Commit], *, allow_older: bool = False) -> ArtifactId:
    with project.writing() as (writer, refs):
        done = act(Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now, allow_older)))
    assert done.checkin is not None
    assert done.fork is None
    return done.checkin


def set_www(address: str) -> Callable[[Edit], Commit]:
    change = changes.parse_change("set", ["www.example.com", "A", address])
    return lambda edit: edit.change([change], f"www is {address}")


def replaced(content: bytes) -> Callable[[Edit], Commit]:
    return lambda edit: edit.replace(text.read_zone(content, zone_name("example.com")), "import")


def date_of(project: Project, checkin: ArtifactId) -> int:
    with project.store.reader() as reader:
        placed = places.placed(reader, checkin)
    assert placed is not None
    return placed.date_ms


def test_every_commit_on_a_tip_far_ahead_needs_the_option_and_none_after_it(project: Project) -> None:
    with project.store.reader() as reader:
        tip = places.placed(reader, project.served()[0])
    assert tip is not None
    acts = [
        set_www("192.0.2.1"),
        replaced(C),
        lambda edit: edit.reset(tip.parents[0], "reset"),
        lambda edit: edit.remove("away"),
    ]
    for act in acts:
        with pytest.raises(DatedAhead, match="--allow-older"):
            commit(project, act)
    assert project.served() == (tip.id, 2)
    assert date_of(project, commit(project, acts[0], allow_older=True)) == tip.date_ms + 1
    for steps, act in enumerate(acts[1:], 2):
        made = commit(project, act)
        assert date_of(project, made) == tip.date_ms + steps
        assert project.served()[0] == made


def test_a_new_branch_from_such_a_tip_needs_the_option_too(project: Project) -> None:
    tip, branch = project.served()[0], type(MAIN_BRANCH)("example.com", "test")
    for allowed in (False, True):
        with project.writing() as (writer, refs):
            edit = Edit(writer, refs, branch, Author("ann", project.now, allowed))
            if not allowed:
                with pytest.raises(DatedAhead):
                    edit.fork_off(tip, "test")
            else:
                assert edit.fork_off(tip, "test").fork is None


def test_two_commits_in_one_instant_do_not_look_like_the_option(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.push(project.manifest(A))
    project.now += AHEAD_MS
    commit(project, set_www("192.0.2.2"))
    commit(project, set_www("192.0.2.3"))
    project.now -= AHEAD_MS
    with pytest.raises(DatedAhead):
        commit(project, set_www("192.0.2.4"))


def test_a_tip_less_than_five_minutes_ahead_is_followed_as_ever(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.push(project.manifest(A))
    project.now += MAX_AHEAD_MS
    tip = date_of(project, commit(project, set_www("192.0.2.2")))
    project.now -= MAX_AHEAD_MS - 1
    for step, address in enumerate(("192.0.2.3", "192.0.2.4", "192.0.2.5"), 1):
        assert date_of(project, commit(project, set_www(address))) == tip + step


def test_a_stock_push_dated_before_such_a_tip_goes_to_its_fork_and_the_operator_is_told(
    project: Project,
) -> None:
    tip = project.served()[0]
    push = project.manifest(B, tip, date_ms=project.now)
    (told,) = project.push(push)
    fork = f"main-fork-{artifact_id(push)[:16]}"
    assert project.branch_of(artifact_id(push)) == f"example.com/{fork}"
    assert project.served()[0] == tip
    assert (
        "its date is not after its parent's, 2028-02-19 08:00:00 UTC, which is ahead of this server's" in told
    )
    assert told.endswith(f"with: xferzone reset example.com {fork} --allow-older")
    made = commit(project, lambda edit: edit.reset(artifact_id(push), "reset"), allow_older=True)
    assert project.served()[0] == made
    again = project.manifest(C, made, date_ms=project.now)
    assert "--allow-older" in project.push(again)[0]


def test_a_push_dated_before_a_parent_of_today_is_told_of_a_merge(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.push(project.manifest(A))
    push = project.manifest(B, project.served()[0], date_ms=project.now - 200_000)
    (told,) = project.push(push)
    assert "fossil merge" in told
    assert "--allow-older" not in told


@pytest.mark.parametrize(("step", "is_taken"), [(1, True), (2, False), (1_000, False)])
def test_a_push_may_go_one_millisecond_further_ahead_and_no_more(
    project: Project, step: int, is_taken: bool
) -> None:
    tip = project.served()[0]
    date = date_of(project, tip)
    push = project.manifest(B, tip, date_ms=date + step)
    onward = project.manifest(C, artifact_id(push), date_ms=date + step + 1)
    told = project.push(push, onward)
    assert (project.served()[0] == artifact_id(onward)) == is_taken
    assert bool(told) != is_taken


def test_a_line_that_begins_far_ahead_is_not_taken_for_its_small_steps(tmp_path: Path) -> None:
    project = Project(tmp_path)
    first = project.manifest(A)
    project.push(first)
    far = project.manifest(B, artifact_id(first), date_ms=project.now + AHEAD_MS)
    step = project.manifest(C, artifact_id(far), date_ms=project.now + AHEAD_MS + 1)
    project.push(far, step)
    assert project.served()[0] == artifact_id(first)
    merge = project.manifest(C, artifact_id(step), artifact_id(first), date_ms=project.now + AHEAD_MS + 2)
    project.push(merge)
    assert project.served()[0] == artifact_id(first)


def test_a_clone_may_allow_it_and_push(project: Project, tmp_path: Path) -> None:
    clone = Copy(tmp_path / "clone", project)
    clone.pull()
    with pytest.raises(DatedAhead):
        commit(clone, set_www("192.0.2.4"))
    commit(clone, set_www("192.0.2.4"), allow_older=True)
    made = commit(clone, set_www("192.0.2.5"))
    assert clone.served()[0] == made
    assert clone.send() == []
    assert project.served() == clone.served()
    assert project.leaves(MAIN) == [made]
