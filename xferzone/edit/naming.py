"""Names that branches and tags may get here. Names that stock made are taken as they are."""

import re

from xferzone.errors import UsageError
from xferzone.publish.policy import RESERVED_TAGS
from xferzone.publish.spelling import Spellings
from xferzone.refs import BranchName, LocalRefs

MAX_NAME = 400  # bytes of a new branch or tag: a zone id has up to 200
#: What a name in a revision must not hold (history/revision.py), and what nobody can type.
_UNFIT_IN_NAMES = re.compile(r"[~@\x00-\x20\x7f\ud800-\udfff]")


def zone_branch(zone: str, name: str) -> BranchName:
    """Branch `name` of a zone, as people wrote it. Raises UsageError: no branch can have that name."""
    check_utf8(name)
    branch = BranchName.parse(f"{zone}/{name}")
    if branch is None:
        raise UsageError(
            f"{zone}/{name!r} is not a zone branch: expected ZONE/BRANCH, as in example.com/main"
        )
    return branch


def check_utf8(name: str) -> None:
    """Raise UsageError if the name is not UTF-8: the command line takes any bytes, the repository does not."""
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        raise UsageError(f"{name!r} is not UTF-8") from exc


def check_new(name: str, refs: LocalRefs) -> None:
    """Raise UsageError if a branch or tag must not have this name."""
    if (size := len(name.encode("utf-8", "surrogateescape"))) > MAX_NAME:
        raise UsageError(f"the name has {size} bytes; the limit is {MAX_NAME}, the zone's name included")
    if (unfit := _UNFIT_IN_NAMES.search(name)) is not None:
        raise UsageError(
            f"{name!r}: a name may not hold {unfit[0]!r}, which means something else in a revision"
        )
    branch = BranchName.parse(name)
    if branch is not None and branch.is_fork:
        raise UsageError(f"{name}: names ending in -fork-<16 hex digits> are reserved; choose another")
    if (known := Spellings(refs).shadowed(name)) is not None:
        raise UsageError(f"{name} would be taken for the branch {known}; choose another name")


def check_new_tag(tag: str, refs: LocalRefs) -> None:
    """Raise UsageError if a tag must not have this name, which begins with its zone."""
    check_new(tag, refs)
    if tag.partition("/")[2].startswith(RESERVED_TAGS):
        raise UsageError(
            f"{tag}: tags that begin with {', '.join(RESERVED_TAGS)} are reserved; choose another"
        )
