"""Many at once on one repository, and what a sync costs when there is much and nothing is new."""

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.interop import agreement
from tests.interop.busy import committing
from tests.interop.git import imported
from tests.interop.site import ADMIN, Site, directly, make_project
from tests.interop.wire import listening_in
from tests.live import Person
from xferzone.sync.server.request import Request

pytestmark = pytest.mark.interop

COMMITTERS = 8
ROUNDS = 2  # commits of each
EIGHT = tuple(f"zone{number}.example" for number in range(COMMITTERS))
COMMITS = 1_700  # of a foreign history, three artifacts each
MOST_IGOTS = 20  # lines each way when nothing is new


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Eight zones."""
    return make_project(tmp_path_factory.mktemp("project"), EIGHT)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Path]:
    """Zones beside a history of over 5,000 artifacts that stock has pushed; and the repository that pushed them."""
    directory = tmp_path_factory.mktemp("large")
    stock, file = Person(directory / "stock", ADMIN), directory / "git.fossil"
    imported(stock, file, COMMITS)
    ((code,),) = agreement.rows(file, "SELECT value FROM config WHERE name = 'project-code'")
    project = make_project(directory / "made", project_code=str(code))
    with directly(project, directory / "served") as site:
        for _ in range(2):
            stock.fossil("sync", site.url(ADMIN), "-R", file)
        agreement.assert_same_artifacts([site.repository, file])
        return site, file


def test_eight_commit_to_eight_zones_while_others_clone(project: Site, tmp_path: Path) -> None:
    with directly(project, tmp_path) as site:
        done = _all_commit(site, tmp_path, EIGHT)
    assert [code for code, _ in done] == [0] * COMMITTERS * ROUNDS, done
    agreement.assert_ours_sound(Person(tmp_path / "operator"), site.repository)
    served = agreement.refs(site.repository)
    assert {serial for _, serial in served.values()} == {1 + ROUNDS}


def test_eight_commit_to_one_zone_and_all_are_served_or_told(project: Site, tmp_path: Path) -> None:
    with directly(project, tmp_path) as site:
        done = _all_commit(site, tmp_path, EIGHT[:1] * COMMITTERS)
    assert {code for code, _ in done} <= {0, 4}, done
    assert all("somebody else" in said for code, said in done if code == 4), done
    _, serial = agreement.refs(site.repository)[f"{EIGHT[0]}/main"]
    assert serial == 1 + sum(code == 0 for code, _ in done)
    agreement.assert_ours_sound(Person(tmp_path / "operator"), site.repository)


def _all_commit(site: Site, directory: Path, zones: tuple[str, ...]) -> list[tuple[int, str]]:
    """Exit code and output of each `xferzone set`, one person a zone at a time, while stock clones in a loop."""
    over = threading.Event()
    cloner = Person(directory / "cloner", "bob")

    def clone() -> None:
        for number in itertools.count():
            if over.is_set() and number:
                return
            said = cloner.fossil("clone", site.url("bob"), cloner.home / f"{number}.fossil")
            assert "rror" not in said.out + said.err, said

    def commit(number: int) -> list[tuple[int, str]]:
        person, done = Person(directory / f"p{number}", f"p{number}"), []
        for round_ in range(ROUNDS):
            owner = f"h{number}-{round_}.{zones[number]}"
            words = ("-R", site.repository, "set", owner, "A", f"192.0.2.{number}")
            said = person.xferzone(*words, code=None)
            assert "locked" not in said.out + said.err, said
            done.append((said.code, said.out + said.err))
        return done

    with ThreadPoolExecutor(COMMITTERS + 1) as pool:
        clones = pool.submit(clone)
        try:
            done = list(pool.map(commit, range(len(zones))))
        finally:
            over.set()
        clones.result()
    return [each for some in done for each in some]


def test_a_push_of_many_requests_by_stock_is_one_and_its_token_comes_back(
    project: Site, tmp_path: Path
) -> None:
    chance = random.Random(1)
    with directly(project, tmp_path / "site") as site, listening_in(site.place.rstrip("/")) as (place, heard):
        stock = Person(tmp_path / "stock", "bob")
        stock.clone(site.url("bob").replace(site.place.rstrip("/"), place), stock.home / "z.fossil")
        work = stock.open(stock.home / "z.fossil", tmp_path / "work")
        for number in range(4):
            (work / f"file{number}").write_bytes(chance.randbytes(150_000))
            stock.fossil("add", f"file{number}", at=work)
            stock.fossil("commit", "--no-warnings", "--nosync", "-m", "more", at=work)
        heard.requests.clear()
        stock.fossil("push", at=work)
    assert len(heard.requests) > 2
    (token,) = {found for text in heard.requests for found in Request(text).cookies()}
    assert sum(Request(text).cookies() == [token] for text in heard.requests) == len(heard.requests) - 1
    assert agreement.rows(site.repository, "SELECT count(DISTINCT push), count(*) FROM brought") == [(1, 8)]
    assert agreement.rows(site.repository, "SELECT count(*) FROM pushing") == [(0,)]


def test_whoever_did_not_hear_the_reply_to_a_push_that_lost_a_race_hears_it_with_the_next(
    project: Site, tmp_path: Path
) -> None:
    zone, lost = EIGHT[0], []

    def is_lost(text: bytes) -> bool:
        if b"\nfile " in text:
            lost.append(text)
        return len(lost) == 1 and lost[0] == text

    with (
        directly(project, tmp_path / "site") as site,
        listening_in(site.place.rstrip("/"), is_lost) as (place, heard),
    ):
        stock = Person(tmp_path / "stock", "bob")
        stock.clone(site.url("bob").replace(site.place.rstrip("/"), place), stock.home / "z.fossil")
        work = stock.open(stock.home / "z.fossil", tmp_path / "work", f"{zone}/main")
        with (work / f"{zone}.zone").open("a") as text:
            text.write("lost 60 A 192.0.2.9\n")
        stock.fossil("commit", "--no-warnings", "--nosync", "-m", "lost", at=work)
        Person(tmp_path / "ops").xferzone("-R", site.repository, "set", f"www.{zone}", "A", "192.0.2.8")
        first = stock.fossil("push", at=work, code=None)
        assert "was moved to branch" not in first.out + first.err
        assert b"was\\smoved\\sto\\sbranch" in heard.replies[-1]
        second = stock.fossil("push", at=work)
        assert f"was moved to branch {zone}/main-fork-" in second.out + second.err
        third = stock.fossil("push", at=work)
        assert "was moved to branch" not in third.out + third.err


def test_a_second_sync_of_five_thousand_artifacts_announces_next_to_nothing(
    large: tuple[Site, Path], tmp_path: Path
) -> None:
    project, file = large
    stock, person, clone = (
        Person(tmp_path / "stock", ADMIN),
        Person(tmp_path / "ours"),
        tmp_path / "ours.xferzone",
    )
    assert len(agreement.artifacts(project.repository)) > 5_000
    with directly(project, tmp_path / "served") as site:
        place = site.place.rstrip("/")
        person.xferzone("clone", "--save-password", site.url(ADMIN), clone)
        stock.clone(site.url(ADMIN), stock.home / "z.fossil")
        for who, act, words in (
            ("pusher", stock.fossil, ["sync", "--once", "{}", "-R", str(file)]),
            ("stock's clone", stock.fossil, ["sync", "--once", "{}", "-R", str(stock.home / "z.fossil")]),
            ("our clone", person.xferzone, ["-R", str(clone), "sync", "{}"]),
        ):
            with listening_in(place) as (own_place, heard):
                act(*[word.format(site.url(ADMIN).replace(place, own_place)) for word in words])
            there, back = heard.igots()
            assert max(there, back) < MOST_IGOTS, f"{who}: {there} igots there, {back} back"
            assert len(heard.requests) == 1, f"{who}: {len(heard.requests)} rounds"


def test_a_clone_while_commits_go_on_holds_what_stood_when_it_began(
    large: tuple[Site, Path], tmp_path: Path
) -> None:
    project, _ = large
    operator = Person(tmp_path / "operator")
    stock, ours = Person(tmp_path / "stock", "bob"), Person(tmp_path / "ours")
    file, clone = stock.home / "z.fossil", tmp_path / "ours.xferzone"
    with directly(project, tmp_path / "served") as site:
        stood = agreement.artifacts(site.repository)
        with committing(site.repository, operator, ["example.com", "example.net"]):
            stock.clone(site.url("bob"), file)
            ours.xferzone("clone", "--save-password", site.url("bob"), clone)
            for repository in (file, clone):
                assert agreement.artifacts(repository) >= stood
            served = agreement.refs(clone)
        assert served.keys() == agreement.refs(site.repository).keys()
        stock.fossil("sync", "-R", file)
        ours.xferzone("-R", clone, "sync")
        agreement.assert_same_artifacts([site.repository, file, clone])
    agreement.assert_sound(stock, file)
    agreement.assert_ours_sound(ours, clone)
