"""Names of zone branches, parsed once where text comes in.

    example.com/main                          zone id, "/", branch: what DNS serves of example.com
    example.com/main-fork-0123456789abcdef    where a check-in that lost a race was moved; 16 digits of its hash

A zone id has no "/", so the first one ends it. Any other text (trunk, feature/x) does not name a zone's branch.
"""

import re
from dataclasses import dataclass
from typing import Final

from xferzone.zonefile.names import zone_name

DEFAULT_BRANCH: Final = "main"  # the branch of a zone that DNS serves
MAX_NAME: Final = 300  # octets of a branch, without its zone; ours
_FORK = re.compile(r"(.+)-fork-[0-9a-f]{16}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BranchName:
    """A branch of a zone. `str()` gives the name that the branch has in the project."""

    zone: str
    branch: str

    @classmethod
    def parse(cls, text: str | None) -> "BranchName | None":
        """The zone branch that a text names. None: it names none, there is no text, or it is longer than MAX_NAME."""
        zone, slash, branch = (text or "").partition("/")
        if not slash or not branch or len(branch.encode("utf-8", "surrogateescape")) > MAX_NAME:
            return None
        try:
            zone_name(zone)
        except ValueError:
            return None
        return cls(zone, branch)

    @classmethod
    def of_row(cls, text: str) -> "BranchName":
        """The name in a row that was written from a BranchName; not checked again."""
        zone, _, branch = text.partition("/")
        return cls(zone, branch)

    def __str__(self) -> str:
        return f"{self.zone}/{self.branch}"

    @property
    def is_main(self) -> bool:
        """Whether DNS answers from it."""
        return self.branch == DEFAULT_BRANCH

    @property
    def fork_of(self) -> "BranchName | None":
        """The branch that this one forked off. None: it is not a fork."""
        match = _FORK.fullmatch(self.branch)
        return None if match is None else BranchName(self.zone, match[1])

    @property
    def is_fork(self) -> bool:
        return self.fork_of is not None
