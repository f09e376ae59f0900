"""What people are told of check-ins that wait (store/waiting.py): on which branch or of which zone, how many, and why.

    example.com/main: 2 check-ins wait and are not served: 81f3... names as its parent 0b17..., which has not come. ...

Check-ins that are about no zone wait without a word.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId, short
from xferzone.publish.misplaced import zone_of
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Reader, Writer, shunned, zoned
from xferzone.store.pushes import Push
from xferzone.store.waiting import Waiting, brought_in_vain, waiting
from xferzone.wording import counted

MAX_TOLD: Final = 10  # branches that somebody is told of at once


@dataclass(frozen=True, slots=True)
class Kept:
    """A check-in that waits, the branch that it is on, or the zone alone where that is not known yet, and why."""

    id: ArtifactId
    where: str
    reason: str


def kept(reader: Reader, refs: LocalRefs, found: Iterable[Waiting]) -> Iterator[Kept]:
    """Those of the check-ins that are about a zone."""
    zones: dict[int, str | None] = {zoned.NONE: None}  # by the bits of check-ins whose branch is not known
    for each in found:
        if each.branch is not None:
            where = _of_branch(refs, each)
        elif each.zones in zones and each.zones != zoned.UNKNOWN:
            where = zones[each.zones]
        else:
            where = zones[each.zones] = _zone(reader, each.id)
        if where is not None:
            yield Kept(each.id, where, _reason(reader, each))


def told(
    reader: Reader, refs: LocalRefs, *, since: int = 0, among: Collection[ArtifactId] | None = None
) -> list[str]:
    """A line for each branch on which check-ins wait, MAX_TOLD at most.

    Args:
        since: of `waiting`.
        among: only these; None: all.
    """
    waits = waiting(reader, since=since)
    return _lines(reader, refs, [one for one in waits if among is None or one.id in among])


def told_to_pusher(writer: Writer, refs: LocalRefs, push: Push) -> list[str]:
    """The same of what a push has brought, when it ends."""
    return _lines(writer, refs, brought_in_vain(writer, push))


def _lines(reader: Reader, refs: LocalRefs, waits: Iterable[Waiting]) -> list[str]:
    found: dict[str, list[Kept]] = {}
    for each in kept(reader, refs, waits):
        found.setdefault(each.where, []).append(each)
    lines = [_line(where, checkins) for where, checkins in list(found.items())[:MAX_TOLD]]
    if len(found) > MAX_TOLD:
        more = counted(len(found) - MAX_TOLD, "more branch")
        lines.append(f"check-ins wait on {more}, too: `xferzone status` lists them")
    return lines


def _line(where: str, checkins: Sequence[Kept]) -> str:
    first = checkins[0]
    wait = "waits and is" if len(checkins) == 1 else "wait and are"
    return (
        f"{where}: {counted(len(checkins), 'check-in')} {wait} not served: {short(first.id)} {first.reason}"
    )


def _reason(reader: Reader, each: Waiting) -> str:
    if each.lacks is not None:
        what = "names as its parent" if each.lacks == each.parent else "names"
        if shunned.among(reader, [each.lacks]):
            return (
                f"{what} {short(each.lacks)}, which is shunned here and never comes. Commit the same on top of what is "
                "served; where nothing is, `xferzone zone add` begins the zone anew."
            )
        return f"{what} {short(each.lacks)}, which has not come. When that comes, all goes on by itself."
    assert each.parent is not None, "only what has a parent waits without lacking anything"
    if each.is_behind:
        return f"follows {short(each.parent)}, which waits"
    return (
        f"names as its parent {short(each.parent)}, which is here but is not a check-in. Commit the same on top of "
        "what is served."
    )


def _of_branch(refs: LocalRefs, each: Waiting) -> str | None:
    branch = BranchName.parse(each.branch)
    if branch is None:
        return None
    is_zones = refs.get(branch.fork_of or branch) is not None or bool(each.zones & zoned.bit(branch.zone))
    return str(branch) if is_zones else None


def _zone(reader: Reader, checkin: ArtifactId) -> str | None:
    """The first zone that the check-in names a file of. None: it names none."""
    try:
        named = reader.checkin(checkin).files
    except (CorruptArtifact, NotFound):
        return None  # damaged, which is told where it matters
    return next((zone for card in named if (zone := zone_of(card.name)) is not None), None)
