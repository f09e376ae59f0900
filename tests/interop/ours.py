"""People who work with xferzone: the operator at the server, and somebody with a clone."""

import json
import random
from pathlib import Path

from tests.interop import agreement, forked
from tests.interop.site import Site
from tests.interop.worker import Worker
from tests.live import Person

#: Exit codes that are part of the life that is played: nothing to do, lost a race, not found, invalid, refused.
_LIFE = {0, 4, 5, 6, 7}
#: What else it is where a branch is published at one check-in, and others of it are not published yet.
_AMBIGUOUS = "counted from"


class _Ours(Worker):
    """Somebody at a command line of ours; `repository` is his."""

    def __init__(self, name: str, home: Path, repository: Path, rng: random.Random, trace: list[str]) -> None:
        super().__init__(name, rng, trace)
        self.person, self.repository = Person(home, name), repository

    def xferzone(self, *words: str, life: bool = True) -> tuple[bool, str]:
        """Whether a command succeeded, and its output; it must end with 0, or another code of _LIFE if `life`."""
        done = forked.xferzone(self.person, "-R", self.repository, *words)
        line = self.note(f"xferzone {' '.join(words)}", done.code, done.out + done.err)
        assert "Traceback" not in done.err, done.err
        is_life = done.code in _LIFE or (done.code == 2 and _AMBIGUOUS in done.err)
        assert done.code == 0 or (life and is_life), f"{line}\n{done.out}{done.err}"
        return done.code == 0, done.out

    def branch(self) -> str:
        """One of the branches that his repository serves."""
        return self.rng.choice(sorted(agreement.refs(self.repository)))

    def set(self) -> None:
        self.set_on(self.branch())

    def set_on(self, branch: str, life: bool = True) -> None:
        zone, _, name = branch.partition("/")
        owner, address = f"h{self.rng.randrange(40)}.{zone}", f"192.0.2.{self.rng.randrange(1, 255)}"
        self.commits += self.xferzone("set", "-b", name, owner, "A", address, life=life)[0]

    def delete(self) -> None:
        zone, _, name = self.branch().partition("/")
        self.commits += self.xferzone("delete", "-b", name, f"h{self.rng.randrange(40)}.{zone}")[0]

    def reset(self) -> None:
        zone, _, name = self.branch().partition("/")
        self.commits += self.xferzone("reset", "-b", name, zone, f"{name}~{self.rng.randrange(1, 4)}")[0]

    def tag(self) -> None:
        self.xferzone("tag", self.branch().partition("/")[0], self.new("t"))

    def begin_branch(self) -> None:
        zone, _, name = self.branch().partition("/")
        self.commits += self.xferzone("branch", zone, self.new("b"), name)[0]


class Operator(_Ours):
    """Somebody at the server."""

    def __init__(self, site: Site, home: Path, rng: random.Random, trace: list[str]) -> None:
        super().__init__("operator", home, site.repository, rng, trace)
        self.actions = [(6, self.set), (1, self.reset), (1, self.tag), (1, self.remove_and_add)]

    def remove_and_add(self) -> None:
        self.commits += self.xferzone("zone", "remove", "example.org")[0]
        if self.rng.random() < 0.8:
            self.commits += self.xferzone("zone", "add", "example.org")[0]


class Cloner(_Ours):
    """Somebody with a clone of ours, who pushes and pulls."""

    def __init__(self, site: Site, home: Path, name: str, rng: random.Random, trace: list[str]) -> None:
        super().__init__(name, home, home / "clone.xferzone", rng, trace)
        self.person.xferzone("clone", "--save-password", site.url(name), self.repository)
        self.actions = [
            (20, self.set),
            (3, self.delete),
            (3, self.reset),
            (2, self.tag),
            (3, self.begin_branch),
            (1, self.new_zone),
            (8, self.exchange),
        ]

    def new_zone(self) -> None:
        self.commits += self.xferzone("zone", "add", f"{self.new('z')}.example")[0]

    def exchange(self) -> None:
        self.xferzone(
            *self.rng.choice((["sync"], ["sync"], ["sync", "--pull"], ["sync", "--push"], ["pull"], ["push"]))
        )

    def sync(self) -> int:
        """Sync both ways; how many artifacts moved."""
        moved = json.loads(self.xferzone("--format", "json", "sync")[1])
        return int(moved["received"]) + int(moved["sent"])
