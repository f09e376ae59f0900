"""Names of branches: example.com/main is a zone's branch, example.com/main-fork-<16 hex> one that lost a race."""

import re
from typing import Final

from xferzone.zonefile.names import zone_name

DEFAULT_BRANCH: Final = "main"  # the branch of a zone that DNS serves
_FORK = re.compile(r"(.+)-fork-[0-9a-f]{16}", re.DOTALL)


def split_ref(branch: str) -> tuple[str, str] | None:
    """Zone id and branch of "example.com/main", split at the first "/"; None if it names no zone's branch."""
    zone, slash, name = branch.partition("/")
    if not slash or not name:
        return None
    try:
        zone_name(zone)
    except ValueError:
        return None
    return zone, name


def fork_of(branch: str) -> str | None:
    """The branch that a fork branch came off: x/main of x/main-fork-<16 hex digits>; None: it is no fork."""
    match = _FORK.fullmatch(branch)
    return match[1] if match and split_ref(match[1]) else None
