"""The verbs that look back: log, reflog, diff, blame."""

import itertools

import click
import dns.name
from click.core import ParameterSource

from xferzone.cli import terminal, which
from xferzone.cli.entries import (
    brought_as_json,
    changes_of,
    pushed_by,
    show_entries,
    show_entries_as_json,
)
from xferzone.cli.output import (
    changes_as_json,
    default_ttl_as_json,
    iso,
    printable,
    record_as_json,
    show_difference,
    show_json,
    when,
)
from xferzone.cli.settings import Settings, now_ms, reading
from xferzone.edit.naming import zone_branch
from xferzone.errors import NotFound, UsageError
from xferzone.hashing import ArtifactId, short
from xferzone.history import log as zone_log
from xferzone.history import owners
from xferzone.history.blame import Blame
from xferzone.history.blame import blame as blamed
from xferzone.history.diff import difference
from xferzone.history.log import LogEntry
from xferzone.history.revision import resolve
from xferzone.refs import DEFAULT_BRANCH, LocalRefs, Publication, lookup
from xferzone.store import Reader, places
from xferzone.zone import changes
from xferzone.zonefile import names, text

DEFAULT_LENGTH = 20


@click.command()
@click.argument("name", metavar="[ZONE|BRANCH]", required=False)
@click.argument("owner", metavar="[NAME]", required=False)
@click.option(
    "-n",
    "count",
    metavar="N",
    type=click.IntRange(min=1),
    default=DEFAULT_LENGTH,
    show_default=True,
    help="How many check-ins.",
)
@click.option(
    "-p", "--patch", is_flag=True, help="Below each check-in the records that went (-) and came (+)."
)
@which.zone_option
@click.pass_obj
def log(  # many: click hands each option over; long: its help lists the marks
    settings: Settings, name: str | None, owner: str | None, count: int, patch: bool, chosen: str | None
) -> None:
    """What happened, newest first.

    Of a zone with its forks, of a branch, or of everything; with NAME the check-ins that changed that name's records.
    With -z the zone need not be given again. [pushed by LOGIN] behind an author: somebody else pushed it here.

    \b
    Marks behind a check-in:
      [served]       what DNS answers from: the tip of the zone's branch main
      [tip]          what another branch of a zone stands on; DNS does not serve it
      [removed]      the zone was removed by it
      [invalid: why] it could not be served, a correction on top of it can
      [waiting]      parts of it have not come yet
      [fork]         somebody else was first: it is kept on a branch of its own
      [unpublished]  in a clone: it is beside what is served
      [closed]       nobody works on the branch any more, [hidden]: stock's lists leave it out

    \b
    Examples:
      xferzone log example.com -n 5
      xferzone log example.com www.example.com
      xferzone log -p -n 3 example.com
      xferzone log trunk
    """
    with reading(settings) as (reader, refs):
        name, owner = which.zone_and_name(refs, (name, owner), which.named(chosen))
        if owner is not None:
            assert name is not None
            entries = _changes_of(reader, refs, (names.parse_zone(name), owner), count)
        else:
            entries = list(zone_log.log(reader, refs, name, count))
            if name is not None and not entries:
                raise NotFound(_not_logged(refs, name))
        changed = changes_of(reader, entries, _owner(name, owner)) if patch else None
    if settings.json:
        show_entries_as_json(entries, changed)
    else:
        show_entries(entries, changed)


def _owner(zone: str | None, name: str | None) -> bytes | None:
    """The owner field of a name; None: no name was given."""
    if zone is None or name is None:
        return None
    return changes.owner_in(changes.parse_name(name), names.parse_zone(zone))


def _changes_of(reader: Reader, refs: LocalRefs, what: tuple[str, str], count: int) -> list[LogEntry]:
    zone, wanted = what[0], changes.parse_name(what[1])
    if reason := lookup.zone(refs, zone):
        raise NotFound(reason)
    found = list(owners.log_of_name(reader, refs, zone, changes.owner_in(wanted, zone), count))
    entries = [entry for entry in found if entry is not None]
    if len(entries) < len(found):
        click.echo(f"only the newest {owners.MAX_SEARCHED} check-ins of {zone} were looked at", err=True)
    if not entries:
        raise NotFound(f"nothing ever changed {wanted} in {zone}: `xferzone log {zone}` shows what happened")
    return entries


def _not_logged(refs: LocalRefs, name: str) -> str:
    try:
        above = lookup.enclosing(refs, names.zone_name(names.parse_zone(name)))
    except UsageError:
        above = None
    if above is not None:
        return f"{name} is a name in {above}: `xferzone log {above} {name}` shows what happened to it"
    return f"{name} is not a zone or a branch here: `xferzone zone list` and `xferzone branch` show them"


@click.command()
@click.argument("name", metavar="ZONE")
@click.option(
    "-b",
    "branch",
    metavar="BRANCH",
    default=DEFAULT_BRANCH,
    show_default=True,
    help="The branch of the zone.",
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=DEFAULT_LENGTH,
    show_default=True,
    help="The number of moves to show; JSON has all unless you give N.",
)
@click.pass_context
def reflog(context: click.Context, name: str, branch: str, limit: int) -> None:
    """List the moves of a branch here, newest first.

    Each line has the number of the move, branch, check-in, serial, time (UTC), login and door. The door is the way by
    which the move came in: push, cli (a verb), pull (a sync) or start (a server that starts, or rebuild). Moves that an
    older release made have neither login nor door.

    \b
    Example:
      xferzone reflog example.com --limit 5
    """
    settings: Settings = context.obj
    wanted = zone_branch(names.parse_zone(name), branch)
    is_limited = not settings.json or context.get_parameter_source("limit") is ParameterSource.COMMANDLINE
    with reading(settings) as (_, refs):
        moves = list(itertools.islice(refs.publications(wanted), limit if is_limited else None))
        if not moves:
            raise NotFound(lookup.branch(refs, wanted))
    if settings.json:
        show_json({"moves": [_move_as_json(move) for move in moves]})
        return
    terminal.show_table([_move_as_row(move) for move in moves], (2, "yellow"))


def _move_as_row(move: Publication) -> list[str]:
    serial = "-" if move.serial is None else str(move.serial)
    who = printable(move.occasion.login or "-"), move.occasion.door.value or "-"
    branch = printable(str(move.branch))
    return [str(move.number), branch, short(move.checkin), serial, when(move.occasion.now_ms), *who]


def _move_as_json(move: Publication) -> dict[str, object]:
    return {
        "number": move.number,
        "branch": str(move.branch),
        "checkin": move.checkin,
        "serial": move.serial,
        "date": iso(move.occasion.now_ms),
        "login": move.occasion.login,
        "door": move.occasion.door.value,
    }


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("old", metavar="[REV]", required=False)
@click.argument("new", metavar="[REV]", required=False)
@click.pass_obj
def diff(settings: Settings, name: str, old: str | None, new: str | None) -> None:
    """Records that went (-) and came (+).

    In the last check-in on main; with one REV since that; with two between them.

    \b
    REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h (UTC)

    \b
    Examples:
      xferzone diff example.com
      xferzone diff example.com main~3
      xferzone diff example.com before-move main
    """
    zone = names.parse_zone(name)
    with reading(settings) as (reader, refs):
        after = resolve(reader, refs, zone, new or "", now_ms())
        if old is not None:
            before: ArtifactId | None = resolve(reader, refs, zone, old, now_ms())
        else:
            placed = places.placed(reader, after)
            before = placed.parents[0] if placed and placed.parents else None
        change = difference(reader, zone, before, after)
    if settings.json:
        answer: dict[str, object] = {"zone": _absolute(zone), "from": before, "to": after}
        show_json(answer | {"changes": changes_as_json(change, zone)} | default_ttl_as_json(change))
    else:
        show_difference(change, zone)


@click.command()
@click.argument("name", metavar="ZONE", required=False)
@click.argument("owner", metavar="[NAME]", required=False)
@which.zone_option
@click.pass_obj
def blame(settings: Settings, name: str | None, owner: str | None, chosen: str | None) -> None:
    """Who brought each record, in which check-in.

    \b
    Examples:
      xferzone blame example.com www.example.com
      xferzone blame -z example.com www.example.com
    """
    with reading(settings) as (reader, refs):
        name, owner = which.zone_and_name(refs, (name, owner), which.named(chosen))
        if name is None:
            raise UsageError(f"which zone? give ZONE, -z ZONE or {which.VARIABLE}")
        zone = names.parse_zone(name)
        wanted = None if owner is None else changes.owner_in(changes.parse_name(owner), zone)
        found = blamed(reader, zone, resolve(reader, refs, zone, "", now_ms()), wanted)
    if not found:
        what = "has no records" if owner is None else f"has no record of {owner}"
        raise NotFound(f"{zone} {what}: `xferzone log {zone}` shows what happened to it")
    if settings.json:
        origin = names.zone_name(zone)
        records = [_blamed_as_json(one, origin) for one in found]
        show_json({"zone": _absolute(zone), "records": records})
        return
    lines = text.shown_lines([one.record for one in found], names.zone_name(zone))
    rows = [
        [
            short(one.id),
            when(one.date_ms),
            f"{printable(one.author + pushed_by(one.brought))}:",
            line.decode(),
        ]
        for one, line in zip(found, lines, strict=True)
    ]
    terminal.show_table(rows, (0, "yellow"))


def _blamed_as_json(one: Blame, origin: dns.name.Name) -> dict[str, object]:
    return (
        record_as_json(one.record, origin)
        | {
            "checkin": one.id,
            "date": iso(one.date_ms),
            "author": one.author,
        }
        | brought_as_json(one.brought)
    )


def _absolute(zone: str) -> str:
    return names.zone_name(zone).to_text()
