"""Check-in locks: two of stock against our server, one of ours against stock's, and both against ours."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.site import ADMIN, Site, directly, make_project
from tests.live import Done, Person, stock_server

pytestmark = pytest.mark.interop

SECRET = "three words here"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_project(tmp_path_factory.mktemp("project"), ("example.com",))


@pytest.fixture
def site(project: Site, tmp_path: Path) -> Iterator[Site]:
    with directly(project, tmp_path / "served") as site:
        yield site


class Committer:
    """Somebody with a check-out of stock's on example.com/main, in which a line was changed."""

    def __init__(self, home: Path, name: str, url: str) -> None:
        self.person = Person(home, name)
        self.person.clone(url, home / "z.fossil")
        self.work = self.person.open(home / "z.fossil", home / "work", "example.com/main")
        self.person.fossil("settings", "editor", "/bin/false", at=self.work)
        self.zone = self.work / "example.com.zone"
        self.change("mail 3600" if name == ADMIN else "www 300")  # no conflict when they are merged

    def change(self, line: str) -> None:
        """Double a TTL."""
        owner, ttl = line.split()
        text = self.zone.read_text()
        assert line in text
        self.zone.write_text(text.replace(line, f"{owner} {2 * int(ttl)}"))

    def updates(self) -> None:
        self.person.fossil("update", at=self.work)

    def begins(self) -> None:
        """Begin a commit, and give up where the comment is asked for: the lock is held on."""
        assert self.person.fossil("commit", "--no-warnings", at=self.work, code=None).code

    def commits(self) -> Done:
        return self.person.fossil("commit", "--no-warnings", "-m", "c", at=self.work, code=None)


def test_the_second_of_two_check_outs_is_warned(site: Site, tmp_path: Path) -> None:
    first, second = (Committer(tmp_path / name, name, site.url(name)) for name in (ADMIN, "bob"))
    first.begins()
    refused = second.commits()
    assert refused.code == 1
    assert f"Parent check-in locked by {ADMIN}" in refused.out + refused.err
    assert f'Might fork due to a check-in race with user "{ADMIN}"' in refused.out + refused.err
    assert first.commits().code == 0
    second.updates()
    assert second.commits().code == 0, "the new leaf is nobody's"


def test_a_commit_in_a_clone_of_ours_heeds_locks_and_takes_one(site: Site, tmp_path: Path) -> None:
    stock, ours, clone = (
        Committer(tmp_path / "bob", "bob", site.url("bob")),
        Person(tmp_path / "us"),
        tmp_path / "c",
    )
    ours.xferzone("clone", "--save-password", site.url("xena"), clone)
    words = ("-R", clone, "--format", "json", "set", "new.example.com", "A", "300", "192.0.2.1")
    stock.begins()
    told = json.loads(ours.xferzone(*words, code=75).out)["error"]
    assert (told["locked"]["branch"], told["locked"]["login"]) == ("example.com/main", "bob")
    assert "bob is about to commit on example.com/main, since 20" in told["message"]
    assert ours.xferzone("-R", clone, "log", "example.com").out.count("\n") == 1, "nothing was stored"
    assert json.loads(ours.xferzone(*words, "--dry-run").out)["checkin"] is None
    assert stock.commits().code == 0
    done = json.loads(ours.xferzone(*words).out)
    assert done["serial"] == 3, "it follows what bob has committed"
    stock.updates()
    stock.change("mail 3600")
    refused = stock.commits()
    assert "Parent check-in locked by xena" in refused.out + refused.err
    ours.xferzone("-R", clone, "sync")
    stock.updates()
    assert stock.commits().code == 0


def test_a_commit_of_ours_heeds_the_locks_of_a_stock_server(site: Site, tmp_path: Path) -> None:
    ops = Person(tmp_path / "ops", "ops")
    file = tmp_path / "served.fossil"
    ops.clone(site.url(ADMIN), file)
    for login in ("ops", "bob"):
        ops.fossil("user", "new", login, "x", SECRET, "-R", file, code=None)
        ops.fossil("user", "password", login, SECRET, "-R", file)
        ops.fossil("user", "capabilities", login, "s", "-R", file)
    with stock_server(ops, file) as url:
        stock = Committer(tmp_path / "bob", "bob", url.replace("//", "//bob:three%20words%20here@"))
        ours, clone = Person(tmp_path / "us"), tmp_path / "c"
        ours.xferzone("clone", "--save-password", url.replace("//", "//ops:three%20words%20here@"), clone)
        stock.begins()
        words = ("-R", clone, "set", "new.example.com", "A", "300", "192.0.2.1")
        refused = ours.xferzone(*words, code=75)
        assert "bob is about to commit on example.com/main" in refused.err
        done = ours.xferzone(*words, "--override-lock")
        assert "serial" in done.out


def test_an_origin_that_is_away_is_said_and_the_commit_goes_on(project: Site, tmp_path: Path) -> None:
    with directly(project, tmp_path / "served") as site:
        ours, clone = Person(tmp_path / "us"), tmp_path / "c"
        ours.xferzone("clone", "--save-password", site.url("xena"), clone)
    done = ours.xferzone("-R", clone, "set", "new.example.com", "A", "300", "192.0.2.1")
    assert "no lock was asked for: " in done.err
    assert "serial 2" in done.out
