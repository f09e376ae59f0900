"""Check-ins as `log` and `show` print them: a line each, or all that is known of one; and what each one changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import click

from xferzone.cli import terminal
from xferzone.cli.output import (
    changes_as_json,
    default_ttl_as_json,
    iso,
    printable,
    show_difference,
    show_json,
    when,
)
from xferzone.hashing import ArtifactId, short
from xferzone.history.diff import difference
from xferzone.history.log import LogEntry
from xferzone.refs import BranchName
from xferzone.store import Reader, places
from xferzone.store.brought import Bringer
from xferzone.zone.difference import Difference

#: By check-in: the zone, and what the check-in changed in it.
Changes = Mapping[ArtifactId, tuple[str, Difference]]


def changes_of(reader: Reader, entries: Sequence[LogEntry], owner: bytes | None = None) -> Changes:
    """What each of the check-ins changed that are on a zone's branch; at one owner (None: in all of the zone)."""
    found = {}
    for entry in entries:
        branch = BranchName.parse(entry.branch or None)
        placed = places.placed(reader, entry.id)
        if branch is None or placed is None or entry.state == "waiting":
            continue
        before = placed.parents[0] if placed.parents else None
        change = difference(reader, branch.zone, before, entry.id)
        if owner is not None:
            gone, come = (
                tuple(line for line in lines if line.partition(b" ")[0] == owner)
                for lines in (change.gone, change.come)
            )
            change = replace(change, gone=gone, come=come, default_ttl=None)
        found[entry.id] = branch.zone, change
    return found


def show_entries_as_json(entries: Sequence[LogEntry], changes: Changes | None) -> None:
    """Add them to the object that is printed; `changes` None: they were not asked for."""
    shown = []
    for entry in entries:
        fields = _as_json(entry)
        if changes is not None:
            zone, change = changes.get(entry.id, ("", Difference()))
            fields |= {"changes": changes_as_json(change, zone)} if zone else {"changes": []}
            fields |= default_ttl_as_json(change)
        shown.append(fields)
    show_json({"checkins": shown})


def show_entries(entries: Sequence[LogEntry], changes: Changes | None) -> None:
    """A line for each, and below it what it changed, if that was asked for."""
    for entry, line in zip(entries, terminal.table([_row(entry) for entry in entries], _ID), strict=True):
        click.echo(line)
        if changes is not None:
            _show_change(entry, changes)


def show_whole(entry: LogEntry, changes: Changes) -> None:
    """All that is known of one check-in."""
    click.echo(f"check-in: {terminal.coloured(entry.id, _ID[1])}")
    for name, value in _facts(entry):
        click.echo(printable(f"{name}: {value}"))
    _show_change(entry, changes)


_ID = (2, "yellow")  # the column of the id, and its colour


def _show_change(entry: LogEntry, changes: Changes) -> None:
    if entry.id in changes:
        zone, change = changes[entry.id]
        show_difference(change, zone)


def _row(entry: LogEntry) -> list[str]:
    day, time = when(entry.date_ms).split(" ")
    serial = "" if entry.serial is None else f"serial {entry.serial}"
    merged = "".join(f" merges {short(parent)}" for parent in entry.parents[1:])
    tags = f" (tags: {', '.join(entry.tags)})" if entry.tags else ""
    author = f"{entry.author}{pushed_by(entry.brought)}"
    rest = printable(f"{author}: {entry.comment}{tags}{merged}{_ended(entry)}{_state(entry)}")
    return [day, time, short(entry.id), printable(entry.branch), serial, rest]


def pushed_by(bringer: Bringer | None) -> str:
    """The mark behind an author whose check-in somebody else pushed."""
    return "" if bringer is None else f" [pushed by {bringer.login}]"


def brought_as_json(bringer: Bringer | None) -> dict[str, object]:
    """Who pushed a check-in, and by which door; null where that is its author, or not known."""
    login, door = bringer or (None, None)
    return {"login": login, "door": door}


def _state(entry: LogEntry) -> str:
    reason = entry.reason.replace("\n", "; ")
    return "" if entry.state in ("published", "other") else f" [{entry.state}{reason and ': '}{reason}]"


def _ended(entry: LogEntry) -> str:
    return f" [{'closed' if entry.is_closed else 'hidden'}]" if entry.is_closed or entry.is_hidden else ""


def _facts(entry: LogEntry) -> Iterator[tuple[str, str]]:
    yield "branch", entry.branch or "-"
    if entry.serial is not None:
        yield "serial", str(entry.serial)
    yield "date", f"{when(entry.date_ms)} UTC"
    yield "author", f"{entry.author}{pushed_by(entry.brought)}"
    yield "comment", entry.comment
    if entry.parents:
        yield "parent", entry.parents[0]
    for parent in entry.parents[1:]:
        yield "merges", parent
    if entry.tags:
        yield "tags", ", ".join(entry.tags)
    if state := f"{_ended(entry)}{_state(entry)}":
        yield "state", state.strip(" []").replace("] [", ", ")


def _as_json(entry: LogEntry) -> dict[str, object]:
    return {
        "checkin": entry.id,
        "branch": entry.branch,
        "date": iso(entry.date_ms),
        "author": entry.author,
        "comment": entry.comment,
        "serial": entry.serial,
        "parents": entry.parents,
        "state": entry.state,
        "reason": entry.reason,
        "tags": entry.tags,
        "leaf": entry.is_leaf,
        "closed": entry.is_closed,
        "hidden": entry.is_hidden,
    } | brought_as_json(entry.brought)
