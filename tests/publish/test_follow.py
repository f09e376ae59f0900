"""Where a clone's refs stand after a sync with a primary, or with a remote that says nothing (law 5)."""

import contextlib
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.publish.project import MAIN, MAIN_BRANCH, NOW, ZONE, Project, zone_text
from xferzone.artifacts import Control, Tag
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.errors import Refused, XferzoneError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.follow import Followed, Moved, follow
from xferzone.refs import BranchName, Door, LocalRefs, State, indexes
from xferzone.repository import check as published
from xferzone.repository.rebuild import rebuild
from xferzone.store import places, schema, symbols, timeline, unsent
from xferzone.zone import changes
from xferzone.zonefile import names, text

A = zone_text("www 300 A 192.0.2.1")
B = zone_text("www 300 A 192.0.2.2")
C = zone_text("mail 300 A 192.0.2.3", "www 300 A 192.0.2.1")
BROKEN = zone_text("www 300 A 192.0.2.1", "www 300 CNAME example.net.")
SEEDS = 8  # 150 were run
STEPS = 40


class Copy(Project):
    """A clone of `remote`, empty at first; artifacts go between them as a sync would take them."""

    def __init__(
        self, directory: Path, remote: Project, *, is_told: bool = True, role: str = schema.CLONE
    ) -> None:
        directory.mkdir()
        super().__init__(directory)
        with self.store.writer() as writer:
            writer.set_setting("role", role)
        self.remote = remote
        self.is_told = is_told  # else the remote is stock
        self.number = 0  # of the remote's last move that is known here

    def edit(self, act: Callable[[Edit], Commit], branch: str = MAIN) -> Commit:
        self.now += 1_000
        with self.writing() as (writer, refs):
            return act(Edit(writer, refs, BranchName.of_row(branch), Author("ann", self.now)))

    def set_www(self, address: str, branch: str = MAIN) -> ArtifactId:
        """Commit an address of www."""
        change = changes.parse_change("set", ["www.example.com", "A", address])
        made = self.edit(lambda edit: edit.change([change], f"www is {address}"), branch).checkin
        assert made is not None
        return made

    def send(self) -> list[str]:
        """Push to the remote; what it says."""
        with self.store.writer() as here:
            sent = unsent.artifacts(here)
            contents = [here.content(artifact) for artifact in sent]
            unsent.forget(here, sent)
        self.remote.now = max(self.remote.now, self.now)
        return self.remote.push(*contents)

    def pull(self, rng: random.Random | None = None, leave_out: Iterable[ArtifactId] = ()) -> Followed:
        """Take all that the remote has, in any order; then follow."""
        with self.remote.store.reader() as there:
            ids = sorted(set(there.artifacts()) - set(leave_out))
            if rng is not None:
                rng.shuffle(ids)
            contents = [there.content(artifact) for artifact in ids]
            told = None
            moves = LocalRefs(there).since(self.number)
            if self.is_told:
                gone = {ref.branch for ref in LocalRefs(there).list() if ref.state is State.REMOVED}
                told = {str(move.branch): None if move.branch in gone else move.checkin for move in moves}
        with self.writing() as (writer, _):
            for content in contents:
                writer.put(content)
        before = self.held()
        with self.writing() as (writer, refs):
            followed = follow(writer, refs, told, self.occasion(Door.PULL))
        assert self.held() == before, "following made an artifact"
        if moves and not followed.incomplete:
            self.number = moves[-1].number
        return followed

    def held(self) -> set[ArtifactId]:
        with self.store.reader() as reader:
            return set(reader.artifacts())


def refs_of(project: Project) -> dict[str, tuple[ArtifactId, int | None, bool]]:
    with project.store.reader() as reader:
        return {
            str(ref.branch): (ref.checkin, ref.serial, ref.state is State.SERVED)
            for ref in LocalRefs(reader).list()
        }


def reset_to(checkin: ArtifactId) -> Callable[[Edit], Commit]:
    return lambda edit: edit.reset(checkin, "reset")


@pytest.fixture
def primary(tmp_path: Path) -> Project:
    (tmp_path / "primary").mkdir()
    return Project(tmp_path / "primary")


@pytest.fixture
def clone(primary: Project, tmp_path: Path) -> Copy:
    return Copy(tmp_path / "clone", primary)


def begun(primary: Project) -> ArtifactId:
    first = primary.manifest(A)
    assert primary.push(first) == []
    return artifact_id(first)


def test_a_new_clone_stands_where_its_remote_does(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    second = primary.manifest(B, first)
    primary.push(second, primary.manifest(A, branch="example.com/test"))
    followed = clone.pull()
    assert [moved.branch for moved in followed.moved] == [MAIN_BRANCH, BranchName(ZONE, "test")]
    assert followed.moved[0] == Moved(MAIN_BRANCH, None, artifact_id(second), 2)
    assert refs_of(clone) == refs_of(primary)
    assert clone.pull() == Followed()


def test_a_ref_goes_where_the_remote_went(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    clone.pull()
    second = primary.manifest(B, first)
    primary.push(second)
    assert clone.pull().moved == (Moved(MAIN_BRANCH, first, artifact_id(second), 2),)


def test_what_was_committed_here_stays_ahead(primary: Project, clone: Copy) -> None:
    begun(primary)
    clone.pull()
    mine = clone.set_www("192.0.2.9")
    assert clone.served() == (mine, 2)
    clone.number = 0  # as after a restore of the remote, which then tells of all refs
    assert clone.pull() == Followed()
    assert clone.served() == (mine, 2)
    assert clone.send() == []
    assert clone.pull() == Followed()
    assert refs_of(clone) == refs_of(primary)


def test_the_loser_of_a_race_is_left_behind_and_named(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    clone.pull()
    winner = primary.manifest(B, first)
    primary.push(winner)
    mine = [clone.set_www("192.0.2.9"), clone.set_www("192.0.2.10")]
    followed = clone.pull()
    assert followed.moved == (Moved(MAIN_BRANCH, mine[-1], artifact_id(winner), 2),)
    (left,) = followed.diverged
    assert (left.branch, left.checkins, left.now_on) == (MAIN_BRANCH, tuple(mine), MAIN)
    assert clone.pull() == Followed()


def test_where_the_remote_moved_the_loser_is_named(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    clone.pull()
    primary.push(primary.manifest(B, first))
    mine = clone.set_www("192.0.2.9")
    assert "was moved to branch" in clone.send()[0]
    (left,) = clone.pull().diverged
    assert (left.checkins, left.now_on) == ((mine,), f"{MAIN}-fork-{mine[:16]}")
    assert refs_of(clone) == refs_of(primary)


def test_what_the_remote_moved_to_a_fork_while_it_stood_still_is_left_behind(
    primary: Project, clone: Copy
) -> None:
    first = begun(primary)
    clone.pull()
    clone.now += 10 * 60_000
    mine = clone.set_www("192.0.2.9")
    with clone.store.writer() as here:
        sent = unsent.artifacts(here)
        contents = [here.content(artifact) for artifact in sent]
        unsent.forget(here, sent)
    assert "5 minutes ahead" in primary.push(*contents)[0]
    followed = clone.pull()
    assert followed.moved == (Moved(MAIN_BRANCH, mine, first, 1),)
    assert followed.diverged[0].now_on == f"{MAIN}-fork-{mine[:16]}"


def test_a_branch_begun_here_that_the_remote_moved_to_a_fork_as_a_whole_is_removed(
    primary: Project, clone: Copy
) -> None:
    first = begun(primary)
    clone.pull()
    clone.now += 10 * 60_000
    dev = "example.com/dev"
    begins = clone.edit(lambda edit: edit.fork_off(first, "dev"), dev).checkin
    assert begins is not None
    mine = [begins, clone.set_www("192.0.2.9", dev)]
    with clone.store.writer() as here:
        sent = unsent.artifacts(here)
        contents = [here.content(artifact) for artifact in sent]
        unsent.forget(here, sent)
    assert "5 minutes ahead" in primary.push(*contents)[0]
    assert not primary.has_ref(dev)
    followed = clone.pull()
    (left,) = followed.diverged
    assert (left.checkins, left.now_on) == (tuple(mine), f"{dev}-fork-{begins[:16]}")
    assert refs_of(clone)[dev] == (mine[1], 3, False)
    assert clone.pull() == Followed()
    with clone.writing() as (writer, refs):
        before = refs.get(BranchName.of_row(dev))
        rebuild(writer, refs, clone.occasion(Door.CLI))
        assert refs.get(BranchName.of_row(dev)) == before
        assert list(published.rows(writer)) == []
    primary.now += 20 * 60_000
    again = clone.edit(lambda edit: edit.reset(begins, "again"), dev).checkin
    clone.send()
    clone.pull()
    assert refs_of(clone)[dev] == refs_of(primary)[dev] == (again, 4, True)


def test_work_that_the_remote_merged_is_not_lost(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    clone.pull()
    winner = primary.manifest(B, first)
    primary.push(winner)
    mine = clone.set_www("192.0.2.9")
    clone.send()
    merge = primary.manifest(C, artifact_id(winner), mine)
    primary.push(merge)
    followed = clone.pull()
    assert followed.moved == (Moved(MAIN_BRANCH, mine, artifact_id(merge), 3),)
    assert followed.diverged == ()


@pytest.mark.parametrize("missing", range(4))
def test_a_tip_that_has_not_come_is_named_and_the_ref_stays(
    primary: Project, clone: Copy, missing: int
) -> None:
    first = begun(primary)
    clone.pull()
    second = primary.manifest(B, first)
    third = primary.manifest(C, artifact_id(second))
    primary.push(second, third)
    absent = [artifact_id(content) for content in (third, second, C, B)][missing]
    (kept,) = clone.pull(leave_out={absent}).incomplete
    assert (kept.branch, kept.checkin) == (MAIN_BRANCH, artifact_id(third))
    assert clone.served()[0] == first
    assert clone.pull().incomplete == ()
    assert clone.served() == (artifact_id(third), 3)


def test_a_removed_zone_is_removed_and_goes_on_when_it_comes_back(primary: Project, clone: Copy) -> None:
    begun(primary)
    clone.pull()
    with primary.writing() as (writer, refs):
        Edit(writer, refs, MAIN_BRANCH, Author("ann", NOW)).remove("away")
    clone.pull()
    assert refs_of(clone) == refs_of(primary)
    assert not refs_of(clone)[MAIN][2]
    # Somebody tries to go on without the zone: the remote does not serve it, and stays.
    empty = primary.manifest(None, primary.served()[0], date_ms=NOW + 1_000)
    primary.push(empty)
    clone.number = 0
    clone.pull()
    assert refs_of(clone) == refs_of(primary)
    back = primary.manifest(B, primary.served()[0], date_ms=NOW + 2_000)
    primary.push(back)
    clone.pull()
    assert refs_of(clone) == refs_of(primary)
    assert clone.served() == (artifact_id(back), 2)


def test_a_new_clone_of_a_removed_zone_goes_on_with_its_serial(primary: Project, clone: Copy) -> None:
    begun(primary)
    with primary.writing() as (writer, refs):
        Edit(writer, refs, MAIN_BRANCH, Author("ann", NOW)).remove("away")
    clone.pull()
    assert refs_of(clone) == refs_of(primary)


def test_a_clone_makes_no_fork_and_no_merge_of_what_is_pushed_to_it(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    clone.pull()
    one, two = clone.manifest(B, first), clone.manifest(C, first)
    merge = clone.manifest(A, artifact_id(two), artifact_id(one))
    (told,) = clone.push(one, two, merge)
    assert "serves them when its remote does" in told
    assert artifact_id(one)[:16] in told
    assert clone.push() == []
    assert clone.served()[0] == first
    assert {clone.branch_of(artifact_id(each)) for each in (one, two, merge)} == {MAIN}


def test_a_rebuild_of_a_clone_keeps_its_refs(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    clone.pull()
    primary.push(primary.manifest(B, first))
    lost = clone.set_www("192.0.2.9")
    clone.pull()
    clone.set_www("192.0.2.10")
    before, held, places = refs_of(clone), clone.held(), places_of(clone)
    with clone.writing() as (writer, refs):
        rebuild(writer, refs, clone.occasion(Door.START))
    assert (refs_of(clone), clone.held(), places_of(clone)) == (before, held, places)
    assert places[lost] == schema.ELSEWHERE


def test_a_mirror_goes_forward_only_and_commits_nothing(primary: Project, tmp_path: Path) -> None:
    first = begun(primary)
    mirror = Copy(tmp_path / "mirror", primary, role=schema.MIRROR)
    mirror.pull()
    second = primary.manifest(B, first)
    primary.push(second)
    assert mirror.pull().moved == (Moved(MAIN_BRANCH, first, artifact_id(second), 2),)
    with pytest.raises(Refused, match="mirror"):
        mirror.set_www("192.0.2.9")
    with mirror.writing() as (writer, refs):
        # Another server of the remote may be a little behind: that is not a fault.
        assert follow(writer, refs, {MAIN: first}, mirror.occasion(Door.PULL)) == Followed()
    assert mirror.served()[0] == artifact_id(second)
    elsewhere = primary.manifest(C, first)
    with mirror.writing() as (writer, refs):
        writer.put(elsewhere)
        writer.put(C)
        followed = follow(writer, refs, {MAIN: artifact_id(elsewhere)}, mirror.occasion(Door.PULL))
    assert followed.moved == ()
    assert followed.invalid[0].checkin == artifact_id(elsewhere)
    assert mirror.served()[0] == artifact_id(second)


def test_a_primary_publishes_what_it_pulled_as_if_it_were_pushed(primary: Project, tmp_path: Path) -> None:
    first = begun(primary)
    other = Copy(tmp_path / "other", primary, role=schema.PRIMARY)
    with primary.store.reader() as reader:
        root = reader.content(first)
    other.push(root)
    with other.writing() as (writer, _):
        writer.put(A)
    other.push()
    here, there = other.manifest(C, first, date_ms=NOW), primary.manifest(B, first)
    other.push(here)
    primary.push(there)
    with other.writing() as (writer, refs):
        writer.put(there)
        writer.put(B)
        followed = follow(writer, refs, {MAIN: artifact_id(there)}, other.occasion(Door.PULL))
    assert "was moved to branch" in followed.notices[0]
    assert other.served()[0] == artifact_id(here)


def keep(remote: Project, *artifacts: bytes) -> None:
    """Give a stock remote artifacts, which it keeps and that is all."""
    with remote.writing() as (writer, _):
        for content in artifacts:
            writer.put(content)


def stock(primary: Project, directory: Path) -> Copy:
    return Copy(directory, primary, is_told=False)


def test_of_a_stock_remote_the_latest_with_the_symbol_is_followed(primary: Project, tmp_path: Path) -> None:
    first = begun(primary)
    early, late = primary.manifest(B, first), primary.manifest(C, first)
    keep(primary, late, early)
    clone = stock(primary, tmp_path / "clone")
    clone.pull()
    assert clone.served()[0] == artifact_id(late)
    amended = Control(NOW, (Tag("+", "date", artifact_id(early), "2027-06-01 10:00:00"),), "ops").encode()
    keep(primary, amended)
    followed = clone.pull()
    assert clone.served()[0] == artifact_id(early)
    assert followed.diverged[0].checkins == (artifact_id(late),)


def test_a_tag_of_a_stock_remote_is_no_branch(primary: Project, tmp_path: Path) -> None:
    first = begun(primary)
    keep(primary, Control(NOW, (Tag("+", "sym-example.com/v1", first, None),), "ops").encode())
    clone = stock(primary, tmp_path / "clone")
    clone.pull()
    assert refs_of(clone).keys() == {MAIN}


def test_what_refs_of_one_zone_stand_on_is_there_after_one_pull(primary: Project, clone: Copy) -> None:
    first = begun(primary)
    clone.pull()
    primary.push(primary.manifest(B, first), primary.manifest(C, first, branch="example.com/test"))
    clone.pull()
    with clone.store.reader() as reader:
        known = indexes.of_zone(reader, "example.com").values()
        standing = {number for ref in LocalRefs(reader).list() for number in ref.numbers}
    assert len(standing) == 2
    assert standing <= {row.number for row in known}


def test_an_invalid_tip_of_a_stock_remote_is_kept_and_reported(primary: Project, tmp_path: Path) -> None:
    first = begun(primary)
    clone = stock(primary, tmp_path / "clone")
    clone.pull()
    bad = primary.manifest(BROKEN, first)
    keep(primary, bad)
    (kept,) = clone.pull().invalid
    assert (kept.branch, kept.checkin) == (MAIN_BRANCH, artifact_id(bad))
    assert "CNAME" in kept.reason
    assert clone.served()[0] == first
    mended = primary.manifest(B, artifact_id(bad))
    keep(primary, mended)
    assert clone.pull().moved == (Moved(MAIN_BRANCH, first, artifact_id(mended), 3),)


def test_a_branch_with_a_slash_that_is_no_zone_s_is_no_matter(primary: Project, tmp_path: Path) -> None:
    keep(primary, primary.manifest(None, branch="feature/x", files={"main.c": b"int main;\n"}))
    assert stock(primary, tmp_path / "clone").pull() == Followed()


def test_unpushed_work_is_no_tip_of_a_stock_remote(primary: Project, tmp_path: Path) -> None:
    first = begun(primary)
    clone = stock(primary, tmp_path / "clone")
    clone.pull()
    mine = clone.set_www("192.0.2.9")
    assert clone.pull() == Followed()
    assert clone.served()[0] == mine
    theirs = primary.manifest(B, first)
    keep(primary, theirs)
    followed = clone.pull()
    assert clone.served()[0] == artifact_id(theirs)
    assert followed.diverged[0].checkins == (mine,)


def test_a_zone_removed_at_a_stock_remote_is_removed(primary: Project, tmp_path: Path) -> None:
    first = begun(primary)
    clone = stock(primary, tmp_path / "clone")
    clone.pull()
    keep(primary, primary.manifest(None, first, files={"README": b"gone?"}))
    (kept,) = clone.pull().invalid
    assert "there is no file example.com.zone" in kept.reason
    keep(primary, primary.manifest(None, first))
    clone.pull()
    assert not refs_of(clone)[MAIN][2]


def test_a_clone_removes_no_zone(primary: Project, clone: Copy) -> None:
    begun(primary)
    clone.pull()
    with pytest.raises(Refused, match="in the repository that it follows"):
        clone.edit(lambda edit: edit.remove("away"))


def places_of(project: Project) -> dict[ArtifactId, int]:
    with project.store.reader() as reader:
        return {entry.placed.id: entry.placed.place for entry in timeline.entries(reader, 10_000)}


class Story:
    """A remote and its clones, whose people commit and sync as the dice fall."""

    def __init__(self, seed: int, directory: Path, *, is_told: bool) -> None:
        self.rng = random.Random(seed)
        (directory / "primary").mkdir()
        self.remote = Project(directory / "primary")
        self.is_told = is_told  # else the remote is stock, and publishes nothing
        self.clones = [Copy(directory / f"clone{n}", self.remote, is_told=is_told) for n in range(3)]
        self.now = NOW
        self.seen = Followed()  # all that was reported

    def step(self) -> None:
        self.now += self.rng.randrange(500, 5_000)
        clone = self.rng.choice(self.clones)
        clone.now = self.remote.now = self.now
        acts = {self.commit: 8, self.sync: 5, self.add_or_remove: 2, self.branch: 1, self.stranger: 2}
        act = self.rng.choices(list(acts), list(acts.values()))[0]
        with contextlib.suppress(XferzoneError):  # no such zone yet, one too many: people see that and go on
            act(clone)

    def somewhere(self, clone: Copy) -> Project:
        return self.rng.choice([clone, clone, self.remote if self.is_told else clone])

    def commit(self, clone: Copy) -> None:
        zone = self.rng.choice(_ZONES)
        branch = f"{zone}/{self.rng.choice(['main', 'main', 'test'])}"
        words = [f"h{self.rng.randrange(9)}.{zone}", "A", f"192.0.2.{self.rng.randrange(250)}"]
        with self.somewhere(clone).writing() as (writer, refs):
            edit = Edit(writer, refs, BranchName.of_row(branch), Author("ann", self.now))
            edit.change([changes.parse_change("set", words)], "set")

    def add_or_remove(self, clone: Copy) -> None:
        zone = self.rng.choice(_ZONES)
        with self.somewhere(clone).writing() as (writer, refs):
            edit = Edit(writer, refs, BranchName(zone, "main"), Author("ann", self.now))
            ref = refs.get(edit.branch)
            if ref is not None and ref.state is State.SERVED and self.rng.random() < 0.5:
                edit.remove("away")
            else:
                records = text.read_zone(
                    zone_text(f"h{self.rng.randrange(9)} 300 A 192.0.2.1"), names.zone_name(zone)
                )
                edit.replace(records, "add")

    def branch(self, clone: Copy) -> None:
        zone = self.rng.choice(_ZONES)
        with clone.writing() as (writer, refs):
            ref = refs.get(BranchName(zone, "main"))
            if ref is not None:
                Edit(writer, refs, BranchName(zone, "test"), Author("ann", self.now)).fork_off(
                    ref.checkin, "test"
                )

    def stranger(self, clone: Copy) -> None:
        """Somebody with stock pushes to the remote: on top of anything, valid or not, merges and new dates too."""
        with self.remote.store.reader() as reader:
            shown = timeline.entries(reader, 1_000, timeline.of_zone("example.com"))
            known = [entry.placed for entry in shown]
        if not known:
            return
        parents = self.rng.choices(known, k=self.rng.choice([1, 1, 2]))
        date_ms = max(self.now, parents[0].date_ms + 1)
        made = self.remote.manifest(
            self.rng.choice([A, B, C, BROKEN if self.is_told else A]),
            *dict.fromkeys(each.id for each in parents),
            date_ms=date_ms,
        )
        if self.is_told:
            self.remote.push(made)
            return
        keep(self.remote, made)
        if self.rng.random() < 0.3:
            moment = datetime.fromtimestamp((self.now + self.rng.randrange(-90, 90) * 1_000) / 1_000, UTC)
            target = self.rng.choice(known).id
            tag = Tag(self.rng.choice("++-"), "date", target, moment.strftime("%Y-%m-%d %H:%M:%S"))
            keep(self.remote, Control(self.now, (tag,), "ops").encode())

    def sync(self, clone: Copy) -> None:
        way = self.rng.random()
        if way < 0.7:
            self.send(clone)
        if way > 0.2:
            self.pull(clone)

    def send(self, clone: Copy) -> None:
        if self.is_told:
            clone.send()
            return
        with clone.store.writer() as here:
            sent = unsent.artifacts(here)
            keep(self.remote, *(here.content(artifact) for artifact in sent))
            unsent.forget(here, sent)

    def pull(self, clone: Copy) -> None:
        followed = clone.pull(self.rng)
        assert followed.incomplete == ()
        assert followed.invalid == ()
        now = refs_of(clone)
        for left in followed.diverged:
            assert not ancestors(clone, now[str(left.branch)][0]) & set(left.checkins)
        self.seen = Followed(self.seen.moved + followed.moved, self.seen.diverged + followed.diverged)

    def end(self) -> None:
        """Everybody syncs until nothing moves."""
        for _ in range(2):
            for clone in self.clones:
                self.send(clone)
            for clone in self.clones:
                self.pull(clone)


_ZONES = ("example.com", "example.net", "example.org")


def ancestors(project: Project, tip: ArtifactId) -> set[ArtifactId]:
    with project.store.reader() as reader:
        found, queue = {tip}, [tip]
        for at in queue:
            placed = places.placed(reader, at)
            new = set(() if placed is None else placed.parents) - found
            found |= new
            queue.extend(new)
    return found


def check_the_rebuild(clone: Copy) -> None:
    before = places_of(clone), refs_of(clone), clone.held()
    with clone.writing() as (writer, refs):
        rebuild(writer, refs, clone.occasion(Door.START))
    assert (places_of(clone), refs_of(clone), clone.held()) == before


@pytest.mark.parametrize("seed", range(SEEDS))
def test_clones_of_a_primary_end_where_it_stands(tmp_path: Path, seed: int) -> None:
    story = Story(seed, tmp_path, is_told=True)
    for _ in range(STEPS):
        story.step()
    story.end()
    for clone in story.clones:
        assert refs_of(clone) == refs_of(story.remote)
        assert clone.pull() == Followed()
        check_the_rebuild(clone)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_clones_of_a_stock_remote_end_at_its_tips(tmp_path: Path, seed: int) -> None:
    story = Story(seed, tmp_path, is_told=False)
    for _ in range(STEPS):
        story.step()
    story.end()
    tips = latest(story.remote)
    for clone in story.clones:
        assert {branch: ref[0] for branch, ref in refs_of(clone).items()} == tips
        assert clone.pull() == Followed()
        check_the_rebuild(clone)


def latest(remote: Project) -> dict[str, ArtifactId]:
    """The latest check-in of each zone branch by edited date, counted one by one."""
    found: dict[str, tuple[int, ArtifactId]] = {}
    with remote.store.reader() as reader:
        for placed in (entry.placed for entry in timeline.entries(reader, 10_000)):
            prefix, value = symbols.tags(reader, placed.id).get("date", ("-", None))
            date_ms = placed.date_ms
            if prefix == "+" and value is not None:
                date_ms = int(datetime.fromisoformat(f"{value}+00:00").timestamp() * 1_000)
            branch = placed.branch or ""
            if BranchName.parse(branch) is not None:
                found[branch] = max((date_ms, placed.id), found.get(branch, (0, placed.id)))
    return {branch: tip for branch, (_, tip) in found.items()}
