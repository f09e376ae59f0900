"""A new project goes on with what an old one serves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.publish.project import MAIN, NOW, Project, zone_text
from xferzone import exchange
from xferzone.cards.rows import Row
from xferzone.errors import Exists, Refused
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.repository.check import everything
from xferzone.repository.rollover import RolledOver, roll_over
from xferzone.store import Store, configuration, schema, shunned, unversioned
from xferzone.store.accounts import User, invited_by, put_stored, put_user, remove_user, removed, user
from xferzone.store.unversioned import Unversioned
from xferzone.sync.server.anew import ANEW
from xferzone.transport import Body, InProcess

LATER = Occasion(NOW + 10_000_000, "ops", Door.CLI)
TEST = "example.com/test"


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Project]:
    """Ten versions on main, whose serial has gone beyond its text; one more on test; an account."""
    (tmp_path / "old").mkdir()
    project = Project(tmp_path / "old")
    parents: tuple[ArtifactId, ...] = ()
    for number in range(10):
        assert (
            project.push(project.manifest(zone_text(f"www 300 A 192.0.2.{number}", serial=7), *parents)) == []
        )
        parents = (project.served()[0],)
    assert (
        project.push(project.manifest(zone_text("www 300 A 192.0.2.99", serial=7), *parents, branch=TEST))
        == []
    )
    with project.store.writer() as writer:
        put_user(writer, "ann", "secret", "gio")
        for login in ("nobody", "anonymous"):
            put_user(writer, login, None, "gio")
    yield project
    project.store.close()


def rolled(old: Project, path: Path) -> RolledOver:
    return roll_over(old.store, path, "ops", LATER)


def test_contents_and_serials_go_on(old: Project, tmp_path: Path) -> None:
    path = tmp_path / "new.xferzone"
    done = rolled(old, path)
    assert old.served() == (old.served()[0], 16)
    assert {str(ref.branch): ref.serial for ref in done.refs} == {MAIN: 16, TEST: 17}
    with Store.open(path) as store, store.reader() as reader, old.store.reader() as before:
        assert list(everything(reader, LocalRefs(reader))) == []
        assert reader.role == schema.PRIMARY
        assert reader.project_code == done.project_code != before.project_code
        assert len(list(reader.artifacts())) == 5  # the trunk's root, two check-ins, two texts
        for ref in done.refs:
            was = LocalRefs(before).get(ref.branch)
            assert was is not None
            assert _records(reader.content(reader.files(ref.checkin)["example.com.zone"])) == _records(
                before.content(before.files(was.checkin)["example.com.zone"])
            )
        main, test = (LocalRefs(reader).get(BranchName.parse(each)) for each in (MAIN, TEST))
        assert main is not None
        assert test is not None
        assert (reader.checkin(main.checkin).parents, reader.checkin(test.checkin).parents) == (
            (),
            (main.checkin,),
        )
        ann = user(reader, "ann")
        assert ann is not None
        assert (ann.secret, ann.caps) == ("", "gio")
        assert done.logins == ("ann",)


def test_files_zones_ends_invitations_and_what_is_shunned_go_on(old: Project, tmp_path: Path) -> None:
    invite = User(invited_by("t"), "", "go", (), NOW + 1)
    gone = artifact_id(b"a password")
    with old.store.writer() as writer:
        ann = user(writer, "ann")
        assert ann is not None
        put_stored(writer, replace(ann, zones=("example.com",), expires_ms=NOW + 2))
        put_stored(writer, invite)
        remove_user(writer, User("bob", "", "go"))
        for name, content in (("a", b"one"), ("b", b"two"), ("c", None)):
            artifact = None if content is None else artifact_id(content)
            unversioned.put(writer, Unversioned(name, 1_700_000_000, artifact, len(content or b"")), content)
        shunned.add(writer, [gone], NOW, "why")
    path = tmp_path / "new.xferzone"
    done = rolled(old, path)
    assert (done.files, done.shunned, done.logins) == (2, 1, ("ann",))
    with Store.open(path) as store, store.writer() as writer, old.store.reader() as before:
        assert list(everything(writer, LocalRefs(writer))) == []
        assert user(writer, "ann") == replace(ann, secret="", zones=("example.com",), expires_ms=NOW + 2)
        assert user(writer, invite.login) == invite
        assert removed(writer) == ["bob"]
        assert unversioned.files(writer, deleted=True) == unversioned.files(before)
        assert unversioned.content(writer, "b") == b"two"
        assert shunned.listed(writer) == shunned.listed(before)
        with pytest.raises(Refused):
            writer.put(b"a password")


def _records(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if b"SOA" not in line]


def test_the_configuration_of_the_project_comes_along(old: Project, tmp_path: Path) -> None:
    row = Row("config", "project-name", 8, {"value": b"'a name'"})
    with old.store.writer() as writer:
        configuration.put(writer, row)
    rolled(old, tmp_path / "new.xferzone")
    with Store.open(tmp_path / "new.xferzone") as store, store.reader() as reader:
        assert configuration.everything(reader) == [row]


def test_the_next_commit_s_serial_rises(old: Project, tmp_path: Path) -> None:
    path = tmp_path / "new.xferzone"
    rolled(old, path)
    project = Project.__new__(Project)
    project.path, project.store, project.now, project._made = (
        path,
        Store.open(path),
        LATER.now_ms + 5_000,
        10_000,
    )
    with project.store:
        at, serial = project.served()
        assert serial == 16
        date = LATER.now_ms + 1_000
        assert (
            project.push(project.manifest(zone_text("www 300 A 192.0.2.50", serial=7), at, date_ms=date))
            == []
        )
        assert project.served()[1] == 17


def test_a_clone_of_the_old_project_is_told_to_clone_anew(old: Project, tmp_path: Path) -> None:
    def way(store: Store) -> InProcess:
        def answered(body: Body) -> Body:
            return exchange.answer(store, body).body

        return InProcess(answered)

    exchange.clone(tmp_path / "clone.xferzone", way(old.store))
    rolled(old, tmp_path / "new.xferzone")
    with Store.open(tmp_path / "new.xferzone") as new:
        with new.writer() as writer:
            put_user(writer, "nobody", None, "gio")
        with Store.open(tmp_path / "clone.xferzone") as clone:
            assert exchange.sync(clone, way(new)).errors == (ANEW,)
            assert exchange.sync(clone, way(old.store)).errors == ()  # the old file serves as before


def test_only_a_primary_rolls_over_and_nothing_is_written_over(old: Project, tmp_path: Path) -> None:
    with pytest.raises(Exists):
        rolled(old, old.path)
    with old.store.writer() as writer:
        writer.set_setting("role", schema.CLONE)
    with pytest.raises(Refused, match="this is a clone"):
        rolled(old, tmp_path / "new.xferzone")
    assert not (tmp_path / "new.xferzone").exists()


def test_what_a_killed_one_leaves_is_removed_by_the_next(old: Project, tmp_path: Path) -> None:
    """Within its hidden directory it may have had one more, in which the file was laid out."""
    left = tmp_path / ".new.xferzone-unfinished-abcdefgh"
    inner = left / ".new.xferzone-unfinished-hgfedcba"
    inner.mkdir(parents=True)
    (inner / "new.xferzone-wal").touch()
    rolled(old, tmp_path / "new.xferzone")
    assert not left.exists()
