"""A clone that goes on where the one before has ended, whatever ended it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.publish.project import Project, zone_text
from xferzone import exchange
from xferzone.errors import Cancelled, Exists, PeerError, Refused, XferzoneError
from xferzone.exchange import Options, Outcome, Terms
from xferzone.faults import Faults
from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs
from xferzone.repository.check import everything
from xferzone.store import Store
from xferzone.store.accounts import put_user
from xferzone.sync.client.options import Account
from xferzone.sync.server.budget import Budget
from xferzone.transport import Body

OPS = Account("ops", "pw-ops")
OPTIONS = Options(account=OPS, stage=1)
PARTS = 8  # of the clone, about
VERSIONS = 30


class Crash(BaseException):
    """The process ends here, as by kill -9."""


def dying(site: str, times: int) -> Faults:
    """The process dies at a place, once it has been there so often."""
    been: list[str] = []

    def dies(at: str, _p: float) -> None:
        if at == site:
            been.append(at)
            if len(been) > times:
                raise Crash

    return Faults(dies, lambda _site, _p: False)


class Way:
    """To a primary that answers so many requests, and then is gone. `asked`: requests that it has answered."""

    name = "http://dns.example.net/"

    def __init__(self, store: Store, answers: int = 1_000) -> None:
        self._store, self._left, self.asked = store, answers, 0

    def exchange(self, body: Body) -> Body:
        if not self._left:
            raise PeerError("the server is gone")
        self._left -= 1
        self.asked += 1
        return exchange.answer(self._store, body, Terms(budget=Budget(bytes=3_000))).body


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "there").mkdir()
    project = Project(tmp_path / "there")
    parents: tuple[ArtifactId, ...] = ()
    for number in range(VERSIONS):
        text = zone_text(*(f"h{each} 300 A 192.0.2.{number + 1}" for each in range(40)))
        manifest = project.manifest(text, *parents)
        assert project.push(manifest) == []
        parents = (project.served()[0],)
    with project.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
    yield project
    project.store.close()


def cloned(path: Path, way: Way, options: Options = OPTIONS) -> Outcome:
    return exchange.clone(path, way, options, resume=True)


def assert_whole(path: Path, primary: Project) -> None:
    with Store.open(path) as store, store.reader() as reader, primary.store.reader() as theirs:
        assert set(reader.artifacts()) == set(theirs.artifacts())
        assert {ref.branch: ref.checkin for ref in LocalRefs(reader).list()} == {
            ref.branch: ref.checkin for ref in LocalRefs(theirs).list()
        }
        assert list(everything(reader, LocalRefs(reader))) == []
        schema = "SELECT name, sql FROM sqlite_schema ORDER BY name"
        assert set(reader.db.execute(schema)) == set(theirs.db.execute(schema))
        assert reader.emptiness == ""
    assert [each.name for each in path.parent.iterdir() if path.name in each.name] == [path.name]


@pytest.mark.parametrize("answers", range(1, PARTS))
def test_a_server_that_is_gone_half_way_costs_no_part_twice(
    primary: Project, tmp_path: Path, answers: int
) -> None:
    path, whole = tmp_path / "c.xferzone", Way(primary.store)
    assert cloned(tmp_path / "other.xferzone", whole).errors == ()
    assert whole.asked > PARTS
    with pytest.raises(PeerError, match="is gone"):
        cloned(path, Way(primary.store, answers))
    assert not path.exists()
    rest = Way(primary.store)
    done = cloned(path, rest)
    assert done.errors == ()
    # Of the first requests one is refused, since it has no login.
    assert rest.asked <= whole.asked - answers + 2
    assert_whole(path, primary)


SITES = [
    "clone.round-kept",
    "clone.stage-noted",
    "clone.stage-kept",
    "client.kept",
    "clone.driven",
    "clone.laid-out",
    "clone.followed",
    "store.before-commit",
    "store.after-commit",
]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("times", [0, 3, 12, 13])
def test_a_killed_one_goes_on(primary: Project, tmp_path: Path, site: str, times: int) -> None:
    path = tmp_path / "c.xferzone"
    try:
        cloned(path, Way(primary.store), replace(OPTIONS, faults=dying(site, times)))
    except Crash:
        assert not path.exists()
        cloned(path, Way(primary.store))
    assert_whole(path, primary)


def test_what_was_begun_answers_nothing_and_says_how_it_goes_on(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    with pytest.raises(PeerError):
        cloned(path, Way(primary.store, 4))
    partial = tmp_path / "c.xferzone.partial"
    with Store.open(partial) as store, store.reader() as reader:
        assert "clone --resume" in reader.emptiness
    cloned(path, Way(primary.store))
    assert_whole(path, primary)


def test_a_refused_one_leaves_nothing(primary: Project, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    done = exchange.clone(
        tmp_path / "c.xferzone", Way(primary.store), Options(account=Account("ops", "no")), resume=True
    )
    assert done.errors
    assert set(tmp_path.iterdir()) == before


def test_a_cancelled_one_keeps_what_came(primary: Project, tmp_path: Path) -> None:
    way = Way(primary.store)
    with pytest.raises(Cancelled):
        cloned(tmp_path / "c.xferzone", way, replace(OPTIONS, cancelled=lambda: way.asked >= 5))
    cloned(tmp_path / "c.xferzone", Way(primary.store))
    assert_whole(tmp_path / "c.xferzone", primary)


def test_another_server_s_parts_are_not_taken_for_those_of_the_first(
    primary: Project, tmp_path: Path
) -> None:
    path = tmp_path / "c.xferzone"
    with pytest.raises(PeerError):
        cloned(path, Way(primary.store, 4))
    with primary.store.writer() as writer:
        writer.set_setting("server-code", "7" * 40)
    with pytest.raises(Refused, match="with another server"):
        cloned(path, Way(primary.store))


def test_what_has_the_name_already_stays(primary: Project, tmp_path: Path) -> None:
    path, partial = tmp_path / "c.xferzone", tmp_path / "c.xferzone.partial"
    primary.store.back_up(partial)
    with pytest.raises(XferzoneError, match="is not a clone that was begun"):
        cloned(path, Way(primary.store))
    assert partial.exists()
    partial.rename(path)
    with pytest.raises(Exists):
        cloned(path, Way(primary.store))


def test_one_process_at_a_time_goes_on(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    seen: list[str] = []

    class Second(Way):
        def exchange(self, body: Body) -> Body:
            if not seen:
                seen.append("")
                with pytest.raises(Refused, match="another process clones"):
                    cloned(path, Way(primary.store))
            return super().exchange(body)

    cloned(path, Second(primary.store))
    assert seen
    assert_whole(path, primary)


def test_two_names_of_a_whole_clone_become_one(primary: Project, tmp_path: Path) -> None:
    """A kill between the last two steps leaves both."""
    path = tmp_path / "c.xferzone"
    cloned(path, Way(primary.store))
    (tmp_path / "c.xferzone.partial").hardlink_to(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM blob").fetchone() != (0,)
    assert_whole(path, primary)
