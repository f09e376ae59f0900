"""Somebody who works with stock fossil alone: a clone, a check-out, and what such people do.

Each action is one row of `Stock.actions` with its weight. An action that stock itself refuses (a fork, a closed leaf,
nothing changed) is part of the life that is played here; what the *server* refuses is kept in `refused`.
"""

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.interop import texts
from tests.interop.site import ADMIN, Site
from tests.interop.worker import Worker
from tests.live import Done, Person

_MOVED = re.compile(r"Artifacts sent: (\d+)\s+received: (\d+)")
_ERROR = re.compile(r"^\s*(?:Error: |server says: |Server Error).*", re.MULTILINE)


class Stock(Worker):
    """One person with a clone and a check-out of it, who begins on example.com/main."""

    def __init__(self, site: Site, home: Path, name: str, rng: random.Random, trace: list[str]) -> None:
        super().__init__(name, rng, trace)
        self.refused: list[str] = []
        self.person = Person(home, name)
        self.file = home / "z.fossil"
        self.person.clone(site.url(name), self.file)
        self.work = self.person.open(self.file, home / "work", "example.com/main")
        self.actions = [
            (30, self.edit),
            (10, self.hop),
            (8, self.exchange),
            (6, self.toggle_autosync),
            (8, self.merge),
            (4, self.branch),
            (5, self.tag),
            (4, self.amend),
            (3, self.extra_file),
            (3, self.break_zone),
            (1, self.remove_zone_file),
            (1, self.new_zone),
            (1, self.wiki),
            *([(3, self.amend_as_admin), (2, self.close_or_reopen)] if name == ADMIN else []),
        ]

    # -- commands

    def fossil(self, *words: str | Path) -> Done:
        """A command in the check-out, whatever its exit code; errors that a server sent are kept."""
        done = self.person.fossil(*words, at=self.work, code=None)
        said = done.out + done.err
        line = self.note(f"fossil {' '.join(map(str, words))}", done.code, said)
        assert done.code in (0, 1), line + said
        self.refused.extend(_ERROR.findall(said))
        return done

    def sync(self) -> int:
        """Sync both ways; how many artifacts moved."""
        done = self.fossil("sync")
        counts = _MOVED.findall(done.out)
        assert done.code == 0, done.out + done.err
        assert counts, done.out + done.err
        return sum(int(number) for number in counts[-1])

    def commit(self, comment: str, *options: str) -> bool:
        """Commit what was changed; where stock warns of a fork, update first or fork all the same."""
        words = ("commit", "--no-warnings", "--no-prompt", "-m", f"{self.name}: {comment}", *options)
        done = self.fossil(*words)
        if done.code and "would fork" in done.err + done.out:
            if self.rng.random() < 0.5:
                self.fossil("update")
                self._mend_conflict()
                done = self.fossil(*words)
            else:
                done = self.fossil(*words, "--allow-fork")
        self.commits += done.code == 0
        return done.code == 0

    def branches(self) -> list[str]:
        """Names of open branches."""
        return [line.strip(" *#") for line in self.fossil("branch", "list").out.splitlines()]

    def zone_branches(self) -> list[str]:
        return [branch for branch in self.branches() if "/" in branch]

    def zone(self) -> str | None:
        """The zone of the branch that is checked out; None: no zone's."""
        branch = self.fossil("branch", "current").out.strip()
        return branch.partition("/")[0] if "/" in branch else None

    def autosync(self, on: bool) -> None:
        self.fossil("settings", "autosync", "on" if on else "off")

    def go_to(self, branch: str) -> bool:
        """Check out the tip of the branch; uncommitted edits are dropped."""
        self.fossil("revert")
        return self.fossil("update", branch).code == 0

    # -- what people do

    def edit(self) -> bool:
        """Change the zone and commit; on no zone's branch, write notes."""
        zone = self.zone()
        if zone is None:
            self._write("notes.txt", f"{self.new('note')}\n")
            return self.commit("notes")
        self._change(f"{zone}.zone", texts.edited)
        return self.commit("edit")

    def hop(self) -> None:
        if branches := self.branches():
            self.go_to(self.rng.choice(branches))

    def exchange(self) -> None:
        self.fossil(self.rng.choice(("sync", "sync", "pull", "push")))

    def toggle_autosync(self) -> None:
        self.autosync(self.rng.random() < 0.5)

    def branch(self) -> None:
        """Begin a branch of the zone with an edit, or one that is no zone's."""
        zone = self.zone()
        if zone is None:
            return
        name = self.new("b") if self.rng.random() < 0.2 else f"{zone}/{self.new('b')}"
        self._change(f"{zone}.zone", texts.edited)
        self.commit("branch", "--branch", name)

    def merge(self) -> None:
        """Merge another branch of the zone, or what stock finds to merge; conflicts are resolved."""
        zone = self.zone()
        if zone is None:
            return
        others = [branch for branch in self.zone_branches() if branch.startswith(f"{zone}/")]
        words = ["--integrate"] if self.name == ADMIN and self.rng.random() < 0.3 else []
        if others and self.rng.random() < 0.8:
            words.append(self.rng.choice(others))
        self.fossil("merge", *words)
        self._mend_conflict()
        self.commit("merge")

    def tag(self) -> None:
        """Add a tag, move one or cancel one."""
        tag, target = f"v{self.rng.randrange(4)}", self._some_checkin()
        verb = "cancel" if self.rng.random() < 0.3 else "add"
        self.fossil("tag", verb, tag, target)

    def amend(self) -> None:
        """The colour; the comment and the author of what is published are an administrator's to change."""
        options = [("--bgcolor", "#f0e0d0"), ("--bgcolor", "#d0e0f0")]
        if self.name == ADMIN:
            options += [("-m", self.new("said better")), ("--author", "carol")]
        self.fossil("amend", self._some_checkin(), *self.rng.choice(options))

    def amend_as_admin(self) -> None:
        """What upsets others: dates that put the history in another order, a branch that is hidden."""
        # Content that came twice, the second time dated back before either was pushed, is sent by stock 2.21 as two
        # deltas of each other: no server gets it (a stock one answers 400), so all is pushed before.
        self.fossil("sync")
        minute = f"2026-01-{self.rng.randrange(1, 28):02}T10:{self.rng.randrange(60):02}:00"
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"  # the word `now` would mean another time in each repository
        option = self.rng.choice((("--date", minute), ("--date", now), ("--hide",)))
        self.fossil("amend", self._some_checkin(), *option)

    def close_or_reopen(self) -> None:
        verb = self.rng.choice(("close", "close", "reopen"))
        side = [branch for branch in self.zone_branches() if not branch.endswith("/main")]
        if verb == "reopen":
            side = self.fossil("branch", "list", "-c").out.split()
        if side:
            self.fossil("branch", verb, self.rng.choice(side))

    def extra_file(self) -> None:
        """Add a file beside the zone, rename or delete one."""
        names = [name for name in self.fossil("ls").out.split() if name.endswith(".txt")]
        kind = self.rng.choice(("add", "rename", "delete"))
        if kind == "add" or not names:
            name = f"{self.new('x')}.txt"
            self._write(name, f"{name}\n" * self.rng.randrange(1, 200))
            self.fossil("add", name)
        elif kind == "rename":
            self.fossil("mv", "--hard", self.rng.choice(names), f"{self.new('y')}.txt")
        else:
            self.fossil("rm", "--hard", self.rng.choice(names))
        self.commit(f"{kind} a file")

    def break_zone(self) -> None:
        if zone := self.zone():
            self._change(f"{zone}.zone", texts.broken)
            self.commit("break")

    def remove_zone_file(self) -> None:
        if zone := self.zone():
            self.fossil("rm", "--hard", f"{zone}.zone")
            self.commit("remove the zone's file")

    def new_zone(self) -> None:
        """A zone of one's own, pushed as a branch from trunk."""
        if not self.go_to("trunk"):
            return
        zone = f"{self.new('z')}.example"
        self._change(f"{zone}.zone", texts.edited)
        self.commit("new zone", "--branch", f"{zone}/main")

    def wiki(self) -> None:
        page = f"Page {self.rng.randrange(3)}"
        known = page in self.fossil("wiki", "list").out
        text = self._write("../page.md", f"{self.new('text')}\n" * 20)
        self.fossil("wiki", "commit" if known else "create", page, text, "--mimetype", "text/x-markdown")

    # -- parts

    def _change(self, name: str, change: Callable[[str, random.Random, bool], str]) -> None:
        """Write the zone's file anew, or another one of the same zone; one that is not there is added."""
        file = self.work / name
        known = file.is_file()
        further = sorted(self.work.glob(f"{name}.d/*"))
        if known and further and self.rng.random() < 0.7:
            other = self.rng.choice(further)
            other.write_text(change(other.read_text(), self.rng, False))
            return
        self._write(name, change(file.read_text() if known else "", self.rng, True))
        if not known:
            self.fossil("add", name)

    def _mend_conflict(self) -> None:
        """Both sides of every conflict in zone files are kept, as far as a zone can have both."""
        for file in self.work.rglob("*.zone"):
            text = file.read_text()
            if "<<<<<<<" in text:
                file.write_text(texts.mended(text, file.parent == self.work))

    def _write(self, name: str, text: str) -> Path:
        file = self.work / name
        file.write_text(text)
        return file

    def _some_checkin(self) -> str:
        """The check-out's, or one of the last ten of the timeline."""
        if self.rng.random() < 0.5:
            return "current"
        lines = self.fossil("timeline", "-n", "10", "-t", "ci", "-F", "%H").out.splitlines()
        found = [line for line in lines if re.fullmatch(r"[0-9a-f]{40,64}", line)]
        return self.rng.choice(found) if found else "current"
