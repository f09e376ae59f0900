"""The log: the newest check-ins of a zone, of a branch, or of the repository, each with its state."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from xferzone.errors import UsageError
from xferzone.hashing import ArtifactId
from xferzone.publish.foreign import holds
from xferzone.refs import BranchName, LocalRefs, State, serials
from xferzone.store import Reader, brought, places, schema, symbols, timeline
from xferzone.store.brought import Bringer
from xferzone.zonefile import names

_STATES = {
    schema.UNPLACED: "waiting",
    schema.WAITING: "waiting",
    schema.PUBLISHED: "published",
    schema.INVALID: "invalid",
    schema.ELSEWHERE: "other",
}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One check-in; edits of its author and comment count.

    `state` is served (by DNS), tip (of another branch of a zone), removed (it removed the zone), published, invalid,
    waiting, fork, unpublished (in a clone: not passed by its refs), or other (not on a branch of a zone). `parents` are
    those that stock shows. `tags` are all symbols except the branch's. `brought`: who pushed it, if that is not its
    author; None: it is, or nobody knows, since it was not pushed to this repository.
    """

    id: ArtifactId
    branch: str
    date_ms: int
    author: str
    comment: str
    serial: int | None
    parents: tuple[ArtifactId, ...]
    state: str
    reason: str
    tags: tuple[str, ...]
    is_leaf: bool
    is_closed: bool
    is_hidden: bool
    brought: Bringer | None


def log(reader: Reader, refs: LocalRefs, name: str | None, limit: int) -> Iterator[LogEntry]:
    """The newest check-ins by edited date, newest first: of a zone with its forks, of a branch, or (None) of all.

    `name` is a zone's id, or a branch as it is written; nothing is both unless the zone is here.
    """
    for shown in timeline.entries(reader, limit, None if name is None else _span(reader, name)):
        yield entry(reader, refs, shown)


def of_checkin(reader: Reader, refs: LocalRefs, checkin: ArtifactId) -> LogEntry:
    """One check-in that is here."""
    return entry(reader, refs, timeline.of_checkin(reader, checkin))


def _span(reader: Reader, name: str) -> tuple[str, str]:
    try:
        zone = timeline.of_zone(names.parse_zone(name))
    except UsageError:
        return timeline.of_branch(name)
    return zone if timeline.has_any(reader, zone) else timeline.of_branch(name)


def entry(reader: Reader, refs: LocalRefs, shown: timeline.Entry) -> LogEntry:
    placed = shown.placed
    checkin, tags = reader.checkin(placed.id), symbols.tags(reader, placed.id)
    author = edited(tags, "user", checkin.user)
    branch = BranchName.parse(placed.branch)
    known = None if branch is None else serials.get(reader, branch.zone, placed.id)
    ref = refs.get(branch)
    state = _STATES[placed.place]
    if branch is not None and branch.is_fork and placed.place != schema.PUBLISHED:
        state = "fork"
    elif branch is not None and placed.place == schema.ELSEWHERE:
        state = "unpublished"
    if ref is not None and ref.checkin == placed.id:
        is_up = ref.state is not State.REMOVED
        state = ("served" if ref.branch.is_main else "tip") if is_up else "removed"
    elif placed.place == schema.PUBLISHED and not checkin.files and checkin.baseline is None:
        state = "removed"
    elif branch is not None and ref is None and state in ("invalid", "unpublished"):
        state = state if holds(reader, placed, branch.zone) else "other"
    return LogEntry(
        id=placed.id,
        branch=placed.branch or "",
        date_ms=shown.date_ms,
        author=author,
        comment=edited(tags, "comment", checkin.comment),
        serial=None if known is None else known.serial,
        parents=shown.parents,
        state=state,
        reason="" if state == "other" else places.invalid_reason(reader, placed.id) or "",
        tags=tuple(name for name in shown.symbols if name != placed.branch),
        is_leaf=shown.is_leaf,
        is_closed=shown.is_closed,
        is_hidden=shown.is_hidden,
        brought=other_than(reader, placed.id, {author, checkin.user}),
    )


def other_than(reader: Reader, checkin: ArtifactId, authors: AbstractSet[str]) -> Bringer | None:
    """Who pushed the check-in, unless each of `authors` is that login: the written one, and the one that is shown."""
    bringer = brought.by(reader, checkin)
    return None if bringer is None or authors == {bringer.login} else bringer


def edited(tags: Mapping[str, tuple[str, str | None]], name: str, written: str) -> str:
    """A field of a check-in, as its `name` tag changes it; `written` if none does."""
    prefix, value = tags.get(name, ("-", None))
    return written if prefix == "-" or value is None else value
