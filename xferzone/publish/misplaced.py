"""Zone files on a branch that is no zone's, as trunk: nothing serves them, and whoever pushed them is told so.

    trunk                example.com.zone            ─>  "... commit it on branch example.com/main"
    example.com/main     zones/example.com.zone      the same, for the name is wrong
    feature/x            example.com.zone            nothing: who names branches so means no zone

Only what a check-in brings or changes is told, so that a file which stays there is told once. Of a long history no more
than the last check-ins are looked at: nobody reads what was misplaced in others.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from xferzone.errors import UsageError, XferzoneError
from xferzone.refs import DEFAULT_BRANCH
from xferzone.store import Writer, zoned
from xferzone.store.places import Placed
from xferzone.zonefile import names

MAX_LOOKED: Final = 10  # check-ins of those that arrive together
_ENDING = ".zone"


def told(writer: Writer, checkins: Sequence[Placed]) -> Iterator[str]:
    """A notice for each zone file that a check-in, on a branch that is no zone's, brings or changes."""
    suspects = [checkin for checkin in checkins if checkin.zones != zoned.NONE]
    for checkin in suspects[-MAX_LOOKED:]:
        yield from _told(writer, checkin)


def _told(writer: Writer, checkin: Placed) -> Iterator[str]:
    try:
        before = writer.files(checkin.parents[0]) if checkin.parents else {}
        now = writer.files(checkin.id)
    except XferzoneError:
        return  # it is damaged, which is told where it matters
    for name, content in now.items():
        zone = zone_of(name)
        if zone is not None and before.get(name) != content:
            branch = f"{zone}/{DEFAULT_BRANCH}"
            yield (
                f"{name} is on branch {checkin.branch}, where no zone is served: commit {zone}{_ENDING} on branch "
                f"{branch}, as `fossil commit --branch {branch}` does"
            )


def zone_of(name: str) -> str | None:
    """The zone that a file would hold if it were on the zone's branch. None: its name does not end as one."""
    stem = PurePosixPath(name).name.removesuffix(_ENDING)
    try:
        return names.parse_zone(stem) if name.endswith(_ENDING) and stem else None
    except UsageError:
        return None
