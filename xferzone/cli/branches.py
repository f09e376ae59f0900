"""The verbs that list, begin and close branches, and list and set tags: branch, tag."""

import click

from xferzone.cli.committing import Writing, commit, on_branch, writing_on
from xferzone.cli.conditions import if_missing, is_given, unless_there
from xferzone.cli.output import iso, printable, show_json, when
from xferzone.cli.settings import Settings, now_ms, reading
from xferzone.cli.terminal import show_table
from xferzone.edit.appending import Commit
from xferzone.edit.commit import Edit
from xferzone.edit.naming import zone_branch
from xferzone.errors import NotFound, UsageError
from xferzone.hashing import short
from xferzone.history import branches
from xferzone.history.revision import resolve
from xferzone.refs import BranchName, LocalRefs, lookup
from xferzone.store import Writer, timeline
from xferzone.zonefile import names


@click.command()
@click.argument("name", metavar="[ZONE]", required=False)
@click.argument("new", metavar="[NAME]", required=False)
@click.argument("revision", metavar="[REV]", default="")
@click.option("--close", is_flag=True, help="Close the branch NAME instead of making it.")
@if_missing
@writing_on("Where REV is looked for if it names no branch; main unless given.")
@click.pass_obj
def branch(settings: Settings, name: str | None, new: str | None, revision: str, close: bool) -> None:
    """List branches, begin one at REV, or close one.

    DNS serves main. What was tried on another branch comes to main by a merge in a check-out
    (`fossil update ZONE/main; fossil merge ZONE/NAME; fossil commit`), or whole by `xferzone reset ZONE NAME`, which
    drops what main got since. A closed branch stays in the lists, marked so; a check-in on it opens it again.

    \b
    REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h (UTC);
         without it, the tip of main

    \b
    Examples:
      xferzone branch
      xferzone branch example.com
      xferzone branch example.com test main~1
      xferzone branch example.com test --close
    """
    if close and is_given():
        raise UsageError("--close and --if-missing: give one of them")
    zone = None if name is None else names.parse_zone(name)
    if zone is None or new is None:
        _list_branches(settings, zone)
        return
    chosen = zone_branch(zone, new.removeprefix(f"{zone}/"))

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        if close:
            return edit.close()
        at = resolve(writer, refs, zone, revision, now_ms(), Writing.given().branch)
        return edit.fork_off(at, Writing.given().message or f'Create new branch named "{chosen}"')

    commit(settings, lambda refs: chosen, act if close else unless_there(act))


@click.command()
@click.argument("name", metavar="[ZONE]", required=False)
@click.argument("tag_name", metavar="[NAME]", required=False)
@click.argument("revision", metavar="[REV]", default="")
@if_missing
@writing_on("Where REV is looked for if it names no branch; main unless given.")
@click.pass_obj
def tag(settings: Settings, name: str | None, tag_name: str | None, revision: str) -> None:
    """List tags, or give a check-in a name that stays.

    \b
    REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h (UTC);
         without it, the tip of main

    \b
    Examples:
      xferzone tag example.com
      xferzone tag example.com before-move main~2
    """
    zone = None if name is None else names.parse_zone(name)
    if zone is None or tag_name is None:
        _list_tags(settings, zone)
        return

    full = f"{zone}/{tag_name.removeprefix(f'{zone}/')}"

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        at = resolve(writer, refs, zone, revision, now_ms(), Writing.given().branch)
        return edit.mark(full, at)

    commit(settings, on_branch(zone), unless_there(act, full))


def _list_branches(settings: Settings, zone: str | None) -> None:
    with reading(settings) as (reader, refs):
        rows = branches.branches(reader, refs, zone)
        reason = None if zone is None else lookup.zone(refs, zone)
    if zone is not None and not rows:
        raise NotFound(reason or f"{zone} is not in this repository: `xferzone zone list` shows what is")
    if settings.json:
        show_json({"branches": [_as_json(row) for row in rows]})
        return
    show_table(
        [[printable(row.name), short(row.tip), when(row.date_ms), _state(row)] for row in rows], (1, "yellow")
    )


def _state(row: branches.BranchEntry) -> str:
    # Of a branch that is no zone's nobody asks whether it is published; feature/x is as good as never one's.
    branch = BranchName.parse(row.name)
    unpublished = not row.is_published and branch is not None and "." in branch.zone
    state = "served" if row.is_served else "not published" if unpublished else ""
    return f"{state} closed".strip() if row.is_closed else state


def _as_json(row: branches.BranchEntry) -> dict[str, object]:
    return {
        "branch": row.name,
        "checkin": row.tip,
        "date": iso(row.date_ms),
        "published": row.is_published,
        "served": row.is_served,
        "closed": row.is_closed,
    }


def _list_tags(settings: Settings, zone: str | None) -> None:
    with reading(settings) as (reader, _):
        rows = timeline.tags(reader, timeline.ALL if zone is None else timeline.of_zone(zone))
    if settings.json:
        show_json({"tags": [{"tag": name, "checkin": at} for name, at in rows]})
    else:
        show_table([[printable(name), short(at)] for name, at in rows], (1, "yellow"))
