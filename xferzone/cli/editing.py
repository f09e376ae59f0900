"""The verbs that change records and branches: set, add, delete, apply, edit, reset, branch, tag."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import dns.name

from xferzone.cli.committing import (
    SHORT,
    WordsCommand,
    Writing,
    commit,
    counted,
    now_ms,
    on_branch,
    printable,
    read_input,
    reading,
    show_json,
    show_warnings,
    source,
    when,
    writing,
    writing_on,
)
from xferzone.cli.main import Settings
from xferzone.edit import commit as zone_edit
from xferzone.edit.commit import Commit, Edit
from xferzone.errors import Fault, NotFound, RefConflict, UsageError, XferzoneError, ZoneInvalid
from xferzone.history import log
from xferzone.history.revision import resolve
from xferzone.publish import served
from xferzone.refs import LocalRefs, lookup
from xferzone.refs.branch import DEFAULT_BRANCH, split_ref
from xferzone.store import Writer, timeline
from xferzone.zone import changes
from xferzone.zone.changes import Change
from xferzone.zonefile import names, text

MAX_COMMENT = 200  # letters of a command line that are kept as a comment
_QUOTE = "a * is to be quoted, as in '*.example.com'"


@click.command("set", cls=WordsCommand)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TTL] TYPE RDATA...")
@writing
@click.pass_obj
def set_(settings: Settings, name: str, words: tuple[str, ...]) -> None:
    """Replace an RRset by one record.

    Names are absolute, with or without the final dot. Without TTL it is the RRset's, else 3600.

    \b
    Examples:
      xferzone set www.example.com. 300 A 192.0.2.1
      xferzone set example.com TXT v=spf1 mx -all
    """
    _change(settings, "set", (name, *words))


@click.command(cls=WordsCommand)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TTL] TYPE RDATA...")
@writing
@click.pass_obj
def add(settings: Settings, name: str, words: tuple[str, ...]) -> None:
    """Add one record to an RRset.

    \b
    Examples:
      xferzone add www.example.com AAAA 2001:db8::1
      xferzone add '*.example.com' A 192.0.2.1         quoted: the shell would put files in place of *
    """
    if name.lower() == "zone" and len(words) == 1:
        raise UsageError(f"add adds a record: `xferzone zone add {words[0]}` adds a zone")
    _change(settings, "add", (name, *words))


@click.command(cls=WordsCommand)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TYPE [RDATA...]]")
@writing
@click.pass_obj
def delete(settings: Settings, name: str, words: tuple[str, ...]) -> None:
    """Delete a name, an RRset or one record.

    \b
    Examples:
      xferzone delete old.example.com
      xferzone delete www.example.com A
      xferzone delete www.example.com A 192.0.2.1
    """
    _change(settings, "delete", (name, *words))


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("file", metavar="FILE|-")
@writing
@click.pass_obj
def apply(settings: Settings, name: str, file: str) -> None:
    """Do many changes as one check-in: lines of set, add and delete.

    A line that begins with # or ; is a comment. Quotes are as in a zone file, and can be left out as on the
    command line.

    \b
    Example:
      printf 'set www.example.com A 192.0.2.7\\ndelete old.example.com\\n' | xferzone apply example.com -
    """
    zone = names.parse_zone(name)
    wanted: list[Change] = []
    for number, line in enumerate(read_input(file).decode("utf-8", "surrogateescape").split("\n"), 1):
        try:
            change = changes.parse_line(line)
            if change is not None:
                changes.owner_in(change.name, zone)
                wanted.append(replace(change, place=f"{source(file)} line {number}"))
        except ZoneInvalid as exc:
            raise ZoneInvalid([Fault(source(file), number, fault.reason) for fault in exc.faults]) from exc
        except UsageError as exc:
            raise UsageError(f"{source(file)} line {number}: {exc}") from exc

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        return edit.change(
            wanted, Writing.given().message or f"apply {counted(len(wanted), 'change')} to {name}"
        )

    commit(settings, on_branch(zone), act)


@click.command()
@click.argument("name", metavar="ZONE")
@writing
@click.pass_obj
def edit(settings: Settings, name: str) -> None:
    """Open a zone in VISUAL or EDITOR, and commit what you saved.

    If somebody else publishes meanwhile, the exit code is 4, and your version is kept on a fork branch; in a clone,
    in the file that you are told.

    \b
    Example:
      EDITOR=nano xferzone edit example.com
    """
    zone = names.parse_zone(name)
    options = Writing.given()
    with reading(settings) as (reader, refs):
        ref = refs.get(f"{zone}/{options.branch}")
        if ref is None or not ref.numbers:
            raise NotFound(lookup.branch(refs, zone, options.branch))
        base = ref.checkin
        before = text.write(served.read_all(reader, zone, reader.files(base)), names.zone_name(zone))
    draft = Path(tempfile.mkdtemp(prefix="xferzone-")) / f"{zone}.zone"
    draft.write_bytes(before)
    after = _edited(draft)

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        records, warnings = zone_edit.check(zone, after, str(draft))
        show_warnings(warnings)
        return change.replace(records, options.message or f"edit {name}", base)

    if after == before:
        click.echo(f"{zone}/{options.branch}: nothing changed", err=True)
    else:
        try:
            commit(settings, on_branch(zone), act)
        except XferzoneError as exc:
            # A race that was lost in a primary is kept on a fork branch.
            stored = "" if isinstance(exc, RefConflict) else "nothing was stored; "
            on = "" if options.branch == DEFAULT_BRANCH else f" -b {options.branch}"
            remedy = f"correct it, then `xferzone zone import {name} {draft}{on}`"
            exc.args = (f"{exc}\n{stored}your text is in {draft}: {remedy}",)
            raise
    if options.dry_run:
        click.echo(f"your text is in {draft}", err=True)
    else:
        shutil.rmtree(draft.parent)


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("revision", metavar="REV")
@writing
@click.pass_obj
def reset(settings: Settings, name: str, revision: str) -> None:
    """Serve an older version again, as a new check-in; the undo.

    REV of another branch, as a canary's name, brings that branch's content to main; what main got since is dropped,
    where `fossil merge` in a check-out of main would keep both. A removed zone comes back by main~1.

    \b
    REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h (UTC);
         without a name before ~ or @ it is of the branch worked on, main

    \b
    Examples:
      xferzone reset example.com main~1
      xferzone reset example.com @2026-11-01
      xferzone reset example.com canary
    """
    zone = names.parse_zone(name)

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        to = resolve(writer, refs, zone, revision, now_ms(), Writing.given().branch)
        return edit.reset(to, Writing.given().message or f"reset to {to[:SHORT]}")

    commit(settings, on_branch(zone), act)


@click.command()
@click.argument("name", metavar="[ZONE]", required=False)
@click.argument("new", metavar="[NAME]", required=False)
@click.argument("revision", metavar="[REV]", default="")
@click.option("--close", is_flag=True, help="Close the branch NAME instead of making it.")
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
    zone = None if name is None else names.parse_zone(name)
    if zone is None or new is None:
        _list_branches(settings, zone)
        return
    chosen = f"{zone}/{new.removeprefix(f'{zone}/')}"

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        if close:
            return edit.close()
        at = resolve(writer, refs, zone, revision, now_ms(), Writing.given().branch)
        return edit.fork_off(at, Writing.given().message or f'Create new branch named "{chosen}"')

    commit(settings, lambda refs: chosen, act)


@click.command()
@click.argument("name", metavar="[ZONE]", required=False)
@click.argument("tag_name", metavar="[NAME]", required=False)
@click.argument("revision", metavar="[REV]", default="")
@writing_on("Where REV is looked for if it names no branch; main unless given.")
@click.pass_obj
def tag(settings: Settings, name: str | None, tag_name: str | None, revision: str) -> None:
    """List all tags or a zone's, or give a check-in a name that stays.

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

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        at = resolve(writer, refs, zone, revision, now_ms(), Writing.given().branch)
        return edit.mark(f"{zone}/{tag_name.removeprefix(f'{zone}/')}", at)

    commit(settings, on_branch(zone), act)


def _change(settings: Settings, verb: str, words: tuple[str, ...]) -> None:
    """Commit the change of one command line, which is the check-in's comment unless -m gives one."""
    try:
        wanted = changes.parse_change(verb, words)
    except UsageError as exc:
        if _are_files(words[:2]):
            exc.args = (f"{exc}; {' and '.join(words[:2])} are files here: {_QUOTE}",)
        raise

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        return edit.change([wanted], Writing.given().message or _shortened(" ".join((verb, *words))))

    def target(refs: LocalRefs) -> str:
        branch = Writing.given().branch
        return f"{zone_of(refs, wanted.name, branch)}/{branch}"

    commit(settings, target, act)


def _shortened(comment: str) -> str:
    return comment if len(comment) <= MAX_COMMENT else f"{comment[:MAX_COMMENT]}..."


def zone_of(
    refs: LocalRefs, name: dns.name.Name, branch: str = DEFAULT_BRANCH, *, removed: bool = False
) -> str:
    """The longest zone with that branch in the repository that contains `name`. Raises NotFound if none does.

    `removed`: one that was served once counts too.
    """
    for depth in range(len(name.labels)):
        try:
            zone = names.zone_id(dns.name.Name(name.labels[depth:]))
        except ValueError:
            continue  # too long for a zone's name
        ref = refs.get(f"{zone}/{branch}")
        if ref is not None and (ref.numbers or removed):
            return zone
    above = lookup.enclosing(refs, name)
    if above is not None:
        raise NotFound(lookup.branch(refs, above, branch))
    hint = ""
    if _are_files([name.to_text(omit_final_dot=True)]):
        hint = f", but there is a file of that name: {_QUOTE}"
    elif len(name.labels) == 2:
        hint = f"; names are absolute, as in {name}example.com"
    raise NotFound(
        f"no zone here contains {name}{hint}: `xferzone zone list` shows them, `zone add` adds one"
    )


def _are_files(words: Sequence[str]) -> bool:
    """Whether these words may have come from the shell, in place of a *."""
    return {path.name for path in Path().iterdir()}.issuperset(words)


def _list_branches(settings: Settings, zone: str | None) -> None:
    with reading(settings) as (reader, refs):
        rows = log.branches(reader, refs, zone)
        reason = None if zone is None else lookup.zone(refs, zone)
    if zone is not None and not rows:
        raise NotFound(reason or f"{zone} is not in this repository: `xferzone zone list` shows what is")
    if settings.json:
        show_json(
            [
                {
                    "branch": row.name,
                    "checkin": row.tip,
                    "date": when(row.date_ms),
                    "published": row.is_published,
                    "served": row.is_served,
                    "closed": row.is_closed,
                }
                for row in rows
            ]
        )
        return
    for row in rows:
        # Of a branch that is no zone's nobody asks whether it is published; feature/x is as good as never one's.
        unpublished = not row.is_published and "." in (split_ref(row.name) or ("",))[0]
        state = (" served" if row.is_served else " not published" if unpublished else "") + (
            " closed" if row.is_closed else ""
        )
        click.echo(f"{printable(row.name)} {row.tip[:SHORT]} {when(row.date_ms)}{state}")


def _list_tags(settings: Settings, zone: str | None) -> None:
    with reading(settings) as (reader, _):
        rows = timeline.tags(reader, timeline.ALL if zone is None else timeline.of_zone(zone))
    if settings.json:
        show_json([{"tag": name, "checkin": at} for name, at in rows])
    else:
        click.echo("".join(f"{printable(name)} {at[:SHORT]}\n" for name, at in rows), nl=False)


def _edited(draft: Path) -> bytes:
    """What people make of the draft in their editor."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        ended = subprocess.run([*shlex.split(command), str(draft)], check=False)
        if ended.returncode == 0:
            return draft.read_bytes()
        reason = f"it ended with {ended.returncode}"
    except (OSError, ValueError) as exc:
        reason = str(exc)
    raise UsageError(f"{command}: {reason}; nothing was stored, your text is in {draft}")
