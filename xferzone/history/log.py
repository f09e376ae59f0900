"""What happened to a zone: its log, the difference between two versions, who wrote each record.

All of it works on canonical lines (`www 300 A 192.0.2.1`), so that hand-written and canonical versions compare.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xferzone.errors import UsageError, ZoneInvalid
from xferzone.hashing import ArtifactId
from xferzone.history.revision import line
from xferzone.publish import served as form
from xferzone.refs import LocalRefs, serials
from xferzone.refs.branch import DEFAULT_BRANCH, fork_of, split_ref
from xferzone.store import Reader, schema, timeline
from xferzone.zone.cut import is_zone_file, mean_a_zone
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record

#: What gives a line of a zone file another meaning than it has alone, or an owner another spelling.
_CONTEXT = re.compile(rb"^[ \t$]|^[^ \t\n;]*\\|[()\r]", re.MULTILINE)

MAX_SEARCHED = 5_000  # check-ins in which the changes of one name are looked for

_STATES = {
    schema.UNPLACED: "waiting",
    schema.PUBLISHED: "published",
    schema.INVALID: "invalid",
    schema.ELSEWHERE: "other",
}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One check-in; edits of its author and comment count.

    `state` is served (by DNS), tip (what another branch of a zone stands on), removed (the zone was, by this one),
    published, invalid, waiting, fork, unpublished (in a clone, what its refs have not passed), or other: on a branch
    that is no zone's. `parents` are those that stock shows. `tags` are all symbols but the branch's.
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


@dataclass(frozen=True, slots=True)
class BranchEntry:
    """A branch: where it stands, else the latest of it by edited date.

    `is_published`: it has a version that could be served; `is_served`: by DNS, so it is the zone's main branch.
    """

    name: str
    tip: ArtifactId
    date_ms: int
    is_closed: bool
    is_published: bool
    is_served: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """Canonical lines that went and that came, each in canonical order, origin-relative."""

    gone: tuple[bytes, ...]
    come: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Blame:
    """A record of the zone, and the check-in on its first-parent line that brought it."""

    line: bytes
    id: ArtifactId
    date_ms: int
    author: str


def log(reader: Reader, refs: LocalRefs, name: str | None, limit: int) -> Iterator[LogEntry]:
    """The newest check-ins by edited date, newest first: of a zone with its forks, of a branch, or (None) of all.

    `name` is a zone's id, or a branch as it is written; nothing is both unless the zone is here.
    """
    for shown in timeline.entries(reader, limit, None if name is None else _span(reader, name)):
        yield _log_entry(reader, refs, shown)


def log_of_name(
    reader: Reader, refs: LocalRefs, zone: str, owner: bytes, limit: int
) -> Iterator[LogEntry | None]:
    """The check-ins among the zone's newest MAX_SEARCHED, forks' too, that changed the owner's records, newest first.

    A None at the end says that there are older ones, which nobody looked at.
    """
    history = timeline.entries(reader, MAX_SEARCHED + 1, timeline.of_zone(zone))
    found, known = 0, _OwnerLines(reader, zone, owner)
    for shown in history[:MAX_SEARCHED]:
        parents = shown.placed.parents
        if known.at(shown.placed.id) == (known.at(parents[0]) if parents else ()):
            continue
        yield _log_entry(reader, refs, shown)
        found += 1
        if found == limit:
            return
    if len(history) > MAX_SEARCHED:
        yield None


class _OwnerLines:
    """The canonical lines of one owner at any check-in; each file is read once, and as little of it as will do."""

    def __init__(self, reader: Reader, zone: str, owner: bytes) -> None:
        self._reader, self._zone, self._owner = reader, zone, owner
        self._origin = names.zone_name(zone)
        self._files: dict[ArtifactId, tuple[bytes, ...]] = {}
        absolute = text.owner_name(owner, self._origin).encode("ascii")
        self._lines = re.compile(
            rb"^(?:%b|%b)[ \t]+(\d)?[^\n]*" % (re.escape(owner), re.escape(absolute)),
            re.MULTILINE | re.IGNORECASE,
        )

    def at(self, checkin: ArtifactId) -> tuple[bytes, ...]:
        if self._reader.placed(checkin) is None:
            return ()
        own = set(_zone_files(self._reader, self._zone, checkin).values())
        return tuple(sorted({line for file in own for line in self._of(file)}))

    def _of(self, file: ArtifactId) -> tuple[bytes, ...]:
        if file not in self._files:
            records = self._records(self._reader.content(file))
            ordered, _ = text.normalised(records, self._origin)
            self._files[file] = tuple(text.lines(ordered, self._origin))
        return self._files[file]

    def _records(self, content: bytes) -> list[Record]:
        """The owner's records in a file; none of one that cannot be read."""
        if _CONTEXT.search(content) is None:
            found = list(self._lines.finditer(content))
            if all(line[1] for line in found):  # each with its TTL, so it says all by itself
                content = b"".join(line[0] + b"\n" for line in found)
        try:
            read = text.read(content, self._origin)
        except ZoneInvalid:
            return []
        return [record for record in read if record.owner == self._owner]


def _span(reader: Reader, name: str) -> tuple[str, str]:
    try:
        zone = timeline.of_zone(names.parse_zone(name))
    except UsageError:
        return timeline.of_branch(name)
    return zone if timeline.has_any(reader, zone) else timeline.of_branch(name)


def _log_entry(reader: Reader, refs: LocalRefs, shown: timeline.Entry) -> LogEntry:
    placed = shown.placed
    checkin, tags = reader.checkin(placed.id), reader.tags(placed.id)
    branch = placed.branch or ""
    home = fork_of(branch) or branch
    known = serials.get(reader, home.partition("/")[0], placed.id)
    ref = refs.get(branch)
    state = _STATES[placed.place]
    if home != branch and placed.place != schema.PUBLISHED:
        state = "fork"
    elif placed.place == schema.ELSEWHERE and split_ref(branch) is not None:
        state = "unpublished"
    if ref is not None and ref.checkin == placed.id:
        served = "served" if _is_main(branch) else "tip"
        state = served if ref.numbers else "removed"
    elif placed.place == schema.PUBLISHED and not checkin.files and checkin.baseline is None:
        state = "removed"
    elif ref is None and state in ("invalid", "unpublished"):
        zone = home.partition("/")[0]
        state = state if mean_a_zone(zone, reader.files(placed.id)) else "other"
    return LogEntry(
        id=placed.id,
        branch=branch,
        date_ms=shown.date_ms,
        author=_edited(tags, "user", checkin.user),
        comment=_edited(tags, "comment", checkin.comment),
        serial=None if known is None else known.serial,
        parents=shown.parents,
        state=state,
        reason="" if state == "other" else reader.invalid_reason(placed.id) or "",
        tags=tuple(name for name in shown.symbols if name != branch),
        is_leaf=shown.is_leaf,
        is_closed=shown.is_closed,
        is_hidden=shown.is_hidden,
    )


def branches(reader: Reader, refs: LocalRefs, zone: str | None) -> list[BranchEntry]:
    """The branches of a zone, or all, by name."""
    standing = {ref.branch: ref for ref in (refs.list() if zone is None else refs.of_zone(zone))}
    begun = timeline.branches(reader, timeline.ALL if zone is None else timeline.of_zone(zone))
    rows = {at.name: BranchEntry(at.name, at.tip, at.date_ms, at.is_closed, False, False) for at in begun}
    for name, ref in standing.items():
        placed = reader.placed(ref.checkin)
        if placed is not None:
            closed = reader.tags(ref.checkin).get("closed", ("-",))[0] != "-"
            is_up = bool(ref.numbers)
            rows[name] = BranchEntry(
                name, ref.checkin, placed.date_ms, closed, is_up, is_up and _is_main(name)
            )
    return [row for _, row in sorted(rows.items())]


def _is_main(branch: str) -> bool:
    split = split_ref(branch)
    return split is not None and split[1] == DEFAULT_BRANCH


def difference(reader: Reader, zone: str, old: ArtifactId | None, new: ArtifactId) -> Difference:
    """What changed in the records from check-in `old` (None: nothing) to `new`; files they share are not read."""
    before = {} if old is None else _zone_files(reader, zone, old)
    after = _zone_files(reader, zone, new)
    shared = set(before.values()) & set(after.values())
    was = _lines(reader, zone, (file for file in before.values() if file not in shared))
    now = _lines(reader, zone, (file for file in after.values() if file not in shared))
    return Difference(_in_order(set(was) - set(now), was), _in_order(set(now) - set(was), now))


def blame(reader: Reader, zone: str, tip: ArtifactId, owner: bytes | None) -> list[Blame]:
    """Who brought each record of the zone at `tip` (of `owner` alone if given), in canonical order."""
    lines = _lines(reader, zone, _zone_files(reader, zone, tip).values())
    open_lines = {one for one, record in lines.items() if owner is None or record.owner == owner}
    found: dict[bytes, Blame] = {}
    newest = tip
    for at in line(reader, tip):
        if at == tip:
            continue
        came = set(difference(reader, zone, at, newest).come) & open_lines
        found |= dict.fromkeys(came, _blamed(reader, newest))
        open_lines -= came
        newest = at
        if not open_lines:
            break
    found |= dict.fromkeys(open_lines, _blamed(reader, newest))
    return [
        Blame(one, found[one].id, found[one].date_ms, found[one].author)
        for one in _in_order(found.keys(), lines)
    ]


def _blamed(reader: Reader, checkin: ArtifactId) -> Blame:
    manifest = reader.checkin(checkin)
    return Blame(b"", checkin, manifest.date_ms, _edited(reader.tags(checkin), "user", manifest.user))


def records_of(reader: Reader, zone: str, checkin: ArtifactId, owner: bytes) -> list[Record]:
    """The owner's records at a check-in, canonical and in order; of a canonical zone just one file is read."""
    own = _zone_files(reader, zone, checkin)
    key = names.owner_key(owner)
    rows = form.ordered(reader, zone, own)
    held = own.values() if rows is None else [row.file for _, row in rows if row.first <= key <= row.last]
    return [record for record in _lines(reader, zone, held).values() if record.owner == owner]


def wildcard_above(reader: Reader, zone: str, checkin: ArtifactId, owner: bytes) -> str | None:
    """The wildcard, absolute, that may stand for an owner without records; None: there is none, or a name between."""
    labels = names.owner_labels(owner)
    for start in range(1, len(labels) + 1):
        above = names.owner_text((b"*", *labels[start:]))
        if records_of(reader, zone, checkin, above):
            return text.owner_name(above, names.zone_name(zone))
        if records_of(reader, zone, checkin, names.owner_text(labels[start:])):
            return None
    return None


def _zone_files(reader: Reader, zone: str, checkin: ArtifactId) -> dict[str, ArtifactId]:
    return {name: file for name, file in reader.files(checkin).items() if is_zone_file(zone, name)}


def _lines(reader: Reader, zone: str, own: Iterable[ArtifactId]) -> dict[bytes, Record]:
    """Canonical lines of the files' records; a file that cannot be read (an invalid version) counts as empty."""
    origin = names.zone_name(zone)
    read: list[Record] = []
    for file in own:
        try:
            read += text.read(reader.content(file), origin)
        except ZoneInvalid:
            continue
    ordered, _ = text.normalised(read, origin)
    return {text.line(record, origin): record for record in ordered}


def _in_order(lines: Iterable[bytes], all_lines: Mapping[bytes, Record]) -> tuple[bytes, ...]:
    wanted = set(lines)
    return tuple(one for one in all_lines if one in wanted)


def _edited(tags: Mapping[str, tuple[str, str | None]], name: str, written: str) -> str:
    prefix, value = tags.get(name, ("-", None))
    return written if prefix == "-" or value is None else value
