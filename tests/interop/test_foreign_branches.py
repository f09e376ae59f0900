"""A history from git with many branches of the form of a zone's: cloned from stock, pushed to us, and gone on with."""

import json
from pathlib import Path

import pytest

from tests.interop import agreement
from tests.interop.git import imported_branches
from tests.live import Person, dig, serving, stock_server, within

pytestmark = pytest.mark.interop

SECRET = "word"
ZONE_TEXT = """\
$TTL 3600
@ SOA ns1.example.net. hostmaster.example.net. 7 7200 3600 1209600 300
@ NS ns1.example.net.
www A 192.0.2.1
"""
KINDS = (
    "feature/x-{}",
    "fix/y{}",
    "example.com/fix-{}",
    "Upper/Case{}",
    "us\u00e9r/{}",
    "a/b/c/d{}",
    "plain{}",
)
NAMES = [KINDS[number % len(KINDS)].format(number) for number in range(56)] + [f"long/{'z' * 180}"]
COMMITS = 4  # on each
FILES = 150


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that stock made; a test takes a copy."""
    directory = tmp_path_factory.mktemp("foreign")
    person, file = Person(directory / "ops"), directory / "git.fossil"
    imported_branches(person, file, NAMES, COMMITS, FILES)
    person.fossil("user", "password", "ops", SECRET, "-R", file)
    return file


class People:
    """Somebody with stock who has a copy of it, and somebody with xferzone."""

    def __init__(self, directory: Path, foreign: Path) -> None:
        self.stock, self.person = Person(directory / "stock"), Person(directory / "person")
        self.file, self.ours = directory / "git.fossil", directory / "ours.xferzone"
        self.file.write_bytes(foreign.read_bytes())

    def xferzone(self, *words: str | Path) -> str:
        """What is said, on both streams."""
        done = self.person.xferzone("-R", self.ours, *words)
        return done.out + done.err

    def commit(self, work: Path, version: str, file: str, *options: str) -> None:
        """Add a zone's file on a branch, with stock."""
        at = work if work.exists() else self.stock.open(self.file, work)
        self.stock.fossil("update", version, at=at)
        (at / file).write_text(ZONE_TEXT)
        self.stock.fossil("add", file, at=at)
        self.stock.fossil("commit", "-m", f"add {file}", "--no-warnings", *options, at=at)


def test_a_clone_of_it_says_and_makes_nothing_of_its_branches(foreign: Path, tmp_path: Path) -> None:
    people = People(tmp_path, foreign)
    with stock_server(people.stock, people.file) as url:
        account = url.replace("//", f"//ops:{SECRET}@")
        cloned = people.person.xferzone("clone", "--save-password", account, people.ours)
        assert not [name for name in NAMES if name in cloned.out + cloned.err]
        agreement.assert_same_artifacts([people.file, people.ours])
        for verb in (["sync"], ["pull"], ["status"], ["zone", "list"], ["rebuild"], ["check"]):
            said = people.xferzone(*verb)
            assert not [name for name in NAMES if name in said], verb
        status = json.loads(people.xferzone("--format", "json", "status"))
        assert (status["zones"], status["unpublished"], status["forks"]) == (0, [], [])
        listed = json.loads(people.xferzone("--format", "json", "branch"))["branches"]
        of_stock = people.stock.fossil("branch", "ls", "-R", people.file).out.split()
        assert {row["branch"] for row in listed} == set(of_stock) - {"*", "#"}
        assert not [row for row in listed if row["published"]]

        people.commit(tmp_path / "work", NAMES[0], "feature.zone")
        people.commit(tmp_path / "work", "trunk", "example.com.zone", "--branch", "example.com/main")
        pulled = people.xferzone("pull").splitlines()
        assert [line.split()[0] for line in pulled[:-1]] == ["example.com/main", NAMES[0]]
        assert people.xferzone("zone", "list").split()[:2] == ["example.com.", "7"]
        agreement.assert_same_artifacts([people.file, people.ours])
    assert people.xferzone("check").endswith(" 0 faults\n")
    with serving(people.ours, "dns") as server:
        assert dig(server.dns, "www.example.com", "A", "+short") == "192.0.2.1\n"


def test_a_push_of_it_tells_nothing_and_makes_no_fork(foreign: Path, tmp_path: Path) -> None:
    people = People(tmp_path, foreign)
    ((code,),) = agreement.rows(people.file, "SELECT value FROM config WHERE name = 'project-code'")
    people.xferzone("init", "--admin", "ops", "--project-code", str(code))
    people.person.xferzone("-R", people.ours, "user", "passwd", "ops", "--password-stdin", stdin=SECRET)
    with serving(people.ours) as server:
        url = server.url("ops", SECRET)
        said = people.stock.fossil("push", "--once", url, "-R", people.file)
        assert not [
            line for line in (said.out + said.err).splitlines() if "rror" in line or "not served" in line
        ]
        assert "WARNING" not in server.log.read_text().replace("WARNING running as root", "")
        assert "-fork-" not in people.xferzone("branch")
        assert agreement.artifacts(people.file) <= agreement.artifacts(people.ours)

        people.commit(tmp_path / "work", "trunk", "example.com.zone", "--branch", "example.com/main")
        people.commit(tmp_path / "work", NAMES[0], "feature.zone")
        people.stock.fossil("push", "--once", url, "-R", people.file)
        assert within(30, lambda: server.dig("www.example.com") == ["192.0.2.1"])
        assert "-fork-" not in people.xferzone("branch")
    assert people.xferzone("log", NAMES[0], "-n", "1").endswith("[tip]\n")
    assert people.xferzone("check").endswith(" 0 faults\n")
