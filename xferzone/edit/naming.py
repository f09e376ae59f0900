"""Names that branches and tags may be given here; those that stock has made are taken as they are."""

import re

from xferzone.errors import UsageError
from xferzone.refs.branch import fork_of

MAX_NAME = 400  # bytes of a new branch or tag: a zone id has up to 200
#: What a name in a revision cannot hold (history/revision.py), and what nobody can type.
_UNFIT_IN_NAMES = re.compile(r"[~@\x00-\x20\x7f\ud800-\udfff]")


def check_utf8(name: str) -> None:
    """Raise UsageError if a branch cannot be called so: the command line takes any bytes, the repository does not."""
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        raise UsageError(f"{name!r} is not UTF-8") from exc


def check_new(name: str) -> None:
    """Raise UsageError if a branch or tag must not be called so."""
    if (size := len(name.encode("utf-8", "surrogateescape"))) > MAX_NAME:
        raise UsageError(f"a name of {size} bytes; the most is {MAX_NAME}, the zone's included")
    if (unfit := _UNFIT_IN_NAMES.search(name)) is not None:
        raise UsageError(
            f"{name!r}: a name may not hold {unfit[0]!r}, which means something else in a revision"
        )
    if fork_of(name) is not None:
        raise UsageError(f"{name} is called as the losers of races are: take another name")
