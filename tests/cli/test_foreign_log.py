"""`log`, `branch` and `tag` in a repository that stock made: row by row what stock shows."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import Person
from xferzone.store import Store
from xferzone.store.symbols import branch_tips

pytestmark = pytest.mark.interop

SEEDS = 4  # 40 were run, and 12 of 160 actions
ACTIONS = 45
REPARENTED = 4
_BEGIN = datetime(2026, 3, 1, 12, 0, 0)
_FIELDS = "%H\x1f%d\x1f%a\x1f%b\x1f%t\x1f%p\x1f%c%n"


class Project:
    """A stock repository, its check-out, and somebody who does anything that stock offers."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.person = Person(directory / "ann", "ann")
        self.file = directory / "stock.fossil"
        self.person.fossil("new", self.file, "--date-override", str(_BEGIN))
        self.work = self.person.open(self.file, directory / "work")
        self.moment = _BEGIN
        self.branches = ["trunk"]
        self.names = 0

    def now(self) -> str:
        """A moment later than all before."""
        self.moment += timedelta(seconds=self.rng.randrange(10, 4_000))
        return str(self.moment)

    def fossil(self, *words: str) -> str:
        done = self.person.fossil(*words, at=self.work, code=None)
        return done.out

    def act(self) -> None:
        acts: dict[Callable[[], object], int] = {
            self.commit: 9, self.branch: 3, self.merge: 4, self.cherrypick: 1, self.tag: 3, self.cancel: 2,
            self.amend: 5, self.close: 2, self.update: 3, self.rename: 1, self.reopen: 1,
        }  # fmt: skip
        self.rng.choices(list(acts), list(acts.values()))[0]()

    def reparent_some(self) -> None:
        """Nothing comes after it: along which parents stock hands tags down then depends on what came when."""
        for _ in range(REPARENTED):
            self.reparent()
        self.fossil("leaves", "--recompute")

    def any(self) -> str:
        lines = self.person.fossil("timeline", "-R", self.file, "-t", "ci", "-n", "0", "-F", "%H").out
        return self.rng.choice([line for line in lines.split() if len(line) == 64])

    def name(self) -> str:
        self.names += 1
        return f"{self.rng.choice(['a', 'feature/b', 'v 1.', 'é'])}{self.names}"

    def write(self) -> None:
        file = self.work / f"file{self.rng.randrange(4)}.txt"
        file.write_text(f"{self.rng.random()}\n" * self.rng.randrange(1, 60))
        self.fossil("addremove")

    def commit(self, *more: str) -> None:
        self.write()
        delta = ["--delta"] if self.rng.random() < 0.3 else []
        tags = ["--tag", self.name()] if self.rng.random() < 0.1 else []
        self.fossil(
            "commit", "--no-warnings", "--allow-fork", "--allow-older", "-m", f"change\t{self.rng.random()}",
            "--date-override", self.now(), *delta, *tags, *more,
        )  # fmt: skip

    def branch(self) -> None:
        name = self.name()
        if self.rng.random() < 0.5:
            self.fossil("branch", "new", name, self.any(), "--date-override", self.now())
        else:
            self.commit("--branch", name)
        self.branches.append(name)

    def merge(self) -> None:
        self.fossil("merge", self.any())
        self.commit()

    def cherrypick(self) -> None:
        self.fossil("merge", "--cherrypick", self.any())
        self.commit()

    def rename(self) -> None:
        self.fossil("mv", "--hard", f"file{self.rng.randrange(4)}.txt", f"renamed{self.rng.random()}.txt")
        self.commit()

    def tag(self) -> None:
        self.names += self.rng.random() < 0.7  # else it moves, or stands on two
        propagates = ["--propagate"] if self.rng.random() < 0.4 else []
        self.fossil("tag", "add", *propagates, "--date-override", self.now(), f"tag{self.names}", self.any())

    def cancel(self) -> None:
        self.fossil("tag", "cancel", "--date-override", self.now(), f"tag{self.names}", self.any())

    def amend(self) -> None:
        new = self.rng.choice(
            [
                ("--comment", f"amended\n{self.rng.random()}"),
                ("--author", self.rng.choice(["bob", "eve"])),
                ("--date", str(self.moment - timedelta(seconds=self.rng.randrange(50_000)))),
                ("--branch", self.name()),
                ("--tag", self.name()),
                ("--cancel", f"tag{self.names}"),
                ("--close",),
                ("--hide",),
                ("--bgcolor", "#ff0000"),
            ]
        )
        self.fossil("amend", self.any(), *new, "--date-override", self.now())

    def close(self) -> None:
        self.fossil("branch", "close", self.rng.choice(self.branches), "--date-override", self.now())

    def reopen(self) -> None:
        self.fossil("branch", "reopen", self.rng.choice(self.branches), "--date-override", self.now())

    def reparent(self) -> None:
        """Give a check-in other parents, made before it: stock runs for ever where one is its own ancestor."""
        made = checkins(self)
        child = self.rng.randrange(1, len(made))
        parents = [self.rng.choice(made[:child]) for _ in range(self.rng.randrange(1, 4))]
        self.fossil("reparent", made[child], *parents, "--date-override", self.now())

    def update(self) -> None:
        self.fossil("update", self.any())


def bring(project: Project, directory: Path) -> None:
    """All artifacts of the stock repository, in any order, in a repository of ours."""
    (directory / "artifacts").mkdir()
    project.person.fossil("deconstruct", directory / "artifacts", "-R", project.file)
    contents = [path.read_bytes() for path in sorted((directory / "artifacts").rglob("*")) if path.is_file()]
    project.rng.shuffle(contents)
    with Store.create(directory / "zones.xferzone") as store, store.writer() as writer:
        for content in contents:
            writer.put(content)


def asked(project: Project, query: str) -> list[list[str]]:
    """The words of each row, a string, of a question to the stock repository's tables."""
    shown = project.person.fossil("sql", "-R", project.file, "--readonly", query).out
    return [line.strip("'").split() for line in shown.splitlines()]


def checkins(project: Project) -> list[str]:
    """The check-ins of the stock repository, in the order in which they were made."""
    query = "SELECT uuid FROM event JOIN blob ON rid = objid WHERE type = 'ci' ORDER BY rid;"
    return [uuid for (uuid,) in asked(project, query)]


def parents_in(project: Project) -> dict[str, list[str]]:
    """Of each check-in of the stock repository that has any, the first one first."""
    parents: dict[str, list[str]] = {}
    for child, parent in asked(
        project,
        "SELECT c.uuid || ' ' || p.uuid FROM plink JOIN blob c ON c.rid = cid JOIN blob p ON p.rid = pid"
        " ORDER BY isprim DESC;",
    ):
        parents.setdefault(child, []).append(parent)
    return parents


@pytest.mark.parametrize("seed", range(SEEDS))
def test_log_branch_and_tag_show_what_stock_shows(tmp_path: Path, xz: Run, seed: int) -> None:
    project = Project(tmp_path, seed)
    for _ in range(ACTIONS):
        project.act()
    project.reparent_some()
    bring(project, tmp_path)
    timeline = ("timeline", "-R", str(project.file), "-t", "ci", "-n", "0", "-F", _FIELDS)
    stock = [
        row
        for line in project.person.fossil(*timeline).out.splitlines()
        if len(row := line.split("\x1f")) == 7
    ]
    leaves = {uuid for (uuid,) in asked(project, "SELECT uuid FROM leaf JOIN blob USING (rid);")}
    parents = parents_in(project)
    ours = json.loads(xz("--format", "json", "log", "-n", "10000").out)["checkins"]
    assert [row["checkin"] for row in ours] == [row[0] for row in stock]
    for row, (checkin, date, author, branch, tags, phase, comment) in zip(ours, stock, strict=True):
        assert (row["date"][:19].replace("T", " "), row["author"], row["branch"]) == (date, author, branch)
        assert " ".join(row["comment"].split()) == " ".join(comment.split())
        assert {*row["tags"], branch} == set(tags.split(", "))
        # When stock computes its leaves anew it leaves out a check-in without parents.
        assert row["leaf"] == (checkin in leaves) or not row["parents"]
        assert sorted(row["parents"]) == sorted(parents.get(checkin, []))
        assert row["parents"][:1] == parents.get(checkin, [])[:1]
        assert (len(row["parents"]) > 1) == ("*MERGE*" in phase)
    branches = {
        row["branch"]: row["closed"] for row in json.loads(xz("--format", "json", "branch").out)["branches"]
    }
    for words, closed in ((("-c",), True), ((), False)):
        listed = project.person.fossil("branch", "ls", "-R", project.file, *words).out
        assert {line.lstrip("* #") for line in listed.splitlines()} == {
            name for name, is_closed in branches.items() if is_closed is closed
        }
    symbols = {row["tag"] for row in json.loads(xz("--format", "json", "tag").out)["tags"]} | set(branches)
    assert set(project.person.fossil("tag", "ls", "-R", project.file).out.splitlines()) == symbols
    with Store.open(tmp_path / "zones.xferzone") as store, store.reader() as reader:
        for name, tip in branch_tips(reader).items():
            found = project.person.fossil("info", f"tag:{name}", "-R", project.file).out
            assert tip[:40] in found.splitlines()[0], name


def test_the_date_now_is_when_it_was_given(tmp_path: Path, xz: Run) -> None:
    project = Project(tmp_path, 0)
    project.commit()
    project.fossil("amend", "current", "--date", "now")
    bring(project, tmp_path)
    (newest, *_) = json.loads(xz("--format", "json", "log").out)["checkins"]
    given = datetime.fromisoformat(newest["date"])
    assert (
        abs((datetime.now(given.tzinfo or UTC) - given.replace(tzinfo=given.tzinfo or UTC)).total_seconds())
        < 600
    )


@pytest.mark.parametrize(
    "steps",
    [
        ["+ {root}"],
        ["+ {root} {first} {root}"],
        ["+ {unknown} {root}"],
        ["+ {first} "],
        ["+ {first}  {root}"],
        ["+ {first} x"],
        ["+ trunk"],
        ["* {root}"],
        ["+ {root}", "+ {first}"],
        ["+ {root}", "+ trunk"],
        ["+ {root}", "* {first}"],
        ["+ {root}", "-"],
        ["+ {root}", "-", "+ {first}"],
    ],
    ids=str,
)
def test_tags_give_other_parents_as_in_stock(tmp_path: Path, xz: Run, steps: Sequence[str]) -> None:
    project = Project(tmp_path, 0)
    for _ in range(3):
        project.commit()
    root, first, *_, tip = made = checkins(project)
    for step in steps:
        prefix, _, value = step.format(root=root, first=first, unknown="ab" * 32).partition(" ")
        words = {"+": ("add",), "*": ("add", "--propagate"), "-": ("cancel",)}[prefix]
        given = ("--raw", "--date-override", project.now(), "parent", tip)
        project.fossil("tag", *words, *given, *([value] if value else []))
    bring(project, tmp_path)
    shown = {
        row["checkin"]: row["parents"] for row in json.loads(xz("--format", "json", "log").out)["checkins"]
    }
    assert shown == {checkin: [] for checkin in made} | parents_in(project)
    project.fossil("rebuild")
    assert shown == {checkin: [] for checkin in made} | parents_in(project)
