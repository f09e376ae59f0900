"""A repository that stock made, and stock's server: all of it comes, ours goes there, nothing is refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import agreement
from tests.interop.git import imported
from tests.interop.history import CHECKINS, ZONE, built
from tests.interop.wire import listening_in
from tests.live import Person, dig, serving, stock_server

pytestmark = pytest.mark.interop

SECRET = "three words here"
GIT_COMMITS = 4_000  # three artifacts each: over 10,000
_PROJECT = "SELECT value FROM config WHERE name = 'project-code'"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that stock made; a test takes a copy."""
    directory = tmp_path_factory.mktemp("foreign")
    return built(Person(directory / "ops", "ops"), directory / "made")


class Foreign:
    """A copy of it under `fossil server`, where ops may do everything, and somebody with xferzone."""

    def __init__(self, directory: Path, foreign: Path) -> None:
        self.stock = Person(directory / "stock", "ops")
        self.file = directory / "foreign.fossil"
        self.file.write_bytes(foreign.read_bytes())
        self.stock.fossil("user", "password", "ops", SECRET, "-R", self.file)
        self.person = Person(directory / "person", "ops")
        self.clone = directory / "clone.xferzone"

    def xferzone(self, *words: str) -> str:
        return self.person.xferzone("-R", self.clone, *words).out

    def moved(self, *words: str) -> int:
        """How many artifacts a sync of ours moved."""
        told = json.loads(self.xferzone("--format", "json", "sync", *words))
        return int(told["sent"]) + int(told["received"])


@pytest.fixture
def at(tmp_path: Path, foreign: Path) -> Iterator[tuple[Foreign, str]]:
    """The copy, and its server's URL with an account."""
    copy = Foreign(tmp_path, foreign)
    with stock_server(copy.stock, copy.file) as url:
        yield copy, url.replace("//", f"//ops:{SECRET.replace(' ', '%20')}@")


def test_all_of_it_is_cloned_and_looks_as_stock_shows_it(at: tuple[Foreign, str]) -> None:
    copy, url = at
    copy.person.xferzone("clone", "--save-password", url, copy.clone)
    names = agreement.assert_same_artifacts([copy.file, copy.clone])
    assert len(names) > 2 * CHECKINS
    ((checkins,),) = agreement.rows(copy.file, "SELECT count(*) FROM event WHERE type = 'ci'")
    assert isinstance(checkins, int)
    assert checkins >= CHECKINS
    copy.xferzone("check")
    agreement.assert_log_as_stock(copy.person, copy.clone, copy.file)
    copy.xferzone("rebuild")
    copy.xferzone("check")


def test_work_goes_both_ways(at: tuple[Foreign, str], tmp_path: Path) -> None:
    copy, url = at
    copy.person.xferzone("clone", "--save-password", url, copy.clone)
    assert copy.moved() == 0
    copy.xferzone("set", f"here.{ZONE}", "A", "192.0.2.1")
    copy.xferzone("branch", ZONE, "test", "main")
    copy.xferzone("tag", ZONE, "first")
    assert copy.moved("--push") > 0
    agreement.assert_same_artifacts([copy.file, copy.clone])
    assert f"set here.{ZONE} A 192.0.2.1" in copy.stock.fossil("timeline", "-n", "5", "-R", copy.file).out
    assert f"{ZONE}/test" in copy.stock.fossil("branch", "list", "-R", copy.file).out
    assert f"{ZONE}/first" in copy.stock.fossil("tag", "list", "-R", copy.file).out

    ann = Person(tmp_path / "ann", "ops")
    ann.clone(url, ann.home / "z.fossil")
    work = ann.open(ann.home / "z.fossil", ann.home / "work", f"{ZONE}/main")
    zone = work / f"{ZONE}.zone"
    assert "here 3600 A 192.0.2.1\n" in zone.read_text()
    zone.write_text(zone.read_text() + "there 300 A 192.0.2.2\n")
    ann.fossil("commit", "-m", "there", at=work)
    ann.fossil("tag", "add", "seen", "current", at=work)
    ann.fossil("sync", at=work)
    assert copy.moved("--pull") > 0
    assert copy.moved() == 0
    assert "192.0.2.2" in copy.xferzone("show", f"there.{ZONE}")
    agreement.assert_same_artifacts([copy.file, copy.clone, ann.home / "z.fossil"])
    agreement.assert_sound(copy.stock, ann.home / "z.fossil")
    copy.xferzone("check")
    with serving(copy.clone, "dns") as server:
        assert dig(server.dns, f"there.{ZONE}", "A", "+short") == "192.0.2.2\n"


def test_a_pull_sends_nothing_and_nothing_new_costs_one_round(at: tuple[Foreign, str]) -> None:
    copy, url = at
    copy.person.xferzone("clone", "--save-password", url, copy.clone)
    copy.xferzone("set", f"here.{ZONE}", "A", "192.0.2.1")
    account, _, place = url.rstrip("/").rpartition("@")
    with listening_in(place) as (own_place, heard):
        assert copy.moved("--pull", f"{account}@{own_place}/") == 0
    (request,) = heard.requests
    operators = {line.partition(b" ")[0] for line in request.splitlines()}
    assert operators.isdisjoint({b"push", b"file", b"cfile", b"igot"}), request
    assert copy.moved() > 0
    with listening_in(place) as (own_place, heard):
        assert copy.moved(f"{account}@{own_place}/") == 0
    assert len(heard.requests) == 1


def test_stock_pushes_all_of_it_to_us_and_clones_it_back(foreign: Path, tmp_path: Path) -> None:
    """By an administrator: the history has SHA1 names, of which a writer may bring none."""
    copy = Foreign(tmp_path, foreign)
    ((code,),) = agreement.rows(copy.file, _PROJECT)
    operator, repository = Person(tmp_path / "operator"), tmp_path / "zones.xferzone"
    operator.xferzone("-R", repository, "init", "--admin", "ops", "--project-code", str(code))
    operator.xferzone("-R", repository, "user", "passwd", "ops", "--password-stdin", stdin=SECRET)
    with serving(repository) as server:
        url = server.url("ops", SECRET.replace(" ", "%20"))
        for _ in range(3):
            said = copy.stock.fossil("sync", "--once", url, "-R", copy.file)
            assert "rror" not in said.out + said.err
        agreement.assert_same_artifacts([copy.file, repository])
        back = Person(tmp_path / "back", "ops")
        back.clone(url, back.home / "z.fossil")
        agreement.assert_same_artifacts([copy.file, back.home / "z.fossil"])
        agreement.assert_sound(back, back.home / "z.fossil")
    operator.xferzone("-R", repository, "check")


@pytest.mark.scale
def test_a_long_git_history_comes_and_goes_on(tmp_path: Path) -> None:
    stock, person = Person(tmp_path / "stock", "ops"), Person(tmp_path / "person", "ops")
    file, clone = tmp_path / "git.fossil", tmp_path / "clone.xferzone"
    imported(stock, file, GIT_COMMITS)
    stock.fossil("user", "password", "ops", SECRET, "-R", file)
    with stock_server(stock, file) as url:
        account = url.replace("//", f"//ops:{SECRET.replace(' ', '%20')}@")
        person.xferzone("clone", "--save-password", account, clone)
        names = agreement.assert_same_artifacts([file, clone])
        assert len(names) > 10_000
        person.xferzone("-R", clone, "zone", "add", ZONE)
        person.xferzone("-R", clone, "push")
        agreement.assert_same_artifacts([file, clone])
    person.xferzone("-R", clone, "check")
    person.xferzone("-R", clone, "user", "add", "ann", "--read", "--password-stdin", stdin=SECRET)
    with serving(clone, "serve") as server:
        ann = Person(tmp_path / "ann", "ann")
        ann.clone(server.url("ann", SECRET.replace(" ", "%20")), ann.home / "z.fossil")
        agreement.assert_same_artifacts([clone, ann.home / "z.fossil"])
